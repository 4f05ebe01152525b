package jq

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestFunctionsPage runs the examples of docs/jq-functions.md, and holds its
// sections and tables to the functions that there are.
func TestFunctionsPage(t *testing.T) {
	data, err := os.ReadFile(filepath.Join("..", "..", "docs", "jq-functions.md"))
	require.NoError(t, err)
	page := string(data)

	t.Run("examples", func(t *testing.T) {
		fences := regexp.MustCompile("(?ms)^```text\n(.*?)^```$").FindAllStringSubmatch(page, -1)
		require.NotEmpty(t, fences)
		for _, fence := range fences {
			for example := range strings.SplitSeq(strings.TrimSpace(fence[1]), "\n\n") {
				lines := map[string]string{"input": "null"}
				for line := range strings.Lines(example) {
					name, text, ok := strings.Cut(strings.TrimSpace(line), " ")
					require.True(t, ok, line)
					require.Contains(t, []string{"program", "input", "output", "error"}, name, line)
					lines[name] = strings.TrimSpace(text)
				}
				require.NotEqual(t, lines["output"] == "", lines["error"] == "", "one of output and error: %s", example)
				require.Equal(t, lines["output"]+lines["error"], run(t, lines["program"], lines["input"]), "%s", example)
			}
		}
	})

	t.Run("sections", func(t *testing.T) {
		documented := make(map[string]bool)
		for _, heading := range regexp.MustCompile("(?m)^### (`.*)$").FindAllStringSubmatch(page, -1) {
			for _, m := range regexp.MustCompile("`([a-z0-9_]+)(?:\\(([^)]*)\\))?`").FindAllStringSubmatch(heading[1], -1) {
				arguments := 0
				if m[2] != "" {
					arguments = strings.Count(m[2], ";") + 1
				}
				documented[signature(m[1], arguments)] = true
			}
		}
		want := make(map[string]bool)
		for sig := range definitions() {
			want[sig] = true
		}
		for _, f := range library {
			for n := f.min; n <= f.max; n++ {
				if !strings.HasPrefix(f.name, reserved) {
					want[signature(f.name, n)] = true
				}
			}
		}
		require.Equal(t, want, documented)
	})

	t.Run("tables", func(t *testing.T) {
		var rows []string
		for _, m := range regexp.MustCompile("(?m)^\\| (`.*?) \\|").FindAllStringSubmatch(page, -1) {
			for _, name := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(m[1], -1) {
				rows = append(rows, name[1])
			}
		}
		want := []string{"import", "include", "module", "env"}
		for name := range forbidden {
			want = append(want, name)
		}
		for name := range absent {
			want = append(want, name)
		}
		require.ElementsMatch(t, want, rows)
		for _, name := range want {
			if name == "module" {
				name += " {}; ."
			}
			_, err := Compile(name, Config{Name: "test"})
			require.Error(t, err, name)
		}
	})
}
