package proxy_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// canned is an upstream that answers from memory.
type canned struct {
	header http.Header
	body   []byte
}

func (c *canned) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
	}
	return &http.Response{
		StatusCode: 200, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Request: r, Header: c.header,
		ContentLength: int64(len(c.body)), Body: io.NopCloser(bytes.NewReader(c.body)),
	}, nil
}

func (c *canned) Send(r *http.Request, _ *upstream.Tried) (*http.Response, error) {
	return c.RoundTrip(r)
}
func (c *canned) Origin() upstream.Origin { return upstream.Origin{Forwarded: upstream.XForwarded} }
func (c *canned) Close() error            { return nil }

// discarding is a ResponseWriter of no connection.
type discarding struct{ header http.Header }

func (w *discarding) Header() http.Header         { return w.header }
func (w *discarding) Write(p []byte) (int, error) { return len(p), nil }
func (w *discarding) WriteHeader(int)             {}
func (w *discarding) Flush()                      {}

func handlerOf(t testing.TB, u upstream.HTTP) http.Handler {
	o := to(u)
	o.Refuse = func(http.ResponseWriter, *http.Request, *route.Exchange, *rpc.Error) { t.Error("refused") }
	h := proxy.New(o)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var captures [4]route.Span
		x := route.Exchange{Path: route.EscapedPath(r), Code: -1, Captures: captures[:0]}
		h.Serve(w, r, &x)
	})
}

func reverse(transport http.RoundTripper, address string) http.Handler {
	target := &url.URL{Scheme: "http", Host: address}
	return &httputil.ReverseProxy{Transport: transport, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.SetXForwarded()
	}}
}

// usual are the headers of a usual request.
func usual(r *http.Request) *http.Request {
	r.RemoteAddr = "203.0.113.9:1234"
	r.Header = http.Header{
		"Accept": {"application/json"}, "Accept-Encoding": {"gzip, br"}, "Accept-Language": {"en"}, "Authorization": {"Bearer abcdef"},
		"User-Agent": {"bench/1.0"}, "Content-Type": {"application/json"}, "X-Request-Id": {"0123456789"}, "Connection": {"keep-alive"},
	}
	return r
}

var sizes = []int{200, 2 << 10, 100 << 10}

// BenchmarkHandler is the handler alone, without sockets.
func BenchmarkHandler(b *testing.B) {
	for _, size := range sizes {
		body := bytes.Repeat([]byte("x"), size)
		c := &canned{header: http.Header{"Content-Type": {"application/json"}, "Content-Length": {fmt.Sprint(size)}, "Date": {"now"}, "Server": {"x"}, "Etag": {`"abc"`}}, body: body}
		for name, h := range map[string]http.Handler{"proxy": handlerOf(b, c), "reverse": reverse(c, "up")} {
			b.Run(fmt.Sprintf("%d/%s", size, name), func(b *testing.B) {
				r := usual(httptest.NewRequest("POST", "/v1/things/7?x=y", nil))
				r.ContentLength = int64(size)
				ctx := b.Context()
				b.ReportAllocs()
				for b.Loop() {
					w := &discarding{header: make(http.Header)}
					one := r.WithContext(ctx)
					one.Body = io.NopCloser(bytes.NewReader(body))
					h.ServeHTTP(w, one)
				}
			})
		}
	}
}

// TestAllocations holds the handler to no more allocations than httputil.ReverseProxy.
func TestAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates, too")
	}
	body := bytes.Repeat([]byte("x"), 200)
	c := &canned{header: http.Header{"Content-Type": {"application/json"}, "Content-Length": {"200"}}, body: body}
	count := func(h http.Handler) float64 {
		r := usual(httptest.NewRequest("POST", "/v1/things/7?x=y", nil))
		r.ContentLength = 200
		return testing.AllocsPerRun(200, func() {
			one := r.WithContext(t.Context())
			one.Body = io.NopCloser(bytes.NewReader(body))
			h.ServeHTTP(&discarding{header: make(http.Header)}, one)
		})
	}
	ours, theirs := count(handlerOf(t, c)), count(reverse(c, "up"))
	t.Logf("allocations: %v, httputil.ReverseProxy %v", ours, theirs)
	require.LessOrEqual(t, ours, theirs)
}

// BenchmarkForward is all of a request and its answer over sockets, client and upstream
// included: cpu-ns/op is the processor time of the process.
func BenchmarkForward(b *testing.B) {
	for _, size := range sizes {
		body := bytes.Repeat([]byte("x"), size)
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", fmt.Sprint(size))
			_, _ = w.Write(body)
		}))
		address := strings.TrimPrefix(srv.URL, "http://")
		up := newPlain(b, address)
		up.origin.Forwarded = upstream.XForwarded
		for _, one := range []struct {
			name string
			http.Handler
		}{{"proxy", handlerOf(b, up)}, {"reverse", reverse(up.transport, address)}} {
			b.Run(fmt.Sprintf("%d/%s", size, one.name), func(b *testing.B) {
				front := httptest.NewServer(one.Handler)
				defer front.Close()
				c := client(b, "HTTP/1.1")
				b.ReportAllocs()
				before := processor(b)
				n := 0
				for b.Loop() {
					r := usual(request(b, "POST", front.URL+"/v1/things/7?x=y", bytes.NewReader(body)))
					res, err := c.Do(r)
					if err != nil {
						b.Fatal(err)
					}
					_, _ = io.Copy(io.Discard, res.Body)
					_ = res.Body.Close()
					n++
				}
				b.ReportMetric(float64((processor(b)-before).Nanoseconds())/float64(n), "cpu-ns/op")
			})
		}
		srv.Close()
	}
}

func processor(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
