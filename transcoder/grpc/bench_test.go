package grpc_test

import (
	"context"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/interop"
	testpb "google.golang.org/grpc/interop/grpc_testing"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// BenchmarkUnary is a unary call of 200 bytes each way, straight to the server and
// through the gateway. Client, gateway and server share the process.
func BenchmarkUnary(b *testing.B) {
	target := serveGRPC(b, interop.NewTestServer())
	gateway := serve(b, newMux(b, newUpstream(b, target), transcoder.DefaultSettings()))
	request := &testpb.SimpleRequest{ResponseSize: 200, Payload: &testpb.Payload{Body: make([]byte, 200)}}
	for _, way := range []struct{ name, target string }{{"direct", target}, {"gateway", gateway}} {
		b.Run(way.name, func(b *testing.B) {
			client := testpb.NewTestServiceClient(dial(b, way.target))
			_, err := client.UnaryCall(context.Background(), request)
			require.NoError(b, err)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := client.UnaryCall(context.Background(), request); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkServerStream is one message of 1 KiB of a long stream.
func BenchmarkServerStream(b *testing.B) {
	target := serveGRPC(b, interop.NewTestServer())
	gateway := serve(b, newMux(b, newUpstream(b, target), transcoder.DefaultSettings()))
	const messages = 1000
	request := &testpb.StreamingOutputCallRequest{}
	for range messages {
		request.ResponseParameters = append(request.ResponseParameters, &testpb.ResponseParameters{Size: 1024})
	}
	for _, way := range []struct{ name, target string }{{"direct", target}, {"gateway", gateway}} {
		b.Run(way.name, func(b *testing.B) {
			client := testpb.NewTestServiceClient(dial(b, way.target))
			b.ReportAllocs()
			for n := 0; n < b.N; n += messages {
				stream, err := client.StreamingOutputCall(context.Background(), request)
				require.NoError(b, err)
				for {
					_, err := stream.Recv()
					if err == io.EOF {
						break
					}
					require.NoError(b, err)
				}
			}
		})
	}
}

// BenchmarkUpstream is the upstream kind alone: what it and grpc-go's client cost,
// and the server.
func BenchmarkUpstream(b *testing.B) {
	up := newUpstream(b, serveGRPC(b, interop.NewTestServer()))
	method := rpc.NewMethod(testpb.File_grpc_testing_test_proto.Services().ByName("TestService").Methods().ByName("EmptyCall"))
	header := rpc.Header{{Name: "user-agent", Value: "bench"}, {Name: "x-request-id", Value: "1"}}
	b.ReportAllocs()
	for b.Loop() {
		var sink discard
		rpc.Run(context.Background(), up, &rpc.Call{Method: method, Header: header, Request: rpc.NewBuffer()}, &sink)
		if sink.status.Code != 0 {
			b.Fatal(sink.status)
		}
	}
}

type discard struct{ status rpc.Status }

func (*discard) Head(rpc.Header) {}

func (*discard) Message(msg *rpc.Buffer) error {
	msg.Release()
	return nil
}

func (d *discard) End(st rpc.Status, _ rpc.Header) { d.status = st }
