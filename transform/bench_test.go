package transform_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transform"
)

// sink is where answers of benchmarks go.
type sink struct {
	header http.Header
	n      int
}

func (s *sink) Header() http.Header         { return s.header }
func (s *sink) WriteHeader(int)             {}
func (s *sink) Write(p []byte) (int, error) { s.n += len(p); return len(p), nil }

var okBody = []byte(`{"name":"shelves/1/books/2","title":"x"}`)

// unary answers as REST does, without an allocation of its own.
func unary(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
	w.Header()["Content-Type"] = jsonTypes
	w.WriteHeader(http.StatusOK)
	_, _ = w.Write(okBody)
}

var jsonTypes = []string{"application/json"}

// served is a request to a chain, ready to be served again and again.
func served(t testing.TB, next handler, in ...spec) func() {
	c, err := transform.New(specs(t, in), options())
	require.NoError(t, err)
	e := entry(t)
	h := c.Wrap(e, next)
	u, err := url.Parse("http://api.example.com/v1/books/1?view=FULL")
	require.NoError(t, err)
	r := &http.Request{
		Method: http.MethodGet, URL: u, Host: "api.example.com", RequestURI: "/v1/books/1?view=FULL", ProtoMajor: 1, ProtoMinor: 1,
		RemoteAddr: "192.0.2.1:4711",
		Header: http.Header{
			"User-Agent": {"curl/8"}, "Accept": {"*/*"}, "Accept-Encoding": {"gzip"}, "X-Tenant": {"acme"}, "Authorization": {"Bearer x"},
		},
	}
	w, x := &sink{header: make(http.Header)}, &route.Exchange{}
	return func() {
		clear(w.header)
		*x = route.Exchange{Entry: e, Path: "/v1/books/1", Captures: x.Captures[:0], Code: -1, Log: x.Log[:0]}
		h.Serve(w, r, x)
	}
}

const (
	addsHeader    = `.headers["x-upstream-tenant"] = .headers["x-tenant"]`
	answersHeader = `.headers["x-served-by"] = "dragoman"`
)

// BenchmarkHeaderOnly is a chain whose programs look at headers alone. Its bar is
// 3 µs and 15 allocations.
func BenchmarkHeaderOnly(b *testing.B) {
	for name, in := range map[string]spec{"request": {request: addsHeader}, "response": {response: answersHeader}, "both": {request: addsHeader, response: answersHeader}} {
		b.Run(name, func(b *testing.B) {
			serve := served(b, unary, in)
			b.ReportAllocs()
			for b.Loop() {
				serve()
			}
		})
	}
}

func TestHeaderOnlyAllocations(t *testing.T) {
	for name, in := range map[string]spec{"request": {request: addsHeader}, "response": {response: answersHeader}} {
		serve := served(t, unary, in)
		n := testing.AllocsPerRun(200, serve)
		t.Log(name, n)
		require.LessOrEqual(t, n, 15.0, name)
	}
	serve := served(t, unary)
	require.Zero(t, testing.AllocsPerRun(200, serve), "no programs, no chain")
}

// BenchmarkBody picks fields of 2 KB of JSON.
func BenchmarkBody(b *testing.B) {
	body := []byte(`{"name":"n","title":"t","author":{"name":"a","born":1900},"pages":12,"isbn":"123","rest":"` + strings.Repeat("x", 1800) + `"}`)
	serve := served(b, func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) {
		w.Header()["Content-Type"] = jsonTypes
		_, _ = w.Write(body)
	}, spec{response: `.body |= {id: .name, title, writer: .author.name, pages, isbn}`})
	b.ReportAllocs()
	for b.Loop() {
		serve()
	}
}
