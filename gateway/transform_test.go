package gateway_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/gateway"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// TestBodyFieldWarningsOfEmpty: a method that takes nothing or a file hides no
// mistake, while one that takes any JSON does.
func TestBodyFieldWarningsOfEmpty(t *testing.T) {
	for input, told := range map[string]int{"google.protobuf.Empty": 1, "google.protobuf.Struct": 0, "google.api.HttpBody": 1} {
		g := newGateway(t, `
listeners: [{name: main, address: ":1"}]
upstreams: [{name: a, grpc: {target: "127.0.0.1:1"}, descriptors: {proto: {roots: [protos]}}}]
routes: [{name: r, transcode: {upstream: a}, transform: [{request: '.headers["x-a"] = .body.nothing'}]}]
`, map[string]string{"protos/a.proto": `syntax = "proto3";
package a.v1;
import "google/protobuf/empty.proto";
import "google/protobuf/struct.proto";
import "google/api/httpbody.proto";
message Thing { string name = 1; }
service Things {
  rpc Get(Thing) returns (Thing);
  rpc List(` + input + `) returns (google.protobuf.Empty);
}
`}, io.Discard)
		require.NoError(t, g.Resolve(t.Context()))
		require.Len(t, g.Warnings(), told, input)
	}
}

// TestBodyFieldWarnings: what a program reads of bodies is held against what the
// methods of the route take.
func TestBodyFieldWarnings(t *testing.T) {
	g, err := compiled(t, `
listeners:
- name: main
  address: ":1"
  transform: [{request: '.headers["x-a"] = .body.anything'}]
routes:
- name: r
  transcode: {upstream: a}
  transform:
  - request: |
      .headers["x-a"] = .body.nam
      | .headers["x-b"] = .body.tags[0]
      | .headers["x-c"] = .body.name
  - {request: '.headers["x-a"] = .body.whatever', body_as: TEXT}
  - request: .headers["x-a"] = (.body | tojson)
  - {request: '.headers["x-a"] = .headers["X-B"]', when: .path == "/"}
`)
	require.NoError(t, err)
	var told []string
	for _, w := range g.Warnings() {
		told = append(told, w.Path+": "+w.Message)
	}
	require.Equal(t, []string{
		`routes[0].transform[3].request: headers.X-B is always null: names of headers are in lower case, x-b`,
		`routes[0].transform[0].request: reads body.nam, and no request of route "r" has such a field`,
	}, told)
	programs := g.Programs()
	require.Equal(t, gateway.Program{Name: `route "r", transform[3].when`, Needs: "reads path; changes nothing"}, programs[len(programs)-2])
}

// TestProgramProblems: each mistake in a program is told once, at the line where it
// stands, in the configuration or in a file of its own.
func TestProgramProblems(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"dragoman.yaml": `
programs:
- name: unused
  request: .a | nosuch
- name: mark
  parameters: [{name: header}]
  request: .headers[$header] = $heder
listeners:
- name: main
  address: ":1"
  transform:
  - request_file: broken.jq
  - response_file: missing.jq
  - response: '{bodi: 1}'
  - {use: mark, with: {header: a}}
  - {use: mark, with: {header: b}}
`, "broken.jq": ".a |\n  .b )\n"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	f, err := config.Load(filepath.Join(dir, "dragoman.yaml"), os.LookupEnv)
	require.NoError(t, err)
	plan, err := config.Link(f)
	require.NoError(t, err)
	_, _, err = gateway.Check(plan, gateway.Options{})
	var report config.Report
	require.ErrorAs(t, err, &report)
	var told []string
	for _, p := range report {
		told = append(told, strings.ReplaceAll(p.String(), dir+"/", ""))
	}
	require.Equal(t, []string{
		`broken.jq:2:6: unexpected token ")"`,
		`dragoman.yaml:4:17: programs[0].request: there is no function "nosuch"`,
		`dragoman.yaml:7:32: programs[1].request: there is no variable $heder; did you mean $header?`,
		`dragoman.yaml:13:20: listeners[0].transform[1].response_file: open missing.jq: no such file or directory`,
		`dragoman.yaml:14:15: listeners[0].transform[2].response: "bodi" is no key of a view: the keys are body, client, headers, host, log, method, path, query, route, scheme, status, vars`,
	}, told)
	_, err = gateway.New(plan, gateway.Options{Upstreams: new(upstream.Kinds)})
	require.Error(t, err)
}
