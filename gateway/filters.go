package gateway

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/filter"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// manners gives the entries of a route what its options say beyond the rules:
// how paths and methods are matched, and filters around the handlers. Native gRPC
// has no filters.
func (c *compiler) manners(rt *compiledRoute) {
	o := rt.options
	filters := c.filters(rt.cfg, o)
	parses := rt.cfg.Transcode != nil
	names := make([]string, len(filters))
	for i, f := range filters {
		names[i] = f.Name()
	}
	preflights := make(map[string]http.Handler)
	for _, e := range rt.entries {
		// gRPC has paths in common with REST, so what is said of those where no
		// method fits holds for both.
		e.NoOPTIONS, e.NoAllow = !o.HTTP.GetOptions(), !o.HTTP.GetMethodNotAllowed()
		if e.Origin == transcoder.OriginNative {
			continue
		}
		if parses {
			e.TrailingSlash, e.StrictVerb = o.Parse.GetTrailingSlash(), o.Parse.GetStrictVerbs()
			e.NoHEAD = !o.HTTP.GetHead()
		}
		if e.Method == transcoder.MethodWebSocket {
			// It is no HTTP method, and its answer no HTTP: origins have an option of
			// their own, and filters nothing to do.
			e.NoOPTIONS, e.NoAllow = true, true
			continue
		}
		if len(filters) == 0 {
			continue
		}
		e.Filters = names
		if e.Inner == nil {
			e.Inner = e.Handler
		}
		for _, f := range slices.Backward(filters) {
			e.Handler = f.Wrap(e.Handler)
		}
		path := shape(e.Template)
		if _, ok := preflights[path]; !ok {
			preflights[path] = preflight(filters, methodsAt(rt.entries, path, o))
		}
		e.Preflight = preflights[path]
	}
}

// filters makes those that the options ask for, the outermost first.
func (c *compiler) filters(rt *config.Route, o *config.Options) []filter.Filter {
	kinds := c.gateway.options.Filters
	at, cors, compression := rt.Path+".transcode.http.", o.HTTP.GetCors(), o.HTTP.GetCompression()
	if rt.Transcode == nil {
		at, cors, compression = "", nil, nil
	}
	if f := rt.Forward; f != nil {
		at, cors, compression = f.Path+".", f.CORS, f.Compression
	}
	var filters []filter.Filter
	add := func(field string, cfg proto.Message) {
		f, err := kinds.New(cfg, filter.Env{Route: rt.Name})
		if err != nil {
			c.report = append(c.report, c.gateway.plan.File.Problem(at+field, "%v", err))
			return
		}
		filters = append(filters, f)
	}
	if len(cors.GetOrigins()) > 0 {
		add("cors", cors)
	}
	if compression != nil && !compression.GetDisabled() {
		add("compression", compression)
	}
	return filters
}

// preflight is what answers CORS preflight requests for a path with these
// methods, nil if no filter does.
func preflight(filters []filter.Filter, methods []string) http.Handler {
	for _, f := range filters {
		if p, ok := f.(filter.Preflighter); ok {
			return p.Preflight(methods)
		}
	}
	return nil
}

// methodsAt lists the HTTP methods that a route takes at the path of that shape,
// sorted; "*" among them is any.
func methodsAt(entries []*route.Entry, path string, o *config.Options) []string {
	var methods []string
	for _, e := range entries {
		if e.Origin == transcoder.OriginNative || e.Method == transcoder.MethodWebSocket || shape(e.Template) != path {
			continue
		}
		methods = append(methods, e.Method)
		if e.Method == http.MethodGet && o.HTTP.GetHead() {
			methods = append(methods, http.MethodHead)
		}
	}
	slices.Sort(methods)
	return slices.Compact(methods)
}

// shape is a template without the names of its variables: paths of one shape are
// the same paths.
func shape(t *httprule.Template) string {
	var b strings.Builder
	for _, s := range t.Segments {
		switch s.Kind {
		case httprule.Single:
			b.WriteString("/*")
		case httprule.Multi:
			b.WriteString("/**")
		default:
			// A literal may hold any character, a star or a slash too.
			b.WriteString("/" + strconv.Quote(s.Literal))
		}
	}
	return b.String() + ":" + strconv.Quote(t.Verb)
}
