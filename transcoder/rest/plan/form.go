package plan

import (
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// Want is what one request asks of its answer's form. Its zero value is what the
// rule's options say.
type Want struct {
	// Numbers asks for enum values as numbers. Without [Options.Numbers] it has no
	// effect.
	Numbers bool
	// Mask selects a part of each message; nil is everything. It is one of
	// [Plan.ParseMask].
	Mask *codec.Mask
}

// form has the tables of answers in one JSON form.
type form struct {
	output *codec.Message
	// response is the field of `response_body: "field"`, nil for the message.
	response *codec.Field
	// any renders the details of a status; nil if the schema lacks the type.
	any *codec.Message
}

// maxCut is the largest buffer for parts of messages that is kept.
const maxCut = 256 << 10

// ParseMask parses what a client asks of its answers by the parameter fields, or
// by X-Goog-FieldMask. Paths begin in the response body. The error is a
// *[codec.Error].
func (p *Plan) ParseMask(text string) (*codec.Mask, error) {
	if p.usual.response != nil {
		return p.usual.response.ParseMask(text)
	}
	return p.usual.output.ParseMask(text)
}

// newForm finds the tables of output, or of the field of it that is the response
// body, in c.
func newForm(c *codec.Codec, output protoreflect.MessageDescriptor, body string) (*form, error) {
	f := &form{output: c.Message(output.FullName()), any: c.Message("google.protobuf.Any")}
	if f.output == nil {
		return nil, fmt.Errorf("the schema has no message %s", output.FullName())
	}
	if body == "" {
		return f, nil
	}
	if f.response, _ = lookUp(f.output, output, body); f.response == nil {
		return nil, fmt.Errorf("response_body %q: %s", body, missing(output, body))
	}
	return f, nil
}

func (p *Plan) form(w Want) *form {
	if w.Numbers && p.numbers != nil {
		return p.numbers
	}
	return p.usual
}

// Render appends the JSON of a serialized response message to dst, or of its
// response_body. On failure it returns dst as it was and a *[codec.Error].
func (p *Plan) Render(dst, wire []byte, want Want, s *Scratch) ([]byte, error) {
	p.limit(s)
	f := p.form(want)
	if want.Mask != nil {
		cut, err := want.Mask.AppendCut(s.cut[:0], wire, &s.codec)
		if err != nil {
			return dst, err
		}
		wire = cut
		if s.cut = cut; cap(cut) > maxCut {
			s.cut = nil
		}
		s.codec.Selected = want.Mask
	}
	if f.response != nil {
		return f.response.AppendJSON(dst, wire, &s.codec)
	}
	return f.output.AppendJSON(dst, wire, &s.codec)
}
