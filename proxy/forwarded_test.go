package proxy_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/forwarded"
	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// failing is an upstream that answers nothing.
type failing struct {
	err    error
	header http.Header
	origin upstream.Origin
}

func (f *failing) Send(r *http.Request, _ *upstream.Tried) (*http.Response, error) {
	f.header = r.Header
	return nil, f.err
}
func (f *failing) Origin() upstream.Origin { return f.origin }
func (f *failing) Close() error            { return nil }

// sent is what becomes of a request with a header, and the answer.
func sent(f *failing, header http.Header, c *forwarded.Client) (http.Header, *httptest.ResponseRecorder) {
	o := to(f)
	o.Refuse = func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange, err *rpc.Error) {
		w.Header().Set(rpc.ErrorHeader, string(err.Reason))
		http.Error(w, err.Message, err.HTTPStatus())
	}
	r := httptest.NewRequest("GET", "/", nil)
	r.Header = header
	w := httptest.NewRecorder()
	f.header = nil
	proxy.New(o).Serve(w, r, &route.Exchange{Path: "/", Client: c})
	return f.header, w
}

// What a trusted proxy tells goes on, with the proxy behind it.
func TestForwarded(t *testing.T) {
	f := &failing{err: &upstream.Error{Reason: rpc.UpstreamUnreachable}, origin: upstream.Origin{Forwarded: upstream.XForwarded | upstream.StandardForwarded}}
	in := http.Header{"X-Forwarded-For": {"6.6.6.6, 203.0.113.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Prefix": {"/p"}}
	untrusted := in.Clone()
	forwarded.Drop(untrusted)
	header, _ := sent(f, untrusted, nil)
	require.Equal(t, http.Header{
		"X-Forwarded-For": {"192.0.2.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"example.com"},
		"Forwarded": {`for=192.0.2.1;host="example.com";proto=http`},
	}, header)
	trusted := forwarded.Networks{netip.MustParsePrefix("192.0.2.0/24")}
	c, told := trusted.ClientOf(forwarded.Peer{Address: "192.0.2.1:1234", Scheme: "http", Host: "example.com"}, in)
	require.True(t, told)
	header, _ = sent(f, in, &c)
	require.Equal(t, http.Header{
		"X-Forwarded-For": {"6.6.6.6, 203.0.113.1, 192.0.2.1"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"example.com"},
		"Forwarded": {`for=203.0.113.1;host="example.com";proto=https, for=192.0.2.1`}, "X-Forwarded-Prefix": {"/p"},
	}, header)
	f.origin.Forwarded = upstream.None
	header, _ = sent(f, untrusted, nil)
	require.Equal(t, http.Header{}, header)
}

// What clients are told of an upstream that does not answer names no address.
func TestFailures(t *testing.T) {
	for reason, want := range map[rpc.Reason]string{
		rpc.UpstreamUnreachable: "503 UPSTREAM_UNREACHABLE",
		rpc.UpstreamProtocol:    "502 UPSTREAM_PROTOCOL",
		rpc.UpstreamOverloaded:  "503 UPSTREAM_OVERLOADED",
		rpc.DeadlineExceeded:    "504 DEADLINE_EXCEEDED",
		rpc.RequestTooLarge:     "413 REQUEST_TOO_LARGE",
		rpc.UpstreamTooLarge:    "502 UPSTREAM_MESSAGE_TOO_LARGE",
		rpc.UpstreamDenied:      "502 UPSTREAM_DENIED",
		rpc.FunctionFailed:      "502 FUNCTION_FAILED",
		rpc.FunctionThrottled:   "429 FUNCTION_THROTTLED",
		// Nothing of the request was wrong that the gateway could see.
		rpc.InvalidRequest: "503 UPSTREAM_UNREACHABLE",
	} {
		_, w := sent(&failing{err: &upstream.Error{Reason: reason, Endpoint: "10.0.0.1:80", RetryAfter: 1500 * time.Millisecond}}, http.Header{}, nil)
		require.Equal(t, want, fmt.Sprint(w.Code)+" "+w.Header().Get(rpc.ErrorHeader))
		require.Equal(t, "2", w.Header().Get("Retry-After"))
		require.NotContains(t, w.Body.String(), "10.0.0.1")
		require.NotEqual(t, "the upstream did not answer\n", w.Body.String(), "it can be said better")
	}
}
