package grpc_test

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// TestHeaders: what the upstream sees of a call, and what comes back.
func TestHeaders(t *testing.T) {
	seen := make(chan map[string]string, 1)
	target := serveRaw(t, func(s *rawStream) {
		seen <- s.header
		s.head("x-b", "2", "x-a", "1", "x-bin", "AAE", "trailer", "x")
		s.frame("one")
		s.trailers("grpc-status", "0", "x-end", "z", "x-end-bin", "/w==", "grpc-tags-bin", "AAE")
	})
	header := rpc.Header{
		{Name: "x-one", Value: "1"},
		{Name: "x-raw-bin", Value: "\x00\xff"},
		{Name: "authorization", Value: "Bearer abc"},
		{Name: "user-agent", Value: "curl/8"},
	}
	for _, test := range []struct {
		name, configured, call, want string
	}{
		{"target", "", "", target},
		{"configured", "library.internal", "", "library.internal"},
		{"call", "library.internal", "books.internal", "books.internal"},
	} {
		t.Run(test.name, func(t *testing.T) {
			up := open(t, &configpb.GRPCUpstream{Target: target, Authority: test.configured})
			for _, method := range []*rpc.Method{unary, serverStream} {
				got := call(t, up, rpc.Call{Method: method, Header: header, Authority: test.call}, "hello")
				require.Zero(t, got.status)
				request := <-seen
				require.Equal(t, test.want, request[":authority"])
				require.Equal(t, "application/grpc", request["content-type"])
				require.Equal(t, "trailers", request["te"])
				require.Equal(t, "1", request["x-one"])
				require.Equal(t, "AP8", request["x-raw-bin"])
				require.Equal(t, "Bearer abc", request["authorization"])
				require.True(t, strings.HasPrefix(request["user-agent"], "dragoman/"), request["user-agent"])
				require.NotContains(t, request, "grpc-timeout", "without a deadline there is none")
				require.Equal(t, "gzip", request["grpc-accept-encoding"])
				require.Equal(t, rpc.Header{{Name: "x-a", Value: "1"}, {Name: "x-b", Value: "2"}, {Name: "x-bin", Value: "\x00\x01"}}, got.head)
				require.Equal(t, rpc.Header{{Name: "x-end", Value: "z"}, {Name: "x-end-bin", Value: "\xff"}}, got.trailer)
			}
		})
	}
}

// TestRequestSizes: a buffer that grpc-go counts, and one that it does not, arrive
// whole, and a buffer is not reused while grpc-go has it.
func TestRequestSizes(t *testing.T) {
	up := open(t, &configpb.GRPCUpstream{Target: serveRaw(t, func(s *rawStream) {
		s.head()
		s.frame("ok")
		s.trailers("grpc-status", "0")
	})})
	for _, n := range []int{0, 1, 1024, 1025, 60_000} { // the raw server opens no window
		c := rpc.Call{Method: unary, Request: &rpc.Buffer{B: make([]byte, n)}}
		a := newAnswer()
		rpc.Run(context.Background(), up, &c, a)
		require.Zero(t, a.status, "%d bytes", n)
	}
}

// TestTransparentRetry: a call that the upstream has not seen is sent again, from
// the same buffer.
func TestTransparentRetry(t *testing.T) {
	var calls atomic.Int32
	up := open(t, &configpb.GRPCUpstream{Target: serveRaw(t, func(s *rawStream) {
		if calls.Add(1) == 1 {
			_ = s.fr.WriteRSTStream(s.id, http2.ErrCodeRefusedStream)
			return
		}
		s.head()
		s.frame("again")
		s.trailers("grpc-status", "0")
	})})
	got := call(t, up, rpc.Call{Method: unary}, strings.Repeat("x", 5000))
	require.Zero(t, got.status)
	require.Equal(t, []string{"again"}, got.messages)
	require.EqualValues(t, 2, calls.Load())
}

// refusing is a sink that takes one message.
type refusing struct{ *answer }

func (r refusing) Message(msg *rpc.Buffer) error {
	if len(r.messages) == 1 {
		msg.Release()
		return rpc.ErrAborted
	}
	return r.answer.Message(msg)
}

// TestRefusingSink: a sink that takes no more ends the call.
func TestRefusingSink(t *testing.T) {
	up := open(t, &configpb.GRPCUpstream{Target: serveRaw(t, func(s *rawStream) {
		s.head()
		for range 3 {
			s.frame("more")
		}
	})})
	a := newAnswer()
	rpc.Run(context.Background(), up, &rpc.Call{Method: serverStream, Request: buffer("x")}, refusing{a})
	require.Equal(t, rpc.ClientClosed, a.status.Reason)
	require.Equal(t, []string{"more"}, a.messages)
}

// TestSendAfterEnd: Send says that the call has ended, whoever ended it.
func TestSendAfterEnd(t *testing.T) {
	up := open(t, &configpb.GRPCUpstream{Target: serveRaw(t, func(*rawStream) {})})
	ctx, cancel := context.WithCancel(context.Background())
	a := newAnswer()
	stream := up.Start(ctx, &rpc.Call{Method: bidi}, a)
	require.NoError(t, stream.Send(buffer("x")))
	cancel()
	<-a.done
	require.Error(t, stream.Send(buffer("y")))
	stream.CloseSend()
}

// TestCloseWaits: Close ends after the calls do, not before.
func TestCloseWaits(t *testing.T) {
	release := make(chan struct{})
	reached := make(chan struct{})
	cfg := &configpb.GRPCUpstream{Target: serveRaw(t, func(s *rawStream) {
		close(reached)
		<-release
		s.head()
		s.frame("one")
		s.trailers("grpc-status", "0")
	})}
	up := newUpstream(t, cfg)
	a := newAnswer()
	up.Start(context.Background(), &rpc.Call{Method: unary, Request: buffer("x")}, a)
	<-reached
	closed := make(chan error)
	go func() { closed <- up.Close() }()
	select {
	case <-closed:
		t.Fatal("closed under a running call")
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	<-a.done
	require.NoError(t, <-closed)
	require.Zero(t, a.status)
}
