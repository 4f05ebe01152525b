package rest_test

import (
	"bufio"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
	"github.com/dragoman-gateway/dragoman/transform"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// chained puts a chain with these programs around every handler.
func (g *gateway) chained(t testing.TB, request, response, failure string) {
	t.Helper()
	compile := func(src string, variables ...string) *jq.Program {
		if src == "" {
			return nil
		}
		p, err := jq.Compile(src, jq.Config{Name: "test", Variables: variables, Limits: jq.Limits{Time: time.Minute, Memory: 64 << 20}})
		require.NoError(t, err)
		return p
	}
	settings := transcoder.DefaultSettings()
	chain, err := transform.New([]transform.Spec{{
		Name: "test", Request: compile(request), Response: compile(response, "request"), Error: compile(failure, "request"),
	}}, transform.Options{
		MaxRequestBytes: 1 << 20, MaxResponseBytes: 1 << 20, MaxDepth: 100, MaxMemory: 64 << 20,
		Refuse: func(w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error) {
			rest.New().Refuse(w, r, x, err, &settings)
		},
	})
	require.NoError(t, err)
	g.around = func(e *route.Entry) route.Handler { return chain.Wrap(e, e.Handler) }
}

// TestChainEndsUnreadBody has a program end a stream of which the client has more
// to send: what it sends then is never taken for its next request.
func TestChainEndsUnreadBody(t *testing.T) {
	const body = "9\n{\"i32\":1}\n2\n\n\n" // chunks: a message, and the end of its line
	for _, c := range []struct {
		name, path, request, response, failure string
		status                                 int
	}{
		{name: "the program answers", path: "/v1/upload", request: `if .body.i32 == 1 then {respond: {status: 403, body: "no"}} else {} end`, status: 403},
		{name: "the program answers, both ways", path: "/v1/chat", request: `if .body.i32 == 1 then {respond: {status: 403, body: "no"}} else {} end`, status: 403},
		{name: "the program fails", path: "/v1/upload", request: `.body.name = .body.i32`, status: 400},
		{name: "the program over the answer fails", path: "/v1/chat", response: `.body = error("no")`, status: 500},
		{name: "an error is changed", path: "/v1/chat", request: `.body = error("no")`, failure: `.body = {gone: true}`, status: 500},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := newGateway(t, streaming(echoer))
			g.chained(t, c.request, c.response, c.failure)
			conn := g.dial(t)
			write(t, conn, "POST %s HTTP/1.1\nHost: x\nContent-Type: application/x-ndjson\nTransfer-Encoding: chunked\n\n%s", c.path, body)
			in := bufio.NewReader(conn)
			a := read(t, in)
			require.Equal(t, c.status, a.StatusCode, a.body)
			require.True(t, a.Close, "the connection is of no use any more: %v", a.Header)
			_, _ = io.WriteString(conn, "GET /v1/things/smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
			rest, _ := io.ReadAll(in)
			require.Empty(t, rest)
			<-g.exchanges
			require.Empty(t, g.exchanges)
		})
	}
}
