package rest_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

func hurried(s *transcoder.Settings) { s.UnaryTimeout = 50 * time.Millisecond }

// TestBodyStalls has clients promise a body and then stop: the deadline counts
// from the beginning of the request, so the handler does not wait for ever.
func TestBodyStalls(t *testing.T) {
	for _, tt := range []struct{ name, request string }{
		{"half of a body", "POST /v1/things/search HTTP/1.1\nHost: x\nContent-Length: 50\n\n{\"na"},
		{"half of a chunk", "POST /v1/things/search HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n10\n{\"na"},
		{"a body that nobody wants", "GET /v1/things/a HTTP/1.1\nHost: x\nContent-Length: 5\n\n"},
		{"the request of a stream", "GET /v1/stream/a HTTP/1.1\nHost: x\nContent-Length: 5\n\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGateway(t, hurried)
			c := g.dial(t)
			write(t, c, "%s", tt.request)
			got := read(t, bufio.NewReader(c))
			require.Equal(t, http.StatusGatewayTimeout, got.StatusCode, got.body)
			require.Equal(t, "DEADLINE_EXCEEDED", got.Header.Get("X-Dragoman-Error"))
			require.Equal(t, 4, got.status(t).Code)
			require.True(t, got.Close, "the rest of the body would be taken for a request")
			<-g.exchanges
		})
	}
	t.Run("HTTP/2", func(t *testing.T) {
		g := newGateway(t, hurried, http2{})
		body, out := io.Pipe()
		defer out.Close()
		go func() { _, _ = io.WriteString(out, `{"na`) }()
		got := g.send(t, g.request(t, "POST /v1/things/search", body))
		require.Equal(t, http.StatusGatewayTimeout, got.StatusCode, got.body)
		require.Equal(t, "DEADLINE_EXCEEDED", got.Header.Get("X-Dragoman-Error"))
		<-g.exchanges
	})
}

// TestBodyDeadlineEnds has a stream outlive the time in which its request had to
// come.
func TestBodyDeadlineEnds(t *testing.T) {
	api := newAPI(t)
	for version, name := range map[int]string{1: "HTTP/1.1", 2: "HTTP/2"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := api.newMemory(t, "R14", http.MethodPost, local(func(ctx context.Context, call *rpc.Call, sink rpc.Sink) {
					time.Sleep(time.Minute)
					if ctx.Err() == nil {
						_ = sink.Message(call.Request)
					}
					sink.End(rpc.Status{}, nil)
				}), hurried)
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://memory/v1/stream", strings.NewReader(`{}`))
				require.NoError(t, err)
				resp, err := m.client(t, version).Do(r)
				require.NoError(t, err)
				defer resp.Body.Close()
				body, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.Equal(t, version, resp.ProtoMajor)
				require.Equal(t, http.StatusOK, resp.StatusCode)
				require.Equal(t, "[{}]", string(body))
			})
		})
	}
}

// TestReaderStalls has a client stop reading a stream that has a deadline: its
// handler ends soon after that.
func TestReaderStalls(t *testing.T) {
	big := newAPI(t).wire(t, "Req", `name: "`+strings.Repeat("x", 1<<20)+`"`)
	g := newGateway(t, func(s *transcoder.Settings) { s.StreamTimeout = 50 * time.Millisecond }, func(_ []byte, stream grpc.ServerStream) error {
		for {
			if err := send(stream, big); err != nil {
				return err
			}
		}
	})
	write(t, g.dial(t), "GET /v1/stream/a HTTP/1.1\nHost: x\n\n")
	require.NotZero(t, (<-g.exchanges).Code)
}

// TestWriteDeadlineEnds uses a connection again after the deadline of a stream
// that it carried.
func TestWriteDeadlineEnds(t *testing.T) {
	g := newGateway(t, func(s *transcoder.Settings) { s.StreamTimeout = time.Millisecond * 50 })
	c := g.dial(t)
	in := bufio.NewReader(c)
	write(t, c, "GET /v1/stream/a HTTP/1.1\nHost: x\n\n")
	require.Equal(t, `[{"name":"a"}]`, read(t, in).body)
	<-time.After(1200 * time.Millisecond)
	write(t, c, "GET /v1/things/a HTTP/1.1\nHost: x\n\n")
	require.Equal(t, `{"name":"a"}`, read(t, in).body)
}
