package rest

import (
	"net/http"
	"slices"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
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
	if err := e.element(wire); err != nil {
		e.out = e.out[:mark]
		e.fail(err)
		return
	}
	if e.begin(); len(e.out) >= flushAt {
		e.flush()
	}
}

// element adds the JSON of a message, indented by one level if that is asked for.
func (e *elements) element(wire []byte) *rpc.Error {
	if !e.settings.Pretty {
		out, err := e.plan.Render(e.out, wire, e.want, &e.scratch)
		if err != nil {
			return e.unrenderable(err)
		}
		e.out = out
		return nil
	}
	var err error
	alone := append(e.body[:0], '[')
	if alone, err = e.plan.Render(alone, wire, e.want, &e.scratch); err != nil {
		return e.unrenderable(err)
	}
	e.body = append(alone, ']')
	pretty, refused := e.indented(e.work, e.body)
	if refused != nil {
		return refused
	}
	e.out = append(e.out, inArray(pretty)...)
	e.body, e.pretty = trimmed(e.body, maxIdle), trimmed(e.pretty, maxIdle)
	return nil
}

// inArray is the one element of an indented array, with the line feed before it.
func inArray(pretty []byte) []byte { return pretty[len("[") : len(pretty)-len("\n]")] }

// end ends the array, or cuts it.
func (e *elements) end(st *rpc.Status, trailer rpc.Header) {
	switch {
	case st.Code == codes.OK:
		empty := !e.begun
		if empty {
			e.out = append(e.out, '[')
			if e.begin(); e.done {
				return
			}
		}
		if !e.done {
			e.close(empty)
			e.trail(trailer)
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
		e.trail(trailer)
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
	fault = e.look(e.work).shape.AppendElement(nil, fault)
	if e.settings.Pretty {
		fault = inArray(codec.AppendIndented(nil, slices.Concat([]byte{'['}, fault, []byte{']'})))
	}
	e.out = append(append(e.out, ','), fault...)
	e.close(false)
	e.done = true
}

// close sends the end of the array.
func (e *elements) close(empty bool) {
	if e.settings.Pretty && !empty {
		e.out = append(e.out, '\n')
	}
	e.out = append(e.out, ']')
	e.flush()
}

// trail adds the upstream's trailers to what was sent, for clients that asked
// for them.
func (e *elements) trail(trailer rpc.Header) {
	if takesTrailers(e.r) {
		transcoder.WriteMetadataPrefix(e.w.Header(), trailer, e.passes, http.TrailerPrefix)
	}
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

// begin sends the head, once. To HEAD, and with a status that has no body, that
// is all of the answer.
func (e *elements) begin() {
	if e.begun {
		return
	}
	status := http.StatusOK
	if e.response != nil {
		told, err := e.response.told(e.metadata, nil)
		if err != nil {
			e.out = e.out[:0]
			e.fail(err)
			return
		}
		if status = e.response.status; told != 0 {
			status = told
		}
	}
	e.begun = true
	h := e.w.Header()
	transcoder.WriteMetadata(h, e.metadata, e.passes)
	if e.settings.Partial {
		h.Add("Vary", maskHeader)
	}
	if !bodiless(status) {
		e.look(e.work).challenge(h, status)
		h["Content-Type"] = jsonType
	}
	e.w.WriteHeader(status)
	if e.r.Method == http.MethodHead || bodiless(status) {
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
