package rest_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

const (
	asArray  = "Accept: application/json"
	asLines  = "Accept: application/x-ndjson"
	asEvents = "Accept: text/event-stream"
)

func TestForms(t *testing.T) {
	api := newAPI(t)
	for _, c := range []struct{ accept, media, none, two, broken string }{
		{asLines, "application/x-ndjson", "",
			"{\"name\":\"1\"}\n{\"name\":\"2\"}\n",
			"{\"name\":\"1\"}\n{\"error\":{\"code\":15,\"message\":\"m\",\"details\":[]}}\n"},
		{asEvents, "text/event-stream", "",
			"data: {\"name\":\"1\"}\n\ndata: {\"name\":\"2\"}\n\n",
			"data: {\"name\":\"1\"}\n\nevent: error\ndata: {\"error\":{\"code\":15,\"message\":\"m\",\"details\":[]}}\n\n"},
	} {
		for _, opts := range [][]any{{}, {http2{}}} {
			t.Run(fmt.Sprintf("%s HTTP/%d", c.media, 1+len(opts)), func(t *testing.T) {
				for _, s := range []struct {
					backend func([]byte, grpc.ServerStream) error
					code    codes.Code
					want    string
				}{
					{api.named(t, nil), codes.OK, c.none},
					{api.named(t, nil, "1", "2"), codes.OK, c.two},
					{api.named(t, status.Error(codes.DataLoss, "m"), "1"), codes.DataLoss, c.broken},
				} {
					g := newGateway(t, append(opts, func(request []byte, stream grpc.ServerStream) error {
						stream.SetTrailer(metadata.Pairs("x-end", "1"))
						return s.backend(request, stream)
					})...)
					a := g.do(t, "GET /v1/stream/n", "", c.accept, "TE: trailers")
					require.NoError(t, a.err, "the answer ends in order")
					require.Equal(t, http.StatusOK, a.StatusCode)
					require.Equal(t, c.media, a.Header.Get("Content-Type"))
					require.Equal(t, "Accept", a.Header.Get("Vary"))
					require.Equal(t, s.want, a.body)
					require.Equal(t, "1", a.Trailer.Get("X-End"))
					require.Equal(t, int(s.code), (<-g.exchanges).Code, "what the log says")
				}
			})
		}
	}
}

// A message that has no JSON is the last thing in the stream, and nothing of it.
func TestFormsBreakInAMessage(t *testing.T) {
	api := newAPI(t)
	g := newGateway(t, func(_ []byte, stream grpc.ServerStream) error {
		if err := api.named(t, nil, "1")(nil, stream); err != nil {
			return err
		}
		if err := send(stream, []byte("\x0a\x05x")); err != nil {
			return err
		}
		<-stream.Context().Done() // the gateway cancels the call
		return stream.Context().Err()
	}, func(s *transcoder.Settings) { s.Stream.EventField = "name" })
	for accept, want := range map[string]string{
		asLines:  "{\"name\":\"1\"}\n{\"error\":{\"code\":13,",
		asEvents: "event: 1\ndata: {\"name\":\"1\"}\n\nevent: error\ndata: {\"error\":{\"code\":13,",
	} {
		a := g.do(t, "GET /v1/stream/n", "", accept)
		require.NoError(t, a.err)
		require.True(t, strings.HasPrefix(a.body, want), a.body)
		x := <-g.exchanges
		require.Equal(t, string(rpc.UpstreamProtocol), x.Reason)
	}
}

func TestFormsHead(t *testing.T) {
	api := newAPI(t)
	h := api.handler(t, "R14", local(echoed))
	for accept, media := range map[string]string{asLines: "application/x-ndjson", asEvents: "text/event-stream", asArray: "application/json"} {
		r := httptest.NewRequest(http.MethodHead, "/v1/stream/n", nil)
		r.Header.Set("Accept", strings.TrimPrefix(accept, "Accept: "))
		w, x := httptest.NewRecorder(), &route.Exchange{Path: "/v1/stream/n", Captures: []route.Span{{Start: 11, End: 12}}}
		h.Serve(w, r, x)
		require.Equal(t, media, w.Header().Get("Content-Type"))
		require.Empty(t, w.Body.String())
		require.Equal(t, 0, x.Code)
	}
}

func TestWrongEventField(t *testing.T) {
	api := newAPI(t)
	for field, want := range map[string]string{
		"name": "", "node.value": "", "ts": "", "no_such": "", "sub.no": "",
		"sub": `event_field "sub": field "sub" of t.v1.Req is of type t.v1.Sub; it must be a scalar`,
		"rs":  `event_field "rs": field "rs" of t.v1.Req is repeated`,
	} {
		s := transcoder.DefaultSettings()
		s.Stream.EventField = field
		_, err := rest.New().Routes(api.endpoint(t, api.method(t, "R14"), nil, &s))
		if want == "" {
			require.NoError(t, err, field)
		} else {
			require.ErrorContains(t, err, want)
		}
		_, err = rest.New().Routes(api.endpoint(t, api.method(t, "R1"), nil, &s))
		require.NoError(t, err, "a method that has no events")
	}
}

// streamed serves the stream of up in the bubble of a synctest, and gives what is
// written as it is.
type streamed struct {
	*httptest.ResponseRecorder
	// mu is for the race detector, which does not see that the fake clock orders
	// what is written.
	mu     sync.Mutex
	cancel context.CancelFunc
	// panicked is what Serve panicked with; it is set when over is closed.
	panicked any
	x        route.Exchange
	over     chan struct{}
}

func (a *api) streamed(t *testing.T, up rpc.Upstream, line, accept string, change func(*transcoder.Settings), headers ...transcoder.ResponseHeader) *streamed {
	t.Helper()
	settings := transcoder.DefaultSettings()
	change(&settings)
	ep := a.endpoint(t, a.method(t, "R14"), up, &settings)
	if headers != nil {
		ep.Response = &transcoder.Response{Headers: headers}
	}
	routes, err := rest.New().Routes(ep)
	require.NoError(t, err)
	method, target, _ := strings.Cut(line, " ")
	r := httptest.NewRequest(method, target, nil)
	name, value, _ := strings.Cut(accept, ": ")
	r.Header.Set(name, value)
	ctx, cancel := context.WithCancel(t.Context())
	s := &streamed{
		ResponseRecorder: httptest.NewRecorder(), cancel: cancel, over: make(chan struct{}),
		x: route.Exchange{Path: target, Captures: []route.Span{{Start: 11, End: 12}}},
	}
	go func() {
		defer close(s.over)
		defer func() { s.panicked = recover() }()
		routes[0].Handler.Serve(s, r.WithContext(ctx), &s.x)
	}()
	return s
}

// told is what has been written since the last time.
func (s *streamed) told(t *testing.T) string {
	t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.Body.Reset()
	return s.Body.String()
}

// Write implements [http.ResponseWriter].
func (s *streamed) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ResponseRecorder.Write(p)
}

// spoken is an upstream that sends a message for each name, until the names end.
func (a *api) spoken(t testing.TB, names <-chan string) local {
	return func(ctx context.Context, call *rpc.Call, sink rpc.Sink) {
		call.Request.Release()
		for {
			select {
			case name, ok := <-names:
				if !ok {
					sink.End(rpc.Status{}, nil)
					return
				}
				b := rpc.NewBuffer()
				b.B = append(b.B, a.wire(t, "Req", fmt.Sprintf("name: %q", name))...)
				if sink.Message(b) == nil {
					continue
				}
			case <-ctx.Done():
			}
			sink.End(rpc.Status{Code: codes.Canceled}, nil)
			return
		}
	}
}

func TestHeartbeat(t *testing.T) {
	api := newAPI(t)
	beats := func(s *transcoder.Settings) { s.Stream.Heartbeat = 10 * time.Second }
	t.Run("between messages", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			names := make(chan string)
			s := api.streamed(t, api.spoken(t, names), "GET /v1/stream/n", asEvents, beats)
			names <- "1"
			require.Equal(t, "data: {\"name\":\"1\"}\n\n", s.told(t))
			time.Sleep(9 * time.Second)
			require.Empty(t, s.told(t))
			names <- "2"
			require.Equal(t, "data: {\"name\":\"2\"}\n\n", s.told(t))
			time.Sleep(10*time.Second - time.Nanosecond)
			require.Empty(t, s.told(t), "counted from the last message")
			time.Sleep(time.Nanosecond)
			require.Equal(t, ": \n\n", s.told(t))
			time.Sleep(20 * time.Second)
			require.Equal(t, ": \n\n: \n\n", s.told(t))
			close(names)
			<-s.over
			require.Empty(t, s.told(t))
			require.Equal(t, 0, s.x.Code)
		})
	})
	t.Run("before the first message", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			names := make(chan string)
			s := api.streamed(t, api.spoken(t, names), "GET /v1/stream/n", asEvents, beats)
			require.Empty(t, s.told(t))
			time.Sleep(10 * time.Second)
			require.Equal(t, ": \n\n", s.told(t))
			require.Equal(t, http.StatusOK, s.Code)
			require.Equal(t, "text/event-stream", s.Header().Get("Content-Type"))
			require.True(t, s.Flushed)
			s.cancel()
			<-s.over
			require.Equal(t, http.ErrAbortHandler, s.panicked)
			require.Equal(t, string(rpc.ClientClosed), s.x.Reason)
		})
	})
	t.Run("headers of the first message", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			names := make(chan string)
			s := api.streamed(t, api.spoken(t, names), "GET /v1/stream/n", asEvents, beats,
				transcoder.ResponseHeader{Name: "X-First", Value: "{name}"})
			time.Sleep(time.Minute)
			require.Empty(t, s.told(t), "they have to be sent before anything else")
			names <- "1"
			require.Equal(t, "data: {\"name\":\"1\"}\n\n", s.told(t))
			require.Equal(t, "1", s.Header().Get("X-First"))
			time.Sleep(10 * time.Second)
			require.Equal(t, ": \n\n", s.told(t))
			close(names)
			<-s.over
		})
	})
	t.Run("HEAD", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := api.streamed(t, api.spoken(t, nil), "HEAD /v1/stream/n", asEvents, beats)
			<-s.over // without a message
			require.Empty(t, s.told(t))
			require.Equal(t, http.StatusOK, s.Code)
		})
	})
	for name, c := range map[string]struct {
		accept    string
		heartbeat time.Duration
	}{"never": {asEvents, 0}, "not in NDJSON": {asLines, time.Second}, "not in an array": {asArray, time.Second}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				names := make(chan string)
				s := api.streamed(t, api.spoken(t, names), "GET /v1/stream/n", c.accept, func(s *transcoder.Settings) { s.Stream.Heartbeat = c.heartbeat })
				time.Sleep(time.Hour)
				require.Empty(t, s.told(t))
				close(names)
				<-s.over
			})
		})
	}
}

func TestIdleTimeout(t *testing.T) {
	api := newAPI(t)
	const text = "no message travelled in either direction for 10s, the idle_timeout of streams on this path"
	idle := func(s *transcoder.Settings) {
		s.Stream.IdleTimeout, s.Stream.Heartbeat = 10*time.Second, 3*time.Second
	}
	for _, c := range []struct {
		accept, end string
		panics      any
	}{
		{asArray, "", http.ErrAbortHandler},
		{asLines, "{\"error\":{\"code\":4,\"message\":\"" + text, nil},
		{asEvents, ": \n\n: \n\n: \n\nevent: error\ndata: {\"error\":{\"code\":4,\"message\":\"" + text, nil},
	} {
		t.Run(c.accept, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				names := make(chan string)
				s := api.streamed(t, api.spoken(t, names), "GET /v1/stream/n", c.accept, idle)
				for range 3 {
					time.Sleep(9 * time.Second)
					names <- "1"
				}
				s.told(t)
				time.Sleep(10*time.Second - time.Nanosecond)
				select {
				case <-s.over:
					t.Fatal("it ended before its time")
				default:
				}
				<-s.over
				got := s.told(t)
				require.True(t, strings.HasPrefix(got, c.end), got)
				require.Equal(t, c.panics, s.panicked)
				require.Equal(t, int(codes.DeadlineExceeded), s.x.Code)
				require.Equal(t, string(rpc.DeadlineExceeded), s.x.Reason)
			})
		})
	}
	t.Run("before the first message", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := api.streamed(t, api.spoken(t, nil), "GET /v1/stream/n", asLines, idle)
			<-s.over
			require.Equal(t, http.StatusGatewayTimeout, s.Code)
			require.Equal(t, string(rpc.DeadlineExceeded), s.Header().Get(rpc.ErrorHeader))
			require.Contains(t, s.told(t), text)
		})
	})
}

// A client that takes nothing does not hold a stream for longer than it may be
// idle, and the connection of one that does goes on to the next request.
func TestIdleClient(t *testing.T) {
	api := newAPI(t)
	flood := func(_ []byte, stream grpc.ServerStream) error {
		wire := api.wire(t, "Req", fmt.Sprintf("name: %q", strings.Repeat("x", 1<<16)))
		for {
			if err := send(stream, wire); err != nil {
				return err
			}
		}
	}
	hasty := func(s *transcoder.Settings) { s.Stream.IdleTimeout = 500 * time.Millisecond }
	for _, opts := range [][]any{{flood, hasty}, {flood, hasty, http2{}}} {
		g := newGateway(t, opts...)
		resp, err := g.server.Client().Do(g.request(t, "GET /v1/stream/n", nil, asLines))
		require.NoError(t, err)
		x := <-g.exchanges
		require.Equal(t, string(rpc.DeadlineExceeded), x.Reason)
		// Where the upstream was what took its time, there was room for the error.
		body, err := io.ReadAll(resp.Body)
		last := body[bytes.LastIndexByte(bytes.TrimSuffix(body, []byte("\n")), '\n')+1:]
		require.True(t, err != nil || bytes.HasPrefix(last, []byte(`{"error":`)), "what is not whole does not look so")
		require.NoError(t, resp.Body.Close())
	}
	g := newGateway(t, func(s *transcoder.Settings) { s.Stream.IdleTimeout = 10 * time.Second })
	c := g.server.Client()
	for range 3 {
		resp, err := c.Do(g.request(t, "GET /v1/stream/n", nil, asLines))
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "{\"name\":\"n\"}\n", string(body))
		require.NoError(t, resp.Body.Close())
	}
}
