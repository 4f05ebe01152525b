package outbound

import (
	"crypto/rand"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// target is the URL of an escaped path that is well formed.
func target(path, query string) *url.URL {
	decoded, err := url.PathUnescape(path)
	if err != nil {
		decoded = path
	}
	return &url.URL{Path: decoded, RawPath: path, RawQuery: query}
}

// sentBody is the body of a request. The transport may hold it longer than the call
// lasts, whose memory it is.
type sentBody struct {
	mu   sync.Mutex
	rest []byte
	// open says that somebody may read it, and held that somebody has it at all.
	open, held bool
}

func (b *sentBody) start(body []byte) { b.rest, b.open, b.held = body, true, true }

// stop ends the reading. It reports whether nobody has the body any more.
func (b *sentBody) stop() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rest, b.open = nil, false
	return !b.held
}

// Read implements [io.Reader].
func (b *sentBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.open {
		return 0, http.ErrBodyReadAfterClose
	}
	if len(b.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b.rest)
	b.rest = b.rest[n:]
	return n, nil
}

// Close implements [io.Closer]: the transport does not read on.
func (b *sentBody) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open, b.held = false, false
	return nil
}

// about is what an upstream may want to know of the request besides what is sent.
func (m *method) about(call *rpc.Call, r *http.Request, binding int) *upstream.About {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	a := &upstream.About{
		Method: r.Method, Scheme: "http", Host: call.Authority, Path: r.URL.RawPath, RawQuery: r.URL.RawQuery,
		RequestID: hex.EncodeToString(id[:]), Time: time.Now(),
	}
	for _, f := range call.Header {
		switch f.Name {
		case "x-forwarded-for":
			first, _, _ := strings.Cut(f.Value, ",")
			a.Client = strings.TrimSpace(first)
		case "x-forwarded-proto":
			a.Scheme = f.Value
		case "x-forwarded-host":
			a.Host = f.Value
		}
	}
	if binding >= 0 {
		t := m.Bindings[binding].Template
		a.Resource = t.String()
		a.Vars = captured(t, strings.TrimPrefix(a.Path, m.origin.BasePath))
	}
	return a
}

// captured are the variables of a template in a path that was made by it.
func captured(t *httprule.Template, path string) []upstream.Var {
	if len(t.Variables) == 0 {
		return nil
	}
	path = strings.TrimSuffix(path, ":"+t.Verb)
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	// Behind a ** positions count from the end.
	shift := len(segments) - len(t.Segments)
	multi := len(t.Segments)
	for i, s := range t.Segments {
		if s.Kind == httprule.Multi {
			multi = i
		}
	}
	var out []upstream.Var
	for _, v := range t.Variables {
		start, end := v.Start, v.End
		if start > multi {
			start += shift
		}
		if end > multi {
			end += shift
		}
		if start < 0 || end > len(segments) || start > end {
			continue
		}
		text := strings.Join(segments[start:end], "/")
		if decoded, err := httprule.AppendUnescaped(nil, text, httprule.Standard.Slashes(v.Multi)); err == nil {
			text = string(decoded)
		}
		out = append(out, upstream.Var{Name: v.Name(), Text: text})
	}
	return out
}
