package e2e

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/reflection"
)

// TestInterop runs gRPC's own interop client through the gateway against gRPC's
// own interop server. A case that fails ends the test binary, naming what it
// wanted.
func TestInterop(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := grpc.NewServer()
	testpb.RegisterTestServiceServer(srv, interop.NewTestServer())
	reflection.Register(srv)
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(srv.Stop)
	p := startProcess(t, ln.Addr().String())
	cc, err := grpc.NewClient(p.gateway, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = cc.Close() })
	client := testpb.NewTestServiceClient(cc)
	on := func(f func(context.Context, testpb.TestServiceClient, ...grpc.CallOption)) func(context.Context) {
		return func(ctx context.Context) { f(ctx, client) }
	}
	for _, test := range []struct {
		name string
		run  func(context.Context)
	}{
		{"empty_unary", on(interop.DoEmptyUnaryCall)},
		{"large_unary", on(interop.DoLargeUnaryCall)},
		{"client_streaming", on(interop.DoClientStreaming)},
		{"server_streaming", on(interop.DoServerStreaming)},
		{"ping_pong", on(interop.DoPingPong)},
		{"empty_stream", on(interop.DoEmptyStream)},
		{"timeout_on_sleeping_server", on(interop.DoTimeoutOnSleepingServer)},
		{"cancel_after_begin", on(interop.DoCancelAfterBegin)},
		{"cancel_after_first_response", on(interop.DoCancelAfterFirstResponse)},
		{"status_code_and_message", on(interop.DoStatusCodeAndMessage)},
		{"special_status_message", on(interop.DoSpecialStatusMessage)},
		{"custom_metadata", on(interop.DoCustomMetadata)},
		{"unimplemented_method", func(ctx context.Context) { interop.DoUnimplementedMethod(ctx, cc) }},
		{"unimplemented_service", func(ctx context.Context) {
			interop.DoUnimplementedService(ctx, testpb.NewUnimplementedServiceClient(cc))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
			defer cancel()
			test.run(ctx)
		})
	}
}
