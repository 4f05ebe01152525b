package plan

import (
	"encoding/base64"
	"errors"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

const (
	codeUnknown          = 2
	highestCode          = 16
	statusCode           = protowire.Number(1)
	statusMessage        = protowire.Number(2)
	statusDetails        = protowire.Number(3)
	anyTypeURL, anyValue = protowire.Number(1), protowire.Number(2)
)

// Status is how a call ended, and how that is shown.
type Status struct {
	// Code and Message are those of the call.
	Code    uint32
	Message string
	// Details is the serialized google.rpc.Status of grpc-status-details-bin, or
	// empty. What it says wins over Code and Message.
	Details []byte
	// Instead, if not empty, wins over both messages: one in the client's language.
	Instead string
	// HTTP and Title are as in [Fault].
	HTTP  int
	Title string
	Shape Shape
}

// RenderStatus appends a status as JSON. A detail whose type the schema does not
// have is kept as {"@type":…,"value":base64}; one that is broken is left out, and
// so is all of the details if they are broken. A code that gRPC does not have is
// UNKNOWN. RenderStatus never fails.
func (p *Plan) RenderStatus(dst []byte, st *Status, want Want, s *Scratch) []byte {
	p.limit(s)
	f := Fault{Code: st.Code, Message: st.Message, HTTP: st.HTTP, Title: st.Title}
	head, ok := parseStatus(st.Details)
	if ok {
		if head.code != 0 {
			f.Code = head.code
		}
		if len(head.message) > 0 {
			f.Message = string(head.message)
		}
		if st.Shape == ShapeProblem {
			d := ReadDetails(st.Details)
			f.Reason, f.Help, f.Violations = d.Reason, d.Help, d.Violations
		}
	}
	if st.Instead != "" {
		f.Message = st.Instead
	}
	dst = f.AppendHead(dst, st.Shape)
	if ok {
		dst = p.form(want).appendDetails(dst, st.Details, s)
	}
	return st.Shape.AppendTail(dst)
}

type statusHead struct {
	code    uint32
	message []byte
}

// parseStatus reads all of a google.rpc.Status but the details, and reports
// whether it is well-formed wire data and not empty.
func parseStatus(wire []byte) (statusHead, bool) {
	var head statusHead
	if len(wire) == 0 {
		return head, false
	}
	for len(wire) > 0 {
		number, kind, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return head, false
		}
		wire = wire[n:]
		switch {
		case number == statusCode && kind == protowire.VarintType:
			var v uint64
			v, n = protowire.ConsumeVarint(wire)
			head.code = uint32(v)
		case number == statusMessage && kind == protowire.BytesType:
			head.message, n = protowire.ConsumeBytes(wire)
		default:
			n = protowire.ConsumeFieldValue(number, kind, wire)
		}
		if n < 0 {
			return head, false
		}
		wire = wire[n:]
	}
	return head, true
}

// appendDetails appends the details of a well-formed google.rpc.Status.
func (f *form) appendDetails(dst, wire []byte, s *Scratch) []byte {
	first := true
	for len(wire) > 0 {
		number, kind, n := protowire.ConsumeTag(wire)
		wire = wire[n:]
		n = protowire.ConsumeFieldValue(number, kind, wire)
		if number == statusDetails && kind == protowire.BytesType {
			detail, _ := protowire.ConsumeBytes(wire)
			mark := len(dst)
			if !first {
				dst = append(dst, ',')
			}
			var ok bool
			if dst, ok = f.appendDetail(dst, detail, s); ok {
				first = false
			} else {
				dst = dst[:mark]
			}
		}
		wire = wire[n:]
	}
	return dst
}

// appendDetail appends one serialized Any, and reports whether there was
// anything to append.
func (f *form) appendDetail(dst, detail []byte, s *Scratch) ([]byte, bool) {
	url, value, ok := parseAny(detail)
	if !ok || len(url) == 0 {
		return dst, false
	}
	if f.any != nil {
		out, err := f.any.AppendJSON(dst, detail, &s.codec)
		if err == nil {
			return out, true
		}
		var ce *codec.Error
		if !errors.As(err, &ce) || ce.Kind != codec.KindUnknownType {
			return dst, false
		}
	}
	dst = append(dst, `{"@type":`...)
	dst = AppendString(dst, url)
	dst = append(dst, `,"value":"`...)
	dst = base64.StdEncoding.AppendEncode(dst, value)
	return append(dst, `"}`...), true
}

func parseAny(wire []byte) (url, value []byte, ok bool) {
	for len(wire) > 0 {
		number, kind, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return nil, nil, false
		}
		wire = wire[n:]
		switch {
		case number == anyTypeURL && kind == protowire.BytesType:
			url, n = protowire.ConsumeBytes(wire)
		case number == anyValue && kind == protowire.BytesType:
			value, n = protowire.ConsumeBytes(wire)
		default:
			n = protowire.ConsumeFieldValue(number, kind, wire)
		}
		if n < 0 {
			return nil, nil, false
		}
		wire = wire[n:]
	}
	return url, value, true
}

// AppendString appends text as a JSON string. What is not valid UTF-8 becomes
// U+FFFD.
func AppendString[T string | []byte](dst []byte, text T) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		c := text[i]
		switch {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
			i++
		case c == '\n':
			dst = append(dst, `\n`...)
			i++
		case c == '\r':
			dst = append(dst, `\r`...)
			i++
		case c == '\t':
			dst = append(dst, `\t`...)
			i++
		case c < 0x20 || c == 0x7f:
			dst = append(dst, `\u00`...)
			dst = append(dst, hex[c>>4], hex[c&15])
			i++
		case c < utf8.RuneSelf:
			dst = append(dst, c)
			i++
		default:
			end := min(i+utf8.UTFMax, len(text))
			r, size := utf8.DecodeRuneInString(string(text[i:end]))
			dst = utf8.AppendRune(dst, r)
			i += size
		}
	}
	return append(dst, '"')
}
