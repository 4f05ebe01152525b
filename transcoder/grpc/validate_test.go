package grpc_test

import (
	"net"
	"testing"

	pv "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	transcodergrpc "github.com/dragoman-gateway/dragoman/transcoder/grpc"
	"github.com/dragoman-gateway/dragoman/transcoder/validate"
)

// checked is a gateway to target that wants payloads to have at most three bytes.
func checked(t *testing.T, target string) testpb.TestServiceClient {
	t.Helper()
	messages := protodesc.ToFileDescriptorProto(testpb.File_grpc_testing_messages_proto)
	for _, m := range messages.GetMessageType() {
		if m.GetName() == "Payload" {
			body := m.GetField()[1]
			require.Equal(t, "body", body.GetName())
			body.Options = &descriptorpb.FieldOptions{}
			rules := &pv.FieldRules{}
			rules.SetBytes(pv.BytesRules_builder{MaxLen: proto.Uint64(3)}.Build())
			proto.SetExtension(body.Options, pv.E_Field, rules)
		}
	}
	file, err := protodesc.NewFile(messages, protoregistry.GlobalFiles)
	require.NoError(t, err)

	up := newUpstream(t, target)
	settings := transcoder.DefaultSettings()
	m := newMux(t, up, settings)
	methods := testpb.File_grpc_testing_test_proto.Services().ByName("TestService").Methods()
	for _, name := range []protoreflect.Name{"UnaryCall", "StreamingOutputCall", "FullDuplexCall"} {
		md := methods.ByName(name)
		rules, err := validate.Compile(file.Messages().ByName(md.Input().Name()), validate.Options{})
		require.NoError(t, err)
		require.NotNil(t, rules)
		routes, err := transcodergrpc.New().Routes(&transcoder.Endpoint{Method: rpc.NewMethod(md), Upstream: up, Settings: &settings, Validate: rules})
		require.NoError(t, err)
		m.handlers[routes[0].Template.String()] = routes[0].Handler
	}
	return testpb.NewTestServiceClient(dial(t, serve(t, m)))
}

func requireViolation(t *testing.T, err error) {
	t.Helper()
	st := status.Convert(err)
	require.Equal(t, codes.InvalidArgument, st.Code(), "%v", err)
	require.Equal(t, "payload.body: must be at most 3 bytes", st.Message())
	require.Len(t, st.Details(), 2)
	info, _ := st.Details()[0].(*errdetails.ErrorInfo)
	require.Equal(t, "VALIDATION_FAILED", info.GetReason())
	bad, _ := st.Details()[1].(*errdetails.BadRequest)
	require.Len(t, bad.GetFieldViolations(), 1)
	require.Equal(t, "payload.body", bad.GetFieldViolations()[0].GetField())
	require.Equal(t, "bytes.max_len", bad.GetFieldViolations()[0].GetReason())
}

// TestValidateDialsNobody: a request of one message that breaks a rule is answered
// without a connection to the upstream.
func TestValidateDialsNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	accepted := make(chan bool, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_ = c.Close()
		}
		accepted <- err == nil
	}()
	client := checked(t, l.Addr().String())
	_, err = client.UnaryCall(within(t), &testpb.SimpleRequest{Payload: &testpb.Payload{Body: []byte("four")}})
	requireViolation(t, err)
	stream, err := client.StreamingOutputCall(within(t), &testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: []byte("four")}})
	require.NoError(t, err)
	_, err = stream.Recv()
	requireViolation(t, err)
	require.NoError(t, l.Close())
	require.False(t, <-accepted, "the upstream was dialled")
}

// TestValidateStream: each message of a client stream is checked, and one that
// breaks a rule ends the call on both sides.
func TestValidateStream(t *testing.T) {
	seen, ended := make(chan string, 2), make(chan struct{})
	client := checked(t, serveGRPC(t, &service{duplex: func(s testpb.TestService_FullDuplexCallServer) error {
		defer close(ended)
		for {
			m, err := s.Recv()
			if err != nil {
				return err
			}
			seen <- string(m.GetPayload().GetBody())
			if err := s.Send(&testpb.StreamingOutputCallResponse{}); err != nil {
				return err
			}
		}
	}}))
	stream, err := client.FullDuplexCall(within(t))
	require.NoError(t, err)
	require.NoError(t, stream.Send(&testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: []byte("one")}}))
	_, err = stream.Recv()
	require.NoError(t, err)
	require.NoError(t, stream.Send(&testpb.StreamingOutputCallRequest{Payload: &testpb.Payload{Body: []byte("three")}}))
	_, err = stream.Recv()
	requireViolation(t, err)
	await(t, ended, "the call at the upstream goes on")
	require.Equal(t, "one", <-seen)
	require.Empty(t, seen)
}
