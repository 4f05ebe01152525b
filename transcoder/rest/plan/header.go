package plan

import (
	"bytes"
	"fmt"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/internal/near"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// Header is a template of a header's value over one type of response messages:
//
//	max-age={max_age_seconds}
//	attachment; filename="{[acme.v1.File].name}"
//
// It is immutable and safe for any goroutine.
type Header struct {
	// texts stand before, between and behind the values; there is one more.
	texts  []string
	values []headerValue
}

// headerValue is one field in a template.
type headerValue struct {
	*Value
	// extension is the type of the extension that the field is in; empty for a
	// field of the response message.
	extension string
	// quoted says that it stands in a quoted-string (RFC 9110, section 5.6.4).
	quoted bool
}

// maxHeader bounds the value: it comes from upstreams, and no client takes a much
// longer one.
const maxHeader = 8 << 10

// NewHeader compiles a template for messages of type md: text of a header in which
// {field} and {field.below} stand for fields of the message, by their proto names,
// and {[package.Message].field} for those of an extension of a google.api.HttpBody.
func NewHeader(c *codec.Codec, md protoreflect.MessageDescriptor, template string) (*Header, error) {
	h := &Header{}
	quoted := false
	for rest := template; ; {
		at := len(template) - len(rest)
		text, after, found := strings.Cut(rest, "{")
		for i := 0; i < len(text); i++ {
			switch c := text[i]; {
			case c == '}':
				return nil, fmt.Errorf("the brace at byte %d closes nothing", at+i)
			case c != '\t' && (c < ' ' || c > '~'):
				return nil, fmt.Errorf("%q at byte %d cannot stand in a header; text is printable ASCII", text[i:i+1], at+i)
			case c == '\\' && quoted:
				i++
			case c == '"':
				quoted = !quoted
			}
		}
		h.texts = append(h.texts, text)
		if !found {
			return h, nil
		}
		path, after, found := strings.Cut(after, "}")
		if !found {
			return nil, fmt.Errorf("the brace at byte %d is never closed", at+len(text))
		}
		v, err := newHeaderValue(c, md, path)
		if err != nil {
			return nil, fmt.Errorf("variable %q: %w", path, err)
		}
		v.quoted = quoted
		h.values = append(h.values, v)
		rest = after
	}
}

func newHeaderValue(c *codec.Codec, md protoreflect.MessageDescriptor, path string) (v headerValue, err error) {
	if rest, ok := strings.CutPrefix(path, "["); ok {
		name, field, ok := strings.Cut(rest, "].")
		if !ok {
			return v, fmt.Errorf("an extension is written {[package.Message].field}")
		}
		message := c.Message(protoreflect.FullName(name))
		if message == nil {
			return v, fmt.Errorf("the schema has no message %s%s", name, nearestMessage(c, name))
		}
		md, path, v.extension = message.Descriptor(), field, name
	}
	v.Value, err = NewValue(c, md, path, false)
	return v, err
}

// nearestMessage asks whether a message of much the same name was meant.
func nearestMessage(c *codec.Codec, name string) string {
	best, least := "", 1+max(1, len(name)/3)
	for other := range c.Names() {
		if d := near.Distance(name, string(other)); d < least || d == least && string(other) < best {
			best, least = string(other), d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean %s?", best)
}

// Extensions reports whether fields of extensions stand in the template.
func (h *Header) Extensions() bool {
	for _, v := range h.values {
		if v.extension != "" {
			return true
		}
	}
	return false
}

// Fixed reports whether no fields stand in the template: the value is the same
// without any message.
func (h *Header) Fixed() bool { return len(h.values) == 0 }

// Text is the value of a header that is [Header.Fixed].
func (h *Header) Text() string { return h.texts[0] }

// Append appends the header's value for a serialized response message and the
// extensions of its google.api.HttpBody. ok is false, and nothing is appended, if
// a field is empty or has control characters, or if the value would be too long.
// The error is a *[codec.Error].
func (h *Header) Append(dst, wire []byte, extensions [][]byte, s *Scratch) (out []byte, ok bool, err error) {
	out = append(dst, h.texts[0]...)
	for i := range h.values {
		v := &h.values[i]
		message := wire
		if v.extension != "" {
			if message, ok = extension(extensions, v.extension); !ok {
				return dst, false, nil
			}
		}
		s.text, ok, err = v.AppendText(s.text[:0], message, s)
		if err != nil || !ok || len(s.text) == 0 || bytes.ContainsFunc(s.text, control) {
			return dst, false, err
		}
		if v.quoted {
			out = appendQuoted(out, s.text)
		} else {
			out = append(out, s.text...)
		}
		out = append(out, h.texts[i+1]...)
		if len(out)-len(dst) > maxHeader {
			return dst, false, nil
		}
	}
	return out, true, nil
}

// control reports whether c could end a header, or cannot stand in one.
func control(c rune) bool { return c < ' ' || c == 0x7f }

// appendQuoted appends what stands in a quoted-string.
func appendQuoted(dst, value []byte) []byte {
	for _, c := range value {
		if c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, c)
	}
	return dst
}

// extension is the content of the first serialized google.protobuf.Any that has a
// message of this type.
func extension(extensions [][]byte, name string) ([]byte, bool) {
	for _, wire := range extensions {
		var url, value []byte
		for len(wire) > 0 {
			number, kind, n := protowire.ConsumeTag(wire)
			if n < 0 {
				break
			}
			size := protowire.ConsumeFieldValue(number, kind, wire[n:])
			if size < 0 {
				break
			}
			if kind == protowire.BytesType {
				content, _ := protowire.ConsumeBytes(wire[n : n+size])
				switch number {
				case 1:
					url = content
				case 2:
					value = content
				}
			}
			wire = wire[n+size:]
		}
		// A broken one is of no use, and of no harm.
		if at := bytes.LastIndexByte(url, '/'); len(wire) == 0 && at >= 0 && string(url[at+1:]) == name {
			return value, true
		}
	}
	return nil, false
}
