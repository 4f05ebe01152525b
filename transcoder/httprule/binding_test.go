package httprule

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/prototext"
)

func rule(t *testing.T, text string) *annotations.HttpRule {
	t.Helper()
	r := new(annotations.HttpRule)
	require.NoError(t, prototext.Unmarshal([]byte(text), r))
	return r
}

func TestBindings(t *testing.T) {
	parse := func(s string) *Template {
		tm, err := Parse(s)
		require.NoError(t, err)
		return tm
	}
	tests := []struct {
		name, in string
		want     []Binding
	}{
		{"get", `get: "/a/{b}"`, []Binding{{Method: "GET", Template: parse("/a/{b}")}}},
		{"put", `put: "/a" body: "*"`, []Binding{{Method: "PUT", Template: parse("/a"), Body: "*"}}},
		{"post", `post: "/a:b" body: "sub" response_body: "items"`,
			[]Binding{{Method: "POST", Template: parse("/a:b"), Body: "sub", ResponseBody: "items"}}},
		{"delete", `delete: "/a"`, []Binding{{Method: "DELETE", Template: parse("/a")}}},
		{"patch", `patch: "/a" response_body: "*"`, []Binding{{Method: "PATCH", Template: parse("/a")}}},
		{"A38", `custom: {kind: "*" path: "/v1/any/{name}"}`, []Binding{{Method: "*", Template: parse("/v1/any/{name}")}}},
		{"A40", `custom: {kind: "HEAD" path: "/v1/head/{name}"}`, []Binding{{Method: "HEAD", Template: parse("/v1/head/{name}")}}},
		{"A43", `selector: "x" get: "/first/{a}" additional_bindings {get: "/second/{a}"} additional_bindings {post: "/third" body: "*"}`,
			[]Binding{
				{Method: "GET", Template: parse("/first/{a}")},
				{Method: "GET", Template: parse("/second/{a}"), Index: 1},
				{Method: "POST", Template: parse("/third"), Body: "*", Index: 2},
			}},
		{"A50", `get: "/"`, []Binding{{Method: "GET", Template: parse("/")}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Bindings(rule(t, test.in))
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(test.want, got))
		})
	}
}

func TestBindingsErrors(t *testing.T) {
	tests := []struct {
		name, in, want string
		right          int // bindings that come all the same
	}{
		{"nothing", ``, `no pattern: want one of get, put, post, delete, patch and custom`, 0},
		{"A49", `get: ""`, `template "", offset 0: want "/", found the end`, 0},
		{"A56", `post: "/a" body: "a.b"`, `body: "a.b": want a field of the message itself, not of a message inside it`, 0},
		{"A56", `get: "/a" response_body: "a.b"`, `response_body: "a.b": want a field of the message itself, not of a message inside it`, 0},
		{"body", `post: "/a" body: "**"`, `body: "**": want "*" or the name of a field`, 0},
		{"A57", `get: "/a" additional_bindings {get: "/b" additional_bindings {get: "/c"}}`,
			`additional_bindings[0]: additional_bindings: want none inside of others; list them all in the rule itself`, 2},
		{"kind", `custom: {kind: "" path: "/a"}`, `custom: kind "": want an HTTP method, or "*" for any`, 0},
		{"kind", `custom: {kind: "GET /" path: "/a"}`, `custom: kind "GET /": want an HTTP method, or "*" for any`, 0},
		{"all of them", `get: "/a/" body: "1" additional_bindings {get: "/b"} additional_bindings {}`,
			"template \"/a/\", offset 3: want a literal, \"*\", \"**\" or a variable, found the end\n" +
				"body: \"1\": want \"*\" or the name of a field\n" +
				"additional_bindings[1]: no pattern: want one of get, put, post, delete, patch and custom", 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Bindings(rule(t, test.in))
			require.EqualError(t, err, test.want)
			require.Len(t, got, test.right)
		})
	}
	t.Run("template", func(t *testing.T) {
		_, err := Bindings(rule(t, `get: "/a" additional_bindings {get: "b"}`))
		var pe *ParseError
		require.True(t, errors.As(err, &pe))
		require.Equal(t, "b", pe.Template)
	})
}
