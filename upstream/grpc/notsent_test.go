package grpc_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// TestNotSent: what was certainly not sent is told from what may have been.
func TestNotSent(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())

	for _, test := range []struct {
		name   string
		target string
		script func(*rawStream)
		reason rpc.Reason
		want   bool
	}{
		{name: "nobody listens", target: closed.Addr().String(), reason: rpc.UpstreamUnreachable, want: true},
		{name: "no HTTP/2 within the deadline", target: silent.Addr().String(), reason: rpc.DeadlineExceeded, want: true},
		{name: "refused twice", reason: rpc.UpstreamUnreachable, want: true, script: func(s *rawStream) {
			_ = s.fr.WriteRSTStream(s.id, http2.ErrCodeRefusedStream)
		}},
		{name: "beyond a GOAWAY twice", reason: rpc.UpstreamUnreachable, want: true, script: func(s *rawStream) {
			_ = s.fr.WriteGoAway(0, http2.ErrCodeNo, nil)
		}},
		{name: "refused after a head", reason: rpc.UpstreamUnreachable, script: func(s *rawStream) {
			s.head()
			_ = s.fr.WriteRSTStream(s.id, http2.ErrCodeRefusedStream)
		}},
		{name: "connection lost", reason: rpc.UpstreamUnreachable, script: func(s *rawStream) { _ = s.conn.Close() }},
		{name: "no answer within the deadline", reason: rpc.DeadlineExceeded, script: func(*rawStream) {}},
		{name: "status that looks like a refusal", script: func(s *rawStream) {
			s.headers(true, ":status", "200", "content-type", "application/grpc", "grpc-status", "14",
				"grpc-message", "the stream is rejected because server is draining the connection")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.script != nil {
				test.target = serveRaw(t, test.script)
			}
			up := open(t, &configpb.GRPCUpstream{Target: test.target})
			for _, method := range []*rpc.Method{unary, serverStream} {
				st := call(t, up, rpc.Call{Method: method, Deadline: time.Now().Add(time.Second / 2)}, "hello").status
				require.Equal(t, test.want, st.NotSent, "%s: %+v", method.Name, st)
				if test.name != "refused after a head" {
					require.Equal(t, test.reason, st.Reason, "%s: %+v", method.Name, st)
				}
			}
		})
	}
}

// TestCancelledBeforeSending: the client has left, and that is the reason.
func TestCancelledBeforeSending(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer silent.Close()
	up := open(t, &configpb.GRPCUpstream{Target: silent.Addr().String()})
	ctx, cancel := context.WithCancel(context.Background())
	a := newAnswer()
	stream := up.Start(ctx, &rpc.Call{Method: serverStream, Request: buffer("x")}, a)
	cancel()
	<-a.done
	stream.Cancel()
	require.Equal(t, rpc.ClientClosed, a.status.Reason)
	require.True(t, a.status.NotSent)
}

// TestPushback: what the upstream says of another attempt (gRFC A6).
func TestPushback(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "1500": 1500 * time.Millisecond, "-1": -1, "soon": -1, "99999999999": -1,
	} {
		up := open(t, &configpb.GRPCUpstream{Target: serveRaw(t, func(s *rawStream) {
			pairs := []string{":status", "200", "content-type", "application/grpc", "grpc-status", "14"}
			if text != "" {
				pairs = append(pairs, "grpc-retry-pushback-ms", text)
			}
			s.headers(true, pairs...)
		})})
		require.Equal(t, want, call(t, up, rpc.Call{Method: unary}, "").status.RetryAfter, "%q", text)
	}
}
