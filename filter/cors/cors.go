// Package cors is the filter that lets pages of other origins call a route, by
// the CORS protocol of fetch.spec.whatwg.org. It is complete; which origins,
// methods and headers fit is rs/cors's to say.
package cors

import (
	"net/http"
	"slices"
	"time"

	"github.com/rs/cors"

	"github.com/dragoman-gateway/dragoman/filter"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/route"
)

// New makes the filter. Without origins it does nothing.
func New(cfg *configpb.CORS, _ filter.Env) (filter.Filter, error) {
	f := &cross{any: len(cfg.GetMethods()) == 0 || slices.Contains(cfg.GetMethods(), "*")}
	if len(cfg.GetOrigins()) == 0 {
		return f, nil
	}
	f.options = &cors.Options{
		AllowedOrigins:      cfg.GetOrigins(),
		AllowedMethods:      cfg.GetMethods(),
		AllowedHeaders:      cfg.GetHeaders(),
		ExposedHeaders:      cfg.GetExposedHeaders(),
		AllowCredentials:    cfg.GetCredentials(),
		AllowPrivateNetwork: cfg.GetPrivateNetwork(),
		MaxAge:              seconds(cfg),
	}
	if len(cfg.GetHeaders()) == 0 {
		// The answer repeats what the browser asks for, which holds with
		// credentials too: * would not.
		f.options.AllowedHeaders = []string{"*"}
	}
	if f.any {
		f.options.AllowedMethods = methods
	}
	f.actual = cors.New(*f.options)
	return f, nil
}

// methods are those that need no mention.
var methods = []string{
	http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
	http.MethodOptions, http.MethodTrace, "QUERY",
}

// seconds is the age in the library's words, for which zero is none and less than
// zero is zero. A part of a second counts as nothing.
func seconds(cfg *configpb.CORS) int {
	if cfg.MaxAge == nil {
		return 0
	}
	if s := int(cfg.MaxAge.AsDuration() / time.Second); s > 0 {
		return s
	}
	return -1
}

// cross is the filter of one route.
type cross struct {
	// options are nil if nothing is allowed.
	options *cors.Options
	// any says that the methods of the path may be used, whatever they are.
	any bool
	// actual knows what may be told about answers.
	actual *cors.Cors
}

var (
	_ filter.Filter      = (*cross)(nil)
	_ filter.Preflighter = (*cross)(nil)
)

// Name implements [filter.Filter].
func (f *cross) Name() string { return "cors" }

// Wrap implements [filter.Filter]. The headers are set before next is called, so
// that errors have them too.
func (f *cross) Wrap(next route.Handler) route.Handler {
	if f.options == nil {
		return next
	}
	return &handler{f, next}
}

// Preflight implements [filter.Preflighter]. It answers 204, and with nothing
// more if the request may not be made: the browser then does not make it.
func (f *cross) Preflight(pathMethods []string) http.Handler {
	if f.options == nil {
		return nil
	}
	options := *f.options
	if f.any {
		options.AllowedMethods = pathMethods
		if slices.Contains(pathMethods, "*") {
			options.AllowedMethods = slices.Concat(methods, pathMethods)
		}
	}
	return http.HandlerFunc(cors.New(options).HandlerFunc)
}

// handler tells browsers which pages may read its answers.
type handler struct {
	*cross
	next route.Handler
}

// Serve implements [route.Handler].
func (h *handler) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	h.actual.HandlerFunc(w, h.asActual(r))
	h.next.Serve(w, r, x)
}

// asActual is r as the library has to see it. It answers what looks like a
// preflight, but here the route has a rule for OPTIONS; and it says nothing about
// methods that it was not given, such as LOCK of a custom rule.
func (h *handler) asActual(r *http.Request) *http.Request {
	preflight := r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
	unknown := h.any && !slices.Contains(methods, r.Method)
	if !preflight && !unknown {
		return r
	}
	r = r.Clone(r.Context())
	r.Header.Del("Access-Control-Request-Method")
	if unknown {
		r.Method = http.MethodGet
	}
	return r
}
