package rest_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

// chat echoes every message until the client has no more.
func chat(stream grpc.ServerStream) error {
	for {
		var request []byte
		if err := stream.RecvMsg(&request); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := send(stream, request); err != nil {
			return err
		}
	}
}

// caller is the client's end of a WebSocket.
type caller struct {
	t    testing.TB
	g    *gateway
	conn *websocket.Conn
}

// upgrade opens a WebSocket; headers are lines.
func (g *gateway) upgrade(t testing.TB, path string, headers ...string) *caller {
	t.Helper()
	options := &websocket.DialOptions{HTTPClient: g.server.Client(), HTTPHeader: http.Header{}}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		options.HTTPHeader.Add(name, value)
	}
	conn, res, err := websocket.Dial(t.Context(), "ws"+strings.TrimPrefix(g.server.URL, "http")+path, options)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &caller{t, g, conn}
}

func (c *caller) text(frame string) {
	c.t.Helper()
	require.NoError(c.t, c.conn.Write(c.t.Context(), websocket.MessageText, []byte(frame)))
}

// bin sends a t.v1.Req, in text format here.
func (c *caller) bin(message string) {
	c.t.Helper()
	require.NoError(c.t, c.conn.Write(c.t.Context(), websocket.MessageBinary, c.g.wire(c.t, "Req", message)))
}

func (c *caller) next() (websocket.MessageType, []byte) {
	c.t.Helper()
	kind, frame, err := c.conn.Read(c.t.Context())
	require.NoError(c.t, err)
	return kind, frame
}

func (c *caller) gets(want string) {
	c.t.Helper()
	kind, frame := c.next()
	require.Equal(c.t, websocket.MessageText, kind)
	require.JSONEq(c.t, want, string(frame))
}

func (c *caller) getsBinary(want string) {
	c.t.Helper()
	kind, frame := c.next()
	require.Equal(c.t, websocket.MessageBinary, kind)
	d, err := c.g.files.FindDescriptorByName("t.v1.Req")
	require.NoError(c.t, err)
	md := d.(protoreflect.MessageDescriptor)
	got, wanted := dynamicpb.NewMessage(md), dynamicpb.NewMessage(md)
	require.NoError(c.t, proto.Unmarshal(frame, got))
	require.NoError(c.t, prototext.Unmarshal([]byte(want), wanted))
	require.True(c.t, proto.Equal(wanted, got), "%v", got)
}

// ends demands the close frame, and gives its reason.
func (c *caller) ends(code websocket.StatusCode) string {
	c.t.Helper()
	_, frame, err := c.conn.Read(c.t.Context())
	var end websocket.CloseError
	require.ErrorAs(c.t, err, &end, "%s", frame)
	require.Equal(c.t, code, end.Code, end.Reason)
	return end.Reason
}

// fails demands an error as the last text frame, and then the close frame.
func (c *caller) fails(code codes.Code, message string) {
	c.t.Helper()
	_, frame := c.next()
	var fault struct {
		Error struct {
			Code    codes.Code
			Message string
			Details []map[string]any
		}
	}
	require.NoError(c.t, json.Unmarshal(frame, &fault), string(frame))
	require.Equal(c.t, code, fault.Error.Code)
	require.Contains(c.t, fault.Error.Message, message)
	require.Contains(c.t, c.ends(4000+websocket.StatusCode(code)), message)
}

// over is what the gateway knows of the session once it has ended.
func (c *caller) over() route.Exchange {
	c.t.Helper()
	return <-c.g.exchanges
}

func TestWebSocketBidi(t *testing.T) {
	g := newGateway(t, streaming(chat))
	t.Run("F17 text", func(t *testing.T) {
		c := g.upgrade(t, "/v1/chat")
		c.text(`{"name":"a"}`)
		c.gets(`{"name":"a"}`)
		c.text(`{"i32":2}`)
		c.gets(`{"i32":2}`)
		c.text(``)
		require.Empty(t, c.ends(websocket.StatusNormalClosure))
		x := c.over()
		require.Equal(t, 0, x.Code)
		require.Equal(t, int64(len(`{"name":"a"}{"i32":2}`)), x.RequestBytes)
		require.Equal(t, x.RequestBytes, x.ResponseBytes)
	})
	t.Run("F17 binary", func(t *testing.T) {
		c := g.upgrade(t, "/v1/chat")
		c.bin(`name: "a"`)
		c.getsBinary(`name: "a"`)
		c.text(`{"i32":1}`) // answers come in the kind of the last message
		c.gets(`{"i32":1}`)
		c.bin(``)
		c.getsBinary(``)
		c.text(``)
		c.ends(websocket.StatusNormalClosure)
		c.over()
	})
	t.Run("the path is in the first message only", func(t *testing.T) {
		c := g.upgrade(t, "/v1/chat/p?i32=1") // of two rules that for GET, without a body
		c.text(`{"u32":2}`)
		c.gets(`{"name":"p","i32":1,"u32":2}`)
		c.text(`{"u32":3}`)
		c.gets(`{"u32":3}`)
		c.bin(`name: "p" u32: 4`)
		c.getsBinary(`name: "p" u32: 4`)
		c.text(``)
		c.ends(websocket.StatusNormalClosure)
		c.over()
	})
	t.Run("what the path binds, a later message cannot change", func(t *testing.T) {
		const differs = `name: "y" differs from what the path has set`
		c := g.upgrade(t, "/v1/chat/p")
		c.bin(``)
		c.getsBinary(`name: "p"`)
		c.text(`{"name":"y"}`)
		c.fails(codes.InvalidArgument, differs)
		require.Equal(t, "INVALID_BODY", c.over().Reason)
		c = g.upgrade(t, "/v1/chat/p")
		c.text(`{}`)
		c.gets(`{"name":"p"}`)
		c.bin(`u32: 1 name: "y"`)
		require.Contains(t, c.ends(4003), differs)
		require.Equal(t, "INVALID_BODY", c.over().Reason)
	})
	t.Run("nothing but the end", func(t *testing.T) {
		c := g.upgrade(t, "/v1/chat")
		c.text(``)
		c.ends(websocket.StatusNormalClosure)
		require.Zero(t, c.over().Code)
	})
	t.Run("after the end", func(t *testing.T) {
		hanging := newGateway(t, streaming(func(stream grpc.ServerStream) error {
			<-stream.Context().Done()
			return stream.Context().Err()
		}))
		c := hanging.upgrade(t, "/v1/chat")
		c.text(``)
		c.text(`{}`)
		c.fails(codes.InvalidArgument, "after the end")
		require.Equal(t, "INVALID_REQUEST", c.over().Reason)
	})
	t.Run("over TLS", func(t *testing.T) {
		g := newGateway(t, streaming(chat), http2{})
		c := g.upgrade(t, "/v1/chat")
		c.text(`{"name":"a"}`)
		c.gets(`{"name":"a"}`)
		c.text(``)
		c.ends(websocket.StatusNormalClosure)
		c.over()
	})
}

// gather answers with all messages in one: put together, they are merged.
func gather(stream grpc.ServerStream) error {
	var all []byte
	for {
		var request []byte
		if err := stream.RecvMsg(&request); errors.Is(err, io.EOF) {
			return send(stream, all)
		} else if err != nil {
			return err
		}
		all = append(all, request...)
	}
}

func TestWebSocketClientStream(t *testing.T) {
	g := newGateway(t, streaming(gather))
	t.Run("the body is a list", func(t *testing.T) {
		c := g.upgrade(t, "/v1/upload/p/rs?i32=3")
		c.text(`["a"]`)
		c.text(`["b"]`)
		c.text(``)
		c.gets(`{"name":"p","i32":3,"rs":["a","b"]}`)
		c.ends(websocket.StatusNormalClosure)
		c.over()
	})
	// A rule without a body takes whole messages, else a client could send none.
	t.Run("a rule without a body", func(t *testing.T) {
		c := g.upgrade(t, "/v1/upload/n?i32=4")
		c.text(`{"rs":["a"]}`)
		c.bin(`rs: "b"`)
		c.text(``)
		c.getsBinary(`rs: "a" rs: "b" name: "n" i32: 4`)
		c.ends(websocket.StatusNormalClosure)
		c.over()
	})
}

func TestWebSocketBindAll(t *testing.T) {
	g := newGateway(t, streaming(chat), func(s *transcoder.Settings) { s.Stream.BindAll = true })
	c := g.upgrade(t, "/v1/chat/p?i32=3")
	for range 2 {
		c.text(`{"u32":1}`)
		c.gets(`{"name":"p","i32":3,"u32":1}`)
	}
	for range 2 {
		c.bin(`name: "x" u32: 1`)
		c.getsBinary(`name: "p" i32: 3 u32: 1`)
	}
}

func TestWebSocketServerStream(t *testing.T) {
	three := func(request []byte, stream grpc.ServerStream) error {
		for range 3 {
			if err := send(stream, request); err != nil {
				return err
			}
		}
		return nil
	}
	g := newGateway(t, three)
	t.Run("without a body it begins at once", func(t *testing.T) {
		c := g.upgrade(t, "/v1/stream/n?i32=1")
		for range 3 {
			c.gets(`{"name":"n","i32":1}`)
		}
		c.ends(websocket.StatusNormalClosure)
		c.over()
	})
	t.Run("with a body the first message begins it", func(t *testing.T) {
		c := g.upgrade(t, "/v1/stream")
		c.bin(`i32: 7`)
		for range 3 {
			c.getsBinary(`i32: 7`)
		}
		c.ends(websocket.StatusNormalClosure)
		c.over()
	})
	t.Run("an empty message is an empty body", func(t *testing.T) {
		c := g.upgrade(t, "/v1/stream")
		c.text(``)
		c.gets(`{}`)
	})
	t.Run("one message is all it takes", func(t *testing.T) {
		hanging := newGateway(t, func(_ []byte, stream grpc.ServerStream) error {
			<-stream.Context().Done()
			return nil
		})
		for _, path := range []string{"/v1/stream/n", "/v1/stream"} {
			c := hanging.upgrade(t, path)
			c.text(`{"i32":1}`)
			if path == "/v1/stream" {
				c.text(`{"i32":1}`)
			}
			c.fails(codes.InvalidArgument, "takes no message")
			c.over()
		}
	})
	t.Run("the message must come", func(t *testing.T) {
		hasty := newGateway(t, three, func(s *transcoder.Settings) { s.UnaryTimeout = time.Millisecond })
		c := hasty.upgrade(t, "/v1/stream")
		c.fails(codes.DeadlineExceeded, "before the request was complete")
		c.over()
	})
}

func TestWebSocketErrors(t *testing.T) {
	long := strings.Repeat("ä", 100)
	g := newGateway(t, func(request []byte, stream grpc.ServerStream) error {
		if err := send(stream, request); err != nil {
			return err
		}
		return status.Error(codes.NotFound, long)
	})
	t.Run("of the upstream", func(t *testing.T) {
		c := g.upgrade(t, "/v1/stream/n")
		c.gets(`{"name":"n"}`)
		c.gets(`{"error":{"code":5,"message":"` + long + `","details":[]}}`)
		require.Equal(t, strings.Repeat("ä", 60)+"…", c.ends(4005))
		x := c.over()
		require.Equal(t, int(codes.NotFound), x.Code)
		require.Empty(t, x.Reason)
	})
	t.Run("who gets binary messages gets the close frame alone", func(t *testing.T) {
		c := g.upgrade(t, "/v1/stream")
		c.bin(`i32: 1`)
		c.getsBinary(`i32: 1`)
		c.ends(4005)
		c.over()
	})
	t.Run("of a message", func(t *testing.T) {
		for _, frame := range []string{`{`, `{"nope":1}`, `[]`, "{\"name\":\"\xff\"}"} {
			c := newGateway(t, streaming(chat)).upgrade(t, "/v1/chat")
			c.text(`{}`)
			c.gets(`{}`)
			c.text(frame)
			c.fails(codes.InvalidArgument, "body")
			require.Equal(t, "INVALID_BODY", c.over().Reason)
		}
	})
	t.Run("of a binary message", func(t *testing.T) {
		c := newGateway(t, streaming(chat)).upgrade(t, "/v1/chat")
		require.NoError(t, c.conn.Write(t.Context(), websocket.MessageBinary, []byte{0x0a, 5, 'a'}))
		require.Contains(t, c.ends(4003), "body")
		c.over()
	})
	t.Run("no binary form", func(t *testing.T) {
		c := newGateway(t, streaming(chat)).upgrade(t, "/v1/upload/n/rs")
		require.NoError(t, c.conn.Write(t.Context(), websocket.MessageBinary, nil))
		require.Contains(t, c.ends(4003), "binary")
		c.over()
	})
	t.Run("too large", func(t *testing.T) {
		small := newGateway(t, streaming(chat), func(s *transcoder.Settings) { s.MaxRequestBytes = 1000 })
		c := small.upgrade(t, "/v1/chat")
		c.text(`{"name":"` + strings.Repeat("x", 1000-len(`{"name":""}`)) + `"}`)
		_, fits := c.next()
		require.Len(t, fits, 1000)
		c.text(strings.Repeat(" ", 1001))
		_, fault := c.next()
		require.Contains(t, string(fault), "REQUEST_TOO_LARGE")
		require.Contains(t, c.ends(websocket.StatusMessageTooBig), "1000 bytes")
		require.Equal(t, "REQUEST_TOO_LARGE", c.over().Reason)
	})
	t.Run("deadline", func(t *testing.T) {
		hanging := newGateway(t, func(_ []byte, stream grpc.ServerStream) error {
			<-stream.Context().Done()
			return stream.Context().Err() // it may know before the gateway
		})
		c := hanging.upgrade(t, "/v1/stream/n", "grpc-timeout: 50m")
		c.fails(codes.DeadlineExceeded, "")
		require.Equal(t, int(codes.DeadlineExceeded), c.over().Code)
	})
}

// What is wrong with the request itself is an answer like any other.
func TestWebSocketRefused(t *testing.T) {
	g := newGateway(t, streaming(chat), func(s *transcoder.Settings) {
		s.Stream.Origins = []string{"https://*.example.com", "http://app.test:*"}
	})
	handshake := func(headers ...string) answer {
		c := g.dial(t)
		lines := "GET /v1/chat/n HTTP/1.1\nHost: gateway.test\nConnection: keep-alive, Upgrade\nUpgrade: websocket\n"
		for _, h := range headers {
			lines += h + "\n"
		}
		write(t, c, "%s\n", lines)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		require.NoError(t, err)
		defer resp.Body.Close()
		if resp.StatusCode == http.StatusSwitchingProtocols {
			_ = c.Close()
			<-g.exchanges
			return answer{Response: resp}
		}
		<-g.exchanges
		b, err := io.ReadAll(resp.Body)
		return answer{Response: resp, body: string(b), err: err}
	}
	const version, key = "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="
	for _, c := range []struct {
		name    string
		headers []string
		status  int
		reason  string
	}{
		{"no browser", []string{version, key}, 101, ""},
		{"no version", []string{key}, 400, "INVALID_REQUEST"},
		{"old version", []string{"Sec-WebSocket-Version: 8", key}, 400, "INVALID_REQUEST"},
		{"no key", []string{version}, 400, "INVALID_REQUEST"},
		{"two keys", []string{version, key, key}, 400, "INVALID_REQUEST"},
		{"short key", []string{version, "Sec-WebSocket-Key: AAAA"}, 400, "INVALID_REQUEST"},
		{"a body", []string{version, key, "Content-Length: 0", "X-A: b"}, 101, ""},
		{"own host", []string{version, key, "Origin: https://Gateway.test"}, 101, ""},
		{"own host without TLS", []string{version, key, "Origin: http://gateway.test"}, 101, ""},
		{"own host and port", []string{version, key, "Origin: https://gateway.test:443"}, 101, ""},
		{"own host, another port", []string{version, key, "Origin: https://gateway.test:80"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"own host, not of the web", []string{version, key, "Origin: ftp://gateway.test"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"own host without a scheme", []string{version, key, "Origin: //gateway.test"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"own host and a user", []string{version, key, "Origin: http://user@gateway.test"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"own host and a path", []string{version, key, "Origin: http://gateway.test/"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"own host and a query", []string{version, key, "Origin: http://gateway.test?"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"own host and a fragment", []string{version, key, "Origin: http://gateway.test#"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"no host", []string{version, key, "Origin: http://"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"empty", []string{version, key, "Origin:"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"listed, behind a path", []string{version, key, "Origin: https://evil.test/.example.com"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"listed, behind a fragment", []string{version, key, "Origin: https://evil.test#.example.com"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"listed, no port", []string{version, key, "Origin: http://app.test:1.evil.test"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"listed", []string{version, key, "Origin: https://a.b.example.com"}, 101, ""},
		{"listed port", []string{version, key, "Origin: http://app.test:8080"}, 101, ""},
		{"another scheme", []string{version, key, "Origin: http://a.example.com"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"another host", []string{version, key, "Origin: https://a.example.com.evil.test"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"opaque", []string{version, key, "Origin: null"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"two origins", []string{version, key, "Origin: https://gateway.test", "Origin: https://gateway.test"}, 403, "ORIGIN_NOT_ALLOWED"},
		{"deadline", []string{version, key, "Grpc-Timeout: x"}, 400, "INVALID_REQUEST"},
		{"metadata", []string{version, key, "X-A-Bin: !"}, 400, "INVALID_REQUEST"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := handshake(c.headers...)
			require.Equal(t, c.status, a.StatusCode, a.body)
			require.Equal(t, c.reason, a.Header.Get("X-Dragoman-Error"))
			if c.status == 101 {
				require.Equal(t, "ICX+Yqv66kxgM0FcWaLWlFLwTAI=", a.Header.Get("Sec-WebSocket-Accept"))
				require.Empty(t, a.Header.Get("Sec-WebSocket-Extensions"))
			}
		})
	}
	t.Run("over TLS the own pages come by https", func(t *testing.T) {
		g := newGateway(t, streaming(chat), http2{})
		own := strings.TrimPrefix(g.server.URL, "https://")
		c := g.upgrade(t, "/v1/chat/n", "Origin: https://"+own)
		c.text(``)
		c.ends(websocket.StatusNormalClosure)
		<-g.exchanges
		_, res, err := websocket.Dial(t.Context(), g.server.URL+"/v1/chat/n", &websocket.DialOptions{
			HTTPClient: g.server.Client(), HTTPHeader: http.Header{"Origin": {"http://" + own}},
		})
		require.Error(t, err)
		require.Equal(t, http.StatusForbidden, res.StatusCode)
		<-g.exchanges
	})
	t.Run("any origin", func(t *testing.T) {
		g := newGateway(t, streaming(chat), func(s *transcoder.Settings) { s.Stream.Origins = []string{"*"} })
		for _, origin := range []string{"null", "https://evil.test", "chrome-extension://abcdef"} {
			c := g.upgrade(t, "/v1/chat/n", "Origin: "+origin)
			c.text(``)
			c.ends(websocket.StatusNormalClosure)
			<-g.exchanges
		}
	})
	t.Run("path and query", func(t *testing.T) {
		for path, reason := range map[string]string{"/v1/chat/%ff": "INVALID_PATH", "/v1/chat/n?nope=1": "INVALID_QUERY"} {
			_, res, err := websocket.Dial(t.Context(), g.server.URL+path, nil)
			require.Error(t, err)
			require.Equal(t, http.StatusBadRequest, res.StatusCode)
			require.Equal(t, reason, res.Header.Get("X-Dragoman-Error"))
			<-g.exchanges
		}
	})
}

func TestWebSocketMetadata(t *testing.T) {
	got := make(chan metadata.MD, 1)
	g := newGateway(t, streaming(func(stream grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(stream.Context())
		got <- md
		return nil
	}))
	c := g.upgrade(t, "/v1/chat", "X-A: b")
	md := <-got
	require.Equal(t, []string{"b"}, md["x-a"])
	for name := range md {
		require.NotContains(t, name, "websocket")
	}
	require.NotContains(t, md, "upgrade")
	require.NotContains(t, md, "connection")
	c.ends(websocket.StatusNormalClosure)
	c.over()
}

// waiting is a backend that says when its call has begun, and when it was
// cancelled.
func waiting() (b streaming, begun, ended chan struct{}) {
	begun, ended = make(chan struct{}, 1), make(chan struct{}, 1)
	return func(stream grpc.ServerStream) error {
		begun <- struct{}{}
		<-stream.Context().Done()
		ended <- struct{}{}
		return nil
	}, begun, ended
}

func TestWebSocketClientLeaves(t *testing.T) {
	for name, leave := range map[string]func(*websocket.Conn) error{
		"closes":     func(c *websocket.Conn) error { return c.Close(websocket.StatusNormalClosure, "") },
		"disappears": func(c *websocket.Conn) error { return c.CloseNow() },
	} {
		t.Run(name, func(t *testing.T) {
			backend, begun, ended := waiting()
			c := newGateway(t, backend).upgrade(t, "/v1/chat")
			<-begun
			require.NoError(t, leave(c.conn))
			<-ended
			require.Equal(t, "CLIENT_CLOSED", c.over().Reason)
		})
	}
}

// A client that does not read answers no ping either.
func TestWebSocketPing(t *testing.T) {
	backend, begun, ended := waiting()
	g := newGateway(t, backend, func(s *transcoder.Settings) { s.Stream.Ping = 20 * time.Millisecond })
	c := g.upgrade(t, "/v1/chat")
	<-begun
	<-ended
	x := c.over()
	require.Equal(t, "CLIENT_CLOSED", x.Reason)
	require.ErrorContains(t, x.Error, "deadline")

	// One that reads lives on.
	pings := make(chan struct{}, 100)
	conn, _, err := websocket.Dial(t.Context(), g.server.URL+"/v1/chat", &websocket.DialOptions{
		OnPingReceived: func(context.Context, []byte) bool { pings <- struct{}{}; return true },
	})
	require.NoError(t, err)
	defer conn.CloseNow()
	<-begun
	conn.CloseRead(t.Context())
	for range 5 {
		<-pings
	}
	require.NoError(t, conn.Close(websocket.StatusNormalClosure, ""))
	<-ended
	require.Nil(t, c.over().Error)
}

func TestWebSocketIdle(t *testing.T) {
	backend, _, ended := waiting()
	c := newGateway(t, backend, func(s *transcoder.Settings) { s.Stream.IdleTimeout = 20 * time.Millisecond }).upgrade(t, "/v1/chat")
	c.fails(codes.DeadlineExceeded, "no message travelled")
	<-ended
	require.Equal(t, "DEADLINE_EXCEEDED", c.over().Reason)
}

// holding is an upstream that takes no message before proceed is closed, and then
// all of them.
type holding struct{ proceed chan struct{} }

var _ rpc.Upstream = holding{}

type heldStream struct {
	holding
	ctx    context.Context
	cancel context.CancelFunc
	closed chan struct{}
}

func (h holding) Start(ctx context.Context, _ *rpc.Call, sink rpc.Sink) rpc.Stream {
	ctx, cancel := context.WithCancel(ctx)
	s := heldStream{h, ctx, cancel, make(chan struct{})}
	go func() {
		select {
		case <-s.closed:
			_ = sink.Message(rpc.NewBuffer())
			sink.End(rpc.Status{}, nil)
		case <-ctx.Done():
			sink.End(rpc.Status{Code: codes.Canceled, Reason: rpc.ClientClosed}, nil)
		}
	}()
	return s
}

func (s heldStream) Send(msg *rpc.Buffer) error {
	msg.Release()
	select {
	case <-s.proceed:
		return nil
	case <-s.ctx.Done():
		return s.ctx.Err()
	}
}

func (s heldStream) CloseSend() { close(s.closed) }
func (s heldStream) Cancel()    { s.cancel() }

// A slow upstream stops the client, who is not pinged meanwhile: it may be unable
// to answer.
func TestWebSocketSlowUpstream(t *testing.T) {
	api := newAPI(t)
	synctest.Test(t, func(t *testing.T) {
		up := holding{make(chan struct{})}
		m := api.newMemory(t, "Upload", transcoder.MethodWebSocket, up, func(s *transcoder.Settings) { s.Stream.Ping = time.Second })
		pings := 0
		conn, _, err := websocket.Dial(t.Context(), "ws://memory/v1/upload", &websocket.DialOptions{
			HTTPClient:     m.client(t, 1),
			OnPingReceived: func(context.Context, []byte) bool { pings++; return true },
		})
		require.NoError(t, err)
		c := &caller{t: t, conn: conn}
		const count = 10
		sent := 0
		wrote := make(chan struct{})
		go func() {
			defer close(wrote)
			for range count {
				c.text(`{"name":"` + strings.Repeat("x", 64<<10) + `"}`)
				sent++
			}
			c.text(``)
		}()
		go func() {
			time.Sleep(time.Hour)
			synctest.Wait()
			require.LessOrEqual(t, sent, 1, "nobody took more")
			require.Zero(t, pings)
			close(up.proceed)
		}()
		c.gets(`{}`)
		<-wrote
		c.ends(websocket.StatusNormalClosure)
	})
}

// A client that reads late loses no answer of a call that has ended meanwhile.
func TestWebSocketLateReader(t *testing.T) {
	api := newAPI(t)
	for _, code := range []codes.Code{codes.OK, codes.NotFound} {
		t.Run(code.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := api.newMemory(t, "Chat", transcoder.MethodWebSocket, local(func(_ context.Context, _ *rpc.Call, sink rpc.Sink) {
					for range 3 {
						_ = sink.Message(rpc.NewBuffer())
					}
					sink.End(rpc.Status{Code: code}, nil)
				}), func(s *transcoder.Settings) { s.Stream.Ping = 0 })
				conn, _, err := websocket.Dial(t.Context(), "ws://memory/v1/chat", &websocket.DialOptions{HTTPClient: m.client(t, 1)})
				require.NoError(t, err)
				c := &caller{t: t, conn: conn}
				time.Sleep(time.Minute)
				for range 3 {
					c.gets(`{}`)
				}
				if code == codes.OK {
					c.ends(websocket.StatusNormalClosure)
				} else {
					c.fails(code, "")
				}
			})
		})
	}
}

// What the upstream's messages had besides is told when the session is over, however it
// ends.
func TestWebSocketUnknownFields(t *testing.T) {
	api, settings := newAPI(t), transcoder.DefaultSettings()
	for _, code := range []codes.Code{codes.OK, codes.NotFound} {
		routes, err := rest.New().Routes(api.endpoint(t, api.method(t, "Chat"), local(func(_ context.Context, _ *rpc.Call, sink rpc.Sink) {
			sink.End(rpc.Status{Code: code, UnknownFields: 3}, nil)
		}), &settings))
		require.NoError(t, err)
		i := slices.IndexFunc(routes, func(r transcoder.Route) bool { return r.Method == transcoder.MethodWebSocket })
		told := make(chan int, 1)
		m := serveInMemory(t, func(w http.ResponseWriter, r *http.Request) {
			x := &route.Exchange{Path: r.URL.Path}
			routes[i].Handler.Serve(w, r, x)
			told <- x.UnknownFields
		})
		conn, _, err := websocket.Dial(t.Context(), "ws://memory/v1/chat", &websocket.DialOptions{HTTPClient: m.client(t, 1)})
		require.NoError(t, err)
		c := &caller{t: t, conn: conn}
		if code == codes.OK {
			c.ends(websocket.StatusNormalClosure)
		} else {
			c.fails(code, "")
		}
		require.Equal(t, 3, <-told)
	}
}

// A client that stops reading stops the upstream, and is given up when it answers
// no ping.
func TestWebSocketSlowClient(t *testing.T) {
	taken := make(chan int, 1)
	g := newGateway(t, func(_ []byte, stream grpc.ServerStream) error {
		n := 0
		for send(stream, newAPI(t).wire(t, "Req", `name: "`+strings.Repeat("x", 16<<10)+`"`)) == nil {
			n++
		}
		taken <- n
		return nil
	}, func(s *transcoder.Settings) { s.Stream.Ping = 100 * time.Millisecond })
	c := g.upgrade(t, "/v1/stream/n")
	// What the kernel keeps for both ends is not the gateway's.
	require.Less(t, <-taken, (20<<20)/(16<<10))
	require.Equal(t, "CLIENT_CLOSED", c.over().Reason)
}
