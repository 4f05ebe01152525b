package transform_test

import (
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transform"
	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

type handler func(w http.ResponseWriter, r *http.Request, x *route.Exchange)

func (h handler) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) { h(w, r, x) }

// spec is an entry of a chain as the tests write it.
type spec struct {
	when, request, response, error string
	as                             string
	skip                           bool
}

func program(t testing.TB, name, src string, variables ...string) *jq.Program {
	t.Helper()
	if src == "" {
		return nil
	}
	p, err := jq.Compile(src, jq.Config{Name: name, Variables: variables, Limits: jq.Limits{Time: 5 * time.Second, Memory: 256 << 20}})
	require.NoError(t, err, src)
	return p
}

func specs(t testing.TB, in []spec) []transform.Spec {
	t.Helper()
	var out []transform.Spec
	for i, s := range in {
		name := fmt.Sprintf("transform[%d] of route %q", i, "r")
		one := transform.Spec{
			Name: name, SkipBodyErrors: s.skip,
			When:     program(t, name+": when", s.when, "request"),
			Request:  program(t, name+": request", s.request),
			Response: program(t, name+": response", s.response, "request"),
			Error:    program(t, name+": error", s.error, "request"),
		}
		switch s.as {
		case "TEXT":
			one.BodyAs = body.AsText
		case "BYTES":
			one.BodyAs = body.AsBytes
		case "JSON":
			one.BodyAs = body.AsJSON
		}
		out = append(out, one)
	}
	return out
}

const limit = 64 << 10

// refuse answers as REST does.
func refuse(w http.ResponseWriter, _ *http.Request, x *route.Exchange, err *rpc.Error) {
	x.Code, x.Reason, x.Error, x.Failure = int(err.Reason.Code()), string(err.Reason), err.Cause, err
	w.Header().Set(rpc.ErrorHeader, string(err.Reason))
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(err.Reason.HTTPStatus())
	text, _ := json.Marshal(map[string]any{"code": err.Reason.Code(), "message": err.Message})
	_, _ = w.Write(text)
}

func options() transform.Options {
	return transform.Options{MaxRequestBytes: limit, MaxResponseBytes: limit, MaxDepth: 100, MaxMemory: 64 << 20, FormBodies: true, Refuse: refuse}
}

func entry(t testing.TB) *route.Entry {
	t.Helper()
	template, err := httprule.Parse("/v1/{name=**}")
	require.NoError(t, err)
	return &route.Entry{Method: "*", Template: template, Route: "r", Protocol: "rest"}
}

// gateway is a chain around a handler, on a socket.
type gateway struct {
	*httptest.Server
	entry *route.Entry
	// done gets what the access log would know of each request.
	done chan route.Exchange
}

type setup struct {
	specs   []spec
	options transform.Options
	entry   *route.Entry
	http2   bool
	next    handler
	outside http.Header
}

func serve(t testing.TB, s setup) *gateway {
	t.Helper()
	if s.options.Refuse == nil {
		s.options = options()
	}
	if s.entry == nil {
		s.entry = entry(t)
	}
	c, err := transform.New(specs(t, s.specs), s.options)
	require.NoError(t, err)
	wrapped := c.Wrap(s.entry, s.next)
	g := &gateway{entry: s.entry, done: make(chan route.Exchange, 100)}
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &route.Exchange{Entry: s.entry, Path: r.URL.EscapedPath(), Code: -1}
		if p := x.Path; strings.HasPrefix(p, "/v1/") {
			x.Captures = []route.Span{{Start: len("/v1/"), End: len(p)}}
		}
		defer func() {
			select {
			case g.done <- *x:
			default:
			}
		}()
		for k, v := range s.outside {
			w.Header()[k] = v
		}
		wrapped.Serve(w, r, x)
	}))
	g.Config.ErrorLog = nil
	if s.http2 {
		g.EnableHTTP2 = true
		g.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
		g.StartTLS()
	} else {
		g.Start()
	}
	g.Client().Transport.(*http.Transport).DisableCompression = true
	g.Client().CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(g.Close)
	return g
}

// answer is a response that has been read to its end.
type answer struct {
	*http.Response
	body string
	err  error
}

// do sends a request: "POST /v1/a", header lines, an empty one and the body.
func (g *gateway) do(t testing.TB, text string) answer {
	t.Helper()
	head, body, has := strings.Cut(text, "\n\n")
	lines := strings.Split(head, "\n")
	method, path, _ := strings.Cut(lines[0], " ")
	var content io.Reader
	if has {
		content = strings.NewReader(body)
	}
	r, err := http.NewRequestWithContext(t.Context(), method, g.URL+path, content)
	require.NoError(t, err)
	for _, h := range lines[1:] {
		name, value, _ := strings.Cut(h, ": ")
		if name == "" {
			continue
		}
		if strings.EqualFold(name, "host") {
			r.Host = value
			continue
		}
		r.Header.Add(name, value)
	}
	return g.send(t, r)
}

func (g *gateway) send(t testing.TB, r *http.Request) answer {
	t.Helper()
	resp, err := g.Client().Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return answer{resp, string(data), err}
}

func (g *gateway) exchange(t testing.TB) route.Exchange {
	t.Helper()
	select {
	case x := <-g.done:
		return x
	case <-time.After(10 * time.Second):
		require.FailNow(t, "no request has ended")
		return route.Exchange{}
	}
}

// seen is what echo saw of a request.
type seen struct {
	Method, Host, Path, Query, URI string
	Header                         http.Header
	Body                           string
	Length                         int64
}

// echo tells in its answer what it was given.
func echo(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
	data, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	text, _ := json.Marshal(seen{
		Method: r.Method, Host: r.Host, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, URI: r.RequestURI,
		Header: r.Header, Body: string(data), Length: r.ContentLength,
	})
	w.Header()["Content-Type"] = []string{"application/json"}
	_, _ = w.Write(text)
}

func (a answer) seen(t testing.TB) seen {
	t.Helper()
	require.Equal(t, 200, a.StatusCode, a.body)
	var s seen
	require.NoError(t, json.Unmarshal([]byte(a.body), &s), a.body)
	return s
}

// answers gives an answer of these headers, which are lines, and a body.
func answers(status int, body string, headers ...string) handler {
	return func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) {
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Add(name, value)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

const (
	jsonBody = "Content-Type: application/json"
	textBody = "Content-Type: text/plain"
)
