package grpc_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/transcoder"
)

// within is a context for one test: nothing here takes that long.
func within(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

// await fails the test if c is not closed.
func await(t testing.TB, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatal(what)
	}
}

// TestC17ServerEndsFirst: the server ends a bidirectional stream while the client
// is half open; the client gets the status at once.
func TestC17ServerEndsFirst(t *testing.T) {
	client, _ := gateway(t, &service{duplex: func(s testpb.TestService_FullDuplexCallServer) error {
		if _, err := s.Recv(); err != nil {
			return err
		}
		s.SetTrailer(metadata.Pairs("x-end", "1"))
		return status.Error(codes.ResourceExhausted, "enough")
	}}, nil)
	stream, err := client.FullDuplexCall(within(t))
	require.NoError(t, err)
	require.NoError(t, stream.Send(&testpb.StreamingOutputCallRequest{}))
	_, err = stream.Recv()
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
	require.Equal(t, "enough", status.Convert(err).Message())
	require.Equal(t, []string{"1"}, stream.Trailer().Get("x-end"))
}

// TestC17Flood: the same while the client sends more than anybody takes.
func TestC17Flood(t *testing.T) {
	client, _ := gateway(t, &service{duplex: func(testpb.TestService_FullDuplexCallServer) error {
		return status.Error(codes.ResourceExhausted, "enough")
	}}, nil)
	stream, err := client.FullDuplexCall(within(t))
	require.NoError(t, err)
	big := &testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: make([]byte, 1<<20)}}
	for range 100 {
		if err := stream.Send(big); err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
	}
	_, err = stream.Recv()
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
}

// TestF15Flush: a message reaches the client before the next one exists, and a
// request reaches the server before the client has ended.
func TestF15Flush(t *testing.T) {
	client, _ := gateway(t, &service{duplex: func(s testpb.TestService_FullDuplexCallServer) error {
		if err := s.SendHeader(metadata.Pairs("x-head", "1")); err != nil {
			return err
		}
		for {
			r, err := s.Recv()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			if err := s.Send(&testpb.StreamingOutputCallResponse{Payload: r.Payload}); err != nil {
				return err
			}
		}
	}}, nil)
	stream, err := client.FullDuplexCall(within(t))
	require.NoError(t, err)
	head, err := stream.Header()
	require.NoError(t, err, "the head comes before any message")
	require.Equal(t, []string{"1"}, head.Get("x-head"))
	for n := range 50 {
		require.NoError(t, stream.Send(&testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: make([]byte, n)}}))
		r, err := stream.Recv()
		require.NoError(t, err)
		require.Len(t, r.GetPayload().GetBody(), n)
	}
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
}

// TestC9ClientCancels: the server's context ends with the client's.
func TestC9ClientCancels(t *testing.T) {
	for _, kind := range []string{"unary", "server", "duplex"} {
		t.Run(kind, func(t *testing.T) {
			reached, ended := make(chan struct{}), make(chan struct{})
			hang := func(ctx context.Context) error {
				close(reached)
				<-ctx.Done()
				close(ended)
				return ctx.Err()
			}
			client, m := gateway(t, &service{
				unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
					return nil, hang(ctx)
				},
				server: func(_ *testpb.StreamingOutputCallRequest, s testpb.TestService_StreamingOutputCallServer) error {
					return hang(s.Context())
				},
				duplex: func(s testpb.TestService_FullDuplexCallServer) error { return hang(s.Context()) },
			}, nil)
			ctx, cancel := context.WithCancel(within(t))
			var wg sync.WaitGroup
			defer wg.Wait()
			wg.Go(func() {
				switch kind {
				case "unary":
					_, _ = client.UnaryCall(ctx, &testpb.SimpleRequest{})
				case "server":
					_, _ = client.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
				default:
					_, _ = client.FullDuplexCall(ctx)
				}
			})
			await(t, reached, "the call did not arrive")
			cancel()
			await(t, ended, "the cancel did not arrive")
			x := m.last(t)
			require.EqualValues(t, codes.Canceled, x.Code)
			require.Equal(t, "CLIENT_CLOSED", x.Reason)
		})
	}
}

// TestDeadline: the client's, and the gateway's own.
func TestDeadline(t *testing.T) {
	for _, test := range []struct {
		name     string
		client   time.Duration
		settings func(*transcoder.Settings)
	}{
		{"client", 200 * time.Millisecond, nil},
		{"gateway", time.Hour, func(s *transcoder.Settings) {
			s.UnaryTimeout, s.StreamTimeout = 200*time.Millisecond, 200*time.Millisecond
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var left atomic.Int64
			released := make(chan struct{})
			// The service knows the deadline too. It says nothing of it, so that only
			// the gateway can.
			hang := func(ctx context.Context) error {
				d, _ := ctx.Deadline()
				left.Store(int64(time.Until(d)))
				<-released
				return nil
			}
			client, m := gateway(t, &service{
				unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
					return nil, hang(ctx)
				},
				server: func(_ *testpb.StreamingOutputCallRequest, s testpb.TestService_StreamingOutputCallServer) error {
					if err := s.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
						return err
					}
					return hang(s.Context())
				},
			}, test.settings)
			t.Cleanup(func() { close(released) })
			ctx, cancel := context.WithTimeout(context.Background(), test.client)
			defer cancel()
			_, err := client.UnaryCall(ctx, &testpb.SimpleRequest{})
			require.Equal(t, codes.DeadlineExceeded, status.Code(err), "%v", err)
			require.Less(t, left.Load(), int64(201*time.Millisecond))
			if test.name == "gateway" { // else the client's cancel may come first
				require.Equal(t, "DEADLINE_EXCEEDED", m.last(t).Reason)
			}

			ctx, cancel = context.WithTimeout(context.Background(), test.client)
			defer cancel()
			stream, err := client.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
			require.NoError(t, err)
			_, err = stream.Recv()
			require.NoError(t, err)
			_, err = stream.Recv()
			require.Equal(t, codes.DeadlineExceeded, status.Code(err), "%v", err)
		})
	}
}

// TestSlowRequest: a client that does not finish its one message is cut off at the
// deadline, and nothing waits for it.
func TestSlowRequest(t *testing.T) {
	m := newMux(t, newUpstream(t, serveGRPC(t, &service{})), transcoder.DefaultSettings())
	body, w := io.Pipe()
	defer w.Close()
	go func() { _, _ = w.Write([]byte{0, 0, 0}) }()
	res, _ := post(t, serve(t, m), unaryPath, body, "grpc-timeout", "100m")
	require.Equal(t, "4", field(res, "Grpc-Status"))
	require.Equal(t, "the deadline passed before the request was complete", field(res, "Grpc-Message"))
}

// TestUpstreamKilled: in a unary call, and in a stream that has begun.
func TestUpstreamKilled(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	reached := make(chan struct{}, 2)
	server := grpc.NewServer()
	testpb.RegisterTestServiceServer(server, &service{
		unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			reached <- struct{}{}
			<-ctx.Done()
			return nil, ctx.Err()
		},
		server: func(_ *testpb.StreamingOutputCallRequest, s testpb.TestService_StreamingOutputCallServer) error {
			if err := s.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
				return err
			}
			reached <- struct{}{}
			<-s.Context().Done()
			return s.Context().Err()
		},
	})
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = server.Serve(l)
	}()
	client := testpb.NewTestServiceClient(dial(t, serve(t, newMux(t, newUpstream(t, l.Addr().String()), transcoder.DefaultSettings()))))

	stream, err := client.StreamingOutputCall(within(t), &testpb.StreamingOutputCallRequest{})
	require.NoError(t, err)
	_, err = stream.Recv()
	require.NoError(t, err)
	var trailer metadata.MD
	failed := make(chan error, 1)
	go func() {
		_, err := client.UnaryCall(within(t), &testpb.SimpleRequest{}, grpc.Trailer(&trailer))
		failed <- err
	}()
	<-reached
	<-reached
	server.Stop()
	<-served

	err = <-failed
	require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
	require.Equal(t, []string{"UPSTREAM_UNREACHABLE"}, trailer.Get("x-dragoman-error"))
	require.Len(t, status.Convert(err).Details(), 1)
	_, err = stream.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
	require.Equal(t, []string{"UPSTREAM_UNREACHABLE"}, stream.Trailer().Get("x-dragoman-error"))

	// Nobody listens now: the same, before anything began.
	_, err = client.UnaryCall(within(t), &testpb.SimpleRequest{}, grpc.Trailer(&trailer))
	require.Equal(t, codes.Unavailable, status.Code(err), "%v", err)
	require.NotContains(t, err.Error(), "127.0.0.1", "the address is the operator's")
	open, err := client.FullDuplexCall(within(t))
	require.NoError(t, err)
	_, err = open.Recv()
	require.Equal(t, codes.Unavailable, status.Code(err), "half open: %v", err)
}

// TestLimits: a message over a limit ends the call, in both directions.
func TestLimits(t *testing.T) {
	client, _ := gateway(t, &service{
		unary: func(_ context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return &testpb.SimpleResponse{Payload: &testpb.Payload{Body: make([]byte, r.ResponseSize)}}, nil
		},
		duplex: func(s testpb.TestService_FullDuplexCallServer) error {
			for {
				if _, err := s.Recv(); err != nil {
					return err
				}
			}
		},
	}, nil)
	const most = 4 << 20
	large := grpc.MaxCallRecvMsgSize(2 * most)
	var trailer metadata.MD

	r, err := client.UnaryCall(within(t), &testpb.SimpleRequest{ResponseSize: most - 100, Payload: &testpb.Payload{Body: make([]byte, most-100)}}, large)
	require.NoError(t, err)
	require.Len(t, r.Payload.Body, most-100)

	_, err = client.UnaryCall(within(t), &testpb.SimpleRequest{Payload: &testpb.Payload{Body: make([]byte, most)}}, grpc.Trailer(&trailer))
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
	require.Equal(t, []string{"REQUEST_TOO_LARGE"}, trailer.Get("x-dragoman-error"))

	_, err = client.UnaryCall(within(t), &testpb.SimpleRequest{ResponseSize: most}, large, grpc.Trailer(&trailer))
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
	require.Equal(t, []string{"UPSTREAM_MESSAGE_TOO_LARGE"}, trailer.Get("x-dragoman-error"))

	stream, err := client.FullDuplexCall(within(t))
	require.NoError(t, err)
	require.NoError(t, stream.Send(&testpb.StreamingOutputCallRequest{}))
	_ = stream.Send(&testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: make([]byte, most)}})
	_, err = stream.Recv()
	require.Equal(t, codes.ResourceExhausted, status.Code(err), "%v", err)
	require.Equal(t, []string{"REQUEST_TOO_LARGE"}, stream.Trailer().Get("x-dragoman-error"))
}

// TestGzipClient: grpc-go's client compresses in all kinds of calls.
func TestGzipClient(t *testing.T) {
	client, _ := gateway(t, &service{
		unary: func(_ context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			return &testpb.SimpleResponse{Payload: r.Payload}, nil
		},
		duplex: func(s testpb.TestService_FullDuplexCallServer) error {
			for {
				r, err := s.Recv()
				if err == io.EOF {
					return nil
				}
				if err != nil {
					return err
				}
				if err := s.Send(&testpb.StreamingOutputCallResponse{Payload: r.Payload}); err != nil {
					return err
				}
			}
		},
	}, nil)
	text := []byte(strings.Repeat("dragoman ", 20_000))
	r, err := client.UnaryCall(within(t), &testpb.SimpleRequest{Payload: &testpb.Payload{Body: text}}, grpc.UseCompressor(gzip.Name))
	require.NoError(t, err)
	require.Equal(t, text, r.Payload.Body)

	stream, err := client.FullDuplexCall(within(t), grpc.UseCompressor(gzip.Name))
	require.NoError(t, err)
	for n := range 20 {
		require.NoError(t, stream.Send(&testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: text[:n*100]}}))
		r, err := stream.Recv()
		require.NoError(t, err)
		require.Len(t, r.GetPayload().GetBody(), n*100)
	}
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
}

// TestF16SlowClient: what a client does not read stays with the upstream.
func TestF16SlowClient(t *testing.T) {
	var sent atomic.Int64
	ended := make(chan struct{})
	client, _ := gateway(t, &service{server: func(_ *testpb.StreamingOutputCallRequest, s testpb.TestService_StreamingOutputCallServer) error {
		defer close(ended)
		const size = 10 << 10
		for {
			if err := s.Send(&testpb.StreamingOutputCallResponse{Payload: &testpb.Payload{Body: make([]byte, size)}}); err != nil {
				return err
			}
			sent.Add(size)
		}
	}}, nil)
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	stream, err := client.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
	require.NoError(t, err)
	_, err = stream.Recv()
	require.NoError(t, err)
	// The server stalls once all windows and the queue are full.
	var before int64 = -1
	require.Eventually(t, func() bool {
		now := sent.Load()
		stalled := now == before
		before = now
		return stalled
	}, 20*time.Second, 100*time.Millisecond)
	require.Less(t, before, int64(1<<20), "bytes on the way to a client that does not read")
	cancel()
	await(t, ended, "the server was not told")
}

// TestMetadata: both ways, in head and trailers.
func TestMetadata(t *testing.T) {
	var got metadata.MD
	client, _ := gateway(t, &service{unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		got, _ = metadata.FromIncomingContext(ctx)
		return &testpb.SimpleResponse{}, errors.Join(
			grpc.SetHeader(ctx, metadata.Pairs("x-head", "1", "x-head-bin", "\x00", "x-dragoman-error", "FAKE")),
			grpc.SetTrailer(ctx, metadata.Pairs("x-end", "2", "x-end", "3", "x-end-bin", "\xff\xfe")))
	}}, func(s *transcoder.Settings) { s.RequestMetadata.Deny = []string{"x-secret"} })
	ctx := metadata.AppendToOutgoingContext(within(t), "x-a", "1", "x-a", "2", "x-raw-bin", "\x00\xff", "x-secret", "s", "x-forwarded-for", "10.1.1.1", "authorization", "Bearer t")
	var head, trailer metadata.MD
	_, err := client.UnaryCall(ctx, &testpb.SimpleRequest{}, grpc.Header(&head), grpc.Trailer(&trailer))
	require.NoError(t, err)
	require.Equal(t, []string{"1", "2"}, got.Get("x-a"))
	require.Equal(t, []string{"\x00\xff"}, got.Get("x-raw-bin"))
	require.Equal(t, []string{"Bearer t"}, got.Get("authorization"))
	require.Equal(t, []string{"127.0.0.1"}, got.Get("x-forwarded-for"))
	require.Equal(t, []string{"http"}, got.Get("x-forwarded-proto"))
	require.Len(t, got.Get("x-forwarded-host"), 1)
	require.Empty(t, got.Get("x-secret"))
	require.Equal(t, metadata.MD{"content-type": {"application/grpc"}, "x-head": {"1"}, "x-head-bin": {"\x00"}}, head)
	require.Equal(t, metadata.MD{"x-end": {"2", "3"}, "x-end-bin": {"\xff\xfe"}}, trailer)
}

// TestManyAtOnce: calls on one connection do not mix.
func TestManyAtOnce(t *testing.T) {
	client, _ := gateway(t, &service{unary: func(_ context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		return &testpb.SimpleResponse{Payload: r.Payload}, nil
	}}, nil)
	var wg sync.WaitGroup
	for n := range 16 {
		wg.Go(func() {
			for i := range 20 {
				body := strings.Repeat(string(rune('a'+n%26)), (n*997+i*331)%9000)
				r, err := client.UnaryCall(within(t), &testpb.SimpleRequest{Payload: &testpb.Payload{Body: []byte(body)}})
				if err != nil || string(r.GetPayload().GetBody()) != body {
					t.Errorf("call %d of %d: %v", i, n, err)
					return
				}
			}
		})
	}
	wg.Wait()
}
