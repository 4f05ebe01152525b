package plan

import "github.com/dragoman-gateway/dragoman/transcoder/codec"

// Programs look at messages as JSON. One that travels serialized is shown to them
// for that, and what they made of it is serialized again. What JSON does not show,
// unknown fields, is lost on the way.

// AppendBodyJSON appends a body that is serialized, which [Plan.TakesWire] must
// allow, as protobuf's own JSON. The error is an *[Error].
func (p *Plan) AppendBodyJSON(dst, wire []byte, s *Scratch) ([]byte, error) {
	p.limit(s)
	out, err := p.bodyMessage().AppendJSON(dst, wire, &s.codec)
	if err != nil {
		return dst, fromCodec(InBody, "", err)
	}
	return out, nil
}

// AppendBodyWire is the way back. On failure it returns dst as it was and a
// *[codec.Error].
func (p *Plan) AppendBodyWire(dst, json []byte, s *Scratch) ([]byte, error) {
	p.limit(s)
	return p.bodyMessage().AppendWire(dst, json, &s.codec, nil)
}

// bodyMessage is the message that a body is.
func (p *Plan) bodyMessage() *codec.Message {
	if p.mode == fieldBody {
		return p.body.Message()
	}
	return p.input
}

// AppendAnswerJSON appends all of a serialized response message as JSON in the
// rule's form. On failure it returns dst as it was and a *[codec.Error].
func (p *Plan) AppendAnswerJSON(dst, wire []byte, want Want, s *Scratch) ([]byte, error) {
	p.limit(s)
	return p.form(want).output.AppendJSON(dst, wire, &s.codec)
}

// AppendAnswerWire is the way back. On failure it returns dst as it was and a
// *[codec.Error].
func (p *Plan) AppendAnswerWire(dst, json []byte, s *Scratch) ([]byte, error) {
	p.limit(s)
	s.codec.Parse = codec.Parse{}
	return p.usual.output.AppendWire(dst, json, &s.codec, nil)
}
