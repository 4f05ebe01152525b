//go:build unix

package npmtest

import (
	"bufio"
	"context"
	"encoding/base64"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
	"github.com/dragoman-gateway/dragoman/internal/googletest"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/google"
)

// startFramework runs the function named target behind a door that lets requests
// with an identity token of g through.
func startFramework(t *testing.T, g *googletest.Google, target string, env ...string) *googletest.Door {
	t.Helper()
	dir := install(t, "google")
	// The framework listens on every interface, unless its port is a socket.
	socket := &net.UnixAddr{Net: "unix", Name: filepath.Join(dir, "socket")}
	node(t, dir, append(env, "FUNCTION_TARGET="+target, "PORT="+socket.Name), []net.Addr{socket},
		filepath.Join("@google-cloud", "functions-framework", "build", "src", "main.js"))
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, socket.Net, socket.Name)
	}}
	t.Cleanup(transport.CloseIdleConnections)
	return googletest.StartDoor(t, g, "", &httputil.ReverseProxy{Transport: transport, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: "function"})
		r.Out.Host = r.In.Host
		r.Out.Header = r.In.Header.Clone()
	}})
}

const googleYAML = `listeners:
- name: main
  address: 127.0.0.1:0
upstreams:
- name: function
  google_function:
    url: "${URL}"
    credentials: { file: "${KEY}" }
- name: binary
  google_function:
    url: "${URL}"
    credentials: { file: "${KEY}" }
    cloud_event: { type: com.example.upload, source: //gateway.example.com }
- name: structured
  google_function:
    url: "${URL}"
    credentials: { file: "${KEY}" }
    cloud_event: { type: com.example.upload, source: //gateway.example.com, mode: structured }
- name: bad
  google_function:
    url: "${URL}"
    credentials: { file: "${KEY}" }
    cloud_event: { type: com.example.bad, source: //gateway.example.com }
- name: stranger
  google_function:
    url: "${URL}"
    audience: https://another.example.com
    credentials: { file: "${KEY}" }
routes:
- name: function
  match: [{ prefix: / }]
  forward: { upstream: function }
- name: binary
  match: [{ prefix: /binary }]
  forward: { upstream: binary }
- name: structured
  match: [{ prefix: /structured }]
  forward: { upstream: structured }
- name: bad
  match: [{ prefix: /bad }]
  forward: { upstream: bad }
- name: stranger
  match: [{ prefix: /stranger }]
  forward: { upstream: stranger }
`

func googleGateway(t *testing.T, g *googletest.Google, door *googletest.Door) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dragoman.yaml")
	require.NoError(t, os.WriteFile(file, []byte(googleYAML), 0o600))
	return "http://" + gatewaytest.Start(t, file, map[string]string{"URL": door.URL, "KEY": g.KeyFile(t)}).Address
}

// heard is what the HTTP function says that it was called with.
type heard struct {
	Method, Path, URL, Body string
	Query                   map[string]any
	Headers                 map[string]string
}

func TestGoogle(t *testing.T) {
	g := googletest.Start(t)
	door := startFramework(t, g, "http")
	gateway := googleGateway(t, g, door)

	t.Run("kind", func(t *testing.T) {
		up, err := google.New(&configpb.GoogleFunctionUpstream{Url: door.URL, Credentials: &configpb.GoogleCredentials{File: g.KeyFile(t)}}, upstream.Env{Name: "function", Dir: t.TempDir()})
		require.NoError(t, err)
		defer up.Close()
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://gateway/books/7?x=1", http.NoBody)
		require.NoError(t, err)
		_, text := answer(t, up.(upstream.HTTP), r)
		var got heard
		decode(t, text, &got)
		require.Equal(t, "/books/7?x=1", got.URL)
		require.Equal(t, googletest.Robot, got.Headers["x-test-caller"])
	})
	t.Run("request", func(t *testing.T) {
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		resp, text := send(t, "PUT", gateway+"/books/a%20b?x=1&x=2&y=%2F", string(all), http.Header{
			"Content-Type": {"application/octet-stream"}, "Authorization": {"Bearer client"}, "X-Tag": {"blue", "green"},
			"Traceparent": {"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
		})
		require.Equal(t, http.StatusOK, resp.StatusCode, text)
		var got heard
		decode(t, text, &got)
		require.Equal(t, "PUT", got.Method)
		require.Equal(t, "/books/a%20b", got.Path)
		require.Equal(t, "/books/a%20b?x=1&x=2&y=%2F", got.URL)
		require.Equal(t, map[string]any{"x": []any{"1", "2"}, "y": "/"}, got.Query)
		require.Equal(t, base64.StdEncoding.EncodeToString(all), got.Body)
		require.Equal(t, "blue, green", got.Headers["x-tag"])
		require.Equal(t, "Bearer client", got.Headers["x-forwarded-authorization"])
		require.Contains(t, got.Headers["traceparent"], "0af7651916cd43dd8448eb211c80319c")
		require.Equal(t, strings.TrimPrefix(door.URL, "http://"), got.Headers["host"])
		require.Equal(t, "books.example.com", got.Headers["x-forwarded-host"])
		require.Equal(t, googletest.Robot, got.Headers["x-test-caller"])
	})
	t.Run("answer", func(t *testing.T) {
		resp, text := send(t, "GET", gateway+"/status?code=418", "", nil)
		require.Equal(t, http.StatusTeapot, resp.StatusCode)
		require.Equal(t, "said so", text)
		require.Equal(t, "http", resp.Header.Get("X-Function"))
		require.Equal(t, []string{"a=1", "b=2"}, resp.Header["Set-Cookie"])
	})
	t.Run("crash", func(t *testing.T) {
		resp, _ := send(t, "GET", gateway+"/crash", "", nil)
		require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
		require.Equal(t, "crash", resp.Header.Get("X-Google-Status"))
		require.Empty(t, resp.Header.Get("X-Dragoman-Error"), "it is the function's answer")
		resp, _ = send(t, "GET", gateway+"/status?code=200", "", nil)
		require.Equal(t, http.StatusOK, resp.StatusCode, "it serves on")
	})
	t.Run("stream", func(t *testing.T) { testGoogleStream(t, gateway) })
	t.Run("token for another", func(t *testing.T) {
		resp, text := send(t, "GET", gateway+"/stranger", "", nil)
		require.Equal(t, http.StatusUnauthorized, resp.StatusCode, "the door's answer, as it is: %s", text)
	})
}

// testGoogleStream has an event while the function waits for a request before it
// writes another one: whoever holds events back waits forever.
func testGoogleStream(t *testing.T, gateway string) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	transport := new(http.Transport)
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(ctx, "GET", gateway+"/stream", http.NoBody)
	require.NoError(t, err)
	resp, err := transport.RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, "text/event-stream", strings.Split(resp.Header.Get("Content-Type"), ";")[0])
	lines := bufio.NewReader(resp.Body)
	line, err := lines.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "data: first\n", line)

	done, _ := send(t, "POST", gateway+"/go", "", nil)
	require.Equal(t, http.StatusNoContent, done.StatusCode)
	rest, err := io.ReadAll(lines)
	require.NoError(t, err)
	require.Equal(t, "\ndata: second\n\n", string(rest))
}

func TestGoogleEvents(t *testing.T) {
	g := googletest.Start(t)
	sink, said := listen(t)
	gateway := googleGateway(t, g, startFramework(t, g, "event", "TEST_HEARD="+sink))
	for mode, subject := range map[string]string{
		// A header has the percent sign escaped, as the HTTP protocol binding of
		// CloudEvents wants it (3.1.3.2). The framework does not undo that.
		"binary":     "/binary/a%2520b",
		"structured": "/structured/a%20b",
	} {
		t.Run(mode, func(t *testing.T) {
			before := time.Now().Add(-time.Second)
			resp, text := send(t, "POST", gateway+"/"+mode+"/a%20b?x=1", `{"title":"Bücher","n":9007199254740991}`, http.Header{
				"Content-Type": {"application/json"}, "Ce-Type": {"forged"}, "Ce-Extension": {"forged"},
			})
			require.Equal(t, http.StatusNoContent, resp.StatusCode, text)
			heard := hear(t, said)
			require.NotContains(t, heard, "forged")
			var event struct {
				SpecVersion, Type, Source, Subject, ID string
				Time                                   time.Time
				Data                                   map[string]any
			}
			decode(t, heard, &event)
			require.Equal(t, "1.0", event.SpecVersion)
			require.Equal(t, "com.example.upload", event.Type)
			require.Equal(t, "//gateway.example.com", event.Source)
			require.Equal(t, subject, event.Subject)
			require.NotEmpty(t, event.ID)
			require.WithinRange(t, event.Time, before, time.Now().Add(time.Second))
			require.Equal(t, map[string]any{"title": "Bücher", "n": float64(9007199254740991)}, event.Data)
		})
	}
	t.Run("fails", func(t *testing.T) {
		resp, _ := send(t, "POST", gateway+"/bad", `{}`, http.Header{"Content-Type": {"application/json"}})
		require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
		require.NotEmpty(t, resp.Header.Get("X-Google-Status"))
	})
}
