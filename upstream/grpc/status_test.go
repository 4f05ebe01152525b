package grpc_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"net"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
)

func zipped(n int) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(make([]byte, n))
	_ = z.Close()
	return append([]byte{1, 0, 0, byte(b.Len() >> 8), byte(b.Len())}, b.Bytes()...)
}

// TestStatus has an upstream say everything that is right or wrong, and tells by
// the reason whether the status counts as the upstream's. The names are those of
// the rows of the conformance cases. Each of grpc-go's own statuses that is told
// by its text is provoked here.
func TestStatus(t *testing.T) {
	details, err := proto.Marshal(&spb.Status{Code: 5, Message: "richer"})
	require.NoError(t, err)
	for _, test := range []struct {
		name    string
		method  *rpc.Method
		script  func(*rawStream)
		code    codes.Code
		reason  rpc.Reason
		message string
		// head and messages are what arrives besides.
		head     bool
		messages []string
	}{{
		name:   "D12 frame cut short",
		method: unary,
		script: func(s *rawStream) { s.head(); s.data(false, 0, 0, 0, 0, 9, 'x'); s.trailers("grpc-status", "0") },
		code:   codes.Internal, reason: rpc.UpstreamProtocol, head: true,
		message: `upstream "echo" broke the protocol: unexpected EOF`,
	}, {
		name:   "D12 frame cut short in a stream",
		method: serverStream,
		script: func(s *rawStream) {
			s.head()
			s.frame("one")
			s.data(false, 0, 0, 0, 0, 9, 'x')
			s.trailers("grpc-status", "0")
		},
		code: codes.Internal, reason: rpc.UpstreamProtocol, head: true, messages: []string{"one"},
		message: `upstream "echo" broke the protocol: unexpected EOF`,
	}, {
		name:   "D12 flag byte over 1",
		method: unary,
		script: func(s *rawStream) { s.head(); s.data(false, 5, 0, 0, 0, 0); s.trailers("grpc-status", "0") },
		code:   codes.Internal, reason: rpc.UpstreamProtocol, head: true,
		message: `upstream "echo" broke the protocol: grpc: received unexpected payload format 5`,
	}, {
		name:   "compressed without grpc-encoding",
		method: unary,
		script: func(s *rawStream) { s.head(); s.data(false, zipped(3)...); s.trailers("grpc-status", "0") },
		code:   codes.Internal, reason: rpc.UpstreamProtocol, head: true,
		message: `upstream "echo" broke the protocol: grpc: compressed flag set with identity or empty encoding`,
	}, {
		name:   "unknown grpc-encoding",
		method: unary,
		script: func(s *rawStream) {
			s.head("grpc-encoding", "lzma")
			s.data(false, zipped(3)...)
			s.trailers("grpc-status", "0")
		},
		code: codes.Internal, reason: rpc.UpstreamProtocol, head: true,
		message: `upstream "echo" broke the protocol: grpc: Decompressor is not installed for grpc-encoding "lzma"`,
	}, {
		name:   "bad gzip",
		method: unary,
		script: func(s *rawStream) {
			s.head("grpc-encoding", "gzip")
			s.data(false, 1, 0, 0, 0, 2, 'x', 'x')
			s.trailers("grpc-status", "0")
		},
		code: codes.Internal, reason: rpc.UpstreamProtocol, head: true,
		message: `upstream "echo" broke the protocol: grpc: failed to decompress the message: unexpected EOF`,
	}, {
		name:   "D13 gzip",
		method: unary,
		script: func(s *rawStream) {
			s.head("grpc-encoding", "gzip")
			s.data(false, zipped(3)...)
			s.trailers("grpc-status", "0")
		},
		head: true, messages: []string{"\x00\x00\x00"},
	}, {
		name:   "too large",
		method: unary,
		script: func(s *rawStream) { s.head(); s.data(false, 0, 0, 0, 4, 1) },
		code:   codes.ResourceExhausted, reason: rpc.UpstreamTooLarge, head: true,
		message: `upstream "echo" sent a message that is over the limit of 1024 bytes`,
	}, {
		name:   "too large after decompression",
		method: serverStream,
		script: func(s *rawStream) {
			s.head("grpc-encoding", "gzip")
			s.data(false, zipped(maxMessage+1)...)
			s.trailers("grpc-status", "0")
		},
		code: codes.ResourceExhausted, reason: rpc.UpstreamTooLarge, head: true,
		message: `upstream "echo" sent a message that is over the limit of 1024 bytes`,
	}, {
		name:   "as large as the limit",
		method: unary,
		script: func(s *rawStream) {
			s.head("grpc-encoding", "gzip")
			s.data(false, zipped(maxMessage)...)
			s.trailers("grpc-status", "0")
		},
		head: true, messages: []string{string(make([]byte, maxMessage))},
	}, {
		name:   "D14 text/plain 200",
		method: unary,
		script: func(s *rawStream) {
			s.headers(false, ":status", "200", "content-type", "text/plain")
			s.data(true, []byte("hello")...)
		},
		code: codes.Internal, reason: rpc.UpstreamProtocol,
		message: `upstream "echo" answered HTTP 200 instead of gRPC`,
	}, {
		name:   "D14 504",
		method: unary,
		script: func(s *rawStream) {
			s.headers(false, ":status", "504", "content-type", "text/plain")
			s.data(true, []byte("late")...)
		},
		code: codes.Unavailable, reason: rpc.UpstreamUnreachable,
		message: `upstream "echo" answered HTTP 504 instead of gRPC`,
	}, {
		name:   "E15 503 without a body",
		method: serverStream,
		script: func(s *rawStream) { s.headers(true, ":status", "503") },
		code:   codes.Unavailable, reason: rpc.UpstreamUnreachable,
		message: `upstream "echo" answered HTTP 503 instead of gRPC`,
	}, {
		name:   "E15 502",
		method: clientStream,
		script: func(s *rawStream) { s.headers(true, ":status", "502") },
		code:   codes.Unavailable, reason: rpc.UpstreamUnreachable,
		message: `upstream "echo" answered HTTP 502 instead of gRPC`,
	}, {
		name:   "404 without grpc-status",
		method: unary,
		script: func(s *rawStream) { s.headers(true, ":status", "404", "content-type", "text/html") },
		code:   codes.Internal, reason: rpc.UpstreamProtocol,
		message: `upstream "echo" answered HTTP 404 instead of gRPC`,
	}, {
		name:   "E01 trailers only",
		method: unary,
		script: func(s *rawStream) {
			s.headers(true, ":status", "200", "content-type", "application/grpc", "grpc-status", "5", "grpc-message", "no such book")
		},
		code: codes.NotFound, message: "no such book",
	}, {
		name:   "E01 trailers only in a stream",
		method: bidi,
		script: func(s *rawStream) {
			s.headers(true, ":status", "200", "content-type", "application/grpc", "grpc-status", "14")
		},
		code: codes.Unavailable,
	}, {
		name:   "E05 percent-encoded",
		method: unary,
		script: func(s *rawStream) {
			s.headers(true, ":status", "200", "content-type", "application/grpc", "grpc-status", "5", "grpc-message", "na%C3%AFve %25")
		},
		code: codes.NotFound, message: "naïve %",
	}, {
		name:   "E02 details win",
		method: unary,
		script: func(s *rawStream) {
			s.head()
			s.trailers("grpc-status", "5", "grpc-message", "poorer", "grpc-status-details-bin", base64.RawStdEncoding.EncodeToString(details))
		},
		code: codes.NotFound, message: "richer", head: true,
	}, {
		name:   "C12 details that are not a status",
		method: unary,
		script: func(s *rawStream) {
			s.head()
			s.trailers("grpc-status", "5", "grpc-message", "kept", "grpc-status-details-bin", "////")
		},
		code: codes.NotFound, message: "kept", head: true,
	}, {
		name:   "E07 status 1024",
		method: unary,
		script: func(s *rawStream) { s.head(); s.trailers("grpc-status", "1024", "grpc-message", "odd") },
		code:   codes.Unknown, message: "odd", head: true,
	}, {
		name:   "E08 headers, then an error",
		method: unary,
		script: func(s *rawStream) { s.head(); s.trailers("grpc-status", "13", "grpc-message", "mine") },
		code:   codes.Internal, message: "mine", head: true,
	}, {
		name:   "E08 in a stream",
		method: serverStream,
		script: func(s *rawStream) { s.head(); s.frame("one"); s.trailers("grpc-status", "14", "grpc-message", "busy") },
		code:   codes.Unavailable, message: "busy", head: true, messages: []string{"one"},
	}, {
		name:   "E09 a message, then an error",
		method: unary,
		script: func(s *rawStream) { s.head(); s.frame("one"); s.trailers("grpc-status", "9", "grpc-message", "no") },
		code:   codes.FailedPrecondition, message: "no", head: true,
	}, {
		name:   "E09 client stream",
		method: clientStream,
		script: func(s *rawStream) { s.head(); s.frame("one"); s.trailers("grpc-status", "9", "grpc-message", "no") },
		code:   codes.FailedPrecondition, message: "no", head: true,
	}, {
		name:   "no grpc-status",
		method: unary,
		script: func(s *rawStream) { s.head(); s.frame("one"); s.trailers("x", "y") },
		code:   codes.Unknown, head: true,
	}, {
		name:   "malformed grpc-status",
		method: unary,
		script: func(s *rawStream) { s.head(); s.frame("one"); s.trailers("grpc-status", "five") },
		code:   codes.Internal, reason: rpc.UpstreamProtocol, head: true,
		message: `upstream "echo" broke the protocol: transport: malformed grpc-status: strconv.ParseInt: parsing "five": invalid syntax`,
	}, {
		name:   "no trailers",
		method: unary,
		script: func(s *rawStream) { s.head(); s.data(true, 0, 0, 0, 0, 0) },
		code:   codes.Internal, reason: rpc.UpstreamProtocol, head: true,
		message: `upstream "echo" broke the protocol: server closed the stream without sending trailers`,
	}, {
		name:   "headers in the middle",
		method: serverStream,
		script: func(s *rawStream) { s.head(); s.frame("one"); s.headers(false, "x", "y") },
		code:   codes.Internal, reason: rpc.UpstreamProtocol, head: true, messages: []string{"one"},
		message: `upstream "echo" broke the protocol: a HEADERS frame cannot appear in the middle of a stream`,
	}, {
		name:   "reset",
		method: unary,
		script: func(s *rawStream) { s.head(); _ = s.fr.WriteRSTStream(s.id, http2.ErrCodeInternal) },
		code:   codes.Internal, reason: rpc.UpstreamProtocol, head: true,
		message: `upstream "echo" broke the protocol: stream terminated by RST_STREAM with error code: INTERNAL_ERROR`,
	}, {
		name:   "two messages",
		method: unary,
		script: func(s *rawStream) { s.head(); s.frame("one"); s.frame("two"); s.trailers("grpc-status", "0") },
		code:   codes.Internal, reason: rpc.UpstreamProtocol, head: true,
		message: `upstream "echo" answered with more than one message, where the method has one`,
	}, {
		name:   "two messages to a client stream",
		method: clientStream,
		script: func(s *rawStream) { s.head(); s.frame("one"); s.frame("two"); s.trailers("grpc-status", "0") },
		code:   codes.Internal, reason: rpc.UpstreamProtocol, head: true,
		message: `upstream "echo" answered with more than one message, where the method has one`,
	}, {
		name:   "OK without a message",
		method: unary,
		script: func(s *rawStream) { s.head(); s.trailers("grpc-status", "0") },
		code:   codes.Internal, reason: rpc.UpstreamProtocol, head: true,
		message: `upstream "echo" answered OK without a message`,
	}, {
		name:   "OK without a message to a client stream",
		method: clientStream,
		script: func(s *rawStream) { s.head(); s.trailers("grpc-status", "0") },
		code:   codes.Internal, reason: rpc.UpstreamProtocol, head: true,
		message: `upstream "echo" answered OK without a message`,
	}, {
		name:   "connection lost before the answer",
		method: unary,
		script: func(s *rawStream) { _ = s.conn.Close() },
		code:   codes.Unavailable, reason: rpc.UpstreamUnreachable,
		message: `upstream "echo" cannot be reached, or the connection was lost`,
	}, {
		name:   "connection lost in the answer",
		method: serverStream,
		script: func(s *rawStream) { s.head(); s.frame("one"); _ = s.conn.Close() },
		code:   codes.Unavailable, reason: rpc.UpstreamUnreachable, head: true, messages: []string{"one"},
		message: `upstream "echo" cannot be reached, or the connection was lost`,
	}, {
		name:   "GOAWAY and connection lost in the answer",
		method: serverStream,
		script: func(s *rawStream) {
			s.head()
			s.frame("one")
			_ = s.fr.WriteGoAway(s.id, http2.ErrCodeNo, []byte("bye"))
			_ = s.conn.Close()
		},
		code: codes.Unavailable, reason: rpc.UpstreamUnreachable, head: true, messages: []string{"one"},
		message: `upstream "echo" cannot be reached, or the connection was lost`,
	}, {
		name:   "OK",
		method: unary,
		script: func(s *rawStream) { s.head(); s.frame("one"); s.trailers("grpc-status", "0") },
		head:   true, messages: []string{"one"},
	}, {
		name:   "OK client stream",
		method: clientStream,
		script: func(s *rawStream) { s.head(); s.frame("one"); s.trailers("grpc-status", "0") },
		head:   true, messages: []string{"one"},
	}} {
		t.Run(test.name, func(t *testing.T) {
			up := open(t, &configpb.GRPCUpstream{Target: serveRaw(t, test.script)})
			got := call(t, up, rpc.Call{Method: test.method}, "hello")
			require.Equal(t, test.code, got.status.Code, "%+v", got.status)
			require.Equal(t, test.reason, got.status.Reason, "%+v", got.status)
			require.Equal(t, test.message, got.status.Message)
			require.Equal(t, test.head, got.headed, "head")
			require.Equal(t, test.messages, got.messages)
		})
	}
}

// TestDetails: the bytes of grpc-status-details-bin pass as they are.
func TestDetails(t *testing.T) {
	details, err := proto.Marshal(&spb.Status{Code: 5, Message: "richer"})
	require.NoError(t, err)
	for _, encoding := range []*base64.Encoding{base64.RawStdEncoding, base64.StdEncoding} { // E06
		up := open(t, &configpb.GRPCUpstream{Target: serveRaw(t, func(s *rawStream) {
			s.headers(true, ":status", "200", "content-type", "application/grpc", "grpc-status", "5",
				"grpc-status-details-bin", encoding.EncodeToString(details))
		})})
		require.Equal(t, details, call(t, up, rpc.Call{Method: unary}, "").status.Details)
	}
}

// TestE15Unreachable: nobody listens. The text does not give the address away.
func TestE15Unreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, l.Close())
	up := open(t, &configpb.GRPCUpstream{Target: l.Addr().String()})
	for _, method := range []*rpc.Method{unary, serverStream, clientStream, bidi} {
		st := call(t, up, rpc.Call{Method: method}, "hello").status
		require.Equal(t, codes.Unavailable, st.Code, "%s", method.Name)
		require.Equal(t, rpc.UpstreamUnreachable, st.Reason, "%s", method.Name)
		require.Equal(t, `upstream "echo" cannot be reached, or the connection was lost`, st.Message, "%s", method.Name)
	}
}

// TestDeadline: the upstream is told what is left, and does not answer in time.
func TestDeadline(t *testing.T) {
	timeouts := make(chan string, 4)
	up := open(t, &configpb.GRPCUpstream{Target: serveRaw(t, func(s *rawStream) { timeouts <- s.header["grpc-timeout"] })})
	for _, method := range []*rpc.Method{unary, serverStream, clientStream} {
		st := call(t, up, rpc.Call{Method: method, Deadline: time.Now().Add(100 * time.Millisecond)}, "hello").status
		require.Equal(t, codes.DeadlineExceeded, st.Code, "%s: %+v", method.Name, st)
		require.Equal(t, rpc.DeadlineExceeded, st.Reason, "%s", method.Name)
		left, err := rpc.ParseTimeout(<-timeouts)
		require.NoError(t, err)
		require.LessOrEqual(t, left, 100*time.Millisecond)
	}
}

// TestDeadlineOfTheUpstream: a DEADLINE_EXCEEDED that was sent is the upstream's.
func TestDeadlineOfTheUpstream(t *testing.T) {
	up := open(t, &configpb.GRPCUpstream{Target: serveRaw(t, func(s *rawStream) {
		s.headers(true, ":status", "200", "content-type", "application/grpc", "grpc-status", "4")
	})})
	st := call(t, up, rpc.Call{Method: unary, Deadline: time.Now().Add(time.Minute)}, "hello").status
	require.Equal(t, codes.DeadlineExceeded, st.Code)
	require.Empty(t, st.Reason)
}

// TestCancel: the caller's context, and Stream.Cancel, end the call.
func TestCancel(t *testing.T) {
	reached := make(chan struct{}, 1)
	up := open(t, &configpb.GRPCUpstream{Target: serveRaw(t, func(s *rawStream) { s.head(); reached <- struct{}{} })})
	for _, method := range []*rpc.Method{unary, serverStream} {
		ctx, cancel := context.WithCancel(context.Background())
		a := newAnswer()
		stream := up.Start(ctx, &rpc.Call{Method: method, Request: buffer("x")}, a)
		<-reached
		if method == unary {
			cancel()
		} else {
			stream.Cancel()
		}
		<-a.done
		cancel()
		require.Equal(t, codes.Canceled, a.status.Code, "%+v", a.status)
		require.Equal(t, rpc.ClientClosed, a.status.Reason)
	}
}
