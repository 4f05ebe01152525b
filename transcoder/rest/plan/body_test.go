package plan_test

import (
	"strings"
	"testing"

	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

const (
	star = "POST /v1/star/p"
	some = "PATCH /v1/body/p"
)

// whole is a row for the body of R8 that is accepted, refused one that is not.
func whole(name, body, want string) bindCase {
	return bindCase{name: name, line: star, body: body, want: `name: "p" ` + want}
}

func refused(name, body, field, err string) bindCase {
	return bindCase{name: name, line: star, body: body, field: field, err: err}
}

func TestBody(t *testing.T) {
	deep := func(n int) string { return strings.Repeat(`{"a":`, n) + `{}` + strings.Repeat(`}`, n) }
	runBind(t, plan.InBody, []bindCase{
		refused("C01", `{"name":"body","i32":3}`, "name", "name"),
		whole("C02", `{"name":"p","i32":3}`, `i32: 3`),
		{name: "C03", line: "POST /v1/star/snake/p", body: `{"snakeName":"q"}`, field: "snakeName", err: "snakeName"},
		{name: "C03 proto name", line: "POST /v1/star/snake/p", body: `{"snake_name":"q"}`, field: "snake_name", err: "snake_name"},
		{name: "C03 equal", line: "POST /v1/star/snake/p", body: `{"snakeName":"p"}`, want: `snake_name: "p"`},
		{name: "C03 nested", line: "POST /v1/star/sub/p", body: `{"sub":{"name":"q"}}`, field: "sub.name", err: "sub.name"},
		{name: "C03 nested, equal", line: "POST /v1/star/sub/p", body: `{"sub":{"name":"p","size":1}}`, want: `sub {name: "p" size: 1}`},
		{name: "C03 oneof", line: "POST /v1/star/user/p", body: `{"email":"e"}`, field: "email", err: "email"},
		{name: "C03 oneof above", line: "POST /v1/star/chosen/p", body: `{"email":"e"}`, field: "email", err: "email"},
		{name: "C04", line: "POST /v1/star/i64/4294967297", body: `{"i64":"1"}`, field: "i64", err: "i64"},
		{name: "C04 equal", line: "POST /v1/star/i64/4294967297", body: `{"i64":4294967297}`, want: `i64: 4294967297`},
		whole("C05", ``, ``),
		refused("C06", " \n", "", "line 2"),
		refused("C07", `{"unknown":1}`, "unknown", "unknown"),
		refused("C08 comma", `{"i32":1,}`, "", "line 1"),
		refused("C08 single quotes", `{'i32':1}`, "", "line 1"),
		refused("C08 bare name", `{i32:1}`, "", "line 1"),
		refused("C09", `{"i32":1}{"i32":2}`, "", "line 1, column 10"),
		refused("C10 array", `[]`, "", "body"),
		refused("C10 null", `null`, "", "body"),
		refused("C10 string", `"x"`, "", "body"),
		whole("C11", `{"i32":null}`, ``),
		whole("C12", `{"val":null}`, `val {null_value: NULL_VALUE}`),
		refused("C13 list", `{"rs":[null]}`, "rs[0]", "rs[0]"),
		refused("C13 map", `{"m":{"k":null}}`, `m["k"]`, "m"),
		refused("C14", `{"color":"NOPE"}`, "color", "NOPE"),
		whole("C15", `{"color":99}`, `color: 99`),
		refused("C16", `{"i32":1,"i32":2}`, "i32", "i32"),
		refused("C17", `{"snakeName":"a","snake_name":"b"}`, "snake_name", "snake_name"),
		{name: "C18", line: some, body: `{"name":"s","size":3}`, want: `name: "p" sub {name: "s" size: 3}`},
		{name: "C19", line: some, body: ``, want: `name: "p"`},
		{name: "C19 present", line: some, body: `{}`, want: `name: "p" sub {}`},
		{name: "C20", line: "POST /v1/rep/p", body: `["a","b"]`, want: `name: "p" rs: ["a", "b"]`},
		{name: "C20 numbers", line: "POST /v1/bodies/ri", body: `[1,-2]`, want: `ri: [1, -2]`},
		{name: "C20 messages", line: "POST /v1/bodies/subs", body: `[{"name":"a"},{}]`, want: `subs {name: "a"} subs {}`},
		{name: "C21", line: "POST /v1/bodies/scalar/p", body: `"History"`, want: `name: "p" snake_name: "History"`},
		{name: "C21 map", line: "POST /v1/bodies/map/p", body: `{"k":"v"}`, want: `name: "p" m {key: "k" value: "v"}`},
		{name: "C21 oneof", line: "POST /v1/bodies/oneof/p", body: `"e"`, want: `name: "p" email: "e"`},
		{name: "C21 Timestamp", line: "POST /v1/bodies/ts", body: `"1970-01-01T00:00:01Z"`, want: `ts {seconds: 1}`},
		{name: "C21 Value", line: "POST /v1/bodies/val", body: `null`, want: `val {null_value: NULL_VALUE}`},
		{name: "C21 null", line: some, body: `null`, want: `name: "p"`},
		{name: "C21 wrong type", line: "POST /v1/bodies/scalar/p", body: `1`, field: "", err: "body"},
		{name: "path inside the body field", line: "PATCH /v1/bodies/sub/p", body: `{"size":3}`, want: `sub {name: "p" size: 3}`},
		{name: "path inside the body field, equal", line: "PATCH /v1/bodies/sub/p", body: `{"name":"p"}`, want: `sub {name: "p"}`},
		{name: "path inside the body field, clash", line: "PATCH /v1/bodies/sub/p", body: `{"name":"q"}`, field: "name", err: "name"},
		refused("C23", "{\"name\":\"\xff\"}", "name", "UTF-8"),
		refused("C23 surrogate", `{"name":"\ud800"}`, "name", "surrogate"),
		whole("C24 1.0", `{"i32":1.0}`, `i32: 1`),
		whole("C24 1e2", `{"i32":1e2}`, `i32: 100`),
		refused("C24 1.5", `{"i32":1.5}`, "i32", "i32"),
		refused("C25 large", `{"i32":99999999999}`, "i32", "i32"),
		refused("C25 negative", `{"u32":-1}`, "u32", "u32"),
		whole("C26 number", `{"i64":9007199254740993}`, `i64: 9007199254740993`),
		whole("C26 string", `{"i64":"9007199254740993"}`, `i64: 9007199254740993`),
		refused("C27 01", `{"i32":01}`, "", "line 1"),
		refused("C27 +1", `{"i32":+1}`, "", "line 1"),
		refused("C27 0x1", `{"i32":0x1}`, "", "line 1"),
		refused("C27 1.", `{"i32":1.}`, "", "line 1"),
		refused("C27 .5", `{"i32":.5}`, "", "line 1"),
		whole("C28 standard", `{"by":"/+8="}`, `by: "\xff\xef"`),
		whole("C28 standard, no padding", `{"by":"/+8"}`, `by: "\xff\xef"`),
		whole("C28 URL", `{"by":"_-8="}`, `by: "\xff\xef"`),
		whole("C28 URL, no padding", `{"by":"_-8"}`, `by: "\xff\xef"`),
		whole("C29 Timestamp", `{"ts":"9999-12-31T23:59:59.999999999Z"}`, `ts {seconds: 253402300799 nanos: 999999999}`),
		refused("C29 Timestamp over", `{"ts":"0000-12-31T23:59:59Z"}`, "ts", "ts"),
		whole("C29 Duration", `{"dur":"-315576000000s"}`, `dur {seconds: -315576000000}`),
		refused("C29 Duration over", `{"dur":"315576000001s"}`, "dur", "dur"),
		whole("C30", `{"any":{"@type":"type.googleapis.com/t.v1.Sub","size":3}}`, `any {type_url: "type.googleapis.com/t.v1.Sub" value: "\020\003"}`),
		refused("C31", `{"any":{"@type":"type.googleapis.com/t.v1.Nope"}}`, "any.@type", "t.v1.Nope"),
		{name: "C32", line: "POST /v1/old", body: `{"id":"x","[t.v1.note]":"n"}`, want: `id: "x" [t.v1.note]: "n"`},
		whole("C33", `{"node":`+deep(90)+`}`, `node `+strings.Repeat(`{a `, 90)+`{}`+strings.Repeat(`}`, 90)),
		refused("C33 over", `{"node":`+deep(200)+`}`, "node"+strings.Repeat(".a", 99), "deeper"),
		refused("C34", strings.Repeat(`{"a":`, 2_000_000), "a", "a"),
		{name: "C35", line: "GET /v1/things/n", body: `not JSON`, want: `name: "n"`},
		whole("C48", `{"i32":0,"opt":"","oi32":0,"sv":"","sub":{},"rs":[],"m":{}}`, `opt: "" oi32: 0 sv {} sub {}`),
		whole("C48 none", `{}`, ``),
		refused("E13", `{"sub":{"tags":["a",1]}}`, "sub.tags[1]", "sub.tags[1]"),
		refused("E14", "{\n  \"i32\": x}", "", "line 2, column 10, byte 11"),
	})
}

func TestRequired(t *testing.T) {
	runBind(t, plan.InMessage, []bindCase{
		{name: "body", line: "POST /v1/old", body: `{"id":"x"}`, want: `id: "x"`},
		{name: "missing", line: "POST /v1/old", body: `{}`, field: "id", err: "id"},
		{name: "missing, no body", line: "POST /v1/old", field: "id", err: "id"},
		{name: "path", line: "GET /v1/old/x", want: `id: "x"`},
		{name: "query", line: "GET /v1/things/n?old.id=x", want: `name: "n" old {id: "x"}`},
		{name: "query, missing", line: "GET /v1/things/n?old.grp.out=1", field: "old.id", err: "old.id"},
		{name: "two queries", line: "GET /v1/old/x?inner.may=1&inner.must=2", want: `id: "x" inner {must: 2 may: 1}`},
		{name: "nested, missing", line: "GET /v1/old/x?inner.may=1", field: "inner.must", err: "inner.must"},
		{name: "body field", line: "POST /v1/old/x/inner", body: `{"must":1}`, want: `id: "x" inner {must: 1}`},
		{name: "body field, missing", line: "POST /v1/old/x/inner", body: `{"may":1}`, field: "inner.must", err: "inner.must"},
	})
}
