package http_test

import (
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	upstreamhttp "github.com/dragoman-gateway/dragoman/upstream/http"
)

// newUpstream is the upstream of cfg, which is closed when the test ends: so no test
// leaves an answer behind.
func newUpstream(t testing.TB, cfg *configpb.HTTPUpstream) upstream.HTTP {
	t.Helper()
	return newUpstreamIn(t, cfg, "")
}

// newUpstreamIn is one with its certificates in dir.
func newUpstreamIn(t testing.TB, cfg *configpb.HTTPUpstream, dir string) upstream.HTTP {
	t.Helper()
	up, err := upstreamhttp.New(cfg, upstream.Env{Name: "legacy", Dir: dir})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, up.Close()) })
	return up.(upstream.HTTP)
}

// request is what the proxy makes of a request: a path as it is to be sent, no host.
func request(t testing.TB, method, target string, body io.Reader) *http.Request {
	t.Helper()
	u, err := url.ParseRequestURI(target)
	require.NoError(t, err)
	r, err := http.NewRequestWithContext(t.Context(), method, "", body)
	require.NoError(t, err)
	r.URL = u
	r.GetBody = nil
	return r
}

// answer is an answer that was read to its end.
type answer struct {
	*http.Response
	body string
}

// send sends r, which must be answered.
func send(t testing.TB, up upstream.HTTP, r *http.Request) answer {
	t.Helper()
	resp, err := up.Send(r, nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return answer{resp, string(body)}
}

// refusal is the error of a request that must not be answered.
func refusal(t testing.TB, up upstream.HTTP, r *http.Request) *upstream.Error {
	t.Helper()
	resp, err := up.Send(r, nil)
	if err == nil {
		resp.Body.Close()
		require.Fail(t, "there is an answer", "status %d", resp.StatusCode)
	}
	var refused *upstream.Error
	require.True(t, errors.As(err, &refused), "%T: %v", err, err)
	return refused
}

// serve is the address of a server on loopback.
func serve(t testing.TB, handler http.HandlerFunc) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server
}

// serveBoth is the address of a server that speaks HTTP/1.1 and, over clear text,
// HTTP/2.
func serveBoth(t testing.TB, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewUnstartedServer(handler)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

// closedAddress is one where nobody listens.
func closedAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return l.Addr().String()
}

func TestRequestAndAnswer(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		require.NoError(t, err)
		w.Header().Set("X-Seen", r.Method+" "+r.RequestURI+" "+r.Host+" "+r.Proto)
		w.Header().Set("Trailer", "X-Sum")
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write(body)
		w.Header().Set("X-Sum", "42")
	})
	up := newUpstream(t, &configpb.HTTPUpstream{Url: server.URL})
	r := request(t, http.MethodPost, "/books/1?page=2", strings.NewReader("text"))
	r.Host = "books.example.com"
	got := send(t, up, r)
	require.Equal(t, http.StatusTeapot, got.StatusCode)
	require.Equal(t, "text", got.body)
	require.Equal(t, "POST /books/1?page=2 books.example.com HTTP/1.1", got.Header.Get("X-Seen"))
	require.Equal(t, "42", got.Trailer.Get("X-Sum"))
}

func TestHeadersAreSentAsTheyAre(t *testing.T) {
	var seen http.Header
	server := serve(t, func(_ http.ResponseWriter, r *http.Request) { seen = r.Header })
	up := newUpstream(t, &configpb.HTTPUpstream{Url: server.URL})
	r := request(t, http.MethodGet, "/", nil)
	r.Header["X-Two"] = []string{"a", "b"}
	send(t, up, r)
	require.Equal(t, http.Header{"X-Two": {"a", "b"}}, seen, "the transport adds nothing of its own")

	r = request(t, http.MethodGet, "/", nil)
	r.Header.Set("User-Agent", "curl/8")
	send(t, up, r)
	require.Equal(t, http.Header{"User-Agent": {"curl/8"}}, seen)
}

func TestRedirectsAreNotFollowed(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", http.StatusFound) })
	got := send(t, newUpstream(t, &configpb.HTTPUpstream{Url: server.URL}), request(t, http.MethodGet, "/", nil))
	require.Equal(t, http.StatusFound, got.StatusCode)
	require.Equal(t, "/elsewhere", got.Header.Get("Location"))
}

func TestNoProxyFromTheEnvironment(t *testing.T) {
	proxy := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the proxy has a request") })
	t.Setenv("HTTP_PROXY", proxy.URL)
	// The proxy of the environment is never used for addresses of loopback.
	path := filepath.Join(t.TempDir(), "none")
	up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://legacy.internal", Endpoints: []string{"unix:" + path}})
	require.Equal(t, rpc.UpstreamUnreachable, refusal(t, up, request(t, http.MethodGet, "/", nil)).Reason)
}

func TestUnixSockets(t *testing.T) {
	dir, err := os.MkdirTemp("", "dragoman") // a socket's path must be short
	require.NoError(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	cfg := &configpb.HTTPUpstream{Url: "http://legacy.internal:8000"}
	for _, name := range []string{"a", "b"} {
		path := filepath.Join(dir, name)
		l, err := net.Listen("unix", path)
		require.NoError(t, err)
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, name+" "+r.Host)
		}))
		server.Listener = l
		server.Start()
		t.Cleanup(server.Close)
		cfg.Endpoints = append(cfg.Endpoints, "unix:"+path)
	}
	up := newUpstream(t, cfg)
	seen := make(map[string]int)
	for range 4 {
		seen[send(t, up, request(t, http.MethodGet, "/", nil)).body]++
	}
	require.Equal(t, map[string]int{"a legacy.internal:8000": 2, "b legacy.internal:8000": 2}, seen)
}

func TestOrigin(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  *configpb.HTTPUpstream
		want upstream.Origin
	}{
		{"a name", &configpb.HTTPUpstream{Url: "http://legacy"}, upstream.Origin{Scheme: "http", Host: "legacy", Forwarded: upstream.XForwarded}},
		{"a port", &configpb.HTTPUpstream{Url: "http://legacy:8000"}, upstream.Origin{Scheme: "http", Host: "legacy:8000", Forwarded: upstream.XForwarded}},
		{"the scheme's port", &configpb.HTTPUpstream{Url: "https://legacy:443"}, upstream.Origin{Scheme: "https", Host: "legacy", Forwarded: upstream.XForwarded}},
		{"another scheme's port", &configpb.HTTPUpstream{Url: "https://legacy:80"}, upstream.Origin{Scheme: "https", Host: "legacy:80", Forwarded: upstream.XForwarded}},
		{"an address", &configpb.HTTPUpstream{Url: "http://192.0.2.1:80"}, upstream.Origin{Scheme: "http", Forwarded: upstream.XForwarded}},
		{"an IPv6 address", &configpb.HTTPUpstream{Url: "http://[2001:db8::1]:8000"}, upstream.Origin{Scheme: "http", Forwarded: upstream.XForwarded}},
		{"host", &configpb.HTTPUpstream{Url: "http://192.0.2.1", Host: "books"}, upstream.Origin{Scheme: "http", Host: "books", Forwarded: upstream.XForwarded}},
		{"keep_host", &configpb.HTTPUpstream{Url: "http://legacy", KeepHost: true}, upstream.Origin{Scheme: "http", Forwarded: upstream.XForwarded}},
		{"a path", &configpb.HTTPUpstream{Url: "http://legacy/v1/a%2Fb"}, upstream.Origin{Scheme: "http", Host: "legacy", BasePath: "/v1/a%2Fb", Forwarded: upstream.XForwarded}},
		{"a slash at the end", &configpb.HTTPUpstream{Url: "http://legacy/v1/"}, upstream.Origin{Scheme: "http", Host: "legacy", BasePath: "/v1", Forwarded: upstream.XForwarded}},
		{"only a slash", &configpb.HTTPUpstream{Url: "http://legacy/"}, upstream.Origin{Scheme: "http", Host: "legacy", Forwarded: upstream.XForwarded}},
		{"forwarded", &configpb.HTTPUpstream{Url: "http://legacy", Forwarded: "forwarded"}, upstream.Origin{Scheme: "http", Host: "legacy", Forwarded: upstream.StandardForwarded}},
		{"both", &configpb.HTTPUpstream{Url: "http://legacy", Forwarded: "both"}, upstream.Origin{Scheme: "http", Host: "legacy", Forwarded: upstream.XForwarded | upstream.StandardForwarded}},
		{"none", &configpb.HTTPUpstream{Url: "http://legacy", Forwarded: "none"}, upstream.Origin{Scheme: "http", Host: "legacy"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, newUpstream(t, test.cfg).Origin())
		})
	}
}

func TestHostWithoutAnyIsThatOfTheURL(t *testing.T) {
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.Host) })
	endpoint := []string{server.Listener.Addr().String()}
	for _, test := range []struct {
		cfg  *configpb.HTTPUpstream
		want string
	}{
		{&configpb.HTTPUpstream{Url: "http://legacy:8000", Endpoints: endpoint}, "legacy:8000"},
		{&configpb.HTTPUpstream{Url: "http://legacy:8000", Endpoints: endpoint, Host: "books"}, "books"},
		{&configpb.HTTPUpstream{Url: "http://192.0.2.1:8000", Endpoints: endpoint}, "192.0.2.1:8000"},
		{&configpb.HTTPUpstream{Url: "http://legacy", Endpoints: endpoint, KeepHost: true}, "legacy"},
	} {
		require.Equal(t, test.want, send(t, newUpstream(t, test.cfg), request(t, http.MethodGet, "/", nil)).body)
	}
}

func TestNew(t *testing.T) {
	for _, test := range []struct {
		name string
		cfg  *configpb.HTTPUpstream
		want string
	}{
		{"an endpoint that is none", &configpb.HTTPUpstream{Url: "http://legacy", Endpoints: []string{"10.0.0.1:99999"}}, "port"},
		{"no CA", &configpb.HTTPUpstream{Url: "https://legacy", Tls: &configpb.ClientTLS{Ca: "none.pem"}}, "tls.ca"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := upstreamhttp.New(test.cfg, upstream.Env{Name: "legacy", Dir: t.TempDir()})
			require.ErrorContains(t, err, `upstream "legacy"`)
			require.ErrorContains(t, err, test.want)
		})
	}
}

func TestRefused(t *testing.T) {
	server := serve(t, func(http.ResponseWriter, *http.Request) {})
	address := server.Listener.Addr().String()
	server.Close()
	got := refusal(t, newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + address}), request(t, http.MethodGet, "/", nil))
	require.Equal(t, rpc.UpstreamUnreachable, got.Reason)
	require.True(t, got.NotSent)
	require.Equal(t, address, got.Endpoint)
}
