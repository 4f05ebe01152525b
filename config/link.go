package config

import (
	"maps"
	"net"
	"slices"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// The defaults that the schema documents.
const (
	defaultListener        = "default"
	defaultAddress         = ":8080"
	defaultAdminAddress    = "127.0.0.1:9901"
	defaultHeaderBytes     = 64 << 10
	defaultHeaderTimeout   = 10 * time.Second
	defaultIdleTimeout     = 5 * time.Minute
	defaultMaxStreams      = 100
	defaultUnaryTimeout    = 15 * time.Second
	defaultRequestBytes    = 4 << 20
	defaultMessageBytes    = 4 << 20
	defaultJSONBytes       = 64 << 20
	defaultDepth           = 100
	defaultQueryParameters = 1000
)

// Link resolves the names in a valid configuration and sets the defaults. The
// error is a [Report] of everything that is wrong.
func Link(f *File) (*Plan, error) {
	l := link(f)
	if err := l.report.Err(); err != nil {
		return nil, err
	}
	return l.plan, nil
}

// unlinked is what is in the way of linking a file that has the problems in
// known already, but for what may follow from them: a name that is missing where
// it is defined is missing for whoever uses it.
func (f *File) unlinked(known Report) Report {
	var report Report
	for _, p := range link(f).report {
		if known.explains([]string{p.Path}) {
			continue
		}
		if list := defines(p.Path); list != "" && known.unnames(list) {
			continue
		}
		report = append(report, p)
	}
	return report
}

// defines is the list with the names that the field at path, if it is a
// reference, refers to.
func defines(path string) string {
	switch rest, _ := strings.CutPrefix(path, "routes["); {
	case strings.HasSuffix(path, ".upstream"):
		return "upstreams"
	case strings.HasSuffix(rest, "].forward.group"):
		return "upstream_groups"
	case strings.Contains(rest, "].listeners["):
		return "listeners"
	case strings.Contains(path, "].transform[") && (strings.HasSuffix(path, "].use") || strings.Contains(path, "].with")):
		return "programs"
	}
	return ""
}

// unnames reports whether the report has a problem because of which a name may
// be missing from a list: with the list, one of its elements, or a name.
func (r Report) unnames(list string) bool {
	return slices.ContainsFunc(r, func(p Problem) bool {
		at := p.Path
		if p.meant != "" {
			at = p.meant
		}
		if at == "" || at == list {
			return true
		}
		index, field, _ := strings.Cut(at, "]")
		return strings.HasPrefix(index, list+"[") && (field == "" || field == ".name")
	})
}

func link(f *File) *linker {
	l := &linker{
		file:      f,
		plan:      &Plan{File: f},
		listeners: make(map[string]*Listener),
		upstreams: make(map[string]*Upstream),
		programs:  make(map[string]program),
		groups:    make(map[string][]Destination),
	}
	l.linkJQ()
	l.linkPrograms()
	l.linkListeners()
	l.linkUpstreams()
	l.linkGroups()
	l.linkRoutes()
	return l
}

// linker makes a plan and collects what is in the way.
type linker struct {
	file      *File
	plan      *Plan
	report    Report
	listeners map[string]*Listener
	upstreams map[string]*Upstream
	programs  map[string]program
	groups    map[string][]Destination
}

func (l *linker) problem(path, advice, format string, args ...any) {
	p := l.file.Problem(path, format, args...)
	p.Advice = advice
	l.report = append(l.report, p)
}

// unique reports whether name is new among the things of one sort, and if not,
// that it is not.
func (l *linker) unique(seen map[string]string, name, path string) bool {
	if first, ok := seen[name]; ok {
		l.problem(path+".name", "names must differ", "%q is the name of %s too", name, first)
		return false
	}
	seen[name] = path
	return true
}

func (l *linker) linkListeners() {
	configured := l.file.Message.GetListeners()
	if len(configured) == 0 {
		configured = []*configpb.Listener{{Name: defaultListener, Address: defaultAddress}}
	}
	names, addresses := make(map[string]string), make(map[string]string)
	l.plan.AdminAddress = l.file.Message.GetAdmin().GetAddress()
	if l.plan.AdminAddress == "" {
		l.plan.AdminAddress = defaultAdminAddress
	}
	l.address(addresses, l.plan.AdminAddress, "admin")
	for i, cfg := range configured {
		path := indexPath("listeners", i)
		limits := cfg.GetLimits()
		ln := &Listener{
			Path:          path,
			Name:          cfg.GetName(),
			Address:       cfg.GetAddress(),
			HeaderBytes:   orDefault(limits.GetHeaderBytes(), defaultHeaderBytes),
			HeaderTimeout: durationOr(limits.GetHeaderTimeout(), defaultHeaderTimeout),
			IdleTimeout:   durationOr(limits.GetIdleTimeout(), defaultIdleTimeout),
			MaxStreams:    orDefault(limits.GetMaxConcurrentStreams(), defaultMaxStreams),
			Options:       defaultOptions().with(cfg.GetTranscode()),
			Transform:     l.transforms(path, cfg.GetTransform()),
			Headers:       headersOf(path, cfg.GetHeaders()),

			TrustedProxies: trusted(cfg.GetTrustedProxies()),
		}
		ln.Options.Headers = ln.Headers
		for _, t := range ln.Transform {
			if !t.PreRoute {
				ln.Options.Transform = append(ln.Options.Transform, t)
			}
		}
		if tls := cfg.GetTls(); tls != nil {
			ln.TLS = &TLSFiles{Cert: tls.GetCert(), Key: tls.GetKey(), ClientCA: tls.GetClientCa(), ClientOptional: tls.GetClientOptional()}
		}
		l.address(addresses, ln.Address, path)
		if l.unique(names, ln.Name, path) {
			l.listeners[ln.Name] = ln
		}
		l.plan.Listeners = append(l.plan.Listeners, ln)
	}
}

// address reports an address that a listener or the admin listener has already.
func (l *linker) address(seen map[string]string, address, path string) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		l.problem(path+".address", "", "%q is no address: %v", address, err)
		return
	}
	// The three ways to say all addresses of the machine.
	if host == "0.0.0.0" || host == "::" {
		host = ""
	}
	port = strings.TrimLeft(port, "0")
	if port == "" {
		return // each gets a free port of its own
	}
	key := net.JoinHostPort(strings.ToLower(host), port)
	if first, ok := seen[key]; ok {
		l.problem(path+".address", "", "%q is the address of %s too", address, first)
		return
	}
	seen[key] = path
}

func (l *linker) linkUpstreams() {
	names := make(map[string]string)
	for i, cfg := range l.file.Message.GetUpstreams() {
		path := indexPath("upstreams", i)
		up := &Upstream{Path: path, Name: cfg.GetName(), Transform: l.transforms(path, cfg.GetTransform()), Headers: headersOf(path, cfg.GetHeaders())}
		up.Kind, up.KindPath = member(cfg, "kind", path)
		descriptors := fieldPath(path, "descriptors")
		up.Source, up.SourcePath = member(cfg.GetDescriptors(), "source", descriptors)
		_, grpc := up.Kind.(*configpb.GRPCUpstream)
		reflection, _ := up.Source.(*configpb.ReflectionSource)
		switch {
		case grpc && up.Source == nil:
			up.Source, up.SourcePath = &configpb.ReflectionSource{}, descriptors
		case !grpc && reflection != nil && reflection.GetTarget() == "":
			l.problem(up.SourcePath, "give proto or image, or a target", "only an upstream that speaks gRPC can be asked for descriptors")
		}
		if l.unique(names, up.Name, path) {
			l.upstreams[up.Name] = up
		}
		l.plan.Upstreams = append(l.plan.Upstreams, up)
	}
}

// member is the message that is set in a oneof of m, and its path; nil if none
// is.
func member(m proto.Message, oneof protoreflect.Name, path string) (proto.Message, string) {
	r := m.ProtoReflect()
	field := r.WhichOneof(r.Descriptor().Oneofs().ByName(oneof))
	if field == nil {
		return nil, path
	}
	return r.Get(field).Message().Interface(), fieldPath(path, string(field.Name()))
}

func (l *linker) linkRoutes() {
	names := make(map[string]string)
	for i, cfg := range l.file.Message.GetRoutes() {
		path := indexPath("routes", i)
		rt := &Route{
			Path:      path,
			Name:      cfg.GetName(),
			Index:     i,
			Hosts:     lower(cfg.GetHosts()),
			Listeners: l.routeListeners(cfg, path),
			Transform: l.transforms(path, cfg.GetTransform()),
		}
		if slices.Contains(rt.Hosts, "*") {
			rt.Hosts = nil
		}
		l.action(rt, cfg)
		rt.Options = routeOptions(rt.Listeners, cfg.GetTranscode())
		l.unique(names, rt.Name, path)
		l.plan.Routes = append(l.plan.Routes, rt)
	}
}

// transcode sets what a transcode route exposes.
func (l *linker) transcode(rt *Route, cfg *configpb.Route) {
	path := fieldPath(rt.Path, "transcode")
	t := transcode(cfg.GetTranscode(), path)
	rt.Transcode = &t
	for _, rule := range t.Rules {
		l.report = append(l.report, l.file.checkRule(rule.Path, rule.Rule)...)
	}
	if t.Prefix != "" {
		if _, err := httprule.Parse(t.Prefix); err != nil {
			l.problem(fieldPath(path, "prefix"), "", "%v", err)
		}
	}
	t.Upstream = l.upstream(fieldPath(path, "upstream"), cfg.GetTranscode().GetUpstream())
	if t.Upstream != nil && t.Upstream.Kind != nil && t.Upstream.Source == nil {
		l.problem(fieldPath(path, "upstream"), "give it descriptors: proto or image", "upstream %q has no descriptors, which say what its methods are", t.Upstream.Name)
	}
	for _, m := range rt.Match {
		for _, name := range []string{"path", "prefix", "prefix_string", "exact", "regex", "methods"} {
			if m.Rule.ProtoReflect().Has(m.Rule.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(name))) {
				l.problem(fieldPath(m.Path, name), "leave it out; transcode.prefix puts a path in front of all rules, and transcode.services and methods select some of them",
					"the rules of a transcode route have paths and methods already")
			}
		}
	}
}

// routeListeners are the listeners that a route names, or all.
func (l *linker) routeListeners(cfg *configpb.Route, path string) []*Listener {
	if len(cfg.GetListeners()) == 0 {
		return l.plan.Listeners
	}
	var found []*Listener
	for i, name := range cfg.GetListeners() {
		ln := l.listeners[name]
		switch at := indexPath(fieldPath(path, "listeners"), i); {
		case ln == nil:
			l.problem(at, advise(name, keys(l.listeners), "the listeners are "), "there is no listener %q", name)
		case slices.Contains(found, ln):
			l.problem(at, "", "%q is listed twice", name)
		default:
			found = append(found, ln)
		}
	}
	return found
}

// routeOptions are the options of a route on each of its listeners.
func routeOptions(listeners []*Listener, cfg *configpb.TranscodeRoute) []*Options {
	var all []*Options
	for _, l := range listeners {
		own := l.Options.with(cfg)
		if i := slices.IndexFunc(all, own.equal); i >= 0 {
			own = all[i]
		}
		all = append(all, own)
	}
	return all
}

func transcode(cfg *configpb.TranscodeRoute, path string) Transcode {
	limits, metadata := cfg.GetLimits(), cfg.GetMetadata()
	t := Transcode{
		UnaryTimeout:       durationOr(cfg.GetTimeout(), defaultUnaryTimeout),
		StreamTimeout:      durationOr(cfg.GetStreamTimeout(), 0),
		MaxRequestBytes:    orDefault(limits.GetRequestBytes(), defaultRequestBytes),
		MaxMessageBytes:    orDefault(limits.GetMessageBytes(), defaultMessageBytes),
		MaxJSONBytes:       orDefault(limits.GetJsonBytes(), defaultJSONBytes),
		MaxDepth:           orDefault(limits.GetDepth(), defaultDepth),
		MaxQueryParameters: defaultQueryParameters,
		RequestHeaders:     headers(metadata.GetRequest()),
		ResponseHeaders:    headers(metadata.GetResponse()),
		Services:           selectors(cfg.GetServices(), fieldPath(path, "services")),
		Methods:            selectors(cfg.GetMethods(), fieldPath(path, "methods")),
		Exclude:            selectors(cfg.GetExclude(), fieldPath(path, "exclude")),
		AutoMapping:        setOr(cfg, "auto_mapping", true),
		Prefix:             cfg.GetPrefix(),
	}
	for i, rule := range cfg.GetRules() {
		t.Rules = append(t.Rules, Rule{Path: indexPath(fieldPath(path, "rules"), i), Rule: httpRule(rule), Additive: rule.GetAdditive()})
	}
	for i, name := range cfg.GetServiceConfigs() {
		t.ServiceConfigs = append(t.ServiceConfigs, ServiceConfig{Path: indexPath(fieldPath(path, "service_configs"), i), File: name})
	}
	for i, rule := range cfg.GetResponses() {
		t.Responses = append(t.Responses, Response{Path: indexPath(fieldPath(path, "responses"), i), Rule: rule})
	}
	t.Annotations = setOr(cfg, "annotations", len(t.Rules)+len(t.ServiceConfigs)+len(t.Methods) == 0)
	// Zero is a limit here: no parameters at all.
	if limits != nil && limits.QueryParameters != nil {
		t.MaxQueryParameters = int(limits.GetQueryParameters())
	}
	return t
}

func selectors(list []string, path string) []Selector {
	var out []Selector
	for i, text := range list {
		out = append(out, Selector{Path: indexPath(path, i), Text: text})
	}
	return out
}

// httpRule is a rule in the words of google.api, whose fields it has.
func httpRule(cfg *configpb.Rule) *annotations.HttpRule {
	rule := &annotations.HttpRule{
		Selector: cfg.GetSelector(), Body: cfg.GetBody(), ResponseBody: cfg.GetResponseBody(),
		AdditionalBindings: cfg.GetAdditionalBindings(),
	}
	switch p := cfg.GetPattern().(type) {
	case *configpb.Rule_Get:
		rule.Pattern = &annotations.HttpRule_Get{Get: p.Get}
	case *configpb.Rule_Put:
		rule.Pattern = &annotations.HttpRule_Put{Put: p.Put}
	case *configpb.Rule_Post:
		rule.Pattern = &annotations.HttpRule_Post{Post: p.Post}
	case *configpb.Rule_Delete:
		rule.Pattern = &annotations.HttpRule_Delete{Delete: p.Delete}
	case *configpb.Rule_Patch:
		rule.Pattern = &annotations.HttpRule_Patch{Patch: p.Patch}
	case *configpb.Rule_Custom:
		rule.Pattern = &annotations.HttpRule_Custom{Custom: p.Custom}
	}
	return rule
}

func headers(cfg *configpb.HeaderList) HeaderList {
	return HeaderList{Allow: lower(cfg.GetAllow()), Deny: lower(cfg.GetDeny())}
}

// lower is list in lower case, without what comes a second time.
func lower(list []string) []string {
	var out []string
	for _, s := range list {
		if s = strings.ToLower(s); !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out
}

// keys are the names in m in order.
func keys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}

// orDefault is v, or fallback if v is zero, which the schema lets through only
// if it is not set.
func orDefault(v uint32, fallback int) int {
	if v == 0 {
		return fallback
	}
	return int(v)
}

func durationOr(d *durationpb.Duration, fallback time.Duration) time.Duration {
	if d == nil {
		return fallback
	}
	return d.AsDuration()
}
