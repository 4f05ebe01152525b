package adapt_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/rpc/adapt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// testService answers with the payloads it is sent, and with the metadata too.
type testService struct {
	testgrpc.UnimplementedTestServiceServer
	// started is told when a handler that waits for its end has begun, and
	// ended when it has.
	started, ended chan struct{}
}

func (s *testService) UnaryCall(ctx context.Context, in *testgrpc.SimpleRequest) (*testgrpc.SimpleResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	if err := grpc.SetHeader(ctx, metadata.Pairs("echo", md.Get("say")[0], "echo-bin", md.Get("say-bin")[0], "authority", md.Get(":authority")[0])); err != nil {
		return nil, err
	}
	if err := grpc.SetTrailer(ctx, metadata.Pairs("last", "1", "last", "2")); err != nil {
		return nil, err
	}
	if in.GetResponseStatus().GetCode() != 0 {
		st, err := status.New(codes.Code(in.ResponseStatus.Code), in.ResponseStatus.Message).WithDetails(&errdetails.ErrorInfo{Reason: "ASKED_FOR"})
		if err != nil {
			return nil, err
		}
		return nil, st.Err()
	}
	return &testgrpc.SimpleResponse{Payload: in.Payload}, nil
}

func (s *testService) StreamingInputCall(stream testgrpc.TestService_StreamingInputCallServer) error {
	var sum int32
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&testgrpc.StreamingInputCallResponse{AggregatedPayloadSize: sum})
		}
		if err != nil {
			return err
		}
		sum += int32(len(in.Payload.GetBody()))
		if sum > 100 {
			return status.Error(codes.ResourceExhausted, "enough")
		}
	}
}

func (s *testService) StreamingOutputCall(in *testgrpc.StreamingOutputCallRequest, stream testgrpc.TestService_StreamingOutputCallServer) error {
	for _, p := range in.ResponseParameters {
		if err := stream.Send(&testgrpc.StreamingOutputCallResponse{Payload: &testgrpc.Payload{Body: make([]byte, p.Size)}}); err != nil {
			return err
		}
	}
	return status.Error(codes.Code(in.GetResponseStatus().GetCode()), in.GetResponseStatus().GetMessage())
}

func (s *testService) FullDuplexCall(stream testgrpc.TestService_FullDuplexCallServer) error {
	if s.ended != nil {
		defer close(s.ended)
	}
	if s.started != nil {
		close(s.started)
	}
	if err := stream.SendHeader(metadata.Pairs("early", "yes")); err != nil {
		return err
	}
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			stream.SetTrailer(metadata.Pairs("late", "yes"))
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&testgrpc.StreamingOutputCallResponse{Payload: in.Payload}); err != nil {
			return err
		}
	}
}

func newClient(t *testing.T, impl *testService) (testgrpc.TestServiceClient, *adapt.Services) {
	t.Helper()
	up := new(adapt.Services)
	testgrpc.RegisterTestServiceServer(up, impl)
	return testgrpc.NewTestServiceClient(adapt.ClientConn(up)), up
}

func payload(s string) *testgrpc.Payload { return &testgrpc.Payload{Body: []byte(s)} }

func TestUnary(t *testing.T) {
	client, _ := newClient(t, new(testService))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "say", "hello", "say-bin", "\x00\xff")
	var head, trailer metadata.MD
	out, err := client.UnaryCall(ctx, &testgrpc.SimpleRequest{Payload: payload("p")},
		grpc.Header(&head), grpc.Trailer(&trailer), grpc.CallAuthority("library.internal"))
	require.NoError(t, err)
	require.Equal(t, "p", string(out.Payload.Body))
	require.Equal(t, metadata.MD{"echo": {"hello"}, "echo-bin": {"\x00\xff"}, "authority": {"library.internal"}}, head)
	require.Equal(t, metadata.MD{"last": {"1", "2"}}, trailer)

	_, err = client.UnaryCall(ctx, &testgrpc.SimpleRequest{ResponseStatus: &testgrpc.EchoStatus{Code: 9, Message: "not now"}},
		grpc.Trailer(&trailer), grpc.CallAuthority("a"))
	st := status.Convert(err)
	require.Equal(t, codes.FailedPrecondition, st.Code())
	require.Equal(t, "not now", st.Message())
	require.Len(t, st.Details(), 1)
	require.True(t, proto.Equal(&errdetails.ErrorInfo{Reason: "ASKED_FOR"}, st.Details()[0].(proto.Message)))
	require.Equal(t, []string{"hello"}, trailer["echo"], "an answer without messages has trailers only")
}

func TestUnimplemented(t *testing.T) {
	client, _ := newClient(t, new(testService))
	_, err := client.EmptyCall(t.Context(), &testgrpc.Empty{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
	_, err = testgrpc.NewUnimplementedServiceClient(adapt.ClientConn(new(adapt.Services))).UnimplementedCall(t.Context(), &testgrpc.Empty{})
	require.Equal(t, codes.Unimplemented, status.Code(err))
	require.ErrorContains(t, err, "unknown method /grpc.testing.UnimplementedService/UnimplementedCall")
}

func TestClientStream(t *testing.T) {
	client, _ := newClient(t, new(testService))
	stream, err := client.StreamingInputCall(t.Context())
	require.NoError(t, err)
	for range 3 {
		require.NoError(t, stream.Send(&testgrpc.StreamingInputCallRequest{Payload: payload("12345")}))
	}
	sum, err := stream.CloseAndRecv()
	require.NoError(t, err)
	require.EqualValues(t, 15, sum.AggregatedPayloadSize)
}

// TestClientStreamEndsEarly sends until the handler has had enough: sending tells
// that it is over, receiving why.
func TestClientStreamEndsEarly(t *testing.T) {
	client, _ := newClient(t, new(testService))
	stream, err := client.StreamingInputCall(t.Context())
	require.NoError(t, err)
	for err == nil {
		err = stream.Send(&testgrpc.StreamingInputCallRequest{Payload: payload("0123456789")})
	}
	require.ErrorIs(t, err, io.EOF)
	_, err = stream.CloseAndRecv()
	require.Equal(t, codes.ResourceExhausted, status.Code(err), err)
}

func TestServerStream(t *testing.T) {
	client, _ := newClient(t, new(testService))
	for _, code := range []codes.Code{codes.OK, codes.DataLoss} {
		stream, err := client.StreamingOutputCall(t.Context(), &testgrpc.StreamingOutputCallRequest{
			ResponseParameters: []*testgrpc.ResponseParameters{{Size: 1}, {Size: 0}, {Size: 70_000}},
			ResponseStatus:     &testgrpc.EchoStatus{Code: int32(code), Message: "end"},
		})
		require.NoError(t, err)
		for _, want := range []int{1, 0, 70_000} {
			out, err := stream.Recv()
			require.NoError(t, err)
			require.Len(t, out.Payload.Body, want)
		}
		_, err = stream.Recv()
		if code == codes.OK {
			require.ErrorIs(t, err, io.EOF)
		} else {
			require.Equal(t, code, status.Code(err))
		}
	}
}

func TestDuplexStream(t *testing.T) {
	client, _ := newClient(t, new(testService))
	stream, err := client.FullDuplexCall(t.Context())
	require.NoError(t, err)
	head, err := stream.Header()
	require.NoError(t, err)
	require.Equal(t, []string{"yes"}, head["early"])
	for _, say := range []string{"a", "b", ""} {
		require.NoError(t, stream.Send(&testgrpc.StreamingOutputCallRequest{Payload: payload(say)}))
		out, err := stream.Recv()
		require.NoError(t, err)
		require.Equal(t, say, string(out.Payload.Body))
	}
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, []string{"yes"}, stream.Trailer()["late"])
}

// TestCancel cancels a call whose handler waits for messages: both sides end.
func TestCancel(t *testing.T) {
	impl := &testService{started: make(chan struct{}), ended: make(chan struct{})}
	client, _ := newClient(t, impl)
	ctx, cancel := context.WithCancel(t.Context())
	stream, err := client.FullDuplexCall(ctx)
	require.NoError(t, err)
	<-impl.started
	cancel()
	_, err = stream.Recv()
	require.Equal(t, codes.Canceled, status.Code(err))
	<-impl.ended
}

func TestDeadline(t *testing.T) {
	impl := &testService{ended: make(chan struct{})}
	client, _ := newClient(t, impl)
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	stream, err := client.FullDuplexCall(ctx)
	require.NoError(t, err)
	_, err = stream.Recv()
	require.Equal(t, codes.DeadlineExceeded, status.Code(err))
	<-impl.ended
}

// recorder is a sink that takes messages one by one.
type recorder struct {
	take     chan struct{} // one message may be taken per value
	messages chan int      // lengths
	ended    chan rpc.Status
}

func (r *recorder) Head(rpc.Header) {}

func (r *recorder) Message(msg *rpc.Buffer) error {
	if _, ok := <-r.take; !ok {
		msg.Release()
		return errors.New("no more")
	}
	r.messages <- len(msg.B)
	msg.Release()
	return nil
}

func (r *recorder) End(st rpc.Status, _ rpc.Header) { r.ended <- st }

// TestSinkPushesBack refuses the second message: the handler does not get to its
// end, and the sink is told one.
func TestSinkPushesBack(t *testing.T) {
	_, up := newClient(t, new(testService))
	call := startOutput(t, up, 3)
	r := &recorder{take: make(chan struct{}), messages: make(chan int, 3), ended: make(chan rpc.Status, 2)}
	stream := up.Start(t.Context(), call, r)
	r.take <- struct{}{}
	require.NotZero(t, <-r.messages)
	close(r.take)
	st := <-r.ended
	require.Equal(t, codes.Canceled, st.Code)
	require.Empty(t, r.messages)
	require.Empty(t, r.ended)
	require.Error(t, stream.Send(rpc.NewBuffer()), "the request was given with the call")
}

// startOutput is a server-streaming call for n messages.
func startOutput(t *testing.T, up *adapt.Services, n int) *rpc.Call {
	t.Helper()
	var method *rpc.Method
	for _, m := range up.Methods() {
		if m.Name == "StreamingOutputCall" {
			method = m
		}
	}
	require.NotNil(t, method)
	require.True(t, method.ServerStreaming)
	require.EqualValues(t, "grpc.testing.TestService.StreamingOutputCall", method.Descriptor.FullName())
	in := new(testgrpc.StreamingOutputCallRequest)
	for range n {
		in.ResponseParameters = append(in.ResponseParameters, &testgrpc.ResponseParameters{Size: 9})
	}
	buf := rpc.NewBuffer()
	raw, err := proto.Marshal(in)
	require.NoError(t, err)
	buf.B = append(buf.B, raw...)
	return &rpc.Call{Method: method, Request: buf}
}

func TestStreamCancelEndsOnce(t *testing.T) {
	_, up := newClient(t, new(testService))
	var duplex *rpc.Method
	for _, m := range up.Methods() {
		if m.Name == "FullDuplexCall" {
			duplex = m
		}
	}
	r := &recorder{ended: make(chan rpc.Status, 2)}
	stream := up.Start(t.Context(), &rpc.Call{Method: duplex}, r)
	stream.Cancel()
	stream.Cancel()
	require.Equal(t, codes.Canceled, (<-r.ended).Code)
	require.Error(t, stream.Send(rpc.NewBuffer()))
	stream.CloseSend()
	require.Empty(t, r.ended)
}

func TestBrokenRequestIsAnError(t *testing.T) {
	_, up := newClient(t, new(testService))
	call := startOutput(t, up, 1)
	call.Request.B = append(call.Request.B[:0], 0xff)
	r := &recorder{ended: make(chan rpc.Status, 1)}
	rpc.Run(t.Context(), up, call, r)
	st := <-r.ended
	require.Equal(t, codes.Internal, st.Code)
	require.Contains(t, st.Message, "message cannot be read")
}
