package gateway

import (
	"errors"
	"slices"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transform"
	"github.com/dragoman-gateway/dragoman/upstream/retry"
)

// Snapshot is everything that serving needs, compiled. It is immutable.
type Snapshot struct {
	// tables has one route table per listener, in the plan's order.
	tables []*route.Table
	// settings are those of each listener, for errors without a route.
	settings []*transcoder.Settings
	// edits are for each listener those of the heads of answers without a route, nil
	// if there are none.
	edits []route.HeadEdits
	// before has for each listener what runs before a route is chosen, nil if
	// nothing does; refuse are the programs for errors without a route.
	before  []route.Handler
	refuse  []*transform.Chain
	waiting []Waiting
	// absent lists for each listener the routes without descriptors.
	absent [][]*config.Route
	// warnings are what is likely to be a mistake.
	warnings config.Report
}

// Waiting is an upstream whose descriptors are not loaded, and why.
type Waiting struct{ Upstream, Reason string }

// compile makes a snapshot of the plan and the schemas that are there. The
// error is a report of all problems.
func (g *Gateway) compile() (*Snapshot, error) {
	c := &compiler{gateway: g, upstreams: make(map[string]*upstreamState)}
	snap := &Snapshot{}
	for _, up := range g.upstreams {
		c.upstreams[up.cfg.Name] = up
	}
	for _, up := range g.missing() {
		snap.waiting = append(snap.waiting, Waiting{Upstream: up.cfg.Name, Reason: up.err.Error()})
	}
	for _, rt := range g.plan.Routes {
		c.route(rt)
	}
	for _, l := range g.plan.Listeners {
		snap.tables = append(snap.tables, c.table(l))
		settings := listenerSettings(l)
		snap.settings = append(snap.settings, settings)
		snap.edits = append(snap.edits, c.listenerEdits(l))
		before, refuse := c.listenerChains(l, snap, len(snap.before), settings)
		snap.before, snap.refuse = append(snap.before, before), append(snap.refuse, refuse)
		snap.absent = append(snap.absent, c.absent(l))
	}
	if err := c.report.Err(); err != nil {
		return nil, err
	}
	snap.warnings = c.warnings
	return snap, nil
}

// compiler collects the entries of every route and the problems met.
type compiler struct {
	gateway   *Gateway
	upstreams map[string]*upstreamState
	routes    []compiledRoute
	// report has what is wrong, warnings what is likely to be.
	report, warnings config.Report
}

// compiledRoute is one configured route with the entries it exposes under some
// options, which count on one or several of its listeners.
type compiledRoute struct {
	cfg     *config.Route
	options *config.Options
	// upstream and exposure are those of a transcode route.
	upstream *upstreamState
	exposure *exposure
	// retry sends again what failed; nil if nothing is.
	retry   *retry.Policy
	entries []*route.Entry
}

func (c *compiler) problem(rt *config.Route, err error) {
	c.report = append(c.report, c.gateway.plan.File.Problem(rt.Path, "route %q: %v", rt.Name, err))
}

func (c *compiler) route(rt *config.Route) {
	if rt.Transcode == nil {
		c.action(rt)
		return
	}
	if !c.has(rt.Transcode.Upstream) {
		return
	}
	up := c.upstreams[rt.Transcode.Upstream.Name]
	exposure, policy := c.expose(rt, up), retryPolicy(rt)
	c.checkBodyFields(rt, exposure)
	c.checkStreams(rt, exposure)
	for i, options := range rt.Options {
		if !slices.Contains(rt.Options[:i], options) {
			c.routeWith(compiledRoute{cfg: rt, options: options, upstream: up, exposure: exposure, retry: policy})
		}
	}
}

// routeWith compiles what a route exposes under one set of options.
func (c *compiler) routeWith(compiled compiledRoute) {
	settings := settingsOf(compiled.cfg, compiled.options)
	for i := range compiled.exposure.methods {
		entries, err := c.method(&compiled, &compiled.exposure.methods[i], settings)
		for _, err := range unjoin(err) {
			c.wrongRule(&compiled, err)
		}
		compiled.entries = append(compiled.entries, entries...)
	}
	c.narrow(&compiled)
	for _, e := range compiled.entries {
		e.Handler = atFirstHand(compiled.cfg, e.Handler)
	}
	c.finish(&compiled, settings)
}

// finish puts what stands around the handlers of a route around them.
func (c *compiler) finish(rt *compiledRoute, settings *transcoder.Settings) {
	c.headers(rt, settings)
	c.transforms(rt, settings)
	c.manners(rt)
	c.fallThroughs(rt)
	c.routes = append(c.routes, *rt)
}

func (c *compiler) method(rt *compiledRoute, m *exposed, settings *transcoder.Settings) ([]*route.Entry, error) {
	up, t, method := rt.upstream, rt.cfg.Transcode, rpc.NewMethod(m.method)
	bindings := make([]httprule.Binding, len(m.bindings))
	own := make([]httprule.Binding, len(m.bindings))
	for i, b := range m.bindings {
		bindings[i] = b.Binding
		bindings[i].Escapes = escapes[rt.options.Parse.GetPathEscapes()]
		if b.decode {
			bindings[i].Escapes = httprule.DecodeSlashes
		}
		own[i] = bindings[i]
		own[i].Template = b.own
	}
	calls, err := up.calls(method, own, rt.cfg, settings)
	if err != nil {
		return nil, err
	}
	rules, err := c.validate(rt.cfg, rt.options, up, m.method)
	if err != nil {
		return nil, err
	}
	return c.endpoint(&transcoder.Endpoint{
		Method:   method,
		Upstream: rt.retry.RPC(calls, method),
		Codec:    up.codec,
		Print:    up.print,
		Bindings: bindings,
		Settings: settings,
		Validate: rules,
		Response: m.response,

		AutoMapping: t.AutoMapping,
		Prefix:      t.Prefix,
	}, route.Entry{Hosts: rt.cfg.Hosts, Route: rt.cfg.Name, Upstream: up.cfg.Name, Order: rt.cfg.Index << 16})
}

// place is where the configuration says what an entry of the route comes from.
func (rt *compiledRoute) place(file *config.File, origin string) place {
	if rt.exposure != nil {
		if rule, written := rt.exposure.places[origin]; written {
			return rule
		}
	} else if origin != "" {
		return place{file, rt.cfg.Path + "." + origin}
	}
	return place{file, rt.cfg.Path}
}

// wrongRule reports what a protocol found wrong with a method: at the place of its
// rule or of the option if that is in the configuration, else at the route.
func (c *compiler) wrongRule(rt *compiledRoute, err error) {
	var wrong *transcoder.RuleError
	if !errors.As(err, &wrong) {
		c.problem(rt.cfg, err)
		return
	}
	if wrong.Option != "" {
		c.report = append(c.report, c.gateway.plan.File.Problem(c.optionPath(rt, wrong.Option), "route %q: %v", rt.cfg.Name, wrong))
		return
	}
	place, written := rt.exposure.places[wrong.Origin]
	for _, err := range unjoin(wrong.Err) {
		one := *wrong
		one.Err = err
		if !written {
			c.problem(rt.cfg, &one)
			continue
		}
		// The place says already which rule it is.
		one.Origin = ""
		c.report = append(c.report, place.file.Problem(place.path, "%v", &one))
	}
}

// optionPath is where an option of the route is written: there, or at the listener
// that it is inherited from.
func (c *compiler) optionPath(rt *compiledRoute, option string) string {
	const transcode = ".transcode."
	own := rt.cfg.Path + transcode + option
	l := rt.cfg.Listeners[slices.Index(rt.cfg.Options, rt.options)]
	file := c.gateway.plan.File
	if inherited := l.Path + transcode + option; !file.Has(own) && file.Has(inherited) {
		return inherited
	}
	return own
}

// endpoint asks every protocol for its routes to ep. The entries are copies of
// base with what the protocol says filled in.
func (c *compiler) endpoint(ep *transcoder.Endpoint, base route.Entry) ([]*route.Entry, error) {
	var entries []*route.Entry
	var errs []error
	for _, p := range c.gateway.options.Protocols {
		routes, err := p.Routes(ep)
		if err != nil {
			errs = append(errs, err)
		}
		for _, r := range routes {
			e := base
			e.Method, e.Template, e.ContentType, e.Handler = r.Method, r.Template, r.ContentType, r.Handler
			e.Protocol, e.RPC, e.Origin, e.In, e.Out = p.Name(), ep.Method.FullName(), r.Origin, r.In, r.Out
			entries = append(entries, &e)
		}
	}
	return entries, errors.Join(errs...)
}

// table gathers what one listener serves.
func (c *compiler) table(l *config.Listener) *route.Table {
	var served []compiledRoute
	var entries []*route.Entry
	for _, rt := range c.routes {
		if i := slices.Index(rt.cfg.Listeners, l); i >= 0 && rt.cfg.Options[i] == rt.options {
			served = append(served, rt)
			entries = append(entries, rt.entries...)
		}
	}
	edits := c.listenerEdits(l)
	for _, e := range c.infrastructure(served) {
		e.Edits = edits
		entries = append(entries, e)
	}
	table, err := route.Compile(firstUpgrades(oncePerUpstream(entries)))
	if err != nil {
		c.conflicts(err)
		return nil
	}
	c.unreachable(table)
	return table
}

// has reports whether the schema of an upstream is there.
func (c *compiler) has(cfg *config.Upstream) bool {
	up := c.upstreams[cfg.Name]
	return up != nil && up.schema != nil
}

// unreachable warns of entries that nothing can reach.
func (c *compiler) unreachable(table *route.Table) {
	for _, s := range table.Unreachable() {
		for _, rt := range c.routes {
			if rt.cfg.Name != s.Entry.Route {
				continue
			}
			at := rt.place(c.gateway.plan.File, s.Entry.Origin)
			p := at.file.Problem(at.path, "no request gets here: %s takes them first", s.By)
			p.Advice = "give it further conditions or another path, or leave it out"
			if !slices.Contains(c.warnings, p) {
				c.warnings = append(c.warnings, p)
			}
			break
		}
	}
}

// absent is the routes of a listener whose upstreams have no schema yet.
func (c *compiler) absent(l *config.Listener) []*config.Route {
	var absent []*config.Route
	for _, rt := range c.gateway.plan.Routes {
		if rt.On(l) && rt.Transcode != nil && !c.has(rt.Transcode.Upstream) {
			absent = append(absent, rt)
		}
	}
	return absent
}

// conflicts reports entries that no request can tell apart, at the rule of the
// second one, or at its route if the configuration does not have the rule; once
// for two methods, however many paths they share.
func (c *compiler) conflicts(err error) {
	type pair struct{ routeA, rpcA, routeB, rpcB string }
	told := make(map[pair]bool)
	for _, err := range unjoin(err) {
		at := place{file: c.gateway.plan.File}
		var conflict *route.Conflict
		if errors.As(err, &conflict) {
			methods := pair{conflict.A.Route, conflict.A.RPC, conflict.B.Route, conflict.B.RPC}
			if told[methods] {
				continue
			}
			told[methods] = true
			for _, rt := range c.routes {
				if rt.cfg.Name == conflict.B.Route {
					at = rt.place(c.gateway.plan.File, conflict.B.Origin)
				}
			}
		}
		c.report = append(c.report, at.file.Problem(at.path, "%v", err))
	}
}

// unjoin is the errors that errors.Join has put together, however often.
func unjoin(err error) []error {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []error
		for _, err := range joined.Unwrap() {
			all = append(all, unjoin(err)...)
		}
		return all
	}
	return []error{err}
}
