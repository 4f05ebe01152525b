package config

import (
	"net/netip"
	"time"

	"google.golang.org/protobuf/proto"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// The defaults of forward routes that the schema documents.
const (
	defaultForwardTimeout = 15 * time.Second
	defaultForwardIdle    = 5 * time.Minute
	defaultKeptBytes      = 64 << 10
	defaultAttempts       = 3
	defaultBackoff        = 25 * time.Millisecond
	defaultBudgetPercent  = 20
	defaultWeight         = 1
	maxBackoffFactor      = 10
)

// defaultRetryOn is what is tried again where nothing is said of it.
var defaultRetryOn = []string{"connect_failure", "reset", "timeout", "503", "UNAVAILABLE"}

// Match is one entry of what a route takes.
type Match struct {
	Path string
	Rule *configpb.Match
}

// Forward is how a route forwards, with every default set.
type Forward struct {
	Path string
	// Destinations share the requests; there is one that has a weight at least.
	Destinations []Destination
	Rewrite      *configpb.Rewrite
	// Timeout and IdleTimeout are zero for no bound.
	Timeout, IdleTimeout time.Duration
	// AllowPaths has the names of the schema.
	AllowPaths []string
	// MaxRequestBytes is zero for no bound.
	MaxRequestBytes int64
	CORS            *configpb.CORS
	Compression     *configpb.Compression
}

// Calls is what a route says of how its upstreams are called: a message that their
// kind knows.
type Calls struct {
	Path    string
	Options proto.Message
}

// Destination is an upstream with its share of the requests. The reference to it
// is at Path.
type Destination struct {
	Path     string
	Upstream *Upstream
	Weight   int
	Headers  Headers
}

// Redirect is where a route leads to.
type Redirect struct {
	Path string
	Rule *configpb.RedirectRoute
}

// Respond is what a route answers.
type Respond struct {
	Path string
	Rule *configpb.RespondRoute
	// BodyJQ is nil if the body is text.
	BodyJQ *ProgramText
}

// Headers are changes of headers on one level. They are at Path; Rule is nil if
// there are none.
type Headers struct {
	Path string
	Rule *configpb.Headers
}

// Retry is when requests are sent again, with every default set.
type Retry struct {
	Path string
	// On has the names of the schema, and statuses as text.
	On                             []string
	Attempts                       int
	PerTry, Backoff, MaxBackoff    time.Duration
	BudgetPercent, MaxRequestBytes int
}

// FallThrough is when requests go on to the next route, with every default set.
type FallThrough struct {
	Path string
	// On has statuses as text and names of gRPC statuses.
	On              []string
	MaxRequestBytes int
}

func headersOf(path string, cfg *configpb.Headers) Headers {
	if cfg == nil {
		return Headers{}
	}
	return Headers{fieldPath(path, "headers"), cfg}
}

// action sets what the route does.
func (l *linker) action(rt *Route, cfg *configpb.Route) {
	path := rt.Path
	for i, m := range cfg.GetMatch() {
		rt.Match = append(rt.Match, Match{indexPath(fieldPath(path, "match"), i), m})
	}
	rt.Headers = headersOf(path, cfg.GetHeaders())
	rt.Retry = retryOf(fieldPath(path, "retry"), cfg.GetRetry())
	if f := cfg.GetFallThrough(); f != nil {
		rt.FallThrough = &FallThrough{Path: fieldPath(path, "fall_through"), On: f.GetOn(), MaxRequestBytes: defaultKeptBytes}
		if f.RequestBytes != nil {
			rt.FallThrough.MaxRequestBytes = int(f.GetRequestBytes())
		}
	}
	switch cfg.GetAction().(type) {
	case *configpb.Route_Forward:
		rt.Forward = l.forward(fieldPath(path, "forward"), cfg.GetForward())
		rt.Calls = l.calls(rt, fieldPath(path, "forward"), cfg.GetForward().GetLambda())
	case *configpb.Route_Redirect:
		rt.Redirect = &Redirect{fieldPath(path, "redirect"), cfg.GetRedirect()}
	case *configpb.Route_Respond:
		at := fieldPath(path, "respond")
		rt.Respond = &Respond{at, cfg.GetRespond(), programText(at, "body_jq", cfg.GetRespond().GetBodyJq(), "")}
	default:
		l.transcode(rt, cfg)
		rt.Calls = l.calls(rt, fieldPath(path, "transcode"), cfg.GetTranscode().GetLambda())
	}
}

// calls is what a route, whose action is at path, says of calls to functions of AWS
// Lambda.
func (l *linker) calls(rt *Route, path string, cfg *configpb.LambdaCall) *Calls {
	if cfg == nil {
		return nil
	}
	path = fieldPath(path, "lambda")
	for _, up := range rt.Upstreams() {
		if up == nil || up.Kind == nil {
			continue // that has been said
		}
		if _, is := up.Kind.(*configpb.AWSLambdaUpstream); !is {
			l.problem(path, "leave it out", "upstream %q is no function of AWS Lambda", up.Name)
		}
	}
	return &Calls{path, cfg}
}

func (l *linker) forward(path string, cfg *configpb.ForwardRoute) *Forward {
	f := &Forward{
		Path:            path,
		Rewrite:         cfg.GetRewrite(),
		Timeout:         durationOr(cfg.GetTimeout(), defaultForwardTimeout),
		IdleTimeout:     durationOr(cfg.GetIdleTimeout(), defaultForwardIdle),
		AllowPaths:      cfg.GetAllowPaths(),
		MaxRequestBytes: int64(min(cfg.GetLimits().GetRequestBytes(), 1<<62)),
		CORS:            cfg.GetCors(),
		Compression:     cfg.GetCompression(),
	}
	switch {
	case cfg.GetGroup() != "":
		at := fieldPath(path, "group")
		group, ok := l.groups[cfg.GetGroup()]
		if !ok {
			l.problem(at, advise(cfg.GetGroup(), keys(l.groups), "the groups are "), "there is no upstream group %q", cfg.GetGroup())
		}
		f.Destinations = group
	case len(cfg.GetUpstreams()) > 0:
		f.Destinations = l.destinations(fieldPath(path, "upstreams"), cfg.GetUpstreams())
	default:
		at := fieldPath(path, "upstream")
		if up := l.upstream(at, cfg.GetUpstream()); up != nil {
			f.Destinations = []Destination{{Path: at, Upstream: up, Weight: defaultWeight}}
		}
	}
	return f
}

// destinations are those of a list, which is at path.
func (l *linker) destinations(path string, list []*configpb.WeightedUpstream) []Destination {
	var out []Destination
	seen := make(map[*Upstream]string)
	sum := 0
	for i, cfg := range list {
		at := indexPath(path, i)
		d := Destination{Path: fieldPath(at, "upstream"), Weight: defaultWeight, Headers: headersOf(at, cfg.GetHeaders())}
		if cfg.Weight != nil {
			d.Weight = int(cfg.GetWeight())
		}
		sum += d.Weight
		if d.Upstream = l.upstream(d.Path, cfg.GetUpstream()); d.Upstream == nil {
			continue
		}
		if first, ok := seen[d.Upstream]; ok {
			l.problem(d.Path, "write it once, with the sum of the weights", "%q is %s too", cfg.GetUpstream(), first)
			continue
		}
		seen[d.Upstream] = at
		out = append(out, d)
	}
	if sum == 0 {
		l.problem(path, "give one of them a weight", "no upstream has a weight, so none would get a request")
	}
	return out
}

// upstream is the one of this name; nil, with a problem at path, if there is none.
func (l *linker) upstream(path, name string) *Upstream {
	up := l.upstreams[name]
	if up == nil {
		l.problem(path, advise(name, keys(l.upstreams), "the upstreams are "), "there is no upstream %q", name)
	}
	return up
}

func (l *linker) linkGroups() {
	names := make(map[string]string)
	for i, cfg := range l.file.Message.GetUpstreamGroups() {
		path := indexPath("upstream_groups", i)
		destinations := l.destinations(fieldPath(path, "upstreams"), cfg.GetUpstreams())
		if l.unique(names, cfg.GetName(), path) {
			l.groups[cfg.GetName()] = destinations
		}
	}
}

func retryOf(path string, cfg *configpb.Retry) *Retry {
	if cfg == nil {
		return nil
	}
	r := &Retry{
		Path:            path,
		On:              cfg.GetOn(),
		Attempts:        orDefault(cfg.GetAttempts(), defaultAttempts),
		PerTry:          cfg.GetPerTryTimeout().AsDuration(),
		Backoff:         durationOr(cfg.GetBackoff(), defaultBackoff),
		BudgetPercent:   defaultBudgetPercent,
		MaxRequestBytes: defaultKeptBytes,
	}
	if len(r.On) == 0 {
		r.On = defaultRetryOn
	}
	r.MaxBackoff = durationOr(cfg.GetMaxBackoff(), maxBackoffFactor*r.Backoff)
	// Zero has a meaning of its own in both.
	if cfg.BudgetPercent != nil {
		r.BudgetPercent = int(cfg.GetBudgetPercent())
	}
	if cfg.RequestBytes != nil {
		r.MaxRequestBytes = int(cfg.GetRequestBytes())
	}
	return r
}

// trusted are addresses and networks, which the schema has checked.
func trusted(list []string) []netip.Prefix {
	var out []netip.Prefix
	for _, text := range list {
		if p, err := netip.ParsePrefix(text); err == nil {
			out = append(out, p.Masked())
		} else if a, err := netip.ParseAddr(text); err == nil {
			out = append(out, netip.PrefixFrom(a, a.BitLen()))
		}
	}
	return out
}
