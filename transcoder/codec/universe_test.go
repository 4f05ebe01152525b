package codec_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"sync"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	// More messages that people wrote, see linked.
	_ "google.golang.org/genproto/googleapis/api/annotations"
	_ "google.golang.org/genproto/googleapis/api/httpbody"
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
	_ "google.golang.org/genproto/googleapis/rpc/status"
	_ "google.golang.org/genproto/googleapis/type/money"
	_ "google.golang.org/protobuf/types/known/apipb"
	_ "google.golang.org/protobuf/types/pluginpb"

	// The well-known types, as every universe has them.
	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/emptypb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// deep is a nesting limit that no test message reaches: where the limits of the
// codec and of protojson differ is not what the comparison is about.
const deep = 10000

// universe is a set of files with both views of it: the codec under test, and
// protobuf's Go library with dynamic messages, its referee.
type universe struct {
	files *protoregistry.Files
	types *dynamicpb.Types
	codec *codec.Codec
	// messages are all but map entries, by full name.
	messages []protoreflect.MessageDescriptor
	// extensions are by the message they extend.
	extensions map[protoreflect.FullName][]protoreflect.ExtensionTypeDescriptor
	// names are the keys that a random JSON object may get.
	names []string
	// printers are the codecs of other JSON forms, as they are wanted.
	printers map[codec.Print]*codec.Codec
}

var wellKnownFiles = []string{
	"google/protobuf/any.proto", "google/protobuf/duration.proto", "google/protobuf/empty.proto",
	"google/protobuf/field_mask.proto", "google/protobuf/struct.proto", "google/protobuf/timestamp.proto",
	"google/protobuf/wrappers.proto",
}

// newUniverse links files, what they import and the well-known types.
func newUniverse(files ...protoreflect.FileDescriptor) (*universe, error) {
	u := &universe{files: new(protoregistry.Files)}
	for _, path := range wellKnownFiles {
		fd, err := protoregistry.GlobalFiles.FindFileByPath(path)
		if err != nil {
			return nil, err
		}
		if err := u.register(fd); err != nil {
			return nil, err
		}
	}
	for _, fd := range files {
		if err := u.register(fd); err != nil {
			return nil, err
		}
	}
	u.types = dynamicpb.NewTypes(u.files)
	u.RangeMessages(func(md protoreflect.MessageDescriptor) bool {
		if !md.IsMapEntry() {
			u.messages = append(u.messages, md)
		}
		return true
	})
	sort.Slice(u.messages, func(i, j int) bool { return u.messages[i].FullName() < u.messages[j].FullName() })
	u.names = namesOf(u)
	u.extensions = make(map[protoreflect.FullName][]protoreflect.ExtensionTypeDescriptor)
	var err error
	u.RangeExtensions(func(xd protoreflect.ExtensionDescriptor) bool {
		var xt protoreflect.ExtensionType
		if xt, err = u.types.FindExtensionByName(xd.FullName()); err != nil {
			return false
		}
		name := xd.ContainingMessage().FullName()
		u.extensions[name] = append(u.extensions[name], xt.TypeDescriptor())
		return true
	})
	if err != nil {
		return nil, err
	}
	for _, xds := range u.extensions {
		sort.Slice(xds, func(i, j int) bool { return xds[i].Number() < xds[j].Number() })
	}
	u.codec, err = codec.New(u)
	return u, err
}

func (u *universe) register(fd protoreflect.FileDescriptor) error {
	if _, err := u.files.FindFileByPath(fd.Path()); err == nil {
		return nil
	}
	for i := range fd.Imports().Len() {
		if err := u.register(fd.Imports().Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	return u.files.RegisterFile(fd)
}

// RangeMessages implements [codec.Types].
func (u *universe) RangeMessages(f func(protoreflect.MessageDescriptor) bool) {
	u.files.RangeFiles(func(fd protoreflect.FileDescriptor) bool { return rangeMessages(fd.Messages(), f) })
}

func rangeMessages(mds protoreflect.MessageDescriptors, f func(protoreflect.MessageDescriptor) bool) bool {
	for i := range mds.Len() {
		if !f(mds.Get(i)) || !rangeMessages(mds.Get(i).Messages(), f) {
			return false
		}
	}
	return true
}

// RangeExtensions implements [codec.Types].
func (u *universe) RangeExtensions(f func(protoreflect.ExtensionDescriptor) bool) {
	inDecl := func(xds protoreflect.ExtensionDescriptors) bool {
		for i := range xds.Len() {
			if !f(xds.Get(i)) {
				return false
			}
		}
		return true
	}
	u.files.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		return inDecl(fd.Extensions()) && rangeMessages(fd.Messages(), func(md protoreflect.MessageDescriptor) bool {
			return inDecl(md.Extensions())
		})
	})
}

// namesOf lists the keys that a random object may get: every field's names,
// extensions, and the names that the well-known types use.
func namesOf(u *universe) []string {
	names := []string{"@type", "value", "key", "seconds", "typeUrl", "1", "", "[no.such]", "[]", "fields", "unknown"}
	u.RangeMessages(func(md protoreflect.MessageDescriptor) bool {
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			names = append(names, fd.JSONName(), fd.TextName(), string(fd.Name()))
		}
		return true
	})
	u.RangeExtensions(func(xd protoreflect.ExtensionDescriptor) bool {
		names = append(names, "["+string(xd.FullName())+"]", "["+string(xd.FullName())+"x]", string(xd.Name()))
		return true
	})
	sort.Strings(names)
	return names
}

// fixed is the universe of testdata/proto, compiled once.
var fixed = sync.OnceValues(func() (*universe, error) {
	return compileUniverse("testdata/proto", "two.proto", "three.proto", "editions.proto")
})

func fixedUniverse(tb testing.TB) *universe {
	tb.Helper()
	u, err := fixed()
	require.NoError(tb, err)
	return u
}

// linked is the universe of all files that are linked into the test: the
// well-known types, google.api, google.rpc and google.type.
var linked = sync.OnceValues(func() (*universe, error) {
	var files []protoreflect.FileDescriptor
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		files = append(files, fd)
		return true
	})
	return newUniverse(files...)
})

// conformance is the universe of protobuf's test messages, which come with the
// conformance runner (internal/conformance/install.sh).
var conformance = sync.OnceValues(func() (*universe, error) {
	dir := os.Getenv("DRAGOMAN_CONFORMANCE")
	if dir == "" {
		dir = filepath.Join("..", "..", ".cache", "conformance")
	}
	u, err := compileUniverse(filepath.Join(dir, "include"),
		"google/protobuf/test_messages_proto2.proto",
		"google/protobuf/test_messages_proto3.proto",
		"google/protobuf/test_messages_proto2_editions.proto",
		"google/protobuf/test_messages_proto3_editions.proto",
		"google/protobuf/test_messages_edition2023.proto")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, protoregistry.NotFound) {
		return nil, nil
	}
	return u, err
})

// inUniverses runs f over all universes that do not change, each in a subtest.
func inUniverses(t *testing.T, f func(t *testing.T, u *universe)) {
	for _, v := range []struct {
		name string
		get  func() (*universe, error)
	}{{"testdata", fixed}, {"linked", linked}, {"conformance", conformance}} {
		t.Run(v.name, func(t *testing.T) {
			u, err := v.get()
			require.NoError(t, err)
			if u == nil {
				t.Skip("protobuf's test messages are not installed (internal/conformance/install.sh)")
			}
			f(t, u)
		})
	}
}

func compileUniverse(root string, paths ...string) (*universe, error) {
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{root}}),
	}
	compiled, err := compiler.Compile(context.Background(), paths...)
	if err != nil {
		return nil, err
	}
	// Linked again by protodesc, as the gateway's schemas are.
	files := make([]protoreflect.FileDescriptor, len(compiled))
	for i, fd := range compiled {
		file := protodesc.ToFileDescriptorProto(fd)
		plainMessageSets(file.GetMessageType())
		if files[i], err = protodesc.NewFile(file, protoregistry.GlobalFiles); err != nil {
			return nil, err
		}
	}
	return newUniverse(files...)
}

// plainMessageSets makes ordinary messages of proto1's message sets, which Go's
// library does not link.
func plainMessageSets(messages []*descriptorpb.DescriptorProto) {
	for _, m := range messages {
		plainMessageSets(m.GetNestedType())
		if m.GetOptions().GetMessageSetWireFormat() {
			m.Options.MessageSetWireFormat = nil
			for _, r := range m.GetExtensionRange() {
				r.End = proto.Int32(min(r.GetEnd(), int32(protowire.MaxValidNumber)+1))
			}
		}
	}
}

// message is the descriptor with this name.
func (u *universe) message(tb testing.TB, name protoreflect.FullName) protoreflect.MessageDescriptor {
	tb.Helper()
	d, err := u.files.FindDescriptorByName(name)
	require.NoError(tb, err)
	return d.(protoreflect.MessageDescriptor)
}

// The referee's view.

// parseJSON is what protojson makes of a JSON text. strict also refuses missing
// required fields.
func (u *universe) parseJSON(md protoreflect.MessageDescriptor, text []byte, strict bool) (*dynamicpb.Message, error) {
	m := dynamicpb.NewMessage(md)
	err := protojson.UnmarshalOptions{Resolver: u.types, AllowPartial: !strict}.Unmarshal(text, m)
	return m, err
}

// parseJSONAs is what protojson makes of a JSON text with options, as far as it
// has them; missing required fields are refused.
func (u *universe) parseJSONAs(md protoreflect.MessageDescriptor, text []byte, options codec.Parse) (*dynamicpb.Message, error) {
	m := dynamicpb.NewMessage(md)
	err := protojson.UnmarshalOptions{Resolver: u.types, DiscardUnknown: options.IgnoreUnknown}.Unmarshal(text, m)
	return m, err
}

// errPanic is in place of the referee's word where it panics: see the difference
// map-entry-panic.
var errPanic = errors.New("the referee panics")

// parseWire is what the Go library makes of a serialized message.
func (u *universe) parseWire(md protoreflect.MessageDescriptor, wire []byte) (m *dynamicpb.Message, err error) {
	defer func() {
		if recover() != nil {
			m, err = nil, errPanic
		}
	}()
	m = dynamicpb.NewMessage(md)
	err = proto.UnmarshalOptions{Resolver: u.types, AllowPartial: true}.Unmarshal(wire, m)
	return m, err
}

// printJSON is protojson's text of a message.
func (u *universe) printJSON(m proto.Message) (text []byte, err error) {
	return u.printJSONAs(m, codec.Print{})
}

// printJSONAs is protojson's text of a message in another form.
func (u *universe) printJSONAs(m proto.Message, form codec.Print) (text []byte, err error) {
	defer func() {
		// What an Any holds is parsed here.
		if recover() != nil {
			text, err = nil, errPanic
		}
	}()
	return protojson.MarshalOptions{
		Resolver: u.types, AllowPartial: true,
		UseEnumNumbers: form.EnumsAsNumbers, EmitDefaultValues: form.UnsetFields, UseProtoNames: form.ProtoNames,
	}.Marshal(m)
}

// forms are all JSON forms, the usual one first.
var forms = func() (forms [8]codec.Print) {
	for i := range forms {
		forms[i] = codec.Print{EnumsAsNumbers: i&1 != 0, UnsetFields: i&2 != 0, ProtoNames: i&4 != 0}
	}
	return forms
}()

// printing is the codec of a form. No test here runs in parallel.
func (u *universe) printing(form codec.Print) *codec.Codec {
	if form == (codec.Print{}) {
		return u.codec
	}
	c := u.printers[form]
	if c == nil {
		var err error
		if c, err = codec.NewPrinting(u, form); err != nil {
			panic(err) // codec.New took the same
		}
		if u.printers == nil {
			u.printers = map[codec.Print]*codec.Codec{}
		}
		u.printers[form] = c
	}
	return c
}

// normal is a serialized form that equal messages share. What an Any holds is
// normalized too: which order its bytes are in says nothing.
func (u *universe) normal(m proto.Message) ([]byte, error) {
	c := proto.Clone(m)
	if err := u.normalize(c.ProtoReflect()); err != nil {
		return nil, err
	}
	return proto.MarshalOptions{Deterministic: true, AllowPartial: true}.Marshal(c)
}

func (u *universe) normalize(m protoreflect.Message) error {
	if md := m.Descriptor(); md.FullName() == "google.protobuf.Any" {
		url, value := md.Fields().ByNumber(1), md.Fields().ByNumber(2)
		mt, err := u.types.FindMessageByURL(m.Get(url).String())
		if err != nil {
			return nil
		}
		inner, err := u.parseWire(mt.Descriptor(), m.Get(value).Bytes())
		if err != nil {
			return nil
		}
		b, err := u.normal(inner)
		if err != nil {
			return err
		}
		if len(b) == 0 {
			m.Clear(value)
		} else {
			m.Set(value, protoreflect.ValueOfBytes(b))
		}
		return nil
	}
	// There is one NaN in JSON; the wire has many.
	scalar := func(v protoreflect.Value) protoreflect.Value {
		switch f := v.Interface().(type) {
		case float32:
			if f != f {
				return protoreflect.ValueOfFloat32(float32(math.NaN()))
			}
		case float64:
			if f != f {
				return protoreflect.ValueOfFloat64(math.NaN())
			}
		}
		return v
	}
	var err error
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, e protoreflect.Value) bool {
				if fd.MapValue().Message() != nil {
					err = u.normalize(e.Message())
				} else {
					v.Map().Set(k, scalar(e))
				}
				return err == nil
			})
		case fd.IsList():
			for i := 0; i < v.List().Len() && err == nil; i++ {
				if fd.Message() != nil {
					err = u.normalize(v.List().Get(i).Message())
				} else {
					v.List().Set(i, scalar(v.List().Get(i)))
				}
			}
		case fd.Message() != nil:
			err = u.normalize(v.Message())
		default:
			m.Set(fd, scalar(v))
		}
		return err == nil
	})
	return err
}

// jsonValue reads a JSON text to Go values that can be compared, numbers as int64
// if they are integers and as float64 otherwise. A key that comes twice in an
// object is an error.
func jsonValue(text []byte) (any, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	v, err := readValue(dec)
	if err != nil {
		return nil, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("more than one JSON value")
	}
	return v, nil
}

func readValue(dec *json.Decoder) (any, error) {
	tok, err := dec.Token()
	if err != nil {
		return nil, err
	}
	switch t := tok.(type) {
	case json.Number:
		if i, err := strconv.ParseInt(t.String(), 10, 64); err == nil && (i != 0 || t.String() == "0") {
			return i, nil
		}
		f, err := t.Float64()
		if f == math.Trunc(f) && math.Abs(f) < 1<<53 && !math.Signbit(f) {
			return int64(f), err
		}
		return f, err
	case json.Delim:
		if t == '[' {
			list := []any{}
			for dec.More() {
				v, err := readValue(dec)
				if err != nil {
					return nil, err
				}
				list = append(list, v)
			}
			_, err := dec.Token()
			return list, err
		}
		object := map[string]any{}
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				return nil, err
			}
			if _, ok := object[key.(string)]; ok {
				return nil, fmt.Errorf("key %q comes twice", key)
			}
			if object[key.(string)], err = readValue(dec); err != nil {
				return nil, err
			}
		}
		_, err := dec.Token()
		return object, err
	}
	return tok, nil
}
