package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// environment is the environment of every test.
func environment(name string) (string, bool) {
	value, ok := map[string]string{
		"NAME":      "library",
		"PORT":      "9090",
		"KEEPALIVE": "1s",
		"SECRET":    "hunter2 and more",
		"MULTILINE": "first\nname: injected\n# second",
		"EMPTY":     "",
		"FLAG":      "true",
		"BYTES":     "8Mi",
	}[name]
	return value, ok
}

// TestReports compares the whole report about each broken file in
// testdata/reports with the golden file beside it.
func TestReports(t *testing.T) {
	inputs, err := filepath.Glob("testdata/reports/*")
	require.NoError(t, err)
	for _, in := range inputs {
		if strings.HasSuffix(in, ".golden") {
			continue
		}
		t.Run(filepath.Base(in), func(t *testing.T) {
			data, err := os.ReadFile(in)
			require.NoError(t, err)
			f, err := Parse(filepath.Base(in), data, environment)
			if err == nil {
				_, err = Link(f)
			}
			requireReport(t, in, err)
		})
	}
}

// requireReport compares the report about the file in with the golden file.
func requireReport(t *testing.T, in string, err error) {
	var report Report
	require.ErrorAs(t, err, &report)
	got, golden := report.Error()+"\n", in+".golden"
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
		t.Errorf("%s rewritten: read the diff", golden)
		return
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
	require.NotContains(t, got, "hunter2")
}

func TestReportIsSortedAndNilWhenEmpty(t *testing.T) {
	require.NoError(t, Report(nil).Err())
	require.NoError(t, Report{}.Err())
	err := Report{
		{File: "f", Line: 2, Column: 1, Message: "second"},
		{File: "f", Line: 1, Column: 9, Path: "a", Message: "first", Advice: "mend it"},
		{File: "f", Line: 2, Column: 1, Message: "second"},
		{File: "f", Message: "whole"},
	}.Err()
	require.EqualError(t, err, "f: whole\nf:1:9: a: first; mend it\nf:2:1: second")
	require.True(t, errors.As(err, new(Report)))
}

func TestProblemFindsThePlaceOfLaterPasses(t *testing.T) {
	f, err := Parse("d.yaml", []byte(`
upstreams:
- name: library
  grpc:
    target: "library:9090"
  descriptors:
    image:
      path: image.binpb
  # A comment in between.
- name: other
  grpc: { target: "other:1", tls: {} }
  descriptors: { reflection: { metadata: { x.y: "1" } } }
`), nil)
	require.NoError(t, err)
	for _, c := range []struct{ path, want string }{
		{"upstreams[0].descriptors.image.path", "d.yaml:8:13: upstreams[0].descriptors.image.path: no such file"},
		{"upstreams[0].descriptors.image", "d.yaml:7:5: upstreams[0].descriptors.image: no such file"},
		{"upstreams[0].descriptors.proto.roots[3]", "d.yaml:6:3: upstreams[0].descriptors.proto.roots[3]: no such file"},
		{"upstreams[0]", "d.yaml:3:3: upstreams[0]: no such file"},
		{"upstreams[1].grpc.tls.ca", "d.yaml:11:30: upstreams[1].grpc.tls.ca: no such file"},
		{`upstreams[1].descriptors.reflection.metadata["x.y"]`, `d.yaml:12:49: upstreams[1].descriptors.reflection.metadata["x.y"]: no such file`},
		{`upstreams[1].descriptors.reflection.metadata["q.[r"]`, `d.yaml:12:32: upstreams[1].descriptors.reflection.metadata["q.[r"]: no such file`},
		{"routes[7]", "d.yaml:1:1: routes[7]: no such file"},
		{"", "d.yaml:1:1: no such file"},
	} {
		require.Equal(t, c.want, f.Problem(c.path, "no such %s", "file").String())
	}
}

func TestParentPath(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"routes[0].hosts[12]", "routes[0].hosts"},
		{"routes[0].hosts", "routes[0]"},
		{"routes[0]", "routes"},
		{"routes", ""},
		{`m["a"]`, "m"},
		{`a.m["b].c[\"d"]`, "a.m"},
		{`a.m["x"].c`, `a.m["x"]`},
		{"", ""},
		{"]", ""},
		{`"]`, ""},
	} {
		require.Equal(t, c.want, parentPath(c.in), c.in)
	}
}
