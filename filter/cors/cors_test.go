package cors_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/dragoman-gateway/dragoman/filter"
	"github.com/dragoman-gateway/dragoman/filter/cors"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/route"
)

type handler func(w http.ResponseWriter, r *http.Request, x *route.Exchange)

func (h handler) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) { h(w, r, x) }

// serve runs the filter around a handler on a path with these methods.
func serve(t *testing.T, cfg *configpb.CORS, next handler, methods ...string) *httptest.Server {
	t.Helper()
	f, err := cors.New(cfg, filter.Env{Route: "r"})
	require.NoError(t, err)
	require.Equal(t, "cors", f.Name())
	wrapped, preflight := f.Wrap(next), f.(filter.Preflighter).Preflight(methods)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/preflight" {
			preflight.ServeHTTP(w, r)
			return
		}
		wrapped.Serve(w, r, &route.Exchange{})
	}))
	t.Cleanup(server.Close)
	return server
}

// do sends a request: "GET /", and header lines.
func do(t *testing.T, server *httptest.Server, line string, headers ...string) (*http.Response, error) {
	t.Helper()
	method, path, _ := strings.Cut(line, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, server.URL+path, nil)
	require.NoError(t, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	resp, err := server.Client().Do(r)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		require.NoError(t, resp.Body.Close())
	}
	return resp, err
}

func ok(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) { _, _ = io.WriteString(w, "{}") }

const (
	origin = "Origin: https://app.example.com"
	asks   = "Access-Control-Request-Method: "
	with   = "Access-Control-Request-Headers: "
)

// header is what an answer says of CORS; "" for nothing.
func header(resp *http.Response) string {
	var lines []string
	for _, name := range []string{"Allow-Origin", "Allow-Methods", "Allow-Headers", "Allow-Credentials", "Allow-Private-Network", "Expose-Headers", "Max-Age"} {
		for _, v := range resp.Header.Values("Access-Control-" + name) {
			lines = append(lines, name+": "+v)
		}
	}
	return strings.Join(lines, "\n")
}

func TestPreflight(t *testing.T) {
	app := []string{"https://app.example.com"}
	for _, c := range []struct {
		name    string
		cfg     *configpb.CORS
		methods []string
		request []string
		want    string
	}{
		{"the path's methods", &configpb.CORS{Origins: app}, []string{"GET", "PATCH"},
			[]string{origin, asks + "PATCH"}, "Allow-Origin: https://app.example.com\nAllow-Methods: PATCH"},
		{"no other method", &configpb.CORS{Origins: app}, []string{"GET"}, []string{origin, asks + "PATCH"}, ""},
		{"a method of a custom rule", &configpb.CORS{Origins: app}, []string{"LOCK"},
			[]string{origin, asks + "LOCK"}, "Allow-Origin: https://app.example.com\nAllow-Methods: LOCK"},
		{"a path that takes every method", &configpb.CORS{Origins: app}, []string{"*"},
			[]string{origin, asks + "DELETE"}, "Allow-Origin: https://app.example.com\nAllow-Methods: DELETE"},
		{"methods of the configuration", &configpb.CORS{Origins: app, Methods: []string{"GET"}}, []string{"GET", "PATCH"},
			[]string{origin, asks + "PATCH"}, ""},
		{"all methods by configuration", &configpb.CORS{Origins: app, Methods: []string{"*"}}, []string{"GET"},
			[]string{origin, asks + "GET"}, "Allow-Origin: https://app.example.com\nAllow-Methods: GET"},
		{"another origin", &configpb.CORS{Origins: app}, []string{"GET"}, []string{"Origin: https://example.com", asks + "GET"}, ""},
		{"another port", &configpb.CORS{Origins: app}, []string{"GET"}, []string{origin + ":8443", asks + "GET"}, ""},
		{"another scheme", &configpb.CORS{Origins: app}, []string{"GET"}, []string{"Origin: http://app.example.com", asks + "GET"}, ""},
		{"no origin", &configpb.CORS{Origins: app}, []string{"GET"}, []string{asks + "GET"}, ""},
		{"a wildcard", &configpb.CORS{Origins: []string{"https://*.example.com"}}, []string{"GET"},
			[]string{origin, asks + "GET"}, "Allow-Origin: https://app.example.com\nAllow-Methods: GET"},
		{"a wildcard is not nothing before a dot", &configpb.CORS{Origins: []string{"https://*.app.example.com"}}, []string{"GET"},
			[]string{origin, asks + "GET"}, ""},
		{"every origin", &configpb.CORS{Origins: []string{"*"}}, []string{"GET"},
			[]string{origin, asks + "GET"}, "Allow-Origin: *\nAllow-Methods: GET"},
		{"every header", &configpb.CORS{Origins: app, Credentials: true}, []string{"GET"},
			[]string{origin, asks + "GET", with + "authorization,x-a"},
			"Allow-Origin: https://app.example.com\nAllow-Methods: GET\nAllow-Headers: authorization,x-a\nAllow-Credentials: true"},
		{"headers of the configuration", &configpb.CORS{Origins: app, Headers: []string{"X-A", "Content-Type"}}, []string{"GET"},
			[]string{origin, asks + "GET", with + "content-type,x-a"},
			"Allow-Origin: https://app.example.com\nAllow-Methods: GET\nAllow-Headers: content-type,x-a"},
		{"another header", &configpb.CORS{Origins: app, Headers: []string{"X-A"}}, []string{"GET"},
			[]string{origin, asks + "GET", with + "x-a,x-b"}, ""},
		{"age", &configpb.CORS{Origins: app, MaxAge: durationpb.New(time.Hour)}, []string{"GET"},
			[]string{origin, asks + "GET"}, "Allow-Origin: https://app.example.com\nAllow-Methods: GET\nMax-Age: 3600"},
		{"no age", &configpb.CORS{Origins: app, MaxAge: durationpb.New(0)}, []string{"GET"},
			[]string{origin, asks + "GET"}, "Allow-Origin: https://app.example.com\nAllow-Methods: GET\nMax-Age: 0"},
		{"a private network", &configpb.CORS{Origins: app, PrivateNetwork: true}, []string{"GET"},
			[]string{origin, asks + "GET", "Access-Control-Request-Private-Network: true"},
			"Allow-Origin: https://app.example.com\nAllow-Methods: GET\nAllow-Private-Network: true"},
		{"no private network", &configpb.CORS{Origins: app}, []string{"GET"},
			[]string{origin, asks + "GET", "Access-Control-Request-Private-Network: true"},
			"Allow-Origin: https://app.example.com\nAllow-Methods: GET"},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := serve(t, c.cfg, ok, c.methods...)
			resp, err := do(t, server, "OPTIONS /preflight", c.request...)
			require.NoError(t, err)
			require.Equal(t, http.StatusNoContent, resp.StatusCode)
			require.Equal(t, c.want, header(resp))
			require.Contains(t, resp.Header.Get("Vary"), "Origin, Access-Control-Request-Method")
		})
	}
}

func TestActual(t *testing.T) {
	app := []string{"https://app.example.com"}
	for _, c := range []struct {
		name, line string
		cfg        *configpb.CORS
		request    []string
		want       string
	}{
		{"allowed", "GET /", &configpb.CORS{Origins: app, MaxAge: durationpb.New(time.Hour)}, []string{origin}, "Allow-Origin: https://app.example.com"},
		{"another origin", "GET /", &configpb.CORS{Origins: app}, []string{"Origin: null"}, ""},
		{"no origin", "GET /", &configpb.CORS{Origins: app}, nil, ""},
		{"everything", "POST /", &configpb.CORS{Origins: app, ExposedHeaders: []string{"etag", "x-request-id"}, Credentials: true}, []string{origin},
			"Allow-Origin: https://app.example.com\nAllow-Credentials: true\nExpose-Headers: Etag, X-Request-Id"},
		{"a method of a custom rule", "LOCK /", &configpb.CORS{Origins: app}, []string{origin}, "Allow-Origin: https://app.example.com"},
		{"another method", "DELETE /", &configpb.CORS{Origins: app, Methods: []string{"GET"}}, []string{origin}, ""},
		{"a rule for OPTIONS", "OPTIONS /", &configpb.CORS{Origins: app}, []string{origin, asks + "GET"}, "Allow-Origin: https://app.example.com"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got *http.Request
			server := serve(t, c.cfg, func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
				got = r
				w.WriteHeader(http.StatusNotFound)
			})
			resp, err := do(t, server, c.line, c.request...)
			require.NoError(t, err)
			require.Equal(t, http.StatusNotFound, resp.StatusCode, "the handler answers")
			require.Equal(t, c.want, header(resp))
			require.Equal(t, "Origin", resp.Header.Get("Vary"))
			require.Equal(t, strings.Fields(c.line)[0], got.Method, "the handler sees the request as it came")
			require.Len(t, got.Header.Values("Access-Control-Request-Method"), strings.Count(strings.Join(c.request, ""), asks))
		})
	}
}

// A handler that breaks its answer off breaks it through the filter.
func TestAbort(t *testing.T) {
	server := serve(t, &configpb.CORS{Origins: []string{"*"}}, func(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
		_, _ = io.WriteString(w, "[1")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	})
	_, err := do(t, server, "GET /", origin)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// Without origins the filter is not there.
func TestOff(t *testing.T) {
	f, err := cors.New(&configpb.CORS{}, filter.Env{})
	require.NoError(t, err)
	next := &struct{ route.Handler }{}
	require.Same(t, next, f.Wrap(next))
	require.Nil(t, f.(filter.Preflighter).Preflight([]string{"GET"}))
}
