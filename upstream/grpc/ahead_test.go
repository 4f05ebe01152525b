package grpc_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// serverWindow is what the upstreams here take of a stream without reading it.
const serverWindow = 64 << 10

// serveClientStream answers calls of clientStream by a handler of grpc-go.
func serveClientStream(t *testing.T, handle grpc.StreamHandler) *configpb.GRPCUpstream {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := grpc.NewServer(grpc.InitialWindowSize(serverWindow)) // which does not widen it then
	srv.RegisterService(&grpc.ServiceDesc{
		ServiceName: clientStream.Service, HandlerType: (*any)(nil),
		Streams: []grpc.StreamDesc{{StreamName: clientStream.Name, ClientStreams: true, Handler: handle}},
	}, struct{}{})
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-served
	})
	return &configpb.GRPCUpstream{Target: l.Addr().String()}
}

// TestSendAheadGoesOn: an upstream that says nothing before the end gets all that
// is sent, in messages of any size.
func TestSendAheadGoesOn(t *testing.T) {
	up := open(t, serveClientStream(t, func(_ any, stream grpc.ServerStream) error {
		n := 0
		for {
			err := stream.RecvMsg(new(emptypb.Empty))
			if err == io.EOF {
				return stream.SendMsg(wrapperspb.String(strconv.Itoa(n)))
			}
			if err != nil {
				return err
			}
			n++
		}
	}))
	for _, size := range []int{1, 1000, 5000, 32 << 10, 100 << 10} {
		t.Run(fmt.Sprintf("%d bytes", size), func(t *testing.T) {
			const count = 300
			// A field that nobody knows, of the length of the message.
			head := []byte{0x7a, byte(size&0x7f | 0x80), byte(size>>7&0x7f | 0x80), byte(size >> 14)}
			message := string(head) + strings.Repeat("x", size)
			a := newAnswer()
			stream := up.Start(t.Context(), &rpc.Call{Method: clientStream}, a)
			defer stream.Cancel()
			for range count {
				require.NoError(t, stream.Send(buffer(message)))
			}
			stream.CloseSend()
			<-a.done
			require.Zero(t, a.status)
			require.Equal(t, []string{"\n\x03" + strconv.Itoa(count)}, a.messages)
		})
	}
}

// TestSendAheadWaits: to an upstream that takes nothing, little more is sent than
// its window holds, and a call that ends is not waited for.
func TestSendAheadWaits(t *testing.T) {
	cfg := serveClientStream(t, func(_ any, stream grpc.ServerStream) error {
		<-stream.Context().Done()
		return nil
	})
	for _, size := range []int{2000, 10 << 10, 30 << 10} {
		t.Run(fmt.Sprintf("%d bytes", size), func(t *testing.T) {
			up := open(t, cfg)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			a := newAnswer()
			stream := up.Start(ctx, &rpc.Call{Method: clientStream}, a)
			var sent atomic.Int64
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				for stream.Send(buffer(strings.Repeat("x", size))) == nil {
					sent.Add(int64(size))
				}
			}()
			before := int64(-1)
			require.Eventually(t, func() bool {
				now := sent.Load()
				stands := now == before && now > 0
				before = now
				return stands
			}, time.Minute, 200*time.Millisecond)
			require.LessOrEqual(t, before, int64(serverWindow+32<<10))
			cancel()
			<-ended
			<-a.done
		})
	}
}
