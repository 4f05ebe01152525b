package transform_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

func TestWrongRequests(t *testing.T) {
	const body = `.body.b = 1`
	for _, c := range []struct {
		name    string
		spec    spec
		in      string
		status  int
		reason  string
		message string
	}{
		{"malformed", spec{request: body}, jsonBody + "\n\n{\"a\": 1,, }", 400, "INVALID_BODY", "at byte 8"},
		{"no JSON at all", spec{request: body}, jsonBody + "\n\nhello", 400, "INVALID_BODY", "at byte 0"},
		{"deep", spec{request: body}, jsonBody + "\n\n" + strings.Repeat("[", 101), 400, "INVALID_BODY", "deeper"},
		{"too large", spec{request: body}, jsonBody + "\n\n\"" + strings.Repeat("x", limit) + "\"", 413, "REQUEST_TOO_LARGE", "65536"},
		{"unknown type", spec{request: body}, "Content-Type: image/png\n\nx", 415, "UNSUPPORTED_MEDIA_TYPE", "body_as"},
		{"query", spec{request: `.query.a = "1"`}, "", 400, "INVALID_QUERY", "percent sign"},
		{"error", spec{request: `error("secret")`}, "", 500, "PROGRAM_FAILED", `transform[0] of route "r": request failed`},
		{"when", spec{when: `error("secret")`, request: `.`}, "", 500, "PROGRAM_FAILED", `transform[0] of route "r": when failed`},
		{"nothing", spec{request: `empty`}, "", 500, "PROGRAM_FAILED", "failed"},
		{"two", spec{request: `., .`}, "", 500, "PROGRAM_FAILED", "failed"},
		{"no object", spec{request: `"secret"`}, "", 500, "PROGRAM_FAILED", "gives what it may not"},
		{"header", spec{request: `.headers["x-a"] = {secret: 1}`}, "", 500, "PROGRAM_FAILED", "in .headers.x-a"},
		{"injection", spec{request: `.headers["x-a"] = "a\r\nsecret: b"`}, "", 500, "PROGRAM_FAILED", "in .headers.x-a"},
		{"name", spec{request: `.headers["x a"] = "secret"`}, "", 500, "PROGRAM_FAILED", "in .headers"},
		{"framing", spec{request: `.headers["content-" + "length"] = 7`}, "", 500, "PROGRAM_FAILED", "content-length"},
		{"path", spec{request: `.path = "secret"`}, "", 500, "PROGRAM_FAILED", "in .path"},
		{"move", spec{request: `.path = "/elsewhere"`}, "", 500, "PROGRAM_FAILED", "cannot be done here"},
		{"method", spec{request: `.method = "A B"`}, "", 500, "PROGRAM_FAILED", "in .method"},
		{"respond", spec{request: `.respond = {status: 99}`}, "", 500, "PROGRAM_FAILED", "in .respond.status"},
		{"body", spec{request: `.body = "no base64"`, as: "BYTES"}, jsonBody + "\n\nx", 500, "PROGRAM_FAILED", "gives what is no body"},
		{"large body", spec{request: `.body = ("x" * 70000)`}, jsonBody + "\n\n1", 500, "PROGRAM_LIMIT", "limit of 65536 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := serve(t, setup{specs: []spec{c.spec, {request: `.headers["x-reached"] = "1"`}}, next: func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
				t.Error("the handler is reached")
			}})
			path := "/v1/a"
			if c.name == "query" {
				path += "?a=%zz"
			}
			a := g.do(t, "POST "+path+"\n"+c.in)
			require.Equal(t, c.status, a.StatusCode, a.body)
			require.Equal(t, c.reason, a.Header.Get("X-Dragoman-Error"))
			require.Contains(t, strings.ReplaceAll(a.body, `\"`, `"`), c.message)
			require.NotContains(t, a.body, "secret")
			x := g.exchange(t)
			require.Equal(t, c.reason, x.Reason)
			if strings.HasPrefix(c.reason, "PROGRAM") && c.name != "move" {
				require.ErrorContains(t, x.Error, "transform[0]")
				require.Less(t, len(x.Error.Error()), 400)
			}
		})
	}
}

func TestWrongAnswers(t *testing.T) {
	for _, c := range []struct {
		name    string
		spec    spec
		next    handler
		status  int
		reason  string
		message string
	}{
		{"malformed", spec{response: `.body.b = 1`}, answers(200, `{"a":}`, jsonBody, "X-Upstream: 1"), 502, "UPSTREAM_PROTOCOL", "at byte 5"},
		{"too large", spec{response: `.body.b = 1`}, answers(200, strings.Repeat(" ", limit+1), jsonBody, "X-Upstream: 1"), 502, "UPSTREAM_MESSAGE_TOO_LARGE", "65536"},
		{"announced", spec{response: `.body.b = 1`}, answers(200, strings.Repeat(" ", limit+1), jsonBody, "Content-Length: 65537"), 502, "UPSTREAM_MESSAGE_TOO_LARGE", "65536"},
		{"unknown type", spec{response: `.body.b = 1`}, answers(200, "x", "Content-Type: image/png"), 502, "UPSTREAM_PROTOCOL", "body_as"},
		{"coding", spec{response: `.body.b = 1`}, answers(200, "x", jsonBody, "Content-Encoding: gzip"), 502, "UPSTREAM_PROTOCOL", "gzip"},
		{"unknown coding", spec{response: `.body.b = 1`}, answers(200, "x", jsonBody, "Content-Encoding: br"), 502, "UPSTREAM_PROTOCOL", "br"},
		{"head", spec{response: `.headers["x-a"] = {}`}, answers(200, "text", "X-Upstream: 1"), 500, "PROGRAM_FAILED", ".headers.x-a"},
		{"body", spec{response: `.body |= error("secret")`}, answers(200, `{}`, jsonBody, "X-Upstream: 1"), 500, "PROGRAM_FAILED", "failed"},
		{"status", spec{response: `.status = 600`}, answers(200, ``, "X-Upstream: 1"), 500, "PROGRAM_FAILED", ".status"},
		{"method", spec{response: `.method = "PUT"`}, answers(200, ``, "X-Upstream: 1"), 500, "PROGRAM_FAILED", ".method"},
	} {
		t.Run(c.name, func(t *testing.T) {
			both(t, func(t *testing.T, http2 bool) {
				g := serve(t, setup{http2: http2, specs: []spec{c.spec}, next: c.next})
				a := g.do(t, "GET /v1/a")
				require.Equal(t, c.status, a.StatusCode, a.body)
				require.NoError(t, a.err)
				require.Equal(t, c.reason, a.Header.Get("X-Dragoman-Error"))
				require.Contains(t, a.body, c.message)
				require.True(t, json.Valid([]byte(a.body)), "nothing behind it: %s", a.body)
				require.NotContains(t, a.body, "secret")
				require.NotContains(t, a.Header, "X-Upstream", "nothing of an answer that did not come to be")
				require.Equal(t, c.reason, g.exchange(t).Reason)
			})
		})
	}
}

func TestSkip(t *testing.T) {
	g := serve(t, setup{next: echo, specs: []spec{{request: `.body.b = 1 | .headers["x-a"] = "1"`, skip: true}, {request: `.headers["x-b"] = "1"`}}})
	s := g.do(t, "POST /v1/a\n"+jsonBody+"\n\n{broken").seen(t)
	require.Equal(t, "{broken", s.Body)
	require.NotContains(t, s.Header, "X-A")
	require.Equal(t, []string{"1"}, s.Header["X-B"])
	require.Equal(t, 413, g.do(t, "POST /v1/a\n"+jsonBody+"\n\n"+strings.Repeat(" ", limit+1)).StatusCode)

	g = serve(t, setup{next: answers(200, "{broken", jsonBody), specs: []spec{{response: `.body.b = 1`, skip: true}}})
	a := g.do(t, "GET /v1/a")
	require.Equal(t, 200, a.StatusCode)
	require.Equal(t, "{broken", a.body)
}

// gatewayError answers as a handler does that refuses.
func gatewayError(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	w.Header().Set("X-Cause", "handler")
	refuse(w, r, x, rpc.Errorf(rpc.UpstreamUnreachable, "no connection"))
}

func TestErrorPrograms(t *testing.T) {
	outer := spec{error: `.body = {outer: .body, error} | .headers["x-outer"] = .error.reason`, response: `.headers["x-response"] = "outer"`}
	inner := spec{error: `.body = {code: .error.code} | .status = 418 | .headers["x-inner"] = $request.path`, response: `.headers["x-response"] = "inner"`}
	g := serve(t, setup{next: gatewayError, specs: []spec{outer, inner}})
	a := g.do(t, "GET /v1/a")
	require.Equal(t, 418, a.StatusCode)
	require.JSONEq(t, `{"outer": {"code": 14}, "error": {"code": 14, "status": "UNAVAILABLE", "reason": "UPSTREAM_UNREACHABLE", "message": "no connection"}}`, a.body)
	require.Equal(t, "UPSTREAM_UNREACHABLE", a.Header.Get("X-Outer"))
	require.Equal(t, "/v1/a", a.Header.Get("X-Inner"))
	require.NotContains(t, a.Header, "X-Response")
	require.Equal(t, "UPSTREAM_UNREACHABLE", g.exchange(t).Reason)

	// Those of the upstream are answers like any other.
	g = serve(t, setup{next: answers(404, `{"code":5}`, jsonBody), specs: []spec{outer, {response: `if .status == 404 then .body = {error: "Not found!"} else . end`}}})
	a = g.do(t, "GET /v1/a")
	require.Equal(t, 404, a.StatusCode)
	require.Equal(t, `{"error":"Not found!"}`, a.body)
	require.Equal(t, "outer", a.Header.Get("X-Response"))

	// The error of a program is for those outside of it.
	const bad = `error("bad")`
	for _, in := range [][]spec{{outer, {request: bad, error: inner.error}}, {outer, {response: bad, error: inner.error}}} {
		g = serve(t, setup{next: echo, specs: in})
		a = g.do(t, "GET /v1/a")
		require.Equal(t, 500, a.StatusCode)
		require.Equal(t, "PROGRAM_FAILED", a.Header.Get("X-Outer"))
		require.NotContains(t, a.Header, "X-Inner")
		require.Equal(t, "PROGRAM_FAILED", g.exchange(t).Reason)
	}
	// That of a body is the client's, and is for the entry itself too.
	g = serve(t, setup{next: echo, specs: []spec{{request: `.body.b = 1`, error: `.body = {offset: .error.message}`}}})
	a = g.do(t, "POST /v1/a\n"+jsonBody+"\n\n{x")
	require.Equal(t, 400, a.StatusCode)
	require.Contains(t, a.body, "offset")
	a = g.do(t, "POST /v1/a\n"+jsonBody+"\n\n"+strings.Repeat(" ", limit+1))
	require.Equal(t, 413, a.StatusCode)
	require.Contains(t, a.body, "offset")

	// An error program that fails leaves the plain error to those outside.
	g = serve(t, setup{next: gatewayError, specs: []spec{outer, {error: `.headers["x-never"] = "1" | .status = 99`}}})
	a = g.do(t, "GET /v1/a")
	require.Equal(t, 503, a.StatusCode)
	require.Contains(t, a.body, "no connection")
	require.NotContains(t, a.Header, "X-Never")
	require.Equal(t, "UPSTREAM_UNREACHABLE", a.Header.Get("X-Outer"))
	x := g.exchange(t)
	require.Equal(t, "UPSTREAM_UNREACHABLE", x.Reason)
	require.Contains(t, x.Log[0].String(), "transform[1]")
}

func TestRefuse(t *testing.T) {
	c, err := transform.New(specs(t, []spec{{request: `error("never")`, error: `.body = {sorry: .error.reason}`}}), options())
	require.NoError(t, err)
	g := serve(t, setup{next: func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
		x.Entry = nil
		c.Refuse(w, r, x, rpc.Errorf(rpc.NoRoute, "none"))
	}})
	a := g.do(t, "GET /nowhere")
	require.Equal(t, 404, a.StatusCode)
	require.Equal(t, `{"sorry":"NO_ROUTE"}`, a.body)
}

func TestNew(t *testing.T) {
	p, err := jq.Compile(`.bodi = 1`, jq.Config{Name: "transform[0].request"})
	require.NoError(t, err)
	_, err = transform.New([]transform.Spec{{Name: "transform[0]", Request: p}}, options())
	require.ErrorContains(t, err, `transform[0].request: "bodi" is no key of a view`)
}

func TestNothingToDo(t *testing.T) {
	c, err := transform.New(nil, options())
	require.NoError(t, err)
	next := &struct{ route.Handler }{}
	require.Same(t, next, c.Wrap(entry(t), next))
	c, err = transform.New(specs(t, []spec{{error: `.`}}), options())
	require.NoError(t, err)
	e := entry(t)
	e.Protocol = "grpc"
	require.Same(t, next, c.Wrap(e, next), "errors of gRPC are its own")
	require.NotSame(t, next, c.Wrap(entry(t), next))
	require.Nil(t, (*transform.Chain)(nil).Describe(e))
}

// A handler that goes on after the chain has answered is told, and what it notes of
// its own answer is not what came of it.
func TestAnswered(t *testing.T) {
	g := serve(t, setup{specs: []spec{{response: `.status = 99`}}, next: func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
		w.WriteHeader(200)
		if _, err := io.WriteString(w, "more"); err == nil {
			t.Error("a write succeeds")
		}
		if http.NewResponseController(w).Flush() == nil {
			t.Error("a flush succeeds")
		}
		x.Code, x.Reason, x.Error, x.Failure = 0, "", nil, nil
	}})
	a := g.do(t, "GET /v1/a")
	require.Equal(t, 500, a.StatusCode)
	require.NotContains(t, a.body, "more")
	x := g.exchange(t)
	require.Equal(t, "PROGRAM_FAILED", x.Reason)
	require.Equal(t, 13, x.Code)
	require.Error(t, x.Error)
	require.NotNil(t, x.Failure)
}
