package codec_test

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// fieldsAt are the fields that a path of proto names leads through.
func fieldsAt(m *codec.Message, path ...string) (fields []*codec.Field) {
	for _, name := range path {
		f := m.FieldByNumber(m.Descriptor().Fields().ByTextName(name).Number())
		fields, m = append(fields, f), f.Message()
	}
	return fields
}

// textWire is a message of the fixed universe in text format, serialized.
func textWire(t *testing.T, u *universe, m *codec.Message, text string) []byte {
	t.Helper()
	message := dynamicpb.NewMessage(m.Descriptor())
	require.NoError(t, prototext.UnmarshalOptions{Resolver: u.types}.Unmarshal([]byte(text), message))
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(message)
	require.NoError(t, err)
	return wire
}

// A mask turned around keeps all but what it names, at every depth.
func TestWithout(t *testing.T) {
	u := fixedUniverse(t)
	m := u.codec.Message("codec.test.three.All")
	wire := textWire(t, u, m, `int32: 1 string: "n" message {int32: 2 string: "c" child {string: "d"}} children {int32: 3}`)
	paths := func(names ...[]string) (out [][]*codec.Field) {
		for _, path := range names {
			out = append(out, fieldsAt(m, path...))
		}
		return out
	}
	for _, c := range []struct {
		name  string
		paths [][]*codec.Field
		want  string
	}{
		{"nothing", nil, `int32: 1 string: "n" message {int32: 2 string: "c" child {string: "d"}} children {int32: 3}`},
		{"a scalar", paths([]string{"string"}), `int32: 1 message {int32: 2 string: "c" child {string: "d"}} children {int32: 3}`},
		{"a message", paths([]string{"message"}), `int32: 1 string: "n" children {int32: 3}`},
		{"a list", paths([]string{"children"}), `int32: 1 string: "n" message {int32: 2 string: "c" child {string: "d"}}`},
		{"inside", paths([]string{"message", "string"}, []string{"message", "child", "string"}), `int32: 1 string: "n" message {int32: 2 child {}} children {int32: 3}`},
		{"around and inside", paths([]string{"message"}, []string{"message", "string"}), `int32: 1 string: "n" children {int32: 3}`},
		{"inside and around", paths([]string{"message", "string"}, []string{"message"}, []string{"int32"}), `string: "n" children {int32: 3}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := m.Without(c.paths).AppendCut(slices.Clone(prefix), wire, &reused)
			require.NoError(t, err)
			require.Equal(t, string(prefix)+string(textWire(t, u, m, c.want)), string(got))
		})
	}
}

// What is shown of fields that are not set goes by the mask as well.
func TestWithoutAndUnsetFields(t *testing.T) {
	u := fixedUniverse(t)
	m := u.printing(codec.Print{UnsetFields: true}).Message("codec.test.three.Small")
	mask := m.Without([][]*codec.Field{fieldsAt(m, "name")})
	for _, c := range []struct{ message, want string }{
		{`name: "n" on: true`, `{"size":0,"on":true}`},
		{``, `{"size":0,"on":false}`},
	} {
		cut, err := mask.AppendCut(nil, textWire(t, u, m, c.message), &reused)
		require.NoError(t, err)
		reused.Selected = mask
		got, err := m.AppendJSON(nil, cut, &reused)
		require.NoError(t, err)
		require.Equal(t, c.want, string(got))
	}
}

func TestAppendQuery(t *testing.T) {
	u := fixedUniverse(t)
	m := u.codec.Message("codec.test.three.All")
	all := m.Without(nil)
	for _, c := range []struct{ name, message, want, err string }{
		{name: "nothing"},
		{name: "dotted", message: `message {string: "a b" message {int32: -1}} strings: "x" strings: ""`, want: "strings=x&strings=&message.string=a%20b&message.message.int32=-1"},
		{name: "a JSON name with a dot", message: `dotted: "x" typed: "y"`, want: "dotted=x&%40type=y"},
		{name: "a map", message: `int32: 1 string_map {key: "k"}`, err: "stringMap: the field has no form in a query"},
		{name: "a list of messages", message: `children {}`, err: "children: the field has no form in a query"},
		{name: "JSON of its own", message: `message {any {}}`, err: "message.any: the field has no form in a query"},
		{name: "out of range", message: `timestamp {nanos: -1}`, err: "timestamp: the Timestamp"},
		{name: "too long", message: `string: "12345678901234567890"`, err: "string: the query is longer than the limit of 20 bytes"},
		{name: "as long as it may be", message: `string: "1234567890123"`, want: "string=1234567890123"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := &codec.Scratch{}
			if c.name == "too long" || c.name == "as long as it may be" {
				s.MaxJSON = 20
			}
			got, err := all.AppendQuery(slices.Clone(prefix), textWire(t, u, m, c.message), s)
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				require.Equal(t, string(prefix), string(got))
				return
			}
			require.NoError(t, err)
			require.Equal(t, string(prefix)+c.want, string(got))
		})
	}
}

// A mask of what is wanted makes a query of that.
func TestQueryOfSelectedFields(t *testing.T) {
	u := fixedUniverse(t)
	m := u.codec.Message("codec.test.three.All")
	mask, err := m.ParseMask("string,message.int32,strings")
	require.NoError(t, err)
	got, err := mask.AppendQuery(nil, textWire(t, u, m, `int32: 1 string: "s" strings: "x" message {string: "t" int32: 2} string_map {key: "k"}`), &reused)
	require.NoError(t, err)
	require.Equal(t, "string=s&strings=x&message.int32=2", string(got))
}

func TestAppendSetJSON(t *testing.T) {
	u := fixedUniverse(t)
	m := u.codec.Message("codec.test.three.All")
	for _, c := range []struct {
		name, field, message, want string
		unset                      bool
	}{
		{name: "scalar", field: "int32", message: `int32: 5 string: "s"`, want: "5"},
		{name: "zero", field: "int32", unset: true},
		{name: "message", field: "message", message: `message {}`, want: "{}"},
		{name: "no message", field: "message", message: `number: 1`, unset: true},
		{name: "null", field: "value", message: `value {null_value: NULL_VALUE}`, want: "null"},
		{name: "list", field: "strings", message: `strings: ""`, want: `[""]`},
		{name: "no list", field: "strings", unset: true},
		{name: "no map", field: "string_map", unset: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, ok, err := fieldsAt(m, c.field)[0].AppendSetJSON(slices.Clone(prefix), textWire(t, u, m, c.message), &reused)
			require.NoError(t, err)
			require.Equal(t, !c.unset, ok)
			require.Equal(t, string(prefix)+c.want, string(got))
		})
	}
	got, ok, err := fieldsAt(m, "int32")[0].AppendSetJSON(slices.Clone(prefix), []byte{8}, &reused)
	require.Error(t, err)
	require.False(t, ok)
	require.Equal(t, string(prefix), string(got))
}

func TestBytesValue(t *testing.T) {
	u := fixedUniverse(t)
	m := u.codec.Message("codec.test.three.All")
	wire := textWire(t, u, m, `bytes: "b" message {bytes: "in" string: ""}`)
	got, err := codec.BytesValue(nil, fieldsAt(m, "bytes")[0], wire, &reused)
	require.NoError(t, err)
	require.Equal(t, "b", string(got))
	got, err = codec.BytesValue(fieldsAt(m, "message"), fieldsAt(m, "bytes")[0], wire, &reused)
	require.NoError(t, err)
	require.Equal(t, "in", string(got))
	got, err = codec.BytesValue(fieldsAt(m, "message"), fieldsAt(m, "string")[0], nil, &reused)
	require.NoError(t, err)
	require.Nil(t, got)
	_, err = codec.BytesValue(nil, fieldsAt(m, "int32")[0], wire, &reused)
	require.ErrorContains(t, err, "int32 is neither a single string nor bytes")
}
