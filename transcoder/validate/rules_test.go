package validate_test

import (
	"fmt"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

const prelude = `edition = "2023";
package rules;
import "buf/validate/validate.proto";
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
option features.field_presence = IMPLICIT;
enum E { E_ZERO = 0; E_ONE = 1; E_FIVE = 5; E_LESS = -3; }
message Leaf { string s = 1 [(buf.validate.field).string.min_len = 2]; int32 n = 2; }
message Plain { string s = 1; int32 n = 2; repeated int32 list = 3; map<string, int32> m = 4; Leaf leaf = 5; }
extend buf.validate.StringRules {
  bool shout = 80048952 [(buf.validate.predefined).cel = {id: "string.shout" message: "must shout" expression: "!rule || this == this.upperAscii()"}];
}
`

// row is one message, with values that keep its rules and others that do not.
type row struct {
	fields    string
	good, bad []string
}

func numberRows() []row {
	var rows []row
	for _, kind := range []string{"int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64", "float", "double"} {
		rule := func(text string) string {
			return fmt.Sprintf("%s v = 1 [(buf.validate.field).%s = {%s}];", kind, kind, text)
		}
		rows = append(rows, []row{
			{rule("const: 7"), []string{"v: 7"}, []string{"v: 8", ""}},
			{rule("in: [1, 5]"), []string{"v: 1", "v: 5"}, []string{"v: 2", ""}},
			{rule("not_in: [0, 5]"), []string{"v: 1"}, []string{"v: 5", "", "v: 0"}},
			{rule("lt: 10"), []string{"v: 9", ""}, []string{"v: 10", "v: 11"}},
			{rule("lte: 10"), []string{"v: 10"}, []string{"v: 11"}},
			{rule("gt: 10"), []string{"v: 11"}, []string{"v: 10", "v: 9", ""}},
			{rule("gte: 10"), []string{"v: 10"}, []string{"v: 9"}},
			{rule("gt: 1 lt: 5"), []string{"v: 2"}, []string{"v: 1", "v: 5"}},
			{rule("gte: 1 lt: 5"), []string{"v: 1"}, []string{"v: 0", "v: 5"}},
			{rule("gt: 1 lte: 5"), []string{"v: 5"}, []string{"v: 1", "v: 6"}},
			{rule("gte: 1 lte: 5"), []string{"v: 1", "v: 5"}, []string{"v: 0", "v: 6"}},
			{rule("gt: 5 lt: 1"), []string{"v: 0", "v: 6"}, []string{"v: 1", "v: 3", "v: 5"}},
			{rule("gte: 5 lt: 1"), []string{"v: 0", "v: 5"}, []string{"v: 1", "v: 4"}},
			{rule("gt: 5 lte: 1"), []string{"v: 1", "v: 6"}, []string{"v: 2", "v: 5"}},
			{rule("gte: 5 lte: 1"), []string{"v: 1", "v: 5"}, []string{"v: 2", "v: 4"}},
			{rule("gt: 3 lt: 3"), nil, []string{"v: 3", "v: 4"}},
			{rule("example: 5 const: 1"), []string{"v: 1"}, []string{"v: 5"}},
			{"repeated " + strings.Replace(rule("items: {"+kind+": {gt: 3}} unique: true"), ")."+kind, ").repeated", 1), []string{"", "v: [4, 5]"}, []string{"v: [4, 1]", "v: [4, 4]"}},
		}...)
		if !strings.HasPrefix(kind, "u") && !strings.HasPrefix(kind, "f") || kind == "float" {
			rows = append(rows,
				row{rule("gt: -5 lt: 5"), []string{"v: -4"}, []string{"v: -5", "v: -6"}},
				row{rule("in: [-1, -5]"), []string{"v: -5"}, []string{"v: 5"}})
		}
		if kind == "float" || kind == "double" {
			rows = append(rows,
				row{rule("finite: true"), []string{"v: 1.5"}, []string{"v: inf", "v: -inf", "v: nan"}},
				row{rule("finite: false gt: 1"), []string{"v: inf"}, []string{"v: nan", "v: 1"}},
				row{rule("gt: 1.5 lt: 0.1"), []string{"v: 2"}, []string{"v: nan", "v: 1"}},
				row{rule("lte: 0.1"), []string{"v: -inf"}, []string{"v: nan", "v: 1"}},
				row{rule("gte: 1e30"), []string{"v: inf"}, []string{"v: 1"}},
				row{rule("const: inf"), []string{"v: inf"}, []string{"v: 1"}},
				row{rule("const: nan"), nil, []string{"v: 1", "v: nan"}},
				row{rule("in: [nan, 0.25]"), []string{"v: 0.25"}, []string{"v: nan"}},
				row{rule("not_in: [nan, 0.25]"), []string{"v: nan"}, []string{"v: 0.25"}},
				row{rule("const: 0"), []string{"v: -0.0", ""}, []string{"v: 1"}},
				row{rule("const: 1") + "\n" + strings.Replace(rule("gt: 1"), "v = 1 [", "w = 2 [(buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE, ", 1), []string{"v: 1"}, []string{"v: 1 w: -0.0"}},
				row{"repeated " + kind + " v = 1 [(buf.validate.field).repeated.unique = true];", []string{"v: [nan, nan]"}, []string{"v: [0, -0.0]"}})
		}
	}
	return rows
}

// formatsOf are strings of one format and of none.
var formatsOf = []struct {
	rule      string
	good, bad []string
}{
	{"email", []string{"a@b", "a.b+c@d-e.f", ".@a"}, []string{"", "a", "@b", "a@", "a@b..c", "a@-b", "a@b.", "ä@b", "a b@c", "a@b@c", "a@" + strings.Repeat("x", 64)}},
	{"hostname", []string{"a", "a.b-c.", "A1", strings.Repeat("x", 63) + ".x"}, []string{"", ".", "a..b", "-a", "a-", "1.2", "a_b", "ä", strings.Repeat("x", 64), strings.Repeat("a.", 130)}},
	{"ip", []string{"1.2.3.4", "::", "fe80::1%eth0", "::ffff:1.2.3.4"}, []string{"", "1.2.3", "256.1.1.1", "01.2.3.4", "1.2.3.4%a", "::%", "1::2::3", "12345::", "1.2.3.4.5"}},
	{"ipv4", []string{"0.0.0.0", "255.255.255.255"}, []string{"", "::1", "1.2.3.04", "1.2.3.4 "}},
	{"ipv6", []string{"::1", "1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7::", "::1.2.3.4", "1::%x%y"}, []string{"", "1.2.3.4", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", ":1", "1:", ":::", "1::g"}},
	{"uri", []string{"a:", "http://a", "http://u:p@h:80/p/q?x=y#z", "urn:a:b", "a+b-c.d://", "http://[::1]:80", "http://[v1.a:b]/", "http://[fe80::1%25eth0]/", "http://%c3%a4/", "mailto:a@b", "a:/b//c", "http://h:/", "a://h/%41"}, []string{"", "a", "//h", ":", "1a:", "http://a b", "http://[::1", "http://[1.2.3.4]/", "http://h:x/", "http://%ff/", "a:%4", "a:%zz", "http://h/\"", "a:#b#c", "http://a@b@c/", "http://[::1]x", "http://[fe80::1%25]/", "ä:b"}},
	{"uri_ref", []string{"", "a", "/a", "//h/p", "?q", "#f", "a/b:c", "http://h", "./a:b", "//"}, []string{"1a:b", ":", "a b", "%", "#a#b", "//[", "/\\"}},
	{"address", []string{"a.b", "1.2.3.4", "::1"}, []string{"", "a_b", "1.2.3", "1.2.3.256"}},
	{"uuid", []string{"123e4567-e89b-12d3-a456-426614174000", "123E4567-E89B-12D3-A456-426614174000"}, []string{"", "123e4567e89b12d3a456426614174000", "123e4567-e89b-12d3-a456-42661417400g", "{123e4567-e89b-12d3-a456-4266141740}"}},
	{"tuuid", []string{"123e4567e89b12d3a456426614174000"}, []string{"", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a45642661417400g"}},
	{"ip_with_prefixlen", []string{"1.2.3.4/24", "::1/128", "1.2.3.4/0"}, []string{"", "1.2.3.4", "1.2.3.4/33", "::1/129", "1.2.3.4/", "1.2.3.4/01", "1.2.3.4/+1", "fe80::1%a/64", "/1"}},
	{"ipv4_with_prefixlen", []string{"1.2.3.4/24"}, []string{"", "::1/24", "1.2.3.4/2a"}},
	{"ipv6_with_prefixlen", []string{"::1/24"}, []string{"", "1.2.3.4/24", "::1/1234"}},
	{"ip_prefix", []string{"1.2.3.0/24", "2001:db8::/32", "0.0.0.0/0", "1.2.3.4/32", "::/0"}, []string{"", "1.2.3.4/24", "::1/127", "1.0.0.0/0"}},
	{"ipv4_prefix", []string{"1.2.128.0/17"}, []string{"", "1.2.64.0/17", "::/0"}},
	{"ipv6_prefix", []string{"fe80::/10", "::1/128"}, []string{"", "fe80::1/10", "1.2.3.0/24"}},
	{"host_and_port", []string{"a:1", "1.2.3.4:0", "[::1]:65535", "[fe80::1%a]:1"}, []string{"", "a", "a:", ":1", "a:65536", "a:01", "::1:80", "[::1]", "[::1]80", "[a]:1", "a:1a", "a:99999"}},
	{"ulid", []string{"01ARZ3NDEKTSV4RRFFQ69G5FAV", "01arz3ndektsv4rrffq69g5fav"}, []string{"", "81ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAU", "01ARZ3NDEKTSV4RRFFQ69G5FA"}},
	{"protobuf_fqn", []string{"a", "a.B_1.c"}, []string{"", ".a", "a.", "a..b", "1a", "a.1", "ä"}},
	{"protobuf_dot_fqn", []string{".a", ".a.b"}, []string{"", "a", ".", "..a", ".a."}},
}

func stringRows() []row {
	rule := func(text string) string { return "string v = 1 [(buf.validate.field).string = {" + text + "}];" }
	rows := []row{
		{rule(`const: "ab"`), []string{`v: "ab"`}, []string{`v: "b"`, ""}},
		{rule(`len: 3`), []string{`v: "äöü"`, `v: "abc"`}, []string{`v: "ab"`, `v: "äöüa"`}},
		{rule(`min_len: 3`), []string{`v: "äöü"`, `v: "abcd"`}, []string{`v: "äö"`, `v: "ab"`, ``}},
		{rule(`max_len: 3`), []string{`v: "äöü"`, ``}, []string{`v: "äöüa"`, `v: "abcd"`}},
		{rule(`min_len: 2 max_len: 2 len: 2`), []string{`v: "ab"`}, []string{`v: "a"`, `v: "abc"`}},
		{rule(`len_bytes: 4`), []string{`v: "äö"`}, []string{`v: "äöü"`}},
		{rule(`min_bytes: 4`), []string{`v: "äö"`}, []string{`v: "ä"`}},
		{rule(`max_bytes: 4`), []string{`v: "äö"`}, []string{`v: "äöü"`}},
		{rule(`pattern: "^a+$"`), []string{`v: "aa"`}, []string{`v: "ab"`, ``}},
		{rule(`prefix: "ab"`), []string{`v: "abc"`}, []string{`v: "a"`}},
		{rule(`suffix: "bc"`), []string{`v: "abc"`}, []string{`v: "ab"`}},
		{rule(`contains: "bc"`), []string{`v: "abcd"`}, []string{`v: "b"`}},
		{rule(`not_contains: "bc"`), []string{`v: "b"`}, []string{`v: "abcd"`}},
		{rule(`in: ["a", "b\n"]`), []string{`v: "a"`}, []string{`v: "c"`, ``}},
		{rule(`not_in: ["a", ""]`), []string{`v: "c"`}, []string{`v: "a"`, ``}},
		{rule(`min_len: 5 pattern: "x" prefix: "y" suffix: "z" in: ["xyz"] email: true`), nil, []string{`v: "abc"`, ``}},
		{rule(`email: false max_len: 1`), []string{``, `v: "x"`}, []string{`v: "xx"`}},
		{rule(`well_known_regex: KNOWN_REGEX_HTTP_HEADER_NAME`), []string{`v: "a-b"`, `v: ":path"`, `v: "a,b"`}, []string{``, `v: "a b"`, `v: "a:"`, `v: "ä"`}},
		{rule(`well_known_regex: KNOWN_REGEX_HTTP_HEADER_NAME strict: false`), []string{`v: "a b"`}, []string{``, `v: "a\n"`, `v: "\x00"`}},
		{rule(`well_known_regex: KNOWN_REGEX_HTTP_HEADER_VALUE`), []string{``, `v: "a\tb ä"`}, []string{`v: "a\n"`, `v: "\x7f"`, `v: "\x01"`}},
		{rule(`well_known_regex: KNOWN_REGEX_HTTP_HEADER_VALUE strict: false`), []string{``, `v: "\x01"`}, []string{`v: "a\r"`, `v: "\x00"`}},
		{rule(`well_known_regex: KNOWN_REGEX_UNSPECIFIED max_len: 1`), []string{``}, []string{`v: "aa"`}},
		{rule(`[rules.shout]: true min_len: 2`), []string{`v: "AB"`}, []string{`v: "ab"`, `v: "a"`}},
	}
	for _, f := range formatsOf {
		r := row{fields: rule(f.rule + ": true")}
		for _, s := range f.good {
			r.good = append(r.good, fmt.Sprintf("v: %q", s))
		}
		for _, s := range f.bad {
			r.bad = append(r.bad, fmt.Sprintf("v: %q", s))
		}
		rows = append(rows, r)
	}
	return rows
}

func otherRows() []row {
	field := func(decl, rules string) string { return decl + " [(buf.validate.field)" + rules + "];" }
	return []row{
		// bool, bytes, enum
		{field("bool v = 1", ".bool.const = true"), []string{"v: true"}, []string{"v: false", ""}},
		{field("bool v = 1", ".bool.const = false"), []string{""}, []string{"v: true"}},
		{field("bytes v = 1", `.bytes.const = "a\xff"`), []string{`v: "a\xff"`}, []string{`v: "a"`}},
		{field("bytes v = 1", `.bytes.len = 2`), []string{`v: "\xff\xfe"`}, []string{`v: "a"`}},
		{field("bytes v = 1", `.bytes = {min_len: 2 max_len: 3}`), []string{`v: "ab"`}, []string{`v: "a"`, `v: "abcd"`}},
		{field("bytes v = 1", `.bytes.pattern = "^ä$"`), []string{`v: "ä"`}, []string{`v: "a"`}},
		{field("bytes v = 1", `.bytes = {prefix: "\xff" suffix: "b" contains: "cc"}`), []string{`v: "\xffccb"`}, []string{`v: "a"`}},
		{field("bytes v = 1", `.bytes = {in: ["a", "b"]}`), []string{`v: "a"`}, []string{`v: "c"`}},
		{field("bytes v = 1", `.bytes = {not_in: ["a", "b"]}`), []string{`v: "c"`}, []string{`v: "a"`}},
		{field("bytes v = 1", `.bytes.ip = true`), []string{`v: "1234"`, `v: "1234567890123456"`}, []string{`v: "123"`, ``}},
		{field("bytes v = 1", `.bytes.ipv4 = true`), []string{`v: "1234"`}, []string{`v: "1234567890123456"`, ``}},
		{field("bytes v = 1", `.bytes.ipv6 = true`), []string{`v: "1234567890123456"`}, []string{`v: "1234"`, ``}},
		{field("bytes v = 1", `.bytes.uuid = true`), []string{`v: "1234567890123456"`}, []string{`v: "1234"`, ``}},
		{field("bytes v = 1", `.bytes.ip = false, (buf.validate.field).bytes.max_len = 1`), []string{``}, []string{`v: "ab"`}},
		{field("E v = 1", ".enum.defined_only = true"), []string{"v: 5", "", "v: -3"}, []string{"v: 2"}},
		{field("E v = 1", ".enum.const = 5"), []string{"v: 5"}, []string{"", "v: 1"}},
		{field("E v = 1", ".enum = {in: [1, 5] not_in: [1]}"), []string{"v: 5"}, []string{"", "v: 1"}},
		// presence, required, ignore
		{field("string v = 1", ".required = true"), []string{`v: "a"`}, []string{``}},
		{field("string v = 1", ".required = true, (buf.validate.field).string.min_len = 2"), []string{`v: "ab"`}, []string{``, `v: "a"`}},
		{"string v = 1 [features.field_presence = EXPLICIT, (buf.validate.field).required = true, (buf.validate.field).string.max_len = 1];", []string{`v: ""`}, []string{``, `v: "ab"`}},
		{"string v = 1 [features.field_presence = EXPLICIT, (buf.validate.field).string.min_len = 1];", []string{``, `v: "a"`}, []string{`v: ""`}},
		{"string v = 1 [features.field_presence = EXPLICIT, (buf.validate.field).string.min_len = 1, (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE];", []string{``}, []string{`v: ""`}},
		{field("string v = 1", ".string.min_len = 2, (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE"), []string{``}, []string{`v: "a"`}},
		{field("string v = 1", ".string.min_len = 2, (buf.validate.field).ignore = IGNORE_ALWAYS") + field("string w = 2", ".required = true"), []string{`v: "a" w: "x"`}, []string{`v: "a"`}},
		{field("int32 v = 1", ".int32.gt = 2, (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE"), []string{``, `v: 0`, `v: 3`}, []string{`v: 1`}},
		{field("Leaf v = 1", ".ignore = IGNORE_ALWAYS") + field("int32 w = 2", ".required = true"), []string{`v: {s: "a"} w: 1`}, []string{``}},
		{field("Leaf v = 1", ".required = true"), []string{`v: {s: "ab"}`}, []string{``, `v: {}`, `v: {s: "a"}`}},
		{"Leaf v = 1;", []string{``, `v: {s: "ab"}`}, []string{`v: {}`}},
		{"Leaf v = 1 [features.message_encoding = DELIMITED];", []string{``, `v: {s: "ab"}`}, []string{`v: {}`}},
		{"Plain v = 1; Leaf w = 1000; repeated Plain p = 70000;", []string{`v: {s: "x"}`, `w: {s: "ab"}`}, []string{`v: {leaf: {}}`, `w: {}`, `p: {} p: {leaf: {s: "x"}}`}},
		// lists
		{field("repeated int32 v = 1", ".repeated.min_items = 2"), []string{`v: [1, 1]`}, []string{``, `v: 1`}},
		{field("repeated int32 v = 1", ".repeated.min_items = 2, (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE"), []string{`v: [1, 1]`, ``}, []string{`v: 1`}},
		{field("repeated Leaf v = 1", ".repeated.max_items = 1"), []string{``, `v: {s: "ab"}`}, []string{`v: {s: "a"} v: {s: "ab"}`}},
		{field("repeated Leaf v = 1", ".required = true"), []string{`v: {s: "ab"}`}, []string{``, `v: {}`}},
		{field("repeated string v = 1", ".repeated.unique = true"), []string{``, `v: ["a", "b"]`}, []string{`v: ["a", "b", "a"]`}},
		{field("repeated bytes v = 1", ".repeated.unique = true"), []string{`v: ["a", ""]`}, []string{`v: ["", ""]`}},
		{field("repeated bool v = 1", ".repeated.unique = true"), []string{`v: [true, false]`}, []string{`v: [true, true]`}},
		{field("repeated E v = 1", ".repeated = {unique: true items: {enum: {defined_only: true}}}"), []string{`v: [0, 1]`}, []string{`v: [1, 1]`, `v: [9]`}},
		{field("repeated string v = 1", ".repeated.items = {string: {min_len: 2}}"), []string{`v: ["ab"]`}, []string{`v: ["ab", "a", ""]`}},
		{field("repeated string v = 1", ".repeated.items = {ignore: IGNORE_IF_ZERO_VALUE string: {min_len: 2}}"), []string{`v: ["ab", ""]`}, []string{`v: ["ab", "a", ""]`}},
		{field("repeated double v = 1", ".repeated.items = {ignore: IGNORE_IF_ZERO_VALUE double: {gt: 2}}"), []string{`v: [0, -0.0, 3]`}, []string{`v: [1]`}},
		{field("repeated Leaf v = 1", ".repeated = {min_items: 1 items: {ignore: IGNORE_ALWAYS}}"), []string{`v: {}`}, []string{``}},
		{field("repeated Leaf v = 1", ".repeated.items = {ignore: IGNORE_IF_ZERO_VALUE}"), []string{`v: {}`, `v: {s: "ab"}`}, []string{`v: {n: 1}`}},
		{field("repeated Plain v = 1", ".repeated.items = {ignore: IGNORE_IF_ZERO_VALUE cel: {id: 'x' message: 'm' expression: 'this.n > 5'}}"), []string{`v: {}`, `v: {n: 6}`}, []string{`v: {list: 1}`, `v: {leaf: {}}`, `v: {m: {key: "a"}}`, `v: {n: 1}`}},
		{"repeated int32 v = 1 [features.repeated_field_encoding = EXPANDED, (buf.validate.field).repeated = {unique: true items: {int32: {gt: 0}}}];", []string{`v: [1, 2]`}, []string{`v: [1, 1]`, `v: [1, 0]`}},
		// maps
		{field("map<string, int32> v = 1", ".map = {min_pairs: 1 max_pairs: 2}"), []string{`v: {key: "a"}`}, []string{``, `v: {key: "a"} v: {key: "b"} v: {key: "c"}`}},
		{field("map<string, int32> v = 1", ".map.min_pairs = 1, (buf.validate.field).ignore = IGNORE_IF_ZERO_VALUE") + field("int32 w = 2", ".required = true"), []string{`w: 1`}, []string{``}},
		{field("map<string, int32> v = 1", ".map.keys = {string: {min_len: 2}}, (buf.validate.field).map.values = {int32: {gt: 2}}"), []string{`v: {key: "ab" value: 3}`, ``}, []string{`v: {key: "a" value: 1} v: {value: 3}`}},
		{field("map<string, int32> v = 1", ".map = {keys: {ignore: IGNORE_IF_ZERO_VALUE string: {min_len: 2}} values: {ignore: IGNORE_IF_ZERO_VALUE int32: {gt: 2}}}"), []string{`v: {}`}, []string{`v: {key: "a" value: 1}`}},
		{field("map<int32, Leaf> v = 1", ".required = true"), []string{`v: {key: 1 value: {s: "ab"}}`}, []string{``, `v: {key: -1}`, `v: {key: -7 value: {s: "a"}}`}},
		{field("map<int64, Leaf> v = 1", ".map.values = {ignore: IGNORE_ALWAYS}") + field("int32 w = 2", ".required = true"), []string{`v: {key: 1} w: 1`}, []string{``}},
		{"map<bool, Leaf> a = 1; map<uint64, Leaf> b = 2; map<sint32, Leaf> c = 3; map<fixed32, Leaf> d = 4; map<sfixed64, Leaf> e = 5;", []string{``},
			[]string{`a: {key: true}`, `b: {key: 18446744073709551615}`, `c: {key: -5}`, `d: {key: 5}`, `e: {key: -5}`}},
		{field("map<string, E> v = 1", ".map.values = {enum: {in: [1]}}"), []string{`v: {key: "x" value: 1}`}, []string{`v: {key: "\"\n\\ä"}`}},
		// well-known types
		{field("google.protobuf.Any v = 1", `.any = {in: ["a/b", "c"]}`), []string{`v: {type_url: "c"}`, ``}, []string{`v: {}`, `v: {type_url: "d"}`}},
		{field("google.protobuf.Any v = 1", `.any = {not_in: ["a/b", "c"]}`), []string{`v: {}`}, []string{`v: {type_url: "c"}`}},
		{field("google.protobuf.Duration v = 1", `.duration.const = {seconds: 1 nanos: 500000000}`), []string{`v: {seconds: 1 nanos: 500000000}`, ``}, []string{`v: {}`, `v: {seconds: 1}`}},
		{field("google.protobuf.Duration v = 1", `.duration = {gt: {seconds: 1} lte: {seconds: 90}}`), []string{`v: {seconds: 90}`}, []string{`v: {seconds: 1}`, `v: {seconds: 90 nanos: 1}`, `v: {seconds: -1 nanos: -5}`, `v: {seconds: 315576000000}`}},
		{field("google.protobuf.Duration v = 1", `.duration = {gte: {seconds: 10} lt: {nanos: 1}}`), []string{`v: {}`, `v: {seconds: 10}`}, []string{`v: {seconds: 1}`, `v: {nanos: 1}`}},
		{field("google.protobuf.Duration v = 1", `.duration = {in: [{seconds: 10}, {nanos: 1}] not_in: {nanos: 1}}`), []string{`v: {seconds: 10}`}, []string{`v: {seconds: 1}`, `v: {nanos: 1}`}},
		{field("google.protobuf.Timestamp v = 1", `.timestamp.const = {seconds: 1 nanos: 5}`), []string{`v: {seconds: 1 nanos: 5}`}, []string{`v: {seconds: 1}`}},
		{field("google.protobuf.Timestamp v = 1", `.timestamp = {gt: {seconds: 10} lt: {seconds: 20}}`), []string{`v: {seconds: 11}`}, []string{`v: {seconds: 10}`, `v: {seconds: 20}`, `v: {seconds: -62135596800}`}},
		{field("google.protobuf.Timestamp v = 1", `.timestamp = {gte: {seconds: 20} lte: {seconds: 10 nanos: 7}}`), []string{`v: {seconds: 20}`, `v: {}`}, []string{`v: {seconds: 10 nanos: 8}`}},
		{field("google.protobuf.Timestamp v = 1", `.timestamp = {gt: {seconds: 20}}`), []string{`v: {seconds: 253402300799 nanos: 999999999}`}, []string{`v: {seconds: 20}`, `v: {}`}},
		{field("google.protobuf.Timestamp v = 1", `.timestamp.lt_now = true`), []string{`v: {}`, `v: {seconds: 1782907200}`}, []string{`v: {seconds: 1782907201}`}},
		{field("google.protobuf.Timestamp v = 1", `.timestamp.gt_now = true`), []string{`v: {seconds: 1782907201}`}, []string{`v: {seconds: 1782907199}`}},
		{field("google.protobuf.Timestamp v = 1", `.timestamp = {gt: {seconds: 5} lt_now: true}`), []string{`v: {seconds: 6}`}, []string{`v: {}`, `v: {seconds: 1782907201}`}},
		{field("google.protobuf.Timestamp v = 1", `.timestamp.within = {seconds: 60}`), []string{`v: {seconds: 1782907140}`, `v: {seconds: 1782907260}`}, []string{`v: {}`, `v: {seconds: 1782907261}`, `v: {seconds: 1782907139}`}},
		{field("google.protobuf.FieldMask v = 1", `.field_mask.const = {paths: ["a", "b"]}`), []string{`v: {paths: ["a", "b"]}`}, []string{`v: {paths: ["b", "a"]}`, `v: {}`, `v: {paths: ["a", "b", "c"]}`}},
		{field("google.protobuf.FieldMask v = 1", `.field_mask.in = "a", (buf.validate.field).field_mask.in = "b.c"`), []string{`v: {paths: ["a.x", "b.c", "a"]}`, `v: {}`}, []string{`v: {paths: ["ab"]}`, `v: {paths: ["a", "b"]}`}},
		{field("google.protobuf.FieldMask v = 1", `.field_mask = {not_in: ["a", "b.c"]}`), []string{`v: {paths: ["ab", "b"]}`, `v: {}`}, []string{`v: {paths: ["x", "a.b"]}`, `v: {paths: "b.c"}`}},
		{field("google.protobuf.StringValue v = 1", `.string = {min_len: 2}`), []string{``, `v: {value: "ab"}`}, []string{`v: {}`, `v: {value: "a"}`}},
		{field("google.protobuf.BytesValue v = 1", `.bytes.len = 2`), []string{`v: {value: "ab"}`}, []string{`v: {}`}},
		{field("google.protobuf.BoolValue v = 1", `.bool.const = true, (buf.validate.field).required = true`), []string{`v: {value: true}`}, []string{`v: {}`, ``}},
		{field("google.protobuf.DoubleValue v = 1", `.double.finite = true`) + field("google.protobuf.FloatValue w = 2", `.float.gt = 1`), []string{`v: {value: 1}`}, []string{`v: {value: inf}`, `w: {value: 1}`}},
		{field("google.protobuf.Int32Value v = 1", `.int32.gt = 1`) + field("google.protobuf.Int64Value w = 2", `.int64.lt = -1`), []string{`v: {value: 2}`, `w: {value: -2}`}, []string{`v: {}`, `w: {}`}},
		{field("google.protobuf.UInt32Value v = 1", `.uint32.gt = 1`) + field("google.protobuf.UInt64Value w = 2", `.uint64.in = 5`), []string{`v: {value: 2}`, `w: {value: 5}`}, []string{`v: {}`, `w: {}`}},
		{field("repeated google.protobuf.StringValue v = 1", `.repeated.items = {ignore: IGNORE_IF_ZERO_VALUE string: {min_len: 2}}`), []string{`v: {}`, `v: {value: "ab"}`}, []string{`v: {value: "a"}`}},
		{field("map<string, google.protobuf.Duration> v = 1", `.map.values = {duration: {gt: {}}}`), []string{`v: {key: "a" value: {seconds: 1}}`}, []string{`v: {key: "a"}`}},
		// oneofs
		{"oneof o { option (buf.validate.oneof).required = true; string a = 1 [(buf.validate.field).string.min_len = 1]; Leaf b = 2; int32 c = 3; }", []string{`a: "x"`, `c: 0`, `b: {s: "ab"}`}, []string{``, `a: ""`, `b: {}`}},
		{"oneof o { string a = 1 [(buf.validate.field).required = true]; int32 c = 3; }", []string{`a: ""`}, []string{``, `c: 1`}},
		{`option (buf.validate.message).oneof = {fields: ["a", "b"]}; string a = 1 [(buf.validate.field).string.min_len = 2]; int32 b = 2;`, []string{``, `a: "ab"`, `b: 1`}, []string{`a: "ab" b: 1`, `a: "a"`}},
		{`option (buf.validate.message).oneof = {fields: ["a", "b", "c", "d"] required: true}; string a = 1; repeated int32 b = 2; map<int32, int32> c = 3; Leaf d = 4;`, []string{`a: "ab"`, `b: 0`, `c: {}`}, []string{``, `b: 1 c: {}`, `d: {s: "xy"} a: "a"`}},
		// CEL
		{`option (buf.validate.message).cel = {id: "m" message: "words" expression: "this.a < this.b"}; int32 a = 1; int32 b = 2 [(buf.validate.field).int32.lt = 10];`, []string{`b: 1`}, []string{``, `a: 5 b: 11`, `a: 12 b: 11`}},
		{`option (buf.validate.message).cel_expression = "this.a < 5"; int32 a = 1 [(buf.validate.field).cel_expression = "this < 7"];`, []string{``}, []string{`a: 6`, `a: 7`}},
		{`string v = 1 [(buf.validate.field).cel = {id: "f" expression: "this == 'x' ? '' : 'must be x'"}, (buf.validate.field).string.min_len = 1];`, []string{`v: "x"`}, []string{``, `v: "y"`}},
		{`string v_w = 1 [(buf.validate.field).required = true, (buf.validate.field).cel = {id: "f" expression: "this == 'x' ? '' : 'must be x'"}];`, []string{`v_w: "x"`}, []string{``, `v_w: "y"`}},
		{`repeated Leaf v_w = 1 [(buf.validate.field).repeated.items.cel = {id: "i" message: "m" expression: "this.n > 0"}];`, []string{`v_w: {s: "ab" n: 1}`}, []string{`v_w: {s: "a"}`, `v_w: {s: "ab" n: 1} v_w: {s: "ab"}`}},
		{`map<string, int32> v = 1 [(buf.validate.field).map = {keys: {cel: {id: "k" message: "m" expression: "this != 'a'"}} values: {cel: {id: "v" message: "m" expression: "this > 0"}}}];`, []string{`v: {key: "b" value: 1}`}, []string{`v: {key: "a"}`}},
		{`option (buf.validate.message) = {cel: {id: "message.oneof" message: "m" expression: "this.a != 3"} oneof: {fields: ["a", "b"]}}; int32 a = 1; int32 b = 2;`, []string{`a: 1`}, []string{`a: 3`, `a: 3 b: 1`}},
		{`google.protobuf.Timestamp v = 1 [(buf.validate.field).cel = {id: "t" message: "m" expression: "this > timestamp('2020-01-01T00:00:00Z')"}, (buf.validate.field).timestamp.lt_now = true];`, []string{`v: {seconds: 1700000000}`}, []string{`v: {}`}},
		{`message Rec { option (buf.validate.message).cel = {id: "r" message: "m" expression: "this.n >= 0"}; int32 n = 1 [(buf.validate.field).int32.lt = 5]; Rec rec = 2 [json_name = "below"]; repeated Rec list = 3; map<string, Rec> map = 4; } Rec v = 1;`,
			[]string{`v: {rec: {n: 1}}`}, []string{`v: {n: -1 rec: {n: -2 list: {n: 7} list: {n: -3 map: {key: "a" value: {n: -1 rec: {n: 9}}}}}}`}},
	}
}

func TestStandardRules(t *testing.T) {
	rows := append(append(numberRows(), stringRows()...), otherRows()...)
	var source strings.Builder
	source.WriteString(prelude)
	for i, r := range rows {
		fmt.Fprintf(&source, "message M%d { %s }\n", i, r.fields)
	}
	file := compileProto(t, "rules.proto", map[string]string{"rules.proto": source.String()})
	o := newOracle(t, file, protovalidate.WithDisableNativeRules())
	for i, r := range rows {
		md := file.Messages().ByName(protoreflect.Name(fmt.Sprint("M", i)))
		check := func(text string, keeps bool) {
			m := dynamicpb.NewMessage(md)
			require.NoError(t, prototext.Unmarshal([]byte(text), m), "%s\n%s", r.fields, text)
			wire, err := proto.Marshal(m)
			require.NoError(t, err)
			want, ok := o.want(t, m)
			require.True(t, ok)
			got := o.got(t, md, wire)
			if fmt.Sprint(want) != fmt.Sprint(got) || keeps != (len(got) == 0) {
				t.Errorf("%s\n%s: it keeps the rules: %t\n got %q\nwant %q", r.fields, text, keeps, got, want)
			}
		}
		for _, text := range r.good {
			check(text, true)
		}
		for _, text := range r.bad {
			check(text, false)
		}
	}
}
