package grpc_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	upstreamgrpc "github.com/dragoman-gateway/dragoman/upstream/grpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const maxMessage = 1 << 10

var (
	unary        = &rpc.Method{Service: "acme.v1.Echo", Name: "Unary", Path: "/acme.v1.Echo/Unary"}
	serverStream = &rpc.Method{Service: "acme.v1.Echo", Name: "Server", Path: "/acme.v1.Echo/Server", ServerStreaming: true}
	clientStream = &rpc.Method{Service: "acme.v1.Echo", Name: "Client", Path: "/acme.v1.Echo/Client", ClientStreaming: true}
	bidi         = &rpc.Method{Service: "acme.v1.Echo", Name: "Bidi", Path: "/acme.v1.Echo/Bidi", ClientStreaming: true, ServerStreaming: true}
)

func open(t testing.TB, cfg *configpb.GRPCUpstream) *upstreamgrpc.Upstream {
	t.Helper()
	up := newUpstream(t, cfg)
	t.Cleanup(func() { require.NoError(t, up.Close()) })
	return up
}

// newUpstream leaves closing to the test.
func newUpstream(t testing.TB, cfg *configpb.GRPCUpstream) *upstreamgrpc.Upstream {
	t.Helper()
	up, err := upstreamgrpc.New(cfg, upstream.Env{Name: "echo", MaxMessageBytes: maxMessage})
	require.NoError(t, err)
	return up.(*upstreamgrpc.Upstream)
}

// answer is everything that a sink was told.
type answer struct {
	headed        bool
	head, trailer rpc.Header
	messages      []string
	status        rpc.Status
	ends          int
	done          chan struct{}
}

func newAnswer() *answer { return &answer{done: make(chan struct{})} }

func (a *answer) Head(h rpc.Header) { a.headed, a.head = true, h }

func (a *answer) Message(msg *rpc.Buffer) error {
	a.messages = append(a.messages, string(msg.B))
	msg.Release()
	return nil
}

func (a *answer) End(st rpc.Status, trailer rpc.Header) {
	a.ends++
	a.status, a.trailer = st, trailer
	close(a.done)
}

func buffer(s string) *rpc.Buffer {
	b := rpc.NewBuffer()
	b.B = append(b.B, s...)
	return b
}

// call sends one message by a method of any kind and returns the whole answer.
func call(t testing.TB, up rpc.Upstream, c rpc.Call, request string) *answer {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer time.AfterFunc(20*time.Second, cancel).Stop()
	a := newAnswer()
	if c.Method.ClientStreaming {
		stream := up.Start(ctx, &c, a)
		_ = stream.Send(buffer(request))
		stream.CloseSend()
		<-a.done
	} else {
		c.Request = buffer(request)
		rpc.Run(ctx, up, &c, a)
	}
	require.Equal(t, 1, a.ends, "the end is told once")
	return a
}
