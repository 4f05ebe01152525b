package schema_test

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
)

// sources are .proto files by path.
type sources map[string]string

// compile gives the files of src, without what they import from elsewhere.
func compile(t testing.TB, src sources) *descriptorpb.FileDescriptorSet {
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
	return set
}

const library = `
syntax = "proto3";
package library.v1;
import "google/api/annotations.proto";
import "google/protobuf/timestamp.proto";
message Book { string name = 1; map<string, Page> pages = 2; message Page {} google.protobuf.Timestamp at = 3; }
service Library {
  rpc GetBook(Book) returns (Book) { option (google.api.http) = { get: "/v1/{name=books/*}" additional_bindings { post: "/v1/books" body: "*" } }; }
  rpc Plain(Book) returns (Book);
}
service Archive {}
`

func method(t testing.TB, s *schema.Schema, name protoreflect.FullName) protoreflect.MethodDescriptor {
	t.Helper()
	d, err := s.FindDescriptorByName(name)
	require.NoError(t, err)
	return d.(protoreflect.MethodDescriptor)
}

func serviceNames(s *schema.Schema) []string {
	names := []string{}
	for _, sd := range s.Services() {
		names = append(names, string(sd.FullName()))
	}
	return names
}

func messageNames(s *schema.Schema) map[protoreflect.FullName]int {
	names := make(map[protoreflect.FullName]int)
	s.RangeMessages(func(md protoreflect.MessageDescriptor) bool { names[md.FullName()]++; return true })
	return names
}

func TestImportsComeFromBuiltins(t *testing.T) {
	set := compile(t, sources{"library/v1/library.proto": library})
	require.Len(t, set.File, 1)
	s, err := schema.New(set)
	require.NoError(t, err)

	require.Equal(t, []string{"library.v1.Archive", "library.v1.Library"}, serviceNames(s))
	names := messageNames(s)
	for _, want := range []protoreflect.FullName{
		"library.v1.Book", "library.v1.Book.Page", "library.v1.Book.PagesEntry",
		"google.protobuf.Timestamp", "google.api.HttpRule", "google.protobuf.FileDescriptorProto",
		// Nobody imports these; an Any or a status may hold them all the same.
		"google.rpc.BadRequest", "google.rpc.Status", "google.protobuf.Struct", "google.protobuf.StringValue",
	} {
		require.Equal(t, 1, names[want], want)
	}
	require.Zero(t, names["google.type.Money"], "only what is imported, and what errors need")
	require.Equal(t, "library/v1/library.proto", s.Files()[0].Path())
}

func TestNothingIsSharedWithTheGlobalRegistry(t *testing.T) {
	s, err := schema.New(compile(t, sources{"library/v1/library.proto": library}))
	require.NoError(t, err)
	_, err = protoregistry.GlobalFiles.FindFileByPath("library/v1/library.proto")
	require.ErrorIs(t, err, protoregistry.NotFound)

	// One identity per name: what the book refers to is what a look-up finds.
	d, err := s.FindDescriptorByName("google.protobuf.Timestamp")
	require.NoError(t, err)
	book, err := s.FindDescriptorByName("library.v1.Book")
	require.NoError(t, err)
	require.Same(t, d, book.(protoreflect.MessageDescriptor).Fields().ByName("at").Message())

	other, err := schema.New(compile(t, sources{"library/v1/library.proto": `
		syntax = "proto3"; package library.v1; message Book { int32 number = 1; }`}))
	require.NoError(t, err)
	book, err = other.FindDescriptorByName("library.v1.Book")
	require.NoError(t, err)
	require.Equal(t, 1, book.(protoreflect.MessageDescriptor).Fields().Len())
}

// TestOwnCopyWins gives a set its own, smaller google.rpc.Status: that is the one
// to be found, and nothing of the built-in one beside it.
func TestOwnCopyWins(t *testing.T) {
	for name, path := range map[string]string{"same path": "google/rpc/status.proto", "other path": "vendored/rpc.proto"} {
		t.Run(name, func(t *testing.T) {
			s, err := schema.New(compile(t, sources{path: `
				syntax = "proto3"; package google.rpc; message Status { string mine = 7; }`}))
			require.NoError(t, err)
			d, err := s.FindDescriptorByName("google.rpc.Status")
			require.NoError(t, err)
			require.NotNil(t, d.(protoreflect.MessageDescriptor).Fields().ByName("mine"))
			require.Equal(t, path, d.ParentFile().Path())
			names := messageNames(s)
			require.Equal(t, 1, names["google.rpc.Status"])
			require.Equal(t, 1, names["google.rpc.ErrorInfo"])
		})
	}
}

const ownAnnotations = `
syntax = "proto3";
package google.api;
import "google/protobuf/descriptor.proto";
extend google.protobuf.MethodOptions { HttpRule http = 72295728; }
message HttpRule { string selector = 1; oneof pattern { string get = 2; string post = 4; } string body = 7; repeated HttpRule additional_bindings = 11; }
`

func TestHTTPRule(t *testing.T) {
	want := &annotations.HttpRule{
		Pattern: &annotations.HttpRule_Get{Get: "/v1/{name=books/*}"},
		AdditionalBindings: []*annotations.HttpRule{{
			Pattern: &annotations.HttpRule_Post{Post: "/v1/books"}, Body: "*",
		}},
	}
	unread := func(set *descriptorpb.FileDescriptorSet) *descriptorpb.FileDescriptorSet {
		raw, err := proto.Marshal(set)
		require.NoError(t, err)
		out := new(descriptorpb.FileDescriptorSet)
		require.NoError(t, proto.UnmarshalOptions{Resolver: new(protoregistry.Types)}.Unmarshal(raw, out))
		return out
	}
	builtin := compile(t, sources{"library.proto": library})
	own := compile(t, sources{"library.proto": library, "google/api/annotations.proto": ownAnnotations})
	for name, set := range map[string]*descriptorpb.FileDescriptorSet{
		"option of the compiler's type":       builtin,
		"option is an unknown field":          unread(builtin),
		"own annotations, compiler's type":    own,
		"own annotations, an unknown field":   unread(own),
		"an option beside it cannot be read":  withBrokenOption(unread(builtin)),
		"own annotations, and a broken field": withBrokenOption(unread(own)),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := schema.New(set)
			require.NoError(t, err)
			rule := s.HTTPRule(method(t, s, "library.v1.Library.GetBook"))
			require.True(t, proto.Equal(want, rule), "got %v", rule)
			require.Nil(t, s.HTTPRule(method(t, s, "library.v1.Library.Plain")))
		})
	}
}

// withBrokenOption adds google.api.method_signature with a value that is not
// valid UTF-8, to the first method of the set.
func withBrokenOption(set *descriptorpb.FileDescriptorSet) *descriptorpb.FileDescriptorSet {
	for _, fd := range set.File {
		for _, sd := range fd.Service {
			for _, md := range sd.Method {
				if md.Options != nil {
					m := md.Options.ProtoReflect()
					m.SetUnknown(append(m.GetUnknown(), 0xda, 0x41, 0x01, 0xff)) // 1051: length 1
				}
			}
		}
	}
	return set
}

func TestRestrictedServices(t *testing.T) {
	set := compile(t, sources{"library.proto": library, "grpc.proto": `
		syntax = "proto3"; package grpc.health.v1; service Health {}`})
	s, err := schema.New(set)
	require.NoError(t, err)
	require.Equal(t, []string{"library.v1.Archive", "library.v1.Library"}, serviceNames(s))

	only, err := schema.Options{Services: []protoreflect.FullName{"grpc.health.v1.Health", "library.v1.Library"}}.New(set)
	require.NoError(t, err)
	require.Equal(t, []string{"library.v1.Library"}, serviceNames(only))
	require.NotEqual(t, s.Fingerprint(), only.Fingerprint())

	none, err := schema.Options{Services: []protoreflect.FullName{}}.New(set)
	require.NoError(t, err)
	require.Empty(t, none.Services())

	_, err = schema.Options{Services: []protoreflect.FullName{"library.v1.Shelf"}}.New(set)
	require.EqualError(t, err, `service "library.v1.Shelf" is not in the descriptors`)
}

func TestExtensions(t *testing.T) {
	s, err := schema.New(compile(t, sources{
		"base.proto": `syntax = "proto2"; package p; message Base { extensions 100 to 200; }`,
		"more.proto": `syntax = "proto2"; package p; import "base.proto";
			extend Base { optional int32 second = 102; }
			message Holder { extend Base { optional Holder first = 101; } }`,
	}))
	require.NoError(t, err)
	x, err := s.FindExtensionByName("p.Holder.first")
	require.NoError(t, err)
	require.EqualValues(t, 101, x.Number())
	y, err := s.FindExtensionByNumber("p.Base", 102)
	require.NoError(t, err)
	require.EqualValues(t, "p.second", y.FullName())
	_, err = s.FindExtensionByNumber("p.Base", 103)
	require.ErrorIs(t, err, protoregistry.NotFound)
	_, err = s.FindExtensionByName("p.Base")
	require.ErrorIs(t, err, protoregistry.NotFound)

	var byMessage, all []protoreflect.FullName
	s.RangeExtensionsByMessage("p.Base", func(x protoreflect.ExtensionDescriptor) bool {
		byMessage = append(byMessage, x.FullName())
		return true
	})
	require.Equal(t, []protoreflect.FullName{"p.Holder.first", "p.second"}, byMessage)
	s.RangeExtensions(func(x protoreflect.ExtensionDescriptor) bool {
		all = append(all, x.FullName())
		return true
	})
	require.Equal(t, []protoreflect.FullName{"p.second", "p.Holder.first"}, all)
}

func TestFingerprint(t *testing.T) {
	src := sources{"a.proto": `syntax = "proto3"; message A { map<string, int32> m = 1; }`, "b.proto": `syntax = "proto3"; message B {}`}
	set := compile(t, src)
	first, err := schema.New(set)
	require.NoError(t, err)
	require.Len(t, first.Fingerprint(), 64)

	slices.Reverse(set.File)
	turned, err := schema.New(set)
	require.NoError(t, err)
	require.Equal(t, first.Fingerprint(), turned.Fingerprint())

	src["b.proto"] = `syntax = "proto3"; message B { int32 i = 1; }`
	changed, err := schema.New(compile(t, src))
	require.NoError(t, err)
	require.NotEqual(t, first.Fingerprint(), changed.Fingerprint())
}

// TestKeepsNothingOfItsInput changes the set after New.
func TestKeepsNothingOfItsInput(t *testing.T) {
	set := compile(t, sources{"library.proto": library})
	s, err := schema.New(set)
	require.NoError(t, err)
	for _, md := range set.File[0].Service[0].Method {
		md.Options = nil
		md.Name = proto.String("Gone")
	}
	require.NotNil(t, s.HTTPRule(method(t, s, "library.v1.Library.GetBook")))
}

func TestEmptySetHoldsErrorTypes(t *testing.T) {
	s, err := schema.New(nil)
	require.NoError(t, err)
	require.Empty(t, s.Services())
	require.Equal(t, 1, messageNames(s)["google.rpc.DebugInfo"])
}

// TestBuiltinsLink links every built-in file at once, each by an import.
func TestBuiltinsLink(t *testing.T) {
	fd := &descriptorpb.FileDescriptorProto{Name: proto.String("all.proto"), Syntax: proto.String("proto3"), Dependency: schema.Builtins()}
	s, err := schema.New(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{fd}})
	require.NoError(t, err)
	for _, path := range []string{
		"google/api/annotations.proto", "google/api/client.proto", "google/api/field_behavior.proto", "google/api/http.proto",
		"google/api/httpbody.proto", "google/api/resource.proto", "google/api/visibility.proto", "google/api/launch_stage.proto",
		"google/rpc/code.proto", "google/rpc/error_details.proto", "google/rpc/status.proto",
		"google/type/date.proto", "google/type/money.proto", "google/type/latlng.proto",
		"google/protobuf/descriptor.proto", "google/protobuf/any.proto", "google/protobuf/go_features.proto",
		"google/protobuf/cpp_features.proto", "google/protobuf/java_features.proto", "google/protobuf/compiler/plugin.proto",
		"protoc-gen-openapiv2/options/annotations.proto", "protoc-gen-openapiv2/options/openapiv2.proto",
		"buf/validate/validate.proto",
	} {
		_, err := s.FindFileByPath(path)
		require.NoError(t, err, path)
	}
}
