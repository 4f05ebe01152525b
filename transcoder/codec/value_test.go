package codec_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

func TestValueText(t *testing.T) {
	m := fixedCodec(t).Message("codec.test.three.All")
	s := &codec.Scratch{}
	const absent = "absent"
	for _, test := range []struct{ path, json, want string }{
		{"string", `{"string":"a \"b\" é"}`, `a "b" é`},
		{"string", `{}`, absent},
		{"string", `{"string":""}`, absent},
		{"bytes", `{}`, absent},
		{"bytes", `{"bytes":"_-8="}`, "/+8="},
		{"maybe_string", `{}`, absent},
		{"maybe_string", `{"maybeString":""}`, ""},
		{"maybe_bytes", `{"maybeBytes":""}`, ""},
		{"int32", `{}`, "0"},
		{"int32", `{"int32":-5}`, "-5"},
		{"maybe_int32", `{}`, absent},
		{"maybe_int32", `{"maybeInt32":0}`, "0"},
		{"uint32", `{"uint32":4294967295}`, "4294967295"},
		{"uint64", `{"uint64":"18446744073709551615"}`, "18446744073709551615"},
		{"sint64", `{"sint64":"-9223372036854775808"}`, "-9223372036854775808"},
		{"sfixed32", `{"sfixed32":-1}`, "-1"},
		{"bool", `{}`, "false"},
		{"bool", `{"bool":true}`, "true"},
		{"float", `{"float":0.5}`, "0.5"},
		{"double", `{"double":"-Infinity"}`, "-Infinity"},
		{"double", `{"double":"NaN"}`, "NaN"},
		{"colour", `{}`, "NONE"},
		{"colour", `{"colour":"DARK"}`, "DARK"},
		{"colour", `{"colour":77}`, "77"},
		{"null", `{"null":null}`, "NULL_VALUE"},
		{"timestamp", `{"timestamp":"2020-01-02T03:04:05.5Z"}`, "2020-01-02T03:04:05.500Z"},
		{"timestamp", `{}`, absent},
		{"duration", `{"duration":"1.5s"}`, "1.500s"},
		{"mask", `{"mask":"aB,c.d"}`, "aB,c.d"},
		{"mask", `{"mask":""}`, ""},
		{"int64_value", `{"int64Value":"9007199254740993"}`, "9007199254740993"},
		{"int64_value", `{"int64Value":"0"}`, "0"},
		{"int64_value", `{}`, absent},
		{"string_value", `{"stringValue":""}`, ""},
		{"bytes_value", `{"bytesValue":"AA=="}`, "AA=="},
		{"bool_value", `{"boolValue":false}`, "false"},
		{"double_value", `{"doubleValue":"NaN"}`, "NaN"},
		{"text", `{"number":1}`, absent},
		{"text", `{"text":""}`, ""},
		{"child.maybe_child.string", `{"child":{"maybeChild":{"string":"x"}}}`, "x"},
		{"child.maybe_child.int32", `{"child":{}}`, absent},
		{"child.maybe_child.int32", `{"child":{"maybeChild":{}}}`, "0"},
		{"message.string", `{"message":{"string":"x"}}`, "x"},
		{"message.string", `{"text":"x"}`, absent},
	} {
		fields := path(t, m, test.path)
		wire, err := m.AppendWire(nil, []byte(test.json), s, nil)
		require.NoError(t, err, "%+v", test)
		parents, f := fields[:len(fields)-1], fields[len(fields)-1]
		got, ok, err := codec.AppendValueText([]byte("before"), parents, f, wire, s)
		require.NoError(t, err, "%+v", test)
		if test.want == absent {
			require.False(t, ok, "%+v", test)
			require.Equal(t, "before", string(got), "%+v", test)
			continue
		}
		require.True(t, ok, "%+v", test)
		require.Equal(t, "before"+test.want, string(got), "%+v", test)
	}
}

// TestValueOrder checks values that come more than once.
func TestValueOrder(t *testing.T) {
	m := plant(t)
	s := &codec.Scratch{}
	for _, test := range []struct{ name, path, wire, want string }{
		{"last one", "name", "\x0a\x01a\x10\x02\x0a\x01b", "b"},
		{"last one is empty", "name", "\x0a\x01a\x0a\x00", ""},
		{"parts", "parent.name", "\x32\x03\x0a\x01a\x10\x01\x32\x02\x10\x02", "a"},
		{"replaced", "pot", "\x6a\x01a\x70\x05", ""},
		{"parent replaced in part", "under.name", "\x7a\x03\x0a\x01a\x70\x05\x7a\x02\x10\x01", ""},
		{"replaced in another part", "parent.pot", "\x32\x03\x6a\x01a\x32\x02\x70\x05", ""},
		{"group", "grafted.name", "\x9b\x01\x0a\x01a\x9c\x01", "a"},
		{"another type than declared", "name", "\x0a\x01a\x08\x01", "a"},
		{"parts of a time", "sown", "\x3a\x02\x08\x01\x3a\x02\x10\x01\x3a\x00", "1970-01-01T00:00:01.000000001Z"},
		{"parts of a wrapper", "weight", "\x4a\x02\x08\x07\x4a\x00", "7"},
	} {
		fields := path(t, m, test.path)
		got, ok, err := codec.AppendValueText(nil, fields[:len(fields)-1], fields[len(fields)-1], []byte(test.wire), s)
		require.NoError(t, err, test.name)
		require.Equal(t, test.want, string(got), test.name)
		require.Equal(t, test.want != "", ok, test.name)
	}
}

func TestValueErrors(t *testing.T) {
	m := plant(t)
	s := &codec.Scratch{}
	for _, test := range []struct {
		path, wire string
		kind       codec.Kind
		at         string
	}{
		{"name", "\x0a\x05ab", codec.KindWire, "name"},
		{"name", "\x0a\x01\xff", codec.KindUTF8, "name"},
		{"parent.name", "\x32\x03\x0a\x01\xff", codec.KindUTF8, "parent.name"},
		{"parent.parent.name", "\x32\x02\x32\x03", codec.KindWire, "parent.parent"},
		{"label", "\x52\x03\x0a\x01\xff", codec.KindUTF8, "label"},
		{"mask", "\x42\x05\x0a\x03A_b", codec.KindUnprintable, "mask"},
		{"tags", "", codec.KindType, ""},
		{"parent", "", codec.KindType, ""},
		{"notes", "", codec.KindType, ""},
		{"near", "", codec.KindType, ""},
		{"parent.parent.parent.name", "", codec.KindDepth, ""},
	} {
		fields := path(t, m, test.path)
		if test.kind == codec.KindDepth {
			s = &codec.Scratch{MaxDepth: 3}
			test.wire = "\x32\x04\x32\x02\x32\x00"
		}
		got, ok, err := codec.AppendValueText([]byte("before"), fields[:len(fields)-1], fields[len(fields)-1], []byte(test.wire), s)
		require.False(t, ok)
		require.Equal(t, "before", string(got))
		e := asError(t, err)
		require.Equal(t, test.kind, e.Kind, "%s: %v", test.path, err)
		if test.at != "" {
			require.Equal(t, test.at, e.Path, "%s: %v", test.path, err)
		}
	}
	near := m.FieldByName([]byte("near"))
	_, _, err := codec.AppendValueText(nil, []*codec.Field{near}, m.FieldByName([]byte("name")), nil, s)
	require.Equal(t, codec.KindType, asError(t, err).Kind)
}

func TestNumberValue(t *testing.T) {
	m := fixedCodec(t).Message("codec.test.three.All")
	s := &codec.Scratch{}
	for _, test := range []struct {
		path, json string
		want       int64
		ok         bool
		kind       codec.Kind
	}{
		{"int32", `{"int32":-5}`, -5, true, 0},
		{"int32", `{}`, 0, true, 0},
		{"maybe_int32", `{}`, 0, false, 0},
		{"maybe_int32", `{"maybeInt32":0}`, 0, true, 0},
		{"sint32", `{"sint32":-7}`, -7, true, 0},
		{"fixed32", `{"fixed32":4294967295}`, 4294967295, true, 0},
		{"sfixed64", `{"sfixed64":"-1"}`, -1, true, 0},
		{"uint64", `{"uint64":"9223372036854775807"}`, 9223372036854775807, true, 0},
		{"uint64", `{"uint64":"9223372036854775808"}`, 0, false, codec.KindRange},
		{"colour", `{"colour":"DARK"}`, -1, true, 0},
		{"child.colour", `{"child":{"colour":404}}`, 404, true, 0},
		{"child.colour", `{}`, 0, false, 0},
		{"child.colour", `{"child":{}}`, 0, true, 0},
		{"string", `{"string":"5"}`, 0, false, codec.KindType},
		{"bool", `{}`, 0, false, codec.KindType},
		{"double", `{}`, 0, false, codec.KindType},
		{"int32s", `{}`, 0, false, codec.KindType},
		{"int32_value", `{}`, 0, false, codec.KindType},
	} {
		wire, err := m.AppendWire(nil, []byte(test.json), s, nil)
		require.NoError(t, err)
		fields := path(t, m, test.path)
		f := fields[len(fields)-1]
		n, ok, err := codec.FieldNumberValue(fields[:len(fields)-1], f, wire, s)
		require.Equal(t, test.want, n, "%+v", test)
		require.Equal(t, test.ok, ok, "%+v", test)
		require.Equal(t, test.kind != codec.KindType, f.Integer(), "%+v", test)
		if test.kind != 0 {
			require.Equal(t, test.kind, asError(t, err).Kind)
			continue
		}
		require.NoError(t, err)
	}
}
