package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

func TestCompileErrors(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct{ name, path, body, response, want string }{
		{"A53 repeated", "/{rs}", "", "", `path variable "rs": field "rs" of t.v1.Req is repeated`},
		{"A53 map", "/{m}", "", "", `path variable "m": field "m" of t.v1.Req is a map`},
		{"A53 message", "/{sub}", "", "", `path variable "sub": field "sub" of t.v1.Req is of type t.v1.Sub`},
		{"A53 Value", "/{val}", "", "", `field "val" of t.v1.Req is of type google.protobuf.Value`},
		{"A53 within a Timestamp", "/{ts.seconds}", "", "", `field "ts" of t.v1.Req is of type google.protobuf.Timestamp`},
		{"A53 within a repeated field", "/{subs.name}", "", "", `field "subs" of t.v1.Req is repeated`},
		{"A53 within a scalar", "/{name.x}", "", "", `field "name" of t.v1.Req is not a message`},
		{"A54", "/{naem}", "", "", `path variable "naem": t.v1.Req has no field "naem"; did you mean "name"?`},
		{"A54 nested", "/{sub.b}", "", "", `path variable "sub.b": t.v1.Sub has no field "b"`},
		{"A54 JSON name", "/{snakeName}", "", "", `t.v1.Req has no field "snakeName"; write "snake_name", its name in the .proto file`},
		{"A55", "/x", "nope", "", `body "nope": t.v1.Req has no field "nope"`},
		{"A55 response", "/x", "", "nope", `response_body "nope": t.v1.Resp has no field "nope"`},
		{"A56", "/x", "sub.name", "", `body "sub.name": t.v1.Req has no field "sub.name"`},
		{"bound by the path", "/{name}", "name", "", `body "name": field "name" of t.v1.Req is bound by the path already`},
		{"oneof of path and body", "/{user_id}", "email", "", `body "email": field "email" of t.v1.Req and "user_id", which the path binds, are members of one oneof`},
		{"oneof in the path", "/{user_id}/{chosen.name}", "", "", `path variable "chosen.name": field "chosen" of t.v1.Req and "user_id" are members of one oneof`},
		{"nested oneof in the path", "/{sub.paper}/{sub.screen}", "", "", `path variable "sub.screen": field "screen" of t.v1.Sub and "paper" are members of one oneof`},
		{"all of them", "/{rs}/{nope}", "noper", "nopest", "path variable \"rs\""},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := f.plan(t, "t.v1.Req", "t.v1.Resp", &httprule.Binding{
				Method: "POST", Template: template(t, c.path), Body: c.body, ResponseBody: c.response,
			})
			require.ErrorContains(t, err, c.want)
			if c.name == "all of them" {
				require.ErrorContains(t, err, `path variable "nope"`)
				require.ErrorContains(t, err, `body "noper"`)
				require.ErrorContains(t, err, `response_body "nopest"`)
			}
		})
	}
}

func TestCompileUnknownMessage(t *testing.T) {
	mixed := &fixture{codec: newFixture(t).codec, files: inline(t, `syntax = "proto3"; message Stranger {}`).files}
	_, err := mixed.plan(t, "Stranger", "Stranger", &httprule.Binding{Method: "GET", Template: template(t, "/x")})
	require.ErrorContains(t, err, "no message Stranger")
}

func TestTakesBody(t *testing.T) {
	f := newFixture(t)
	for line, want := range map[string]bool{
		"GET /v1/things/a": false, "POST /v1/star/a": true, "PATCH /v1/body/a": true, "DELETE /v1/any/a": false,
	} {
		rule, _ := f.find(t, line, "")
		require.Equal(t, want, rule.plan.TakesBody(), line)
	}
}
