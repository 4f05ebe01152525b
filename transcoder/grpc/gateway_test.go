package grpc_test

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	testpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/reflect/protoreflect"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	transcodergrpc "github.com/dragoman-gateway/dragoman/transcoder/grpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	upstreamgrpc "github.com/dragoman-gateway/dragoman/upstream/grpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// mux is as much of a gateway as the protocol needs: it finds the handler by the
// path, and keeps what the handler told the access log.
type mux struct {
	handlers map[string]route.Handler
	// messages gives each exchange what reshapes its messages; nil for nothing.
	messages func(http.ResponseWriter) route.Messages

	mu    sync.Mutex // guards calls
	calls []route.Exchange
}

func (m *mux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &route.Exchange{Path: r.URL.EscapedPath(), Code: -1}
	settings := transcoder.DefaultSettings()
	if h, ok := m.handlers[r.URL.Path]; !ok {
		transcodergrpc.New().Refuse(w, r, x, rpc.Errorf(rpc.NoRoute, "no route for %q", r.URL.Path), &settings)
	} else {
		if m.messages != nil {
			x.Messages = m.messages(w)
		}
		h.Serve(w, r, x)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, *x)
}

// last waits for nothing: the caller has seen the end of the call, but the handler
// may still be about to return.
func (m *mux) last(t testing.TB) route.Exchange {
	t.Helper()
	var x route.Exchange
	require.Eventually(t, func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(m.calls) == 0 {
			return false
		}
		x = m.calls[len(m.calls)-1]
		return true
	}, 5*time.Second, time.Millisecond)
	return x
}

func newMux(t testing.TB, up rpc.Upstream, settings transcoder.Settings) *mux {
	t.Helper()
	m := &mux{handlers: map[string]route.Handler{}}
	services := testpb.File_grpc_testing_test_proto.Services()
	for i := range services.Len() {
		methods := services.Get(i).Methods()
		for j := range methods.Len() {
			m.add(t, methods.Get(j), up, &settings)
		}
	}
	return m
}

func (m *mux) add(t testing.TB, md protoreflect.MethodDescriptor, up rpc.Upstream, settings *transcoder.Settings) {
	t.Helper()
	routes, err := transcodergrpc.New().Routes(&transcoder.Endpoint{Method: rpc.NewMethod(md), Upstream: up, Settings: settings})
	require.NoError(t, err)
	require.Len(t, routes, 1)
	require.Equal(t, http.MethodPost, routes[0].Method)
	require.Equal(t, "application/grpc", routes[0].ContentType)
	m.handlers[routes[0].Template.String()] = routes[0].Handler
}

// serve listens in clear text for HTTP/1.1 and HTTP/2.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	s := &http.Server{Handler: h, Protocols: protocols, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		require.NoError(t, s.Shutdown(ctx))
		<-done
	})
	return l.Addr().String()
}

// serveGRPC starts a real gRPC server.
func serveGRPC(t testing.TB, service testpb.TestServiceServer, options ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer(options...)
	testpb.RegisterTestServiceServer(s, service)
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Serve(l)
	}()
	t.Cleanup(func() {
		s.Stop()
		<-done
	})
	return l.Addr().String()
}

func newUpstream(t testing.TB, target string) rpc.Upstream {
	t.Helper()
	settings := transcoder.DefaultSettings()
	up, err := upstreamgrpc.New(&configpb.GRPCUpstream{Target: target}, upstream.Env{
		Name: "test", MaxMessageBytes: settings.MaxMessageBytes,
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, up.Close()) })
	return up.(rpc.Upstream)
}

func dial(t testing.TB, target string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient(target, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, cc.Close()) })
	return cc
}

// gateway puts the protocol and the upstream kind between a client and a server.
func gateway(t testing.TB, service testpb.TestServiceServer, change func(*transcoder.Settings)) (testpb.TestServiceClient, *mux) {
	t.Helper()
	settings := transcoder.DefaultSettings()
	if change != nil {
		change(&settings)
	}
	m := newMux(t, newUpstream(t, serveGRPC(t, service)), settings)
	return testpb.NewTestServiceClient(dial(t, serve(t, m))), m
}
