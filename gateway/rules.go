package gateway

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// Which methods a route exposes, and by which HTTP rules, is found out once for
// each route and schema, in this order:
//
//  1. services and methods select methods, and so do the selectors of rules and
//     service configs. With none of these, or with rules and annotations: true
//     but neither services nor methods, all are selected.
//  2. exclude takes methods out, whatever has selected them.
//  3. The bindings of a method are those of its annotation, if annotations
//     count; then each rule that selects it, in order, takes the place of what
//     is there, or is added to it.
//
// What is left without a binding still has native gRPC and the automatic mapping.

// exposure is what a route exposes of its upstream.
type exposure struct {
	methods []exposed
	// places say where the rules of the configuration stand, by their origin.
	places map[string]place
}

// exposed is one method of a route.
type exposed struct {
	method   protoreflect.MethodDescriptor
	bindings []binding
	response *transcoder.Response
}

// binding is one HTTP rule. If decode is not set, its Escapes are up to the
// options of the route. Its template is behind the route's prefix, which is for
// clients; own is the one of the rule.
type binding struct {
	httprule.Binding
	own    *httprule.Template
	decode bool
}

// place is a field of a file in which problems can be reported: of the
// configuration, or of a service config.
type place struct {
	file interface {
		Problem(path, format string, args ...any) config.Problem
	}
	path string
}

// rule is one HTTP rule of the configuration, or of a file that it names.
type rule struct {
	config.Rule
	at place
	// shared is set for a rule of a service config, which may be about services
	// of other upstreams too.
	shared   bool
	bindings []binding
	// adds is set once the rule has been added to something.
	adds bool
}

// services lists the services of which a method is exposed, in order.
func (e *exposure) services() []protoreflect.FullName {
	var services []protoreflect.FullName
	for _, m := range e.methods {
		if name := m.method.Parent().FullName(); !slices.Contains(services, name) {
			services = append(services, name)
		}
	}
	return services
}

// exposer finds out what a route exposes.
type exposer struct {
	*compiler
	route    *config.Route
	upstream *upstreamState
	names    *names
	rules    []*rule
	out      *exposure
}

// expose finds out what rt exposes of up. What is wrong goes into the report.
func (c *compiler) expose(rt *config.Route, up *upstreamState) *exposure {
	e := &exposer{
		compiler: c, route: rt, upstream: up, names: namesOf(up.schema),
		out: &exposure{places: make(map[string]place)},
	}
	before := len(c.report)
	e.readRules()
	e.checkSelectors()
	for _, sd := range up.schema.Services() {
		for i := range sd.Methods().Len() {
			if md := sd.Methods().Get(i); e.selected(md) {
				e.out.methods = append(e.out.methods, exposed{method: md, bindings: e.bindings(md), response: e.response(md)})
			}
		}
	}
	for _, r := range e.rules {
		if r.Additive && !r.adds && !e.route.Transcode.Annotations {
			at := r.at
			at.path += ".additive"
			e.wrong(at, "write annotations: true into the route if annotations count, or leave additive out",
				"there is nothing that the rule could be added to")
		}
	}
	if len(e.out.methods) > 0 {
		e.checkFields()
	}
	if len(e.out.methods) == 0 && len(e.names.methods) > 0 && len(c.report) == before {
		e.wrong(e.in("exclude"), "", "it takes out every method that the route selects")
	}
	return e.out
}

// in is a field of the route's transcode.
func (e *exposer) in(field string) place {
	return place{e.gateway.plan.File, e.route.Path + ".transcode." + field}
}

func (e *exposer) wrong(at place, advice, format string, args ...any) {
	p := at.file.Problem(at.path, format, args...)
	p.Advice = advice
	e.report = append(e.report, p)
}

// readRules parses the rules of the service configs, then those of the route, and
// checks their selectors.
func (e *exposer) readRules() {
	t := e.route.Transcode
	for _, cfg := range t.ServiceConfigs {
		service := e.gateway.services[cfg.File]
		first, used := len(e.rules), false
		for i, r := range service.Rules {
			own := e.rule(r, place{service, r.Path}, fmt.Sprintf("%s rules[%d]", cfg.File, i), service.FullyDecode)
			own.shared = true
		}
		for _, r := range e.rules[first:] {
			used = e.checkRule(r) || used
		}
		if !used {
			e.wrong(place{e.gateway.plan.File, cfg.Path}, e.names.known(e.upstream.cfg.Name),
				"no rule of %q is about a method of upstream %q", cfg.File, e.upstream.cfg.Name)
		}
	}
	for i, r := range t.Rules {
		e.checkRule(e.rule(r, place{e.gateway.plan.File, r.Path}, fmt.Sprintf("rules[%d]", i), false))
	}
}

// rule parses one rule and adds it to those of the route.
func (e *exposer) rule(cfg config.Rule, at place, origin string, decode bool) *rule {
	r := &rule{Rule: cfg, at: at}
	var err error
	if r.bindings, err = e.parse(cfg.Rule, origin, decode); err != nil {
		for _, err := range unjoin(err) {
			e.wrong(at, "", "%v", err)
		}
	}
	for i := range r.bindings {
		b := &r.bindings[i]
		in := at
		if b.Index > 0 {
			in.path += fmt.Sprintf(".additional_bindings[%d]", b.Index-1)
		}
		e.out.places[b.From()] = in
	}
	e.rules = append(e.rules, r)
	return r
}

// parse makes the bindings of a rule, behind the route's prefix.
func (e *exposer) parse(cfg *annotations.HttpRule, origin string, decode bool) ([]binding, error) {
	parsed, err := httprule.Bindings(cfg)
	errs := []error{err}
	prefix := e.route.Transcode.Prefix
	var out []binding
	for _, b := range parsed {
		b.Origin = origin
		own := b.Template
		if prefix != "" {
			// The root is a slash, and behind a prefix nothing.
			b.Template, err = httprule.Parse(prefix + strings.TrimSuffix(b.Template.String(), "/"))
			if err != nil {
				errs = append(errs, fmt.Errorf("with the prefix %q: %w", prefix, err))
				continue
			}
		}
		out = append(out, binding{b, own, decode})
	}
	return out, errors.Join(errs...)
}

// checkRule reports whether the rule selects a method, and if it ought to, that it
// does not.
func (e *exposer) checkRule(r *rule) bool {
	selector := r.Rule.Rule.GetSelector()
	if e.names.fitsMethod(selector) {
		return true
	}
	if !r.shared || e.names.ours(selector) {
		at := r.at
		at.path += ".selector"
		e.noMethod(at, selector)
	}
	return false
}

// checkSelectors reports selectors that select nothing.
func (e *exposer) checkSelectors() {
	t, up := e.route.Transcode, e.upstream.cfg.Name
	file := e.gateway.plan.File
	for _, s := range t.Services {
		if !e.names.fitsService(s.Text) {
			e.wrong(place{file, s.Path}, e.names.adviseService(s.Text, up), "upstream %q has no service %s", up, quoted(s.Text))
		}
	}
	for _, s := range t.Methods {
		if !e.names.fitsMethod(s.Text) {
			e.noMethod(place{file, s.Path}, s.Text)
		}
	}
	for _, s := range t.Exclude {
		if !e.names.fitsMethod(s.Text) && !e.names.fitsService(s.Text) {
			e.wrong(place{file, s.Path}, e.names.adviseAny(s.Text, up), "upstream %q has neither a service nor a method %s", up, quoted(s.Text))
		}
	}
	for _, r := range t.Responses {
		if selector := r.Rule.GetSelector(); !e.names.fitsMethod(selector) {
			e.noMethod(place{file, r.Path + ".selector"}, selector)
		}
	}
}

func (e *exposer) noMethod(at place, selector string) {
	up := e.upstream.cfg.Name
	e.wrong(at, e.names.adviseMethod(selector, up), "upstream %q has no method %s", up, quoted(selector))
}

// selected reports whether the route exposes a method.
func (e *exposer) selected(md protoreflect.MethodDescriptor) bool {
	t := e.route.Transcode
	method, service := string(md.FullName()), string(md.Parent().FullName())
	for _, s := range t.Exclude {
		if fits(s.Text, method) || fits(s.Text, service) {
			return false
		}
	}
	if len(t.Services)+len(t.Methods) == 0 && (len(e.rules) == 0 || t.Annotations) {
		return true
	}
	return slices.ContainsFunc(t.Services, func(s config.Selector) bool { return fits(s.Text, service) }) ||
		slices.ContainsFunc(t.Methods, func(s config.Selector) bool { return fits(s.Text, method) }) ||
		slices.ContainsFunc(e.rules, func(r *rule) bool { return fits(r.Rule.Rule.GetSelector(), method) })
}

// bindings are the HTTP rules of a method.
func (e *exposer) bindings(md protoreflect.MethodDescriptor) []binding {
	var rules []*rule
	annotated := e.route.Transcode.Annotations
	for _, r := range e.rules {
		switch {
		case !fits(r.Rule.Rule.GetSelector(), string(md.FullName())):
		case r.Additive:
			r.adds = r.adds || len(rules) > 0
			rules = append(rules, r)
		default:
			rules, annotated = []*rule{r}, false
		}
	}
	var out []binding
	if annotated {
		out = e.annotation(md)
	}
	for _, r := range rules {
		out = append(out, r.bindings...)
	}
	return out
}

// annotation is the rule of a method in its .proto file.
func (e *exposer) annotation(md protoreflect.MethodDescriptor) []binding {
	cfg := e.upstream.schema.HTTPRule(md)
	if cfg == nil {
		return nil
	}
	out, err := e.parse(cfg, "annotation", false)
	for _, err := range unjoin(err) {
		e.problem(e.route, fmt.Errorf("%s: %w", md.FullName(), err))
	}
	return out
}

// response is what the last of the responses that selects a method says.
func (e *exposer) response(md protoreflect.MethodDescriptor) *transcoder.Response {
	for i, r := range slices.Backward(e.route.Transcode.Responses) {
		if fits(r.Rule.GetSelector(), string(md.FullName())) {
			origin := fmt.Sprintf("responses[%d]", i)
			e.out.places[origin] = place{e.gateway.plan.File, r.Path}
			return responseOf(r.Rule, origin)
		}
	}
	return nil
}
