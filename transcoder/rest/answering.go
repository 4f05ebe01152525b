package rest

import (
	"net/http"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

const (
	// flushAt is how much is held back at most while messages keep coming.
	flushAt = 16 << 10
	// maxIdle is the largest buffer that a stream keeps while it waits.
	maxIdle = 2 * flushAt
	// writeGrace is how long after its deadline the end of a call may take to be
	// written.
	writeGrace = time.Second
)

// answering writes the answer of one call with many messages, whatever sends the
// request. All but stop belongs to one goroutine.
type answering struct {
	*rule
	// work has the memory of the answer: out, scratch, want, body and pretty are
	// in use until run returns.
	*work
	w       http.ResponseWriter
	r       *http.Request
	x       *route.Exchange
	control *http.ResponseController
	framing framing
	// queue is what the upstream tells, upstream the call itself.
	queue    *rpc.Queue
	upstream rpc.Stream
	// metadata is the upstream's, until the head is sent.
	metadata rpc.Header
	// texts are the values of further headers that the first message has, media is
	// the Content-Type of its google.api.HttpBody; nil if there was none.
	texts, media []string
	// reshape has the programs that look at messages, nil for none: the head waits
	// for the first one.
	reshape route.Messages
	// settle is told before the head is sent, if it is set.
	settle func(http.Header)
	// begun says that the response head has been sent, done that nothing is left
	// to write.
	begun, done bool
	// stopped is why stop was called.
	stopped atomic.Pointer[rpc.Error]
	// idle ends a call on which no message travels.
	idle *rpc.Idle
	// beats are the signs of life that the form has, nil for none; heart asks for
	// the next one, and spoke is when something was sent.
	beats beating
	heart *time.Timer
	spoke time.Time
}

// newAnswering is for a call of a method with server streaming that has been
// started with this queue. Whoever makes one calls run, which may panic, and close
// and cancels the call after it.
func newAnswering(l *rule, k *work, w http.ResponseWriter, r *http.Request, x *route.Exchange, queue *rpc.Queue, upstream rpc.Stream) *answering {
	a := &answering{
		rule: l, work: k, w: w, r: r, x: x, control: http.NewResponseController(w),
		framing: l.forms.choose(r), queue: queue, upstream: upstream, reshape: responsesOf(x),
	}
	a.idle = rpc.StartIdle(l.settings.Stream.IdleTimeout, a.idled)
	if beats, ok := a.framing.(beating); ok && l.settings.Stream.Heartbeat > 0 {
		a.beats, a.spoke = beats, time.Now()
		a.heart = time.AfterFunc(l.settings.Stream.Heartbeat, queue.Nudge)
	}
	return a
}

// close ends what looks after the call, and the call.
func (a *answering) close() {
	a.idle.Stop()
	if a.heart != nil {
		a.heart.Stop()
	}
	a.queue.Abort()
	a.upstream.Cancel()
}

// travelled says that a message of the request has travelled. It may be called
// from any goroutine.
func (a *answering) travelled() { a.idle.Touch() }

// idled ends a call on which no message has travelled for too long.
func (a *answering) idled(err *rpc.Error) {
	a.stop(err)
	// The client may be what does not take any: then a write waits for it.
	_ = a.control.SetWriteDeadline(time.Now().Add(writeGrace))
}

// stop ends the call with an error of the gateway's own, which the client sees in
// place of what the upstream says of the cancelled call. The first one counts. It
// may be called from any goroutine.
func (a *answering) stop(err *rpc.Error) {
	if a.stopped.CompareAndSwap(nil, err) {
		a.upstream.Cancel()
	}
}

// run writes until the call has ended, which it must by the deadline if that is
// not zero. It panics with [http.ErrAbortHandler] if the stream breaks after its
// head was sent, and its form cannot say so: the connection, or the HTTP/2
// stream, is then cut, which no client takes for the end of the answer.
func (a *answering) run(deadline time.Time) {
	if !deadline.IsZero() {
		// A client that stopped reading does not hold the call for longer. Not
		// every ResponseWriter can do it: then the connection's own limits do.
		_ = a.control.SetWriteDeadline(deadline.Add(writeGrace))
	}
	for !a.done {
		if !a.queue.Ready() {
			a.flush()
		}
		event, err := a.queue.Next(a.r.Context())
		if err != nil {
			a.gone()
		}
		switch event.Kind {
		case rpc.HeadEvent:
			a.metadata = event.Header
		case rpc.MessageEvent:
			a.idle.Touch()
			a.message(event.Message)
		case rpc.NudgeEvent:
			a.beat()
		case rpc.EndEvent:
			a.end(&event.Status, event.Header)
		}
	}
	a.idle.Stop()
	if !deadline.IsZero() || a.idle != nil {
		// The connection goes on to the next request.
		_ = a.control.SetWriteDeadline(time.Time{})
	}
}

// message adds one message, and releases it: before what was made of it is written,
// so that a downstream that reads slowly holds only one of the two.
func (a *answering) message(msg *rpc.Buffer) {
	mark := len(a.out)
	err := a.first(msg.B)
	if err == nil {
		err = a.framing.message(a, msg.B)
	}
	msg.Release()
	if err != nil {
		a.out = a.out[:min(mark, len(a.out))]
		a.fail(err)
		return
	}
	if a.begin(); len(a.out) >= flushAt {
		a.flush()
	}
}

// first makes the headers of the first message.
func (a *answering) first(wire []byte) (err *rpc.Error) {
	if !a.begun && a.response != nil && a.response.headers != nil {
		a.texts, err = a.response.headers.texts(a.rule, a.work, wire)
	}
	return err
}

// beat sends a sign of life if nothing was sent for long. Before the first message
// it is the beginning of the answer: what goes wrong later has to be said in it. An
// answer whose headers are made of the first message, or by a program that looks at
// it, cannot begin without it.
func (a *answering) beat() {
	if silent := time.Since(a.spoke); silent < a.settings.Stream.Heartbeat {
		a.heart.Reset(a.settings.Stream.Heartbeat - silent)
		return
	}
	if !a.begun && (a.reshape != nil || a.response != nil && a.response.headers != nil) {
		a.heart.Reset(a.settings.Stream.Heartbeat)
		return
	}
	a.beats.beat(a)
	if a.begin(); !a.done {
		a.send(a.out)
		a.out = trimmed(a.out, maxIdle)
		a.heart.Reset(a.settings.Stream.Heartbeat)
	}
}

// render adds the JSON of a message.
func (a *answering) render(wire []byte) *rpc.Error {
	out, err := a.appendJSON(a.out, wire)
	if err == nil {
		a.out = out
	}
	return err
}

// end ends the answer as the call ended.
func (a *answering) end(st *rpc.Status, trailer rpc.Header) {
	stopped := a.stopped.Load()
	a.x.UnknownFields = st.UnknownFields
	switch {
	case st.Code == codes.OK:
		a.framing.end(a)
		if a.begin(); a.done {
			return
		}
		a.flush()
		a.trail(trailer)
		a.x.Code, a.done = int(codes.OK), true
	case a.begun && a.r.Context().Err() != nil:
		a.gone()
	case stopped != nil:
		a.fail(stopped)
	case a.begun:
		note(a.x, st)
		d := plan.ReadDetails(st.Details)
		a.breakOff(a.renderStatus(nil, a.work, st, st.HTTPStatus(), a.translated(a.r, d.Localized).Message))
		a.trail(trailer)
	default:
		a.out = a.out[:0]
		a.settled()
		a.refuseStatus(a.work, a.w, a.r, a.x, st, a.metadata, trailer)
		a.done = true
	}
}

// fail ends the stream with an error that the gateway made.
func (a *answering) fail(err *rpc.Error) {
	if !a.begun {
		a.settled()
		a.look(a.work).refuse(a.w, a.r, a.x, err)
		a.done = true
		return
	}
	fail(a.x, err)
	a.breakOff(a.look(a.work).appendError(nil, err))
}

// breakOff ends the answer with an error, or cuts it behind what is there.
func (a *answering) breakOff(fault []byte) {
	shown := a.framing.fault(a, a.look(a.work).shape.AppendElement(nil, fault))
	a.flush()
	if !shown {
		panic(http.ErrAbortHandler)
	}
	a.done = true
}

// trail adds the upstream's trailers to what was sent, for clients that asked
// for them.
func (a *answering) trail(trailer rpc.Header) {
	if takesTrailers(a.r) {
		// An answer without messages would have a length, and no trailers behind it.
		a.send(a.out)
		transcoder.WriteMetadataPrefix(a.w.Header(), trailer, a.passes, http.TrailerPrefix)
	}
}

// gone ends a stream whose client has left.
func (a *answering) gone() {
	why := rpc.ClientClosed
	if stopped := a.stopped.Load(); stopped != nil {
		// It is the gateway that did not wait for it any longer.
		why = stopped.Reason
	}
	a.x.Code, a.x.Reason = int(why.Code()), string(why)
	panic(http.ErrAbortHandler)
}

// begin sends the head, once. To HEAD, and with a status that has no body, that
// is all of the answer.
func (a *answering) begin() {
	if a.begun {
		return
	}
	status := http.StatusOK
	if a.response != nil {
		told, err := a.response.told(a.metadata, nil)
		if err != nil {
			a.out = a.out[:0]
			a.fail(err)
			return
		}
		if status = a.response.status; told != 0 {
			status = told
		}
	}
	a.begun = true
	a.settled()
	h := a.w.Header()
	transcoder.WriteMetadata(h, a.metadata, a.passes)
	if a.response != nil && a.response.headers != nil {
		a.response.headers.set(h, a.texts)
	}
	if a.settings.Partial && !a.plan.GivesHTTPBody() {
		h.Add("Vary", maskHeader)
	}
	if a.forms.fixed == nil {
		h.Add("Vary", "Accept")
	}
	if !bodiless(status) {
		a.look(a.work).challenge(h, status)
		a.framing.head(a, h)
	}
	a.w.WriteHeader(status)
	if a.r.Method == http.MethodHead || bodiless(status) {
		a.out, a.done = a.out[:0], true
		a.x.Code = int(codes.OK)
	}
}

func (a *answering) settled() {
	if a.settle != nil {
		a.settle(a.w.Header())
	}
}

// flush sends what has been written of messages so far.
func (a *answering) flush() {
	if len(a.out) > 0 {
		a.send(a.out)
		a.out = trimmed(a.out, maxIdle)
		a.idle.Touch()
	}
}

// send sends bytes of the answer.
func (a *answering) send(p []byte) {
	_, err := a.w.Write(p)
	if err == nil {
		err = a.control.Flush()
	}
	if err != nil {
		a.gone()
	}
	if a.beats != nil {
		a.spoke = time.Now()
	}
}
