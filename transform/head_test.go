package transform_test

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

func both(t *testing.T, test func(t *testing.T, http2 bool)) {
	t.Run("HTTP1", func(t *testing.T) { test(t, false) })
	t.Run("HTTP2", func(t *testing.T) { test(t, true) })
}

func TestHeadOfRequests(t *testing.T) {
	both(t, func(t *testing.T, http2 bool) {
		g := serve(t, setup{http2: http2, next: echo, specs: []spec{
			{request: `.headers["x-one"] = .headers["x-in"] | .headers["x-many"] = ["a", "b"]`},
			{request: `.headers["x-two"] = .headers["x-one"] + "!" | .headers["x-in"] = null | .query.q = [.vars.name, .route] | .host = "other.example.com"`},
			{when: `.headers["x-two"] == "no"`, request: `.headers["x-never"] = "1"`},
		}})
		s := g.do(t, "POST /v1/a%20b?z=1\nX-In: in\nX-Empty: \nCookie: a=1\n\n\x00\xffbinary").seen(t)
		require.Equal(t, []string{"in"}, s.Header["X-One"])
		require.Equal(t, []string{"a", "b"}, s.Header["X-Many"])
		require.Equal(t, []string{"in!"}, s.Header["X-Two"])
		require.NotContains(t, s.Header, "X-In")
		require.NotContains(t, s.Header, "X-Never")
		require.Equal(t, []string{""}, s.Header["X-Empty"])
		require.Equal(t, "z=1&q=a+b&q=r", s.Query)
		require.Equal(t, "/v1/a%20b?z=1&q=a+b&q=r", s.URI)
		require.Equal(t, "other.example.com", s.Host)
		require.Equal(t, int64(len("\x00\xffbinary")), s.Length)
	})
}

func TestHeadOfAnswers(t *testing.T) {
	both(t, func(t *testing.T, http2 bool) {
		g := serve(t, setup{http2: http2, outside: http.Header{"Vary": {"Accept-Encoding"}, "X-Outside": {"1"}},
			next: answers(200, "\x00\xff", "Set-Cookie: a=1", "Set-Cookie: b=2", "Content-Type: image/png", "Vary: Origin", "X-Gone: 1"),
			specs: []spec{
				{response: `.status = 202 | .headers["x-path"] = .path + " " + $request.headers["x-in"] | .headers["x-seen"] = (.headers | keys | join(" "))`},
				{request: `.headers["x-in"] = "changed"`, response: `.headers["x-gone"] = null | .headers["set-cookie"] += ["c=3"] | .log = {n: 1, o: {a: 1}}`},
			}})
		a := g.do(t, "GET /v1/a\nX-In: in")
		require.Equal(t, 202, a.StatusCode)
		require.Equal(t, []string{"a=1", "b=2", "c=3"}, a.Header["Set-Cookie"])
		require.Equal(t, "/v1/a changed", a.Header.Get("X-Path"))
		require.Equal(t, "content-type set-cookie vary x-path", a.Header.Get("X-Seen"))
		require.NotContains(t, a.Header, "X-Gone")
		require.Equal(t, []string{"Accept-Encoding", "Origin"}, a.Header["Vary"])
		require.Equal(t, "1", a.Header.Get("X-Outside"))
		require.Equal(t, "\x00\xff", a.body)
		x := g.exchange(t)
		require.Equal(t, "n=1", x.Log[0].String())
		require.Equal(t, `o={"a":1}`, x.Log[1].String())
	})
}

// Each entry asks its own predicate.
func TestPredicates(t *testing.T) {
	g := serve(t, setup{next: echo, specs: []spec{
		{when: `.headers["x-in"]`, request: `.headers["x-a"] = "1"`},
		{when: `.headers["x-none"]`, request: `.headers["x-b"] = "1"`},
		{when: `.method == "POST"`, request: `.headers["x-c"] = .body.c`},
		{when: `.body.none`, request: `.headers["x-d"] = "1"`},
	}})
	s := g.do(t, "POST /v1/a\nX-In: 1\n"+jsonBody+"\n\n{\"c\":1}").seen(t)
	require.Contains(t, s.Header, "X-A")
	require.NotContains(t, s.Header, "X-B")
	require.Contains(t, s.Header, "X-C")
	require.NotContains(t, s.Header, "X-D")
}
