package gateway

import (
	"errors"

	"google.golang.org/protobuf/proto"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// bind makes the upstreams of routes that say how these are called: once, as that is the
// same in every snapshot.
func (g *Gateway) bind() config.Report {
	var report config.Report
	for _, rt := range g.plan.Routes {
		if rt.Calls == nil {
			continue
		}
		for _, cfg := range rt.Upstreams() {
			up := g.upstream(cfg)
			if up == nil {
				continue // it could not be made
			}
			own, err := tuned(up.http, rt.Calls.Options)
			if err != nil {
				report = append(report, g.plan.File.Problem(rt.Calls.Path, "upstream %q: %v", cfg.Name, err))
				continue
			}
			if up.tuned == nil {
				up.tuned = make(map[*config.Route]upstream.HTTP)
			}
			up.tuned[rt] = own
		}
	}
	return report
}

func tuned(up upstream.HTTP, options proto.Message) (upstream.HTTP, error) {
	t, ok := up.(upstream.Tunable)
	if !ok {
		return nil, errors.New("a route has no say in how it is called; leave it out")
	}
	return t.With(options)
}

// upstream is what has been made of cfg; nil if that was not possible.
func (g *Gateway) upstream(cfg *config.Upstream) *upstreamState {
	for _, up := range g.upstreams {
		if up.cfg == cfg {
			return up
		}
	}
	return nil
}

// of is the upstream, which takes requests, as a route sees it.
func (up *upstreamState) of(rt *config.Route) upstream.HTTP {
	if own := up.tuned[rt]; own != nil {
		return own
	}
	return up.http
}
