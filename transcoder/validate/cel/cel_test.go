package cel_test

import (
	"context"
	"sync"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/transcoder/validate"
	"github.com/dragoman-gateway/dragoman/transcoder/validate/cel"
)

const source = `syntax = "proto2";
package shop;
import "buf/validate/validate.proto";
extend buf.validate.StringRules {
  optional bool upper = 50001 [(buf.validate.predefined).cel = {id: "string.upper" message: "must be in upper case" expression: "!rule || this == this.upperAscii()"}];
}
message Outer {
  option (buf.validate.message).cel = {id: "outer" message: "too many" expression: "this.items.size() < 3"};
  option (buf.validate.message).oneof = {fields: ["a", "b"]};
  repeated Inner items = 1 [(buf.validate.field).repeated.max_items = 1];
  optional string short_name = 2 [(buf.validate.field).string = {min_len: 5 [shop.upper]: true}];
  optional int32 divisor = 3 [(buf.validate.field).cel = {id: "divides" expression: "12 % this == 0"}];
  optional int32 a = 4;
  optional int32 b = 5;
  map<int32, int32> m = 6;
}
message Inner {
  option (buf.validate.message).cel = {id: "inner" message: "no" expression: "false"};
  optional string s = 1 [(buf.validate.field).cel = {id: "s" message: "no" expression: "false"}];
}
message Empty {}
`

// file is the source as a gateway has it: linked from serialized descriptors.
func file(t *testing.T, text string) protoreflect.FileDescriptor {
	t.Helper()
	c := protocompile.Compiler{Resolver: protocompile.CompositeResolver{
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"shop.proto": text})},
		protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			if fd := schema.Builtin(path); fd != nil {
				return protocompile.SearchResult{Proto: fd}, nil
			}
			return protocompile.SearchResult{}, protoregistry.NotFound
		}),
	}}
	linked, err := c.Compile(context.Background(), "shop.proto")
	require.NoError(t, err)
	raw, err := proto.Marshal(protodesc.ToFileDescriptorProto(linked[0]))
	require.NoError(t, err)
	read := new(descriptorpb.FileDescriptorProto)
	require.NoError(t, proto.UnmarshalOptions{Resolver: new(protoregistry.Types)}.Unmarshal(raw, read))
	s, err := schema.New(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{read}})
	require.NoError(t, err)
	fd, err := s.FindFileByPath("shop.proto")
	require.NoError(t, err)
	return fd
}

func wire(t *testing.T, md protoreflect.MessageDescriptor, text string) []byte {
	t.Helper()
	m := dynamicpb.NewMessage(md)
	require.NoError(t, protojson.Unmarshal([]byte(text), m))
	raw, err := proto.Marshal(m)
	require.NoError(t, err)
	return raw
}

// TestProgram: a program tells of its own message's rules in CEL and of no others.
func TestProgram(t *testing.T) {
	md := file(t, source).Messages().ByName("Outer")
	p, err := cel.New()(md)
	require.NoError(t, err)
	for text, want := range map[string][]validate.Violation{
		`{}`:                       nil,
		`{"items": [{}, {}]}`:      nil, // max_items is the tables', and so is what the items are
		`{"a": 1, "b": 1}`:         nil,
		`{"shortName": "ABC"}`:     nil,
		`{"items": [{}, {}, {}]}`:  {{Rule: "outer", Message: "too many"}},
		`{"shortName": "abc"}`:     {{Field: "shortName", Rule: "string.upper", Message: "must be in upper case"}},
		`{"divisor": 5, "a": 1}`:   {{Field: "divisor", Rule: "divides", Message: "\"12 % this == 0\" returned false"}},
		`{"divisor": 4, "a": 100}`: nil,
	} {
		got, err := p.Check(nil, wire(t, md, text))
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
	}
	_, err = p.Check(nil, wire(t, md, `{"divisor": 0}`))
	require.ErrorContains(t, err, "modulus by zero")
	for _, broken := range [][]byte{{0x0a, 9}, {0x32, 4, 0x08, 1, 0x0a, 0}} {
		_, err = p.Check(nil, broken)
		require.Error(t, err, "%x", broken)
	}
}

func TestConcurrently(t *testing.T) {
	messages := file(t, source).Messages()
	compile := cel.New()
	var all sync.WaitGroup
	defer all.Wait()
	for i := range 8 {
		all.Go(func() {
			md := messages.Get(i % 2)
			p, err := compile(md)
			if err == nil {
				for range 20 {
					_, err = p.Check(nil, nil)
				}
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestProblems(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{`syntax = "proto3"; package p; import "buf/validate/validate.proto";
			message M { string s = 1 [(buf.validate.field).cel = {id: "x" expression: "this > 1"}]; string t = 2 [(buf.validate.field).cel_expression = "nothing"]; }`,
			`field "s": compilation error: failed to compile expression x`},
		{`syntax = "proto3"; package p; import "buf/validate/validate.proto";
			message M { string s = 1; string t = 2 [(buf.validate.field).cel_expression = "nothing"]; }`,
			`field "t": compilation error: failed to compile expression nothing`},
	} {
		_, err := cel.New()(file(t, tt.text).Messages().Get(0))
		require.ErrorContains(t, err, tt.want)
	}
}

// TestUnknownRule: an extension of the rules that no file defines.
func TestUnknownRule(t *testing.T) {
	fd := file(t, `syntax = "proto3"; package p; import "buf/validate/validate.proto"; message M { string s = 1 [(buf.validate.field).string.min_len = 1]; }`)
	set := protodesc.ToFileDescriptorProto(fd)
	field := set.GetMessageType()[0].GetField()[0]
	// FieldOptions.field (1159) = FieldRules.string (14) = {50001: true}.
	rules := []byte{0x88, 0xb5, 0x18, 1}
	rules = append([]byte{14<<3 | 2, byte(len(rules))}, rules...)
	options := append([]byte{0xba, 0x48, byte(len(rules))}, rules...)
	field.Options = new(descriptorpb.FieldOptions)
	require.NoError(t, proto.UnmarshalOptions{Resolver: new(protoregistry.Types)}.Unmarshal(options, field.Options))
	s, err := schema.New(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{set}})
	require.NoError(t, err)
	md, err := s.FindDescriptorByName("p.M")
	require.NoError(t, err)
	_, err = validate.Compile(md.(protoreflect.MessageDescriptor), validate.Options{CEL: cel.New()})
	require.ErrorContains(t, err, `message "p.M": field "s": compilation error: unknown rules in buf.validate.StringRules`)
}
