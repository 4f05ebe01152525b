package rpc

import (
	"context"
	"time"
)

// Call is the head of one RPC and its first message.
type Call struct {
	Method *Method
	// Header is the request metadata. The upstream reads it only until Start or
	// Do has sent it; it does not keep it.
	Header Header
	// Deadline is when the call must have ended; zero means none. The upstream
	// sends what is left of it as grpc-timeout.
	Deadline time.Time
	// Authority replaces the upstream's own :authority if it is not empty.
	Authority string
	// Request is the only request message of a unary or server-streaming call.
	// Start and Do take its ownership. It is nil for a method with
	// ClientStreaming: its messages go through [Stream.Send].
	Request *Buffer
}

// Upstream is what a call is sent to. It is safe for any goroutine.
type Upstream interface {
	// Start begins the call and returns without waiting for a connection or an
	// answer. sink is told what comes back, on another goroutine, one call of
	// its methods at a time, and [Sink.End] exactly once, whatever happens.
	// Cancelling ctx ends the call with code CANCELLED, or DEADLINE_EXCEEDED
	// if its deadline passed.
	Start(ctx context.Context, call *Call, sink Sink) Stream
}

// Doer is an optional ability of an [Upstream]: to run a call without client
// streaming on the caller's own goroutine.
type Doer interface {
	// Do is Start for a caller that has a goroutine to give: it returns after
	// sink.End. The call must have a Request.
	Do(ctx context.Context, call *Call, sink Sink)
}

// Describer is an optional ability of an [Upstream]: to say what it makes of a call, if
// that is more than the call itself.
type Describer interface {
	// Describe says it in lines for people, of a call with this first message, or gives
	// the error that the call would end with. Nothing is sent.
	Describe(message []byte) ([]string, *Error)
}

// Sink receives what the upstream answers, in the order Head, Message…, End.
// An implementation need not be safe for concurrent use.
type Sink interface {
	// Head is told the response metadata, at most once, before the first
	// message. It is not called for a trailers-only answer, and need not be
	// called when the call ends before a head arrived. The sink may keep h.
	Head(h Header)
	// Message takes ownership of one response message. It pushes back by not
	// returning. After an error the upstream cancels the call, and ends it.
	Message(msg *Buffer) error
	// End is told the status and the trailers, exactly once and last.
	// st.Code is OK only if the upstream said so.
	End(st Status, trailer Header)
}

// Stream is the sending half of a started call. Send and CloseSend may not
// overlap each other; Cancel may be called from any goroutine at any time.
type Stream interface {
	// Send takes ownership of one request message and pushes back by not
	// returning. An error means that the call has ended or is ending: nothing
	// more can be sent, and the sink is told why.
	Send(msg *Buffer) error
	// CloseSend says that no more messages follow.
	CloseSend()
	// Cancel ends the call early; the sink is still told its end.
	Cancel()
}

// Run sends a call that has its Request on the caller's goroutine, and returns
// after sink.End. Upstreams without [Doer] are waited for.
func Run(ctx context.Context, up Upstream, call *Call, sink Sink) {
	if d, ok := up.(Doer); ok {
		d.Do(ctx, call, sink)
		return
	}
	s := &waiting{Sink: sink, done: make(chan struct{})}
	up.Start(ctx, call, s)
	<-s.done
}

type waiting struct {
	Sink
	done chan struct{}
}

func (w *waiting) End(st Status, trailer Header) {
	w.Sink.End(st, trailer)
	close(w.done)
}
