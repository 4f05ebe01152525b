package plan_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// r1 is the row for a query of R1 that is accepted, bad of one that is not.
func r1(name, query, want string) bindCase {
	return bindCase{name: name, line: "GET /v1/things/n?" + query, want: `name: "n" ` + want}
}

func bad(name, query, field, err string) bindCase {
	return bindCase{name: name, line: "GET /v1/things/n?" + query, field: field, err: err}
}

func TestQuery(t *testing.T) {
	deep := strings.Repeat("a.", 1000) + "leaf"
	runBind(t, plan.InQuery, []bindCase{
		bad("B01", "unknown=1", "unknown", `query parameter "unknown": t.v1.Req has no field "unknown"`),
		bad("B01 near", "snakename=1", "snakename", `did you mean "snakeName"?`),
		bad("B01 near, nested", "sub.naem=1", "sub.naem", `t.v1.Sub has no field "naem"; did you mean "sub.name"?`),
		bad("B01 long", strings.Repeat("x", 5000)+"=1", strings.Repeat("x", 200)+"…", `has no field`),
		bad("B02", "i32=", "i32", `query parameter "i32"`),
		bad("B03", "b", "b", `write b=value`),
		bad("B04 1", "b=1", "b", `query parameter "b"`),
		bad("B04 TRUE", "b=TRUE", "b", `query parameter "b"`),
		r1("B04 true", "b=true", `b: true`),
		bad("B05 bool", "b=null", "b", `query parameter "b"`),
		bad("B05 int", "i32=null", "i32", `query parameter "i32"`),
		bad("B06", "i32=1&i32=2", "i32", `set twice`),
		bad("B07 plus", "i32=%2B5", "i32", `query parameter "i32"`),
		bad("B07 space", "i32=%205", "i32", `query parameter "i32"`),
		bad("B07 raw plus", "i32=+5", "i32", `query parameter "i32"`),
		bad("B08 hexadecimal", "i32=0x10", "i32", `query parameter "i32"`),
		bad("B08 fraction", "i32=1.0", "i32", `query parameter "i32"`),
		bad("B08 large", "i32=99999999999", "i32", `query parameter "i32"`),
		bad("B08 negative", "u32=-1", "u32", `query parameter "u32"`),
		r1("B10 NaN", "d=NaN", `d: nan`),
		r1("B10 -Infinity", "d=-Infinity", `d: -inf`),
		bad("B11 nan", "d=nan", "d", `query parameter "d"`),
		bad("B11 inf", "d=inf", "d", `query parameter "d"`),
		bad("B12 float", "f=1e39", "f", `query parameter "f"`),
		bad("B12 double", "d=1e309", "d", `query parameter "d"`),
		r1("B13", "by=_-8", `by: "\xff\xef"`),
		r1("B14", "by=/%2B8=", `by: "\xff\xef"`),
		bad("B15", "by=!!", "by", `query parameter "by"`),
		bad("B15 wrapped", "sub.name=%7b&by=oops%7b", "by", `query parameter "by"`),
		r1("B16 name", "color=RED", `color: RED`),
		r1("B16 number", "color=1", `color: RED`),
		r1("B16 unknown number", "color=77", `color: 77`),
		bad("B17", "color=red", "color", `query parameter "color"`),
		r1("B19", "rs=a&rs=b", `rs: ["a", "b"]`),
		r1("B20", "rs=a,b", `rs: "a,b"`),
		bad("B21 brackets", "rs[]=a", "rs[]", `no field "rs[]"`),
		bad("B21 index", "rs[0]=a", "rs[0]", `no field "rs[0]"`),
		bad("B22", "ri=1,2", "ri", `query parameter "ri"`),
		r1("B22 repeated", "ri=1&ri=2", `ri: [1, 2]`),
		bad("B23", "m[k]=v", "m[k]", `no field "m[k]"`),
		bad("B23 whole", "m=v", "m", `a map`),
		bad("B23 through", "m.k=v", "m.k", `a map`),
		r1("B24", "sub.name=x&sub.size=3", `sub {name: "x" size: 3}`),
		r1("B24 repeated", "sub.tags=a&i32=1&sub.tags=b", `i32: 1 sub {tags: ["a", "b"]}`),
		r1("B25 JSON", "sub.camelCase=x", `sub {camel_case: "x"}`),
		r1("B25 proto", "sub.camel_case=x", `sub {camel_case: "x"}`),
		bad("B26", "snake_name=a&snakeName=b", "snakeName", `set twice`),
		bad("B26 nested", "sub.camelCase=a&sub.camel_case=b", "sub.camel_case", `set twice`),
		r1("B27 JSON", "weird-name=w", `odd: "w"`),
		r1("B27 proto", "odd=w", `odd: "w"`),
		r1("B28", "search%5Bencoded%5D=x", `search_encoded: "x"`),
		r1("B28 plain", "search[encoded]=x", `search_encoded: "x"`),
		bad("B28 once", "search%255Bencoded%255D=x", "search%5Bencoded%5D", `no field`),
		bad("B29", "sub="+q(`{"name":"x"}`), "sub", `t.v1.Sub`),
		bad("B30", "sub.name.foo=x", "sub.name.foo", `not a message`),
		bad("B31", "subs.name=x", "subs.name", `repeated`),
		bad("B31 whole", "subs=x", "subs", `t.v1.Sub`),
		bad("B32 front", ".a=1", ".a", `no field ""`),
		bad("B32 middle", "sub..name=1", "sub..name", `no field ""`),
		bad("B32 end", "sub.=1", "sub.", `no field ""`),
		bad("B32 nothing", "=1", "", `no field ""`),
		r1("B33", "ts=2020-01-02T03:04:05%2B01:00", `ts {seconds: 1577930645}`),
		bad("B34", "ts=0000-01-01T00:00:00Z", "ts", `query parameter "ts"`),
		r1("B35 seconds", "dur=1.5s", `dur {seconds: 1 nanos: 500000000}`),
		bad("B35 Go", "dur=1h30m", "dur", `query parameter "dur"`),
		bad("B35 number", "dur=90", "dur", `query parameter "dur"`),
		r1("B36", "mask=fooBar,baz.quxQuux", `mask {paths: ["foo_bar", "baz.qux_quux"]}`),
		r1("B37", "mask=foo_bar", `mask {paths: "foo_bar"}`),
		bad("B38", "mask="+q(`"foo,bar"`), "mask", `query parameter "mask"`),
		r1("B39 text", "sv=x", `sv {value: "x"}`),
		r1("B39 quotes", "sv="+q(`"x"`), `sv {value: "\"x\""}`),
		r1("B39 empty", "sv=", `sv {}`),
		r1("B40", "iv=9007199254740993", `iv {value: 9007199254740993}`),
		r1("B40 bool", "bv=false", `bv {}`),
		bad("B41 Value", "val=1", "val", `google.protobuf.Value`),
		bad("B41 Struct", "st="+q(`{"a":1}`), "st", `google.protobuf.Struct`),
		bad("B41 within", "val.string_value=1", "val.string_value", `google.protobuf.Value`),
		bad("B41 within a Timestamp", "ts.seconds=1", "ts.seconds", `google.protobuf.Timestamp`),
		bad("B42", "user_id=a&email=b", "email", `"userId" is set by another parameter`),
		bad("B42 message", "chosen.name=a&email=b", "email", `"chosen" is set by another parameter`),
		bad("B42 message after", "email=b&chosen.name=a", "chosen.name", `"email" is set by another parameter`),
		bad("B42 nested", "sub.paper=a&sub.screen=b", "sub.screen", `"paper" is set by another parameter`),
		r1("B42 one member twice", "chosen.name=a&chosen.size=1", `chosen {name: "a" size: 1}`),
		{name: "B43", line: "GET /v1/users/alice?email=e", field: "email", err: `"userId" is set by the path`},
		r1("B44", "opt=", `opt: ""`),
		r1("B45", "sub.name=a%26b%3Dc", `sub {name: "a&b=c"}`),
		r1("B45 further equals signs", "sub.name=a=b=", `sub {name: "a=b="}`),
		r1("B46 plus", "snake_name=a+b", `snake_name: "a b"`),
		r1("B46 escape", "snake_name=%2B", `snake_name: "+"`),
		bad("B47", "snake_name=%zz", "snake_name", `hexadecimal`),
		bad("B47 cut short", "snake_name=%2", "snake_name", `hexadecimal`),
		bad("B47 name", "snake%_name=1", "snake%_name", `hexadecimal`),
		bad("B48", "snake_name=%FF", "snake_name", `UTF-8`),
		bad("B48 name", "%FF=1", "\uFFFD", `UTF-8`),
		bad("B49", "snake_name=a;i32=3", "snake_name", `semicolon`),
		bad("B49 name", "snake;name=a", "snake;name", `semicolon`),
		bad("B50", "name=q", "name", `taken from the path`),
		{name: "B51", line: "GET /v1/nested/x?sub.name=y", field: "sub.name", err: `taken from the path`},
		{name: "B51 beside", line: "GET /v1/nested/x?sub.size=2", want: `sub {name: "x" size: 2}`},
		{name: "B52", line: "POST /v1/star/p?i32=7", body: "{}", field: "i32", err: `from the body`},
		{name: "B52 unknown", line: "POST /v1/star/p?foo=7", field: "foo", err: `from the body`},
		{name: "B52 ignored", line: "POST /v1/star/p?key=7", want: `name: "p"`},
		{name: "B53", line: "PATCH /v1/body/n?sub.size=9", body: "{}", field: "sub.size", err: `taken from the body`},
		{name: "B54", line: "PATCH /v1/body/n?i32=9", body: `{"size":1}`, want: `name: "n" i32: 9 sub {size: 1}`},
		{name: "B55", line: "POST /v1/rep/n?rs=c", body: `["a","b"]`, field: "rs", err: `taken from the body`},
		{name: "B55 oneof", line: "POST /v1/bodies/oneof/n?user_id=c", body: `"a"`, field: "user_id", err: `"email" is set by the body`},
		r1("B57", "key=SECRET&i32=1", `i32: 1`),
		r1("B57 whatever it is", "%24alt=%zz&key&key=%FF", ``),
		bad("B57 another", "keys=SECRET", "keys", `no field "keys"`),
		bad("B58", "node."+deep+"=1", "", `more than 100 messages deep`),
		r1("B58 within", "node.a.a.leaf=1", `node {a {a {leaf: "1"}}}`),
		bad("B59 Any", "any=1", "any", `google.protobuf.Any`),
		bad("B59 in an Any", "any.type_url=1", "any.type_url", `google.protobuf.Any`),
		bad("B59 ListValue", "lv=1", "lv", `google.protobuf.ListValue`),
		bad("B60", strings.Repeat("rs=a&", 10_000), "", `more than 1000 parameters`),
		r1("B60 within", strings.Repeat("rs=a&", 1000), strings.Repeat(`rs: "a" `, 1000)),
		bad("B60 ignored ones count", strings.Repeat("key=a&", 1001), "", `more than 1000 parameters`),
		r1("empty pairs", "&&i32=1&", `i32: 1`),
		{name: "group", line: "GET /v1/things/n?old.grp.out=3&old.id=1", want: `name: "n" old {id: "1" Grp {out: 3}}`},
	})
}

func TestQueryIntegers(t *testing.T) {
	var cases []bindCase
	for _, row := range []struct{ field, least, below, most, above string }{
		{"i32", "-2147483648", "-2147483649", "2147483647", "2147483648"},
		{"s32", "-2147483648", "-2147483649", "2147483647", "2147483648"},
		{"sf32", "-2147483648", "-2147483649", "2147483647", "2147483648"},
		{"u32", "0", "-1", "4294967295", "4294967296"},
		{"f32", "0", "-1", "4294967295", "4294967296"},
		{"i64", "-9223372036854775808", "-9223372036854775809", "9223372036854775807", "9223372036854775808"},
		{"s64", "-9223372036854775808", "-9223372036854775809", "9223372036854775807", "9223372036854775808"},
		{"sf64", "-9223372036854775808", "-9223372036854775809", "9223372036854775807", "9223372036854775808"},
		{"u64", "0", "-1", "18446744073709551615", "18446744073709551616"},
		{"f64", "0", "-1", "18446744073709551615", "18446744073709551616"},
	} {
		cases = append(cases,
			r1("B09 "+row.field+" least", row.field+"="+row.least, row.field+": "+row.least),
			r1("B09 "+row.field+" most", row.field+"="+row.most, row.field+": "+row.most),
			bad("B09 "+row.field+" below", row.field+"="+row.below, row.field, row.below),
			bad("B09 "+row.field+" above", row.field+"="+row.above, row.field, row.above))
	}
	runBind(t, plan.InQuery, cases)
}

// A closed enum takes the numbers that it does not know all the same, as
// protobuf's own JSON does.
func TestQueryClosedEnum(t *testing.T) {
	runBind(t, plan.InQuery, []bindCase{
		{name: "B18 known", line: "GET /v1/old/x?shape=SQUARE", want: `id: "x" shape: SQUARE`},
		{name: "B18 name", line: "GET /v1/old/x?shape=OVAL", field: "shape", err: `query parameter "shape"`},
	})
	f := newFixture(t)
	t.Run("B18", func(t *testing.T) {
		rule, r := f.find(t, "GET /v1/old/x?shape=9", "")
		got, err := rule.plan.Bind(nil, r, new(plan.Scratch))
		require.NoError(t, err)
		require.Equal(t, "\x10\x09"+"\x0a\x01x", string(got))
	})
}

// What a request is bound to must not depend on anything but the request.
func TestSameRequestSameMessage(t *testing.T) {
	f := newFixture(t)
	var query []string
	for i := range 40 {
		query = append(query, fmt.Sprintf("rs=%d", i))
	}
	rule, r := f.find(t, "GET /v1/things/n?sub.tags=x&"+strings.Join(query, "&")+"&i32=1&sub.tags=y&b=true", "")
	s := new(plan.Scratch)
	first, err := rule.plan.Bind(nil, r, s)
	require.NoError(t, err)
	for range 200 {
		again, err := rule.plan.Bind(nil, r, s)
		require.NoError(t, err)
		require.Equal(t, first, again)
	}
}

// A JSON name may have a dot in it.
func TestDottedJSONName(t *testing.T) {
	f := inline(t, `syntax = "proto3"; package d;
		message M { string plain = 1 [json_name = "a.b"]; M a = 2; string b = 3; }`)
	p, err := f.plan(t, "d.M", "d.M", &httprule.Binding{Method: "GET", Template: template(t, "/x")})
	require.NoError(t, err)
	wire, err := p.Bind(nil, &plan.Request{Path: "/x", RawQuery: "a.b=1&a.a.b=2&b=3"}, new(plan.Scratch))
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(f.message(t, "d.M", `plain: "1" a {plain: "2"} b: "3"`), f.parse(t, "d.M", wire), protocmp.Transform()))
}
