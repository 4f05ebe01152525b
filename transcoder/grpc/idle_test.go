package grpc_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/dragoman-gateway/dragoman/rpc/adapt"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// silent is a service whose streams say nothing until they are cancelled, after
// as many messages as it is told.
func silent(ended chan<- struct{}) *service {
	wait := func(ctx context.Context) error {
		<-ctx.Done()
		ended <- struct{}{}
		return ctx.Err()
	}
	return &service{
		server: func(in *testpb.StreamingOutputCallRequest, s testpb.TestService_StreamingOutputCallServer) error {
			for range in.ResponseParameters {
				if err := s.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
					return err
				}
			}
			return wait(s.Context())
		},
		duplex: func(s testpb.TestService_FullDuplexCallServer) error {
			for {
				if _, err := s.Recv(); err != nil {
					break
				}
			}
			return wait(s.Context())
		},
	}
}

// TestIdleTimeout: a stream on which nothing travels ends with a status that
// names the limit, and the upstream's ends with it.
func TestIdleTimeout(t *testing.T) {
	ended := make(chan struct{}, 10)
	client, m := gateway(t, silent(ended), func(s *transcoder.Settings) { s.Stream.IdleTimeout = 50 * time.Millisecond })
	check := func(t *testing.T, err error, trailer metadata.MD) {
		t.Helper()
		require.Equal(t, codes.DeadlineExceeded, status.Code(err), "%v", err)
		require.Contains(t, err.Error(), "for 50ms, the idle_timeout")
		require.Equal(t, []string{"DEADLINE_EXCEEDED"}, trailer.Get("x-dragoman-error"))
		<-ended
		x := m.last(t)
		require.Equal(t, int(codes.DeadlineExceeded), x.Code)
		require.Equal(t, "DEADLINE_EXCEEDED", x.Reason)
	}
	for name, messages := range map[string]int{"before any message": 0, "after two": 2} {
		t.Run("server stream, "+name, func(t *testing.T) {
			stream, err := client.StreamingOutputCall(within(t), &testpb.StreamingOutputCallRequest{
				ResponseParameters: make([]*testpb.ResponseParameters, messages),
			})
			require.NoError(t, err)
			for range messages {
				_, err = stream.Recv()
				require.NoError(t, err)
			}
			_, err = stream.Recv()
			check(t, err, stream.Trailer())
		})
	}
	for _, half := range []bool{false, true} {
		t.Run(map[bool]string{false: "duplex, open", true: "duplex, half closed"}[half], func(t *testing.T) {
			stream, err := client.FullDuplexCall(within(t))
			require.NoError(t, err)
			require.NoError(t, stream.Send(&testpb.StreamingOutputCallRequest{}))
			if half {
				require.NoError(t, stream.CloseSend())
			}
			_, err = stream.Recv()
			check(t, err, stream.Trailer())
		})
	}
}

// memory is [gateway] within this process's memory, so that time can be virtual.
func memory(t testing.TB, service testpb.TestServiceServer, change func(*transcoder.Settings)) testpb.TestServiceClient {
	t.Helper()
	settings := transcoder.DefaultSettings()
	change(&settings)
	up := new(adapt.Services)
	testpb.RegisterTestServiceServer(up, service)
	l := bufconn.Listen(64 << 10)
	s := &http.Server{Handler: newMux(t, up, settings), Protocols: new(http.Protocols), ReadHeaderTimeout: time.Second}
	s.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() { _ = s.Close() })
	return testpb.NewTestServiceClient(dial(t, "passthrough:///memory", grpc.WithContextDialer(
		func(ctx context.Context, _ string) (net.Conn, error) { return l.DialContext(ctx) })))
}

// TestIdleTimeoutUnused: messages of one direction keep a stream that is silent
// in the other, and a unary call is none.
func TestIdleTimeoutUnused(t *testing.T) {
	const after, every, times = 3 * time.Second, 2 * time.Second, 5
	service := &service{
		unary: func(ctx context.Context, _ *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
			time.Sleep(2 * after)
			return &testpb.SimpleResponse{}, ctx.Err()
		},
		server: func(_ *testpb.StreamingOutputCallRequest, s testpb.TestService_StreamingOutputCallServer) error {
			for range times {
				time.Sleep(every)
				if err := s.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
					return err
				}
			}
			return nil
		},
		duplex: func(s testpb.TestService_FullDuplexCallServer) error {
			for {
				if _, err := s.Recv(); err == io.EOF {
					return nil
				} else if err != nil {
					return err
				}
			}
		},
	}
	for name, call := range map[string]func(*testing.T, testpb.TestServiceClient){
		"answers": func(t *testing.T, client testpb.TestServiceClient) {
			stream, err := client.StreamingOutputCall(t.Context(), &testpb.StreamingOutputCallRequest{})
			require.NoError(t, err)
			for range times {
				_, err = stream.Recv()
				require.NoError(t, err)
			}
			_, err = stream.Recv()
			require.ErrorIs(t, err, io.EOF)
		},
		"requests": func(t *testing.T, client testpb.TestServiceClient) {
			stream, err := client.FullDuplexCall(t.Context())
			require.NoError(t, err)
			for range times {
				time.Sleep(every)
				require.NoError(t, stream.Send(&testpb.StreamingOutputCallRequest{}))
			}
			require.NoError(t, stream.CloseSend())
			_, err = stream.Recv()
			require.ErrorIs(t, err, io.EOF)
		},
		"unary": func(t *testing.T, client testpb.TestServiceClient) {
			_, err := client.UnaryCall(t.Context(), &testpb.SimpleRequest{})
			require.NoError(t, err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				call(t, memory(t, service, func(s *transcoder.Settings) { s.Stream.IdleTimeout = after }))
			})
		})
	}
}

// TestIdleTimeoutStalled: a client that takes nothing holds neither the upstream
// nor the handler for longer.
func TestIdleTimeoutStalled(t *testing.T) {
	ended := make(chan struct{})
	client, m := gateway(t, &service{server: func(_ *testpb.StreamingOutputCallRequest, s testpb.TestService_StreamingOutputCallServer) error {
		defer close(ended)
		for {
			if err := s.Send(&testpb.StreamingOutputCallResponse{Payload: &testpb.Payload{Body: make([]byte, 64<<10)}}); err != nil {
				return err
			}
		}
	}}, func(s *transcoder.Settings) { s.Stream.IdleTimeout = 100 * time.Millisecond })
	_, err := client.StreamingOutputCall(within(t), &testpb.StreamingOutputCallRequest{})
	require.NoError(t, err)
	await(t, ended, "the upstream goes on")
	require.Equal(t, "DEADLINE_EXCEEDED", m.last(t).Reason)
}
