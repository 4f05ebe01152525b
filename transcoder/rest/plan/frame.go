package plan

import (
	"errors"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// A client that streams sends many messages for one path and query. The first is
// bound as ever; the further ones are what their bodies say, which must not
// contradict the path either. A body may also be serialized instead of JSON, and
// then the rest of the request is appended to it as to one that was translated.

// CheckHead reports what is wrong with path and query, before anything of a body
// has come, and fills s.Outcome. The error is an *[Error].
func (p *Plan) CheckHead(r *Request, s *Scratch) error {
	p.Begin(r.RawQuery, s)
	p.limit(s)
	if err := p.convertPath(r, s); err != nil {
		return err
	}
	// Both write what they bind, which is of no use here.
	var err error
	if s.wire, err = p.appendQuery(s.wire[:0], r.RawQuery, s); err != nil {
		return err
	}
	s.wire, err = p.appendPath(s.wire[:0], r, s)
	return err
}

// BindFurther is [Plan.Bind] for a message behind the first one: path and query are
// not put into it, but r has the path, with which the body is compared as that of
// the first one is. What it repeats stays in the message. s.Outcome is then that of
// this message.
func (p *Plan) BindFurther(dst []byte, r *Request, s *Scratch) ([]byte, error) {
	start := len(dst)
	out := dst
	err := p.beginFurther(r, s)
	if err == nil {
		out, err = p.appendBody(out, r, s)
	}
	if err == nil && p.mask != nil {
		out, err = p.appendMask(out, start, r, s)
	}
	if err == nil {
		err = p.required(out[start:], s)
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (p *Plan) beginFurther(r *Request, s *Scratch) error {
	p.Begin("", s)
	p.limit(s)
	err := p.convertPath(r, s)
	s.bound.Keep = true
	return err
}

// TakesWire reports whether a body may be serialized: it is a message. A rule
// without a body takes an empty one.
func (p *Plan) TakesWire() bool {
	if p.mode != fieldBody {
		return true
	}
	fd := p.descriptor.Fields().ByNumber(p.body.Number())
	return fd != nil && fd.Kind() == protoreflect.MessageKind && !fd.IsList() && !fd.IsMap()
}

// BindWire is [Plan.Bind] for a body that is serialized, which [Plan.TakesWire]
// must allow. What path and query bind follows it, and therefore wins over it.
func (p *Plan) BindWire(dst []byte, r *Request, s *Scratch) ([]byte, error) {
	start := len(dst)
	p.Begin(r.RawQuery, s)
	p.limit(s)
	err := p.convertPath(r, s)
	out := dst
	if err == nil {
		out, err = p.appendWire(out, r.Body)
	}
	if err == nil {
		out, err = p.appendQuery(out, r.RawQuery, s)
	}
	if err == nil {
		out, err = p.appendPath(out, r, s)
	}
	if err == nil {
		err = p.required(out[start:], s)
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

// BindFurtherWire is [Plan.BindFurther] for a body that is serialized.
func (p *Plan) BindFurtherWire(dst []byte, r *Request, s *Scratch) ([]byte, error) {
	start := len(dst)
	out := dst
	err := p.beginFurther(r, s)
	if err == nil {
		out, err = p.appendWire(out, r.Body)
	}
	if err == nil {
		out, err = p.holdToPath(out, start, r, s)
	}
	if err == nil {
		err = p.required(out[start:], s)
	}
	if err != nil {
		return dst, err
	}
	return out, nil
}

// holdToPath compares the message out[start:] with the path, which follows it if it
// is to win.
func (p *Plan) holdToPath(out []byte, start int, r *Request, s *Scratch) ([]byte, error) {
	err := s.bound.CheckWire(out[start:], &s.codec)
	if err == nil {
		return out, nil
	}
	var ce *codec.Error
	if p.options.PathWins && errors.As(err, &ce) && ce.Kind == codec.KindBound {
		return p.appendPath(out, r, s)
	}
	return nil, fromCodec(InBody, "", err)
}

// appendWire appends a body that is serialized. It must end where its last field
// does: else that field would swallow what is appended behind it.
func (p *Plan) appendWire(dst, body []byte) ([]byte, error) {
	for rest := body; len(rest) > 0; {
		_, _, n := protowire.ConsumeField(rest)
		if n < 0 {
			return nil, errorf(InBody, "", "body: byte %d begins no field of a serialized message: %v", len(body)-len(rest), protowire.ParseError(n))
		}
		rest = rest[n:]
	}
	switch p.mode {
	case noBody:
		if len(body) > 0 {
			return nil, errorf(InBody, "", "body: this path takes the message from path and query")
		}
		return dst, nil
	case fieldBody:
		dst = protowire.AppendTag(dst, p.body.Number(), protowire.BytesType)
		return protowire.AppendBytes(dst, body), nil
	}
	return append(dst, body...), nil
}

func (p *Plan) required(message []byte, s *Scratch) error {
	if err := p.input.CheckRequired(message, &s.codec); err != nil {
		return fromCodec(InMessage, "", err)
	}
	return nil
}
