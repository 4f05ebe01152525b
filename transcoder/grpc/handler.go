package grpc

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/validate"
)

// handler serves one method.
type handler struct {
	ep *transcoder.Endpoint
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

	compressed, err := requestEncoding(r.Header["Grpc-Encoding"])
	if err == nil {
		e.frames.reset(r.Body, settings.MaxRequestBytes, compressed)
		e.answer.gzip = compressed && accepts(r.Header["Grpc-Accept-Encoding"])
		e.call.Deadline, err = transcoder.Deadline(r, settings, method.Unary(), time.Now())
	}
	if err == nil {
		e.header, err = metadata(e.header, r, settings)
	}
	if err != nil {
		st := err.Status()
		e.finish(x, &st, nil)
		return
	}
	e.call.Method, e.call.Header = method, e.header
	switch {
	case method.Unary():
		h.unary(r, x, e)
	case method.ClientStreaming:
		h.bidi(w, r, x, e)
	default:
		h.serverStream(w, r, x, e)
	}
}

func metadata(dst rpc.Header, r *http.Request, settings *transcoder.Settings) (rpc.Header, *rpc.Error) {
	md, err := transcoder.AppendMetadata(dst, r, &settings.RequestMetadata)
	if err == nil {
		return md, nil
	}
	var e *rpc.Error
	if !errors.As(err, &e) {
		e = rpc.Errorf(rpc.InvalidRequest, "%v", err)
	}
	return dst, e
}

// finish ends the answer.
func (e *exchange) finish(x *route.Exchange, st *rpc.Status, trailer rpc.Header) {
	e.answer.end(st, trailer)
	record(x, st, e.frames.read)
}

// request reads the one message of a method without client streaming, until the
// deadline of the call. A stream may have none, but its request is one message
// like any other: for it the limit of unary calls holds.
func (e *exchange) request(r *http.Request, ep *transcoder.Endpoint) (*rpc.Buffer, *rpc.Status) {
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
		st := requestStatus(r.Context(), until, err)
		return nil, &st
	}
	if err := transcoder.Check(ep.Validate, msg.B, &e.checks); err != nil {
		msg.Release()
		st := err.Status()
		return nil, &st
	}
	return msg, nil
}

// requestStatus is the status for an error of the request's body, which had to
// come by the time until, if that is not zero.
func requestStatus(ctx context.Context, until time.Time, err error) rpc.Status {
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
	return refused.Status()
}

// unary runs the call on this goroutine.
func (h *handler) unary(r *http.Request, x *route.Exchange, e *exchange) {
	msg, failed := e.request(r, h.ep)
	if failed != nil {
		e.finish(x, failed, nil)
		return
	}
	e.call.Request = msg
	rpc.Run(r.Context(), h.ep.Upstream, &e.call, &e.sink)

	s := &e.sink
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
	msg, failed := e.request(r, h.ep)
	if failed != nil {
		e.finish(x, failed, nil)
		return
	}
	e.call.Request = msg
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
// requests, which has ended when Serve returns.
func (h *handler) bidi(w http.ResponseWriter, r *http.Request, x *route.Exchange, e *exchange) {
	queue := rpc.NewQueue(rpc.ReadAhead)
	stream := h.ep.Upstream.Start(r.Context(), &e.call, queue)
	idle := h.idle(w, stream)
	defer idle.Stop()
	failed, sent := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(sent)
		e.send(stream, h.ep.Validate, failed, idle)
	}()

	st, trailer := e.relay(w, stream, queue, idle)
	idle.Explain(&st)
	if st.Reason == rpc.ClientClosed {
		select {
		case err := <-failed:
			// The call was cancelled because of the request.
			st = requestStatus(r.Context(), e.call.Deadline, err)
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
func (e *exchange) send(stream rpc.Stream, rules *validate.Rules, failed chan<- error, idle *rpc.Idle) {
	for {
		msg, err := e.frames.next()
		if err == nil {
			// A typed nil must not become an error.
			if broken := transcoder.Check(rules, msg.B, &e.checks); broken != nil {
				msg.Release()
				err = broken
			}
		}
		switch {
		case err == io.EOF:
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
			a.head(ev.Header)
			dirty = true
		case rpc.MessageEvent:
			idle.Touch()
			if a.message(ev.Message) != nil {
				gone = true
			}
			dirty = true
		case rpc.EndEvent:
			return ev.Status, ev.Header
		}
	}
}

// writeGrace is how long after its deadline the end of a call may take to be
// written.
const writeGrace = time.Second
