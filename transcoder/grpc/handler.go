package grpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/forwarded"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/validate"
)

// handler serves one method.
type handler struct {
	ep *transcoder.Endpoint
	// input and output are the tables of the method's messages; nil if there are
	// none.
	input, output *codec.Message
}

var _ route.Handler = (*handler)(nil)

// exchange is the state of one call. It is reused.
type exchange struct {
	frames frameReader
	answer answer
	call   rpc.Call
	sink   unarySink
	header rpc.Header
	checks validate.Scratch
	// in and out reshape messages of the downstream and of the upstream; nil if they
	// pass as they are.
	in, out *reshaper
	// failed is why out ended the call.
	failed *rpc.Error
}

var exchanges = sync.Pool{New: func() any { return new(exchange) }}

// free forgets what the call held, but for memory that the next one can use.
func (e *exchange) free() {
	e.frames.reset(nil, 0, false)
	e.answer = answer{out: e.answer.out[:0]}
	e.call = rpc.Call{}
	e.sink = unarySink{}
	clear(e.header)
	e.header = e.header[:0]
	e.in.free()
	e.out.free()
	e.in, e.out, e.failed = nil, nil, nil
	exchanges.Put(e)
}

// Serve implements [route.Handler].
func (h *handler) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	if r.ProtoMajor < 2 {
		refuseHTTP1(w, r, x)
		return
	}
	if values := r.Header["Content-Type"]; len(values) > 0 && !isProto(values[0]) {
		protocol{}.Refuse(w, r, x, rpc.Errorf(rpc.UnsupportedMediaType, "content-type %q is not supported: send application/grpc or application/grpc+proto", values[0]), h.ep.Settings)
		return
	}
	e := exchanges.Get().(*exchange)
	defer e.free()
	method, settings := h.ep.Method, h.ep.Settings
	e.answer.w, e.answer.policy = w, &settings.ResponseMetadata
	// net/http would add both by itself. The date is not free, and a content-length
	// is of no use to a call.
	w.Header()["Date"], w.Header()["Content-Length"] = nil, nil

	start := time.Now()
	compressed, err := requestEncoding(r.Header["Grpc-Encoding"])
	if err == nil {
		e.frames.reset(r.Body, settings.MaxRequestBytes, compressed)
		e.answer.gzip = compressed && accepts(r.Header["Grpc-Accept-Encoding"])
		e.call.Deadline, err = transcoder.Deadline(r, settings, method.Unary(), start)
	}
	e.call.Method = method
	var msg *rpc.Buffer
	if h.reshape(e, x); err == nil && e.in != nil {
		// The head may change with the first message.
		if msg, err = h.opening(e, r); err == nil {
			e.call.Deadline, err = transcoder.Deadline(r, settings, method.Unary(), start)
		}
	}
	if err == nil {
		e.header, err = metadata(e.header, r, x.Client, settings)
		e.call.Header = e.header
	}
	if err == nil && e.in == nil {
		msg, err = h.opening(e, r)
	}
	if err != nil {
		msg.Release()
		e.refuse(x, err)
		return
	}
	switch {
	case method.Unary():
		e.call.Request = msg
		h.unary(r, x, e)
	case method.ClientStreaming:
		h.bidi(w, r, x, e, msg)
	default:
		e.call.Request = msg
		h.serverStream(w, r, x, e)
	}
}

// opening is what is read of the request before the call begins: its one message,
// and of a client stream the first one if the head may change with it.
func (h *handler) opening(e *exchange, r *http.Request) (*rpc.Buffer, *rpc.Error) {
	switch {
	case !h.ep.Method.ClientStreaming:
		return e.request(r, h.ep)
	case e.in != nil:
		return e.first(r, h.ep)
	}
	return nil, nil
}

func metadata(dst rpc.Header, r *http.Request, client *forwarded.Client, settings *transcoder.Settings) (rpc.Header, *rpc.Error) {
	md, err := transcoder.AppendMetadata(dst, r, client, &settings.RequestMetadata)
	if err == nil {
		return md, nil
	}
	var e *rpc.Error
	if !errors.As(err, &e) {
		e = rpc.Errorf(rpc.InvalidRequest, "%v", err)
	}
	return dst, e
}

// refuse ends the answer with an error of the gateway.
func (e *exchange) refuse(x *route.Exchange, err *rpc.Error) {
	x.Failure = err
	st := err.Status()
	e.finish(x, &st, nil)
}

// finish ends the answer.
func (e *exchange) finish(x *route.Exchange, st *rpc.Status, trailer rpc.Header) {
	if e.failed != nil {
		x.Failure = e.failed
	}
	e.answer.end(st, trailer)
	record(x, st, e.frames.read)
}

// request reads the one message of a method without client streaming, until the
// deadline of the call. A stream may have none, but its request is one message
// like any other: for it the limit of unary calls holds.
func (e *exchange) request(r *http.Request, ep *transcoder.Endpoint) (*rpc.Buffer, *rpc.Error) {
	until := e.call.Deadline
	if until.IsZero() && ep.Settings.UnaryTimeout > 0 {
		until = time.Now().Add(ep.Settings.UnaryTimeout)
	}
	if !until.IsZero() {
		// Closing the body is what ends a read that waits.
		timer := time.AfterFunc(time.Until(until), func() { _ = r.Body.Close() })
		defer timer.Stop()
	}
	msg, err := e.frames.only()
	if err != nil {
		return nil, requestError(r.Context(), until, err)
	}
	return e.message(msg, r, ep)
}

// requestError is the client's copy of an error of the request's body, which had to
// come by the time until, if that is not zero.
func requestError(ctx context.Context, until time.Time, err error) *rpc.Error {
	var refused *rpc.Error
	switch {
	case errors.As(err, &refused):
	case !until.IsZero() && !time.Now().Before(until):
		refused = rpc.Errorf(rpc.DeadlineExceeded, "the deadline passed before the request was complete")
	case ctx.Err() != nil:
		refused = rpc.Errorf(rpc.ClientClosed, "the request was given up")
	default:
		refused = rpc.Errorf(rpc.InvalidRequest, "the request ended early")
	}
	return refused
}

// unary runs the call on this goroutine.
func (h *handler) unary(r *http.Request, x *route.Exchange, e *exchange) {
	rpc.Run(r.Context(), h.ep.Upstream, &e.call, &e.sink)

	s := &e.sink
	if e.out != nil && s.msg != nil && s.status.Code == 0 {
		var err *rpc.Error
		if s.msg, err = e.out.response(s.msg); err != nil {
			e.refuse(x, err)
			return
		}
	}
	if s.headed {
		e.answer.head(s.head)
	}
	switch {
	case s.msg == nil:
	case s.status.Code != 0:
		s.msg.Release()
	default:
		// If the downstream is gone, net/http drops the rest as well.
		_ = e.answer.message(s.msg)
	}
	e.finish(x, &s.status, s.trailer)
}

// unarySink keeps the answer of a unary call.
type unarySink struct {
	headed        bool
	head, trailer rpc.Header
	msg           *rpc.Buffer
	status        rpc.Status
}

var _ rpc.Sink = (*unarySink)(nil)

func (s *unarySink) Head(h rpc.Header) { s.headed, s.head = true, h }

func (s *unarySink) Message(msg *rpc.Buffer) error {
	if s.msg != nil {
		msg.Release()
		return errors.New("the method answers with one message")
	}
	s.msg = msg
	return nil
}

func (s *unarySink) End(st rpc.Status, trailer rpc.Header) { s.status, s.trailer = st, trailer }

// serverStream sends the one request and relays the answers.
func (h *handler) serverStream(w http.ResponseWriter, r *http.Request, x *route.Exchange, e *exchange) {
	queue := rpc.NewQueue(rpc.ReadAhead)
	stream := h.ep.Upstream.Start(r.Context(), &e.call, queue)
	idle := h.idle(w, stream)
	defer idle.Stop()
	st, trailer := e.relay(w, stream, queue, idle)
	idle.Explain(&st)
	e.finish(x, &st, trailer)
}

// idle waits for the time in which no message travels: it ends the call, and soon
// after that a write that the downstream does not take.
func (h *handler) idle(w http.ResponseWriter, stream rpc.Stream) *rpc.Idle {
	after := h.ep.Settings.Stream.IdleTimeout
	if after <= 0 {
		return nil
	}
	return rpc.StartIdle(after, func(*rpc.Error) {
		stream.Cancel()
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(writeGrace))
	})
}

// bidi relays both directions at once: this goroutine the answers, another one the
// requests, which has ended when Serve returns. A first one, if it is not nil, has been
// read.
func (h *handler) bidi(w http.ResponseWriter, r *http.Request, x *route.Exchange, e *exchange, first *rpc.Buffer) {
	queue := rpc.NewQueue(rpc.ReadAhead)
	stream := h.ep.Upstream.Start(r.Context(), &e.call, queue)
	idle := h.idle(w, stream)
	defer idle.Stop()
	failed, sent := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(sent)
		e.send(stream, r, h.ep, first, failed, idle)
	}()

	st, trailer := e.relay(w, stream, queue, idle)
	idle.Explain(&st)
	if st.Reason == rpc.ClientClosed {
		select {
		case err := <-failed:
			// The call was cancelled because of the request.
			e.failed = requestError(r.Context(), e.call.Deadline, err)
			st = e.failed.Status()
		default:
		}
	}
	// The call may end while the downstream is still sending: its status must not
	// wait. Closing the body ends a read that waits, and a send has been ended by
	// the end of the call.
	_ = r.Body.Close()
	<-sent
	e.finish(x, &st, trailer)
}

// send relays request messages until they end. An error of the request is told,
// and cancels the call; that the upstream takes no more is none.
func (e *exchange) send(stream rpc.Stream, r *http.Request, ep *transcoder.Endpoint, first *rpc.Buffer, failed chan<- error, idle *rpc.Idle) {
	defer func() {
		// Nobody above this goroutine would.
		if p := recover(); p != nil {
			failed <- &rpc.Error{Reason: rpc.Internal, Message: "the gateway made a mistake", Cause: fmt.Errorf("panic: %v", p)}
			stream.Cancel()
		}
	}()
	for {
		msg, err := first, error(nil)
		if first = nil; msg == nil {
			if msg, err = e.frames.next(); err == nil {
				// A typed nil must not become an error.
				var refused *rpc.Error
				if msg, refused = e.message(msg, r, ep); refused != nil {
					err = refused
				}
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			stream.CloseSend()
			return
		case err != nil:
			failed <- err // first: the end of the call is seen after it
			stream.Cancel()
			return
		}
		idle.Touch()
		if stream.Send(msg) != nil {
			return
		}
	}
}

// relay writes what the queue gives until the call has ended, and flushes
// whenever nothing further is ready.
func (e *exchange) relay(w http.ResponseWriter, stream rpc.Stream, queue *rpc.Queue, idle *rpc.Idle) (rpc.Status, rpc.Header) {
	control := http.NewResponseController(w)
	if !e.call.Deadline.IsZero() {
		// A downstream that stopped reading does not hold the call for longer.
		// Not every ResponseWriter can do it: then the connection's own limits do.
		_ = control.SetWriteDeadline(e.call.Deadline.Add(writeGrace))
	}
	a := &e.answer
	dirty, gone := false, false
	var held rpc.Header // by e.out, for the first message may change it
	holds := false
	for {
		if dirty && !queue.Ready() {
			dirty = false
			if a.flush() != nil || control.Flush() != nil {
				gone = true
			}
		}
		if gone {
			stream.Cancel()
			queue.Abort()
		}
		// The end comes always, and soon after a cancel: nothing else to wait for.
		ev, _ := queue.Next(context.Background())
		switch ev.Kind {
		case rpc.HeadEvent:
			if e.out != nil {
				held, holds = ev.Header, true
				continue
			}
			a.head(ev.Header)
			dirty = true
		case rpc.MessageEvent:
			idle.Touch()
			msg := ev.Message
			if e.out != nil {
				if msg, e.failed = e.out.response(msg); e.failed != nil {
					gone = true
					continue
				}
				if holds {
					a.head(held)
					holds = false
				}
			}
			if a.message(msg) != nil {
				gone = true
			}
			dirty = true
		case rpc.EndEvent:
			if e.failed != nil {
				return e.failed.Status(), nil
			}
			if holds {
				a.head(held)
			}
			return ev.Status, ev.Header
		}
	}
}

// writeGrace is how long after its deadline the end of a call may take to be
// written.
const writeGrace = time.Second
