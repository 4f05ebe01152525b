package retry_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream/retry"
)

var (
	get    = &rpc.Method{Service: "acme.v1.Echo", Name: "Get", Path: "/acme.v1.Echo/Get", Idempotent: true}
	post   = &rpc.Method{Service: "acme.v1.Echo", Name: "Post", Path: "/acme.v1.Echo/Post"}
	list   = &rpc.Method{Service: "acme.v1.Echo", Name: "List", Path: "/acme.v1.Echo/List", Idempotent: true, ServerStreaming: true}
	upload = &rpc.Method{Service: "acme.v1.Echo", Name: "Upload", Path: "/acme.v1.Echo/Upload", Idempotent: true, ClientStreaming: true}

	unavailable = rpc.Status{Code: codes.Unavailable, Message: "try later"}
)

// fake is an upstream that answers as it is told, on a goroutine of its own.
type fake struct {
	answer   func(n int, call *rpc.Call, sink rpc.Sink)
	requests []string
	asked    []time.Time
}

func (f *fake) Start(_ context.Context, call *rpc.Call, sink rpc.Sink) rpc.Stream {
	f.asked = append(f.asked, time.Now())
	f.requests = append(f.requests, string(call.Request.B))
	n, own := len(f.requests), *call
	go func() {
		// Whoever owns a buffer may change it.
		clear(own.Request.B)
		own.Request.Release()
		f.answer(n, &own, sink)
	}()
	return nil
}

// received is all that a sink was told, in order.
type received struct {
	events        []string
	head, trailer rpc.Header
	status        rpc.Status
	ended         chan struct{}
}

func newReceived() *received { return &received{ended: make(chan struct{})} }

func (r *received) Head(h rpc.Header) { r.events, r.head = append(r.events, "head"), h }
func (r *received) Message(msg *rpc.Buffer) error {
	r.events = append(r.events, "message "+string(msg.B))
	msg.Release()
	return nil
}

func (r *received) End(st rpc.Status, trailer rpc.Header) {
	r.events, r.status, r.trailer = append(r.events, "end"), st, trailer
	close(r.ended)
}

func buffer(s string) *rpc.Buffer {
	b := rpc.NewBuffer()
	b.B = append(b.B, s...)
	return b
}

// do makes a call with a request, and returns what came.
func do(t testing.TB, up rpc.Upstream, m *rpc.Method) *received {
	t.Helper()
	got := newReceived()
	rpc.Run(t.Context(), up, &rpc.Call{Method: m, Request: buffer("hello")}, got)
	return got
}

// fails answers with a status so many times, and then well.
func fails(times int, st rpc.Status) *fake {
	return &fake{answer: func(n int, _ *rpc.Call, sink rpc.Sink) {
		if n <= times {
			sink.End(st, rpc.Header{{Name: "from", Value: "failure"}})
			return
		}
		sink.Head(rpc.Header{{Name: "from", Value: "answer"}})
		_ = sink.Message(buffer("hi"))
		sink.End(rpc.Status{}, rpc.Header{{Name: "from", Value: "answer"}})
	}}
}

func TestCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		notSent := rpc.Errorf(rpc.UpstreamUnreachable, "nobody listens").Status()
		notSent.NotSent = true
		lost := rpc.Errorf(rpc.UpstreamUnreachable, "the connection was lost").Status()
		overloaded := rpc.Errorf(rpc.UpstreamOverloaded, "too many").Status()
		overloaded.NotSent = true
		closed := rpc.Errorf(rpc.ClientClosed, "given up").Status()
		never := unavailable
		never.RetryAfter = -1
		for _, test := range []struct {
			name   string
			on     []string
			method *rpc.Method
			status rpc.Status
			want   int
		}{
			{name: "unavailable", method: get, status: unavailable, want: 3},
			{name: "unavailable stream", method: list, status: unavailable, want: 3},
			{name: "not safe", method: post, status: unavailable, want: 1},
			{name: "not sent", method: post, status: notSent, want: 3},
			{name: "lost", method: get, status: lost, want: 3},
			{name: "lost and not safe", method: post, status: lost, want: 1},
			{name: "lost, and only connections count", on: []string{"connect_failure"}, method: get, status: lost, want: 1},
			{name: "not found", method: get, status: rpc.Status{Code: codes.NotFound}, want: 1},
			{name: "aborted, if it is named", on: []string{"ABORTED"}, method: get, status: rpc.Status{Code: codes.Aborted}, want: 3},
			{name: "as the status that a client of REST gets", on: []string{"429"}, method: get, status: rpc.Status{Code: codes.ResourceExhausted}, want: 3},
			{name: "overloaded", on: []string{"5xx", "UNAVAILABLE"}, method: get, status: overloaded, want: 1},
			{name: "given up", on: []string{"CANCELLED"}, method: get, status: closed, want: 1},
			{name: "asked to stop", method: get, status: never, want: 1},
			{name: "code of no name", on: []string{"UNKNOWN"}, method: get, status: rpc.Status{Code: 99}, want: 1},
		} {
			cfg := retry.Defaults()
			if test.on != nil {
				cfg.On = test.on
			}
			up := fails(100, test.status)
			got := do(t, retry.New(cfg).RPC(up, test.method), test.method)
			require.Equal(t, []string{"end"}, got.events, test.name)
			require.Equal(t, test.status, got.status, test.name)
			require.Equal(t, "failure", got.trailer.Get("from"))
			require.Len(t, up.requests, test.want, test.name)

			if test.want == 3 {
				up = fails(2, test.status)
				got = do(t, retry.New(cfg).RPC(up, test.method), test.method)
				require.Equal(t, []string{"head", "message hi", "end"}, got.events, test.name)
				require.Equal(t, []string{"hello", "hello", "hello"}, up.requests)
				require.Equal(t, "answer", got.head.Get("from"))
				require.Equal(t, "answer", got.trailer.Get("from"))
			}
		}
	})
}

// TestBegunAnswer: an answer that the client has seen a part of goes on to its end.
func TestBegunAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			name     string
			method   *rpc.Method
			messages int
			head     bool
			want     []string
		}{
			{name: "head of a unary call", method: get, head: true, want: []string{"head", "message hi", "end"}},
			{name: "head of a stream", method: list, head: true, want: []string{"head", "end"}},
			{name: "message of a stream", method: list, messages: 1, want: []string{"message one", "end"}},
			{name: "message of a unary call", method: get, messages: 1, want: []string{"message one", "end"}},
		} {
			up := fails(0, rpc.Status{})
			good := up.answer
			up.answer = func(n int, call *rpc.Call, sink rpc.Sink) {
				if n > 1 {
					good(n, call, sink)
					return
				}
				if test.head {
					sink.Head(nil)
				}
				for range test.messages {
					_ = sink.Message(buffer("one"))
				}
				sink.End(unavailable, nil)
			}
			got := do(t, retry.New(quick()).RPC(up, test.method), test.method)
			require.Equal(t, test.want, got.events, test.name)
		}
	})
}

// TestHeadOfTheLastFailure: a failure that is the client's has its head.
func TestHeadOfTheLastFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := &fake{answer: func(_ int, _ *rpc.Call, sink rpc.Sink) {
			sink.Head(rpc.Header{{Name: "n", Value: "1"}})
			sink.End(unavailable, nil)
		}}
		got := do(t, retry.New(quick()).RPC(up, get), get)
		require.Equal(t, []string{"head", "end"}, got.events)
		require.Equal(t, "1", got.head.Get("n"))
		require.Len(t, up.requests, 3)
	})
}

// TestStart: a stream is tried again as well, for as long as its client wants it.
func TestStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		header := rpc.Header{{Name: "a", Value: "b"}}
		up := fails(2, unavailable)
		good := up.answer
		up.answer = func(n int, call *rpc.Call, sink rpc.Sink) {
			if call.Header.Get("a") != "b" {
				sink.End(rpc.Status{Code: codes.Internal}, nil)
				return
			}
			good(n, call, sink)
		}
		call := &rpc.Call{Method: list, Request: buffer("hello"), Header: header}
		got := newReceived()
		stream := retry.New(retry.Defaults()).RPC(up, list).Start(t.Context(), call, got)
		header[0].Value = "changed"
		*call = rpc.Call{}
		<-got.ended
		require.Equal(t, []string{"head", "message hi", "end"}, got.events)
		require.Error(t, stream.Send(buffer("more")))
		stream.CloseSend()
		stream.Cancel()

		cfg := retry.Defaults()
		cfg.Backoff, cfg.MaxBackoff = time.Minute, time.Minute
		got = newReceived()
		up = fails(2, unavailable)
		stream = retry.New(cfg).RPC(up, list).Start(t.Context(), &rpc.Call{Method: list, Request: buffer("hello")}, got)
		synctest.Wait()
		start := time.Now()
		stream.Cancel()
		<-got.ended
		require.Equal(t, rpc.ClientClosed, got.status.Reason)
		require.Zero(t, time.Since(start))
		require.Len(t, up.requests, 1)
	})
}

// TestPushback: an upstream that asks for time gets it, if there is any.
func TestPushback(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		info, err := anypb.New(&errdetails.RetryInfo{RetryDelay: durationpb.New(7 * time.Second)})
		require.NoError(t, err)
		details, err := proto.Marshal(&spb.Status{Code: 14, Details: []*anypb.Any{info}})
		require.NoError(t, err)
		for _, st := range []rpc.Status{
			{Code: codes.Unavailable, Details: details},
			{Code: codes.Unavailable, RetryAfter: 7 * time.Second},
		} {
			for deadline, want := range map[time.Duration]int{0: 2, 10 * time.Second: 2, 7 * time.Second: 1} {
				up := fails(1, st)
				got := newReceived()
				call := &rpc.Call{Method: get, Request: buffer("hello")}
				if deadline > 0 {
					call.Deadline = time.Now().Add(deadline)
				}
				rpc.Run(t.Context(), retry.New(retry.Defaults()).RPC(up, get), call, got)
				require.Len(t, up.requests, want)
				if want == 2 {
					require.Equal(t, 7*time.Second, up.asked[1].Sub(up.asked[0]))
					require.Equal(t, codes.OK, got.status.Code)
				} else {
					require.Equal(t, st, got.status)
				}
			}
		}
		up := fails(1, rpc.Status{Code: codes.Unavailable, Details: []byte{0xff}})
		do(t, retry.New(retry.Defaults()).RPC(up, get), get)
		require.Len(t, up.requests, 2, "details that cannot be read ask for nothing")
	})
}

// TestPerTryTimeoutOfCalls: a unary attempt has a deadline of its own, a stream one
// up to its head.
func TestPerTryTimeoutOfCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.PerTryTimeout = time.Second
		slow := func(st rpc.Status) *fake {
			return &fake{answer: func(_ int, call *rpc.Call, sink rpc.Sink) {
				time.Sleep(time.Until(call.Deadline))
				sink.End(st, nil)
			}}
		}
		// Whoever is first to see that the time is up: the gateway or the service.
		for _, st := range []rpc.Status{rpc.Errorf(rpc.DeadlineExceeded, "late").Status(), {Code: codes.DeadlineExceeded}} {
			up := slow(st)
			got := do(t, retry.New(cfg).RPC(up, get), get)
			require.Equal(t, st, got.status)
			require.Equal(t, []string{"end"}, got.events)
			require.Len(t, up.requests, 3)
			require.Equal(t, time.Second, up.asked[1].Sub(up.asked[0]))

			up = slow(st)
			require.Equal(t, st, do(t, retry.New(cfg).RPC(up, post), post).status)
			require.Len(t, up.requests, 1)
		}
	})
}

// TestUntouched: calls that are never tried again go to the upstream itself.
func TestUntouched(t *testing.T) {
	up := &fake{}
	cfg := retry.Defaults()
	require.Same(t, up, retry.New(cfg).RPC(up, upload))
	require.NotSame(t, up, retry.New(cfg).RPC(up, post))
	cfg.On = []string{"UNAVAILABLE"}
	require.NotSame(t, up, retry.New(cfg).RPC(up, post))
	cfg.On = []string{"ABORTED"}
	require.Same(t, up, retry.New(cfg).RPC(up, post))
	require.NotSame(t, up, retry.New(cfg).RPC(up, get))
	cfg.Attempts = 1
	require.Same(t, up, retry.New(cfg).RPC(up, get))
}

// TestLargeRequest: a message that is too large to be kept is sent once.
func TestLargeRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for bytes, want := range map[int]int{5: 3, 4: 1} {
			cfg := quick()
			cfg.RequestBytes = bytes
			up := fails(100, unavailable)
			do(t, retry.New(cfg).RPC(up, get), get)
			require.Len(t, up.requests, want)
		}
	})
}
