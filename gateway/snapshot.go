package gateway

import (
	"errors"
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// Snapshot is everything that serving needs, compiled. It is immutable.
type Snapshot struct {
	// tables has one route table per listener, in the plan's order.
	tables []*route.Table
	// settings are those of each listener, for errors without a route.
	settings []*transcoder.Settings
	waiting  []Waiting
	// absent lists for each listener the routes without descriptors.
	absent [][]*config.Route
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
		if up.schema == nil {
			snap.waiting = append(snap.waiting, Waiting{Upstream: up.cfg.Name, Reason: up.err.Error()})
		}
	}
	for _, rt := range g.plan.Routes {
		c.route(rt)
	}
	for _, l := range g.plan.Listeners {
		snap.tables = append(snap.tables, c.table(l))
		snap.settings = append(snap.settings, listenerSettings(l))
		snap.absent = append(snap.absent, c.absent(l))
	}
	if err := c.report.Err(); err != nil {
		return nil, err
	}
	return snap, nil
}

// compiler collects the entries of every route and the problems met.
type compiler struct {
	gateway   *Gateway
	upstreams map[string]*upstreamState
	routes    []compiledRoute
	report    config.Report
}

// compiledRoute is one configured route with the entries it exposes under some
// options, which count on one or several of its listeners.
type compiledRoute struct {
	cfg      *config.Route
	options  *config.Options
	upstream *upstreamState
	entries  []*route.Entry
}

func (c *compiler) problem(rt *config.Route, err error) {
	c.report = append(c.report, c.gateway.plan.File.Problem(rt.Path, "route %q: %v", rt.Name, err))
}

func (c *compiler) route(rt *config.Route) {
	up := c.upstreams[rt.Upstream.Name]
	if up.schema == nil {
		return
	}
	for i, options := range rt.Options {
		if !slices.Contains(rt.Options[:i], options) {
			c.routeWith(rt, options, up)
		}
	}
}

// routeWith compiles a route under one set of options.
func (c *compiler) routeWith(rt *config.Route, options *config.Options, up *upstreamState) {
	compiled := compiledRoute{cfg: rt, options: options, upstream: up}
	settings := settingsOf(rt, options)
	for _, service := range up.schema.Services() {
		methods := service.Methods()
		for i := range methods.Len() {
			entries, err := c.method(rt, options, up, methods.Get(i), settings)
			for _, err := range unjoin(err) {
				c.problem(rt, err)
			}
			compiled.entries = append(compiled.entries, entries...)
		}
	}
	c.routes = append(c.routes, compiled)
}

func (c *compiler) method(rt *config.Route, options *config.Options, up *upstreamState, md protoreflect.MethodDescriptor, settings *transcoder.Settings) ([]*route.Entry, error) {
	var bindings []httprule.Binding
	if rule := up.schema.HTTPRule(md); rule != nil {
		var err error
		if bindings, err = httprule.Bindings(rule); err != nil {
			return nil, fmt.Errorf("%s: %w", md.FullName(), err)
		}
		for i := range bindings {
			bindings[i].Origin = "annotation"
		}
	}
	rules, err := c.validate(rt, options, up, md)
	if err != nil {
		return nil, err
	}
	return c.endpoint(&transcoder.Endpoint{
		Method:   rpc.NewMethod(md),
		Upstream: up.limit(rt.Transcode.MaxMessageBytes),
		Codec:    up.codec,
		Bindings: bindings,
		Settings: settings,
		Validate: rules,

		AutoMapping: rt.Transcode.AutoMapping,
		Prefix:      rt.Transcode.Prefix,
	}, route.Entry{Hosts: rt.Hosts, Route: rt.Name, Upstream: up.cfg.Name})
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
			e.Protocol, e.RPC, e.Origin = p.Name(), ep.Method.FullName(), r.Origin
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
	entries = append(entries, c.infrastructure(served)...)
	table, err := route.Compile(entries)
	if err != nil {
		c.conflicts(err)
		return nil
	}
	return table
}

// absent is the routes of a listener whose upstreams have no schema yet.
func (c *compiler) absent(l *config.Listener) []*config.Route {
	var absent []*config.Route
	for _, rt := range c.gateway.plan.Routes {
		if rt.On(l) && c.upstreams[rt.Upstream.Name].schema == nil {
			absent = append(absent, rt)
		}
	}
	return absent
}

// conflicts reports entries that no request can tell apart, at the route of the
// second one; once for two methods, however many paths they share.
func (c *compiler) conflicts(err error) {
	type pair struct{ routeA, rpcA, routeB, rpcB string }
	told := make(map[pair]bool)
	for _, err := range unjoin(err) {
		path := ""
		var conflict *route.Conflict
		if errors.As(err, &conflict) {
			methods := pair{conflict.A.Route, conflict.A.RPC, conflict.B.Route, conflict.B.RPC}
			if told[methods] {
				continue
			}
			told[methods] = true
			for _, rt := range c.routes {
				if rt.cfg.Name == conflict.B.Route {
					path = rt.cfg.Path
				}
			}
		}
		c.report = append(c.report, c.gateway.plan.File.Problem(path, "%v", err))
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
