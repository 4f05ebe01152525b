package plan_test

import (
	"context"
	"sync"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound/plan"
)

const source = `
syntax = "proto3";
package o.v1;
import "google/api/httpbody.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";

enum Color { COLOR_UNKNOWN = 0; RED = 1; }

// Get has nothing but what a path or a query can have.
message Get {
  string name = 1;
  string parent = 2;
  int32 page_size = 3;
  optional int32 opt_size = 4;
  optional string opt_name = 5;
  repeated string tags = 6;
  repeated int32 ids = 7;
  Sub sub = 8;
  Color color = 9;
  bytes data = 10;
  google.protobuf.Timestamp at = 11;
  google.protobuf.Duration for = 12;
  google.protobuf.FieldMask mask = 13;
  google.protobuf.StringValue text = 14;
  google.protobuf.BytesValue raw = 15;
  double ratio = 16;
  int64 big = 17;
  repeated google.protobuf.Timestamp times = 18;
  oneof who { string user = 19; string mail = 20; Sub boss = 21; google.protobuf.Empty nobody = 23; }
  bool on = 22;
  repeated Color colors = 24;
  repeated google.protobuf.Int64Value numbers = 25;
  string odd = 26 [json_name = "o d&d"];
}

message Sub {
  string name = 1;
  int32 size = 2;
  repeated string tags = 3;
  Sub sub = 4;
  bytes data = 5;
}

// Put has what takes a body.
message Put {
  string name = 1;
  Book book = 2;
  map<string, string> labels = 3;
  int32 revision = 4;
  repeated string tags = 5;
  optional int32 count = 6;
  google.protobuf.Value value = 7;
  repeated Book books = 8;
}

message Book {
  string name = 1;
  string title = 2;
  map<string, int32> pages = 3;
  Book next = 4;
}

message File {
  string name = 1;
  google.api.HttpBody file = 2;
}

message Choice { oneof other { google.api.HttpBody one = 3; string two = 4; } }

message Deep { string name = 1; Middle middle = 2; }
message Middle { Deep deep = 1; Book book = 2; repeated Sub subs = 3; google.protobuf.Struct fields = 4; }
`

type fixture struct {
	schema *schema.Schema
	types  *dynamicpb.Types
	files  *protoregistry.Files
	codec  *codec.Codec
}

var load = sync.OnceValues(func() (*fixture, error) {
	builtin := protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
		if fd := schema.Builtin(path); fd != nil {
			return protocompile.SearchResult{Proto: fd}, nil
		}
		return protocompile.SearchResult{}, protoregistry.NotFound
	})
	c := protocompile.Compiler{Resolver: protocompile.CompositeResolver{&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"o.proto": source}),
	}, builtin}}
	files, err := c.Compile(context.Background(), "o.proto")
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
	add(files[0])
	f := &fixture{}
	if f.schema, err = schema.New(set); err != nil {
		return nil, err
	}
	if f.files, err = protodesc.NewFiles(set); err != nil {
		return nil, err
	}
	f.types = dynamicpb.NewTypes(f.files)
	f.codec, err = codec.New(f.schema)
	return f, err
})

func newFixture(t testing.TB) *fixture {
	t.Helper()
	f, err := load()
	require.NoError(t, err)
	return f
}

// bindings reads rules in text format, the later ones as additional bindings.
func bindings(t testing.TB, rules ...string) []httprule.Binding {
	t.Helper()
	var out []httprule.Binding
	for i, text := range rules {
		rule := new(annotations.HttpRule)
		require.NoError(t, prototext.Unmarshal([]byte(text), rule))
		b, err := httprule.Bindings(rule)
		require.NoError(t, err)
		b[0].Index = i
		out = append(out, b...)
	}
	return out
}

const fullMethod = "/o.v1.Service/Method"

func (f *fixture) options(t testing.TB, input string, rules ...string) plan.Options {
	t.Helper()
	return plan.Options{
		Input: f.codec.Message(fullName(input)), FullMethod: fullMethod,
		Bindings: bindings(t, rules...),
	}
}

// fullName is that of a message of the fixture; Upload and Text are Google's.
func fullName(input string) protoreflect.FullName {
	switch input {
	case "Upload":
		return "google.api.HttpBody"
	case "Text":
		return "google.protobuf.StringValue"
	}
	return protoreflect.FullName("o.v1." + input)
}

func (f *fixture) plan(t testing.TB, input string, rules ...string) *plan.Plan {
	t.Helper()
	p, err := plan.New(f.options(t, input, rules...))
	require.NoError(t, err)
	return p
}

// wire is a message in text format, serialized.
func (f *fixture) wire(t testing.TB, input, text string) []byte {
	t.Helper()
	d, err := f.files.FindDescriptorByName(fullName(input))
	require.NoError(t, err)
	m := dynamicpb.NewMessage(d.(protoreflect.MessageDescriptor))
	require.NoError(t, prototext.UnmarshalOptions{Resolver: f.types}.Unmarshal([]byte(text), m))
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	require.NoError(t, err)
	return wire
}
