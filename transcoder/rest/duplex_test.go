package rest_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// nameOf is field 1 of a message, and what else it has in angle brackets.
func nameOf(wire []byte) string {
	name, rest := "", ""
	for len(wire) > 0 {
		number, kind, n := protowire.ConsumeTag(wire)
		size := protowire.ConsumeFieldValue(number, kind, wire[n:])
		if text, m := protowire.ConsumeBytes(wire[n:]); number == 1 && m > 0 {
			name = string(text)
		} else {
			rest += fmt.Sprintf("<%d:%x>", number, wire[n:n+size])
		}
		wire = wire[n+size:]
	}
	return name + rest
}

// collector answers the names of all its requests, joined by commas.
func collector(stream grpc.ServerStream) error {
	var names []string
	for {
		var request []byte
		err := stream.RecvMsg(&request)
		if errors.Is(err, io.EOF) {
			text := fmt.Sprintf("%d: %s", len(names), strings.Join(names, ","))
			return send(stream, protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), text))
		}
		if err != nil {
			return err
		}
		names = append(names, nameOf(request))
	}
}

// echoer answers each request with itself.
func echoer(stream grpc.ServerStream) error {
	for {
		var request []byte
		err := stream.RecvMsg(&request)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = send(stream, request)
		}
		if err != nil {
			return err
		}
	}
}

var versions = []struct {
	name string
	opts []any
}{{"HTTP 1.1", nil}, {"HTTP 2", []any{http2{}}}}

func TestClientStream(t *testing.T) {
	const lines = "Content-Type: application/x-ndjson"
	const array = "Content-Type: application/json"
	for _, c := range []struct{ name, line, body, header, want string }{
		{"F09", "POST /v1/upload/p", `[{"i32":1},{"i32":2},{"name":"p"}]`, array, "3: p<2:01>,<2:02>,p"},
		{"F10", "POST /v1/upload", `[]`, array, "0: "},
		{"F10 with a path", "POST /v1/upload/p", `[]`, array, "0: "},
		{"F12", "POST /v1/upload/p/rs", `[["a","b"],["c"],[]]`, array, "3: p<11:0161><11:0162>,<11:0163>,"},
		{"F13", "POST /v1/upload", "{\"name\":\"a\"}\n\n{\"name\":\"b\"}", lines, "2: a,b"},
		{"F14", "POST /v1/upload", "", array, "0: "},
		{"by its first byte, lines", "POST /v1/upload", "{\"name\":\"a\"}\n{\"name\":\"b\"}\n", "X: y", "2: a,b"},
		{"by its first byte, array", "POST /v1/upload", ` [{"name":"a"}]`, "X: y", "1: a"},
		{"as curl says", "POST /v1/upload", `{"name":"a"}`, "Content-Type: application/x-www-form-urlencoded", "1: a"},
		{"jsonl", "POST /v1/upload", `{"name":"a"}`, "Content-Type: application/jsonl; charset=utf-8", "1: a"},
		{"by its own name", "POST /t.v1.T/Upload", `[{"name":"a"},{}]`, array, "2: a,"},
		{"without a body", "GET /v1/upload/p?i32=7", "", "X: y", "1: p<2:07>"},
		{"query beside a field", "POST /v1/upload/p/rs?i32=7", `[["a"],["b"]]`, array, "2: p<11:0161><2:07>,<11:0162>"},
	} {
		for _, v := range versions {
			t.Run(c.name+" "+v.name, func(t *testing.T) {
				g := newGateway(t, append([]any{streaming(collector)}, v.opts...)...)
				a := g.do(t, c.line, c.body, c.header)
				require.Equal(t, http.StatusOK, a.StatusCode, a.body)
				require.Contains(t, a.body, fmt.Sprintf(`"name":%q`, c.want))
				require.False(t, a.Close, "the connection can be used again")
				x := <-g.exchanges
				require.EqualValues(t, len(c.body), x.RequestBytes)
				require.Zero(t, x.Code)
			})
		}
	}
	t.Run("F18", func(t *testing.T) {
		g := newGateway(t, streaming(collector))
		const many = 5000
		a := g.do(t, "POST /v1/upload", "["+strings.Repeat(`{},`, many-1)+"{}]", array)
		require.Contains(t, a.body, fmt.Sprintf(`{"name":"%d: ,`, many))
	})
	t.Run("bind_all", func(t *testing.T) {
		g := newGateway(t, streaming(collector), func(s *transcoder.Settings) { s.Stream.BindAll = true })
		a := g.do(t, "POST /v1/upload/p", `[{"i32":1},{"i32":2},{}]`)
		require.Equal(t, `{"name":"3: p\u003c2:01\u003e,p\u003c2:02\u003e,p"}`, strings.NewReplacer("<", `\u003c`, ">", `\u003e`).Replace(a.body))
	})
	t.Run("codings", func(t *testing.T) {
		const body = `[{"name":"a"},{"name":"b"}]`
		var zipped bytes.Buffer
		z := gzip.NewWriter(&zipped)
		_, _ = io.WriteString(z, body)
		require.NoError(t, z.Close())
		e, err := zstd.NewWriter(nil)
		require.NoError(t, err)
		g := newGateway(t, streaming(collector))
		for coding, bytes := range map[string][]byte{"gzip": zipped.Bytes(), "zstd": e.EncodeAll([]byte(body), nil)} {
			a := g.do(t, "POST /v1/upload", string(bytes), array, "Content-Encoding: "+coding)
			require.Equal(t, `{"name":"2: a,b"}`, a.body)
			require.EqualValues(t, len(bytes), (<-g.exchanges).RequestBytes)
			a = g.do(t, "POST /v1/upload", string(bytes[:len(bytes)-5]), array, "Content-Encoding: "+coding)
			require.Equal(t, 400, a.StatusCode, a.body)
			<-g.exchanges
		}
		a := g.do(t, "POST /v1/upload", body, array, "Content-Encoding: br")
		require.Equal(t, 415, a.StatusCode)
		require.NotEmpty(t, a.Header.Get("Accept-Encoding"))
	})
}

func TestStreamRequestsThatAreWrong(t *testing.T) {
	for _, c := range []struct {
		name, line, body, header string
		status                   int
		want, element            string
	}{
		{"F11", "POST /v1/upload", `{"name":"a"}`, "Content-Type: application/json", 400, `want a JSON array`, "0"},
		{"an element", "POST /v1/upload", `[{},{"name":"a"},{"nope":1}]`, "X: y", 400, `element 2, at byte 17: body: `, "2"},
		{"a line", "POST /v1/upload", "{}\n{\"i32\":\n1}", "X: y", 400, `element 1, at byte 3: body: `, "1"},
		{"cut", "POST /v1/upload", `[{},{`, "X: y", 400, "the body ends within its array, after 1 elements", "1"},
		{"more", "POST /v1/upload", `[{}] {}`, "X: y", 400, "there is more behind the array", "1"},
		{"too large", "POST /v1/upload", `[{"name":"` + strings.Repeat("a", 5000) + `"}]`, "X: y", 413, "element 0 is larger than 4000 bytes", "0"},
		{"the path", "POST /v1/upload/p", `[{"name":"q"}]`, "X: y", 400, "element 0, at byte 1: ", "0"},
		{"the path, later", "POST /v1/upload/p", `[{},{"name":"p"},{"name":"q"}]`, "X: y", 400, "element 2, at byte 17: body: name: \"q\" differs from what the path has set", "2"},
		{"the query", "POST /v1/upload?nope=1", `[]`, "X: y", 400, "nope", ""},
		{"the type", "POST /v1/upload", `[]`, "Content-Type: text/csv", 415, "application/x-ndjson", ""},
		{"the timeout", "POST /v1/upload", `[]`, "Grpc-Timeout: x", 400, "grpc-timeout", ""},
		{"both ways", "POST /v1/chat", `[{"nope":1}]`, "X: y", 400, `element 0, at byte 1`, "0"},
		{"both ways, the query", "POST /v1/chat?nope=1", `[]`, "X: y", 400, `nope`, ""},
	} {
		for _, v := range versions {
			t.Run(c.name+" "+v.name, func(t *testing.T) {
				backend := collector
				if strings.Contains(c.line, "chat") {
					backend = echoer
				}
				g := newGateway(t, append([]any{streaming(backend), func(s *transcoder.Settings) { s.MaxRequestBytes = 4000 }}, v.opts...)...)
				a := g.do(t, c.line, c.body, c.header)
				require.Equal(t, c.status, a.StatusCode, a.body)
				st := a.status(t)
				require.Contains(t, st.Message, c.want)
				if c.element != "" {
					require.Equal(t, map[string]any{"element": c.element}, st.Details[0]["metadata"])
				}
				require.NotEmpty(t, (<-g.exchanges).Reason)
			})
		}
	}
	t.Run("HTTP 1.0", func(t *testing.T) {
		g := newGateway(t, streaming(collector))
		for _, path := range []string{"/v1/upload", "/v1/chat"} {
			c := g.dial(t)
			write(t, c, "POST %s HTTP/1.0\nContent-Length: 2\n\n[]", path)
			require.Equal(t, http.StatusHTTPVersionNotSupported, read(t, bufio.NewReader(c)).StatusCode)
		}
	})
}

// pieces is a request body that a test writes piece by piece.
func pieces(t *testing.T) (io.Reader, func(string)) {
	r, w := io.Pipe()
	t.Cleanup(func() { _ = w.Close() })
	return r, func(text string) {
		if text == "" {
			_ = w.Close()
			return
		}
		_, err := io.WriteString(w, text)
		require.NoError(t, err)
	}
}

// TestDuplexAtOnce is row F15 in both directions: an element reaches the upstream
// before the next one is written, and its answer the client.
func TestDuplexAtOnce(t *testing.T) {
	for _, v := range versions {
		for _, c := range []struct {
			name, media   string
			sent, answers []string
			end           string
		}{
			{"array", "application/json", []string{`[{"name":"a"}`, `,{"name":"b"}`, `,{},`}, []string{`[{"name":"a"}`, `,{"name":"b"}`, `,{}`}, `{}]`},
			{"lines", "application/x-ndjson", []string{"{\"name\":\"a\"}\n", "{\"name\":\"b\"}\n"}, []string{`[{"name":"a"}`, `,{"name":"b"}`}, "\n{}"},
		} {
			t.Run(c.name+" "+v.name, func(t *testing.T) {
				g := newGateway(t, append([]any{streaming(echoer)}, v.opts...)...)
				body, write := pieces(t)
				go write(c.sent[0])
				resp, err := g.server.Client().Do(g.request(t, "POST /v1/chat", body, "Content-Type: "+c.media))
				require.NoError(t, err)
				defer resp.Body.Close()
				for i, want := range c.answers {
					if i > 0 {
						write(c.sent[i])
					}
					got := make([]byte, len(want))
					_, err := io.ReadFull(resp.Body, got)
					require.NoError(t, err)
					require.Equal(t, want, string(got))
				}
				write(c.end)
				write("")
				rest, err := io.ReadAll(resp.Body)
				require.NoError(t, err)
				require.Equal(t, ",{}]", string(rest))
				require.Zero(t, (<-g.exchanges).Code)
			})
		}
	}
}

// The first element is there before the second one is sent, whatever compresses
// the body, if its writer flushes.
func TestElementsReachTheUpstream(t *testing.T) {
	for _, coding := range []string{"", "gzip", "zstd"} {
		for _, v := range versions {
			t.Run(coding+" "+v.name, func(t *testing.T) {
				got := make(chan string)
				g := newGateway(t, append([]any{streaming(func(stream grpc.ServerStream) error {
					for {
						var request []byte
						if err := stream.RecvMsg(&request); err != nil {
							return send(stream, nil)
						}
						got <- nameOf(request)
					}
				})}, v.opts...)...)
				body, w := io.Pipe()
				var out interface {
					io.WriteCloser
					Flush() error
				} = plainWriter{w}
				switch coding {
				case "gzip":
					out = gzip.NewWriter(w)
				case "zstd":
					e, err := zstd.NewWriter(w)
					require.NoError(t, err)
					out = e
				}
				wrote := make(chan struct{})
				go func() {
					defer close(wrote)
					for _, name := range []string{"a", "b", "c"} {
						_, _ = fmt.Fprintf(out, "{\"name\":%q}\n", name)
						_ = out.Flush()
						if name != <-got {
							_ = w.CloseWithError(errors.New("another one came"))
						}
					}
					_ = out.Close()
					_ = w.Close()
				}()
				a := g.send(t, g.request(t, "POST /v1/upload", body, "Content-Type: application/ndjson", "Content-Encoding: "+coding))
				require.Equal(t, "{}", a.body)
				<-wrote
			})
		}
	}
}

type plainWriter struct{ io.WriteCloser }

func (plainWriter) Flush() error { return nil }

// TestUpstreamEndsFirst: the status of a call that ended does not wait for who is
// still sending.
func TestUpstreamEndsFirst(t *testing.T) {
	refuse := func(stream grpc.ServerStream) error {
		var request []byte
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		return status.Error(codes.FailedPrecondition, "enough")
	}
	for _, v := range versions {
		for _, path := range []string{"/v1/upload", "/v1/chat"} {
			t.Run(path+" "+v.name, func(t *testing.T) {
				g := newGateway(t, append([]any{streaming(refuse)}, v.opts...)...)
				body, write := pieces(t)
				go write(`[{},`)
				a := g.send(t, g.request(t, "POST "+path, body))
				require.Equal(t, http.StatusBadRequest, a.StatusCode)
				require.Equal(t, "enough", a.status(t).Message)
				require.Equal(t, int(codes.FailedPrecondition), (<-g.exchanges).Code)
				require.Equal(t, v.opts == nil, a.Close)
			})
		}
		t.Run("after its answers "+v.name, func(t *testing.T) {
			g := newGateway(t, append([]any{streaming(func(stream grpc.ServerStream) error { return send(stream, nil) })}, v.opts...)...)
			body, write := pieces(t)
			go write(`[{},`)
			a := g.send(t, g.request(t, "POST /v1/chat", body))
			require.NoError(t, a.err)
			require.Equal(t, `[{}]`, a.body)
			require.Zero(t, (<-g.exchanges).Code)
		})
	}
	t.Run("nothing more is read of a client that goes on and on", func(t *testing.T) {
		g := newGateway(t, streaming(refuse))
		c := g.dial(t)
		write(t, c, "POST /v1/upload HTTP/1.1\nHost: x\nTransfer-Encoding: chunked\n\n2\n[{\n2\n},\n")
		a := read(t, bufio.NewReader(c))
		require.Equal(t, "enough", a.status(t).Message)
		require.True(t, a.Close)
		_, err := io.Copy(c, endless{})
		require.Error(t, err)
		<-g.exchanges
	})
}

type endless struct{}

func (endless) Read(p []byte) (int, error) {
	return copy(p, strings.Repeat("1\r\n \r\n", 1000)), nil
}

// An error of the request after the answer has begun breaks the answer, and ends
// the upstream's call.
func TestElementBreaksAnAnswer(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			ended := make(chan error, 1)
			g := newGateway(t, append([]any{streaming(func(stream grpc.ServerStream) error {
				err := echoer(stream)
				ended <- err
				return err
			})}, v.opts...)...)
			body, write := pieces(t)
			go write(`[{"name":"a"}`)
			resp, err := g.server.Client().Do(g.request(t, "POST /v1/chat", body))
			require.NoError(t, err)
			defer resp.Body.Close()
			_, err = io.ReadFull(resp.Body, make([]byte, len(`[{"name":"a"}`)))
			require.NoError(t, err)
			write(`,{"nope":1}`)
			rest, err := io.ReadAll(resp.Body)
			require.Error(t, err)
			require.Empty(t, rest)
			require.Equal(t, codes.Canceled, status.Code(<-ended))
			x := <-g.exchanges
			require.Equal(t, string(rpc.InvalidBody), x.Reason)
		})
	}
}

// A client that leaves while it sends ends the upstream's call.
func TestClientLeavesWhileSending(t *testing.T) {
	for _, v := range versions {
		for _, path := range []string{"/v1/upload", "/v1/chat"} {
			t.Run(path+" "+v.name, func(t *testing.T) {
				came, ended := make(chan struct{}), make(chan error, 1)
				g := newGateway(t, append([]any{streaming(func(stream grpc.ServerStream) error {
					var request []byte
					err := stream.RecvMsg(&request)
					close(came)
					if err == nil {
						err = stream.RecvMsg(&request)
					}
					ended <- err
					return err
				})}, v.opts...)...)
				body, w := io.Pipe()
				go func() {
					_, _ = io.WriteString(w, `[{},`)
					<-came
					_ = w.CloseWithError(errors.New("gone"))
				}()
				resp, err := g.server.Client().Do(g.request(t, "POST "+path, body))
				if err == nil {
					_ = resp.Body.Close()
				}
				require.Equal(t, codes.Canceled, status.Code(<-ended))
				require.Equal(t, string(rpc.ClientClosed), (<-g.exchanges).Reason)
			})
		}
	}
}

// A request that lasts longer than a unary call may is none, but the deadline of
// streams ends it.
func TestStreamRequestDeadline(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			g := newGateway(t, append([]any{streaming(collector), func(s *transcoder.Settings) {
				s.UnaryTimeout, s.StreamTimeout = time.Millisecond, 300*time.Millisecond
			}}, v.opts...)...)
			for _, path := range []string{"/v1/upload", "/v1/chat"} {
				body, write := pieces(t)
				go write(`[{},`)
				a := g.send(t, g.request(t, "POST "+path, body))
				require.Equal(t, http.StatusGatewayTimeout, a.StatusCode)
				// The service, which knows the deadline, may have been the first.
				require.Equal(t, int(codes.DeadlineExceeded), (<-g.exchanges).Code)
			}
			body, write := pieces(t)
			go func() {
				write(`[{},`)
				time.Sleep(20 * time.Millisecond) // longer than a unary call may last
				write(`{}]`)
				write("")
			}()
			a := g.send(t, g.request(t, "POST /v1/upload", body))
			require.Equal(t, `{"name":"2: ,"}`, a.body)
		})
	}
}

// Expect: 100-continue is answered when the body is wanted, and only then.
func TestStreamExpects(t *testing.T) {
	g := newGateway(t, streaming(collector))
	c := g.dial(t)
	in := bufio.NewReader(c)
	write(t, c, "POST /v1/upload HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: 4\n\n")
	require.Equal(t, http.StatusContinue, read(t, in).StatusCode)
	write(t, c, "[{}]")
	require.Equal(t, `{"name":"1: "}`, read(t, in).body)

	c = g.dial(t)
	write(t, c, "POST /v1/upload?nope=1 HTTP/1.1\nHost: x\nExpect: 100-continue\nContent-Length: 4\n\n")
	a := read(t, bufio.NewReader(c))
	require.Equal(t, http.StatusBadRequest, a.StatusCode)
	require.True(t, a.Close)
}

// A slow upstream stops the reading: what is held does not depend on what is sent.
func TestSlowUpstreamStopsTheClient(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			release := make(chan struct{})
			g := newGateway(t, append([]any{streaming(func(stream grpc.ServerStream) error {
				<-release
				for n := 0; ; n++ {
					var request []byte
					if err := stream.RecvMsg(&request); errors.Is(err, io.EOF) {
						return send(stream, protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), uint64(n)))
					} else if err != nil {
						return err
					}
				}
			})}, v.opts...)...)
			element := `{"i32":1,"sv":"` + strings.Repeat("a", 1<<10) + `"}` + "\n"
			body := &counted{text: []byte(element), left: 64 << 10}
			answers := make(chan answer, 1)
			go func() {
				resp, err := g.server.Client().Do(g.request(t, "POST /v1/upload", body, "Content-Type: application/ndjson"))
				if err != nil {
					answers <- answer{err: err}
					return
				}
				defer resp.Body.Close()
				text, err := io.ReadAll(io.LimitReader(resp.Body, 16))
				answers <- answer{Response: resp, body: string(text), err: err}
			}()
			body.untilStalled(t, 64<<20)
			close(release)
			a := <-answers
			require.NoError(t, a.err)
			require.Equal(t, `{"i32":65536}`, a.body)
		})
	}
}
