package rest_test

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// named is a stream of messages with these names, and an end.
func (a *api) named(t testing.TB, end error, names ...string) func([]byte, grpc.ServerStream) error {
	return func(_ []byte, stream grpc.ServerStream) error {
		for _, n := range names {
			if err := send(stream, a.wire(t, "Req", fmt.Sprintf("name: %q", n))); err != nil {
				return err
			}
		}
		return end
	}
}

func TestStream(t *testing.T) {
	api := newAPI(t)
	many := make([]string, 5000)
	var array strings.Builder
	for i := range many {
		many[i] = fmt.Sprint(i)
		fmt.Fprintf(&array, `,{"name":"%d"}`, i)
	}
	for _, c := range []struct {
		name    string
		backend func([]byte, grpc.ServerStream) error
		want    string
	}{
		{"F01", api.named(t, nil, "1", "2", "3"), `[{"name":"1"},{"name":"2"},{"name":"3"}]`},
		{"F02", api.named(t, nil), `[]`},
		{"F03", api.named(t, nil, "", ""), `[{},{}]`},
		{"F18", api.named(t, nil, many...), `[` + array.String()[1:] + `]`},
		{"head", func(request []byte, stream grpc.ServerStream) error {
			if err := stream.SendHeader(metadata.Pairs("x-head", "1")); err != nil {
				return err
			}
			return echo(request, stream)
		}, `[{"name":"n"}]`},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, opts := range [][]any{{c.backend}, {c.backend, http2{}}} {
				g := newGateway(t, opts...)
				for _, a := range []answer{g.do(t, "GET /v1/stream/n", ""), g.do(t, "POST /v1/stream", `{"name":"n"}`)} {
					require.NoError(t, a.err)
					require.Equal(t, http.StatusOK, a.StatusCode)
					require.Equal(t, len(opts), a.ProtoMajor)
					require.Equal(t, "application/json", a.Header.Get("Content-Type"))
					require.Equal(t, c.want, a.body)
					x := <-g.exchanges
					require.Equal(t, 0, x.Code)
					if c.name == "head" {
						require.Equal(t, "1", a.Header.Get("X-Head"))
					}
				}
			}
		})
	}
}

// An error after the first element must not look like the end, and what came
// before it must arrive.
func TestStreamBreaks(t *testing.T) {
	api := newAPI(t)
	bad := func(_ []byte, stream grpc.ServerStream) error {
		if err := api.named(t, nil, "1", "2")(nil, stream); err != nil {
			return err
		}
		if err := send(stream, []byte("\x0a\x05x")); err != nil {
			return err
		}
		<-stream.Context().Done() // the gateway cancels the call
		return stream.Context().Err()
	}
	for _, c := range []struct {
		name    string
		backend func([]byte, grpc.ServerStream) error
		code    codes.Code
		reason  rpc.Reason
	}{
		{"F06", api.named(t, status.Error(codes.DataLoss, "m"), "1", "2"), codes.DataLoss, ""},
		{"D11", bad, codes.Internal, rpc.UpstreamProtocol},
	} {
		for _, opts := range [][]any{{c.backend}, {c.backend, http2{}}} {
			t.Run(fmt.Sprintf("%s HTTP/%d", c.name, len(opts)), func(t *testing.T) {
				g := newGateway(t, opts...)
				a := g.do(t, "GET /v1/stream/n", "")
				require.Equal(t, http.StatusOK, a.StatusCode)
				require.Equal(t, `[{"name":"1"},{"name":"2"}`, a.body)
				require.Error(t, a.err, "the client must see that the answer is not whole")
				x := <-g.exchanges
				require.Equal(t, int(c.code), x.Code)
				require.Equal(t, string(c.reason), x.Reason)
			})
		}
	}
}

// On the socket, a stream that broke has no last chunk.
func TestStreamBreaksOnTheWire(t *testing.T) {
	g := newGateway(t, newAPI(t).named(t, status.Error(codes.DataLoss, "m"), "1"))
	c := g.dial(t)
	write(t, c, "GET /v1/stream/n HTTP/1.1\nHost: x\n\n")
	got, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Contains(t, string(got), `[{"name":"1"}`)
	require.NotContains(t, string(got), "\r\n0\r\n")
	require.NotContains(t, string(got), "]")
}

func TestStreamErrorBeforeTheFirstMessage(t *testing.T) {
	g := newGateway(t, newAPI(t).named(t, status.Error(codes.NotFound, "no such thing")))
	t.Run("F08", func(t *testing.T) {
		a := g.do(t, "GET /v1/stream/n", "")
		require.Equal(t, http.StatusNotFound, a.StatusCode)
		require.Equal(t, `{"code":5,"message":"no such thing","details":[]}`, a.body)
	})
	t.Run("bad request", func(t *testing.T) {
		a := g.do(t, "GET /v1/stream/n?nope=1", "")
		require.Equal(t, http.StatusBadRequest, a.StatusCode)
	})
}

func TestStreamFlushes(t *testing.T) {
	api, more := newAPI(t), make(chan struct{})
	g := newGateway(t, func(_ []byte, stream grpc.ServerStream) error {
		for _, name := range []string{"1", "2"} {
			if err := api.named(t, nil, name)(nil, stream); err != nil {
				return err
			}
			<-more
		}
		return nil
	})
	t.Run("F15", func(t *testing.T) {
		resp, err := g.server.Client().Do(g.request(t, "GET /v1/stream/n", nil))
		require.NoError(t, err)
		defer resp.Body.Close()
		for _, want := range []string{`[{"name":"1"}`, `,{"name":"2"}`} {
			got := make([]byte, len(want))
			_, err := io.ReadFull(resp.Body, got)
			require.NoError(t, err)
			require.Equal(t, want, string(got))
			more <- struct{}{}
		}
		rest, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "]", string(rest))
	})
}

func TestStreamOverHTTP10(t *testing.T) {
	g := newGateway(t)
	c := g.dial(t)
	write(t, c, "GET /v1/stream/n HTTP/1.0\n\n")
	resp := read(t, bufio.NewReader(c))
	require.Equal(t, http.StatusHTTPVersionNotSupported, resp.StatusCode)
	require.Equal(t, string(rpc.StreamOverHTTP10), resp.Header.Get(rpc.ErrorHeader))

	c = g.dial(t)
	write(t, c, "GET /v1/things/n HTTP/1.0\n\n")
	resp = read(t, bufio.NewReader(c))
	require.Equal(t, http.StatusOK, resp.StatusCode, "unary calls are served")
}

// A client that leaves in the middle of a stream ends the upstream's call.
func TestStreamClientLeaves(t *testing.T) {
	api, gone := newAPI(t), make(chan struct{})
	g := newGateway(t, func(_ []byte, stream grpc.ServerStream) error {
		if err := api.named(t, nil, "1")(nil, stream); err != nil {
			return err
		}
		<-stream.Context().Done()
		close(gone)
		return stream.Context().Err()
	})
	resp, err := g.server.Client().Do(g.request(t, "GET /v1/stream/n", nil))
	require.NoError(t, err)
	_, err = io.ReadFull(resp.Body, make([]byte, 5))
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	<-gone
	x := <-g.exchanges
	require.Equal(t, string(rpc.ClientClosed), x.Reason)
}
