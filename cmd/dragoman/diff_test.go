package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func diffed(before, after any) string {
	var b strings.Builder
	d := &diff{printer: printer{w: &b}}
	d.body(before, after)
	return b.String()
}

func TestDiffOfBodies(t *testing.T) {
	long := func(members ...any) map[string]any {
		m := map[string]any{"filler": strings.Repeat("x", short)}
		for i := 0; i < len(members); i += 2 {
			m[members[i].(string)] = members[i+1]
		}
		return m
	}
	filler := `"filler": "` + strings.Repeat("x", short) + `"`
	for _, row := range []struct {
		name          string
		before, after any
		want          string
	}{
		{"same", map[string]any{"a": 1}, map[string]any{"a": 1}, ""},
		{"short", map[string]any{"a": 1}, nil, "  body\n-   {\"a\":1}\n"},
		{"new", nil, "text", "  body\n+   \"text\"\n"},
		{"kept as it is written", "<b>&\u2028", "<b>&", "  body\n-   \"<b>&\\u2028\"\n+   \"<b>&\"\n"},
		{"member", long("a", 1), long("a", 2), "  body\n    {\n-     \"a\": 1,\n+     \"a\": 2,\n      " + filler + "\n    …\n"},
		{"comma", long(), long("z", 1), "  body\n    …\n      " + filler + ",\n+     \"z\": 1\n    }\n"},
		{"text", strings.Repeat("x", short), "y", "  body\n-   \"" + strings.Repeat("x", short) + "\"\n+   \"y\"\n"},
	} {
		t.Run(row.name, func(t *testing.T) { require.Equal(t, row.want, diffed(row.before, row.after)) })
	}
	require.Contains(t, diffed(strings.Repeat("x", 3*maxLine), nil), "… (4002 bytes more)")
}

// Whatever the lines are, those that have stayed and gone are the one text, those
// that have stayed and come the other, and no more are marked than have to be.
func TestEdits(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	lines := func() []string {
		out := make([]string, random.IntN(9))
		for i := range out {
			out[i] = string(rune('a' + random.IntN(3)))
		}
		return out
	}
	check := func(a, b []string) (kept int) {
		var old, now []string
		for _, e := range edits(a, b) {
			if e.sign != '+' {
				old = append(old, e.text)
			}
			if e.sign != '-' {
				now = append(now, e.text)
			}
			if e.sign == ' ' {
				kept++
			}
		}
		require.Equal(t, strings.Join(a, ""), strings.Join(old, ""))
		require.Equal(t, strings.Join(b, ""), strings.Join(now, ""))
		return kept
	}
	for range 2000 {
		a, b := lines(), lines()
		require.Equal(t, common(a, b), check(a, b), "%q %q", a, b)
	}
	// Texts that would need a large table are told without it.
	a, b := slices.Repeat([]string{"a", "b"}, maxTable/1000), slices.Repeat([]string{"b", "a"}, maxTable/1000)
	require.Zero(t, check(a, b))
}

// common is the length of the longest common subsequence, by its definition.
func common(a, b []string) int {
	switch {
	case len(a) == 0 || len(b) == 0:
		return 0
	case a[0] == b[0]:
		return 1 + common(a[1:], b[1:])
	}
	return max(common(a[1:], b), common(a, b[1:]))
}

func TestDiffInColour(t *testing.T) {
	var b strings.Builder
	d := &diff{printer: printer{w: &b}, color: true}
	d.title("request, --expr", "answers")
	d.views(map[string]any{"path": "/a", "headers": map[string]any{"x": []any{"1", "2"}}}, map[string]any{"path": "/b\x1b", "headers": map[string]any{}})
	require.Equal(t, "\x1b[1mrequest, --expr\x1b[0m: answers\n"+
		"\x1b[31m- path: /a\x1b[0m\n\x1b[32m+ path: \"/b\\u001b\"\x1b[0m\n"+
		"  headers\n\x1b[31m-   x: 1\x1b[0m\n\x1b[31m-   x: 2\x1b[0m\n", b.String())
	require.False(t, colored(&b), "no terminal")
}
