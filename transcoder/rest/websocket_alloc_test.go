package rest_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

// TestWebSocketAllocations: what a session allocates does not depend on how many
// messages it has.
func TestWebSocketAllocations(t *testing.T) {
	if rest.RaceDetector {
		t.Skip("under the race detector, pools forget on purpose")
	}
	const count = 50_000
	wire := newAPI(t).wire(t, "Req", `name: "some name" i32: 7`)
	up := local(func(_ context.Context, call *rpc.Call, sink rpc.Sink) {
		call.Request.Release()
		for range count {
			b := rpc.NewBuffer()
			b.B = append(b.B, wire...)
			if sink.Message(b) != nil {
				break
			}
		}
		sink.End(rpc.Status{}, nil)
	})
	api, settings := newAPI(t), transcoder.DefaultSettings()
	routes, err := rest.New().Routes(api.endpoint(t, api.method(t, "R14"), up, &settings))
	require.NoError(t, err)
	var handler route.Handler
	for _, r := range routes {
		if r.Method == transcoder.MethodWebSocket && handler == nil {
			handler = r.Handler
		}
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler.Serve(w, r, &route.Exchange{Path: "/v1/stream/n", Captures: []route.Span{{Start: 11, End: 12}}})
	}))
	defer srv.Close()
	conn, err := net.Dial("tcp", srv.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	write(t, conn, "GET /v1/stream/n HTTP/1.1\nHost: a\nConnection: Upgrade\nUpgrade: websocket\n"+
		"Sec-WebSocket-Version: 13\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\n\n")
	n, err := io.Copy(io.Discard, bufio.NewReaderSize(conn, 64<<10))
	require.NoError(t, err)
	runtime.ReadMemStats(&after)
	require.Greater(t, n, int64(count*len(`{"name":"some name","i32":7}`)))
	each := float64(after.Mallocs-before.Mallocs) / count
	t.Logf("%.3f allocations a message", each)
	// Pools are emptied by the garbage collector now and then.
	require.Less(t, each, 0.1)
}
