package grpc_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// programs run jq over the messages of one exchange.
type programs struct {
	request, response *jq.Program
	w                 http.ResponseWriter
	// requests and responses count messages, none the streams without any.
	requests, responses, none atomic.Int64
}

var _ route.Messages = (*programs)(nil)

func (p *programs) Wants() (requests, responses bool) { return p.request != nil, p.response != nil }

func (p *programs) Request(dst, json []byte, r *http.Request) ([]byte, *rpc.Error) {
	if p.requests.Add(1) == 1 {
		r.Header.Set("X-Tenant", "t1")
		r.Header.Del("X-Secret")
	}
	if json == nil {
		p.none.Add(1)
		return append(dst, "left out"...), nil
	}
	return run(p.request, dst, json)
}

func (p *programs) Response(dst, json []byte) ([]byte, *rpc.Error) {
	if p.responses.Add(1) == 1 {
		p.w.Header().Set("X-Program", "saw the first")
	}
	return run(p.response, dst, json)
}

// run runs a program. One that fails with "not for you" has chosen a code.
func run(p *jq.Program, dst, text []byte) ([]byte, *rpc.Error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var in any
	if err := d.Decode(&in); err != nil {
		panic(err)
	}
	out, err := p.Run(context.Background(), in)
	if err != nil {
		if strings.Contains(err.Error(), "not for you") {
			return nil, &rpc.Error{Code: rpc.CodeFromHTTP(http.StatusForbidden), Message: "not for you"}
		}
		return nil, &rpc.Error{Reason: rpc.ProgramFailed, Message: "the program failed", Cause: err}
	}
	b, err := json.Marshal(out)
	if err != nil {
		panic(err)
	}
	return append(dst, b...), nil
}

// tables are those of the service's messages.
func tables(t testing.TB) *codec.Codec {
	t.Helper()
	set := &descriptorpb.FileDescriptorSet{}
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i))
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	add(testpb.File_grpc_testing_test_proto)
	s, err := schema.New(set)
	require.NoError(t, err)
	c, err := codec.New(s)
	require.NoError(t, err)
	return c
}

// shaped is [gateway] with programs for requests and responses, "" for none. The
// channel gets the programs of each exchange.
func shaped(t testing.TB, service testpb.TestServiceServer, change func(*transcoder.Settings), request, response string) (testpb.TestServiceClient, *mux, <-chan *programs) {
	t.Helper()
	compile := func(src string) *jq.Program {
		if src == "" {
			return nil
		}
		p, err := jq.Compile(src, jq.Config{Name: "test", Limits: jq.Limits{Time: time.Minute, Memory: 64 << 20}})
		require.NoError(t, err)
		return p
	}
	settings := transcoder.DefaultSettings()
	if change != nil {
		change(&settings)
	}
	in, out, all := compile(request), compile(response), make(chan *programs, 100)
	m := &mux{handlers: map[string]route.Handler{}, messages: func(w http.ResponseWriter) route.Messages {
		p := &programs{request: in, response: out, w: w}
		all <- p
		return p
	}}
	up, c := newUpstream(t, serveGRPC(t, service)), tables(t)
	methods := testpb.File_grpc_testing_test_proto.Services().ByName("TestService").Methods()
	for i := range methods.Len() {
		routes, err := newProtocol().Routes(&transcoder.Endpoint{Method: rpc.NewMethod(methods.Get(i)), Upstream: up, Settings: &settings, Codec: c})
		require.NoError(t, err)
		m.handlers[routes[0].Template.String()] = routes[0].Handler
	}
	return testpb.NewTestServiceClient(dial(t, serve(t, m))), m, all
}

const (
	// prefixed puts a p before each body, and fails for some.
	prefixed = `(.payload.body // "" | @base64d) as $b |
		if $b == "bad" then error("no") elif $b == "ugly" then error("not for you") elif $b == "odd" then .payload.body = 5
		elif $b == "unknown" then .payload.nope = 1 else .payload.body = ("p" + $b | @base64) end`
	// suffixed puts an s behind each body, and fails for some.
	suffixed = `(.payload.body // "" | @base64d) as $b |
		if $b == "pfoul" then error("no") elif $b == "pleft" then error("not for you") elif $b == "pbent" then .payload.body = 5
		else .payload.body = ($b + "s" | @base64) end`
)

func payload(text string) *testpb.Payload { return &testpb.Payload{Body: []byte(text)} }

func echoUnary(_ context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
	return &testpb.SimpleResponse{Payload: r.GetPayload()}, nil
}

func echoDuplex(s testpb.TestService_FullDuplexCallServer) error {
	for {
		r, err := s.Recv()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = s.Send(&testpb.StreamingOutputCallResponse{Payload: r.GetPayload()})
		}
		if err != nil {
			return err
		}
	}
}

func TestReshapeUnary(t *testing.T) {
	var got metadata.MD
	client, _, all := shaped(t, &service{unary: func(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		got, _ = metadata.FromIncomingContext(ctx)
		return echoUnary(ctx, r)
	}}, nil, prefixed, suffixed)
	for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
		var head metadata.MD
		ctx := metadata.AppendToOutgoingContext(within(t), "x-secret", "s")
		text := strings.Repeat("a", 1000)
		r, err := client.UnaryCall(ctx, &testpb.SimpleRequest{Payload: payload(text), FillUsername: true}, append(options, grpc.Header(&head))...)
		require.NoError(t, err)
		require.Equal(t, "p"+text+"s", string(r.GetPayload().GetBody()))
		require.Equal(t, []string{"t1"}, got.Get("x-tenant"), "metadata is made of what became of the head")
		require.Empty(t, got.Get("x-secret"))
		require.Equal(t, []string{"saw the first"}, head.Get("x-program"))
		p := <-all
		require.EqualValues(t, 1, p.requests.Load())
		require.EqualValues(t, 1, p.responses.Load())
	}
}

// TestReshapeDirections has programs for one direction alone: the other one passes
// as it is, what JSON would lose included.
func TestReshapeDirections(t *testing.T) {
	unknown := protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), 1)
	service := &service{unary: func(_ context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		out := &testpb.SimpleResponse{Payload: r.GetPayload()}
		out.ProtoReflect().SetUnknown(r.ProtoReflect().GetUnknown())
		return out, nil
	}}
	for _, c := range []struct {
		request, response, want string
		unknown                 []byte
	}{
		{"", "", "a", unknown},
		{prefixed, "", "pa", nil},
		{"", suffixed, "as", nil},
	} {
		client, _, all := shaped(t, service, nil, c.request, c.response)
		in := &testpb.SimpleRequest{Payload: payload("a")}
		in.ProtoReflect().SetUnknown(unknown)
		r, err := client.UnaryCall(within(t), in)
		require.NoError(t, err)
		require.Equal(t, c.want, string(r.GetPayload().GetBody()))
		require.Equal(t, c.unknown, []byte(r.ProtoReflect().GetUnknown()))
		p := <-all
		require.Equal(t, c.request != "", p.requests.Load() == 1)
		require.Equal(t, c.response != "", p.responses.Load() == 1)
	}
}

// reshapeFailures are what goes wrong, by the body of the message.
var reshapeFailures = []struct {
	body    string
	request bool
	code    codes.Code
	text    string
	reason  string
}{
	{"bad", true, codes.Internal, "the program failed", "PROGRAM_FAILED"},
	{"ugly", true, codes.PermissionDenied, "not for you", ""},
	{"odd", true, codes.Internal, "what the programs made of the message is no grpc.testing.%s: field payload.body", "PROGRAM_FAILED"},
	{"unknown", true, codes.Internal, "what the programs made of the message is no grpc.testing.%s: field payload.nope", "PROGRAM_FAILED"},
	{"foul", false, codes.Internal, "the program failed", "PROGRAM_FAILED"},
	{"left", false, codes.PermissionDenied, "not for you", ""},
	{"bent", false, codes.Internal, "what the programs made of the message is no grpc.testing.%s: field payload.body", "PROGRAM_FAILED"},
}

// failure is what the gateway noted of the call that ended with err, whose handler
// may still be about to return.
func (m *mux) failure(t testing.TB, err error) *rpc.Error {
	t.Helper()
	var noted *rpc.Error
	require.Eventually(t, func() bool {
		noted = m.last(t).Failure
		return noted != nil && noted.Message == status.Convert(err).Message()
	}, 5*time.Second, time.Millisecond)
	return noted
}

func requireReshapeFailure(t *testing.T, n int, err error, request, response string) {
	t.Helper()
	c := reshapeFailures[n]
	st, text := status.Convert(err), c.text
	if strings.Contains(text, "%s") {
		name := response
		if c.request {
			name = request
		}
		text = fmt.Sprintf(text, name)
	}
	require.Equal(t, c.code, st.Code(), "%s: %v", c.body, err)
	require.Equal(t, text, st.Message())
	if c.reason == "" {
		require.Empty(t, st.Details(), "it is what the program wants the client to see")
		return
	}
	info, _ := st.Details()[0].(*errdetails.ErrorInfo)
	require.Equal(t, c.reason, info.GetReason())
}

func TestReshapeUnaryFails(t *testing.T) {
	called := make(chan struct{}, 100)
	client, m, _ := shaped(t, &service{unary: func(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		called <- struct{}{}
		return echoUnary(ctx, r)
	}}, nil, prefixed, suffixed)
	for n, c := range reshapeFailures {
		_, err := client.UnaryCall(within(t), &testpb.SimpleRequest{Payload: payload(c.body)})
		requireReshapeFailure(t, n, err, "SimpleRequest", "SimpleResponse")
		require.Len(t, called, map[bool]int{true: 0, false: 1}[c.request], "calls of the upstream for %q", c.body)
		for len(called) > 0 {
			<-called
		}
		failure := m.failure(t, err)
		require.Equal(t, c.reason, string(failure.Reason))
	}
}

func TestReshapeServerStream(t *testing.T) {
	cancelled := make(chan struct{}, 100)
	client, m, all := shaped(t, &service{server: func(r *testpb.StreamingOutputCallRequest, s testpb.TestService_StreamingOutputCallServer) error {
		if err := s.SendHeader(metadata.Pairs("x-early", "1")); err != nil {
			return err
		}
		for i := range 3 {
			body := fmt.Sprintf("%s%d", r.GetPayload().GetBody(), i)
			if i == 1 {
				body = "p" + strings.TrimPrefix(string(r.GetPayload().GetBody()), "pp")
			}
			if err := s.Send(&testpb.StreamingOutputCallResponse{Payload: payload(body)}); err != nil {
				cancelled <- struct{}{}
				return err
			}
		}
		if strings.HasPrefix(string(r.GetPayload().GetBody()), "pp") {
			<-s.Context().Done()
			cancelled <- struct{}{}
		}
		return nil
	}}, nil, prefixed, suffixed)
	stream, err := client.StreamingOutputCall(within(t), &testpb.StreamingOutputCallRequest{Payload: payload("a")})
	require.NoError(t, err)
	head, err := stream.Header()
	require.NoError(t, err)
	require.Equal(t, []string{"1"}, head.Get("x-early"))
	require.Equal(t, []string{"saw the first"}, head.Get("x-program"), "the head waits for the first message")
	for _, want := range []string{"pa0s", "ppas", "pa2s"} {
		r, err := stream.Recv()
		require.NoError(t, err)
		require.Equal(t, want, string(r.GetPayload().GetBody()))
	}
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
	require.EqualValues(t, 3, (<-all).responses.Load())
	for n, c := range reshapeFailures {
		body := c.body
		if !c.request {
			body = "p" + body // for the second message
		}
		stream, err := client.StreamingOutputCall(within(t), &testpb.StreamingOutputCallRequest{Payload: payload(body)})
		require.NoError(t, err)
		if !c.request {
			r, err := stream.Recv()
			require.NoError(t, err)
			require.Equal(t, "p"+body+"0s", string(r.GetPayload().GetBody()), "what came before")
		}
		_, err = stream.Recv()
		requireReshapeFailure(t, n, err, "StreamingOutputCallRequest", "StreamingOutputCallResponse")
		p := <-all
		if !c.request {
			<-cancelled
			require.EqualValues(t, 2, p.responses.Load(), "nothing is shown behind the one that failed")
		}
		m.failure(t, err)
	}
}

// TestReshapeNoMessages has streams without any: the head may change all the same,
// and nothing is made of what becomes of no message.
func TestReshapeNoMessages(t *testing.T) {
	var got metadata.MD
	client, _, all := shaped(t, &service{duplex: func(s testpb.TestService_FullDuplexCallServer) error {
		got, _ = metadata.FromIncomingContext(s.Context())
		if err := s.SendHeader(metadata.Pairs("x-early", "1")); err != nil {
			return err
		}
		s.SetTrailer(metadata.Pairs("x-end", "1"))
		if err := echoDuplex(s); err != nil {
			return err
		}
		return status.Error(codes.NotFound, "of the upstream")
	}}, nil, prefixed, suffixed)
	stream, err := client.FullDuplexCall(within(t))
	require.NoError(t, err)
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.Equal(t, codes.NotFound, status.Code(err), "%v", err)
	head, err := stream.Header()
	require.NoError(t, err)
	require.Equal(t, []string{"1"}, head.Get("x-early"))
	require.Equal(t, []string{"1"}, stream.Trailer().Get("x-end"))
	require.Equal(t, []string{"t1"}, got.Get("x-tenant"))
	p := <-all
	require.EqualValues(t, 1, p.none.Load())
	require.EqualValues(t, 1, p.requests.Load())
	require.Zero(t, p.responses.Load())
}

func TestReshapeDuplex(t *testing.T) {
	called, ended := make(chan struct{}, 100), make(chan struct{}, 100)
	client, m, all := shaped(t, &service{duplex: func(s testpb.TestService_FullDuplexCallServer) error {
		called <- struct{}{}
		defer func() { ended <- struct{}{} }()
		return echoDuplex(s)
	}}, nil, prefixed, suffixed)
	send := func(s testpb.TestService_FullDuplexCallClient, body string) {
		t.Helper()
		require.NoError(t, s.Send(&testpb.StreamingOutputCallRequest{Payload: payload(body)}))
	}
	recv := func(s testpb.TestService_FullDuplexCallClient, want string) {
		t.Helper()
		r, err := s.Recv()
		require.NoError(t, err)
		require.Equal(t, want, string(r.GetPayload().GetBody()))
	}
	stream, err := client.FullDuplexCall(within(t), grpc.UseCompressor(gzip.Name))
	require.NoError(t, err)
	for i := range 100 { // one after the other
		send(stream, fmt.Sprint(i))
		recv(stream, fmt.Sprintf("p%ds", i))
	}
	go func() { // and in both directions at once
		for i := range 2000 {
			_ = stream.Send(&testpb.StreamingOutputCallRequest{Payload: payload(fmt.Sprint(i))})
		}
		_ = stream.CloseSend()
	}()
	for i := range 2000 {
		recv(stream, fmt.Sprintf("p%ds", i))
	}
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
	await(t, called, "")
	await(t, ended, "the call at the upstream goes on")
	require.EqualValues(t, 2100, (<-all).requests.Load())

	for n, c := range reshapeFailures {
		for _, first := range []bool{true, false} {
			stream, err := client.FullDuplexCall(within(t))
			require.NoError(t, err)
			if !first {
				send(stream, "a")
				recv(stream, "pas")
			}
			send(stream, c.body)
			_, err = stream.Recv()
			requireReshapeFailure(t, n, err, "StreamingOutputCallRequest", "StreamingOutputCallResponse")
			if first && c.request {
				require.Empty(t, called, "the upstream, before the first message")
			} else {
				await(t, called, "")
				await(t, ended, "the call at the upstream goes on")
			}
			m.failure(t, err)
		}
	}
}

// TestReshapeWaits: the first message of a stream, which the call waits for, is not
// waited for longer than the call may last.
func TestReshapeWaits(t *testing.T) {
	for _, c := range []struct {
		name     string
		deadline time.Duration
		idle     time.Duration
		text     string
	}{
		{"deadline", 0, 0, "the deadline passed before the first message was complete"},
		{"idle", time.Hour, 50 * time.Millisecond, "no message travelled in either direction for 50ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			client, m, all := shaped(t, &service{duplex: echoDuplex}, func(s *transcoder.Settings) {
				s.Stream.IdleTimeout, s.StreamTimeout = c.idle, 50*time.Millisecond
				if c.deadline > 0 {
					s.StreamTimeout = c.deadline
				}
			}, prefixed, "")
			stream, err := client.FullDuplexCall(within(t))
			require.NoError(t, err)
			_, err = stream.Recv()
			require.Equal(t, codes.DeadlineExceeded, status.Code(err), "%v", err)
			require.Contains(t, err.Error(), c.text)
			require.Equal(t, rpc.DeadlineExceeded, m.failure(t, err).Reason)
			require.Zero(t, (<-all).requests.Load())
		})
	}
}

// TestReshapeNotShown: bytes that are no message are no message to programs.
func TestReshapeNotShown(t *testing.T) {
	broken := &testpb.SimpleRequest{}
	broken.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 3, protowire.BytesType), []byte("\x12\x05x")))
	client, m, all := shaped(t, &service{unary: func(ctx context.Context, r *testpb.SimpleRequest) (*testpb.SimpleResponse, error) {
		out := &testpb.SimpleResponse{}
		out.ProtoReflect().SetUnknown(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), []byte("\x12\x05x")))
		return out, nil
	}}, nil, prefixed, suffixed)
	_, err := client.UnaryCall(within(t), broken)
	require.Equal(t, codes.InvalidArgument, status.Code(err), "%v", err)
	require.Equal(t, rpc.InvalidBody, m.failure(t, err).Reason)
	require.Zero(t, (<-all).requests.Load())
	_, err = client.UnaryCall(within(t), &testpb.SimpleRequest{})
	require.Equal(t, codes.Internal, status.Code(err), "%v", err)
	require.Equal(t, rpc.UpstreamProtocol, m.failure(t, err).Reason)
	require.Zero(t, (<-all).responses.Load())
}

// TestReshapeSlowClient: what a client does not read stays with the upstream, with
// a program in between.
func TestReshapeSlowClient(t *testing.T) {
	var sent atomic.Int64
	ended := make(chan struct{})
	client, _, _ := shaped(t, &service{server: func(_ *testpb.StreamingOutputCallRequest, s testpb.TestService_StreamingOutputCallServer) error {
		defer close(ended)
		const size = 10 << 10
		for {
			if err := s.Send(&testpb.StreamingOutputCallResponse{Payload: &testpb.Payload{Body: make([]byte, size)}}); err != nil {
				return err
			}
			sent.Add(size)
		}
	}}, nil, "", `.`)
	ctx, cancel := context.WithCancel(within(t))
	defer cancel()
	stream, err := client.StreamingOutputCall(ctx, &testpb.StreamingOutputCallRequest{})
	require.NoError(t, err)
	_, err = stream.Recv()
	require.NoError(t, err)
	var before int64 = -1
	require.Eventually(t, func() bool {
		now := sent.Load()
		stalled := now == before
		before = now
		return stalled
	}, 20*time.Second, 100*time.Millisecond)
	require.Less(t, before, int64(1<<20), "bytes on the way to a client that does not read")
	cancel()
	await(t, ended, "the server was not told")
}

// TestReshapeInfrastructure: the gateway's own services have no tables, and their
// messages are left alone.
func TestReshapeInfrastructure(t *testing.T) {
	m := newMux(t, newUpstream(t, serveGRPC(t, &service{unary: echoUnary})), transcoder.DefaultSettings())
	p := &programs{}
	m.messages = func(w http.ResponseWriter) route.Messages {
		in, err := jq.Compile(`error("must not run")`, jq.Config{Name: "test", Limits: jq.DefaultLimits})
		require.NoError(t, err)
		p.request, p.response, p.w = in, in, w
		return p
	}
	client := testpb.NewTestServiceClient(dial(t, serve(t, m)))
	r, err := client.UnaryCall(within(t), &testpb.SimpleRequest{Payload: payload("a")})
	require.NoError(t, err)
	require.Equal(t, "a", string(r.GetPayload().GetBody()))
	require.Zero(t, p.requests.Load()+p.responses.Load())
}
