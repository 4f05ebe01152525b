package gateway

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

// serving is a route handler that is a function.
type serving func(w http.ResponseWriter, r *http.Request, x *route.Exchange)

func (f serving) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) { f(w, r, x) }

// logLine is the line of one request to /a.
func logLine(t *testing.T, serve serving, trusted ...netip.Prefix) string {
	template, err := httprule.Parse("/a")
	require.NoError(t, err)
	table, err := route.Compile([]*route.Entry{{Method: "GET", Template: template, Handler: serve}})
	require.NoError(t, err)
	var log bytes.Buffer
	g := &Gateway{
		options: Options{Protocols: []transcoder.Protocol{rest.New()}},
		log:     slog.New(slog.DiscardHandler),
		access:  slog.New(slog.NewJSONHandler(&log, nil)),
	}
	settings := transcoder.DefaultSettings()
	serveTable(t, g, table, &settings)
	r := httptest.NewRequest("GET", "/a", nil)
	r.Header.Set("Connection", "x-told, close")
	r.Header.Set("X-Told", "by the client")
	r.Header.Set("X-Forwarded-For", "6.6.6.6, 203.0.113.1")
	r.Header.Set("X-Forwarded-Proto", "https")
	(&handler{gateway: g, trusted: trusted}).ServeHTTP(httptest.NewRecorder(), r)
	require.Equal(t, 1, strings.Count(log.String(), "\n"))
	return log.String()
}

// TestLogFields adds what programs say to the line, and nothing that would make it
// lie or grow without bound.
func TestLogFields(t *testing.T) {
	line := logLine(t, func(_ http.ResponseWriter, _ *http.Request, x *route.Exchange) {
		x.Log = append(x.Log,
			slog.String("tenant", "first"), slog.Int("cost", 7), slog.String("tenant", "last"), slog.Bool("new", true),
			slog.String("status", "999"), slog.String("msg", "forged"), slog.String("reason", "FORGED"), slog.String("", "nameless"),
			slog.String("text", "a\nlevel=ERROR\x00\"\xff"), slog.String("long", strings.Repeat("é", maxFieldBytes)),
		)
	})
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(line), &got))
	require.Equal(t, "last", got["tenant"])
	require.NotContains(t, line, "first")
	require.EqualValues(t, 7, got["cost"])
	require.Equal(t, true, got["new"])
	require.EqualValues(t, 200, got["status"])
	require.Equal(t, "request", got["msg"])
	require.NotContains(t, got, "reason")
	require.NotContains(t, line, "FORGED")
	require.NotContains(t, line, "forged")
	require.NotContains(t, line, "nameless")
	require.Equal(t, "a\nlevel=ERROR\x00\"\uFFFD", got["text"])
	require.Equal(t, strings.Repeat("é", maxFieldBytes/2)+"…", got["long"])

	line = logLine(t, func(_ http.ResponseWriter, _ *http.Request, x *route.Exchange) {
		x.UnknownFields = 3
		x.Log = append(x.Log, slog.Int("unknown_fields", 7))
	})
	require.Contains(t, line, `"unknown_fields":3`)
	require.NotContains(t, line, "7}")

	many := logLine(t, func(_ http.ResponseWriter, _ *http.Request, x *route.Exchange) {
		for i := range 1000 {
			x.Log = append(x.Log, slog.String(fmt.Sprintf("f%d", i), strings.Repeat("x", 10*maxFieldBytes)))
		}
	})
	require.Contains(t, many, `"f999"`)
	require.NotContains(t, many, `"f967"`)
	require.Less(t, len(many), (maxFields+1)*(maxFieldBytes+64))
}

// TestTrustedProxies has the line, and whoever handles the request, know the client
// behind a proxy that is trusted, and believes nobody else.
func TestTrustedProxies(t *testing.T) {
	scheme := ""
	serve := func(_ http.ResponseWriter, r *http.Request, x *route.Exchange) {
		scheme = x.Scheme(r)
		require.NotContains(t, r.Header, "X-Told", "what Connection names is gone before anybody looks")
		require.Equal(t, []string{"close"}, r.Header["Connection"])
	}
	// httptest's requests come from 192.0.2.1:1234.
	require.Contains(t, logLine(t, serve, netip.MustParsePrefix("192.0.2.0/24")), `"remote":"203.0.113.1"`)
	require.Equal(t, "https", scheme)
	require.Contains(t, logLine(t, serve, netip.MustParsePrefix("10.0.0.0/8")), `"remote":"192.0.2.1:1234"`)
	require.Equal(t, "http", scheme)
}

// TestForgets keeps nothing of one request for the next: neither what it says in
// its line, nor its error.
func TestForgets(t *testing.T) {
	dirty := func(_ http.ResponseWriter, _ *http.Request, x *route.Exchange) {
		x.Log = append(x.Log, slog.String("tenant", "a"))
		x.Failure = rpc.Errorf(rpc.Internal, "of the first")
		x.UnknownFields = 1
	}
	for range 10 {
		logLine(t, dirty)
		line := logLine(t, func(_ http.ResponseWriter, _ *http.Request, x *route.Exchange) {
			require.Nil(t, x.Failure)
			require.Nil(t, x.Messages)
		})
		require.NotContains(t, line, "tenant")
		require.NotContains(t, line, "unknown_fields")
	}
}

// TestFailureWithoutRoute tells who stands around what the gateway refused.
func TestFailureWithoutRoute(t *testing.T) {
	g := &Gateway{options: Options{Protocols: []transcoder.Protocol{rest.New()}}}
	settings := transcoder.DefaultSettings()
	x := &route.Exchange{}
	refused := rpc.Errorf(rpc.NoRoute, "nothing here")
	g.refuser(&settings)(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil), x, refused)
	require.Same(t, refused, x.Failure)
}
