package codec_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

const gardenProto = `
edition = "2023";
package garden;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/any.proto";
import "google/protobuf/empty.proto";
option features.field_presence = IMPLICIT;

enum Season { SEASON_UNSPECIFIED = 0; SPRING = 1; AUTUMN = 2; }

message Plant {
  string name = 1;
  int32 height_cm = 2;
  Season season = 3;
  repeated string tags = 4;
  map<string, Plant> near = 5;
  Plant parent = 6;
  google.protobuf.Timestamp sown = 7;
  google.protobuf.FieldMask mask = 8;
  google.protobuf.Int64Value weight = 9;
  google.protobuf.StringValue label = 10;
  bytes seed = 11;
  float acid = 12;
  oneof place { string pot = 13; int64 bed = 14; Plant under = 15; }
  repeated int32 counts = 16;
  google.protobuf.Any extra = 17;
  google.protobuf.Struct notes = 18;
  Plant grafted = 19 [features.message_encoding = DELIMITED];
  bool ripe = 20;
  int64 serial = 21 [features.field_presence = EXPLICIT];
  google.protobuf.Duration growth = 22;
  map<int32, string> rows = 23;
  uint64 roots = 24;
  repeated Plant sprouts = 25;
}

message Demand {
  string who = 1 [features.field_presence = LEGACY_REQUIRED];
  Demand next = 2;
  map<string, Demand> others = 3;
  repeated Demand list = 4;
  google.protobuf.Empty nothing = 5;
}
`

func garden(t testing.TB) *codec.Codec {
	t.Helper()
	c, err := codec.New(gardenFiles(t))
	require.NoError(t, err)
	return c
}

func gardenFiles(t testing.TB) benchFiles {
	t.Helper()
	return compiled(t, "garden.proto", gardenProto)
}

// compiled has the messages of one file.
func compiled(t testing.TB, name, source string) benchFiles {
	t.Helper()
	files, err := (&protocompile.Compiler{Resolver: protocompile.WithStandardImports(
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{name: source})},
	)}).Compile(context.Background(), name)
	require.NoError(t, err)
	file, err := protodesc.NewFile(protodesc.ToFileDescriptorProto(files[0]), protoregistry.GlobalFiles)
	require.NoError(t, err)
	return benchFiles{file}
}

func plant(t testing.TB) *codec.Message {
	t.Helper()
	m := garden(t).Message("garden.Plant")
	require.NotNil(t, m)
	return m
}

func asError(t testing.TB, err error) *codec.Error {
	t.Helper()
	var e *codec.Error
	require.True(t, errors.As(err, &e), "%T: %v", err, err)
	return e
}

func TestParseErrors(t *testing.T) {
	m := plant(t)
	for _, test := range []struct {
		in      string
		kind    codec.Kind
		path    string
		at      string // what stands at the offset
		message string // a part
	}{
		{`{"name":"a",}`, codec.KindSyntax, "", `}`, "expected a field name in quotes"},
		{`{"name" "a"}`, codec.KindSyntax, "", `"a"}`, "expected a colon"},
		{`{"name":"a"`, codec.KindSyntax, "", ``, "the JSON text ends here, expected a comma or }"},
		{`{"name":`, codec.KindSyntax, "", ``, "ends here"},
		{`{"name":"a"}x`, codec.KindSyntax, "", `x`, "expected the end of the JSON text"},
		{`{'name':1}`, codec.KindSyntax, "", `'name':1}`, `unexpected '\'', expected a field name in quotes`},
		{`{"ripe":tru}`, codec.KindSyntax, "", `tru}`, "expected true"},
		{`theme=Drama`, codec.KindSyntax, "", `theme=Drama`, "unexpected theme, expected an object"},
		{`{"heightCm":01}`, codec.KindSyntax, "", `01}`, "01 is not a JSON number"},
		{`{"tags":["a" "b"]}`, codec.KindSyntax, "", `"b"]}`, "expected a comma or ]"},
		{`[]`, codec.KindType, "", `[]`, "got an array, expected an object"},
		{`null`, codec.KindType, "", `null`, "got null, expected an object"},
		{`{"name":5}`, codec.KindType, "name", `5}`, "got 5, expected a string"},
		{`{"heightCm":"tall"}`, codec.KindType, "heightCm", `"tall"}`, `got "tall", expected an integer`},
		{`{"height_cm":1.5}`, codec.KindType, "height_cm", `1.5}`, "got 1.5, expected an integer"},
		{`{"heightCm":99999999999}`, codec.KindRange, "heightCm", `99999999999}`, "out of the range of int32"},
		{`{"roots":-1}`, codec.KindRange, "roots", `-1}`, "out of the range of uint64"},
		{`{"acid":1e39}`, codec.KindRange, "acid", `1e39}`, "out of the range of a float"},
		{`{"season":"SPRNG"}`, codec.KindEnum, "season", `"SPRNG"}`, `no value of the enum garden.Season, did you mean "SPRING"?`},
		{`{"seed":"!!"}`, codec.KindBase64, "seed", `"!!"}`, "not base64"},
		{"{\"name\":\"a\xff\"}", codec.KindUTF8, "name", "\xff\"}", "0xff is not valid UTF-8"},
		{`{"name":"\ud800"}`, codec.KindUTF8, "name", `\ud800"}`, "half of a surrogate pair"},
		{`{"naame":"a"}`, codec.KindUnknownField, "naame", `"naame":"a"}`, `garden.Plant has no field "naame", did you mean "name"?`},
		{`{"parent":{"parent":{"zzzzzzzz":1}}}`, codec.KindUnknownField, "parent.parent.zzzzzzzz", `"zzzzzzzz":1}}}`, `has no field "zzzzzzzz"`},
		{`{"name":"a","name":"b"}`, codec.KindDuplicate, "name", `"name":"b"}`, "given twice"},
		{`{"heightCm":1,"height_cm":1}`, codec.KindDuplicate, "height_cm", `"height_cm":1}`, "given twice"},
		{`{"near":{"k":{},"k":{}}}`, codec.KindDuplicate, `near["k"]`, `"k":{}}}`, `the key "k" is given twice`},
		{`{"rows":{"1":"","+1":""}}`, codec.KindDuplicate, `rows["+1"]`, `"+1":""}}`, "given twice"},
		{`{"rows":{"x":""}}`, codec.KindType, `rows["x"]`, `"x":""}}`, `the key "x" is no int32`},
		{`{"pot":"a","bed":1}`, codec.KindOneof, "bed", `"bed":1}`, `second member of the oneof "place"`},
		{`{"tags":["a","b",3]}`, codec.KindType, "tags[2]", `3]}`, "expected a string"},
		{`{"sprouts":[{},{"near":{"x y":{"tags":[null]}}}]}`, codec.KindType, `sprouts[1].near["x y"].tags[0]`, `null]}}}]}`, "got null, expected a string"},
		{`{"sown":"yesterday"}`, codec.KindType, "sown", `"yesterday"}`, "expected a time such as"},
		{`{"sown":"0000-01-01T00:00:00Z"}`, codec.KindRange, "sown", `"0000-01-01T00:00:00Z"}`, "out of the range"},
		{`{"growth":"1h"}`, codec.KindType, "growth", `"1h"}`, "expected a duration"},
		{`{"mask":"a_b"}`, codec.KindType, "mask", `"a_b"}`, "expected field paths"},
		{`{"extra":{"@type":"x/garden.Nothing"}}`, codec.KindUnknownType, "extra.@type", `"x/garden.Nothing"}}`, `no message type "garden.Nothing"`},
		{`{"extra":{"name":"a"}}`, codec.KindType, "extra", `{"name":"a"}}`, `"@type" is missing`},
		{`{"extra":{"heightCm":"x","@type":"garden.Plant"}}`, codec.KindType, "extra.heightCm", `"x","@type":"garden.Plant"}}`, "expected an integer"},
		{`{"na\u006de":1}`, codec.KindType, "name", `1}`, "expected a string"},
		{`{"name":` + strings.Repeat("9", 200) + `}`, codec.KindType, "name", strings.Repeat("9", 200) + "}", strings.Repeat("9", 64) + "…"},
	} {
		// In front of it: two lines and a character of two bytes.
		in := "\n\n  " + test.in
		out, err := m.AppendWire([]byte("before"), []byte(in), &codec.Scratch{}, nil)
		require.Equal(t, "before", string(out), test.in)
		e := asError(t, err)
		require.Equal(t, test.kind, e.Kind, "%s: %v", test.in, err)
		require.Equal(t, test.path, e.Path, "%s: %v", test.in, err)
		require.Contains(t, e.Message, test.message, test.in)
		require.Equal(t, test.at, in[e.Offset:], test.in)
		require.Equal(t, 3, e.Line, test.in)
		require.Equal(t, len([]rune(in[2:e.Offset]))+1, e.Column, test.in)
	}
	_, err := m.AppendWire(nil, []byte("{\"name\":\"é\",\n \"é\":1}"), &codec.Scratch{}, nil)
	require.EqualError(t, err, `é: garden.Plant has no field "é" (line 2, column 2, byte 15)`)
}

func TestPrintErrors(t *testing.T) {
	m := plant(t)
	for _, test := range []struct {
		name, wire string
		kind       codec.Kind
		path       string
	}{
		{"cut short", "\x0a\x05ab", codec.KindWire, "name"},
		{"tag zero", "\x00", codec.KindWire, ""},
		{"end of no group", "\x0c", codec.KindWire, "name"},
		{"wire type 6", "\x0e", codec.KindWire, "name"},
		{"string", "\x0a\x01\xff", codec.KindUTF8, "name"},
		{"string in a map", "\x2a\x08\x0a\x01k\x12\x03\x0a\x01\xff", codec.KindUTF8, `near["k"].name`},
		{"timestamp", "\x3a\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x32\x00\x32\x0f\x3a\x0d\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x10\x01", codec.KindUnprintable, "parent.sown"},
		{"mask", "\x42\x05\x0a\x03A_b", codec.KindUnprintable, "mask"},
		{"list of messages", "\xca\x01\x00\xca\x01\x03\x0a\x01\xff", codec.KindUTF8, "sprouts[1].name"},
		{"any", "\x8a\x01\x05\x0a\x03x/y", codec.KindUnknownType, "extra"},
		{"any without a type", "\x8a\x01\x03\x12\x01x", codec.KindUnprintable, "extra"},
		{"value in a struct", "\x92\x01\x07\x0a\x05\x0a\x01k\x12\x00", codec.KindUnprintable, `notes["k"]`},
	} {
		out, err := m.AppendJSON([]byte("before"), []byte(test.wire), &codec.Scratch{})
		require.Equal(t, "before", string(out), test.name)
		e := asError(t, err)
		require.Equal(t, test.kind, e.Kind, "%s: %v", test.name, err)
		require.Equal(t, test.path, e.Path, "%s: %v", test.name, err)
		require.Zero(t, e.Line, test.name)
	}
}

// TestOrder checks that the order of the wire is not that of the output.
func TestOrder(t *testing.T) {
	m := plant(t)
	for _, test := range []struct{ name, wire, want string }{
		{"empty", "", `{}`},
		{"in order", "\x0a\x01a\x10\x02", `{"name":"a","heightCm":2}`},
		{"out of order", "\x10\x02\x0a\x01a", `{"name":"a","heightCm":2}`},
		{"last one wins", "\x0a\x01a\x10\x02\x0a\x01b", `{"name":"b","heightCm":2}`},
		{"a zero wins, too", "\x0a\x01a\x10\x02\x0a\x00", `{"heightCm":2}`},
		{"split list", "\x22\x01a\x10\x02\x22\x01b", `{"heightCm":2,"tags":["a","b"]}`},
		{"packed and not", "\x82\x01\x02\x01\x02\x80\x01\x03\x82\x01\x00\x0a\x01a\x80\x01\x04", `{"name":"a","counts":[1,2,3,4]}`},
		{"split message", "\x32\x03\x0a\x01a\x10\x01\x32\x02\x10\x02", `{"heightCm":1,"parent":{"name":"a","heightCm":2}}`},
		{"oneof", "\x6a\x01a\x70\x05", `{"bed":"5"}`},
		{"oneof A, B, A", "\x7a\x03\x0a\x01a\x70\x05\x7a\x02\x10\x01", `{"under":{"heightCm":1}}`},
		{"map", "\x2a\x05\x0a\x01b\x12\x00\x2a\x03\x0a\x01a\x2a\x08\x0a\x01b\x12\x03\x0a\x01z", `{"near":{"a":{},"b":{"name":"z"}}}`},
		{"map with numbers", "\xba\x01\x05\x08\x0a\x12\x01x\xba\x01\x0e\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x12\x01y\xba\x01\x00", `{"rows":{"-1":"y","0":"","10":"x"}}`},
		{"group", "\x9b\x01\x0a\x01a\x9c\x01", `{"grafted":{"name":"a"}}`},
		{"not a group", "\x9a\x01\x03\x0a\x01a", `{}`},
		{"unknown", "\xf8\x3f\x01\x0a\x01a\xfb\x3f\x08\x01\xfc\x3f", `{"name":"a"}`},
		{"explicit zero", "\xa8\x01\x00", `{"serial":"0"}`},
		{"any", "\x8a\x01\x13\x12\x04\x10\x02\x18\x01\x0a\x0bgarden.Plan\x8a\x01\x0e\x0a\x0cgarden.Plant", `{"extra":{"@type":"garden.Plant","heightCm":2,"season":"SPRING"}}`},
		{"late in a message in a message", "\x32\x07\x32\x05\x10\x02\x0a\x01a\x0a\x01b", `{"name":"b","parent":{"parent":{"name":"a","heightCm":2}}}`},
	} {
		got, err := m.AppendJSON([]byte("before"), []byte(test.wire), &codec.Scratch{})
		require.NoError(t, err, test.name)
		require.Equal(t, "before"+test.want, string(got), test.name)
	}
}

func path(t testing.TB, m *codec.Message, dotted string) []*codec.Field {
	t.Helper()
	var fields []*codec.Field
	for name := range strings.SplitSeq(dotted, ".") {
		f := m.FieldByName([]byte(name))
		require.NotNil(t, f, dotted)
		fields = append(fields, f)
		m = f.Message()
	}
	return fields
}

func TestWatch(t *testing.T) {
	m := plant(t)
	for _, test := range []struct {
		path, value, body string
		want              codec.Kind // 0 if it is accepted
	}{
		{"name", "a", `{}`, 0},
		{"name", "a", `{"name":"a"}`, 0},
		{"name", "a", `{"n\u0061me":"\u0061"}`, 0},
		{"name", "a", `{"name":"b"}`, codec.KindBound},
		{"name", "a", `{"name":""}`, codec.KindBound},
		{"name", "", `{"name":""}`, 0},
		{"name", "", `{"name":"a"}`, codec.KindBound},
		{"name", "a", `{"name":null}`, 0},
		{"height_cm", "5", `{"heightCm":5.0}`, 0},
		{"height_cm", "5", `{"height_cm":"6"}`, codec.KindBound},
		{"height_cm", "0", `{"heightCm":0}`, 0},
		{"height_cm", "0", `{"heightCm":1}`, codec.KindBound},
		{"height_cm", "5", `{"heightCm":0}`, codec.KindBound},
		{"serial", "4294967297", `{"serial":"1"}`, codec.KindBound},
		{"serial", "0", `{"serial":0}`, 0},
		{"season", "AUTUMN", `{"season":2}`, 0},
		{"parent.name", "a", `{"parent":{"name":"a","heightCm":1}}`, 0},
		{"parent.name", "a", `{"parent":{"name":"b"}}`, codec.KindBound},
		{"parent.name", "a", `{"parent":{"parent":{"name":"b"}}}`, 0},
		{"parent.name", "a", `{"parent":null}`, 0},
		{"grafted.name", "a", `{"grafted":{"name":"b"}}`, codec.KindBound},
		{"pot", "a", `{"bed":1}`, codec.KindBound},
		{"pot", "a", `{"bed":null}`, 0},
		{"pot", "a", `{"pot":"a"}`, 0},
		{"under.name", "a", `{"pot":"x"}`, codec.KindBound},
		{"under.name", "a", `{"under":{"heightCm":1}}`, 0},
		{"under.pot", "a", `{"under":{"bed":1}}`, codec.KindBound},
		{"sown", "2020-01-01T01:00:00+01:00", `{"sown":"2020-01-01T00:00:00Z"}`, 0},
		{"sown", "2020-01-01T01:00:00Z", `{"sown":"2020-01-01T00:00:00Z"}`, codec.KindBound},
		{"mask", "foo_bar", `{"mask":"fooBar"}`, 0},
		{"mask", "foo_bar", `{"mask":"fooBar,a"}`, codec.KindBound},
		{"weight", "0", `{"weight":0}`, 0},
		{"weight", "0", `{"weight":1}`, codec.KindBound},
		{"weight.value", "7", `{"weight":"7"}`, 0},
		{"weight.value", "7", `{"weight":8}`, codec.KindBound},
		{"weight.value", "0", `{"weight":0}`, 0},
		{"label", "", `{"label":""}`, 0},
	} {
		fields := path(t, m, test.path)
		leaf := fields[len(fields)-1]
		s := &codec.Scratch{}
		value, err := leaf.AppendText(nil, []byte(test.value), s)
		require.NoError(t, err)
		b := &codec.Bound{Watch: codec.NewWatch(m, [][]*codec.Field{fields}), Values: [][]byte{value}}
		_, err = m.AppendWire(nil, []byte(test.body), s, b)
		if test.want == 0 {
			require.NoError(t, err, "%+v", test)
		} else {
			require.Equal(t, test.want, asError(t, err).Kind, "%+v", test)
		}
		// What nothing is bound to is free.
		_, err = m.AppendWire(nil, []byte(test.body), s, &codec.Bound{Watch: b.Watch, Values: [][]byte{nil}})
		require.NoError(t, err, "%+v", test)
	}

	// A body that is one field is watched from the root, too.
	fields := path(t, m, "parent.name")
	s := &codec.Scratch{}
	value, err := fields[1].AppendText(nil, []byte("a"), s)
	require.NoError(t, err)
	b := &codec.Bound{Watch: codec.NewWatch(m, [][]*codec.Field{fields}), Values: [][]byte{value}}
	_, err = fields[0].AppendWire(nil, []byte(`{"name":"b"}`), s, b)
	e := asError(t, err)
	require.Equal(t, codec.KindBound, e.Kind)
	require.Equal(t, "name", e.Path)
	out, err := fields[0].AppendWire(nil, []byte(`{"name":"a","ripe":true}`), s, b)
	require.NoError(t, err)
	require.Equal(t, "\x32\x03\xa0\x01\x01", string(out), "what the path contributes is left to it")
}

func TestText(t *testing.T) {
	m := plant(t)
	s := &codec.Scratch{}
	for _, test := range []struct {
		field, text, want string
		kind              codec.Kind
	}{
		{"name", "a b", "\x0a\x03a b", 0},
		{"name", "", "\x0a\x00", 0},
		{"name", "\xff", "", codec.KindUTF8},
		{"height_cm", "-5", "\x10\xfb\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0},
		{"height_cm", "0", "\x10\x00", 0},
		{"height_cm", "", "", codec.KindType},
		{"height_cm", "+5", "", codec.KindType},
		{"height_cm", " 5", "", codec.KindType},
		{"height_cm", "12abc", "", codec.KindType},
		{"height_cm", "1e1", "", codec.KindType},
		{"height_cm", "1.0", "", codec.KindType},
		{"height_cm", "0x10", "", codec.KindType},
		{"height_cm", "99999999999", "", codec.KindRange},
		{"height_cm", "99999999999999999999999", "", codec.KindRange},
		{"height_cm", "null", "", codec.KindType},
		{"roots", "18446744073709551615", "\xc0\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 0},
		{"roots", "-1", "", codec.KindRange},
		{"ripe", "true", "\xa0\x01\x01", 0},
		{"ripe", "false", "\xa0\x01\x00", 0},
		{"ripe", "1", "", codec.KindType},
		{"ripe", "TRUE", "", codec.KindType},
		{"ripe", "null", "", codec.KindType},
		{"acid", "NaN", "\x65\x00\x00\xc0\x7f", 0},
		{"acid", "-Infinity", "\x65\x00\x00\x80\xff", 0},
		{"acid", "nan", "", codec.KindType},
		{"acid", "inf", "", codec.KindType},
		{"acid", "1e39", "", codec.KindRange},
		{"acid", "0.5", "\x65\x00\x00\x00\x3f", 0},
		{"season", "SPRING", "\x18\x01", 0},
		{"season", "2", "\x18\x02", 0},
		{"season", "77", "\x18\x4d", 0},
		{"season", "spring", "", codec.KindEnum},
		{"season", "1.0", "", codec.KindEnum},
		{"seed", "_-8", "\x5a\x02\xff\xef", 0},
		{"seed", "/+8=", "\x5a\x02\xff\xef", 0},
		{"seed", "!!", "", codec.KindBase64},
		{"sown", "1970-01-01T01:00:01+01:00", "\x3a\x02\x08\x01", 0},
		{"sown", "0000-01-01T00:00:00Z", "", codec.KindRange},
		{"growth", "1.5s", "\xb2\x01\x08\x08\x01\x10\x80\xca\xb5\xee\x01", 0},
		{"growth", "1h30m", "", codec.KindType},
		{"growth", "90", "", codec.KindType},
		{"mask", "fooBar,baz.quxQuux", "\x42\x17\x0a\x07foo_bar\x0a\x0cbaz.qux_quux", 0},
		{"mask", "foo_bar", "\x42\x09\x0a\x07foo_bar", 0},
		{"mask", `"foo,bar"`, "", codec.KindType},
		{"label", `"x"`, "\x52\x05\x0a\x03\"x\"", 0},
		{"label", "", "\x52\x00", 0},
		{"weight", "9007199254740993", "\x4a\x09\x08\x81\x80\x80\x80\x80\x80\x80\x10", 0},
		{"weight", "0", "\x4a\x00", 0},
		{"weight", "", "", codec.KindType},
		{"tags", "a,b", "\x22\x03a,b", 0},
		{"counts", "7", "\x80\x01\x07", 0},
		{"counts", "1,2", "", codec.KindType},
		{"parent", `{}`, "", codec.KindType},
		{"extra", `{}`, "", codec.KindType},
		{"near", `x`, "", codec.KindType},
	} {
		f := m.FieldByName([]byte(test.field))
		out, err := f.AppendText([]byte("before"), []byte(test.text), s)
		if test.kind == 0 {
			require.NoError(t, err, "%s=%s", test.field, test.text)
			require.Equal(t, "before"+test.want, string(out), "%s=%s", test.field, test.text)
			continue
		}
		require.Equal(t, "before", string(out))
		require.Equal(t, test.kind, asError(t, err).Kind, "%s=%s: %v", test.field, test.text, err)
		require.Empty(t, asError(t, err).Path)
	}
}

func TestAppendNested(t *testing.T) {
	m := plant(t)
	s := &codec.Scratch{MaxDepth: 4}
	nested := func(dotted, text string) (string, error) {
		fields := path(t, m, dotted)
		last := len(fields) - 1
		out, err := codec.AppendNested([]byte("before"), fields[:last], fields[last], []byte(text), s)
		return strings.TrimPrefix(string(out), "before"), err
	}
	got, err := nested("parent.grafted.name", "ab")
	require.NoError(t, err)
	require.Equal(t, "\x32\x08\x9b\x01\x0a\x02ab\x9c\x01", got)
	long := strings.Repeat("x", 300)
	got, err = nested("parent.parent.name", long)
	require.NoError(t, err)
	require.Equal(t, "\x32\xb2\x02\x32\xaf\x02\x0a\xac\x02"+long, got)
	got, err = nested("parent.height_cm", "x")
	require.Equal(t, codec.KindType, asError(t, err).Kind)
	require.Empty(t, got)
	_, err = nested("parent.parent.parent.parent.name", "x")
	require.Equal(t, codec.KindDepth, asError(t, err).Kind)
}

func TestRequired(t *testing.T) {
	m := garden(t).Message("garden.Demand")
	s := &codec.Scratch{}
	for wire, path := range map[string]string{
		"":                                  "who",
		"\x0a\x00":                          "",
		"\x12\x00\x0a\x01a":                 "next.who",
		"\x12\x00\x0a\x01a\x12\x02\x0a\x00": "", // in two parts
		"\x0a\x00\x1a\x03\x0a\x01k":         `others["k"].who`,
		"\x0a\x00\x1a\x03\x0a\x01k\x1a\x07\x0a\x01k\x12\x02\x0a\x00": "", // the last entry counts
		"\x0a\x00\x22\x02\x0a\x00\x22\x00":                           "list[1].who",
	} {
		err := m.CheckRequired([]byte(wire), s)
		if path == "" {
			require.NoError(t, err, "%q", wire)
			continue
		}
		e := asError(t, err)
		require.Equal(t, codec.KindRequired, e.Kind)
		require.Equal(t, path, e.Path, "%q", wire)
	}
	require.NoError(t, plant(t).CheckRequired([]byte("not looked at"), s))
}

func TestFields(t *testing.T) {
	m := plant(t)
	require.Equal(t, protoreflect.FullName("garden.Plant"), m.FullName())
	f := m.FieldByName([]byte("height_cm"))
	require.Same(t, f, m.FieldByName([]byte("heightCm")))
	require.Equal(t, "height_cm", f.Name())
	require.Equal(t, "heightCm", f.JSONName())
	require.EqualValues(t, 2, f.Number())
	require.Same(t, m, f.Parent())
	require.Nil(t, f.Message())
	require.Equal(t, -1, f.OneofIndex())
	require.Nil(t, m.FieldByName([]byte("nothing")))
	require.Equal(t, 0, m.FieldByName([]byte("under")).OneofIndex())
	require.Same(t, m, m.FieldByName([]byte("under")).Message())
	near := m.FieldByName([]byte("near"))
	require.True(t, near.Map())
	require.False(t, near.Repeated())
	require.False(t, near.BindableText())
	require.Nil(t, near.Message())
	require.True(t, m.FieldByName([]byte("counts")).Repeated())
	require.Nil(t, garden(t).Message("garden.Nothing"))
}

// TestImpostor checks that a message that only has the name of a well-known
// type is refused when the tables are made, not when it is met.
func TestImpostor(t *testing.T) {
	files, err := (&protocompile.Compiler{Resolver: &protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{
			"timestamp.proto": `syntax = "proto3"; package google.protobuf; message Timestamp { string text = 1; }`,
		})}}).Compile(context.Background(), "timestamp.proto")
	require.NoError(t, err)
	_, err = codec.New(benchFiles{files[0]})
	require.ErrorContains(t, err, "google.protobuf.Timestamp is not the well-known type")
}

func TestNestingCost(t *testing.T) {
	flat, deep := nestedSamples(t)
	s := &codec.Scratch{}
	for _, sample := range []sample{flat, deep} {
		got, err := sample.codec.AppendWire(nil, sample.text, s, nil)
		require.NoError(t, err)
		require.Equal(t, string(sample.wire), string(got))
	}
}
