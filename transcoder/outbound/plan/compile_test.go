package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/outbound/plan"
)

func TestProblemsOfRules(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct{ name, input, rule, want string }{
		{"no such field", "Get", `get: "/v1/{nam}"`, `GET /v1/{nam}: path variable "nam": o.v1.Get has no field "nam"`},
		{"JSON name", "Get", `get: "/v1/{pageSize}"`, `GET /v1/{pageSize}: path variable "pageSize": o.v1.Get has no field "pageSize"; write "page_size", its name in the .proto file`},
		{"no such field inside", "Get", `get: "/v1/{sub.x}"`, `GET /v1/{sub.x}: path variable "sub.x": o.v1.Sub has no field "x"`},
		{"no such body", "Get", `post: "/v1" body: "x"`, `POST /v1: body "x": o.v1.Get has no field "x"`},
		{"list", "Get", `get: "/v1/{tags}"`, `GET /v1/{tags}: path variable "tags": field "tags" of o.v1.Get is repeated; a path variable must be a scalar, an enum or a message whose JSON form is a scalar`},
		{"map", "Put", `post: "/v1/{labels}" body: "*"`, `POST /v1/{labels}: path variable "labels": field "labels" of o.v1.Put is a map; a path variable must be a scalar, an enum or a message whose JSON form is a scalar`},
		{"message", "Get", `get: "/v1/{sub}"`, `GET /v1/{sub}: path variable "sub": field "sub" of o.v1.Get is of type o.v1.Sub; a path variable must be a scalar, an enum or a message whose JSON form is a scalar`},
		{"inside a scalar", "Get", `get: "/v1/{name.x}"`, `GET /v1/{name.x}: path variable "name.x": field "name" of o.v1.Get is a scalar, and has no fields of its own`},
		{"inside a time", "Get", `get: "/v1/{at.seconds}"`, `GET /v1/{at.seconds}: path variable "at.seconds": field "at" of o.v1.Get is of type google.protobuf.Timestamp, and has no fields of its own`},
		{"inside a list", "Put", `post: "/v1/{books.name}" body: "*"`, `POST /v1/{books.name}: path variable "books.name": field "books" of o.v1.Put is a list of o.v1.Book, and has no fields of its own`},
		{"wildcard", "Get", `get: "/v1/*/x"`, `GET /v1/*/x: a wildcard stands for no field, so nothing says what a request has there; name the field, as in {name=*}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := plan.New(f.options(t, c.input, c.rule))
			require.EqualError(t, err, c.want)
		})
	}
	_, err := plan.New(f.options(t, "Get", `get: "/v1/{a}"`, `get: "/v1/{name}"`, `get: "/v1/{b}"`))
	require.EqualError(t, err, `GET /v1/{a}: path variable "a": o.v1.Get has no field "a"`+"\n"+
		`GET /v1/{b}: path variable "b": o.v1.Get has no field "b"`, "all of them are told")
	_, err = plan.New(plan.Options{FullMethod: fullMethod})
	require.EqualError(t, err, "the schema lacks the request message")
}

func TestMethodsAndTemplates(t *testing.T) {
	run(t, []buildCase{
		{name: "any method", input: "Get", rules: []string{`custom: {kind: "*" path: "/v1/x"}`}, want: "GET /v1/x"},
		{name: "any method with a body", input: "Get", rules: []string{`custom: {kind: "*" path: "/v1/x"} body: "*"`}, want: "POST /v1/x\napplication/json {}"},
		{name: "another method", input: "Get", rules: []string{`custom: {kind: "PURGE" path: "/v1/x"}`}, want: "PURGE /v1/x"},
		{name: "root", input: "Get", rules: []string{`get: "/"`}, want: "GET /"},
		{name: "literals", input: "Get", rules: []string{`get: "/v1/a%2Fb%20@c/{name}/d:v%3A"`}, message: `name: "n"`, want: "GET /v1/a%2Fb%20@c/n/d:v%3A"},
		{name: "two in a row", input: "Get", rules: []string{`get: "/{name}/{parent}:v"`}, message: `name: "n" parent: "p"`, want: "GET /n/p:v"},
	})
}
