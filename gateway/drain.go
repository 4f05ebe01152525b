package gateway

import (
	"context"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// Drain ends the calls to the gateway's own services. Some of them have no end
// of their own: who watches health would hold up a drain for as long as it may
// last. Calls to upstreams go on.
func (g *Gateway) Drain() { g.drain() }

// drained is an upstream whose calls end when its context does.
type drained struct {
	rpc.Upstream
	ctx context.Context
}

// Start implements [rpc.Upstream].
func (d drained) Start(ctx context.Context, call *rpc.Call, sink rpc.Sink) rpc.Stream {
	ctx, cancel := context.WithCancel(ctx)
	stop := context.AfterFunc(d.ctx, cancel)
	return d.Upstream.Start(ctx, call, &drainedSink{Sink: sink, stop: stop, cancel: cancel})
}

type drainedSink struct {
	rpc.Sink
	stop   func() bool
	cancel context.CancelFunc
}

// End implements [rpc.Sink].
func (s *drainedSink) End(st rpc.Status, trailer rpc.Header) {
	s.stop()
	s.cancel()
	s.Sink.End(st, trailer)
}
