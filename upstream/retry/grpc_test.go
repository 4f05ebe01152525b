package retry_test

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	upstreamgrpc "github.com/dragoman-gateway/dragoman/upstream/grpc"
	"github.com/dragoman-gateway/dragoman/upstream/retry"
)

var (
	check = &rpc.Method{Service: "grpc.health.v1.Health", Name: "Check", Path: "/grpc.health.v1.Health/Check", Idempotent: true}
	watch = &rpc.Method{Service: "grpc.health.v1.Health", Name: "Watch", Path: "/grpc.health.v1.Health/Watch", Idempotent: true, ServerStreaming: true}
)

// health is a service whose calls are answered as the test says.
type health struct {
	healthpb.UnimplementedHealthServer
	asked atomic.Int64
	check func(ctx context.Context, n int64) error
	watch func(n int64, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error
}

var serving = &healthpb.HealthCheckResponse{Status: healthpb.HealthCheckResponse_SERVING}

func (h *health) Check(ctx context.Context, r *healthpb.HealthCheckRequest) (*healthpb.HealthCheckResponse, error) {
	n := h.asked.Add(1)
	if r.Service != "books" {
		return nil, status.Errorf(codes.InvalidArgument, "asked for %q", r.Service)
	}
	return serving, h.check(ctx, n)
}

func (h *health) Watch(_ *healthpb.HealthCheckRequest, stream grpc.ServerStreamingServer[healthpb.HealthCheckResponse]) error {
	return h.watch(h.asked.Add(1), stream)
}

// serveHealth is an upstream of the kind grpc for h.
func serveHealth(t testing.TB, h *health) rpc.Upstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer()
	healthpb.RegisterHealthServer(s, h)
	served := make(chan error)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() { s.Stop(); require.NoError(t, <-served) })
	return openGRPC(t, l.Addr().String())
}

func openGRPC(t testing.TB, target string) rpc.Upstream {
	t.Helper()
	up, err := upstreamgrpc.New(&configpb.GRPCUpstream{Target: target}, upstream.Env{Name: "health", MaxMessageBytes: 4 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, up.Close()) })
	return up.(rpc.Upstream)
}

// ask makes a call for the health of books.
func ask(t testing.TB, up rpc.Upstream, m *rpc.Method, sink rpc.Sink) {
	t.Helper()
	request := rpc.NewBuffer()
	var err error
	request.B, err = proto.MarshalOptions{}.MarshalAppend(request.B, &healthpb.HealthCheckRequest{Service: "books"})
	require.NoError(t, err)
	rpc.Run(t.Context(), up, &rpc.Call{Method: m, Request: request, Deadline: time.Now().Add(20 * time.Second)}, sink)
}

const well = "message \b\x01"

func TestUnaryOverGRPC(t *testing.T) {
	plain := *check
	plain.Idempotent = false
	for _, test := range []struct {
		name   string
		method *rpc.Method
		check  func(ctx context.Context, n int64) error
		asked  int64
		want   []string
		code   codes.Code
	}{
		{name: "well", method: check, asked: 1, want: []string{"head", well, "end"}, check: func(context.Context, int64) error { return nil }},
		{name: "well at last", method: check, asked: 3, want: []string{"head", well, "end"}, check: func(_ context.Context, n int64) error {
			if n < 3 {
				return status.Error(codes.Unavailable, "try later")
			}
			return nil
		}},
		{name: "head before the failure", method: check, asked: 2, want: []string{"head", well, "end"}, check: func(ctx context.Context, n int64) error {
			if n < 2 {
				_ = grpc.SendHeader(ctx, metadata.Pairs("a", "b"))
				return status.Error(codes.Unavailable, "try later")
			}
			return nil
		}},
		{name: "not safe", method: &plain, asked: 1, want: []string{"end"}, code: codes.Unavailable, check: func(context.Context, int64) error {
			return status.Error(codes.Unavailable, "try later")
		}},
		{name: "never again", method: check, asked: 1, want: []string{"end"}, code: codes.Unavailable, check: func(ctx context.Context, _ int64) error {
			_ = grpc.SetTrailer(ctx, metadata.Pairs("grpc-retry-pushback-ms", "-1"))
			return status.Error(codes.Unavailable, "try later")
		}},
		{name: "slow once", method: check, asked: 2, want: []string{"head", well, "end"}, check: func(ctx context.Context, n int64) error {
			if n == 1 {
				<-ctx.Done()
				return status.FromContextError(ctx.Err()).Err()
			}
			return nil
		}},
		{name: "slow and not safe", method: &plain, asked: 1, want: []string{"end"}, code: codes.DeadlineExceeded, check: func(ctx context.Context, _ int64) error {
			<-ctx.Done()
			return status.FromContextError(ctx.Err()).Err()
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := &health{check: test.check}
			cfg := retry.Defaults()
			cfg.PerTryTimeout = time.Second / 2
			got := newReceived()
			ask(t, retry.New(cfg).RPC(serveHealth(t, h), test.method), test.method, got)
			require.Equal(t, test.want, got.events, "%+v", got.status)
			require.Equal(t, test.code, got.status.Code)
			require.Equal(t, test.asked, h.asked.Load())
		})
	}
}

func TestStreamOverGRPC(t *testing.T) {
	type stream = grpc.ServerStreamingServer[healthpb.HealthCheckResponse]
	const bound = 200 * time.Millisecond
	for _, test := range []struct {
		name  string
		watch func(n int64, s stream) error
		asked int64
		want  []string
		code  codes.Code
	}{
		{name: "well at last", asked: 3, want: []string{"head", well, well, "end"}, watch: func(n int64, s stream) error {
			if n < 3 {
				return status.Error(codes.Unavailable, "try later")
			}
			_ = s.Send(serving)
			return s.Send(serving)
		}},
		{name: "begun", asked: 1, want: []string{"head", well, "end"}, code: codes.Unavailable, watch: func(_ int64, s stream) error {
			_ = s.Send(serving)
			return status.Error(codes.Unavailable, "try later")
		}},
		{name: "head before the failure", asked: 1, want: []string{"head", "end"}, code: codes.Unavailable, watch: func(_ int64, s stream) error {
			_ = s.SendHeader(nil)
			return status.Error(codes.Unavailable, "try later")
		}},
		{name: "no head once, and then a slow stream", asked: 2, want: []string{"head", well, "end"}, watch: func(n int64, s stream) error {
			if n == 1 {
				<-s.Context().Done()
				return nil
			}
			_ = s.SendHeader(nil)
			// The stream takes longer than an attempt may until its head.
			timer := time.NewTimer(2 * bound)
			defer timer.Stop()
			select {
			case <-timer.C:
			case <-s.Context().Done():
			}
			return s.Send(serving)
		}},
		{name: "never a head", asked: 3, want: []string{"end"}, code: codes.DeadlineExceeded, watch: func(_ int64, s stream) error {
			<-s.Context().Done()
			return nil
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := &health{watch: test.watch}
			cfg := quick()
			cfg.PerTryTimeout = bound
			got := newReceived()
			ask(t, retry.New(cfg).RPC(serveHealth(t, h), watch), watch, got)
			require.Equal(t, test.want, got.events, "%+v", got.status)
			require.Equal(t, test.code, got.status.Code)
			require.Equal(t, test.asked, h.asked.Load())
		})
	}
}

// TestRefusedOverGRPC: a call that was not sent is tried again, whatever it does.
func TestRefusedOverGRPC(t *testing.T) {
	plain := *check
	plain.Idempotent = false
	counting := &counting{Upstream: openGRPC(t, nobody(t))}
	got := newReceived()
	ask(t, retry.New(quick()).RPC(counting, &plain), &plain, got)
	require.Equal(t, rpc.UpstreamUnreachable, got.status.Reason)
	require.Equal(t, []string{"end"}, got.events)
	require.Equal(t, 3, counting.calls)
}

type counting struct {
	rpc.Upstream
	calls int
}

func (c *counting) Do(ctx context.Context, call *rpc.Call, sink rpc.Sink) {
	c.calls++
	rpc.Run(ctx, c.Upstream, call, sink)
}

// quiet is a sink that keeps nothing.
type quiet struct{ code codes.Code }

func (*quiet) Head(rpc.Header) {}
func (*quiet) Message(msg *rpc.Buffer) error {
	msg.Release()
	return nil
}
func (q *quiet) End(st rpc.Status, _ rpc.Header) { q.code = st.Code }

// instant answers at once, on the caller's goroutine.
type instant struct{}

func (instant) Start(context.Context, *rpc.Call, rpc.Sink) rpc.Stream { panic("not used") }
func (instant) Do(_ context.Context, call *rpc.Call, sink rpc.Sink) {
	sink.Head(nil)
	_ = sink.Message(call.Request)
	sink.End(rpc.Status{}, nil)
}

// TestCallAllocations: a call that goes well costs next to nothing more.
func TestCallAllocations(t *testing.T) {
	cfg := retry.Defaults()
	cfg.PerTryTimeout = time.Minute
	up := retry.New(cfg).RPC(instant{}, get)
	sink := &quiet{}
	call := &rpc.Call{Method: get}
	require.LessOrEqual(t, testing.AllocsPerRun(1000, func() {
		call.Request = buffer("hello")
		rpc.Run(t.Context(), up, call, sink)
	}), 1.0)
}

func BenchmarkCall(b *testing.B) {
	for name, up := range map[string]rpc.Upstream{"plain": instant{}, "retry": retry.New(retry.Defaults()).RPC(instant{}, get)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			sink, call := &quiet{}, &rpc.Call{Method: get}
			for b.Loop() {
				call.Request = buffer("hello")
				rpc.Run(b.Context(), up, call, sink)
			}
		})
	}
}
