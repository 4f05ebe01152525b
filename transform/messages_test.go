package transform_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform"
)

// lines is a handler of a stream: each line of the body is a message, and so is
// each of the answer, which has as many as the request; it shows them as handlers of
// streams do.
func lines(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	var requests, responses bool
	if x.Messages != nil {
		requests, responses = x.Messages.Wants()
	}
	in := bufio.NewScanner(r.Body)
	first := true
	fail := func(err *rpc.Error) {
		if first {
			refuse(w, r, x, err)
			return
		}
		x.Reason = string(err.Reason)
		_, _ = io.WriteString(w, "error "+string(err.Reason)+"\n")
	}
	n := 0
	for in.Scan() {
		n++
		message := in.Bytes()
		if requests {
			out, err := x.Messages.Request(nil, message, r)
			if err != nil {
				fail(err)
				return
			}
			message = out
		}
		answer := []byte(`{"got":` + string(message) + `,"h":"` + r.Header.Get("X-H") + `","q":"` + r.URL.RawQuery + `"}`)
		if responses {
			out, err := x.Messages.Response(nil, answer)
			if err != nil {
				fail(err)
				return
			}
			answer = out
		}
		if first {
			w.Header().Set("Content-Type", "application/x-ndjson")
			w.WriteHeader(200)
			first = false
		}
		_, _ = w.Write(append(answer, '\n'))
		if http.NewResponseController(w).Flush() != nil {
			return
		}
	}
	if n == 0 {
		if requests {
			if _, err := x.Messages.Request(nil, nil, r); err != nil {
				fail(err)
				return
			}
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		w.Header().Set("X-Saw", r.Header.Get("X-H"))
		w.WriteHeader(200)
	}
}

func stream(t testing.TB) *route.Entry {
	e := entry(t)
	e.In, e.Out = []string{"array", "ndjson"}, []string{"ndjson"}
	return e
}

func TestMessages(t *testing.T) {
	both(t, func(t *testing.T, http2 bool) {
		g := serve(t, setup{http2: http2, entry: stream(t), next: lines, specs: []spec{
			{request: `.headers["x-h"] = .headers["x-in"] + (.body.a | tostring)`},
			{request: `.body.b = .body.a + 1 | .query.a = .body.a`, response: `.headers["x-first"] = .body.got.b | .status = 201 | .body |= (.got + {h, q})`},
			{response: `.body.n = 12345678901234567890`, when: `.method == "POST"`},
		}})
		a := g.do(t, "POST /v1/a\nX-In: h\n\n{\"a\":1}\n{\"a\":2}\n{\"a\":3}\n")
		require.Equal(t, 201, a.StatusCode)
		require.Equal(t, `{"a":1,"b":2,"h":"h1","q":"a=1"}
{"a":2,"b":3,"h":"h1","q":"a=1"}
{"a":3,"b":4,"h":"h1","q":"a=1"}
`, a.body)
		require.Equal(t, "2", a.Header.Get("X-First"))
		require.Equal(t, "application/x-ndjson", a.Header.Get("Content-Type"))
	})
}

func TestNoMessages(t *testing.T) {
	g := serve(t, setup{entry: stream(t), next: lines, specs: []spec{
		{request: `.headers["x-h"] = (.body == null)`, response: `.headers["x-b"] = (.body == null) | .body.n = 1`},
	}})
	a := g.do(t, "POST /v1/a\n")
	require.Equal(t, 200, a.StatusCode)
	require.Equal(t, "true", a.Header.Get("X-B"))
	require.Equal(t, "true", a.Header.Get("X-Saw"))
	require.Empty(t, a.body)
}

// What nobody looks at is not shown.
func TestUnwantedMessages(t *testing.T) {
	for _, in := range [][]spec{heads, {{when: `false`, request: `.body.a = 1`}}, {{error: `.body.a = 1`}}} {
		g := serve(t, setup{entry: stream(t), specs: in, next: func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
			if x.Messages != nil {
				t.Error("messages are wanted")
			}
			lines(w, r, x)
		}})
		require.Equal(t, 200, g.do(t, "POST /v1/a\n\n{}\n").StatusCode)
	}
}

func TestFailuresOfMessages(t *testing.T) {
	outer := spec{error: `.body = {e: .error.reason}`}
	for _, c := range []struct {
		name, in string
		spec     spec
		status   int
		want     string
	}{
		{"first request", "{}\n", spec{request: `.body |= error("x")|.body.a=1|.headers.x=.body.y`}, 500, `{"e":"PROGRAM_FAILED"}`},
		{"first answer", "{}\n", spec{response: `if .body.got then error("x") else . end`}, 500, `{"e":"PROGRAM_FAILED"}`},
		{"malformed", "{\n", spec{request: `.body.a = 1`}, 400, `{"e":"INVALID_BODY"}`},
		{"removed", "{}\n", spec{request: `.body = null`}, 500, `{"e":"PROGRAM_FAILED"}`},
		{"too late", "{}\n", spec{request: `.path = "/" + .body.p`}, 500, `{"e":"PROGRAM_FAILED"}`},
		{"second request", "{}\n{\"bad\":1}\n", spec{request: `if .body.bad then error("x") else .body.a = 1 end`}, 200, "{\"got\":{\"a\":1},\"h\":\"\",\"q\":\"\"}\nerror PROGRAM_FAILED\n"},
		{"second answer", "{}\n{\"bad\":1}\n", spec{response: `if .body.got.bad then error("x") else .body = 1 end`}, 200, "1\nerror PROGRAM_FAILED\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options()
			o.Rematch = func(*http.Request, *route.Exchange) (route.Handler, *rpc.Error) { panic("never") }
			g := serve(t, setup{entry: stream(t), next: lines, options: o, specs: []spec{outer, c.spec}})
			a := g.do(t, "POST /v1/a\n\n"+c.in)
			require.Equal(t, c.status, a.StatusCode, a.body)
			require.Equal(t, c.want, a.body)
		})
	}
}

// An answer in place of a stream's is one like any other.
func TestRespondsToStream(t *testing.T) {
	g := serve(t, setup{entry: stream(t), next: lines, specs: []spec{
		{response: `.headers["x-outer"] = "1"`},
		{request: `if .body.no then .respond = {status: 403, body: {sorry: .body.no}} else . end`},
	}})
	a := g.do(t, "POST /v1/a\n\n{\"no\":1}\n")
	require.Equal(t, 403, a.StatusCode)
	require.Equal(t, `{"sorry":1}`, a.body)
	require.Equal(t, "1", a.Header.Get("X-Outer"))
	require.NotContains(t, a.Header, "X-Dragoman-Error")
	x := g.exchange(t)
	require.Empty(t, x.Reason)
	require.Nil(t, x.Failure)
}

// An answer that is none of a stream is taken in whole.
func TestErrorsOfStreams(t *testing.T) {
	g := serve(t, setup{entry: stream(t), next: answers(404, `{"code":5}`, jsonBody), specs: []spec{{response: `.body.s = .status`}}})
	require.Equal(t, `{"code":5,"s":404}`, g.do(t, "POST /v1/a\n\n{}\n").body)
}

// Messages of a chain around another one go through both.
func TestChainsInChains(t *testing.T) {
	inner, err := transform.New(specs(t, []spec{{request: `.body.i = (.body.o + 1)`, response: `.body.i = 1`}}), options())
	require.NoError(t, err)
	h := inner.Wrap(stream(t), handler(lines))
	g := serve(t, setup{entry: stream(t), next: h.Serve, specs: []spec{{request: `.body.o = 1`, response: `.body.o = (.body.i + 1)`}}})
	require.Equal(t, `{"got":{"i":2,"o":1},"h":"","i":1,"o":2,"q":""}`+"\n", g.do(t, "POST /v1/a\n\n{}\n").body)
}

// grpcCall is a handler as that of native gRPC: one message, and the status behind
// the answer.
func grpcCall(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	data, _ := io.ReadAll(r.Body)
	if x.Messages != nil {
		requests, responses := x.Messages.Wants()
		var err *rpc.Error
		if requests {
			if data, err = x.Messages.Request(nil, data, r); err != nil {
				refuseRPC(w, r, x, err)
				return
			}
		}
		if responses {
			if data, err = x.Messages.Response(nil, data); err != nil {
				refuseRPC(w, r, x, err)
				return
			}
		}
	}
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("X-Got", r.Header.Get("X-H"))
	w.WriteHeader(200)
	_, _ = w.Write(data)
	w.Header().Set(http.TrailerPrefix+"Grpc-Status", "0")
}

func refuseRPC(w http.ResponseWriter, _ *http.Request, x *route.Exchange, err *rpc.Error) {
	st := err.Status()
	x.Code, x.Reason, x.Failure = int(st.Code), string(st.Reason), err
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Grpc-Status", st.Code.String())
	w.Header().Set("Grpc-Message", st.Message)
}

func TestNativeGRPC(t *testing.T) {
	e := entry(t)
	e.Protocol = "grpc"
	o := options()
	o.Refuse = refuseRPC
	call := func(body string, in ...spec) answer {
		g := serve(t, setup{http2: true, entry: e, options: o, next: grpcCall, specs: in})
		return g.do(t, "POST /v1/a\nContent-Type: application/grpc\nGrpc-Timeout: 1S\n\n"+body)
	}
	a := call(`{"a":1}`, spec{request: `.body.b = (.headers | keys | contains(["grpc-timeout"])) | .headers["x-h"] = .body.a`, response: `.body.c = .status | .headers["x-r"] = "1"`})
	require.Equal(t, `{"a":1,"b":false,"c":200}`, a.body)
	require.Equal(t, "1", a.Header.Get("X-Got"))
	require.Equal(t, "1", a.Header.Get("X-R"))
	require.Equal(t, "0", a.Trailer.Get("Grpc-Status"))

	for name, in := range map[string]spec{
		"head":         {response: `.status = 403`},
		"message":      {response: `if .body.a then .status = 403 | .body = {message: "not you"} else . end`},
		"respond":      {request: `.respond = {status: 403, body: "not you"}`},
		"respond late": {request: `if .body.a then .respond = {status: 403, body: {message: "not you"}} else . end`},
	} {
		t.Run(name, func(t *testing.T) {
			a := call(`{"a":1}`, spec{response: `.headers["x-r"] = "1"`, error: `.headers["x-e"] = "1"`}, in)
			require.Equal(t, codes.PermissionDenied.String(), a.Header.Get("Grpc-Status"))
			if name != "head" {
				require.Equal(t, "not you", a.Header.Get("Grpc-Message"))
			}
			require.NotContains(t, a.Header, "X-E")
		})
	}
	for _, in := range []spec{{request: `.path = "/x"`}, {request: `.host = "x"`}, {request: `.respond = {}`}, {request: `.headers["grpc-timeout"] = "1S"`}, {response: `error("x")`}, {request: `.body |= error("x")`}} {
		a := call(`{}`, in)
		require.Equal(t, codes.Internal.String(), a.Header.Get("Grpc-Status"), in)
		require.Contains(t, a.Header.Get("Grpc-Message"), "transform[0]")
	}
}

func TestRematch(t *testing.T) {
	other := entry(t)
	other.Route = "r"
	o := options()
	o.Rematch = func(r *http.Request, x *route.Exchange) (route.Handler, *rpc.Error) {
		if r.URL.Path == "/gone" {
			return nil, rpc.Errorf(rpc.NoRoute, "no route for %s", r.URL.Path)
		}
		x.Entry, x.Path = other, r.URL.EscapedPath()
		x.Captures = append(x.Captures[:0], route.Span{Start: 4, End: len(x.Path)})
		return handler(func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
			w.Header().Set("X-Rematched", r.Method)
			echo(w, r, x)
		}), nil
	}
	g := serve(t, setup{next: echo, options: o, specs: []spec{
		{request: `if .headers.foo == "bar" then .path = "/v1/p%2Fost" | .method = "POST" else . end`, response: `.headers["x-vars"] = .vars.name | .headers["x-path"] = .path`, error: `.body.e = .error.reason`},
		{request: `if .headers.gone then .path = "/gone" else . end`},
	}})
	a := g.do(t, "GET /v1/a?q=1\nFoo: bar")
	s := a.seen(t)
	require.Equal(t, "POST", s.Method)
	require.Equal(t, "/v1/p%2Fost", s.Path)
	require.Equal(t, "/v1/p%2Fost?q=1", s.URI)
	require.Equal(t, "POST", a.Header.Get("X-Rematched"))
	require.Equal(t, "p%2Fost", a.Header.Get("X-Vars"), "several segments keep it")
	require.Equal(t, "/v1/p%2Fost", a.Header.Get("X-Path"))
	a = g.do(t, "GET /v1/a")
	require.Empty(t, a.Header.Get("X-Rematched"))
	a = g.do(t, "GET /v1/a\nGone: 1")
	require.Equal(t, 404, a.StatusCode)
	require.Contains(t, a.body, `"e":"NO_ROUTE"`)
}

// Before the route is chosen, next finds what fits the request as it is then.
func TestEarly(t *testing.T) {
	c, err := transform.New(specs(t, []spec{{request: `.path = "/v1/other" | .headers.r = (.route | tostring) | .body.a = 1`, response: `.headers["x-resp"] = .path`, error: `.body.e = 1`}}), options())
	require.NoError(t, err)
	next := handler(func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
		if r.Header.Get("Refuse") != "" {
			gatewayError(w, r, x)
			return
		}
		echo(w, r, x)
	})
	h := c.Wrap(nil, next)
	g := serve(t, setup{next: func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
		x.Entry, x.Path = nil, ""
		h.Serve(w, r, x)
	}})
	a := g.do(t, "POST /nowhere\n"+jsonBody+"\n\n{}")
	s := a.seen(t)
	require.Equal(t, "/v1/other", s.Path)
	require.Equal(t, "/v1/other", s.URI)
	require.Equal(t, "null", s.Header.Get("R"))
	require.Equal(t, `{"a":1}`, s.Body)
	require.Equal(t, "/v1/other", a.Header.Get("X-Resp"))
	require.Contains(t, g.do(t, "POST /nowhere\nRefuse: 1\n"+jsonBody+"\n\n{}").body, `"e":1`)
}

func TestTrace(t *testing.T) {
	c, err := transform.New(specs(t, []spec{
		{request: `.headers["x-a"] = "1"`, response: `.body.c = 3`},
		{when: `false`, request: `.body.never = 1`},
		{request: `.body.b = 2`},
	}), options())
	require.NoError(t, err)
	var trace *transform.Trace
	g := serve(t, setup{next: func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
		var next route.Handler
		if r.Header.Get("Answer") != "" {
			next = answers(200, `{"z":1}`, jsonBody)
		}
		trace = c.Trace(w, r, x, next)
	}})
	a := g.do(t, "POST /v1/a\n"+jsonBody+"\n\n{}")
	require.Empty(t, a.body)
	require.Len(t, trace.Steps, 3)
	require.Equal(t, `transform[0] of route "r": request`, trace.Steps[0].Program)
	require.NotContains(t, trace.Steps[0].Before["headers"], "x-a")
	require.Equal(t, "1", trace.Steps[0].After["headers"].(map[string]any)["x-a"])
	require.False(t, trace.Steps[1].Ran)
	require.Equal(t, map[string]any{}, trace.Steps[2].Before["body"])
	require.Equal(t, map[string]any{"b": 2}, trace.Steps[2].After["body"])
	body, err := io.ReadAll(trace.Request.Body)
	require.NoError(t, err)
	require.Equal(t, `{"b":2}`, string(body))

	a = g.do(t, "POST /v1/a\nAnswer: 1\n"+jsonBody+"\n\n{}")
	require.Equal(t, `{"c":3,"z":1}`, a.body)
	require.Len(t, trace.Steps, 4)
	require.Equal(t, map[string]any{"z": 1}, trace.Steps[3].Before["body"])

	lines := c.Describe(entry(t))
	require.Len(t, lines, 4)
	require.Equal(t, `transform[0] of route "r": request reads nothing; changes headers.x-a`, lines[0])
	require.Contains(t, lines[1], "only when false")
	require.Contains(t, lines[3], `transform[0] of route "r": response reads`)
	require.Contains(t, strings.Join(c.Describe(stream(t)), "\n"), "for each message")
}
