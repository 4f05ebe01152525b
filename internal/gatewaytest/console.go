package gatewaytest

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Console runs what a Markdown file shows: in each block of ```console, every
// line that begins with "$ " is run by bash in dir, in order, and must print
// the lines below it.
// where is the address that the file writes, and address the one that it is in
// the test. With update set, the file gets what the commands printed.
func Console(t *testing.T, file, dir, where, address string, update bool) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	lines := strings.Split(string(data), "\n")
	var out []string
	for i := 0; i < len(lines); i++ {
		out = append(out, lines[i])
		if lines[i] != "```console" {
			continue
		}
		for i++; i < len(lines) && lines[i] != "```"; {
			command, ok := strings.CutPrefix(lines[i], "$ ")
			out = append(out, lines[i])
			i++
			if !ok {
				continue
			}
			for strings.HasSuffix(command, "\\") {
				command += "\n" + lines[i]
				out = append(out, lines[i])
				i++
			}
			var want []string
			for i < len(lines) && lines[i] != "```" && !strings.HasPrefix(lines[i], "$ ") {
				want = append(want, lines[i])
				i++
			}
			got := runConsole(t, dir, strings.ReplaceAll(command, where, address))
			got = strings.ReplaceAll(got, address, where)
			if !update {
				require.Equal(t, strings.TrimSpace(strings.Join(want, "\n")), got, "%s: %s", file, command)
			}
			if got != "" {
				out = append(out, strings.Split(got, "\n")...)
			}
			if len(want) > 0 && want[len(want)-1] == "" {
				out = append(out, "")
			}
		}
		out = append(out, lines[i])
	}
	if update {
		require.NoError(t, os.WriteFile(file, []byte(strings.Join(out, "\n")), 0o644))
		t.Errorf("%s was rewritten: read the difference", file)
	}
}

func runConsole(t *testing.T, dir, script string) string {
	t.Helper()
	// A command may fail: an error is something to show, too.
	out, _ := Shell(t, dir, script).CombinedOutput()
	return strings.TrimSpace(string(out))
}
