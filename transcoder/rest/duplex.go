package rest

import (
	"net/http"
	"sync/atomic"

	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// errRequestOverHTTP10 is the error of a request that would be a stream.
func errRequestOverHTTP10() *rpc.Error {
	return rpc.Errorf(rpc.StreamOverHTTP10,
		"this path takes a stream, and HTTP/1.0 cannot show that one was cut: use HTTP/1.1 or HTTP/2")
}

// duplex serves a rule of a method that streams in both directions. The answer
// begins as soon as the upstream does: over HTTP/2 like any, over HTTP/1.1 while
// the request is still coming.
type duplex struct{ rule }

var _ route.Handler = (*duplex)(nil)

// Serve implements [route.Handler]. This goroutine writes the answer, another one
// reads the request, which has ended when Serve returns. It panics as
// [answering.run] does.
func (d *duplex) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	if !r.ProtoAtLeast(1, 1) {
		turnAway(lookOf(d.settings), w, r, x, errRequestOverHTTP10())
		return
	}
	k := newWork()
	defer k.release()
	in, err := d.open(k, w, r, x)
	if err != nil {
		turnAway(d.look(k), w, r, x, err)
		return
	}
	// As in a server stream, nobody waits for the end of the call after an abort.
	call := k.call
	k.call = rpc.Call{}
	k.trim(maxIdle)
	queue := rpc.NewQueue(rpc.ReadAhead)
	upstream := d.upstream.Start(r.Context(), &call, queue)
	a := newAnswering(&d.rule, k, w, r, x, queue, upstream)
	a.settle = in.settle
	answered := false
	defer func() {
		a.close()
		x.RequestBytes += in.finish(answered)
	}()
	in.start(upstream, a.stop, a.travelled)
	a.run(call.Deadline)
	answered = true
}

// collect serves a rule of a method that takes many messages and answers with
// one: the answer is that of a unary call.
type collect struct{ unary }

var _ route.Handler = (*collect)(nil)

// Serve implements [route.Handler]. Another goroutine reads the request, which has
// ended when Serve returns: the upstream may answer before the request is whole.
func (c *collect) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	if !r.ProtoAtLeast(1, 1) {
		turnAway(lookOf(c.settings), w, r, x, errRequestOverHTTP10())
		return
	}
	k := newWork()
	defer k.release()
	in, err := c.open(k, w, r, x)
	if err != nil {
		turnAway(c.look(k), w, r, x, err)
		return
	}
	sink := &waited{answer: &k.sink, ended: make(chan struct{})}
	upstream := c.upstream.Start(r.Context(), &k.call, sink)
	var stopped atomic.Pointer[rpc.Error]
	stop := func(err *rpc.Error) {
		if stopped.CompareAndSwap(nil, err) {
			upstream.Cancel()
		}
	}
	idle := rpc.StartIdle(c.settings.Stream.IdleTimeout, stop)
	in.start(upstream, stop, idle.Touch)
	defer func() { x.RequestBytes += in.finish(true) }()
	// The end comes always, and soon after a cancel.
	<-sink.ended
	idle.Stop()
	in.settle(w.Header())
	if err := stopped.Load(); err != nil && k.sink.status.Code != codes.OK {
		c.look(k).refuse(w, r, x, err)
	} else {
		c.finish(k, w, r, x)
	}
}

// waited is an answer that somebody waits for.
type waited struct {
	*answer
	ended chan struct{}
}

// End implements [rpc.Sink].
func (a *waited) End(st rpc.Status, trailer rpc.Header) {
	a.answer.End(st, trailer)
	close(a.ended)
}
