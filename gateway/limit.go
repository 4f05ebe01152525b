package gateway

import (
	"context"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound"
)

// limited is an upstream as a route sees it that takes smaller messages than
// the upstream does: others, and reflection, may need larger ones.
type limited struct {
	rpc.Upstream
	name            string
	maxMessageBytes int
}

var _ rpc.Doer = limited{}

// calls is what takes the calls of one method: the upstream itself, or, if that knows
// HTTP alone, the rules of the method read backwards.
func (up *upstreamState) calls(method *rpc.Method, bindings []httprule.Binding, rt *config.Route, s *transcoder.Settings) (rpc.Upstream, error) {
	t := rt.Transcode
	if up.rpc != nil {
		return up.limit(t.MaxMessageBytes), nil
	}
	return outbound.New(outbound.Options{
		Name: up.cfg.Name, Route: rt.Name, Upstream: up.of(rt), Method: method, Codec: up.codec, Bindings: withoutPrefix(bindings, t.Prefix),
		MaxMessageBytes: t.MaxMessageBytes, MaxJSONBytes: t.MaxJSONBytes, MaxDepth: t.MaxDepth, TimeoutHeader: s.TimeoutHeader,
	})
}

// withoutPrefix are bindings as their rules have them: the prefix of a route is for its
// clients.
func withoutPrefix(bindings []httprule.Binding, prefix string) []httprule.Binding {
	if prefix == "" {
		return bindings
	}
	out := slices.Clone(bindings)
	for i := range out {
		// What was put together of a template is one without it, too.
		if t, err := httprule.Parse(strings.TrimPrefix(out[i].Template.String(), prefix)); err == nil {
			out[i].Template = t
		}
	}
	return out
}

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
