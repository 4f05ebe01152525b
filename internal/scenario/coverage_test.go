package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// rows are the cases that must have a session or a written reason.
const rows = `A-01…A-11 A-43 B-13 B-16
A-30…A-41
A-12…A-27 A-50…A-56 A-58…A-69 A-71…A-75 B-10
A01…A65 B01…B60 C01…C48
D01…D25 E01…E23 F01…F18 H01…H11
J01…J19 J30…J43 J50…J58 J60 J70 J80…J85`

// TestCoverage fails for a row that has neither a session nor a reason in
// scenarios/reasons.txt, and for a reason that explains nothing.
func TestCoverage(t *testing.T) {
	reasons := make(map[string]bool)
	data, err := os.ReadFile("../../scenarios/reasons.txt")
	require.NoError(t, err)
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, reason, _ := strings.Cut(line, " ")
		require.NotEmpty(t, strings.TrimSpace(reason), "%s: say why", id)
		reasons[id] = true
	}
	sessions := make(map[string]bool)
	names, err := filepath.Glob("../../scenarios/*.txtar")
	require.NoError(t, err)
	for _, name := range names {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		archive, err := Parse(data)
		require.NoError(t, err, name)
		for _, s := range archive.Sessions {
			sessions[s.ID] = true
		}
	}
	wanted := make(map[string]bool)
	for _, word := range strings.Fields(rows) {
		first, last, ok := strings.Cut(word, "…")
		if !ok {
			last = first
		}
		for _, id := range between(first, last) {
			wanted[id] = true
			if !sessions[id] && !reasons[id] {
				t.Errorf("%s has neither a session nor a reason", id)
			}
		}
	}
	for id := range reasons {
		if !wanted[id] {
			t.Errorf("reasons.txt: %s is not a row that must be covered", id)
		}
	}
}

// between lists A08 to A11 as A08 A09 A10 A11.
func between(first, last string) []string {
	prefix := strings.TrimRight(first, "0123456789")
	digits := len(first) - len(prefix)
	low, _ := strconv.Atoi(first[len(prefix):])
	high, _ := strconv.Atoi(last[len(prefix):])
	var out []string
	for n := low; n <= high; n++ {
		out = append(out, fmt.Sprintf("%s%0*d", prefix, digits, n))
	}
	return out
}
