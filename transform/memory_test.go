package transform_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestInputsAreNotMixed holds that what a program takes over from its input stays as
// it is, although the memory of inputs is used again.
func TestInputsAreNotMixed(t *testing.T) {
	g := serve(t, setup{next: answers(200, `{"from": "upstream"}`, jsonBody, "X-Up: 1"), specs: []spec{
		{response: `.headers["x-last"] = "1"`, when: `.headers["x-up"] == "1"`},
		{response: `.headers["x-more"] = $request.headers["x-in"]`},
		{
			request:  `.headers["x-first"] = "1" | .log = {in: .headers}`,
			response: `.body = {up: .headers, sent: $request.headers, was: .body} | .headers["x-own"] = "1"`,
		},
		{request: `if .headers["x-respond"] then .respond = {body: .headers} else . end`},
		{request: `.headers["x-other"] = "2"`},
	}})
	for range 3 {
		a := g.do(t, "GET /v1/a\nX-In: in\nUser-Agent: a\nAccept-Encoding: identity")
		require.JSONEq(t, `{
			"up": {"content-type": "application/json", "x-up": "1"}, "was": {"from": "upstream"},
			"sent": {"x-in": "in", "user-agent": "a", "accept-encoding": "identity", "x-first": "1", "x-other": "2"}
		}`, a.body)
		require.Equal(t, "in", a.Header.Get("X-More"))
		require.Equal(t, "1", a.Header.Get("X-Last"))
		require.Equal(t, `in={"accept-encoding":"identity","user-agent":"a","x-first":"1","x-in":"in"}`, g.exchange(t).Log[0].String())

		a = g.do(t, "GET /v1/a\nX-In: in\nX-Respond: 1\nUser-Agent: a\nAccept-Encoding: identity")
		require.JSONEq(t, `{"up": {}, "was": {
			"x-in": "in", "x-respond": "1", "user-agent": "a", "accept-encoding": "identity", "x-first": "1"
		}, "sent": {"x-in": "in", "x-respond": "1", "user-agent": "a", "accept-encoding": "identity", "x-first": "1"}}`, a.body)
		g.exchange(t)
	}
}
