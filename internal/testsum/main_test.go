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
			want: []string{"skip  example/good TestSkipped: no database", "ok    example/good", "2 tests passed, 0 failed, 1 skipped; 1 packages passed, 0 failed"},
			not:  "chatter",
			ok:   true,
		},
		{
			pkg:  "./bad",
			want: []string{"wanted 1", "--- FAIL: TestBad/sub", "FAIL  example/bad", "1 tests passed, 2 failed, 0 skipped; 0 packages passed, 1 failed"},
			not:  "chatter",
		},
		{pkg: "./broken", want: []string{"undefined: nothing", "0 tests passed, 0 failed, 0 skipped; 0 packages passed, 1 failed"}},
		{pkg: "./empty", want: []string{"0 tests passed"}},
		{pkg: "./nowhere", want: []string{"nowhere", "0 tests passed"}},
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
			require.Contains(t, last[len(last)-1], "tests passed")
		})
	}
}
