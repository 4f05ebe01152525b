package codec_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

func TestAppendEntry(t *testing.T) {
	m := fixedCodec(t).Message("codec.test.three.All")
	s := &codec.Scratch{}
	for _, test := range []struct {
		field, key, text, want string
		kind                   codec.Kind
		message                string
	}{
		{field: "string_map", key: "a", text: "b", want: `{"stringMap":{"a":"b"}}`},
		{field: "string_map", key: "", text: "", want: `{"stringMap":{"":""}}`},
		{field: "string_map", key: strings.Repeat("k", 100), text: strings.Repeat("v", 300),
			want: `{"stringMap":{"` + strings.Repeat("k", 100) + `":"` + strings.Repeat("v", 300) + `"}}`},
		{field: "int32_map", key: "-1", text: "0", want: `{"int32Map":{"-1":0}}`},
		{field: "sint64_map", key: "0", text: "-5", want: `{"sint64Map":{"0":"-5"}}`},
		{field: "fixed64_map", key: "18446744073709551615", text: "NaN", want: `{"fixed64Map":{"18446744073709551615":"NaN"}}`},
		{field: "sfixed64_map", key: "7", text: "_-8", want: `{"sfixed64Map":{"7":"/+8="}}`},
		{field: "bool_map", key: "true", text: "RED", want: `{"boolMap":{"true":"RED"}}`},
		{field: "time_map", key: "a", text: "1970-01-01T00:00:00Z", want: `{"timeMap":{"a":"1970-01-01T00:00:00Z"}}`},
		{field: "wrapper_map", key: "1", text: "", want: `{"wrapperMap":{"1":""}}`},
		{field: "null_map", key: "1", text: "NULL_VALUE", want: `{"nullMap":{"1":null}}`},
		{field: "string_map", key: "\xff", text: "b", kind: codec.KindUTF8, message: "the key "},
		{field: "int32_map", key: "+1", text: "1", kind: codec.KindType, message: `the key "+1" is not an integer`},
		{field: "int32_map", key: "2147483648", text: "1", kind: codec.KindRange, message: `the key "2147483648" is out of`},
		{field: "bool_map", key: "1", text: "RED", kind: codec.KindType, message: `the key "1" is not a bool`},
		{field: "bool_map", key: "true", text: "x", kind: codec.KindEnum, message: `"x" is no value`},
		{field: "message_map", key: "true", text: "x", kind: codec.KindType, message: "messageMap is no map whose values"},
		{field: "value_map", key: "true", text: "x", kind: codec.KindType, message: "valueMap is no map whose values"},
		{field: "strings", key: "0", text: "x", kind: codec.KindType, message: "strings is no map"},
	} {
		f := m.FieldByName([]byte(test.field))
		out, err := f.AppendEntry([]byte("before"), []byte(test.key), []byte(test.text), s)
		if test.kind != 0 {
			require.Equal(t, "before", string(out))
			require.Equal(t, test.kind, asError(t, err).Kind, "%+v: %v", test, err)
			require.Empty(t, asError(t, err).Path)
			require.True(t, strings.HasPrefix(err.Error(), test.message), "%+v: %v", test, err)
			continue
		}
		require.NoError(t, err, "%+v", test)
		got, err := m.AppendJSON(nil, out[len("before"):], s)
		require.NoError(t, err, "%+v", test)
		require.Equal(t, test.want, string(got))

		parents := path(t, m, "child.maybe_child")
		out, err = codec.AppendNestedEntry([]byte("before"), parents, f, []byte(test.key), []byte(test.text), s)
		require.NoError(t, err, "%+v", test)
		got, err = m.AppendJSON(nil, out[len("before"):], s)
		require.NoError(t, err, "%+v", test)
		require.Equal(t, `{"child":{"maybeChild":`+test.want+`}}`, string(got))
	}
	_, err := m.FieldByName([]byte("string_map")).AppendEntry(nil, nil, nil, &codec.Scratch{MaxDepth: 1})
	require.Equal(t, codec.KindDepth, asError(t, err).Kind)
}

func TestAppendJSONText(t *testing.T) {
	m := fixedCodec(t).Message("codec.test.three.All")
	s := &codec.Scratch{}
	for _, test := range []struct {
		field, json, want string
		kind              codec.Kind
		message           string
	}{
		{field: "struct", json: ` {"a":[1,null]} `, want: `{"struct":{"a":[1,null]}}`},
		{field: "structs", json: `{}`, want: `{"structs":[{}]}`},
		{field: "list", json: `[true,"x"]`, want: `{"list":[true,"x"]}`},
		{field: "lists", json: `[[]]`, want: `{"lists":[[[]]]}`},
		{field: "free", json: `3`, want: `{"free":3}`},
		{field: "free", json: `null`, want: `{"free":null}`},
		{field: "values", json: `"abc"`, want: `{"values":["abc"]}`},
		{field: "value", json: `{"a":{}}`, want: `{"value":{"a":{}}}`},
		{field: "free", json: `abc`, kind: codec.KindSyntax, message: `"abc" is not JSON: unexpected abc, expected a value (a string is given in quotes)`},
		{field: "free", json: ``, kind: codec.KindSyntax, message: `"" is not JSON: the JSON text ends here`},
		{field: "free", json: `1 2`, kind: codec.KindSyntax, message: `"1 2" is not JSON: unexpected 2`},
		{field: "struct", json: `abc`, kind: codec.KindSyntax, message: `"abc" is not JSON: unexpected abc, expected an object (line`},
		{field: "struct", json: `null`, kind: codec.KindType, message: `got null, expected an object`},
		{field: "struct", json: `[]`, kind: codec.KindType, message: `got an array, expected an object`},
		{field: "structs", json: `[{}]`, kind: codec.KindType, message: `got an array, expected an object`},
		{field: "list", json: `{}`, kind: codec.KindType, message: `got an object, expected an array`},
		{field: "struct", json: `{"a":1,"a":2}`, kind: codec.KindDuplicate, message: `["a"]: the key "a" is given twice`},
		{field: "value_map", json: `{}`, kind: codec.KindType, message: `valueMap is no google.protobuf.Struct, Value or ListValue`},
		{field: "string", json: `"x"`, kind: codec.KindType, message: `string is no google.protobuf.Struct, Value or ListValue`},
	} {
		f := m.FieldByName([]byte(test.field))
		out, err := f.AppendJSONText([]byte("before"), []byte(test.json), s)
		if test.kind != 0 {
			require.Equal(t, "before", string(out))
			require.Equal(t, test.kind, asError(t, err).Kind, "%+v: %v", test, err)
			require.True(t, strings.HasPrefix(err.Error(), test.message), "%+v: %v", test, err)
			continue
		}
		require.NoError(t, err, "%+v", test)
		got, err := m.AppendJSON(nil, out[len("before"):], s)
		require.NoError(t, err, "%+v", test)
		require.Equal(t, test.want, string(got))

		parents := path(t, m, "child.maybe_child")
		out, err = codec.AppendNestedJSON([]byte("before"), parents, f, []byte(test.json), s)
		require.NoError(t, err, "%+v", test)
		got, err = m.AppendJSON(nil, out[len("before"):], s)
		require.NoError(t, err, "%+v", test)
		require.Equal(t, `{"child":{"maybeChild":`+test.want+`}}`, string(got))
	}

	// Parents count: each list is two messages, as is each of these.
	f := m.FieldByName([]byte("free"))
	lists := []byte(strings.Repeat("[", 48) + strings.Repeat("]", 48))
	_, err := f.AppendJSONText(nil, lists, &codec.Scratch{MaxDepth: 50})
	require.NoError(t, err)
	parents := path(t, m, "child.child")
	_, err = codec.AppendNestedJSON(nil, parents, f, lists, &codec.Scratch{MaxDepth: 50})
	require.Equal(t, codec.KindDepth, asError(t, err).Kind)
	_, err = codec.AppendNestedJSON(nil, parents, f, lists, &codec.Scratch{MaxDepth: 52})
	require.NoError(t, err)
}

// TestWhatServes checks which fields take entries and JSON text.
func TestWhatServes(t *testing.T) {
	m := fixedCodec(t).Message("codec.test.three.All")
	for name, want := range map[string]string{
		"string": "", "child": "", "strings": "", "any": "", "mask": "", "string_map": "entry", "time_map": "entry", "null_map": "entry",
		"any_map": "", "value_map": "", "message_map": "", "struct": "json", "free": "json", "list": "json", "structs": "json",
		"values": "json", "lists": "json", "value": "json", "choice_struct": "json", "null": "", "empty": "",
	} {
		f := m.FieldByName([]byte(name))
		require.NotNil(t, f, name)
		require.Equal(t, want == "entry", f.MapText(), name)
		require.Equal(t, want == "json", f.JSONText(), name)
	}
}

func fixedCodec(t testing.TB) *codec.Codec { return fixedUniverse(t).codec }
