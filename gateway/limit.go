package gateway

import (
	"context"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// limited is an upstream as a route sees it that takes smaller messages than
// the upstream does: others, and reflection, may need larger ones.
type limited struct {
	rpc.Upstream
	name            string
	maxMessageBytes int
}

var _ rpc.Doer = limited{}

// limit bounds the messages of up for one route.
func (up *upstreamState) limit(maxMessageBytes int) rpc.Upstream {
	if maxMessageBytes >= up.maxMessageBytes {
		return up.rpc
	}
	return limited{Upstream: up.rpc, name: up.cfg.Name, maxMessageBytes: maxMessageBytes}
}

// Start implements [rpc.Upstream].
func (l limited) Start(ctx context.Context, call *rpc.Call, sink rpc.Sink) rpc.Stream {
	return l.Upstream.Start(ctx, call, &limitedSink{Sink: sink, upstream: l})
}

// Do implements [rpc.Doer].
func (l limited) Do(ctx context.Context, call *rpc.Call, sink rpc.Sink) {
	rpc.Run(ctx, l.Upstream, call, &limitedSink{Sink: sink, upstream: l})
}

type limitedSink struct {
	rpc.Sink
	upstream limited
	exceeded *rpc.Error
}

// Message implements [rpc.Sink].
func (s *limitedSink) Message(msg *rpc.Buffer) error {
	if len(msg.B) > s.upstream.maxMessageBytes {
		msg.Release()
		s.exceeded = rpc.Errorf(rpc.UpstreamTooLarge, "upstream %q sent a message that is over the limit of %d bytes",
			s.upstream.name, s.upstream.maxMessageBytes)
		return s.exceeded
	}
	return s.Sink.Message(msg)
}

// End implements [rpc.Sink].
func (s *limitedSink) End(st rpc.Status, trailer rpc.Header) {
	if s.exceeded != nil {
		st, trailer = s.exceeded.Status(), nil
	}
	s.Sink.End(st, trailer)
}
