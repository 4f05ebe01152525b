package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/config"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/reply"
	"github.com/dragoman-gateway/dragoman/rewrite"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transform"
	"github.com/dragoman-gateway/dragoman/upstream/retry"
)

// What logs and lists call the entries of routes that transcode nothing.
const (
	protocolHTTP     = "http"
	protocolRedirect = "redirect"
	protocolRespond  = "respond"
)

// action compiles a route that forwards, redirects or answers by itself.
func (c *compiler) action(rt *config.Route) {
	policy := retryPolicy(rt)
	for i, options := range rt.Options {
		if slices.Contains(rt.Options[:i], options) {
			continue
		}
		compiled := compiledRoute{cfg: rt, options: options, retry: policy}
		settings := settingsOf(rt, options)
		for i := range rt.Match {
			compiled.entries = append(compiled.entries, c.matched(&compiled, i, settings)...)
		}
		c.finish(&compiled, settings)
	}
}

// retryPolicy is how a route tries again; nil if it does not. Whatever the route
// leads to has one budget.
func retryPolicy(rt *config.Route) *retry.Policy {
	r := rt.Retry
	if r == nil {
		return nil
	}
	return retry.New(retry.Config{
		On: r.On, Attempts: r.Attempts, PerTryTimeout: r.PerTry, Backoff: r.Backoff, MaxBackoff: r.MaxBackoff,
		BudgetPercent: r.BudgetPercent, RequestBytes: r.MaxRequestBytes,
	})
}

// matched are the entries for one entry of a route's match: one for each method.
func (c *compiler) matched(rt *compiledRoute, i int, settings *transcoder.Settings) []*route.Entry {
	m := &rt.cfg.Match[i]
	at := c.place(m)
	headers, query := c.conditions(m)
	if at == nil {
		return nil
	}
	base := route.Entry{
		Hosts: rt.cfg.Hosts, Route: rt.cfg.Name, Origin: fmt.Sprintf("match[%d]", i),
		Template: at.template, Whole: at.whole, Headers: headers, Query: query, Order: rt.cfg.Index<<16 + i,
	}
	if !c.act(rt, &base, at, settings) {
		return nil
	}
	methods := m.Rule.GetMethods()
	switch {
	case m.Rule.GetGrpc() != nil:
		methods = []string{"POST"}
	case len(methods) == 0:
		methods = []string{"*"}
	}
	var entries []*route.Entry
	for _, method := range methods {
		e := base
		e.Method = method
		entries = append(entries, &e)
	}
	return entries
}

// matchPlace is what a match says of the path.
type matchPlace struct {
	template *httprule.Template
	whole    *route.Whole
	// prefix is what a rewrite of the prefix replaces; empty if there is no such thing.
	prefix string
}

// place is what m says of the path; nil, with a problem, if that is wrong.
func (c *compiler) place(m *config.Match) *matchPlace {
	rule, field := m.Rule, ""
	var at matchPlace
	var err error
	switch {
	case rule.GetPath() != "":
		field = "path"
		at.template, err = httprule.Parse(rule.GetPath())
	case rule.GetPrefix() != "":
		field, at.prefix = "prefix", rule.GetPrefix()
		at.template, err = route.Prefix(at.prefix)
	case rule.GetPrefixString() != "":
		field, at.prefix = "prefix_string", rule.GetPrefixString()
		at.template, at.whole, err = route.PrefixString(at.prefix)
	case rule.GetExact() != "":
		field, at.prefix = "exact", rule.GetExact()
		at.template, at.whole, err = route.Exact(at.prefix)
	case rule.GetRegex() != "":
		field = "regex"
		at.template, at.whole, err = route.Regex(rule.GetRegex())
	case rule.GetGrpc() != nil:
		path := "/" + rule.GetGrpc().GetService() + "/"
		if path += rule.GetGrpc().GetMethod(); rule.GetGrpc().GetMethod() == "" {
			path += "*"
		}
		at.template, err = httprule.Parse(path)
	default:
		at.template, err = route.Prefix("/")
	}
	if err != nil {
		c.report = append(c.report, c.gateway.plan.File.Problem(m.Path+"."+field, "%v", err))
		return nil
	}
	return &at
}

// conditions are those on headers and query.
func (c *compiler) conditions(m *config.Match) (headers, query []route.Condition) {
	return c.values(m.Path+".headers", m.Rule.GetHeaders(), route.CheckHeaderName), c.values(m.Path+".query", m.Rule.GetQuery(), nil)
}

// values are the conditions of list, but for those with a name that checkName, if it
// is not nil, does not let through.
func (c *compiler) values(path string, list []*configpb.ValueMatch, checkName func(string) error) []route.Condition {
	var out []route.Condition
	for i, v := range list {
		if checkName != nil {
			if err := checkName(v.GetName()); err != nil {
				c.report = append(c.report, c.gateway.plan.File.Problem(fmt.Sprintf("%s[%d].name", path, i), "%v", err))
				continue
			}
		}
		cond := route.Condition{Name: v.GetName(), Exact: v.Exact, Prefix: v.Prefix, Invert: v.GetInvert()}
		if v.Regex != nil {
			var err error
			if cond.Regexp, err = route.CompileRegexp(v.GetRegex()); err != nil {
				c.report = append(c.report, c.gateway.plan.File.Problem(fmt.Sprintf("%s[%d].regex", path, i), "%v", err))
			}
		}
		out = append(out, cond)
	}
	return out
}

// act sets what the route does with requests for e, and reports whether it could.
func (c *compiler) act(rt *compiledRoute, e *route.Entry, at *matchPlace, settings *transcoder.Settings) bool {
	switch {
	case rt.cfg.Forward != nil:
		return c.forward(rt, e, at, settings)
	case rt.cfg.Redirect != nil:
		return c.redirect(rt, e, at, settings)
	default:
		return c.respond(rt, e, settings)
	}
}

// rewriting compiles what a route at path makes of the path and the host; nil, with
// a problem, if that is wrong.
func (c *compiler) rewriting(path string, spec rewrite.Spec, e *route.Entry, at *matchPlace) *rewrite.Rule {
	rule, err := rewrite.Compile(spec, e.Names(), at.prefix)
	var wrong *rewrite.Error
	switch {
	case errors.As(err, &wrong):
		c.report = append(c.report, c.gateway.plan.File.Problem(path+"."+wrong.Field, "%s", wrong.Message))
		return nil
	case err != nil:
		c.report = append(c.report, c.gateway.plan.File.Problem(path, "%v", err))
		return nil
	}
	return rule
}

func regexOf(cfg *configpb.RegexRewrite) *rewrite.Regex {
	if cfg == nil {
		return nil
	}
	return &rewrite.Regex{Pattern: cfg.GetPattern(), Substitution: cfg.GetSubstitution()}
}

// narrow makes of the entries of a transcode route those that its match lets
// through: each with the conditions of each entry of the match.
func (c *compiler) narrow(rt *compiledRoute) {
	if len(rt.cfg.Match) == 0 {
		return
	}
	var out []*route.Entry
	for i := range rt.cfg.Match {
		m := &rt.cfg.Match[i]
		headers, query := c.conditions(m)
		for _, e := range rt.entries {
			if g := m.Rule.GetGrpc(); g != nil && !fitsGRPC(g, e.RPC) {
				continue
			}
			own := *e
			own.Headers, own.Query = headers, query
			out = append(out, &own)
		}
	}
	rt.entries = out
}

// fitsGRPC reports whether a match for gRPC is about a method.
func fitsGRPC(g *configpb.GRPCMatch, method string) bool {
	if g.GetMethod() == "" {
		return fits(g.GetService()+".*", method)
	}
	return method == g.GetService()+"."+g.GetMethod()
}

// checkAbilities reports routes that lead to upstreams which cannot take what they
// send.
func (g *Gateway) checkAbilities() config.Report {
	var report config.Report
	wrong := func(path, advice, format string, args ...any) {
		p := g.plan.File.Problem(path, format, args...)
		p.Advice = advice
		report = append(report, p)
	}
	for _, rt := range g.plan.Routes {
		if rt.Forward == nil {
			continue
		}
		for _, d := range rt.Forward.Destinations {
			if up := g.upstream(d.Upstream); up != nil && up.http == nil {
				wrong(d.Path, "expose it with transcode, which passes gRPC too", "upstream %q takes no requests of HTTP", up.cfg.Name)
			}
		}
	}
	return report
}

// forward makes the handler that sends requests to upstreams.
func (c *compiler) forward(rt *compiledRoute, e *route.Entry, at *matchPlace, settings *transcoder.Settings) bool {
	f := rt.cfg.Forward
	e.Protocol, e.Upstream, e.Forward = protocolHTTP, sharesOf(f), true
	spec := rewrite.Spec{
		Path: f.Rewrite.GetPath(), Prefix: nil, Regex: regexOf(f.Rewrite.GetRegex()), Host: f.Rewrite.GetHost(),
	}
	if f.Rewrite != nil {
		spec.Prefix = f.Rewrite.Prefix
	}
	rule := c.rewriting(f.Path+".rewrite", spec, e, at)
	if rule == nil {
		return false
	}
	var shares []proxy.Share
	for _, d := range f.Destinations {
		edits := c.edits(rt.levels(d.Upstream, d.Headers)...)
		up := c.upstreams[d.Upstream.Name]
		if up == nil {
			continue // there are none where a plan is only checked
		}
		handler := atFirstHand(rt.cfg, proxy.New(proxy.Options{
			Name: d.Upstream.Name, Upstream: rt.retry.HTTP(up.of(rt.cfg)), Rewrite: rule, Headers: edits,
			Timeout: f.Timeout, IdleTimeout: f.IdleTimeout, MaxRequestBytes: f.MaxRequestBytes,
			AllowPaths: allowed(f.AllowPaths), Refuse: c.gateway.refuser(settings),
		}))
		shares = append(shares, proxy.Share{Name: d.Upstream.Name, Handler: c.within(rt, e, d.Upstream, handler, settings), Weight: d.Weight})
	}
	if len(shares) == 0 {
		return true
	}
	handler, err := proxy.Shared(shares)
	if err != nil {
		c.problem(rt.cfg, err)
		return false
	}
	e.Handler = handler
	return true
}

// within puts the programs of one of several upstreams around its handler. Those of
// the only one are among the route's.
func (c *compiler) within(rt *compiledRoute, e *route.Entry, up *config.Upstream, handler route.Handler, settings *transcoder.Settings) route.Handler {
	specs := c.gateway.programs.of(up.Transform)
	if rt.cfg.Upstream() != nil || len(specs) == 0 {
		return handler
	}
	options := transform.Options{Rematch: func(r *http.Request, x *route.Exchange) (route.Handler, *rpc.Error) {
		_, _ = goOn(r, x)
		return handler, nil
	}}
	chain, err := transform.New(specs, c.gateway.chainOptions(settings, options))
	if err != nil {
		c.problem(rt.cfg, err)
		return handler
	}
	return chain.Wrap(e, handler)
}

func allowed(names []string) proxy.Paths {
	// The schema knows no others.
	set, _ := proxy.ParsePaths(names)
	return set
}

// sharesOf names the upstreams of a forward route for people, with their weights if
// there are several.
func sharesOf(f *config.Forward) string {
	if len(f.Destinations) == 1 {
		return f.Destinations[0].Upstream.Name
	}
	var out []string
	for _, d := range f.Destinations {
		out = append(out, fmt.Sprintf("%s:%d", d.Upstream.Name, d.Weight))
	}
	return strings.Join(out, ",")
}

// redirect makes the handler of a redirect.
func (c *compiler) redirect(rt *compiledRoute, e *route.Entry, at *matchPlace, settings *transcoder.Settings) bool {
	cfg := rt.cfg.Redirect
	spec := rewrite.Spec{Path: cfg.Rule.GetPath(), Prefix: cfg.Rule.Prefix, Regex: regexOf(cfg.Rule.GetRegex()), Host: cfg.Rule.GetHost()}
	rule := c.rewriting(cfg.Path, spec, e, at)
	if rule == nil {
		return false
	}
	handler, err := reply.NewRedirect(reply.Redirect{
		Scheme: cfg.Rule.GetScheme(), Port: int(cfg.Rule.GetPort()), Rewrite: rule,
		Status: int(cfg.Rule.GetStatus()), StripQuery: cfg.Rule.GetStripQuery(), Refuse: c.gateway.refuser(settings),
	})
	if err != nil {
		c.report = append(c.report, c.gateway.plan.File.Problem(cfg.Path, "%v", err))
		return false
	}
	e.Handler, e.Protocol = handler, protocolRedirect
	return true
}

// respond makes the handler of an answer.
func (c *compiler) respond(rt *compiledRoute, e *route.Entry, settings *transcoder.Settings) bool {
	cfg := rt.cfg.Respond
	o := reply.Respond{Status: int(cfg.Rule.GetStatus()), Header: make(http.Header)}
	for _, h := range cfg.Rule.GetHeaders() {
		o.Header.Add(h.GetName(), h.GetValue())
	}
	if cfg.BodyJQ != nil {
		o.Program = c.gateway.programs.expressions[cfg.BodyJQ.Path]
		o.Programs = c.gateway.chainOptions(settings, transform.Options{})
	} else {
		o.Body = []byte(cfg.Rule.GetBody())
	}
	handler, err := reply.NewRespond(o)
	if err != nil {
		c.report = append(c.report, c.gateway.plan.File.Problem(cfg.Path, "%v", err))
		return false
	}
	e.Handler, e.Protocol = handler, protocolRespond
	return true
}
