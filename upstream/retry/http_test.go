package retry_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/retry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// endpoints is a plain upstream of the standard library's transport, for servers at
// some addresses, in turn.
type endpoints struct {
	http.Transport
	addresses []string
	next      atomic.Int64
}

func open(t testing.TB, addresses ...string) *endpoints {
	t.Helper()
	up := &endpoints{addresses: addresses}
	up.DisableCompression = true
	t.Cleanup(func() { _ = up.Close() })
	return up
}

func (u *endpoints) Close() error            { u.CloseIdleConnections(); return nil }
func (u *endpoints) Origin() upstream.Origin { return upstream.Origin{Scheme: "http"} }

func (u *endpoints) Send(r *http.Request, tried *upstream.Tried) (*http.Response, error) {
	address := ""
	for range u.addresses {
		address = u.addresses[int(u.next.Add(1)-1)%len(u.addresses)]
		if !slices.Contains(*tried, address) {
			break
		}
	}
	*tried = append(*tried, address)
	once := r.Clone(r.Context())
	once.URL.Scheme, once.URL.Host = "http", address
	res, err := u.RoundTrip(once)
	if err == nil {
		return res, nil
	}
	failure := &upstream.Error{Reason: rpc.UpstreamUnreachable, Endpoint: address, Err: err}
	dial := (*net.OpError)(nil)
	switch cause := context.Cause(r.Context()); {
	case errors.As(err, &dial) && dial.Op == "dial":
		failure.NotSent = true
	case errors.Is(cause, context.DeadlineExceeded):
		failure.Reason = rpc.DeadlineExceeded
	case cause != nil:
		failure.Reason = rpc.ClientClosed
	}
	return nil, failure
}

// server runs handler, and counts what it is asked.
type server struct {
	*httptest.Server
	asked atomic.Int64
}

func serve(t testing.TB, handler http.HandlerFunc) *server {
	t.Helper()
	s := &server{}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked.Add(1)
		handler(w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) address() string { return s.Listener.Addr().String() }

// nobody is an address where nobody listens.
func nobody(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func request(t testing.TB, method string, body io.Reader) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, "/books", body)
	require.NoError(t, err)
	// As a server's request: nothing but the body has its bytes.
	r.GetBody = nil
	return r
}

func text(t testing.TB, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	return string(body)
}

func TestRefused(t *testing.T) {
	good := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
	up := retry.New(retry.Defaults()).HTTP(open(t, nobody(t), good.address()))
	for _, method := range []string{"PUT", "POST"} {
		res, err := up.Send(request(t, method, strings.NewReader("hello")), nil)
		require.NoError(t, err, method)
		require.Equal(t, "hello", text(t, res), method)
	}
	require.EqualValues(t, 2, good.asked.Load())
}

func TestEverythingRefused(t *testing.T) {
	up := retry.New(retry.Defaults()).HTTP(open(t, nobody(t)))
	tried := &upstream.Tried{}
	_, err := up.Send(request(t, "POST", strings.NewReader("hello")), tried)
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
	require.Len(t, *tried, 3)
	failure := (*upstream.Error)(nil)
	require.ErrorAs(t, err, &failure)
	require.True(t, failure.NotSent)
}
