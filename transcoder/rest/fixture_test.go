package rest_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
	"github.com/dragoman-gateway/dragoman/upstream"
	upstreamgrpc "github.com/dragoman-gateway/dragoman/upstream/grpc"
)

// api is the schema of testdata/t/v1.
type api struct {
	schema *schema.Schema
	codec  *codec.Codec
	files  *protoregistry.Files
}

var loadAPI = sync.OnceValues(func() (*api, error) {
	c := protocompile.Compiler{Resolver: protocompile.CompositeResolver{
		&protocompile.SourceResolver{ImportPaths: []string{"testdata"}},
		protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			if fd := schema.Builtin(path); fd != nil {
				return protocompile.SearchResult{Proto: fd}, nil
			}
			return protocompile.SearchResult{}, protoregistry.NotFound
		}),
	}}
	linked, err := c.Compile(context.Background(), "t/v1/fixture.proto", "t/v1/old.proto")
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	a := &api{files: new(protoregistry.Files)}
	for _, fd := range []protoreflect.FileDescriptor{linked[1], linked[0]} {
		set.File = append(set.File, protodesc.ToFileDescriptorProto(fd))
		if err := a.files.RegisterFile(fd); err != nil {
			return nil, err
		}
	}
	if a.schema, err = schema.New(set); err != nil {
		return nil, err
	}
	a.codec, err = codec.New(a.schema)
	return a, err
})

func newAPI(t testing.TB) *api {
	t.Helper()
	a, err := loadAPI()
	require.NoError(t, err)
	return a
}

// endpoint is one method of service t.v1.T.
func (a *api) endpoint(t testing.TB, md protoreflect.MethodDescriptor, up rpc.Upstream, s *transcoder.Settings) *transcoder.Endpoint {
	t.Helper()
	ep := &transcoder.Endpoint{Method: rpc.NewMethod(md), Upstream: up, Codec: a.codec, AutoMapping: true, Settings: s}
	ep.Print = func(p codec.Print) (*codec.Codec, error) { return codec.NewPrinting(a.schema, p) }
	if rule := a.schema.HTTPRule(md); rule != nil {
		var err error
		ep.Bindings, err = httprule.Bindings(rule)
		for i := range ep.Bindings {
			ep.Bindings[i].Origin = "annotation"
		}
		require.NoError(t, err)
	}
	return ep
}

func (a *api) method(t testing.TB, name protoreflect.Name) protoreflect.MethodDescriptor {
	t.Helper()
	md := a.schema.Services()[0].Methods().ByName(name)
	require.NotNil(t, md, name)
	return md
}

// wire serializes a message of package t.v1 from its text format.
func (a *api) wire(t testing.TB, name protoreflect.Name, text string) []byte {
	t.Helper()
	d, err := a.files.FindDescriptorByName("t.v1." + protoreflect.FullName(name))
	require.NoError(t, err)
	m := dynamicpb.NewMessage(d.(protoreflect.MessageDescriptor))
	require.NoError(t, prototext.Unmarshal([]byte(text), m))
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	require.NoError(t, err)
	return wire
}

// backend is what answers a call of the real gRPC server behind the gateway.
type backend func(request []byte, stream grpc.ServerStream) error

// echo answers with the request.
func echo(request []byte, stream grpc.ServerStream) error { return send(stream, request) }

func send(stream grpc.ServerStream, wire []byte) error { return stream.SendMsg(&wire) }

// rawBytes carries messages as []byte.
type rawBytes struct{}

var _ encoding.CodecV2 = rawBytes{}

func (rawBytes) Name() string { return "proto" }

func (rawBytes) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (rawBytes) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// streaming is a backend that reads its requests itself.
type streaming func(stream grpc.ServerStream) error

// one reads the one request of a call for a backend.
func one(b backend) streaming {
	return func(stream grpc.ServerStream) error {
		var request []byte
		if err := stream.RecvMsg(&request); err != nil {
			return err
		}
		return b(request, stream)
	}
}

// serveGRPC runs a gRPC server on the loopback and gives its address.
func serveGRPC(t testing.TB, b streaming) string {
	t.Helper()
	server := grpc.NewServer(grpc.ForceServerCodecV2(rawBytes{}), grpc.UnknownServiceHandler(
		func(_ any, stream grpc.ServerStream) error { return b(stream) }))
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var wg sync.WaitGroup
	wg.Go(func() { _ = server.Serve(l) })
	t.Cleanup(func() {
		server.Stop()
		wg.Wait()
	})
	return l.Addr().String()
}

// gateway is the protocol behind a real HTTP server, in front of a real gRPC
// server. All of it runs in this process.
type gateway struct {
	*api
	server *httptest.Server
	// messages gives each exchange what reshapes its messages; nil for nothing.
	messages reshaping
	// around, if set, makes of an entry's handler what the gateway would put there.
	around func(*route.Entry) route.Handler
	// exchanges gets each exchange once it is over.
	exchanges chan route.Exchange
}

// http2 makes a test run over TLS and HTTP/2.
type http2 struct{}

// reshaping makes what reshapes the messages of one exchange.
type reshaping func(w http.ResponseWriter) route.Messages

// newGateway starts a gateway; an option is a backend, Settings, reshaping or
// http2.
func newGateway(t testing.TB, opts ...any) *gateway {
	t.Helper()
	b, settings, two := one(echo), transcoder.DefaultSettings(), false
	var messages reshaping
	settings.IgnoredQuery = []string{"key"}
	for _, o := range opts {
		switch o := o.(type) {
		case func([]byte, grpc.ServerStream) error:
			b = one(o)
		case streaming:
			b = o
		case func(*transcoder.Settings):
			o(&settings)
		case reshaping:
			messages = o
		case http2:
			two = true
		default:
			t.Fatalf("option %T", o)
		}
	}
	g := newGatewayTo(t, serveGRPC(t, b), &settings, two)
	g.messages = messages
	return g
}

func newGatewayTo(t testing.TB, target string, settings *transcoder.Settings, two bool) *gateway {
	t.Helper()
	up, err := upstreamgrpc.New(&configpb.GRPCUpstream{Target: "passthrough:///" + target},
		upstream.Env{Name: "test", MaxMessageBytes: settings.MaxMessageBytes})
	require.NoError(t, err)
	g := &gateway{api: newAPI(t), exchanges: make(chan route.Exchange, 1000)}
	protocol := rest.New()
	var entries []*route.Entry
	methods := g.schema.Services()[0].Methods()
	for i := range methods.Len() {
		routes, err := protocol.Routes(g.endpoint(t, methods.Get(i), up.(rpc.Upstream), settings))
		require.NoError(t, err)
		for _, r := range routes {
			entries = append(entries, &route.Entry{Method: r.Method, Template: r.Template, Handler: r.Handler, RPC: string(methods.Get(i).FullName()), Protocol: "rest", In: r.In, Out: r.Out})
		}
	}
	table, err := route.Compile(entries)
	require.NoError(t, err)
	g.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &route.Exchange{Code: -1}
		defer func() { g.exchanges <- *x }()
		q := route.Request{Host: r.Host, Method: r.Method, Path: r.URL.EscapedPath(), ContentType: r.Header.Get("Content-Type")}
		if r.Header.Get("Upgrade") == "websocket" {
			q.Method = transcoder.MethodWebSocket
		}
		switch table.Match(&q, x) {
		case route.Found:
			if g.messages != nil {
				x.Messages = g.messages(w)
			}
			h := x.Entry.Handler
			if g.around != nil {
				h = g.around(x.Entry)
			}
			h.Serve(w, r, x)
		case route.MethodNotAllowed:
			e := rpc.Errorf(rpc.MethodNotAllowed, "this path does not take %s", r.Method)
			e.Allow = table.Allow(&q)
			protocol.Refuse(w, r, x, e, settings)
		default:
			protocol.Refuse(w, r, x, rpc.Errorf(rpc.NoRoute, "no route for %s", r.URL.Path), settings)
		}
	}))
	if two {
		g.server.EnableHTTP2 = true
		g.server.StartTLS()
	} else {
		g.server.Start()
	}
	t.Cleanup(func() {
		g.server.CloseClientConnections()
		g.server.Close()
		require.NoError(t, up.Close())
	})
	return g
}

// answer is a response that has been read to its end.
type answer struct {
	*http.Response
	body string
	err  error
}

// do sends a request: "GET /v1/things/a", header lines, and a body.
func (g *gateway) do(t testing.TB, line, body string, headers ...string) answer {
	t.Helper()
	return g.send(t, g.request(t, line, strings.NewReader(body), headers...))
}

func (g *gateway) request(t testing.TB, line string, body io.Reader, headers ...string) *http.Request {
	t.Helper()
	method, target, _ := strings.Cut(line, " ")
	r, err := http.NewRequestWithContext(t.Context(), method, g.server.URL+target, body)
	require.NoError(t, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func (g *gateway) send(t testing.TB, r *http.Request) answer {
	t.Helper()
	resp, err := g.server.Client().Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{Response: resp, body: string(b), err: err}
}

// status reads an error answer.
func (a answer) status(t testing.TB) (out struct {
	Code    int
	Message string
	Details []map[string]any
}) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader([]byte(a.body)))
	d.DisallowUnknownFields()
	require.NoError(t, d.Decode(&out), a.body)
	require.NotNil(t, out.Details, "details are always there")
	return out
}

// dial opens a connection for a test that speaks HTTP/1 itself.
func (g *gateway) dial(t testing.TB) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", g.server.Listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// write writes a request with "\n" for line ends.
func write(t testing.TB, c net.Conn, format string, args ...any) {
	t.Helper()
	_, err := io.WriteString(c, strings.ReplaceAll(fmt.Sprintf(format, args...), "\n", "\r\n"))
	require.NoError(t, err)
}

// read reads one response from a connection.
func read(t testing.TB, in *bufio.Reader) answer {
	t.Helper()
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return answer{Response: resp, body: string(b), err: err}
}
