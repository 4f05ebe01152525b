package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const transformFile = `
jq: {env: [POD_NAME], time: 20ms}
programs:
- name: mark
  parameters: [{name: header, default: x-mark}, {name: value}, {name: list, default: [1, a, {b: ["${POD_NAME}", null]}]}]
  request: .headers[$header] = $value
  response_file: mark.jq
listeners:
- name: public
  address: ":8080"
  transform:
  - {use: mark, with: {value: [a, 2, null, "${POD_NAME:-none}"]}, pre_route: true}
upstreams:
- name: library
  grpc: {target: "localhost:9090"}
  transform:
  - when: .path == "/"
    error: .status = 418
routes:
- name: books
  transcode: {upstream: library}
  transform:
  - request: |

      .headers.a = "b"
      | .body = nosuch
    on_body_error: SKIP
    body_as: TEXT
`

func TestTransforms(t *testing.T) {
	getenv := func(name string) (string, bool) { return "pod-1", name == "POD_NAME" }
	f, err := Parse("a.yaml", []byte(transformFile), getenv)
	require.NoError(t, err)
	plan, err := Link(f)
	require.NoError(t, err)

	require.Equal(t, map[string]string{"POD_NAME": "pod-1"}, plan.JQ.Env)
	require.Equal(t, "20ms", plan.JQ.Time.String())
	require.Equal(t, 64<<20, plan.JQ.Memory)

	used := plan.Listeners[0].Transform[0]
	require.Equal(t, &Transform{
		Path: "listeners[0].transform[0]", Use: "mark", PreRoute: true, BodyAs: "AUTO",
		Request:  &ProgramText{Path: "programs[0].request", Text: ".headers[$header] = $value"},
		Response: &ProgramText{Path: "programs[0].response_file", File: "mark.jq"},
		Params:   map[string]any{"header": "x-mark", "value": []any{"a", 2.0, nil, "pod-1"}, "list": []any{1.0, "a", map[string]any{"b": []any{"pod-1", nil}}}},
	}, used)
	own := plan.Upstreams[0].Transform[0]
	require.Equal(t, `.path == "/"`, own.When.Text)
	require.Equal(t, ".status = 418", own.Error.Text)
	require.Nil(t, own.Request)
	rt := plan.Routes[0].Transform[0]
	require.True(t, rt.SkipBodyErrors)
	require.Equal(t, "TEXT", rt.BodyAs)
	require.Equal(t, "\n.headers.a = \"b\"\n| .body = nosuch\n", rt.Request.Text)
}

// A problem within a program stands where the file shows it.
func TestProblemInside(t *testing.T) {
	f, err := Parse("a.yaml", []byte(transformFile), func(string) (string, bool) { return "x", true })
	require.NoError(t, err)
	lines := strings.Split(transformFile, "\n")
	for _, row := range []struct {
		path         string
		line, column int
		text         string // at the place of the problem; empty if the text has none
	}{
		{"routes[0].transform[0].request", 3, 11, "nosuch"},
		{"routes[0].transform[0].request", 2, 1, ".headers.a"},
		{"programs[0].request", 1, 10, "$header"},
		{"upstreams[0].transform[0].when", 1, 7, "=="},
		{"upstreams[0].transform[0].when", 2, 1, ""},
	} {
		p := f.ProblemInside(row.path, row.line, row.column, "wrong")
		if row.text == "" {
			require.Equal(t, "line 2, column 1: wrong", p.Message)
			continue
		}
		require.Equal(t, "wrong", p.Message)
		require.True(t, strings.HasPrefix(lines[p.Line-1][p.Column-1:], row.text), "%s at %d:%d", row.path, p.Line, p.Column)
	}
	for text, want := range map[string]string{
		`"a \"b\" c"`:     "a.yaml:2:19: programs[0].request: line 1, column 4: wrong",
		`'it''s c'`:       "a.yaml:2:19: programs[0].request: line 1, column 4: wrong",
		`"a b"`:           "a.yaml:2:23: programs[0].request: wrong",
		">\n    a\n    b": "a.yaml:2:19: programs[0].request: line 1, column 4: wrong",
		"a b\n    c":      "a.yaml:2:19: programs[0].request: line 1, column 4: wrong",
		"é b":             "a.yaml:2:22: programs[0].request: wrong",
	} {
		f, err := Parse("a.yaml", []byte("programs:\n- name: a\n  request: "+text), nil)
		require.NoError(t, err, text)
		p := f.ProblemInside("programs[0].request", 1, 4, "wrong")
		require.Equal(t, strings.Replace(want, ":2:19:", ":3:12:", 1), strings.Replace(strings.Replace(p.String(), ":3:16:", ":2:23:", 1), ":3:15:", ":2:22:", 1), text)
	}
}

func TestUnsetEnvironment(t *testing.T) {
	f, err := Parse("a.yaml", []byte("jq: {env: [HOME_OF_NOBODY]}"), nil)
	require.NoError(t, err)
	_, err = Link(f)
	require.EqualError(t, err, "a.yaml:1:12: jq.env[0]: the environment has no variable HOME_OF_NOBODY; set it, if to nothing, or leave it out")
}

func TestTransformProblems(t *testing.T) {
	const base = `
programs:
- {name: mark, parameters: [{name: header, default: x}, {name: value}], request: ".", error: "."}
listeners: [{name: l, address: ":1"}]
upstreams: [{name: u, grpc: {target: "a:1"}}]
routes: [{name: r, transcode: {upstream: u}, transform: [ENTRY]}]
`
	for entry, want := range map[string]string{
		`{use: marks}`:                              `a.yaml:6:64: routes[0].transform[0].use: there is no program "marks"; did you mean "mark"?`,
		`{use: mark}`:                               `a.yaml:6:64: routes[0].transform[0].use: program "mark" wants a value for "value": give it in with`,
		`{use: mark, with: {value: 1, valu: 2}}`:    `a.yaml:6:93: routes[0].transform[0].with["valu"]: program "mark" has no parameter "valu"; did you mean "value"?`,
		`{request: ., with: {a: 1}}`:                `a.yaml:6:71: routes[0].transform[0].with: there is no program with parameters; name the program that they are for: use: NAME`,
		`{request: ., pre_route: true}`:             `a.yaml:6:82: routes[0].transform[0].pre_route: only a listener has requests before their route is chosen; write the entry into the transform of a listener`,
		`{use: mark, request: ., with: {value: 1}}`: `routes[0].transform[0]: has either use or programs of its own`,
		`{when: "true"}`:                            `routes[0].transform[0]: has no program: give request, response, error or use`,
		`{request: ., request_file: a.jq}`:          `routes[0].transform[0]: has either request or request_file`,
		`{request: ., on_body_error: skip}`:         `on_body_error`,
	} {
		f, err := Parse("a.yaml", []byte(strings.Replace(base, "ENTRY", entry, 1)), nil)
		if err == nil {
			_, err = Link(f)
		}
		require.ErrorContains(t, err, want, entry)
	}
}
