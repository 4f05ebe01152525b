package gateway_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"

	"github.com/dragoman-gateway/dragoman/builtin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/gateway"
	"github.com/dragoman-gateway/dragoman/internal/demo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newGateway makes a gateway of a configuration text and the files beside it.
func newGateway(t *testing.T, text string, files map[string]string, access io.Writer) *gateway.Gateway {
	t.Helper()
	g := newLogging(t, text, files, slog.NewTextHandler(t.Output(), nil), slog.NewJSONHandler(access, nil))
	t.Cleanup(func() { require.NoError(t, g.Close()) })
	return g
}

// newLogging is newGateway with a log. The test closes it.
func newLogging(t *testing.T, text string, files map[string]string, log, access slog.Handler) *gateway.Gateway {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
	}
	path := filepath.Join(dir, "dragoman.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	file, err := config.Load(path, os.LookupEnv)
	require.NoError(t, err)
	plan, err := config.Link(file)
	require.NoError(t, err)
	g, err := builtin.Gateway(plan, slog.New(log), slog.New(access))
	require.NoError(t, err)
	return g
}

// serve answers requests with g's listener "default", as a server would.
func serve(t *testing.T, g *gateway.Gateway) *httptest.Server {
	t.Helper()
	srv := httptest.NewServer(g.Handler("default"))
	t.Cleanup(srv.Close)
	return srv
}

func get(t *testing.T, url, host string) (int, http.Header, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	if host != "" {
		req.Host = host
	}
	tr := &http.Transport{DisableKeepAlives: true}
	res, err := tr.RoundTrip(req)
	require.NoError(t, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, res.Header, string(body)
}

func startLibrary(t *testing.T, address string) string {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	require.NoError(t, err)
	srv := grpc.NewServer()
	demo.Register(srv)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(ln)
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-served
	})
	return ln.Addr().String()
}

func freeAddress(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// TestOneOfTwoIsDown: an upstream without descriptors stops neither the start
// nor the other one, says so to those who look for it, and joins by itself.
func TestOneOfTwoIsDown(t *testing.T) {
	up, down := startLibrary(t, "127.0.0.1:0"), freeAddress(t)
	g := newGateway(t, fmt.Sprintf(`
upstreams:
- {name: up, grpc: {target: %q}}
- {name: down, grpc: {target: %q}}
routes:
- {name: up, hosts: [up.test], transcode: {upstream: up}}
- {name: down, hosts: [down.test], transcode: {upstream: down}}
`, up, down), nil, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	srv := serve(t, g)

	waiting := g.Waiting()
	require.Len(t, waiting, 1)
	require.Equal(t, "down", waiting[0].Upstream)
	require.Contains(t, waiting[0].Reason, "connection refused")

	status, _, body := get(t, srv.URL+"/v1/shelves", "up.test")
	require.Equal(t, http.StatusOK, status, body)
	status, header, body := get(t, srv.URL+"/v1/shelves", "down.test")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "NOT_READY", header.Get("X-Dragoman-Error"))
	require.Contains(t, body, `upstream \"down\"`)
	status, header, _ = get(t, srv.URL+"/nowhere", "up.test")
	require.Equal(t, http.StatusNotFound, status, "no missing upstream could serve this host")
	require.Equal(t, "NO_ROUTE", header.Get("X-Dragoman-Error"))

	startLibrary(t, down)
	require.Eventually(t, func() bool { return len(g.Waiting()) == 0 }, 20*time.Second, 10*time.Millisecond)
	status, _, body = get(t, srv.URL+"/v1/shelves", "down.test")
	require.Equal(t, http.StatusOK, status, body)
	status, header, _ = get(t, srv.URL+"/nowhere", "down.test")
	require.Equal(t, http.StatusNotFound, status)
	require.Equal(t, "NO_ROUTE", header.Get("X-Dragoman-Error"))
}

// TestOneOfTwoIsWrong: of two upstreams whose descriptors arrive at the same time,
// one that does not fit the configuration does not keep the other out.
func TestOneOfTwoIsWrong(t *testing.T) {
	down := freeAddress(t)
	g := newGateway(t, fmt.Sprintf(`
upstreams:
- {name: wrong, grpc: {target: %q}}
- {name: right, grpc: {target: %q}}
routes:
- {name: wrong, hosts: [wrong.test], transcode: {upstream: wrong, methods: [library.v1.Library.Nope]}}
- {name: right, hosts: [right.test], transcode: {upstream: right}}
`, down, down), nil, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	srv := serve(t, g)
	require.Len(t, g.Waiting(), 2)

	startLibrary(t, down)
	require.Eventually(t, func() bool {
		waiting := g.Waiting()
		return len(waiting) == 1 && strings.Contains(waiting[0].Reason, "Nope")
	}, 20*time.Second, 10*time.Millisecond)
	require.Equal(t, "wrong", g.Waiting()[0].Upstream)
	status, _, body := get(t, srv.URL+"/v1/shelves", "right.test")
	require.Equal(t, http.StatusOK, status, body)
	status, header, _ := get(t, srv.URL+"/v1/shelves", "wrong.test")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "NOT_READY", header.Get("X-Dragoman-Error"))
}

// TestSilentUpstream: one that takes connections and says nothing holds up the
// start only for a moment, and counts as missing.
func TestSilentUpstream(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	g := newGateway(t, fmt.Sprintf("upstreams:\n- {name: silent, grpc: {target: %q}}\nroutes:\n- {name: silent, transcode: {upstream: silent}}\n",
		silent.Addr()), nil, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	waiting := g.Waiting()
	require.Len(t, waiting, 1)
	require.Equal(t, "silent", waiting[0].Upstream)
}

// versions are two files of one package that differ.
var versions = map[string]string{
	"v1/thing.proto": `syntax = "proto3"; package thing; import "google/api/annotations.proto";
service Things { rpc Get(Thing) returns (Thing) { option (google.api.http) = {get: "/things/{name}"}; } }
message Thing { string name = 1; }`,
	"v2/thing.proto": `syntax = "proto3"; package thing; import "google/api/annotations.proto";
service Things { rpc Get(Thing) returns (Thing) { option (google.api.http) = {get: "/things/{id}"}; } }
message Thing { int64 id = 1; }`,
}

// TestTwoVersions serves two versions of one package under two hosts, each by
// its own schema.
func TestTwoVersions(t *testing.T) {
	nobody := freeAddress(t)
	g := newGateway(t, fmt.Sprintf(`
upstreams:
- {name: one, grpc: {target: %[1]q}, descriptors: {proto: {roots: [v1]}}}
- {name: two, grpc: {target: %[1]q}, descriptors: {proto: {roots: [v2]}}}
routes:
- {name: one, hosts: [one.test], transcode: {upstream: one}}
- {name: two, hosts: ["*.two.test"], transcode: {upstream: two}}
`, nobody), versions, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	srv := serve(t, g)

	// To the first version any text is a name, so the call gets as far as the upstream.
	status, header, _ := get(t, srv.URL+"/things/abc", "ONE.test:8080")
	require.Equal(t, http.StatusServiceUnavailable, status)
	require.Equal(t, "UPSTREAM_UNREACHABLE", header.Get("X-Dragoman-Error"))
	// To the second it is a number.
	status, header, body := get(t, srv.URL+"/things/abc", "api.two.test")
	require.Equal(t, http.StatusBadRequest, status)
	require.Equal(t, "INVALID_PATH", header.Get("X-Dragoman-Error"))
	require.Contains(t, body, `"field":"id"`)
	// No other host has it.
	status, _, _ = get(t, srv.URL+"/things/abc", "three.test")
	require.Equal(t, http.StatusNotFound, status)
}

// TestMessageLimits: each route has its own limit on messages of the upstream that
// it shares with another, and reflection has neither.
func TestMessageLimits(t *testing.T) {
	g := newGateway(t, fmt.Sprintf(`
upstreams:
- {name: library, grpc: {target: %q}}
routes:
- {name: small, hosts: [small.test], transcode: {upstream: library, limits: {message_bytes: 100}}}
- {name: large, hosts: [large.test], transcode: {upstream: library, limits: {message_bytes: 1000}}}
`, startLibrary(t, "127.0.0.1:0")), nil, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	require.Empty(t, g.Waiting())
	srv := serve(t, g)

	status, _, _ := get(t, srv.URL+"/v1/shelves/1/books/1", "large.test")
	require.Equal(t, http.StatusOK, status)
	status, _, _ = get(t, srv.URL+"/v1/shelves/1", "small.test")
	require.Equal(t, http.StatusOK, status)
	for _, path := range []string{"/v1/shelves/1/books/1", "/v1/shelves/1/books:stream"} {
		status, header, body := get(t, srv.URL+path, "small.test")
		require.Equal(t, http.StatusBadGateway, status, path)
		require.Equal(t, "UPSTREAM_MESSAGE_TOO_LARGE", header.Get("X-Dragoman-Error"), path)
		require.Contains(t, body, `upstream \"library\" sent a message that is over the limit of 100 bytes`, path)
	}
}

// TestConflict reports routes that no request can tell apart, once for two
// methods, at the second route.
func TestConflict(t *testing.T) {
	g := newGateway(t, `
upstreams:
- {name: one, grpc: {target: "127.0.0.1:1"}, descriptors: {proto: {roots: [v1]}}}
- {name: two, grpc: {target: "127.0.0.1:1"}, descriptors: {proto: {roots: [v2]}}}
routes:
- {name: one, transcode: {upstream: one}}
- {name: two, transcode: {upstream: two}}
`, versions, io.Discard)
	err := g.Start(t.Context())
	var report config.Report
	require.ErrorAs(t, err, &report)
	require.Len(t, report, 1)
	require.Equal(t, 7, report[0].Line)
	require.Equal(t, "routes[1]", report[0].Path)
	require.Contains(t, report[0].Message, `route "one"`)
	require.Contains(t, report[0].Message, `route "two"`)
}

// TestAccessLog writes one line a request, without the query.
func TestAccessLog(t *testing.T) {
	var log syncBuffer
	g := newGateway(t, fmt.Sprintf("upstreams:\n- {name: library, grpc: {target: %q}}\nroutes:\n- {name: books, transcode: {upstream: library}}\n",
		startLibrary(t, "127.0.0.1:0")), nil, &log)
	require.NoError(t, g.Start(t.Context()))
	srv := serve(t, g)
	_, _, body := get(t, srv.URL+"/v1/shelves/1/books?pageSize=1", "")
	get(t, srv.URL+"/v1/shelves/1/books?secret=s3cr3t", "")
	get(t, srv.URL+"/nowhere?secret=s3cr3t", "")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodHead, srv.URL+"/v1/shelves/1/books?pageSize=1", nil)
	require.NoError(t, err)
	res, err := srv.Client().Do(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	srv.Close()

	require.NotContains(t, log.String(), "s3cr3t")
	var lines []map[string]any
	for line := range strings.Lines(log.String()) {
		var fields map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &fields))
		lines = append(lines, fields)
	}
	require.Len(t, lines, 4)
	for key, want := range map[string]any{
		"msg": "request", "method": "GET", "path": "/v1/shelves/1/books", "status": 200.0, "route": "books",
		"protocol": "rest", "rpc": "library.v1.Library.ListBooks", "upstream": "library", "grpc_status": "OK",
	} {
		require.Equal(t, want, lines[0][key], key)
	}
	require.Positive(t, lines[0]["duration"])
	require.EqualValues(t, len(body), lines[0]["bytes_out"])
	require.Equal(t, "INVALID_QUERY", lines[1]["reason"])
	require.Equal(t, "INVALID_ARGUMENT", lines[1]["grpc_status"])
	require.Equal(t, "NO_ROUTE", lines[2]["reason"])
	require.NotContains(t, lines[2], "route")
	require.Equal(t, "HEAD", lines[3]["method"])
	require.Zero(t, lines[3]["bytes_out"])
}

// TestAccessLogTrailersOnly: a gRPC answer without a message sets no status of its
// own, and the client sees 200 all the same.
func TestAccessLogTrailersOnly(t *testing.T) {
	var log syncBuffer
	g := newGateway(t, "upstreams: []\n", nil, &log)
	require.NoError(t, g.Start(t.Context()))
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	srv := httptest.NewUnstartedServer(g.Handler("default"))
	srv.Config.Protocols = protocols
	srv.Start()
	t.Cleanup(srv.Close)

	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/no.Such/Method", http.NoBody)
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	tr := &http.Transport{Protocols: protocols}
	res, err := tr.RoundTrip(req)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	tr.CloseIdleConnections()
	srv.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "NO_ROUTE", res.Header.Get("X-Dragoman-Error"))

	var line map[string]any
	require.NoError(t, json.Unmarshal([]byte(log.String()), &line))
	require.EqualValues(t, http.StatusOK, line["status"])
	require.Equal(t, "UNIMPLEMENTED", line["grpc_status"])
}

// TestDrain ends watches of health, which would last for ever.
func TestDrain(t *testing.T) {
	g := newGateway(t, "listeners:\n- {name: default, address: \"127.0.0.1:0\"}\n", nil, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	srv := httptest.NewUnstartedServer(g.Handler("default"))
	srv.Config.Protocols = protocols
	srv.Start()
	defer srv.Close()
	tr := &http.Transport{Protocols: protocols}
	defer tr.CloseIdleConnections()
	// Watch of the host as a whole: an empty request message.
	req, err := http.NewRequestWithContext(context.Background(), http.MethodPost, srv.URL+"/grpc.health.v1.Health/Watch", bytes.NewReader(make([]byte, 5)))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/grpc")
	req.Header.Set("Te", "trailers")
	res, err := tr.RoundTrip(req)
	require.NoError(t, err)
	defer res.Body.Close()
	first := make([]byte, 7)
	_, err = io.ReadFull(res.Body, first)
	require.NoError(t, err)
	require.Equal(t, "\x00\x00\x00\x00\x02\x08\x01", string(first), "SERVING")
	g.Drain()
	_, err = io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, "1", res.Trailer.Get("Grpc-Status"))
}

type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
