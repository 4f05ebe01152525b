package transform_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/itchyny/gojq"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transform"
)

// sink is where answers of benchmarks go.
type sink struct {
	header http.Header
	n      int
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(int)     {}

// SetReadDeadline is what a connection has.
func (s *sink) SetReadDeadline(time.Time) error { return nil }
func (s *sink) Write(p []byte) (int, error)     { s.n += len(p); return len(p), nil }

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
			processor(b, served(b, unary, in))
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

// processor measures an operation, and reports the processor time of it, the
// collector's included, which other work on the machine changes less than the clock.
func processor(b *testing.B, operation func()) {
	used := func() time.Duration {
		var r syscall.Rusage
		require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &r))
		return time.Duration(r.Utime.Nano() + r.Stime.Nano())
	}
	// A gateway has a heap; that of a loop is so small that it is collected all the
	// time.
	ballast := make([]byte, 16<<20)
	b.ReportAllocs()
	before := used()
	for b.Loop() {
		operation()
	}
	runtime.KeepAlive(ballast)
	b.ReportMetric(float64(used()-before)/float64(b.N), "cpu-ns/op")
}

// order is 2 KB of JSON as orders are.
var order = []byte(`{"id":"order-7","shipTo":{"street":"Long Lane 12","city":"Oxford","country":"GB","lines":["c/o Smith","second floor"]},"items":[` +
	strings.TrimSuffix(strings.Repeat(`{"id":"item-00042","title":"The Name of the Rose","stock":"1200","price":12.5,"kind":"BOOK","tags":["novel","mystery"],`+
		`"description":"A monk follows the traces of a lost book through a library","maker":{"id":"7919","name":"Adso of Melk","country":"Italy"}},`, 6), ",") +
	`],"labels":{"channel":"web","campaign":"spring","gift":"no"},"counts":{"visits":"17","returns":"2"},` +
	`"created":"2026-05-04T03:02:01Z","signature":"c2lnbmF0dXJlIG9mIHRoZSBvcmRlcg==","card":"4000-xxxx"}`)

// picks takes five members of an order, two of them under another name.
const picks = `{id, created, card, address: .shipTo, visits: .counts}`

// BenchmarkBody picks members of 2 KB of JSON, in both directions, beside the plain
// way: all of it decoded, gojq, all of the result encoded.
func BenchmarkBody(b *testing.B) {
	echoed := func(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
		w.Header()["Content-Type"] = jsonTypes
		_, _ = w.Write(order)
	}
	for name, in := range map[string][]spec{
		"without": nil, "request": {{request: `.body |= ` + picks}}, "answer": {{response: `.body |= ` + picks}},
	} {
		b.Run(name, func(b *testing.B) {
			processor(b, servedBody(b, echoed, in...))
		})
	}
	b.Run("plain", func(b *testing.B) {
		query, err := gojq.Parse(`.body |= ` + picks)
		require.NoError(b, err)
		code, err := gojq.Compile(query)
		require.NoError(b, err)
		processor(b, func() {
			data, _ := io.ReadAll(bytes.NewReader(order))
			var v any
			if err := json.Unmarshal(data, &v); err != nil {
				panic(err)
			}
			out, _ := code.RunWithContext(b.Context(), map[string]any{"body": v}).Next()
			if _, err := json.Marshal(out.(map[string]any)["body"]); err != nil {
				panic(err)
			}
		})
	})
}

// servedBody is served with an order for a body.
func servedBody(t testing.TB, next handler, in ...spec) func() {
	c, err := transform.New(specs(t, in), options())
	require.NoError(t, err)
	e := entry(t)
	h := c.Wrap(e, next)
	u, err := url.Parse("http://api.example.com/v1/orders")
	require.NoError(t, err)
	header := http.Header{"Content-Type": jsonTypes, "Content-Length": {strconv.Itoa(len(order))}, "User-Agent": {"curl/8"}}
	w, x, content := &sink{header: make(http.Header)}, &route.Exchange{}, new(reader)
	r := &http.Request{
		Method: http.MethodPost, URL: u, Host: "api.example.com", RequestURI: "/v1/orders", ProtoMajor: 1, ProtoMinor: 1,
		Header: header, Body: content, ContentLength: int64(len(order)),
	}
	return func() {
		clear(w.header)
		content.Reset(order)
		*x = route.Exchange{Entry: e, Path: "/v1/orders", Captures: x.Captures[:0], Code: -1, Log: x.Log[:0]}
		h.Serve(w, r, x)
	}
}

type reader struct{ bytes.Reader }

func (*reader) Close() error { return nil }
