package grpc

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// reshaper shows the messages of one direction to programs, as protobuf's own JSON,
// and makes messages of what becomes of them. What JSON does not show, unknown
// fields, is lost on the way. It is reused.
type reshaper struct {
	messages route.Messages
	table    *codec.Message
	scratch  codec.Scratch
	// json is a message as programs see it, shown what they made of it.
	json, shown []byte
}

var reshapers = sync.Pool{New: func() any { return new(reshaper) }}

// maxKept is the largest buffer that is kept for the next message.
const maxKept = 32 << 10

// reshape prepares e for the programs that look at messages, if there are any. The
// gateway's own services have no tables, and their messages pass as they are.
func (h *handler) reshape(e *exchange, x *route.Exchange) {
	if x.Messages == nil || h.input == nil {
		return
	}
	requests, responses := x.Messages.Wants()
	if requests {
		e.in = newReshaper(x.Messages, h.input, h.ep.Settings)
	}
	if responses {
		e.out = newReshaper(x.Messages, h.output, h.ep.Settings)
	}
}

func newReshaper(m route.Messages, table *codec.Message, s *transcoder.Settings) *reshaper {
	p := reshapers.Get().(*reshaper)
	p.messages, p.table = m, table
	p.scratch.MaxDepth, p.scratch.MaxJSON = s.MaxDepth, s.MaxJSONBytes
	return p
}

func (p *reshaper) free() {
	if p == nil {
		return
	}
	p.messages, p.table = nil, nil
	p.trim()
	reshapers.Put(p)
}

func (p *reshaper) trim() {
	if cap(p.json) > maxKept {
		p.json = nil
	}
	if cap(p.shown) > maxKept {
		p.shown = nil
	}
}

// request is what becomes of a message of the downstream, which it releases if
// there is an error.
func (p *reshaper) request(msg *rpc.Buffer, r *http.Request) (*rpc.Buffer, *rpc.Error) {
	var err error
	if p.json, err = p.table.AppendJSON(p.json[:0], msg.B, &p.scratch); err != nil {
		msg.Release()
		return nil, p.unshown(err, rpc.InvalidBody, rpc.RequestTooLarge, "the message")
	}
	shown, refused := p.messages.Request(p.shown[:0], p.json, r)
	return p.back(msg, shown, refused)
}

// response is the same for a message of the upstream.
func (p *reshaper) response(msg *rpc.Buffer) (*rpc.Buffer, *rpc.Error) {
	var err error
	if p.json, err = p.table.AppendJSON(p.json[:0], msg.B, &p.scratch); err != nil {
		msg.Release()
		return nil, p.unshown(err, rpc.UpstreamProtocol, rpc.UpstreamTooLarge, "the upstream's message")
	}
	shown, refused := p.messages.Response(p.shown[:0], p.json)
	return p.back(msg, shown, refused)
}

// back makes msg of the JSON that became of it.
func (p *reshaper) back(msg *rpc.Buffer, shown []byte, refused *rpc.Error) (*rpc.Buffer, *rpc.Error) {
	if refused != nil {
		msg.Release()
		return nil, refused
	}
	p.shown = shown
	var err error
	msg.B, err = p.table.AppendWire(msg.B[:0], shown, &p.scratch, nil)
	p.trim()
	if err != nil {
		msg.Release()
		return nil, transcoder.Unfit(p.table.FullName(), err)
	}
	return msg, nil
}

// unshown is the error of a message that has no JSON.
func (p *reshaper) unshown(err error, reason, large rpc.Reason, whose string) *rpc.Error {
	var ce *codec.Error
	if errors.As(err, &ce) && ce.Kind == codec.KindTooLarge {
		reason = large
	}
	return &rpc.Error{Reason: reason, Message: whose + ", a " + string(p.table.FullName()) + ", cannot be shown as JSON", Cause: err}
}

// first reads and reshapes the first message of a method with client streaming,
// before the call is made of the head, which may change with it. It is nil if the
// downstream has none.
func (e *exchange) first(r *http.Request, ep *transcoder.Endpoint) (*rpc.Buffer, *rpc.Error) {
	patience, idle := ep.Settings.Stream.IdleTimeout, true
	if until := e.call.Deadline; !until.IsZero() {
		if left := time.Until(until); patience <= 0 || left < patience {
			patience, idle = max(left, 1), false
		}
	}
	var late *rpc.Error
	timer := rpc.StartIdle(patience, func(err *rpc.Error) {
		if late = err; !idle {
			late = rpc.Errorf(rpc.DeadlineExceeded, "the deadline passed before the first message was complete")
		}
		_ = r.Body.Close() // which is what ends a read that waits
	})
	msg, err := e.frames.next()
	timer.Stop()
	switch {
	case timer.Expired():
		msg.Release()
		return nil, late
	case err == io.EOF:
		_, refused := e.in.messages.Request(nil, nil, r)
		return nil, refused
	case err != nil:
		return nil, requestError(r.Context(), e.call.Deadline, err)
	}
	return e.message(msg, r, ep)
}

// message is what becomes of a message of the downstream before it is sent on.
func (e *exchange) message(msg *rpc.Buffer, r *http.Request, ep *transcoder.Endpoint) (*rpc.Buffer, *rpc.Error) {
	if e.in != nil {
		var err *rpc.Error
		if msg, err = e.in.request(msg, r); err != nil {
			return nil, err
		}
	}
	if err := transcoder.Check(ep.Validate, msg.B, &e.checks); err != nil {
		msg.Release()
		return nil, err
	}
	return msg, nil
}
