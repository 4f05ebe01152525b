package plan

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// A google.api.HttpBody stands for a body that is no JSON: its bytes, and their
// media type. Where it is the body of a request or of an answer (the whole
// message, or the field of `body` or `response_body`), its fields are written and
// found on the wire, and its bytes are copied into a request once, and out of an
// answer not at all. Anywhere else it is a message like any other.

const (
	httpBodyName = "google.api.HttpBody"

	contentTypeNumber = protowire.Number(1)
	dataNumber        = protowire.Number(2)
	extensionsNumber  = protowire.Number(3)
)

// httpBody is where a message has the google.api.HttpBody that is its body.
type httpBody struct {
	// number is that of the field, 0 if the message is the body itself; group says
	// that the field is delimited by tags and not by a length.
	number protowire.Number
	group  bool
	// rivals are the other members of the oneof that the field is in: one that
	// comes later takes the body's place.
	rivals []protowire.Number
}

// IsHTTPBody reports whether a message is of the name of google.api.HttpBody.
func IsHTTPBody(md protoreflect.MessageDescriptor) bool { return md.FullName() == httpBodyName }

// newHTTPBody is nil if md, or the field fd of it if that is not nil, is no
// google.api.HttpBody.
func newHTTPBody(md protoreflect.MessageDescriptor, fd protoreflect.FieldDescriptor) (*httpBody, error) {
	h := &httpBody{}
	if fd != nil {
		if fd.Cardinality() == protoreflect.Repeated || fd.Message() == nil {
			return nil, nil
		}
		md = fd.Message()
		h.number, h.group = fd.Number(), fd.Kind() == protoreflect.GroupKind
		if oneof := fd.ContainingOneof(); oneof != nil {
			for i := range oneof.Fields().Len() {
				if other := oneof.Fields().Get(i); other.Number() != fd.Number() {
					h.rivals = append(h.rivals, other.Number())
				}
			}
		}
	}
	if !IsHTTPBody(md) {
		return nil, nil
	}
	for _, want := range [...]struct {
		number protowire.Number
		name   protoreflect.Name
		kind   protoreflect.Kind
		list   bool
	}{
		{contentTypeNumber, "content_type", protoreflect.StringKind, false},
		{dataNumber, "data", protoreflect.BytesKind, false},
		{extensionsNumber, "extensions", protoreflect.MessageKind, true},
	} {
		got := md.Fields().ByName(want.name)
		if got == nil || got.Number() != want.number || got.Kind() != want.kind || got.IsList() != want.list {
			return nil, fmt.Errorf("the %s of %s is not Google's: field %q should be number %d, of kind %s",
				httpBodyName, md.ParentFile().Path(), want.name, want.number, want.kind)
		}
	}
	return h, nil
}

// TakesHTTPBody reports whether the body of a request is a google.api.HttpBody:
// bytes as they are, of any media type.
func (p *Plan) TakesHTTPBody() bool { return p.rawBody != nil }

// GivesHTTPBody reports whether the body of an answer is a google.api.HttpBody, to
// be read by [Plan.ReadHTTPBody] and not rendered.
func (p *Plan) GivesHTTPBody() bool { return p.rawAnswer != nil }

// AppendHTTPBody appends a google.api.HttpBody with a media type and data to a
// request message, as one more piece of it: protobuf merges pieces, the later
// data in place of the earlier. It appends nothing if both are empty.
func (p *Plan) AppendHTTPBody(dst []byte, contentType string, data []byte) []byte {
	if len(contentType)+len(data) == 0 {
		return dst
	}
	dst = p.AppendHTTPBodyHead(dst, contentType, len(data))
	return p.AppendHTTPBodyTail(append(dst, data...))
}

// AppendHTTPBodyHead appends what stands before size bytes of data in
// [Plan.AppendHTTPBody], and AppendHTTPBodyTail what stands behind them: for who
// can put the data into its place without another copy.
func (p *Plan) AppendHTTPBodyHead(dst []byte, contentType string, size int) []byte {
	h := p.rawBody
	switch {
	case h.group:
		dst = protowire.AppendTag(dst, h.number, protowire.StartGroupType)
	case h.number != 0:
		n := 0
		if contentType != "" {
			n += protowire.SizeTag(contentTypeNumber) + protowire.SizeBytes(len(contentType))
		}
		if size > 0 {
			n += protowire.SizeTag(dataNumber) + protowire.SizeBytes(size)
		}
		dst = protowire.AppendTag(dst, h.number, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(n))
	}
	if contentType != "" {
		dst = protowire.AppendTag(dst, contentTypeNumber, protowire.BytesType)
		dst = protowire.AppendString(dst, contentType)
	}
	if size > 0 {
		dst = protowire.AppendTag(dst, dataNumber, protowire.BytesType)
		dst = protowire.AppendVarint(dst, uint64(size))
	}
	return dst
}

// AppendHTTPBodyTail appends what stands behind the data.
func (p *Plan) AppendHTTPBodyTail(dst []byte) []byte {
	if p.rawBody.group {
		return protowire.AppendTag(dst, p.rawBody.number, protowire.EndGroupType)
	}
	return dst
}

// HTTPBody is a google.api.HttpBody of an answer. What it has is part of the
// message's bytes, and of no use without them. Its zero value is that of a message
// without one.
type HTTPBody struct {
	ContentType, Data []byte
	// Extensions are serialized messages google.protobuf.Any.
	Extensions [][]byte
}

// Reset forgets all, but keeps the memory of the list.
func (b *HTTPBody) Reset() {
	clear(b.Extensions)
	*b = HTTPBody{Extensions: b.Extensions[:0]}
}

// ReadHTTPBody makes b the body of a serialized response message. The error is a
// *[codec.Error].
func (p *Plan) ReadHTTPBody(b *HTTPBody, wire []byte) error {
	b.Reset()
	h := p.rawAnswer
	if h.number == 0 {
		return b.merge(wire)
	}
	for rest := wire; len(rest) > 0; {
		number, kind, n := protowire.ConsumeTag(rest)
		if n < 0 {
			return notWire(n)
		}
		size := protowire.ConsumeFieldValue(number, kind, rest[n:])
		if size < 0 {
			return notWire(size)
		}
		value := rest[n : n+size]
		switch {
		case number == h.number && h.group && kind == protowire.StartGroupType:
			content, size := protowire.ConsumeGroup(number, value)
			if size < 0 {
				return notWire(size)
			}
			if err := b.merge(content); err != nil {
				return err
			}
		case number == h.number && !h.group && kind == protowire.BytesType:
			content, _ := protowire.ConsumeBytes(value)
			if err := b.merge(content); err != nil {
				return err
			}
		case slices.Contains(h.rivals, number):
			b.Reset()
		}
		rest = rest[n+size:]
	}
	return nil
}

// merge adds the fields of a serialized google.api.HttpBody.
func (b *HTTPBody) merge(wire []byte) error {
	for len(wire) > 0 {
		number, kind, n := protowire.ConsumeTag(wire)
		if n < 0 {
			return notWire(n)
		}
		size := protowire.ConsumeFieldValue(number, kind, wire[n:])
		if size < 0 {
			return notWire(size)
		}
		if kind == protowire.BytesType {
			content, _ := protowire.ConsumeBytes(wire[n : n+size])
			switch number {
			case contentTypeNumber:
				b.ContentType = content
			case dataNumber:
				b.Data = content
			case extensionsNumber:
				b.Extensions = append(b.Extensions, content)
			}
		}
		wire = wire[n+size:]
	}
	return nil
}

// notWire is the error for a negative length of package protowire.
func notWire(n int) error {
	return &codec.Error{Kind: codec.KindWire, Message: "not a protobuf message: " + protowire.ParseError(n).Error()}
}
