// Package compress is the filter that compresses answers with gzip or zstd for
// clients that accept it (RFC 9110, 12.5.3 and 8.4).
//
// It stands between the handler and the connection: the handler writes, flushes
// and sets deadlines as ever, and sees conditional requests as if nothing were
// compressed. It is complete for the answers of the gateway; it knows nothing of
// ranges, which they do not have.
package compress

import (
	"fmt"
	"net/http"

	"github.com/dragoman-gateway/dragoman/filter"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/route"
)

// minBytes is the documented default.
const minBytes = 1 << 10

// New makes the filter. It does nothing if it is disabled.
func New(cfg *configpb.Compression, _ filter.Env) (filter.Filter, error) {
	f := &compression{disabled: cfg.GetDisabled(), minBytes: minBytes}
	if cfg.MinBytes != nil {
		f.minBytes = int(cfg.GetMinBytes())
	}
	if len(cfg.GetEncodings()) == 0 {
		f.codings = []*coding{zstdCoding, gzipCoding}
	}
	for _, name := range cfg.GetEncodings() {
		switch name {
		case gzipCoding.name:
			f.codings = append(f.codings, gzipCoding)
		case zstdCoding.name:
			f.codings = append(f.codings, zstdCoding)
		default:
			return nil, fmt.Errorf("there is no encoding %q, only gzip and zstd", name)
		}
	}
	return f, nil
}

// compression is the filter of one route.
type compression struct {
	disabled bool
	minBytes int
	// codings are those that may be used, the preferred one first.
	codings []*coding
}

var _ filter.Filter = (*compression)(nil)

// Name implements [filter.Filter].
func (f *compression) Name() string { return "compress" }

// Wrap implements [filter.Filter].
func (f *compression) Wrap(next route.Handler) route.Handler {
	if f.disabled {
		return next
	}
	return &handler{f, next}
}

// handler compresses what its answers are made of.
type handler struct {
	*compression
	next route.Handler
}

// Serve implements [route.Handler]. If next panics, what was compressed is not
// ended: a client must not take it for all of the answer.
func (h *handler) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	// Whatever comes of it, a cache must ask again for clients that accept other
	// encodings.
	w.Header().Add("Vary", "Accept-Encoding")
	coding, forced := h.choose(r.Header["Accept-Encoding"])
	tags := r.Header["If-None-Match"]
	r = h.asPlain(r, coding)
	if coding == nil {
		h.next.Serve(w, r, x)
		return
	}
	cw := writers.Get().(*writer)
	*cw = writer{ResponseWriter: w, coding: coding, minBytes: h.minBytes, head: r.Method == http.MethodHead, tags: tags, held: cw.held}
	if forced {
		cw.minBytes = 0
	}
	defer cw.release()
	h.next.Serve(cw, r, x)
	cw.finish()
}

// asPlain is r with the entity tags that next knows. A client may know an answer
// by the tag of the form that it would get again, and may make a change depend on
// that of any form.
func (h *handler) asPlain(r *http.Request, answer *coding) *http.Request {
	cloned := false
	untag := func(c *coding, name string) {
		if !c.taggedIn(r.Header[name]) {
			return
		}
		if !cloned {
			r, cloned = r.Clone(r.Context()), true
		}
		r.Header[name] = c.untag(r.Header[name])
	}
	if answer != nil {
		untag(answer, "If-None-Match")
	}
	if len(r.Header["If-Match"]) > 0 {
		for _, c := range h.codings {
			untag(c, "If-Match")
		}
	}
	return r
}
