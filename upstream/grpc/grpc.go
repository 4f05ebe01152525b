// Package grpc is the upstream kind for gRPC services, on
// google.golang.org/grpc: names are resolved and connections made, kept and
// balanced by it. Messages pass as the bytes they are.
//
// The package is complete for unary calls and every kind of stream.
package grpc

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc"
	_ "google.golang.org/grpc/encoding/gzip" // offered to upstreams, and inflated within the message limit
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// Defaults of the connection.
const (
	// keepaliveTime is how long a connection with open calls may be silent
	// before it is pinged. It is as often as servers allow by default: they
	// close a connection, and end its quiet streams, for more.
	keepaliveTime = 5 * time.Minute
	// keepaliveTimeout bounds the wait for the answer, and, as TCP's user
	// timeout, for the acknowledgement of anything that was sent: so a
	// connection in use is known to be dead after it.
	keepaliveTimeout = 3 * time.Second
	// balancing uses all addresses of a name in turn, unless its own service
	// config says otherwise.
	balancing = `{"loadBalancingConfig": [{"round_robin": {}}]}`
	// streamWindow is what an upstream may send ahead of a stream that is not
	// read: with the queue in front of a slow downstream it is all that such a
	// stream can hold. grpc-go widens it by itself while one large message
	// arrives. Setting it turns off its bandwidth estimation, whose pings some
	// upstreams count as abuse.
	streamWindow     = 64 << 10
	connectionWindow = 1 << 20
)

// Upstream is one gRPC service behind one target.
type Upstream struct {
	name string
	cc   *grpc.ClientConn
	// options are the call options that are the same for every call.
	options []grpc.CallOption
	unary   sync.Pool // of *unaryCall
	calls   sync.WaitGroup
}

var (
	_ upstream.Upstream = (*Upstream)(nil)
	_ rpc.Upstream      = (*Upstream)(nil)
	_ rpc.Doer          = (*Upstream)(nil)
)

// New makes the upstream that cfg describes, without dialling. It fails if a
// certificate cannot be read or the target is not understood.
func New(cfg *configpb.GRPCUpstream, env upstream.Env) (upstream.Upstream, error) {
	creds, err := transportCredentials(cfg, env.Dir)
	if err != nil {
		return nil, fmt.Errorf("upstream %q: %w", env.Name, err)
	}
	alive := keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout}
	if d := cfg.GetKeepalive().GetTime(); d != nil {
		alive.Time = d.AsDuration()
	}
	if d := cfg.GetKeepalive().GetTimeout(); d != nil {
		alive.Timeout = d.AsDuration()
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(creds),
		grpc.WithKeepaliveParams(alive),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connectionWindow),
		grpc.WithDefaultServiceConfig(balancing),
		grpc.WithUserAgent("dragoman/" + version()),
	}
	if cfg.GetAuthority() != "" {
		options = append(options, grpc.WithAuthority(cfg.GetAuthority()))
	}
	cc, err := grpc.NewClient(cfg.GetTarget(), options...)
	if err != nil {
		return nil, fmt.Errorf("upstream %q: target %q: %w", env.Name, cfg.GetTarget(), err)
	}
	up := &Upstream{
		name: env.Name,
		cc:   cc,
		options: []grpc.CallOption{
			grpc.ForceCodecV2(codec{}),
		},
	}
	// Each option that is not needed is an allocation less for every call.
	// Requests are bounded by the protocol adapters already.
	if env.MaxMessageBytes != grpcReceiveLimit {
		up.options = append(up.options, grpc.MaxCallRecvMsgSize(env.MaxMessageBytes))
	}
	up.unary.New = func() any { return newUnaryCall(up.options) }
	return up, nil
}

// grpcReceiveLimit is the limit of grpc-go for a message received.
const grpcReceiveLimit = 4 << 20

// Close waits for the calls that were started, and then ends the connections.
func (u *Upstream) Close() error {
	u.calls.Wait()
	return u.cc.Close()
}

// Start implements [rpc.Upstream]. It starts one goroutine, which ends with the
// call.
func (u *Upstream) Start(ctx context.Context, call *rpc.Call, sink rpc.Sink) rpc.Stream {
	u.calls.Add(1)
	s := &stream{up: u, sink: sink, request: call.Request, method: call.Method, opened: make(chan struct{})}
	s.ctx, s.cancel = callContext(ctx, call)
	if call.Method.ClientStreaming {
		s.ahead.room = make(chan struct{}, 1)
	}
	options := u.callOptions(call)
	go func() {
		defer u.calls.Done()
		defer s.cancel()
		s.run(options)
	}()
	return s
}

// Do implements [rpc.Doer].
func (u *Upstream) Do(ctx context.Context, call *rpc.Call, sink rpc.Sink) {
	u.calls.Add(1)
	defer u.calls.Done()
	if call.Method.Unary() {
		u.invoke(ctx, call, sink)
		return
	}
	s := &stream{up: u, sink: sink, request: call.Request, method: call.Method, opened: make(chan struct{})}
	s.ctx, s.cancel = callContext(ctx, call)
	defer s.cancel()
	s.run(u.callOptions(call))
}

func (u *Upstream) callOptions(call *rpc.Call) []grpc.CallOption {
	if call.Authority == "" {
		return u.options
	}
	return append(u.options[:len(u.options):len(u.options)], grpc.CallAuthority(call.Authority))
}

// callContext gives ctx the call's deadline and metadata.
func callContext(ctx context.Context, call *rpc.Call) (context.Context, context.CancelFunc) {
	ctx = outgoing(ctx, call.Header)
	if call.Deadline.IsZero() {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, call.Deadline)
}

// outgoing adds metadata to ctx in the form that grpc-go copies least.
func outgoing(ctx context.Context, h rpc.Header) context.Context {
	if len(h) == 0 {
		return ctx
	}
	// AppendToOutgoingContext keeps a copy, so a short list can live on the stack.
	var buf [32]string
	pairs := buf[:0]
	for _, f := range h {
		pairs = append(pairs, f.Name, f.Value)
	}
	return metadata.AppendToOutgoingContext(ctx, pairs...)
}

// version is the module's own version, for the user-agent.
var version = sync.OnceValue(func() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			return v
		}
	}
	return "devel"
})
