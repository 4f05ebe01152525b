package outbound

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/forwarded"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// tellOfClient leaves in h, and adds to it, what the upstream wants to know of the
// client: who took the call has said so in X-Forwarded-For, -Host and -Proto.
func (m *method) tellOfClient(h http.Header) {
	delete(h, "Forwarded")
	if m.origin.Forwarded&upstream.StandardForwarded != 0 {
		forwarded.AddStandard(h)
	}
	if m.origin.Forwarded&upstream.XForwarded == 0 {
		for _, name := range xForwarded {
			delete(h, name)
		}
	}
}

// xForwarded are the headers of [upstream.XForwarded].
var xForwarded = [...]string{"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}

// target is the URL of an escaped path that is well formed.
func target(path, query string) *url.URL {
	decoded, err := url.PathUnescape(path)
	if err != nil {
		decoded = path
	}
	return &url.URL{Path: decoded, RawPath: path, RawQuery: query}
}

// sending is the body of one request. The transport may read it longer than the call
// lasts, whose memory it is: so every call has its own, which it stops before that
// memory is used again.
type sending struct {
	first sentBody
	size  int

	mu sync.Mutex
	// body is nil when the call is over.
	body []byte
}

// sentBody is one reading of a body: the transport may begin anew.
type sentBody struct {
	of *sending
	at int
}

func newSending(body []byte) *sending {
	s := &sending{size: len(body), body: body}
	s.first.of = s
	return s
}

// again is another reading.
func (s *sending) again() (io.ReadCloser, error) { return &sentBody{of: s}, nil }

// stop ends all reading: from then on nobody touches the memory.
func (s *sending) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body = nil
}

// Read implements [io.Reader].
func (b *sentBody) Read(p []byte) (int, error) {
	b.of.mu.Lock()
	defer b.of.mu.Unlock()
	switch {
	case b.at == b.of.size:
		// There is nothing wrong with a request that was sent.
		return 0, io.EOF
	case b.of.body == nil:
		return 0, http.ErrBodyReadAfterClose
	}
	n := copy(p, b.of.body[b.at:])
	b.at += n
	return n, nil
}

// Close implements [io.Closer].
func (b *sentBody) Close() error { return nil }

// about is what an upstream may want to know of the request besides what is sent.
func (m *method) about(call *rpc.Call, r *http.Request, path string, binding int) *upstream.About {
	a := &upstream.About{
		Method: r.Method, Scheme: "http", Host: call.Authority, Path: path, RawQuery: r.URL.RawQuery,
		Route: m.Route, RequestID: upstream.NewRequestID(), Time: time.Now(),
	}
	for _, f := range call.Header {
		switch f.Name {
		case "x-forwarded-for":
			// What is in front of the last one may be anybody's word: that one the gateway
			// has seen itself.
			a.Client = strings.TrimSpace(f.Value[strings.LastIndexByte(f.Value, ',')+1:])
		case "x-forwarded-proto":
			a.Scheme = f.Value
		case "x-forwarded-host":
			a.Host = f.Value
		}
	}
	if binding >= 0 {
		t := m.Bindings[binding].Template
		a.Resource = t.String()
		a.Vars = captured(t, path)
	}
	return a
}

// captured are the variables of a template in a path that was made by it.
func captured(t *httprule.Template, path string) []upstream.Var {
	if len(t.Variables) == 0 {
		return nil
	}
	if t.Verb != "" {
		path = strings.TrimSuffix(path, ":"+t.Verb)
	}
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	// Behind a **, which no variable begins behind, positions count from the end.
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
