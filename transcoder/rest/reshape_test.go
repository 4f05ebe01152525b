package rest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// programs run jq over the messages of one exchange.
type programs struct {
	request, response *jq.Program
	// head is what becomes of the head of the request with its first message.
	head func(*http.Request)
	w    http.ResponseWriter
	// requests and responses count messages, none the streams without any.
	requests, responses, none atomic.Int64
}

var _ route.Messages = (*programs)(nil)

func (p *programs) Wants() (requests, responses bool) { return p.request != nil, p.response != nil }

func (p *programs) Request(dst, json []byte, r *http.Request) ([]byte, *rpc.Error) {
	if p.requests.Add(1) == 1 && p.head != nil {
		p.head(r)
	}
	if json == nil {
		p.none.Add(1)
		return append(dst, "left out"...), nil
	}
	return run(p.request, dst, json)
}

func (p *programs) Response(dst, json []byte) ([]byte, *rpc.Error) {
	if p.responses.Add(1) == 1 {
		p.w.Header().Set("X-Program", "saw the first")
	}
	return run(p.response, dst, json)
}

func run(p *jq.Program, dst, text []byte) ([]byte, *rpc.Error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var in any
	if err := d.Decode(&in); err != nil {
		return nil, &rpc.Error{Reason: rpc.InvalidBody, Message: "the body is not JSON", Cause: err}
	}
	out, err := p.Run(context.Background(), in)
	if err != nil {
		return nil, &rpc.Error{Reason: rpc.ProgramFailed, Message: "the program failed", Cause: err}
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	return append(dst, b...), nil
}

// shaped is an option of newGateway: programs for requests and responses, "" for
// none, and what becomes of the request's head. The channel gets the programs of
// each exchange.
func shaped(t testing.TB, request, response string, head func(*http.Request)) (reshaping, <-chan *programs) {
	t.Helper()
	compile := func(src string) *jq.Program {
		if src == "" {
			return nil
		}
		p, err := jq.Compile(src, jq.Config{Name: "test", Limits: jq.Limits{Time: time.Minute, Memory: 64 << 20}})
		require.NoError(t, err)
		return p
	}
	in, out, all := compile(request), compile(response), make(chan *programs, 100)
	return func(w http.ResponseWriter) route.Messages {
		p := &programs{request: in, response: out, head: head, w: w}
		all <- p
		return p
	}, all
}

// badFails renames a message, and fails for the one that is called bad.
const badFails = `if .name == "bad" then error("no") else .name |= "p" + . end`

func TestReshapeAnswers(t *testing.T) {
	api := newAPI(t)
	for _, c := range []struct {
		name, accept string
		change       func(*transcoder.Settings)
		none, want   string
	}{
		{"array", asArray, func(*transcoder.Settings) {}, `[]`, `[{"name":"p1"},{"name":"p2"}]`},
		{"indented array", asArray, func(s *transcoder.Settings) { s.Pretty = true }, `[]`, "[\n  {\n    \"name\": \"p1\"\n  },\n  {\n    \"name\": \"p2\"\n  }\n]"},
		{"NDJSON", asLines, func(s *transcoder.Settings) { s.Pretty = true }, ``, "{\"name\":\"p1\"}\n{\"name\":\"p2\"}\n"},
		{"events", asEvents, func(*transcoder.Settings) {}, ``, "data: {\"name\":\"p1\"}\n\ndata: {\"name\":\"p2\"}\n\n"},
		{"events with type and id of the upstream's message", asEvents, func(s *transcoder.Settings) { s.Stream.EventField, s.Stream.IDField = "name", "name" }, ``,
			"event: 1\nid: 1\ndata: {\"name\":\"p1\"}\n\nevent: 2\nid: 2\ndata: {\"name\":\"p2\"}\n\n"},
	} {
		for _, v := range versions {
			t.Run(c.name+" "+v.name, func(t *testing.T) {
				messages, all := shaped(t, "", badFails, nil)
				opts := append([]any{messages, c.change, api.named(t, nil, "1", "2")}, v.opts...)
				g := newGateway(t, opts...)
				a := g.do(t, "GET /v1/stream/n", "", c.accept)
				require.NoError(t, a.err)
				require.Equal(t, c.want, a.body)
				require.Equal(t, "saw the first", a.Header.Get("X-Program"), "the head is sent after the program saw the first message")
				x := <-g.exchanges
				require.Zero(t, x.Code)
				require.Nil(t, x.Failure)
				require.EqualValues(t, 2, (<-all).responses.Load())

				opts[2] = api.named(t, nil)
				g = newGateway(t, opts...)
				require.Equal(t, c.none, g.do(t, "GET /v1/stream/n", "", c.accept).body)
				require.Zero(t, (<-all).responses.Load())
				<-g.exchanges

				opts[2] = api.named(t, status.Error(codes.NotFound, "none"))
				g = newGateway(t, opts...)
				require.Equal(t, 404, g.do(t, "GET /v1/stream/n", "", c.accept).StatusCode)
				require.Nil(t, (<-g.exchanges).Failure, "an error of the upstream is none of the gateway's")
			})
		}
	}
}

// TestReshapeAnswerFails has a program fail for the first message, which makes a
// whole answer, and for a later one, which ends the stream as its form does.
func TestReshapeAnswerFails(t *testing.T) {
	api := newAPI(t)
	for _, c := range []struct{ name, accept, before, fault string }{
		{"array", asArray, `[{"name":"p1"}`, ""},
		{"NDJSON", asLines, "{\"name\":\"p1\"}\n", `{"error":{"code":13,`},
		{"events", asEvents, "data: {\"name\":\"p1\"}\n\n", "event: error\ndata: {\"error\":{\"code\":13,"},
	} {
		for _, v := range versions {
			t.Run(c.name+" "+v.name, func(t *testing.T) {
				for _, names := range [][]string{{"bad", "2"}, {"1", "bad", "3"}} {
					messages, all := shaped(t, "", badFails, nil)
					cancelled := make(chan struct{})
					hung := func(request []byte, stream grpc.ServerStream) error {
						defer close(cancelled)
						if err := api.named(t, nil, names...)(request, stream); err != nil {
							return err
						}
						<-stream.Context().Done()
						return stream.Context().Err()
					}
					g := newGateway(t, append([]any{messages, hung}, v.opts...)...)
					a := g.do(t, "GET /v1/stream/n", "", c.accept)
					if names[0] == "bad" {
						require.Equal(t, 500, a.StatusCode)
						require.Equal(t, "PROGRAM_FAILED", a.Header.Get("X-Dragoman-Error"))
						require.Equal(t, "the program failed", a.status(t).Message)
						require.EqualValues(t, 1, (<-all).responses.Load())
					} else {
						require.Equal(t, 200, a.StatusCode)
						require.True(t, strings.HasPrefix(a.body, c.before+c.fault), a.body)
						require.Equal(t, c.fault == "", a.err != nil, "a form without a place for errors is cut")
						require.EqualValues(t, 2, (<-all).responses.Load(), "nothing is shown behind the one that failed")
					}
					x := <-g.exchanges
					require.Equal(t, "PROGRAM_FAILED", x.Reason)
					require.Equal(t, "the program failed", x.Failure.Message)
					require.ErrorContains(t, x.Error, "no")
					<-cancelled
				}
			})
		}
	}
}

// TestReshapeHeartbeat has the head wait for the first message, whatever may change
// with it.
func TestReshapeHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		api := newAPI(t)
		settings := transcoder.DefaultSettings()
		settings.Stream.Heartbeat = 10 * time.Second
		names := make(chan string)
		h := api.handlerWith(t, "R14", api.spoken(t, names), &settings)
		s := &streamed{ResponseRecorder: httptest.NewRecorder(), over: make(chan struct{})}
		messages, _ := shaped(t, "", badFails, nil)
		s.x = route.Exchange{Path: "/v1/stream/n", Captures: []route.Span{{Start: 11, End: 12}}, Messages: messages(s)}
		r := httptest.NewRequest("GET", "/v1/stream/n", nil)
		r.Header.Set("Accept", "text/event-stream")
		go func() {
			defer close(s.over)
			h.Serve(s, r, &s.x)
		}()
		time.Sleep(time.Minute)
		require.Empty(t, s.told(t))
		names <- "1"
		require.Equal(t, "data: {\"name\":\"p1\"}\n\n", s.told(t))
		require.Equal(t, "saw the first", s.Header().Get("X-Program"))
		time.Sleep(10 * time.Second)
		require.Equal(t, ": \n\n", s.told(t))
		close(names)
		<-s.over
	})
}

// TestReshapeSlowClient has a client that takes nothing stop the upstream, with a
// program in between.
func TestReshapeSlowClient(t *testing.T) {
	api := newAPI(t)
	synctest.Test(t, func(t *testing.T) {
		const size = 1000
		taken := 0
		h := api.handler(t, "R14", numbers(10_000, size, &taken))
		ctx, cancel := context.WithCancel(t.Context())
		w := stalled{httptest.NewRecorder(), make(chan int)}
		messages, _ := shaped(t, "", badFails, nil)
		done := make(chan any)
		go func() {
			defer func() { done <- recover() }()
			r := httptest.NewRequest("GET", "/v1/stream/n", nil).WithContext(ctx)
			h.Serve(w, r, &route.Exchange{Path: "/v1/stream/n", Captures: []route.Span{{Start: 11, End: 12}}, Messages: messages(w)})
		}()
		synctest.Wait()
		require.LessOrEqual(t, taken*size, 64<<10+16<<10+size, "read ahead of a client that takes nothing")
		before := taken
		<-w.writes
		synctest.Wait()
		require.Greater(t, taken, before)
		cancel()
		for {
			select {
			case <-w.writes:
				continue
			case got := <-done:
				require.Equal(t, http.ErrAbortHandler, got)
			}
			break
		}
	})
}

// headed is a backend that tells what it got of the head before it goes on.
func headed(heads chan<- metadata.MD, next streaming) streaming {
	return func(stream grpc.ServerStream) error {
		md, _ := metadata.FromIncomingContext(stream.Context())
		heads <- md
		return next(stream)
	}
}

// tenant is a head that changes with the first message.
func tenant(query string) func(r *http.Request) {
	return func(r *http.Request) {
		r.Header.Set("X-Tenant", "t1")
		r.Header.Del("X-Secret")
		r.URL.RawQuery = query
	}
}

func TestReshapeRequests(t *testing.T) {
	for _, v := range versions {
		for _, c := range []struct {
			name, line, body, query, want string
			messages, none                int
		}{
			{"array", "POST /v1/upload?nope=1", `[{"name":"a"}, {"name":"b"},{"name":"c"}]`, "", "3: pa,pb,pc", 3, 0},
			{"NDJSON", "POST /v1/upload", "{\"name\":\"a\"}\n{\"name\":\"b\"}\n", "", "2: pa,pb", 2, 0},
			{"one, by its first byte", "POST /v1/upload", `{"name":"a"}`, "", "1: pa", 1, 0},
			{"a field", "POST /v1/upload/p/rs?nope=1", `[{"name":"a"},{"name":"b"}]`, "i32=7", "2: p<11:0161><2:07>,<11:0162>", 2, 0},
			{"none", "POST /v1/upload", `[]`, "", "0: ", 1, 1},
			{"no body", "POST /v1/upload", ``, "", "0: ", 1, 1},
			{"a rule without a body", "GET /v1/upload/p?nope=1", ``, "i32=7", "1: p<2:07>", 1, 1},
		} {
			t.Run(c.name+" "+v.name, func(t *testing.T) {
				heads := make(chan metadata.MD, 1)
				program := badFails
				if c.name == "a field" {
					program = `[.name]`
				}
				messages, all := shaped(t, program, "", tenant(c.query))
				g := newGateway(t, append([]any{messages, headed(heads, collector)}, v.opts...)...)
				a := g.do(t, c.line, c.body, "X-Secret: s", "Content-Type: ")
				require.Equal(t, 200, a.StatusCode, a.body)
				require.JSONEq(t, fmt.Sprintf(`{"name":%q}`, c.want), a.body)
				md := <-heads
				require.Equal(t, []string{"t1"}, md.Get("x-tenant"), "metadata is made of what became of the head")
				require.Empty(t, md.Get("x-secret"))
				p := <-all
				require.EqualValues(t, c.messages, p.requests.Load())
				require.EqualValues(t, c.none, p.none.Load())
				require.EqualValues(t, len(c.body), (<-g.exchanges).RequestBytes)
			})
		}
	}
}

// TestReshapeRequestBytes has bodies that are no messages: nothing of them is
// shown, and the head may change all the same.
func TestReshapeRequestBytes(t *testing.T) {
	heads := make(chan metadata.MD, 1)
	messages, all := shaped(t, badFails, "", tenant(""))
	g := newGateway(t, messages, multiparts, headed(heads, collector))
	a := g.do(t, "POST /v1/upload", form("name=name\r\n\r\nbad"), formHeader)
	require.JSONEq(t, `{"name":"1: bad"}`, a.body)
	require.Equal(t, []string{"t1"}, (<-heads).Get("x-tenant"))
	require.EqualValues(t, 1, (<-all).none.Load())
}

// TestReshapeRequestFails: nobody is called before the first message, and a later
// one ends the call.
func TestReshapeRequestFails(t *testing.T) {
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			called := make(chan struct{}, 10)
			cancelled := make(chan error, 10)
			backend := streaming(func(stream grpc.ServerStream) error {
				called <- struct{}{}
				err := echoer(stream)
				cancelled <- err
				return err
			})
			messages, _ := shaped(t, badFails, "", nil)
			g := newGateway(t, append([]any{messages, backend}, v.opts...)...)
			for _, line := range []string{"POST /v1/upload", "POST /v1/chat"} {
				a := g.do(t, line, `[{"name":"bad"},{"name":"b"}]`, asArray)
				require.Equal(t, 500, a.StatusCode)
				require.Equal(t, "PROGRAM_FAILED", a.Header.Get("X-Dragoman-Error"))
				x := <-g.exchanges
				require.Equal(t, "the program failed", x.Failure.Message)
				require.EqualValues(t, len(`[{"name":"bad"},{"name":"b"}]`), x.RequestBytes)
				require.Empty(t, called, "the upstream")

				a = g.do(t, line, `[{"name":1},`, asArray)
				require.Equal(t, 500, a.StatusCode, a.body)
				require.Equal(t, "PROGRAM_FAILED", (<-g.exchanges).Reason)
				a = g.do(t, line, `[{"name":"a",}]`, asArray)
				require.Equal(t, 400, a.StatusCode, a.body)
				require.Equal(t, "element 0, at byte 1: the body is not JSON", a.status(t).Message)
				<-g.exchanges
				a = g.do(t, line, `{`, "Content-Type: application/json")
				require.Equal(t, 400, a.StatusCode, a.body)
				require.Equal(t, "INVALID_BODY", (<-g.exchanges).Reason)
				a = g.do(t, line, `[`+`"`+strings.Repeat("x", 5<<20)+`"]`)
				require.Equal(t, 413, a.StatusCode, a.body)
				<-g.exchanges
				a = g.do(t, line, `[{}]`, "Grpc-Timeout: 1x")
				require.Equal(t, 400, a.StatusCode, a.body)
				<-g.exchanges
				a = g.do(t, line, `[{}]`, "Content-Encoding: nope")
				require.Equal(t, 415, a.StatusCode, a.body)
				require.NotEmpty(t, a.Header.Get("Accept-Encoding"))
				<-g.exchanges
				require.Empty(t, called, "the upstream")
			}
			// The answer has begun before the second message is sent.
			body, out := io.Pipe()
			go func() { _, _ = io.WriteString(out, "{\"name\":\"a\"}\n") }()
			resp, err := g.server.Client().Do(g.request(t, "POST /v1/chat", body, "Content-Type: application/x-ndjson", asLines))
			require.NoError(t, err)
			in := bufio.NewReader(resp.Body)
			first, err := in.ReadString('\n')
			require.NoError(t, err)
			require.Equal(t, "{\"name\":\"pa\"}\n", first)
			go func() {
				_, _ = io.WriteString(out, "{\"name\":\"bad\"}\n")
				_ = out.Close()
			}()
			last, err := in.ReadString('\n')
			require.NoError(t, err)
			require.Contains(t, last, `{"error":{"code":13,"message":"the program failed"`)
			require.NoError(t, resp.Body.Close())
			require.Error(t, <-cancelled)
			require.Equal(t, "PROGRAM_FAILED", (<-g.exchanges).Reason)
		})
	}
}

// TestReshapeBoth sends thousands of messages both ways at once, in order, and lets
// the client end first.
func TestReshapeBoth(t *testing.T) {
	const count = 3000
	for _, v := range versions {
		t.Run(v.name, func(t *testing.T) {
			messages, all := shaped(t, `.i32 = (.name | tonumber)`, `.name |= "p" + .`, tenant(""))
			g := newGateway(t, append([]any{messages, streaming(echoer)}, v.opts...)...)
			body, out := io.Pipe()
			go func() {
				for i := range count {
					_, _ = fmt.Fprintf(out, "{\"name\":\"%d\"}\n", i)
				}
				_ = out.Close()
			}()
			resp, err := g.server.Client().Do(g.request(t, "POST /v1/chat", body, "Content-Type: application/x-ndjson", asLines))
			require.NoError(t, err)
			defer resp.Body.Close()
			in := bufio.NewScanner(resp.Body)
			n := 0
			for ; in.Scan(); n++ {
				want := fmt.Sprintf(`{"name":"p%d","i32":%d}`, n, n)
				if n == 0 {
					want = `{"name":"p0"}`
				}
				require.JSONEq(t, want, in.Text())
			}
			require.NoError(t, in.Err())
			require.Equal(t, count, n)
			p := <-all
			require.EqualValues(t, count, p.requests.Load())
			require.EqualValues(t, count, p.responses.Load())
			require.Equal(t, "saw the first", resp.Header.Get("X-Program"))
		})
	}
}

// TestReshapeWaits has clients begin a stream whose first message does not come:
// nothing else bounds how long it is waited for.
func TestReshapeWaits(t *testing.T) {
	for _, v := range versions {
		for _, c := range []struct {
			name, header string
			change       func(*transcoder.Settings)
			text         string
		}{
			{"deadline", "Grpc-Timeout: 50m", func(*transcoder.Settings) {}, "the deadline passed before the first message was complete"},
			{"idle", "X: y", func(s *transcoder.Settings) { s.Stream.IdleTimeout = 50 * time.Millisecond }, "no message travelled in either direction for 50ms"},
			{"idle before the deadline", "Grpc-Timeout: 1H", func(s *transcoder.Settings) { s.Stream.IdleTimeout = 50 * time.Millisecond }, "no message travelled in either direction for 50ms"},
		} {
			t.Run(c.name+" "+v.name, func(t *testing.T) {
				messages, all := shaped(t, badFails, "", nil)
				g := newGateway(t, append([]any{messages, streaming(echoer), c.change}, v.opts...)...)
				body, out := io.Pipe()
				defer out.Close()
				go func() { _, _ = io.WriteString(out, `[{"na`) }()
				a := g.send(t, g.request(t, "POST /v1/chat", body, c.header))
				require.Equal(t, 504, a.StatusCode, a.body)
				require.Contains(t, a.status(t).Message, c.text)
				require.Equal(t, "DEADLINE_EXCEEDED", (<-g.exchanges).Reason)
				require.Zero(t, (<-all).requests.Load())
			})
		}
	}
	t.Run("the client leaves", func(t *testing.T) {
		messages, _ := shaped(t, badFails, "", nil)
		g := newGateway(t, messages, streaming(echoer))
		c := g.dial(t)
		write(t, c, "POST /v1/chat HTTP/1.1\nHost: x\nContent-Length: 50\n\n[{\"na")
		require.NoError(t, c.Close())
		require.Equal(t, "CLIENT_CLOSED", (<-g.exchanges).Reason)
	})
}

// aloof are Messages that want nothing, and must be told nothing.
type aloof struct{ route.Messages }

func (aloof) Wants() (requests, responses bool) { return false, false }

func TestReshapeUnwanted(t *testing.T) {
	g := newGateway(t, reshaping(func(http.ResponseWriter) route.Messages { return aloof{} }), streaming(echoer))
	require.Equal(t, `[{"name":"a"}]`, g.do(t, "POST /v1/chat", `[{"name":"a"}]`).body)
	require.Equal(t, `[{"name":"a"}]`, g.do(t, "GET /v1/stream/a", "").body)
	c := g.upgrade(t, "/v1/chat")
	c.text(`{"name":"a"}`)
	c.gets(`{"name":"a"}`)
	c.bin(`name: "b"`)
	c.getsBinary(`name: "b"`)
	c.text(``)
	c.ends(websocket.StatusNormalClosure)
}

func TestReshapeWebSocket(t *testing.T) {
	// Nothing but what programs see of a head may be changed by them.
	head := func(r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			panic("not the head of the upgrade")
		}
		r.Header.Set("X-Tenant", "t1")
	}
	const response = `if .name == "ugly" then error("no") elif .i32 == 5 then .nope = 1 elif .i32 == 6 then .i32 = "many" else .u32 += 1 end`
	for _, c := range []struct {
		name string
		run  func(t *testing.T, g *gateway, all <-chan *programs)
	}{
		{"text and binary", func(t *testing.T, g *gateway, all <-chan *programs) {
			c := g.upgrade(t, "/v1/chat")
			c.text(`{"name":"a"}`)
			c.gets(`{"name":"pa","u32":1}`)
			c.bin(`name: "b" u32: 3`)
			c.getsBinary(`name: "pb" u32: 4`)
			c.bin(``)
			c.getsBinary(`name: "p" u32: 1`)
			c.text(``)
			require.Empty(t, c.ends(websocket.StatusNormalClosure))
			require.Nil(t, c.over().Failure)
			p := <-all
			require.EqualValues(t, 3, p.requests.Load())
			require.Zero(t, p.none.Load())
		}},
		{"a field", func(t *testing.T, g *gateway, _ <-chan *programs) {
			c := g.upgrade(t, "/v1/chat/s") // of the rule for GET: the body is all of the message
			c.text(`{"u32":1}`)
			// The program makes a name of none, which the path must agree with.
			c.fails(codes.InvalidArgument, "name")
			c.over()
		}},
		{"no message", func(t *testing.T, g *gateway, all <-chan *programs) {
			c := g.upgrade(t, "/v1/chat")
			c.text(``)
			require.Empty(t, c.ends(websocket.StatusNormalClosure))
			c.over()
			require.EqualValues(t, 1, (<-all).none.Load())
		}},
		{"not framed", func(t *testing.T, g *gateway, all <-chan *programs) {
			c := g.upgrade(t, "/v1/stream/n")
			c.gets(`{"name":"n","u32":1}`)
			require.Empty(t, c.ends(websocket.StatusNormalClosure))
			c.over()
			require.EqualValues(t, 1, (<-all).none.Load())
		}},
		{"one message", func(t *testing.T, g *gateway, all <-chan *programs) {
			c := g.upgrade(t, "/v1/stream")
			c.bin(`name: "n"`)
			c.getsBinary(`name: "pn" u32: 1`)
			require.Empty(t, c.ends(websocket.StatusNormalClosure))
			c.over()
			require.EqualValues(t, 1, (<-all).requests.Load())
		}},
		{"one empty message", func(t *testing.T, g *gateway, all <-chan *programs) {
			c := g.upgrade(t, "/v1/stream")
			c.text(``)
			c.gets(`{"u32":1}`)
			require.Empty(t, c.ends(websocket.StatusNormalClosure))
			c.over()
			require.EqualValues(t, 1, (<-all).none.Load())
		}},
		{"a request fails", func(t *testing.T, g *gateway, _ <-chan *programs) {
			c := g.upgrade(t, "/v1/chat")
			c.text(`{"name":"a"}`)
			c.gets(`{"name":"pa","u32":1}`)
			c.text(`{"name":"bad"}`)
			c.fails(codes.Internal, "the program failed")
			x := c.over()
			require.Equal(t, rpc.ProgramFailed, x.Failure.Reason)
		}},
		{"a response fails", func(t *testing.T, g *gateway, _ <-chan *programs) {
			c := g.upgrade(t, "/v1/stream/ugly")
			c.fails(codes.Internal, "the program failed")
			require.Equal(t, rpc.ProgramFailed, c.over().Failure.Reason)
		}},
		{"a binary frame that is no message", func(t *testing.T, g *gateway, all <-chan *programs) {
			c := g.upgrade(t, "/v1/chat")
			require.NoError(t, c.conn.Write(t.Context(), websocket.MessageBinary, []byte("\x0a\x05x")))
			c.ends(4003)
			require.Equal(t, "INVALID_BODY", c.over().Reason)
			require.Zero(t, (<-all).requests.Load())
		}},
		{"no field of the message", func(t *testing.T, g *gateway, _ <-chan *programs) {
			c := g.upgrade(t, "/v1/chat")
			c.bin(`i32: 5`)
			require.Contains(t, c.ends(4013), "what the programs made of the message is no t.v1.Req: field nope")
			require.Equal(t, "PROGRAM_FAILED", c.over().Reason)
		}},
		{"no value of the field", func(t *testing.T, g *gateway, _ <-chan *programs) {
			c := g.upgrade(t, "/v1/chat")
			c.bin(`i32: 6`)
			reason := c.ends(4013)
			require.Contains(t, reason, "field i32")
			require.NotContains(t, reason, "many", "what others sent is for the log only")
			require.ErrorContains(t, c.over().Error, "many")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			messages, all := shaped(t, badFails, response, head)
			if c.name == "not framed" {
				messages, all = shaped(t, badFails, response, nil)
			}
			c.run(t, newGateway(t, messages, streaming(chat)), all)
		})
	}
	t.Run("a request program gives what does not fit", func(t *testing.T) {
		messages, _ := shaped(t, `.i32 = "many"`, "", nil)
		g := newGateway(t, messages, streaming(chat))
		c := g.upgrade(t, "/v1/chat")
		c.bin(``)
		require.Contains(t, c.ends(4013), "field i32")
		c.over()
	})
}

// TestFailure tells of every error that the gateway made what the client is told,
// and of none that the upstream made.
func TestFailure(t *testing.T) {
	g := newGateway(t, func(request []byte, stream grpc.ServerStream) error {
		return status.Error(codes.NotFound, "of the upstream")
	}, func(s *transcoder.Settings) { s.Stream.Form = transcoder.FormLines })
	for _, c := range []struct {
		line, body string
		reason     rpc.Reason
	}{
		{"GET /v1/int/many", "", rpc.InvalidPath},
		{"POST /v1/things/search", "{", rpc.InvalidBody},
		{"GET /v1/stream/a?nope=1", "", rpc.InvalidQuery},
		{"POST /v1/upload", "[1]", rpc.InvalidBody},
		{"GET /v1/things/a", "", ""},
		{"GET /v1/stream/a", "", ""},
	} {
		a := g.do(t, c.line, c.body)
		x := <-g.exchanges
		if c.reason == "" {
			require.Equal(t, 404, a.StatusCode)
			require.Nil(t, x.Failure, c.line)
			continue
		}
		require.NotNil(t, x.Failure, c.line)
		require.Equal(t, c.reason, x.Failure.Reason)
		require.Equal(t, a.status(t).Message, x.Failure.Message)
		require.Equal(t, a.StatusCode, x.Failure.HTTPStatus())
	}
	settings := transcoder.DefaultSettings()
	gone := newGatewayTo(t, "127.0.0.1:1", &settings, false)
	for _, line := range []string{"GET /v1/things/a", "GET /v1/stream/a"} {
		a := gone.do(t, line, "")
		x := <-gone.exchanges
		require.Equal(t, 503, a.StatusCode)
		require.Equal(t, rpc.UpstreamUnreachable, x.Failure.Reason, "that nobody answers is an error of the gateway")
		require.Equal(t, a.status(t).Message, x.Failure.Message)
		require.True(t, errors.Is(x.Failure, x.Error))
	}
}
