package validate_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/transcoder/validate"
)

// rich has rules of every sort, in messages that contain each other.
const rich = prelude + `
message Rich {
  option (buf.validate.message).oneof = {fields: ["i32", "text"]};
  option (buf.validate.message).oneof = {fields: ["bits", "kids", "flag"] required: true};
  int32 i32 = 1 [(buf.validate.field).int32 = {gt: 1 lte: 4}];
  string text = 2 [(buf.validate.field).string = {min_len: 2 max_len: 4 pattern: "^a"}];
  bytes bits = 3 [(buf.validate.field).bytes = {min_len: 2 not_in: "aa"}];
  bool flag = 4 [features.field_presence = EXPLICIT, (buf.validate.field).bool.const = true];
  double d = 5 [(buf.validate.field).double = {gte: 3 lt: 1.5 finite: true}];
  E e = 6 [(buf.validate.field).enum = {defined_only: true not_in: 5}, (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];
  oneof o {
    option (buf.validate.oneof).required = true;
    Rich rich = 7 [json_name = "deep"];
    string os = 8 [(buf.validate.field).string.len = 2];
    Kid okid = 9 [features.message_encoding = DELIMITED];
    sint64 osi = 10 [(buf.validate.field).required = true];
  }
  repeated Kid kids = 11 [(buf.validate.field).repeated = {max_items: 3}];
  repeated sint32 nums = 12 [(buf.validate.field).repeated = {unique: true min_items: 1 items: {sint32: {gt: -2}}}];
  repeated string words = 13 [(buf.validate.field).repeated = {unique: true items: {ignore: IGNORE_IF_ZERO_VALUE string: {max_len: 2}}}];
  map<string, Kid> named = 14 [(buf.validate.field).map = {max_pairs: 2 keys: {string: {min_len: 1}} values: {required: true}}];
  map<sint32, float> floats = 15 [(buf.validate.field).map.values = {float: {gt: 0}}];
  map<bool, E> flags = 16 [(buf.validate.field).map = {keys: {bool: {const: true}} values: {enum: {defined_only: true}}}];
  google.protobuf.Duration dur = 17 [(buf.validate.field).duration = {gt: {seconds: 1}}, (buf.validate.field).required = true];
  google.protobuf.Timestamp ts = 18 [(buf.validate.field).timestamp = {lt_now: true gt: {seconds: 1}}];
  google.protobuf.FieldMask mask = 19 [(buf.validate.field).field_mask = {in: ["a", "b"]}];
  google.protobuf.Any any = 20 [(buf.validate.field).any = {in: ["a", "b"]}];
  google.protobuf.StringValue sv = 21 [(buf.validate.field).string.min_len = 2];
  google.protobuf.FloatValue fv = 22 [(buf.validate.field).float.gt = 1];
  repeated google.protobuf.Int64Value ivs = 23 [(buf.validate.field).repeated.items = {int64: {lt: 2}}];
  fixed32 far = 1000 [(buf.validate.field).fixed32.in = 1, (buf.validate.field).fixed32.in = 2];
  repeated Rich tree = 100000 [(buf.validate.field).repeated.items = {ignore: IGNORE_IF_ZERO_VALUE}];
  string plain = 30;
  Plain sub = 31;
  Celery celery = 32;
  repeated Celery sticks = 33 [(buf.validate.field).ignore = IGNORE_ALWAYS];
}
message Kid {
  string name = 1 [(buf.validate.field).required = true, (buf.validate.field).string.prefix = "a"];
  int64 age = 2 [(buf.validate.field).int64 = {in: [0, 1, 2, 3]}];
  Kid kid = 3;
  repeated fixed64 list = 4 [(buf.validate.field).repeated.unique = true, features.repeated_field_encoding = EXPANDED];
}
message Celery {
  option (buf.validate.message).cel = {id: "c" message: "c" expression: "this.n < 3"};
  int32 n = 1 [(buf.validate.field).int32.gt = 0];
  string the_name = 2 [(buf.validate.field).cel = {id: "n" message: "n" expression: "this.size() < 3"}];
  repeated Celery more = 3;
  map<int32, Celery> map = 4 [(buf.validate.field).map.keys.cel = {id: "k" message: "k" expression: "this > 0"}];
}
`

func richOracle(t testing.TB) (*oracle, protoreflect.MessageDescriptor) {
	file := compileProto(t, "rich.proto", map[string]string{"rich.proto": rich})
	return newOracle(t, file, protovalidate.WithDisableNativeRules()), file.Messages().ByName("Rich")
}

// randomMessage fills a message with values that are often near a rule.
func randomMessage(r *rand.Rand, m protoreflect.Message, depth int) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		if r.IntN(3) == 0 || depth == 0 && (fd.Message() != nil && !fd.IsMap()) {
			continue
		}
		switch {
		case fd.IsMap():
			for range r.IntN(4) {
				v := randomValue(r, m, fd.MapValue(), depth, func() protoreflect.Value { return m.Mutable(fd).Map().NewValue() })
				m.Mutable(fd).Map().Set(randomValue(r, m, fd.MapKey(), depth, nil).MapKey(), v)
			}
		case fd.IsList():
			l := m.Mutable(fd).List()
			for range r.IntN(4) {
				l.Append(randomValue(r, m, fd, depth, l.NewElement))
			}
		default:
			m.Set(fd, randomValue(r, m, fd, depth, func() protoreflect.Value { return m.NewField(fd) }))
		}
	}
}

func randomValue(r *rand.Rand, m protoreflect.Message, fd protoreflect.FieldDescriptor, depth int, empty func() protoreflect.Value) protoreflect.Value {
	n := r.IntN(8) - 2
	texts := []string{"", "a", "aa", "ab", "abc", "äöü", "aäöüß", "b"}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(n > 0)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(int64(n))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(n + 2))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(n + 2))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32([]float32{0, 1, -1, 1.5, 3, float32(math.NaN()), float32(math.Inf(1)), float32(math.Copysign(0, -1))}[n+2])
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64([]float64{0, 1, -1, 1.5, 3, math.NaN(), math.Inf(1), math.Copysign(0, -1)}[n+2])
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(texts[n+2])
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes([]byte(texts[n+2]))
	default:
		v := empty()
		if depth > 0 {
			randomMessage(r, v.Message(), depth-1)
		}
		return v
	}
}

// compare checks a serialized message both ways, if it is one.
func compare(t testing.TB, o *oracle, md protoreflect.MessageDescriptor, wire []byte) (violations int) {
	t.Helper()
	m := dynamicpb.NewMessage(md)
	require.NoError(t, proto.Unmarshal(wire, m))
	want, ok := o.want(t, m)
	if !ok {
		return 0
	}
	got := o.got(t, md, wire)
	if len(got) >= 100 {
		require.Subset(t, want, got)
	} else if fmt.Sprint(want) != fmt.Sprint(got) {
		t.Fatalf("%x\n%s\n got %q\nwant %q", wire, prototext.Format(m), got, want)
	}
	return len(got)
}

// TestRandomMessages checks messages, and concatenations of several, which parsers
// merge: last values, oneofs that change their minds, sub-messages in parts, pairs of
// maps that replace others.
func TestRandomMessages(t *testing.T) {
	o, md := richOracle(t)
	r := rand.New(rand.NewPCG(1, 2))
	kept, broken := 0, 0
	for range 600 {
		var wire []byte
		for range 1 + r.IntN(3) {
			m := dynamicpb.NewMessage(md)
			randomMessage(r, m, 2)
			part, err := proto.Marshal(m)
			require.NoError(t, err)
			wire = append(wire, part...)
		}
		if compare(t, o, md, wire) == 0 {
			kept++
		} else {
			broken++
		}
	}
	require.Positive(t, broken)
	kid := md.ParentFile().Messages().ByName("Kid")
	for range 300 {
		m := dynamicpb.NewMessage(kid)
		randomMessage(r, m, 2)
		wire, err := proto.Marshal(m)
		require.NoError(t, err)
		if compare(t, o, kid, wire) == 0 {
			kept++
		}
	}
	require.Greater(t, kept, 20, "most messages break rules: make more that keep them")
}

// parses reports whether the oracle can read a message; it panics for some.
func parses(md protoreflect.MessageDescriptor, wire []byte) (ok bool) {
	defer func() { _ = recover() }()
	return proto.Unmarshal(wire, dynamicpb.NewMessage(md)) == nil
}

func FuzzCheck(f *testing.F) {
	o, md := richOracle(f)
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		m := dynamicpb.NewMessage(md)
		randomMessage(r, m, 2)
		wire, err := proto.Marshal(m)
		require.NoError(f, err)
		f.Add(wire)
	}
	rules := o.compile(f, md)
	f.Fuzz(func(t *testing.T, wire []byte) {
		violations, err := rules.Check(nil, wire, new(validate.Scratch))
		if !parses(md, wire) {
			return
		}
		require.NoError(t, err)
		if len(violations) < 100 {
			compare(t, o, md, wire)
		}
	})
}

// FuzzFormats compares strings of every format. Three sorts of strings are left
// out, of which the oracle and the RFCs differ: it goes on with a relative reference
// where it gave up on a URI, it knows no IPv6 address with dots in brackets, and it
// takes a colon at the end of one that has a zone.
func FuzzFormats(f *testing.F) {
	source := prelude + "message Formats {\n"
	for i, format := range formatsOf {
		source += fmt.Sprintf("string f%d = %d [(buf.validate.field).string.%s = true];\n", i, i+1, format.rule)
		for _, s := range append(format.good, format.bad...) {
			f.Add(s)
		}
	}
	file := compileProto(f, "formats.proto", map[string]string{"formats.proto": source + "}"})
	o := newOracle(f, file, protovalidate.WithDisableNativeRules())
	md := file.Messages().ByName("Formats")
	f.Fuzz(func(t *testing.T, s string) {
		if strings.Contains(s, ":%") {
			return
		}
		m := dynamicpb.NewMessage(md)
		for i, format := range formatsOf {
			if format.rule == "uri_ref" && strings.Contains(s, ":") || strings.HasPrefix(format.rule, "uri") && strings.Contains(s, "[") && strings.Contains(s, ".") {
				continue
			}
			m.Set(md.Fields().Get(i), protoreflect.ValueOfString(s))
		}
		wire, err := proto.Marshal(m)
		if err != nil {
			return // not UTF-8
		}
		compare(t, o, md, wire)
	})
}

func TestCheckBroken(t *testing.T) {
	o, md := richOracle(t)
	rules := o.compile(t, md)
	for _, wire := range [][]byte{
		{0x08}, {0x12, 5, 'a'}, {0x00, 0}, {0x0c}, {0x5a, 2, 0x0a, 9}, {0x62, 1, 0x80},
		{0x72, 3, 0x12, 2, 0x0a}, {0x4b, 0x0a, 1}, {0x8a, 0x01, 1, 0x08},
	} {
		require.Error(t, proto.Unmarshal(wire, dynamicpb.NewMessage(md)), "%x", wire)
		_, err := rules.Check(nil, wire, new(validate.Scratch))
		require.Error(t, err, "%x", wire)
	}
}

// TestMergingIsBounded has a sub-message in two parts on every level, each level of
// which is a copy of all below it.
func TestMergingIsBounded(t *testing.T) {
	o, md := richOracle(t)
	rules := o.compile(t, md.ParentFile().Messages().ByName("Kid"))
	wire := protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), make([]byte, 1<<16))
	for range 90 {
		wire = protowire.AppendBytes(protowire.AppendTag(nil, 3, protowire.BytesType), wire)
		wire = append(wire, 0x1a, 0)
	}
	_, err := rules.Check(nil, wire, new(validate.Scratch))
	require.ErrorContains(t, err, "several parts")
}

func TestLimits(t *testing.T) {
	o, md := richOracle(t)
	kid := md.ParentFile().Messages().ByName("Kid")
	rules := o.compile(t, md)
	var wire []byte
	for range 500 {
		wire = append(wire, 0x5a, 0) // kids without a name
	}
	before := []validate.Violation{{Field: "before"}}
	violations, err := rules.Check(before, wire, new(validate.Scratch))
	require.NoError(t, err)
	require.Len(t, violations, 101)
	require.Equal(t, before[0], violations[0])

	shallow, err := validate.Compile(kid, validate.Options{MaxDepth: 2})
	require.NoError(t, err)
	violations, err = shallow.Check(nil, []byte{0x1a, 0}, new(validate.Scratch))
	require.NoError(t, err)
	require.Len(t, violations, 2, "the message and its kid have no name: %v", violations)
	_, err = shallow.Check(nil, []byte{0x1a, 2, 0x1a, 0}, new(validate.Scratch))
	require.ErrorIs(t, err, validate.ErrDepth)
}

func TestNothingToCheck(t *testing.T) {
	file := compileProto(t, "none.proto", map[string]string{"none.proto": `syntax = "proto3";
		message A { string s = 1; B b = 2; } message B { A a = 1; repeated B more = 2; }`})
	rules, err := validate.Compile(file.Messages().ByName("A"), validate.Options{})
	require.NoError(t, err)
	require.Nil(t, rules)
}

func TestCheckAllocatesNothing(t *testing.T) {
	file := compileProto(t, "rich.proto", map[string]string{"rich.proto": rich + `
		message Good {
		  Kid kid = 1; repeated Kid kids = 2; map<string, Kid> named = 3; repeated string words = 4 [(buf.validate.field).repeated.unique = true];
		  google.protobuf.Timestamp ts = 5 [(buf.validate.field).timestamp.lt_now = true];
		  google.protobuf.Duration dur = 6 [(buf.validate.field).duration = {gt: {}}];
		  google.protobuf.StringValue sv = 7 [(buf.validate.field).string = {pattern: "^[a-c]+$"}];
		  repeated string formats = 8 [(buf.validate.field).repeated.items = {string: {ip: true}}];
		  string uri = 9 [(buf.validate.field).string = {uri: true}];
		  string email = 10 [(buf.validate.field).string = {email: true}];
		}`})
	md := file.Messages().ByName("Good")
	m := dynamicpb.NewMessage(md)
	require.NoError(t, prototext.Unmarshal([]byte(`kid: {name: "a" kid: {name: "ab"}} kids: {name: "a" list: [1, 2]} kids: {name: "aa"}
		named: {key: "x" value: {name: "a"}} named: {key: "y" value: {name: "a"}} words: ["a", "b", "c"] ts: {seconds: 5} dur: {seconds: 1}
		sv: {value: "abc"} formats: ["1.2.3.4", "fe80::1%eth0"] uri: "http://a@b:80/c?d#e" email: "a@b.c"`), m))
	wire, err := proto.Marshal(m)
	require.NoError(t, err)
	wire = append(wire, 0x0a, 0) // the kid is in two parts
	rules, err := validate.Compile(md, validate.Options{})
	require.NoError(t, err)
	var s validate.Scratch
	check := func() {
		violations, err := rules.Check(nil, wire, &s)
		if err != nil || len(violations) > 0 {
			t.Fatal(violations, err)
		}
	}
	check()
	require.Zero(t, testing.AllocsPerRun(100, check))
}

func TestCompileErrors(t *testing.T) {
	for _, tt := range []struct{ fields, want string }{
		{`string s = 1 [(buf.validate.field).int32.gt = 1];`, `message "rules.M": field "s": rule int32: it is for fields of another type, and the rules of this one are string`},
		{`string s = 1 [(buf.validate.field).string.pattern = "["];`, "message \"rules.M\": field \"s\": rule string.pattern: error parsing regexp: missing closing ]: `[`"},
		{`bytes s = 1 [(buf.validate.field).bytes.pattern = "("];`, "message \"rules.M\": field \"s\": rule bytes.pattern: error parsing regexp: missing closing ): `(`"},
		{`repeated string s = 1 [(buf.validate.field).string.min_len = 1];`, `message "rules.M": field "s": rule string: it is for fields of another type, and the rules of this one are repeated`},
		{`repeated string s = 1 [(buf.validate.field).repeated.items.int32.gt = 1];`, `message "rules.M": field "s.items": rule int32: it is for fields of another type, and the rules of this one are string`},
		{`map<string, int32> s = 1 [(buf.validate.field).map.keys.int32.gt = 1];`, `message "rules.M": field "s.keys": rule int32: it is for fields of another type, and the rules of this one are string`},
		{`Leaf s = 1 [(buf.validate.field).string.min_len = 1];`, `message "rules.M": field "s": rule string: the field's type has no rules of its own but required and cel`},
		{`google.protobuf.Duration s = 1 [(buf.validate.field).timestamp.lt_now = true];`, `message "rules.M": field "s": rule timestamp: it is for fields of another type, and the rules of this one are duration`},
		{`google.protobuf.Int32Value s = 1 [(buf.validate.field).int64.gt = 1];`, `message "rules.M": field "s": rule int64: it is for fields of another type, and the rules of this one are int32`},
		{`repeated Leaf s = 1 [(buf.validate.field).repeated.unique = true];`, `message "rules.M": field "s": rule repeated.unique: items that are messages cannot be compared`},
		{`double s = 1 [(buf.validate.field).double.lt = nan];`, `message "rules.M": field "s": rule double.lt: nothing compares to NaN`},
		{`option (buf.validate.message).oneof = {}; string s = 1;`, `message "rules.M": rule oneof: it needs at least one field`},
		{`option (buf.validate.message).oneof = {fields: ["s", "s", "x"]}; string s = 1;`, "message \"rules.M\": rule oneof: field \"s\" is there twice\nmessage \"rules.M\": rule oneof: there is no field \"x\""},
		{`string s = 1 [(buf.validate.field).cel = {id: "x" expression: "this +"}];`, `message "rules.M": field "s": compilation error: failed to compile expression x`},
		{`option (buf.validate.message).cel = {id: "x" expression: "this.nothing == 1"}; string s = 1;`, `message "rules.M": compilation error: failed to compile expression x`},
		{`message Deep { string s = 1 [(buf.validate.field).int32.gt = 1]; } repeated Deep deep = 1; string s = 2 [(buf.validate.field).bool.const = true];`,
			"message \"rules.M.Deep\": field \"s\": rule int32: it is for fields of another type, and the rules of this one are string\n" +
				"message \"rules.M\": field \"s\": rule bool: it is for fields of another type, and the rules of this one are string"},
	} {
		file := compileProto(t, "m.proto", map[string]string{"m.proto": prelude + "message M {" + tt.fields + "}"})
		o := newOracle(t, file)
		_, err := validate.Compile(file.Messages().ByName("M"), validate.Options{CEL: o.cel})
		require.ErrorContains(t, err, tt.want, tt.fields)
	}
	file := compileProto(t, "m.proto", map[string]string{"m.proto": prelude + `message M { string s = 1 [(buf.validate.field).cel = {id: "x" expression: "true"}]; }`})
	_, err := validate.Compile(file.Messages().ByName("M"), validate.Options{})
	require.EqualError(t, err, `message "rules.M": field "s": cel "x": rules in CEL cannot be checked here`)
}
