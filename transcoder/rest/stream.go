package rest

import (
	"net/http"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

const (
	// flushAt is how much JSON is held back at most while messages keep coming.
	flushAt = 16 << 10
	// maxIdle is the largest buffer that a stream keeps while it waits.
	maxIdle = 2 * flushAt
	// writeGrace is how long after its deadline the end of a call may take to be
	// written.
	writeGrace = time.Second
)

// stream serves a rule of a method with server streaming: the answer is a JSON
// array with one element for each message.
type stream struct{ rule }

var _ route.Handler = (*stream)(nil)

// Serve implements [route.Handler]. It panics with [http.ErrAbortHandler] if the
// stream breaks after its head was sent: the connection, or the HTTP/2 stream, is
// then cut, which no client takes for the end of the array.
func (t *stream) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	if !r.ProtoAtLeast(1, 1) {
		lookOf(t.settings).refuse(w, r, x, rpc.Errorf(rpc.StreamOverHTTP10,
			"this path answers with a stream, and HTTP/1.0 cannot show that one was cut: use HTTP/1.1 or HTTP/2"))
		return
	}
	k := newWork()
	defer k.release()
	if err := t.prepare(k, w, r, x); err != nil {
		t.look(k).refuse(w, r, x, err)
		return
	}
	// The upstream may look at the call until it has told the queue its end, which
	// nobody waits for after an abort: so nothing of it may be reused.
	call := k.call
	k.call = rpc.Call{}
	k.trim(maxIdle)
	queue := rpc.NewQueue(rpc.ReadAhead)
	upstream := t.upstream.Start(r.Context(), &call, queue)
	defer upstream.Cancel()
	defer queue.Abort()

	e := &elements{rule: &t.rule, work: k, w: w, r: r, x: x, control: http.NewResponseController(w)}
	if !call.Deadline.IsZero() {
		// A client that stopped reading does not hold the call for longer. Not
		// every ResponseWriter can do it: then the connection's own limits do.
		_ = e.control.SetWriteDeadline(call.Deadline.Add(writeGrace))
	}
	for !e.done {
		if !queue.Ready() {
			e.flush()
		}
		event, err := queue.Next(r.Context())
		if err != nil {
			e.gone()
			return
		}
		switch event.Kind {
		case rpc.HeadEvent:
			e.metadata = event.Header
		case rpc.MessageEvent:
			e.message(event.Message.B)
			event.Message.Release()
		case rpc.EndEvent:
			e.end(&event.Status, event.Header)
		}
	}
	if !call.Deadline.IsZero() {
		// The connection goes on to the next request.
		_ = e.control.SetWriteDeadline(time.Time{})
	}
}

// elements writes the array of one stream.
type elements struct {
	*rule
	*work
	w       http.ResponseWriter
	r       *http.Request
	x       *route.Exchange
	control *http.ResponseController
	// metadata is the upstream's, until the head is sent.
	metadata rpc.Header
	// begun says that the response head has been sent, done that nothing is left
	// to write.
	begun, done bool
}

// message adds one element.
func (e *elements) message(wire []byte) {
	mark := len(e.out)
	if e.begun {
		e.out = append(e.out, ',')
	} else {
		e.out = append(e.out, '[')
	}
	out, err := e.plan.Render(e.out, wire, e.want, &e.scratch)
	if err != nil {
		e.out = e.out[:mark]
		e.fail(e.unrenderable(err))
		return
	}
	e.out = out
	e.begin()
	if len(e.out) >= flushAt {
		e.flush()
	}
}

// end ends the array, or cuts it.
func (e *elements) end(st *rpc.Status, trailer rpc.Header) {
	switch {
	case st.Code == codes.OK:
		if !e.begun {
			e.out = append(e.out, '[')
			e.begin()
		}
		if !e.done {
			e.out = append(e.out, ']')
			e.flush()
		}
		e.x.Code, e.done = int(codes.OK), true
	case e.begun:
		if e.r.Context().Err() != nil {
			e.gone()
		}
		note(e.x, st)
		if !e.settings.InBand {
			e.cut()
		}
		d := plan.ReadDetails(st.Details)
		e.breakOff(e.renderStatus(nil, e.work, st, st.HTTPStatus(), e.translated(e.r, d.Localized).Message))
	default:
		e.out = e.out[:0]
		e.refuseStatus(e.work, e.w, e.r, e.x, st, e.metadata, trailer)
		e.done = true
	}
}

// fail ends the stream with an error that the gateway made.
func (e *elements) fail(err *rpc.Error) {
	if !e.begun {
		e.look(e.work).refuse(e.w, e.r, e.x, err)
		e.done = true
		return
	}
	e.x.Code, e.x.Reason, e.x.Error = int(err.Reason.Code()), string(err.Reason), err.Cause
	if !e.settings.InBand {
		e.cut()
	}
	e.breakOff(e.look(e.work).appendError(nil, err))
}

// breakOff ends the array with an element that says why there are no more.
func (e *elements) breakOff(fault []byte) {
	e.out = append(e.out, ',')
	e.out = append(e.look(e.work).shape.AppendElement(e.out, fault), ']')
	e.flush()
	e.done = true
}

// gone ends a stream whose client has left.
func (e *elements) gone() {
	e.x.Code, e.x.Reason = int(rpc.ClientClosed.Code()), string(rpc.ClientClosed)
	panic(http.ErrAbortHandler)
}

// cut sends what is there and cuts the connection.
func (e *elements) cut() {
	e.flush()
	panic(http.ErrAbortHandler)
}

// begin sends the head, once. To HEAD that is all of the answer.
func (e *elements) begin() {
	if e.begun {
		return
	}
	e.begun = true
	h := e.w.Header()
	transcoder.WriteMetadata(h, e.metadata, &e.settings.ResponseMetadata)
	h["Content-Type"] = jsonType
	e.w.WriteHeader(http.StatusOK)
	if e.r.Method == http.MethodHead {
		e.out, e.done = e.out[:0], true
		e.x.Code = int(codes.OK)
	}
}

// flush sends what has been written so far.
func (e *elements) flush() {
	if len(e.out) == 0 {
		return
	}
	_, err := e.w.Write(e.out)
	if err == nil {
		err = e.control.Flush()
	}
	if err != nil {
		e.gone()
	}
	e.out = trimmed(e.out, maxIdle)
}
