package service_test

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/reflect/service"
	"github.com/dragoman-gateway/dragoman/reflect/source"
	"github.com/dragoman-gateway/dragoman/reflect/source/reflection"
	"github.com/dragoman-gateway/dragoman/rpc/adapt"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// compile makes the schema of an upstream from sources by path.
func compile(t testing.TB, name string, src map[string]string) *schema.Schema {
	t.Helper()
	c := protocompile.Compiler{Resolver: protocompile.CompositeResolver{
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(src)},
		protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			if fd := schema.Builtin(path); fd != nil {
				return protocompile.SearchResult{Proto: fd}, nil
			}
			return protocompile.SearchResult{}, protoregistry.NotFound
		}),
	}}
	files, err := c.Compile(context.Background(), slices.Sorted(maps.Keys(src))...)
	require.NoError(t, err)
	set := new(descriptorpb.FileDescriptorSet)
	for _, f := range files {
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	s, err := schema.Options{Name: name}.New(set)
	require.NoError(t, err)
	return s
}

func library(t testing.TB) *schema.Schema {
	t.Helper()
	return compile(t, "library", map[string]string{
		"library/v1/library.proto": `
			syntax = "proto2";
			package library.v1;
			import "google/api/annotations.proto";
			import "library/v1/book.proto";
			service Library { rpc GetBook(Book) returns (Book) { option (google.api.http) = { get: "/v1/{name=books/*}" }; } }`,
		"library/v1/book.proto": `
			syntax = "proto2";
			package library.v1;
			message Book { optional string name = 1; extensions 100 to 200; }`,
		"library/v1/extra.proto": `
			syntax = "proto2";
			package library.v1;
			import "library/v1/book.proto";
			extend Book { optional int32 weight = 120; optional int32 height = 110; }`,
	})
}

func shop(t testing.TB) *schema.Schema {
	t.Helper()
	return compile(t, "shop", map[string]string{"shop.proto": `
		syntax = "proto3"; package shop; import "google/protobuf/empty.proto";
		service Shop { rpc Open(google.protobuf.Empty) returns (google.protobuf.Empty); }`})
}

// ask sends one question on a stream of its own.
// exposing is a service that exposes all of the schemas.
func exposing(schemas ...*schema.Schema) *service.Service {
	var services []protoreflect.FullName
	for _, s := range schemas {
		for _, sd := range s.Services() {
			services = append(services, sd.FullName())
		}
	}
	return service.New(schemas, services)
}

func ask(t testing.TB, s *service.Service, q *reflectionpb.ServerReflectionRequest) *reflectionpb.ServerReflectionResponse {
	t.Helper()
	stream, err := reflectionpb.NewServerReflectionClient(adapt.ClientConn(s.Upstream())).ServerReflectionInfo(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(q))
	a, err := stream.Recv()
	require.NoError(t, err)
	require.True(t, proto.Equal(q, a.GetOriginalRequest()))
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
	return a
}

// paths names the files of an answer.
func paths(t testing.TB, a *reflectionpb.ServerReflectionResponse) []string {
	t.Helper()
	var names []string
	for _, raw := range a.GetFileDescriptorResponse().GetFileDescriptorProto() {
		fd := new(descriptorpb.FileDescriptorProto)
		require.NoError(t, proto.Unmarshal(raw, fd))
		names = append(names, fd.GetName())
	}
	return names
}

func symbol(name string) *reflectionpb.ServerReflectionRequest {
	return &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: name}}
}

func filename(path string) *reflectionpb.ServerReflectionRequest {
	return &reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_FileByFilename{FileByFilename: path}}
}

func TestListServices(t *testing.T) {
	s := exposing(shop(t), library(t))
	require.Empty(t, s.Conflicts())
	a := ask(t, s, &reflectionpb.ServerReflectionRequest{
		Host: "api.example.com", MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{ListServices: "*"},
	})
	require.Equal(t, "api.example.com", a.GetValidHost())
	var names []string
	for _, s := range a.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	require.Equal(t, []string{
		"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
		"library.v1.Library", "shop.Shop",
	}, names)
}

func TestMethods(t *testing.T) {
	var got []string
	for _, m := range service.New(nil, nil).Methods() {
		require.NotNil(t, m.Descriptor, m.Path)
		require.Equal(t, m.FullName(), string(m.Descriptor.FullName()))
		got = append(got, m.Path)
	}
	require.Equal(t, []string{
		"/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/List", "/grpc.health.v1.Health/Watch",
		"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
		"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
	}, got)
}

func TestFiles(t *testing.T) {
	s := exposing(library(t), shop(t))
	for name, c := range map[string]struct {
		ask  *reflectionpb.ServerReflectionRequest
		want []string // the first is asked for, all others come along
	}{
		"service": {symbol("library.v1.Library"), []string{
			"library/v1/library.proto", "google/api/annotations.proto", "library/v1/book.proto",
			"google/api/http.proto", "google/protobuf/descriptor.proto",
		}},
		"method":             {symbol("shop.Shop.Open"), []string{"shop.proto", "google/protobuf/empty.proto"}},
		"field":              {symbol("library.v1.Book.name"), []string{"library/v1/book.proto"}},
		"extension by name":  {symbol("library.v1.weight"), []string{"library/v1/extra.proto", "library/v1/book.proto"}},
		"error detail":       {symbol("google.rpc.DebugInfo"), []string{"google/rpc/error_details.proto", "google/protobuf/duration.proto"}},
		"health":             {symbol("grpc.health.v1.HealthCheckResponse.ServingStatus"), []string{"grpc/health/v1/health.proto"}},
		"reflection":         {symbol("grpc.reflection.v1alpha.ServerReflection"), []string{"grpc/reflection/v1alpha/reflection.proto"}},
		"path":               {filename("library/v1/book.proto"), []string{"library/v1/book.proto"}},
		"path of a built-in": {filename("google/rpc/status.proto"), []string{"google/rpc/status.proto", "google/protobuf/any.proto"}},
		"extension": {&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingExtension{
			FileContainingExtension: &reflectionpb.ExtensionRequest{ContainingType: "library.v1.Book", ExtensionNumber: 110},
		}}, []string{"library/v1/extra.proto", "library/v1/book.proto"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, paths(t, ask(t, s, c.ask)))
		})
	}
}

func TestNotFound(t *testing.T) {
	s := exposing(library(t))
	for _, q := range []*reflectionpb.ServerReflectionRequest{
		symbol("shop.Shop"), symbol(""), symbol("..."), filename("gone.proto"), filename(""),
		// Linked in this program, and nobody's business.
		symbol("dragoman.config.v1.Config"), filename("dragoman/config/v1/config.proto"),
		{MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingExtension{}},
		{MessageRequest: &reflectionpb.ServerReflectionRequest_AllExtensionNumbersOfType{AllExtensionNumbersOfType: "gone.Message"}},
	} {
		require.EqualValues(t, codes.NotFound, ask(t, s, q).GetErrorResponse().GetErrorCode(), "%v", q)
	}

	stream, err := reflectionpb.NewServerReflectionClient(adapt.ClientConn(s.Upstream())).ServerReflectionInfo(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(new(reflectionpb.ServerReflectionRequest)))
	_, err = stream.Recv()
	require.Equal(t, codes.InvalidArgument, status.Code(err))
}

func TestExtensionNumbers(t *testing.T) {
	s := exposing(shop(t), library(t))
	numbers := func(name string) []int32 {
		return ask(t, s, &reflectionpb.ServerReflectionRequest{
			MessageRequest: &reflectionpb.ServerReflectionRequest_AllExtensionNumbersOfType{AllExtensionNumbersOfType: name},
		}).GetAllExtensionNumbersResponse().GetExtensionNumber()
	}
	require.Equal(t, []int32{110, 120}, numbers("library.v1.Book"))
	require.Empty(t, numbers("google.rpc.Status"))
}

// TestStreamSendsImportsOnce asks twice on one stream.
func TestStreamSendsImportsOnce(t *testing.T) {
	s := exposing(library(t))
	stream, err := reflectionpb.NewServerReflectionClient(adapt.ClientConn(s.Upstream())).ServerReflectionInfo(t.Context())
	require.NoError(t, err)
	for _, want := range [][]string{{"library/v1/extra.proto", "library/v1/book.proto"}, {"library/v1/extra.proto"}} {
		require.NoError(t, stream.Send(symbol("library.v1.weight")))
		a, err := stream.Recv()
		require.NoError(t, err)
		require.Equal(t, want, paths(t, a))
	}
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
}

func TestV1Alpha(t *testing.T) {
	s := exposing(shop(t))
	stream, err := grpc_reflection_v1alpha.NewServerReflectionClient(adapt.ClientConn(s.Upstream())).ServerReflectionInfo(t.Context())
	require.NoError(t, err)
	require.NoError(t, stream.Send(&grpc_reflection_v1alpha.ServerReflectionRequest{ //nolint:staticcheck // SA1019: old readers ask with it
		MessageRequest: &grpc_reflection_v1alpha.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "shop.Shop"}, //nolint:staticcheck // SA1019: as above
	}))
	a, err := stream.Recv()
	require.NoError(t, err)
	require.Len(t, a.GetFileDescriptorResponse().GetFileDescriptorProto(), 2) //nolint:staticcheck // SA1019: as above
	require.NoError(t, stream.CloseSend())
	_, err = stream.Recv()
	require.ErrorIs(t, err, io.EOF)
}

// TestReadBack loads what is shown with the gateway's own reflection source.
func TestReadBack(t *testing.T) {
	s := exposing(library(t), shop(t))
	src, err := reflection.New(new(configpb.ReflectionSource), source.Env{Upstream: s.Upstream()})
	require.NoError(t, err)
	back, err := src.Load(t.Context())
	require.NoError(t, err)
	require.Len(t, back.Services(), 2)
	require.Equal(t, "/v1/{name=books/*}", back.HTTPRule(back.Services()[0].Methods().Get(0)).GetGet())
	_, err = back.FindExtensionByName("library.v1.height")
	require.NoError(t, err)
}

func TestConflicts(t *testing.T) {
	a := compile(t, "a", map[string]string{
		"same.proto":   `syntax = "proto3"; package p; message Same { int32 some_name = 1; }`,
		"common.proto": `syntax = "proto3"; package p; message Common { int32 i = 1; } service OfA { rpc Do(Common) returns (Common); }`,
		"a.proto":      `syntax = "proto3"; package p; message Moved {} message Other {}`,
		// Every upstream may bring its own version of these.
		"google/type/date.proto": `syntax = "proto3"; package google.type; message Date { int32 old = 1; }`,
	})
	b := compile(t, "b", map[string]string{
		"same.proto":             "// With a comment.\nsyntax = \"proto3\"; package p; message Same { int32 some_name = 1 [json_name = \"someName\"]; }",
		"common.proto":           `syntax = "proto3"; package p; message Common { int64 i = 1; } service OfB { rpc Do(Common) returns (Common); }`,
		"b.proto":                `syntax = "proto3"; package p; message Moved {} message Other {}`,
		"google/type/date.proto": `syntax = "proto3"; package google.type; message Date { int32 new = 1; }`,
	})
	s := exposing(a, b)
	require.Equal(t, []string{
		`file "common.proto" differs between upstream "a" and upstream "b": that of upstream "a" is shown`,
		`"p.Moved" is declared in "a.proto" of upstream "a" and in "b.proto" of upstream "b"`,
	}, s.Conflicts())

	// A service that the hidden version alone defines can be described still.
	require.Contains(t, string(ask(t, s, symbol("p.OfA")).GetFileDescriptorResponse().GetFileDescriptorProto()[0]), "OfA")
	require.Contains(t, string(ask(t, s, symbol("p.OfB")).GetFileDescriptorResponse().GetFileDescriptorProto()[0]), "OfB")
}

// TestManyPathsToOneImport has files in a ladder: two ways lead from each step to
// the next, so that walking every path would never end.
func TestManyPathsToOneImport(t *testing.T) {
	set := new(descriptorpb.FileDescriptorSet)
	for i := range 60 {
		fd := func(side string) *descriptorpb.FileDescriptorProto {
			p := &descriptorpb.FileDescriptorProto{Name: proto.String(fmt.Sprintf("%s%d.proto", side, i))}
			if i > 0 {
				p.Dependency = []string{fmt.Sprintf("l%d.proto", i-1), fmt.Sprintf("r%d.proto", i-1)}
			}
			return p
		}
		set.File = append(set.File, fd("l"), fd("r"))
	}
	sch, err := schema.New(set)
	require.NoError(t, err)
	got := paths(t, ask(t, exposing(sch), filename("l59.proto")))
	require.Len(t, got, 1+2*59)
}

func TestHealth(t *testing.T) {
	s := exposing(library(t), shop(t))
	client := healthpb.NewHealthClient(adapt.ClientConn(s.Upstream()))
	for _, name := range []string{"", "library.v1.Library", "shop.Shop", "grpc.reflection.v1.ServerReflection"} {
		out, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: name})
		require.NoError(t, err, name)
		require.Equal(t, healthpb.HealthCheckResponse_SERVING, out.Status, name)
	}
	_, err := client.Check(t.Context(), &healthpb.HealthCheckRequest{Service: "gone.Service"})
	require.Equal(t, codes.NotFound, status.Code(err))

	ctx, cancel := context.WithCancel(t.Context())
	watch, err := client.Watch(ctx, &healthpb.HealthCheckRequest{Service: "shop.Shop"})
	require.NoError(t, err)
	out, err := watch.Recv()
	require.NoError(t, err)
	require.Equal(t, healthpb.HealthCheckResponse_SERVING, out.Status)
	cancel()
	_, err = watch.Recv()
	require.Equal(t, codes.Canceled, status.Code(err))

	list, err := client.List(t.Context(), new(healthpb.HealthListRequest))
	require.NoError(t, err)
	require.Len(t, list.Statuses, 6)
	require.Equal(t, healthpb.HealthCheckResponse_SERVING, list.Statuses["shop.Shop"].Status)
	require.Equal(t, healthpb.HealthCheckResponse_SERVING, list.Statuses["library.v1.Library"].Status)
}
