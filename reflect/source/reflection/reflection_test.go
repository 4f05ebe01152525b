package reflection_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	v1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/reflect/source"
	source_reflection "github.com/dragoman-gateway/dragoman/reflect/source/reflection"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	upstream_grpc "github.com/dragoman-gateway/dragoman/upstream/grpc"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// api is what the servers of these tests are built from.
var api = map[string]string{
	"library/v1/library.proto": `
		syntax = "proto3";
		package library.v1;
		import "google/api/annotations.proto";
		import "library/v1/book.proto";
		service Library {
			rpc GetBook(Book) returns (Book) { option (google.api.http) = { get: "/v1/{name=books/*}" }; }
		}`,
	"library/v1/book.proto": `
		syntax = "proto2";
		package library.v1;
		import "library/v1/page.proto";
		message Book { optional string name = 1; repeated Page pages = 2; extensions 100 to 200; }
		service Unserved {}`,
	"library/v1/page.proto": `
		syntax = "proto3";
		package library.v1;
		message Page {}`,
	"library/v1/extra.proto": `
		syntax = "proto2";
		package library.v1;
		import "library/v1/book.proto";
		extend Book { optional Extra extra = 100; }
		message Extra { optional int32 weight = 1; }`,
}

// compile gives the files of src and nothing of what they import from elsewhere,
// as a registry with holes: that is what servers without option files have.
func compile(t testing.TB, src map[string]string, without ...string) *protoregistry.Files {
	t.Helper()
	var names []string
	for name := range src {
		names = append(names, name)
	}
	slices.Sort(names)
	c := protocompile.Compiler{Resolver: protocompile.CompositeResolver{
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(src)},
		protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			if fd := schema.Builtin(path); fd != nil {
				return protocompile.SearchResult{Proto: fd}, nil
			}
			return protocompile.SearchResult{}, protoregistry.NotFound
		}),
	}}
	files, err := c.Compile(context.Background(), names...)
	require.NoError(t, err)
	set := new(descriptorpb.FileDescriptorSet)
	for _, f := range files {
		if !slices.Contains(without, f.Path()) {
			set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
		}
	}
	linked, err := protodesc.FileOptions{AllowUnresolvable: true}.NewFiles(set)
	require.NoError(t, err)
	return linked
}

// extensions finds what a registry declares.
type extensions struct{ *dynamicpb.Types }

func (x extensions) RangeExtensionsByMessage(message protoreflect.FullName, f func(protoreflect.ExtensionType) bool) {
	for n := protoreflect.FieldNumber(100); n <= 200; n++ {
		if xt, err := x.FindExtensionByNumber(message, n); err == nil && !f(xt) {
			return
		}
	}
}

type services []string

func (s services) GetServiceInfo() map[string]grpc.ServiceInfo {
	info := make(map[string]grpc.ServiceInfo)
	for _, name := range s {
		info[name] = grpc.ServiceInfo{}
	}
	return info
}

func options(files *protoregistry.Files, names ...string) reflection.ServerOptions {
	return reflection.ServerOptions{
		Services:           services(append(names, "grpc.health.v1.Health")),
		DescriptorResolver: files,
		ExtensionResolver:  extensions{dynamicpb.NewTypes(files)},
	}
}

// serve runs a server until the test ends, and returns its address.
func serve(t testing.TB, register func(*grpc.Server), opts ...grpc.ServerOption) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	s := grpc.NewServer(opts...)
	register(s)
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Stop()
		require.NoError(t, <-done)
	})
	return l.Addr().String()
}

func registerV1(o reflection.ServerOptions) func(*grpc.Server) {
	return func(s *grpc.Server) { v1.RegisterServerReflectionServer(s, reflection.NewServerV1(o)) }
}

func dial(t testing.TB, cfg *configpb.GRPCUpstream) rpc.Upstream {
	t.Helper()
	up, err := upstream_grpc.New(cfg, upstream.Env{Name: "library", MaxMessageBytes: 4 << 20})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, up.Close()) })
	return up.(rpc.Upstream)
}

func newSource(t testing.TB, address string, cfg *configpb.ReflectionSource, log *slog.Logger) source.Source {
	t.Helper()
	src, err := source_reflection.New(cfg, source.Env{
		Name: "library", Upstream: dial(t, &configpb.GRPCUpstream{Target: address}), Log: log,
	})
	require.NoError(t, err)
	require.False(t, src.Offline())
	return src
}

func requireLibrary(t *testing.T, s *schema.Schema) {
	t.Helper()
	require.Len(t, s.Services(), 1, "what files define and the server does not list is left out")
	require.EqualValues(t, "library.v1.Library", s.Services()[0].FullName())
	require.Equal(t, "/v1/{name=books/*}", s.HTTPRule(s.Services()[0].Methods().Get(0)).GetGet())
	_, err := s.FindExtensionByName("library.v1.extra")
	require.NoError(t, err)
	_, err = s.FindFileByPath("google/api/annotations.proto")
	require.NoError(t, err)
}

func TestV1(t *testing.T) {
	src := newSource(t, serve(t, registerV1(options(compile(t, api), "library.v1.Library"))), nil, nil)
	first, err := src.Load(t.Context())
	require.NoError(t, err)
	requireLibrary(t, first)
	again, err := src.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, first.Fingerprint(), again.Fingerprint())
}

func TestV1Alpha(t *testing.T) {
	address := serve(t, func(s *grpc.Server) {
		grpc_reflection_v1alpha.RegisterServerReflectionServer(s, reflection.NewServer(options(compile(t, api), "library.v1.Library")))
	})
	s, err := newSource(t, address, nil, nil).Load(t.Context())
	require.NoError(t, err)
	requireLibrary(t, s)
}

// oneByOne answers with one file at a time, and knows nothing of extensions.
type oneByOne struct {
	v1.UnimplementedServerReflectionServer
	files *protoregistry.Files
	// breaks ends the stream at a question about extensions.
	breaks bool
}

func (o oneByOne) ServerReflectionInfo(stream v1.ServerReflection_ServerReflectionInfoServer) error {
	for {
		q, err := stream.Recv()
		if err != nil {
			return nil
		}
		var fd protoreflect.FileDescriptor
		a := &v1.ServerReflectionResponse{OriginalRequest: q}
		switch {
		case q.GetListServices() != "":
			a.MessageResponse = &v1.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: &v1.ListServiceResponse{
				Service: []*v1.ServiceResponse{{Name: "library.v1.Library"}},
			}}
		case q.GetFileContainingSymbol() != "":
			if d, err := o.files.FindDescriptorByName(protoreflect.FullName(q.GetFileContainingSymbol())); err == nil {
				fd = d.ParentFile()
			}
		case q.GetFileByFilename() != "":
			fd, _ = o.files.FindFileByPath(q.GetFileByFilename())
		default:
			if o.breaks {
				return status.Error(codes.Unimplemented, "extensions")
			}
		}
		if fd != nil {
			raw, err := proto.Marshal(protodesc.ToFileDescriptorProto(fd))
			if err != nil {
				return err
			}
			a.MessageResponse = &v1.ServerReflectionResponse_FileDescriptorResponse{
				FileDescriptorResponse: &v1.FileDescriptorResponse{FileDescriptorProto: [][]byte{raw}},
			}
		} else if a.MessageResponse == nil {
			a.MessageResponse = &v1.ServerReflectionResponse_ErrorResponse{ErrorResponse: &v1.ErrorResponse{ErrorCode: 5}}
		}
		if err := stream.Send(a); err != nil {
			return err
		}
	}
}

func TestImportsAreAskedForOneByOne(t *testing.T) {
	for _, breaks := range []bool{false, true} {
		address := serve(t, func(s *grpc.Server) {
			v1.RegisterServerReflectionServer(s, oneByOne{files: compile(t, api), breaks: breaks})
		})
		s, err := newSource(t, address, nil, nil).Load(t.Context())
		require.NoError(t, err)
		_, err = s.FindDescriptorByName("library.v1.Page")
		require.NoError(t, err)
		_, err = s.FindExtensionByName("library.v1.extra")
		require.ErrorIs(t, err, protoregistry.NotFound)
	}
}

func TestMissingFile(t *testing.T) {
	src := newSource(t, serve(t, registerV1(options(compile(t, api, "library/v1/page.proto"), "library.v1.Library"))), nil, nil)
	_, err := src.Load(t.Context())
	require.EqualError(t, err, `reflection: file "library/v1/page.proto" is missing, imported by "library/v1/book.proto": `+
		`the server's reflection does not know it; register its generated code there, or give the descriptors as an image or as .proto files`)
	require.NotErrorIs(t, err, source.ErrUnavailable)
	var missing *schema.MissingFileError
	require.ErrorAs(t, err, &missing)
}

func TestServiceWithoutDescriptors(t *testing.T) {
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	some := serve(t, registerV1(options(compile(t, api), "library.v1.Library", "legacy.Service")))
	s, err := newSource(t, some, nil, log).Load(t.Context())
	require.NoError(t, err)
	requireLibrary(t, s)
	require.Contains(t, logged.String(), "upstream=library services=[legacy.Service]")

	none := serve(t, registerV1(options(compile(t, api), "legacy.Service")))
	_, err = newSource(t, none, nil, nil).Load(t.Context())
	require.ErrorContains(t, err, `has the descriptors of none, "legacy.Service" first`)
}

func TestNoServices(t *testing.T) {
	var logged bytes.Buffer
	src := newSource(t, serve(t, registerV1(options(compile(t, api)))), nil, slog.New(slog.NewTextHandler(&logged, nil)))
	s, err := src.Load(t.Context())
	require.NoError(t, err)
	require.Empty(t, s.Services())
	require.Contains(t, logged.String(), "server lists no services")
}

func TestNoReflection(t *testing.T) {
	_, err := newSource(t, serve(t, func(*grpc.Server) {}), nil, nil).Load(t.Context())
	require.ErrorContains(t, err, "the server has no reflection service (tried v1 and v1alpha: ")
	require.ErrorContains(t, err, "give the descriptors as an image or as .proto files")
	require.NotErrorIs(t, err, source.ErrUnavailable)
}

func TestDown(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := l.Addr().String()
	require.NoError(t, l.Close())
	_, err = newSource(t, address, nil, nil).Load(t.Context())
	require.ErrorIs(t, err, source.ErrUnavailable)
}

func TestDeadline(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and never says anything
	require.NoError(t, err)
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err = newSource(t, l.Addr().String(), nil, nil).Load(ctx)
	require.ErrorIs(t, err, source.ErrUnavailable)
}

// TestMetadataAndAuthority asks a server that wants both.
func TestMetadataAndAuthority(t *testing.T) {
	guard := grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
		md, _ := metadata.FromIncomingContext(ss.Context())
		if !slices.Equal(md.Get("authorization"), []string{"Bearer t"}) || !slices.Equal(md.Get(":authority"), []string{"library.internal"}) {
			return status.Error(codes.Unauthenticated, "who is there")
		}
		return next(srv, ss)
	})
	address := serve(t, registerV1(options(compile(t, api), "library.v1.Library")), guard)
	s, err := newSource(t, address, &configpb.ReflectionSource{
		Metadata: map[string]string{"authorization": "Bearer t"}, Authority: "library.internal",
	}, nil).Load(t.Context())
	require.NoError(t, err)
	requireLibrary(t, s)

	_, err = newSource(t, address, nil, nil).Load(t.Context())
	require.EqualError(t, err, "reflection: the server refuses the call: Unauthenticated: who is there: give its credentials in the metadata of the reflection source")
}

// TestOwnTarget asks another server than the upstream.
func TestOwnTarget(t *testing.T) {
	address := serve(t, registerV1(options(compile(t, api), "library.v1.Library")))
	var dialled atomic.Int32
	src, err := source_reflection.New(&configpb.ReflectionSource{Target: address}, source.Env{
		Name:     "library",
		Upstream: dial(t, &configpb.GRPCUpstream{Target: "127.0.0.1:1"}),
		Dial: func(cfg proto.Message) (rpc.Upstream, error) {
			dialled.Add(1)
			return dial(t, cfg.(*configpb.GRPCUpstream)), nil
		},
	})
	require.NoError(t, err)
	s, err := src.Load(t.Context())
	require.NoError(t, err)
	requireLibrary(t, s)
	require.EqualValues(t, 1, dialled.Load())
}

// endless has one more file for every import.
type endless struct {
	v1.UnimplementedServerReflectionServer
	size int
}

func (e endless) ServerReflectionInfo(stream v1.ServerReflection_ServerReflectionInfoServer) error {
	for n := 0; ; n++ {
		q, err := stream.Recv()
		if err != nil {
			return nil
		}
		a := &v1.ServerReflectionResponse{MessageResponse: &v1.ServerReflectionResponse_ListServicesResponse{
			ListServicesResponse: &v1.ListServiceResponse{Service: []*v1.ServiceResponse{{Name: "p.S"}}},
		}}
		if q.GetListServices() == "" {
			fd := &descriptorpb.FileDescriptorProto{Name: proto.String(q.GetFileByFilename()), Dependency: []string{q.GetFileByFilename() + "x"}}
			if name := q.GetFileContainingSymbol(); name != "" {
				fd.Package = proto.String("p")
				fd.Service = []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("S")}}
			}
			fd.SourceCodeInfo = &descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{{
				LeadingComments: proto.String(string(bytes.Repeat([]byte("x"), e.size))),
			}}}
			raw, err := proto.Marshal(fd)
			if err != nil {
				return err
			}
			a.MessageResponse = &v1.ServerReflectionResponse_FileDescriptorResponse{
				FileDescriptorResponse: &v1.FileDescriptorResponse{FileDescriptorProto: [][]byte{raw}},
			}
		}
		if err := stream.Send(a); err != nil {
			return err
		}
	}
}

func TestEndlessFilesAreBounded(t *testing.T) {
	address := serve(t, func(s *grpc.Server) { v1.RegisterServerReflectionServer(s, endless{size: 3 << 20}) })
	_, err := newSource(t, address, nil, nil).Load(t.Context())
	require.ErrorContains(t, err, "the server's files are larger than 64 MiB in all")

	address = serve(t, func(s *grpc.Server) { v1.RegisterServerReflectionServer(s, endless{size: 5 << 20}) })
	_, err = newSource(t, address, nil, nil).Load(t.Context())
	require.ErrorContains(t, err, "give the descriptors as an image")
}
