package proxy_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// echo is a service of gRPC with a method each way.
func echo(_ any, stream grpc.ServerStream) error {
	var in wrapperspb.StringValue
	for {
		err := stream.RecvMsg(&in)
		if errors.Is(err, io.EOF) {
			stream.SetTrailer(metadata.Pairs("x-trailer", "t"))
			return nil
		}
		if err != nil {
			return err
		}
		if strings.HasPrefix(in.Value, "fail") {
			stream.SetTrailer(metadata.Pairs("x-trailer", "t"))
			return status.Error(codes.FailedPrecondition, in.Value+" \u00e9")
		}
		if err := stream.SendMsg(&in); err != nil {
			return err
		}
	}
}

// TestGRPC passes calls of grpc-go through to a service of grpc-go.
func TestGRPC(t *testing.T) {
	ln := raw(t)
	srv := grpc.NewServer()
	srv.RegisterService(&grpc.ServiceDesc{ServiceName: "t.Echo", HandlerType: (*any)(nil), Streams: []grpc.StreamDesc{
		{StreamName: "Bidi", Handler: echo, ServerStreams: true, ClientStreams: true},
	}}, struct{}{})
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(srv.Stop)
	s := serve(t, to(newH2C(t, ln.Addr().String())))
	conn, err := grpc.NewClient(s.address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	open := func() grpc.ClientStream {
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/t.Echo/Bidi")
		require.NoError(t, err)
		return stream
	}
	exchange := func(stream grpc.ClientStream, text string) {
		require.NoError(t, stream.SendMsg(wrapperspb.String(text)))
		var out wrapperspb.StringValue
		require.NoError(t, stream.RecvMsg(&out))
		require.Equal(t, text, out.Value)
	}
	t.Run("whole stream", func(t *testing.T) {
		stream := open()
		exchange(stream, "one")
		exchange(stream, strings.Repeat("x", 100<<10))
		require.NoError(t, stream.CloseSend())
		require.Equal(t, io.EOF, stream.RecvMsg(new(wrapperspb.StringValue)))
		require.Equal(t, []string{"t"}, stream.Trailer().Get("x-trailer"))
	})
	t.Run("the service ends it, the client is still open", func(t *testing.T) {
		stream := open()
		exchange(stream, "one")
		require.NoError(t, stream.SendMsg(wrapperspb.String("fail now")))
		err := stream.RecvMsg(new(wrapperspb.StringValue))
		require.Equal(t, codes.FailedPrecondition, status.Code(err))
		require.Equal(t, "fail now \u00e9", status.Convert(err).Message())
		require.Equal(t, []string{"t"}, stream.Trailer().Get("x-trailer"))
	})
	t.Run("trailers only", func(t *testing.T) {
		stream := open()
		require.NoError(t, stream.SendMsg(wrapperspb.String("fail at once")))
		require.Equal(t, codes.FailedPrecondition, status.Code(stream.RecvMsg(new(wrapperspb.StringValue))))
		require.Equal(t, []string{"t"}, stream.Trailer().Get("x-trailer"))
	})
	t.Run("unknown method", func(t *testing.T) {
		err := conn.Invoke(ctx, "/t.Echo/None", wrapperspb.String("x"), new(wrapperspb.StringValue))
		require.Equal(t, codes.Unimplemented, status.Code(err))
	})
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(ctx)
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, "/t.Echo/Bidi")
		require.NoError(t, err)
		exchange(stream, "one")
		cancel()
		require.Equal(t, codes.Canceled, status.Code(stream.RecvMsg(new(wrapperspb.StringValue))))
	})
}
