package outbound_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound"
	"github.com/dragoman-gateway/dragoman/upstream"
	upstreamhttp "github.com/dragoman-gateway/dragoman/upstream/http"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const source = `
syntax = "proto3";
package l.v1;
import "google/api/annotations.proto";
import "google/api/httpbody.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";

message Book { string name = 1; string title = 2; int32 pages = 3; repeated string tags = 4; }
message Flawed { string error = 1; string name = 2; }
message Outcome { Book result = 1; string name = 2; }
message Shelf { repeated Book books = 1; map<string, Book> by_name = 2; Flawed flawed = 3; }
message Page { repeated Book books = 1; string next = 2; google.api.HttpBody file = 3; repeated google.api.HttpBody files = 4; }
message Upload { string name = 1; google.api.HttpBody file = 2; }

service Library {
  rpc Get(Book) returns (Book) { option (google.api.http) = {get: "/v1/{name=books/*}"}; }
  rpc Put(Book) returns (Book) { option (google.api.http) = {post: "/v1/books" body: "*"}; }
  rpc List(Book) returns (Page) { option (google.api.http) = {get: "/v1/books" response_body: "books"}; }
  rpc Send(Upload) returns (google.api.HttpBody) { option (google.api.http) = {put: "/v1/{name=files/*}" body: "file"}; }
  rpc Fetch(Book) returns (Page) { option (google.api.http) = {get: "/v1/page" response_body: "file"}; }
  rpc Files(Book) returns (Page) { option (google.api.http) = {get: "/v1/files" response_body: "files"}; }
  rpc Bare(Book) returns (Book);
  rpc Watch(Book) returns (stream Book) { option (google.api.http) = {get: "/v1/books:watch"}; }
  rpc Faults(Book) returns (stream Flawed) { option (google.api.http) = {get: "/v1/faults"}; }
  rpc Outcomes(Book) returns (stream Outcome) { option (google.api.http) = {get: "/v1/outcomes"}; }
  rpc Structs(Book) returns (stream google.protobuf.Struct) { option (google.api.http) = {get: "/v1/structs"}; }
  rpc Values(Book) returns (stream google.protobuf.Value) { option (google.api.http) = {get: "/v1/values"}; }
  rpc Shelves(Book) returns (stream Shelf) { option (google.api.http) = {get: "/v1/shelves" response_body: "books"}; }
  rpc Catalogs(Book) returns (stream Shelf) { option (google.api.http) = {get: "/v1/catalogs" response_body: "by_name"}; }
  rpc Flaws(Book) returns (stream Shelf) { option (google.api.http) = {get: "/v1/flaws" response_body: "flawed"}; }
  rpc Numbers(Book) returns (stream google.protobuf.Int64Value) { option (google.api.http) = {get: "/v1/numbers"}; }
  rpc Download(Book) returns (stream google.api.HttpBody) { option (google.api.http) = {get: "/v1/download"}; }
  rpc Add(stream Book) returns (Book) { option (google.api.http) = {post: "/v1/books:add" body: "*"}; }
  rpc Chat(stream Book) returns (stream Book) { option (google.api.http) = {post: "/v1/books:chat" body: "*"}; }
}
`

// api is the schema of source.
type api struct {
	schema *schema.Schema
	codec  *codec.Codec
	files  *protoregistry.Files
	types  *dynamicpb.Types
}

var load = sync.OnceValues(func() (*api, error) {
	c := protocompile.Compiler{Resolver: protocompile.CompositeResolver{
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"l.proto": source})},
		protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			if fd := schema.Builtin(path); fd != nil {
				return protocompile.SearchResult{Proto: fd}, nil
			}
			return protocompile.SearchResult{}, protoregistry.NotFound
		}),
	}}
	linked, err := c.Compile(context.Background(), "l.proto")
	if err != nil {
		return nil, err
	}
	set, seen := &descriptorpb.FileDescriptorSet{}, map[string]bool{}
	var add func(fd protoreflect.FileDescriptor)
	add = func(fd protoreflect.FileDescriptor) {
		if seen[fd.Path()] {
			return
		}
		seen[fd.Path()] = true
		for i := range fd.Imports().Len() {
			add(fd.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(fd))
	}
	add(linked[0])
	a := &api{}
	if a.schema, err = schema.New(set); err != nil {
		return nil, err
	}
	if a.files, err = protodesc.NewFiles(set); err != nil {
		return nil, err
	}
	a.types = dynamicpb.NewTypes(a.files)
	a.codec, err = codec.New(a.schema)
	return a, err
})

func newAPI(t testing.TB) *api {
	t.Helper()
	a, err := load()
	require.NoError(t, err)
	return a
}

// options are those of a method of Library.
func (a *api) options(t testing.TB, method string, up upstream.HTTP) outbound.Options {
	t.Helper()
	md := a.schema.Services()[0].Methods().ByName(protoreflect.Name(method))
	require.NotNil(t, md, method)
	o := outbound.Options{Name: "web", Upstream: up, Method: rpc.NewMethod(md), Codec: a.codec}
	if rule := a.schema.HTTPRule(md); rule != nil {
		var err error
		o.Bindings, err = httprule.Bindings(rule)
		require.NoError(t, err)
	}
	return o
}

// target is one method of an upstream.
type target struct {
	*api
	rpc.Upstream
	outbound.Options
}

func (a *api) target(t testing.TB, o outbound.Options) *target {
	t.Helper()
	up, err := outbound.New(o)
	require.NoError(t, err)
	return &target{api: a, Upstream: up, Options: o}
}

// serving is a method whose upstream is a real server with this handler.
func serving(t testing.TB, method string, h http.HandlerFunc) *target {
	t.Helper()
	a := newAPI(t)
	return a.target(t, a.options(t, method, connect(t, serve(t, h), false)))
}

// serve is the address of a server that speaks HTTP/1.1, and HTTP/2 in clear text.
func serve(t testing.TB, h http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewUnstartedServer(h)
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func connect(t testing.TB, address string, http2 bool) upstream.HTTP {
	t.Helper()
	cfg := &configpb.HTTPUpstream{Url: "http://" + address}
	if http2 {
		cfg.Version = "http2"
	}
	up, err := upstreamhttp.New(cfg, upstream.Env{Name: "web"})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, up.Close()) })
	return up.(upstream.HTTP)
}

// answering is a handler with one answer.
func answering(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		// Without one, net/http would guess.
		w.Header()["Content-Type"] = nil
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func (a *api) message(t testing.TB, name protoreflect.FullName) *dynamicpb.Message {
	t.Helper()
	d, err := a.files.FindDescriptorByName(name)
	require.NoError(t, err)
	return dynamicpb.NewMessage(d.(protoreflect.MessageDescriptor))
}

// call is a call with a request in text format.
func (g *target) call(t testing.TB, text string) *rpc.Call {
	t.Helper()
	m := g.message(t, g.Method.Descriptor.Input().FullName())
	require.NoError(t, prototext.UnmarshalOptions{Resolver: g.types}.Unmarshal([]byte(text), m))
	wire, err := proto.Marshal(m)
	require.NoError(t, err)
	buf := rpc.NewBufferFor(len(wire))
	buf.B = append(buf.B, wire...)
	return &rpc.Call{Method: g.Method, Request: buf}
}

// result is what a call has come to.
type result struct {
	heads    int
	head     rpc.Header
	messages []string // JSON
	status   rpc.Status
	trailer  rpc.Header
}

// recorder is a sink that keeps everything.
type recorder struct {
	t   testing.TB
	api *api
	of  protoreflect.FullName
	result
	// got is told of each message, if it is not nil; refuse makes the sink push back.
	got    chan string
	refuse error
	ended  chan struct{}
}

func (g *target) recorder(t testing.TB) *recorder {
	return &recorder{t: t, api: g.api, of: g.Method.Descriptor.Output().FullName(), ended: make(chan struct{})}
}

func (r *recorder) Head(h rpc.Header) { r.heads++; r.head = h }

func (r *recorder) Message(msg *rpc.Buffer) error {
	defer msg.Release()
	if r.refuse != nil {
		return r.refuse
	}
	m := r.api.message(r.t, r.of)
	if err := proto.Unmarshal(msg.B, m); err != nil {
		r.t.Errorf("a message that is none: %v", err)
	}
	text, err := protojson.MarshalOptions{Resolver: r.api.types}.Marshal(m)
	if err != nil {
		r.t.Errorf("a message that is none: %v", err)
	}
	r.messages = append(r.messages, string(text))
	if r.got != nil {
		r.got <- string(text)
	}
	return nil
}

func (r *recorder) End(st rpc.Status, trailer rpc.Header) {
	r.status, r.trailer = st, trailer
	close(r.ended)
}

// do makes a call, which must not hang.
func (g *target) do(t testing.TB, text string) result {
	t.Helper()
	return g.doCall(t, t.Context(), g.call(t, text))
}

func (g *target) doCall(t testing.TB, ctx context.Context, call *rpc.Call) result {
	t.Helper()
	r := g.recorder(t)
	g.Upstream.(rpc.Doer).Do(ctx, call, r)
	<-r.ended
	if len(r.messages) > 0 {
		require.Equal(t, 1, r.heads, "the head is told once, before the messages")
	}
	return r.result
}

// want fails unless the call went well and had these messages.
func (r result) want(t testing.TB, messages ...string) {
	t.Helper()
	require.Zero(t, r.status.Code, "%s (%v)", r.status.Message, r.status.Cause)
	r.wantMessages(t, messages...)
}

func (r result) wantMessages(t testing.TB, messages ...string) {
	t.Helper()
	require.Len(t, r.messages, len(messages), "%v, %s", r.messages, r.status.Message)
	for i, want := range messages {
		require.JSONEq(t, want, r.messages[i])
	}
}

// details are those of the status.
func (r result) details(t testing.TB) []proto.Message {
	t.Helper()
	var st spb.Status
	require.NoError(t, proto.Unmarshal(r.status.Details, &st))
	require.EqualValues(t, r.status.Code, st.Code)
	require.Equal(t, r.status.Message, st.Message)
	var out []proto.Message
	for _, d := range st.Details {
		m, err := d.UnmarshalNew()
		require.NoError(t, err)
		out = append(out, m)
	}
	return out
}

// drip writes pieces, each when the test lets it.
func drip(contentType string, pieces <-chan string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(http.StatusOK)
		for piece := range pieces {
			_, _ = fmt.Fprint(w, piece)
			_ = http.NewResponseController(w).Flush()
		}
	}
}
