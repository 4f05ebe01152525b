package gateway

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/upstream"
)

// checkTimeout bounds one check of an upstream; whoever hands out credentials may need
// some of it.
const checkTimeout = 20 * time.Second

// check has upstreams that can do so find out whether calls to them would be let
// through, and logs what stands in the way. Nobody waits for that, and it changes
// nothing: what is wrong now may be mended before there is a request. It ends with ctx.
func (g *Gateway) check(ctx context.Context) {
	var all sync.WaitGroup
	for _, up := range g.upstreams {
		callees := g.callees(up)
		if len(callees) == 0 {
			continue
		}
		all.Go(func() {
			for _, c := range callees {
				g.checkOne(ctx, up, c)
			}
		})
	}
	all.Wait()
}

func (g *Gateway) checkOne(ctx context.Context, up *upstreamState, c *callee) {
	bounded, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	if err := c.upstream.Check(bounded); err != nil && ctx.Err() == nil {
		g.log.Warn("calls to the upstream will fail", "upstream", up.cfg.Name, "routes", strings.Join(c.routes, ", "), "error", err)
	}
}

// callee is what some routes call.
type callee struct {
	upstream upstream.Checked
	routes   []string
}

// callees are what the routes to an upstream call, each once, in the order of the
// routes; none if it cannot be checked.
func (g *Gateway) callees(up *upstreamState) []*callee {
	var list []*callee
	for _, rt := range g.plan.Routes {
		if !slices.Contains(rt.Upstreams(), up.cfg) {
			continue
		}
		checked, ok := up.of(rt).(upstream.Checked)
		if !ok {
			continue
		}
		name := checked.Callee()
		i := slices.IndexFunc(list, func(c *callee) bool { return c.upstream.Callee() == name })
		if i < 0 {
			i, list = len(list), append(list, &callee{upstream: checked})
		}
		list[i].routes = append(list[i].routes, rt.Name)
	}
	return list
}
