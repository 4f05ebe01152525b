package rest_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

func TestUnary(t *testing.T) {
	g := newGateway(t)
	for _, c := range []struct{ name, line, body, want string }{
		{"A01", "GET /v1/things/abc", "", `{"name":"abc"}`},
		{"A10", "GET /v1/things/a:b", "", `{"name":"a:b"}`},
		{"A11", "POST /v1/things/a:b:cancel", "{}", `{"name":"a:b"}`},
		{"A19", "GET /v1/things/search", "", `{"name":"search"}`},
		{"A36", "GET /v1/lit/aa/xx", "", `{"name":"aa"}`},
		{"A38 GET", "GET /v1/any/z", "", `{"name":"z"}`},
		{"A38 DELETE", "DELETE /v1/any/z", "", `{"name":"z"}`},
		{"A38 FOO", "FOO /v1/any/z", "", `{"name":"z"}`},
		{"A62", "POST /t.v1.T/Unbound", `{"name":"x","i32":1}`, `{"name":"x","i32":1}`},
		{"A62 beside a rule", "POST /t.v1.T/R1", `{"name":"x"}`, `{"name":"x"}`},
		{"B24", "GET /v1/things/n?sub.name=x&sub.size=3", "", `{"name":"n","sub":{"name":"x","size":3}}`},
		{"C05", "POST /v1/star/p", "", `{"name":"p"}`},
		{"C18", "PATCH /v1/body/p", `{"name":"s","size":3}`, `{"name":"p","sub":{"name":"s","size":3}}`},
		{"C35", "GET /v1/things/n", `whatever`, `{"name":"n"}`},
		{"D25", "POST /t.v1.T/Unbound", ``, `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := g.do(t, c.line, c.body)
			require.Equal(t, c.want, a.body)
			require.Equal(t, http.StatusOK, a.StatusCode)
			require.Equal(t, "application/json", a.Header.Get("Content-Type"))
			require.Equal(t, int64(len(c.want)), a.ContentLength)
			x := <-g.exchanges
			require.Equal(t, 0, x.Code)
			require.Empty(t, x.Reason)
			require.Equal(t, int64(len(c.body)), x.RequestBytes)
		})
	}
}

func TestHead(t *testing.T) {
	g := newGateway(t)
	for name, line := range map[string]string{"A40": "HEAD /v1/head/z", "A41": "HEAD /v1/things/z"} {
		t.Run(name, func(t *testing.T) {
			a := g.do(t, line, "")
			require.Equal(t, http.StatusOK, a.StatusCode)
			require.Empty(t, a.body)
			require.Equal(t, "application/json", a.Header.Get("Content-Type"))
			require.Equal(t, int64(len(`{"name":"z"}`)), a.ContentLength)
		})
	}
	t.Run("A41 error", func(t *testing.T) {
		a := g.do(t, "HEAD /v1/things/z?nope=1", "")
		require.Equal(t, http.StatusBadRequest, a.StatusCode)
		require.Empty(t, a.body)
		require.Positive(t, a.ContentLength)
	})
	t.Run("A41 stream", func(t *testing.T) {
		a := g.do(t, "HEAD /v1/stream/z", "")
		require.Equal(t, http.StatusOK, a.StatusCode)
		require.Empty(t, a.body)
	})
}

func TestContentTypes(t *testing.T) {
	g := newGateway(t)
	for _, c := range []struct {
		name string
		line string
		want int
	}{
		{"C37", "", 200},
		{"C38", "Content-Type: application/json; charset=utf-8", 200},
		{"C38 case", "Content-Type: Application/JSON", 200},
		{"C39 curl", "Content-Type: application/x-www-form-urlencoded", 200},
		{"suffix", "Content-Type: application/merge-patch+json", 200},
		{"text/json", "Content-Type: text/json", 200},
		{"text/plain", "Content-Type: text/plain", 415},
		{"bare suffix", "Content-Type: +json", 415},
		{"C40", "Content-Type: multipart/form-data; boundary=x", 415},
		{"identity", "Content-Encoding: identity", 200},
		{"C41 another encoding", "Content-Encoding: br", 415},
	} {
		t.Run(c.name, func(t *testing.T) {
			var headers []string
			if c.line != "" {
				headers = append(headers, c.line)
			}
			a := g.do(t, "POST /v1/star/p", `{"i32":1}`, headers...)
			require.Equal(t, c.want, a.StatusCode, a.body)
			if c.want == 415 {
				require.Equal(t, int(codes.InvalidArgument), a.status(t).Code)
				require.Equal(t, string(rpc.UnsupportedMediaType), a.Header.Get(rpc.ErrorHeader))
			}
			// A rule that does not want the body does not mind its type.
			require.Equal(t, 200, g.do(t, "GET /v1/things/p", "x", headers...).StatusCode)
		})
	}
}

func TestBodyLimit(t *testing.T) {
	const limit = 100 << 10
	g := newGateway(t, func(s *transcoder.Settings) { s.MaxRequestBytes = limit })
	body := func(n int) string { return `"` + strings.Repeat("x", n-2) + `"` }
	for _, line := range []string{"POST /v1/bodies/scalar/p", "GET /v1/things/p"} {
		for _, c := range []struct {
			name string
			size int
			want int
		}{{"C42 most", limit, 200}, {"C42 over", limit + 1, 413}, {"C42 far over", 3 * limit, 413}} {
			t.Run(c.name, func(t *testing.T) {
				for name, r := range map[string]io.Reader{
					"by length": strings.NewReader(body(c.size)),
					"in chunks": io.MultiReader(strings.NewReader(body(c.size))),
				} {
					a := g.send(t, g.request(t, line, r))
					require.Equal(t, c.want, a.StatusCode, "%s: %.200s", name, a.body)
					if c.want == 413 {
						require.Equal(t, int(codes.ResourceExhausted), a.status(t).Code)
						require.Contains(t, a.status(t).Message, "102400")
					}
				}
			})
		}
	}
}

// However a body arrives, it is the same body.
func TestBodyInPieces(t *testing.T) {
	g := newGateway(t)
	t.Run("C22", func(t *testing.T) {
		const body = `{"name":"p","sub":{"name":"é","size":3},"rs":["a","\u00e9"]}`
		want := g.do(t, "POST /v1/star/p", body).body
		a := g.send(t, g.request(t, "POST /v1/star/p", iotest.OneByteReader(strings.NewReader(body))))
		require.Equal(t, http.StatusOK, a.StatusCode, a.body)
		require.Equal(t, want, a.body)
		for end := range len(body) {
			a := g.do(t, "POST /v1/star/p", body[:end])
			if end == 0 {
				require.Equal(t, `{"name":"p"}`, a.body)
			} else {
				require.Equal(t, http.StatusBadRequest, a.StatusCode, "%q", body[:end])
			}
		}
	})
}

// A client that waits for 100 Continue gets it only for a body that is wanted.
func TestExpectContinue(t *testing.T) {
	g := newGateway(t, func(s *transcoder.Settings) { s.MaxRequestBytes = 100 })
	c := g.dial(t)
	in := bufio.NewReader(c)
	write(t, c, "POST /v1/star/p HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: 9\n\n")
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "100 Continue")
	_, err = in.ReadString('\n')
	require.NoError(t, err)
	write(t, c, `{"i32":1}`)
	resp := read(t, in)
	require.Equal(t, 200, resp.StatusCode)

	c = g.dial(t)
	in = bufio.NewReader(c)
	write(t, c, "POST /v1/star/p HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: 101\n\n")
	resp = read(t, in)
	require.Equal(t, 413, resp.StatusCode)
}

func TestMetadata(t *testing.T) {
	g := newGateway(t, func(request []byte, stream grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(stream.Context())
		if err := stream.SetHeader(metadata.Pairs("x-seen", strings.Join(md["x-in"], ","), "x-raw-bin", "\xff\x00",
			"x-dragoman-error", "forged", "content-language", "en")); err != nil {
			return err
		}
		stream.SetTrailer(metadata.Pairs("x-cost", "3"))
		return echo(request, stream)
	})
	a := g.do(t, "GET /v1/things/a", "", "X-In: 1", "X-In: 2", "Grpc-Status: 5")
	require.Equal(t, 200, a.StatusCode)
	t.Run("E22", func(t *testing.T) {
		require.Equal(t, "1,2", a.Header.Get("X-Seen"))
		require.Equal(t, "3", a.Header.Get("X-Cost"))
	})
	t.Run("E20", func(t *testing.T) {
		require.Equal(t, "/wA", a.Header.Get("X-Raw-Bin"))
		require.Equal(t, 400, g.do(t, "GET /v1/things/a", "", "X-Data-Bin: !!").StatusCode)
	})
	require.Empty(t, a.Header.Get(rpc.ErrorHeader), "only the gateway may say that it made an error")
	require.Empty(t, a.Header.Get("Content-Language"))
}

// C36, E16: the upstream's call is cancelled when the client leaves, also if the
// client sent a body that nobody wanted.
func TestClientLeaves(t *testing.T) {
	started, cancelled := make(chan struct{}), make(chan struct{})
	g := newGateway(t, func(_ []byte, stream grpc.ServerStream) error {
		started <- struct{}{}
		<-stream.Context().Done()
		cancelled <- struct{}{}
		return stream.Context().Err()
	})
	for name, line := range map[string]string{"E16": "POST /v1/star/p", "C36": "GET /v1/things/p", "E16 stream": "GET /v1/stream/p"} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			r := g.request(t, line, strings.NewReader("{}")).WithContext(ctx)
			go func() {
				<-started
				cancel()
			}()
			resp, err := g.server.Client().Do(r)
			if err == nil {
				resp.Body.Close()
			}
			require.ErrorIs(t, err, context.Canceled)
			<-cancelled
			x := <-g.exchanges
			require.Equal(t, string(rpc.ClientClosed), x.Reason)
			require.Equal(t, int(codes.Canceled), x.Code)
		})
	}
}

// A body that stops before its end calls nobody.
func TestBodyCutShort(t *testing.T) {
	g := newGateway(t)
	c := g.dial(t)
	write(t, c, "POST /v1/star/p HTTP/1.1\nHost: x\nContent-Length: 9\n\n{")
	require.NoError(t, c.(*net.TCPConn).CloseWrite())
	x := <-g.exchanges
	require.Equal(t, string(rpc.ClientClosed), x.Reason)

	c = g.dial(t)
	write(t, c, "POST /v1/star/p HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\nnonsense\n")
	resp := read(t, bufio.NewReader(c))
	require.Equal(t, 400, resp.StatusCode)
}

func TestDeadline(t *testing.T) {
	g := newGateway(t, func(_ []byte, stream grpc.ServerStream) error {
		<-stream.Context().Done()
		return status.FromContextError(stream.Context().Err()).Err()
	})
	for name, header := range map[string]string{"grpc-timeout": "Grpc-Timeout: 20m", "seconds": "X-Server-Timeout: 0.02"} {
		t.Run("E17 "+name, func(t *testing.T) {
			a := g.do(t, "GET /v1/things/a", "", header)
			require.Equal(t, http.StatusGatewayTimeout, a.StatusCode)
			require.Equal(t, int(codes.DeadlineExceeded), a.status(t).Code)
		})
	}
	t.Run("E18", func(t *testing.T) {
		require.Equal(t, 400, g.do(t, "GET /v1/things/a", "", "Grpc-Timeout: 5X").StatusCode)
	})
}
