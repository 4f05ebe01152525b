package gateway

import (
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound"
	"github.com/dragoman-gateway/dragoman/upstream/retry"
)

// calls is what takes the calls of one method, whose rules are bindings: the upstream
// itself, or, if that knows HTTP alone, the rules read backwards. Then method is
// idempotent too if all requests that may be made are.
func (up *upstreamState) calls(method *rpc.Method, bindings []httprule.Binding, rt *config.Route, s *transcoder.Settings) (rpc.Upstream, error) {
	t := rt.Transcode
	if up.rpc != nil {
		return up.limit(t.MaxMessageBytes), nil
	}
	to := up.of(rt)
	method.Idempotent = method.Idempotent || !to.Origin().Whole && idempotent(bindings)
	return outbound.New(outbound.Options{
		Name: up.cfg.Name, Route: rt.Name, Upstream: to, Method: method, Codec: up.codec, Bindings: bindings,
		MaxMessageBytes: t.MaxMessageBytes, MaxJSONBytes: t.MaxJSONBytes, MaxDepth: t.MaxDepth, TimeoutHeader: s.TimeoutHeader,
	})
}

// idempotent reports whether all of some rules make requests that may be sent twice.
func idempotent(bindings []httprule.Binding) bool {
	for i := range bindings {
		if !retry.Idempotent(bindings[i].Method) {
			return false
		}
	}
	return len(bindings) > 0
}
