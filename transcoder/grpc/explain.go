package grpc

import (
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/validate"
)

var _ transcoder.Explainer = (*handler)(nil)

// Explain implements [transcoder.Explainer]. What is explained is the call, so
// the body is the request message as JSON, the way grpcurl takes it, and not
// frames.
func (h *handler) Explain(r *http.Request, x *route.Exchange) *transcoder.Explanation {
	method, settings := h.ep.Method, h.ep.Settings
	e := &transcoder.Explanation{Method: method}
	e.Timeout, e.TimeoutFrom = transcoder.ExplainDeadline(r, settings, method.Unary())
	if h.ep.Codec == nil {
		e.Stages = []string{"answer: the gateway serves " + string(method.Descriptor.Parent().FullName()) + " itself"}
		return e
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, int64(settings.MaxRequestBytes)+1))
	if err != nil {
		e.Refused = &rpc.Error{Reason: rpc.InvalidRequest, Message: "the body cannot be read", Cause: err}
		return e
	}
	if len(body) > 0 {
		input := h.ep.Codec.Message(method.Descriptor.Input().FullName())
		scratch := codec.Scratch{MaxDepth: settings.MaxDepth, MaxJSON: settings.MaxJSONBytes}
		if e.Message, err = input.AppendWire(nil, body, &scratch, nil); err != nil {
			e.Refused = rpc.Errorf(rpc.InvalidBody, "the JSON of the message: %v", err)
			var wrong *codec.Error
			if errors.As(err, &wrong) && wrong.Path != "" {
				e.Refused.Violations = []rpc.Violation{{Field: wrong.Path, Description: wrong.Message}}
			}
			return e
		}
		// What was parsed can be printed.
		e.JSON, _ = input.AppendJSON(nil, e.Message, &scratch)
		if e.Refused = h.explainReshaped(e, r, x); e.Refused != nil {
			return e
		}
	}
	// Programs that see the message may have changed it.
	md, refused := metadata(nil, r, nil, settings)
	if refused != nil {
		e.Refused = refused
		return e
	}
	e.Metadata = slices.Clone(md)
	if h.ep.Validate != nil {
		if len(body) > 0 || !method.ClientStreaming {
			if e.Refused = transcoder.Check(h.ep.Validate, e.Message, new(validate.Scratch)); e.Refused != nil {
				return e
			}
		}
		e.Stages = append(e.Stages, "check the buf.validate rules of "+string(method.Descriptor.Input().FullName()))
	}
	e.Stages = append(e.Stages, "call "+method.Path+" with the messages as they are")
	if e.Onward(h.ep.Upstream); e.Refused == nil {
		e.Stages = append(e.Stages, "answer with the messages as they are")
	}
	return e
}

// explainReshaped makes of the message what programs would.
func (h *handler) explainReshaped(e *transcoder.Explanation, r *http.Request, x *route.Exchange) *rpc.Error {
	var in exchange
	if h.reshape(&in, x); in.in == nil {
		return nil
	}
	defer in.in.free()
	defer in.out.free()
	msg := rpc.NewBufferFor(len(e.Message))
	msg.B = append(msg.B[:0], e.Message...)
	msg, err := in.in.request(msg, r)
	if err != nil {
		return err
	}
	e.Message = slices.Clone(msg.B)
	msg.Release()
	// It has been written as JSON before.
	e.JSON, _ = h.input.AppendJSON(nil, e.Message, &in.in.scratch)
	return nil
}
