package proxy_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/dragoman-gateway/dragoman/forwarded"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/server"
	"github.com/dragoman-gateway/dragoman/upstream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// plain is an upstream of one address.
type plain struct {
	transport *http.Transport
	address   string
	origin    upstream.Origin
}

var _ upstream.HTTP = (*plain)(nil)

func newPlain(t testing.TB, address string) *plain {
	u := &plain{address: address, transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 100, ExpectContinueTimeout: time.Minute}}
	t.Cleanup(func() { _ = u.Close() })
	return u
}

// newH2C is one that speaks HTTP/2 over clear text.
func newH2C(t testing.TB, address string) *plain {
	u := newPlain(t, address)
	u.transport.Protocols = new(http.Protocols)
	u.transport.Protocols.SetUnencryptedHTTP2(true)
	return u
}

func (u *plain) Send(r *http.Request, _ *upstream.Tried) (*http.Response, error) {
	to := *r.URL
	to.Scheme, to.Host = "http", u.address
	r.URL = &to
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header["User-Agent"] = nil // or the transport gives its own
	}
	res, err := u.transport.RoundTrip(r)
	if err != nil {
		return nil, &upstream.Error{Reason: rpc.UpstreamUnreachable, Endpoint: u.address, Err: err}
	}
	return res, nil
}

func (u *plain) Origin() upstream.Origin { return u.origin }
func (u *plain) Close() error            { u.transport.CloseIdleConnections(); return nil }

// served is a handler behind real listeners, and what was noted of its exchanges.
type served struct {
	// address speaks HTTP/1.1 and h2c.
	address string
	mu      sync.Mutex
	seen    []route.Exchange
	ended   chan struct{}
}

// last waits for the end of the next exchange, and is what was noted of it.
func (s *served) last(t testing.TB) route.Exchange {
	t.Helper()
	select {
	case <-s.ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the exchange does not end")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[len(s.seen)-1]
}

// serve is o in front of its destinations.
func serve(t testing.TB, o proxy.Options) *served {
	t.Helper()
	return serveFor(t, o, 5*time.Second)
}

func serveFor(t testing.TB, o proxy.Options, grace time.Duration) *served {
	t.Helper()
	s := &served{ended: make(chan struct{}, 1000)}
	o.Refuse = func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange, err *rpc.Error) {
		w.Header().Set(rpc.ErrorHeader, string(err.Reason))
		w.WriteHeader(err.HTTPStatus())
		_, _ = io.WriteString(w, err.Message)
	}
	h := proxy.New(o)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &route.Exchange{Path: route.EscapedPath(r), Code: -1}
		defer func() {
			s.mu.Lock()
			s.seen = append(s.seen, *x)
			s.mu.Unlock()
			s.ended <- struct{}{}
		}()
		proxy.DropNamed(r.Header)
		forwarded.Drop(r.Header)
		h.Serve(w, r, x)
	})
	srv, err := server.Listen(t.Context(), []server.Listener{{Name: "a", Address: "127.0.0.1:0", Handler: handler}}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	s.address = srv.Address("a")
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { _ = srv.Serve(ctx, grace); close(done) }()
	t.Cleanup(func() { stop(); <-done })
	return s
}

// to is one destination.
func to(u upstream.HTTP) proxy.Options {
	return proxy.Options{Name: "up", Upstream: u, Timeout: 15 * time.Second, IdleTimeout: time.Minute}
}

// backend is a Go server behind a handler.
func backend(t testing.TB, h http.HandlerFunc) *plain {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return newPlain(t, strings.TrimPrefix(srv.URL, "http://"))
}

// backendH2C is one over HTTP/2.
func backendH2C(t testing.TB, h http.Handler) *plain {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	return newH2C(t, strings.TrimPrefix(srv.URL, "http://"))
}

// client is one of a version of HTTP.
func client(t testing.TB, version string) *http.Client {
	tr := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols), ExpectContinueTimeout: time.Minute}
	tr.Protocols.SetHTTP1(version == "HTTP/1.1")
	tr.Protocols.SetUnencryptedHTTP2(version == "HTTP/2.0")
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

var versions = []string{"HTTP/1.1", "HTTP/2.0"}

func do(t testing.TB, c *http.Client, r *http.Request) (*http.Response, string) {
	t.Helper()
	res, err := c.Do(r)
	require.NoError(t, err)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return res, string(body)
}

func request(t testing.TB, method, url string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	return r
}

// raw is a listener that a test speaks itself at.
func raw(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	return ln
}

func dial(t testing.TB, address string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(20*time.Second)))
	return conn, bufio.NewReader(conn)
}
