package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
)

// TestSummarize feeds the summary what go test really writes for small modules.
func TestSummarize(t *testing.T) {
	archive, err := txtar.ParseFile("testdata/module.txtar")
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, txtar.Write(archive, dir))
	for _, c := range []struct {
		pkg  string
		want []string
		not  string
		ok   bool
	}{
		{
			pkg:  "./good",
			want: []string{"skip  example/good TestSkipped: no database", "ok    example/good", "packages: 1 passed, 0 failed", "tests: 2 passed, 0 failed, 1 skipped"},
			not:  "chatter",
			ok:   true,
		},
		{
			pkg:  "./bad",
			want: []string{"wanted 1", "--- FAIL: TestBad/sub", "FAIL  example/bad", "packages: 0 passed, 1 failed", "tests: 1 passed, 2 failed, 0 skipped"},
			not:  "chatter",
		},
		{pkg: "./broken", want: []string{"undefined: nothing", "packages: 0 passed, 1 failed", "tests: 0 passed, 0 failed, 0 skipped"}},
		{pkg: "./empty", want: []string{"tests: 0 passed"}},
		{pkg: "./nowhere", want: []string{"nowhere", "tests: 0 passed"}},
	} {
		t.Run(c.pkg, func(t *testing.T) {
			cmd := exec.Command("go", "test", "-json", c.pkg)
			cmd.Dir = dir
			// It fails where the tests do.
			in, _ := cmd.CombinedOutput()
			var out strings.Builder
			require.Equal(t, c.ok, summarize(strings.NewReader(string(in)), &out), out.String())
			for _, want := range c.want {
				require.Contains(t, out.String(), want)
			}
			if c.not != "" {
				require.NotContains(t, out.String(), c.not)
			}
			last := strings.Split(strings.TrimSpace(out.String()), "\n")
			require.Contains(t, last[len(last)-1], "tests: ")
		})
	}
}
