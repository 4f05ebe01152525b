package rest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// half is how the client's half of a stream ends.
type half uint8

const (
	// ends: with its last message.
	ends half = iota
	// endsLater: at the same time as the upstream's half.
	endsLater
	// open: not before the upstream's, though nothing more is sent.
	open
	// goesOn: not before the upstream's, and it goes on sending.
	goesOn
	// leaves: in the middle.
	leaves
	// endsAndLeaves: with its last message, and then the client does not wait for
	// the answer.
	endsAndLeaves
)

// callee is the upstream's side of one call.
type callee struct {
	grpc.ServerStream
	// many says that the method answers with many messages.
	many bool
	// ready is closed by the upstream when the client may end, or leave.
	ready chan struct{}
}

func (c *callee) take(n int) error {
	for range n {
		var request []byte
		if err := c.RecvMsg(&request); err != nil {
			return err
		}
	}
	return nil
}

// drain reads to the end of the client's half, which must be a good one.
func (c *callee) drain() error {
	for {
		if err := c.take(1); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// say answers: with one message, if there can be only one.
func (c *callee) say(n int) error {
	if !c.many {
		n = 1
	}
	for range n {
		if err := send(c, nil); err != nil {
			return err
		}
	}
	return nil
}

// wait waits until the call has been cancelled.
func (c *callee) wait() error {
	close(c.ready)
	<-c.Context().Done()
	return c.Context().Err()
}

var errEnough = status.Error(codes.FailedPrecondition, "enough")

// halfCloses are the orders in which a call can end: what the client does, and what
// the upstream does meanwhile.
var halfCloses = []struct {
	name   string
	client half
	// size is about that of each of the client's messages.
	size   int
	server func(*callee) error
	// messages are answered, and then the call ends with code, if the client is
	// still there.
	messages int
	code     codes.Code
}{
	{
		name: "the client, then the upstream with all of its answers", client: ends, messages: 3,
		server: func(c *callee) error { return cmp.Or(c.drain(), c.say(3)) },
	},
	{
		name: "the client, then the upstream with an error", client: ends, code: codes.FailedPrecondition,
		server: func(c *callee) error { return cmp.Or(c.drain(), errEnough) },
	},
	{
		name: "the client, then the upstream with an error after answers", client: ends, messages: 2, code: codes.FailedPrecondition,
		server: func(c *callee) error { return cmp.Or(c.drain(), c.say(2), errEnough) },
	},
	{
		name: "the upstream, with answers outstanding", client: open, messages: 3,
		server: func(c *callee) error { return cmp.Or(c.take(1), c.say(3)) },
	},
	{
		name: "the upstream, which has read nothing", client: open, messages: 1,
		server: func(c *callee) error { return c.say(1) },
	},
	{
		name: "the upstream, which has read nothing of much", client: open, size: 1 << 20, messages: 1,
		server: func(c *callee) error { return c.say(1) },
	},
	{
		name: "the upstream, with an error, which has read nothing", client: open, code: codes.FailedPrecondition,
		server: func(*callee) error { return errEnough },
	},
	{
		name: "the upstream, with an error, which has read nothing of much", client: open, size: 1 << 20, code: codes.FailedPrecondition,
		server: func(*callee) error { return errEnough },
	},
	{
		name: "the upstream, with an error after answers", client: open, messages: 2, code: codes.FailedPrecondition,
		server: func(c *callee) error { return cmp.Or(c.take(1), c.say(2), errEnough) },
	},
	{
		name: "the upstream, while the client goes on", client: goesOn, messages: 3,
		server: func(c *callee) error { return cmp.Or(c.take(1), c.say(3)) },
	},
	{
		name: "the upstream, with an error, while the client goes on", client: goesOn, size: 64 << 10, code: codes.FailedPrecondition,
		server: func(c *callee) error { return cmp.Or(c.take(1), errEnough) },
	},
	{
		name: "both at the same time", client: endsLater, messages: 1,
		server: func(c *callee) error {
			defer close(c.ready)
			return c.say(1)
		},
	},
	{
		name: "both at the same time, with an error", client: endsLater, code: codes.FailedPrecondition,
		server: func(c *callee) error {
			defer close(c.ready)
			return errEnough
		},
	},
	{
		name: "the client leaves an upstream that has read nothing", client: leaves,
		server: func(c *callee) error { return c.wait() },
	},
	{
		name: "the client leaves an upstream that has sent its head", client: leaves,
		server: func(c *callee) error {
			return cmp.Or(c.SendHeader(metadata.Pairs("a", "b")), c.take(1), c.wait())
		},
	},
	{
		name: "the client leaves in the middle of answers", client: leaves, messages: 2,
		server: func(c *callee) error { return cmp.Or(c.take(1), c.say(2), c.wait()) },
	},
	{
		name: "the client ends and leaves, and the upstream has sent its head", client: endsAndLeaves,
		server: func(c *callee) error {
			return cmp.Or(c.SendHeader(metadata.Pairs("a", "b")), c.drain(), c.wait())
		},
	},
	{
		name: "the client ends and leaves in the middle of answers", client: endsAndLeaves, messages: 2,
		server: func(c *callee) error { return cmp.Or(c.drain(), c.say(2), c.wait()) },
	},
}

// halfClosed starts a gateway for one call, whose upstream tells ended when it has
// returned.
func halfClosed(t *testing.T, server func(*callee) error, many bool, opts ...any) (g *gateway, ready, ended chan struct{}) {
	ready, ended = make(chan struct{}), make(chan struct{})
	g = newGateway(t, append(opts, streaming(func(stream grpc.ServerStream) error {
		defer close(ended)
		return server(&callee{stream, many, ready})
	}))...)
	return g, ready, ended
}

// element is a message of about size bytes.
func element(size int) string { return fmt.Sprintf(`{"sv":%q}`, strings.Repeat("a", size)) }

// TestHalfClose ends client streams and bidirectional ones in every order. The
// client gets all that was answered before, and the end as it was; the upstream's
// call has ended, and nothing is left running.
func TestHalfClose(t *testing.T) {
	for _, v := range versions {
		for _, path := range []string{"/v1/upload", "/v1/chat"} {
			for _, lines := range []bool{false, true} {
				form := map[bool]string{false: "array", true: "lines"}[lines]
				for _, tt := range halfCloses {
					t.Run(v.name+" "+path+" "+form+" "+tt.name, func(t *testing.T) {
						t.Parallel()
						many := path == "/v1/chat"
						g, ready, ended := halfClosed(t, tt.server, many, v.opts...)
						ctx, cancel := context.WithCancel(t.Context())
						defer cancel()
						body, out := io.Pipe()
						defer out.Close()
						leave := func() {
							<-ready
							cancel()
							// That of HTTP/2 waits for its body, and sees nothing else.
							_ = body.CloseWithError(context.Canceled)
						}
						before, between, behind, media := "[", ",", "]", "application/json"
						if lines {
							before, between, behind, media = "", "\n", "\n", "application/x-ndjson"
						}
						leaving := tt.client == leaves || tt.client == endsAndLeaves
						wrote := make(chan struct{})
						go func() {
							defer close(wrote)
							one := element(tt.size)
							// What is not read any more is no error.
							_, _ = io.WriteString(out, before+one+between+one)
							switch tt.client {
							case goesOn:
								for {
									if _, err := io.WriteString(out, between+one); err != nil {
										return
									}
								}
							case open, leaves:
								_, _ = io.WriteString(out, between)
								return
							case endsLater:
								<-ready
							}
							_, _ = io.WriteString(out, behind)
							_ = out.Close()
						}()
						r := g.request(t, "POST "+path, body, "Content-Type: "+media, "Accept: "+media).WithContext(ctx)
						unanswered := leaving && (!many || tt.messages == 0)
						if unanswered {
							go leave()
						}
						res, err := g.server.Client().Do(r)
						switch {
						case unanswered:
							require.Error(t, err)
						case leaving:
							require.NoError(t, err)
							require.Equal(t, http.StatusOK, res.StatusCode)
							want := strings.TrimSuffix(before+strings.Repeat("{}"+between, tt.messages), between)
							got := make([]byte, len(want))
							_, err = io.ReadFull(res.Body, got)
							require.NoError(t, err)
							require.Equal(t, want, string(got))
							leave()
							_, err = io.ReadAll(res.Body)
							require.Error(t, err)
						default:
							require.NoError(t, err)
							text, err := io.ReadAll(res.Body)
							checkHalfClosed(t, res, string(text), err, many, lines, tt.messages, tt.code)
						}
						if res != nil {
							_ = res.Body.Close()
						}
						<-ended
						x := <-g.exchanges
						if leaving {
							require.Equal(t, string(rpc.ClientClosed), x.Reason, "%v", x.Error)
						} else {
							require.Equal(t, int(tt.code), x.Code)
							require.Empty(t, x.Reason)
						}
						_ = body.Close()
						<-wrote
					})
				}
			}
		}
	}
}

// checkHalfClosed checks the answer of a call that ended with this code, as read
// until err.
func checkHalfClosed(t *testing.T, res *http.Response, text string, err error, many, lines bool, messages int, code codes.Code) {
	t.Helper()
	if code != codes.OK && (!many || messages == 0) {
		require.NoError(t, err)
		require.Equal(t, http.StatusBadRequest, res.StatusCode, text)
		require.Equal(t, "enough", answer{body: text}.status(t).Message)
		return
	}
	require.Equal(t, http.StatusOK, res.StatusCode, text)
	const fault = `{"error":{"code":9,"message":"enough","details":[]}}`
	switch {
	case !many:
		require.NoError(t, err)
		require.Equal(t, "{}", text)
	case lines && code == codes.OK:
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("{}\n", messages), text)
	case lines:
		require.NoError(t, err)
		require.Equal(t, strings.Repeat("{}\n", messages)+fault+"\n", text)
	case code == codes.OK:
		require.NoError(t, err)
		require.Equal(t, "["+strings.TrimSuffix(strings.Repeat("{},", messages), ",")+"]", text)
	default:
		require.Error(t, err, "no client takes it for the whole")
		require.Equal(t, "["+strings.TrimSuffix(strings.Repeat("{},", messages), ","), text)
	}
}

// TestWebSocketHalfClose is [TestHalfClose] over WebSocket, of server streams, too.
// A client leaves by a close frame, or without a word.
func TestWebSocketHalfClose(t *testing.T) {
	for _, path := range []string{"/v1/upload", "/v1/chat", "/v1/stream"} {
		for _, tt := range halfCloses {
			if path == "/v1/stream" && tt.client == goesOn {
				continue // nothing is to be sent behind the one message
			}
			for name, leave := range map[string]func(*websocket.Conn) error{
				"closes":     func(c *websocket.Conn) error { return c.Close(websocket.StatusNormalClosure, "") },
				"disappears": (*websocket.Conn).CloseNow,
			} {
				leaving := tt.client == leaves || tt.client == endsAndLeaves
				if !leaving && name != "closes" {
					continue
				}
				t.Run(path+" "+tt.name+", "+name, func(t *testing.T) {
					t.Parallel()
					many := path != "/v1/upload"
					g, ready, ended := halfClosed(t, tt.server, many)
					c := g.upgrade(t, path)
					c.conn.SetReadLimit(-1)
					wrote := make(chan struct{})
					go func() {
						defer close(wrote)
						// What is not read any more is no error.
						say := func(text string) error {
							return c.conn.Write(t.Context(), websocket.MessageText, []byte(text))
						}
						one := element(tt.size)
						_ = say(one)
						if path == "/v1/stream" {
							return
						}
						_ = say(one)
						switch tt.client {
						case goesOn:
							for say(one) == nil {
							}
							return
						case open, leaves:
							return
						case endsLater:
							<-ready
						}
						_ = say("")
					}()
					if many || !leaving && tt.code == codes.OK {
						n := tt.messages
						if !many {
							n = 1
						}
						for range n {
							c.gets(`{}`)
						}
					}
					switch {
					case leaving:
						<-ready
						<-wrote
						require.NoError(t, leave(c.conn))
					case tt.code != codes.OK:
						c.fails(tt.code, "enough")
					default:
						c.ends(websocket.StatusNormalClosure)
					}
					<-ended
					x := c.over()
					if leaving {
						require.Equal(t, string(rpc.ClientClosed), x.Reason, "%v", x.Error)
					} else {
						require.Equal(t, int(tt.code), x.Code, "%v", x.Error)
						require.Empty(t, x.Reason)
					}
					_ = c.conn.CloseNow()
					<-wrote
				})
			}
		}
	}
}

// A client that says goodbye while answers keep coming is answered in kind, behind
// those that were on their way.
func TestWebSocketGoodbye(t *testing.T) {
	g := newGateway(t, streaming(func(stream grpc.ServerStream) error {
		for send(stream, nil) == nil {
		}
		return nil
	}))
	for range 20 {
		c := g.upgrade(t, "/v1/chat")
		for range 10 {
			c.gets(`{}`)
		}
		require.NoError(t, c.conn.Close(websocket.StatusNormalClosure, ""))
		require.Equal(t, string(rpc.ClientClosed), c.over().Reason)
	}
}

// A client whose connection breaks while it sends has left, over HTTP/2 as well.
func TestConnectionBreaks(t *testing.T) {
	for _, v := range versions {
		for _, path := range []string{"/v1/upload", "/v1/chat"} {
			t.Run(v.name+" "+path, func(t *testing.T) {
				for range 20 {
					g, ready, ended := halfClosed(t, func(c *callee) error { return cmp.Or(c.take(1), c.wait()) }, true, v.opts...)
					client := *g.server.Client()
					transport := client.Transport.(*http.Transport).Clone()
					conns := make(chan net.Conn, 1)
					transport.DialContext = func(ctx context.Context, network, address string) (net.Conn, error) {
						conn, err := new(net.Dialer).DialContext(ctx, network, address)
						conns <- conn
						return conn, err
					}
					client.Transport = transport
					body, out := io.Pipe()
					go func() {
						_, _ = io.WriteString(out, `[{},`)
						<-ready
						_ = (<-conns).Close()
						_ = out.CloseWithError(io.ErrClosedPipe) // the client waits for it
					}()
					_, err := client.Do(g.request(t, "POST "+path, body))
					require.Error(t, err)
					<-ended
					x := <-g.exchanges
					require.Equal(t, string(rpc.ClientClosed), x.Reason, "%v", x.Error)
				}
			})
		}
	}
}

// A client that leaves while the upstream takes none of its messages: HTTP/2 says so
// beside the messages, else idle_timeout ends the call, as nobody reads on.
func TestClientLeavesUnheard(t *testing.T) {
	large := element(1<<20) + "\n"
	for _, path := range []string{"/v1/upload", "/v1/chat"} {
		for _, v := range versions {
			t.Run(v.name+" "+path, func(t *testing.T) {
				// The kernel's buffers are larger than HTTP/2's.
				reason, sent := rpc.ClientClosed, 1
				opts := v.opts
				if opts == nil {
					reason, sent = rpc.DeadlineExceeded, 4
					opts = []any{func(s *transcoder.Settings) { s.Stream.IdleTimeout = 300 * time.Millisecond }}
				}
				g, ready, ended := halfClosed(t, (*callee).wait, true, opts...)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				more := &counted{text: []byte(large), left: 1 << 10}
				body := io.MultiReader(strings.NewReader(strings.Repeat(large, sent)), reached(func() {
					<-ready
					cancel()
				}), more)
				res, err := g.server.Client().Do(g.request(t, "POST "+path, body, "Content-Type: application/x-ndjson").WithContext(ctx))
				if err == nil {
					_ = res.Body.Close() // the call was idle before that
				}
				<-ended
				require.Equal(t, string(reason), (<-g.exchanges).Reason)
			})
		}
		t.Run("WebSocket "+path, func(t *testing.T) {
			g, _, ended := halfClosed(t, (*callee).wait, true, func(s *transcoder.Settings) { s.Stream.IdleTimeout = 300 * time.Millisecond })
			c := g.upgrade(t, path)
			for range 2 { // unless the call was idle before that
				_ = c.conn.Write(t.Context(), websocket.MessageText, []byte(large))
			}
			_ = c.conn.CloseNow()
			<-ended
			require.Equal(t, string(rpc.DeadlineExceeded), c.over().Reason)
		})
	}
}

// reached is what a body calls when it has been read so far.
type reached func()

func (r reached) Read([]byte) (int, error) {
	r()
	return 0, io.EOF
}
