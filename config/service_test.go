package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// TestServiceReports compares the whole report about each broken file in
// testdata/services with the golden file beside it.
func TestServiceReports(t *testing.T) {
	inputs, err := filepath.Glob("testdata/services/*")
	require.NoError(t, err)
	for _, in := range inputs {
		if strings.HasSuffix(in, ".golden") {
			continue
		}
		t.Run(filepath.Base(in), func(t *testing.T) {
			data, err := os.ReadFile(in)
			require.NoError(t, err)
			_, err = parseService(filepath.Base(in), data)
			requireReport(t, in, err)
		})
	}
}

func TestLoadService(t *testing.T) {
	path := filepath.Join(t.TempDir(), "service.yaml")
	require.NoError(t, os.WriteFile(path, []byte(`
type: google.api.Service
title: "${UNSET} is not expanded"
apis: [{name: library.v1.Library}]
http:
  fullyDecodeReservedExpansion: true
  rules:
  - selector: library.v1.Library.CreateBook
    post: /v1/{parent=shelves/*}/books
    body: book
    additional_bindings:
    - custom: { kind: "*", path: "/v1/$x" }
  - selector: "library.v1.*"
    get: /v1/all
    responseBody: books
`), 0o600))
	s, err := LoadService(path)
	require.NoError(t, err)
	require.True(t, s.FullyDecode)
	want := []Rule{
		{Path: "http.rules[0]", Rule: &annotations.HttpRule{
			Selector: "library.v1.Library.CreateBook", Body: "book",
			Pattern: &annotations.HttpRule_Post{Post: "/v1/{parent=shelves/*}/books"},
			AdditionalBindings: []*annotations.HttpRule{
				{Pattern: &annotations.HttpRule_Custom{Custom: &annotations.CustomHttpPattern{Kind: "*", Path: "/v1/$x"}}},
			},
		}},
		{Path: "http.rules[1]", Rule: &annotations.HttpRule{
			Selector: "library.v1.*", ResponseBody: "books", Pattern: &annotations.HttpRule_Get{Get: "/v1/all"},
		}},
	}
	require.Empty(t, cmp.Diff(want, s.Rules, protocmp.Transform()))
	require.Equal(t, path+":13:5: http.rules[1]: nobody has it", s.Problem("http.rules[1]", "nobody has it").String())

	_, err = LoadService(path + ".missing")
	require.ErrorIs(t, err, os.ErrNotExist)
	require.False(t, errors.As(err, new(Report)))
}

func TestServiceConfigIsBounded(t *testing.T) {
	_, err := parseService("s.yaml", append([]byte("http: {}\n#"), make([]byte, MaxBytes)...))
	require.ErrorContains(t, err, "the file is larger than 8 MiB")
}

// FuzzService: whatever a file holds, it is a service whose rules can be compiled,
// or a report.
func FuzzService(f *testing.F) {
	inputs, err := filepath.Glob("testdata/services/*")
	require.NoError(f, err)
	for _, in := range inputs {
		data, err := os.ReadFile(in)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Add([]byte("http: {rules: [{selector: '*', get: /a}]}"))
	f.Add([]byte("http: &h {rules: [*h]}"))
	f.Add([]byte("http: {rules: [{selector: a, custom: {kind: '*', path: /a}, additionalBindings: [{get: /b}]}]}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseService("s.yaml", data)
		if err != nil {
			var report Report
			require.ErrorAs(t, err, &report)
			require.NotEmpty(t, report)
			return
		}
		require.NotEmpty(t, s.Rules)
		for _, r := range s.Rules {
			require.NotEmpty(t, r.Rule.GetSelector())
			bindings, err := httprule.Bindings(r.Rule)
			require.NoError(t, err)
			require.NotEmpty(t, bindings)
		}
	})
}
