package gateway

import (
	"net/http"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transform"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// transforms puts the programs of listener, route and upstream around the handlers
// of a route, between the protocols and the filters.
func (c *compiler) transforms(rt *compiledRoute, settings *transcoder.Settings) {
	specs := c.gateway.programs.around(rt.cfg, rt.options)
	if len(specs) == 0 {
		return
	}
	chain, err := transform.New(specs, c.gateway.chainOptions(settings, transform.Options{Rematch: rematcher(rt.cfg)}))
	if err != nil {
		c.problem(rt.cfg, err)
		return
	}
	lines := describe(specs)
	for _, e := range rt.entries {
		e.Inner, e.Transforms = e.Handler, lines
		e.Handler = chain.Wrap(e, e.Handler)
	}
}

// describe says of each entry of a chain, the outermost first, what its programs
// look at and change.
func describe(specs []transform.Spec) []string {
	var lines []string
	for _, spec := range specs {
		for _, p := range []*jq.Program{spec.Request, spec.Response, spec.Error} {
			if p != nil {
				lines = append(lines, describeProgram(p))
			}
		}
	}
	return lines
}

func describeProgram(p *jq.Program) string { return p.Name() + ": " + p.Needs().String() }

// shownPath is how much of a path an error shows that a program has made of anything.
const shownPath = 256

// rematcher is what becomes of a request to a route whose method or path a program has
// changed.
func rematcher(rt *config.Route) func(*http.Request, *route.Exchange) (route.Handler, *rpc.Error) {
	if rt.Transcode == nil {
		return goOn
	}
	return rematch
}

// rematch finds the entry for a request whose method or path a program has changed:
// another rule of the same route, and no other route, whose programs have not run.
func rematch(r *http.Request, x *route.Exchange) (route.Handler, *rpc.Error) {
	was := x.Entry
	q := requestOf(r)
	switch {
	case was.Method == transcoder.MethodWebSocket:
		q = asUpgrade(&q)
	case q.Method == transcoder.MethodWebSocket:
		q.Method = "" // as in match
	}
	x.Captures = x.Captures[:0]
	found := x.Table.Match(&q, x)
	if e := x.Entry; found == route.Found && e.Route == was.Route && e.Protocol == was.Protocol {
		return e.Inner, nil
	}
	x.Entry = was
	path := q.Path
	if len(path) > shownPath {
		path = path[:shownPath] + "…"
	}
	return nil, rpc.Errorf(rpc.NoRoute, "a program makes the request %s %s, for which route %q has no rule; for another route it has to run before, with pre_route", r.Method, path, was.Route)
}

// goOn is for requests that are not matched by rules of a protocol: the path that a
// program gives them is what the upstream sees.
func goOn(r *http.Request, x *route.Exchange) (route.Handler, *rpc.Error) {
	if path := route.EscapedPath(r); path != x.Path {
		if x.Matched == "" {
			x.Matched = x.Path
		}
		x.Path = path
	}
	return x.Entry.Inner, nil
}

// refuser answers with an error in the protocol that the request's content type
// tells; the last protocol speaks for everybody else.
func (g *Gateway) refuser(settings *transcoder.Settings) func(http.ResponseWriter, *http.Request, *route.Exchange, *rpc.Error) {
	return func(w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error) {
		x.Failure = err
		protocols := g.options.Protocols
		ct := contentType(r)
		for _, p := range protocols[:len(protocols)-1] {
			if p.Speaks(ct) {
				p.Refuse(w, r, x, err, settings)
				return
			}
		}
		protocols[len(protocols)-1].Refuse(w, r, x, err, settings)
	}
}

// listenerChains are the programs of a listener: refuse is for errors without a
// route, and before runs before the route is chosen; nil if there are none.
func (c *compiler) listenerChains(l *config.Listener, snap *Snapshot, index int, settings *transcoder.Settings) (before route.Handler, refuse *transform.Chain) {
	options := c.gateway.chainOptions(settings, transform.Options{})
	// What New could object to has been reported when the programs were compiled.
	refuse, _ = transform.New(c.gateway.programs.of(l.Options.Transform), options)
	if early := beforeRoutes(l); len(early) > 0 {
		chain, _ := transform.New(c.gateway.programs.of(early), options)
		before = chain.Wrap(nil, &dispatch{snap, index})
	}
	return before, refuse
}

// dispatch chooses the route of a request that the programs before that have seen.
type dispatch struct {
	snapshot *Snapshot
	listener int
}

var _ route.Handler = (*dispatch)(nil)

// Serve implements [route.Handler].
func (d *dispatch) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	q := requestOf(r)
	d.snapshot.serve(d.listener, w, r, &q, x)
}
