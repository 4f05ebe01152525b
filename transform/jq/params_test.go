package jq_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// TestParamsAreKnown holds that what a program does with a parameter is known when
// it is compiled, and nothing of it where a variable hides the parameter.
func TestParamsAreKnown(t *testing.T) {
	header := map[string]any{"header": "x-mark", "on": true}
	mark := jq.Paths{Keys: map[string]jq.Paths{"headers": {Keys: map[string]jq.Paths{"x-mark": {All: true}}}}}
	for src, want := range map[string]jq.Paths{
		`.headers[$header] = "1"`:                        mark,
		`.headers += {($header): "1"}`:                   mark,
		`if $on then .headers[$header] = "1" else . end`: mark,
		`def set($h): .headers[$h] = "1"; set($header)`:  {Keys: map[string]jq.Paths{"headers": {All: true}}},
		`.method as $header | .headers[$header] = "1"`:   {Keys: map[string]jq.Paths{"headers": {All: true}}},
	} {
		p, err := jq.Compile(src, jq.Config{Params: header})
		require.NoError(t, err, src)
		require.Equal(t, want, p.Needs().Writes, src)
	}
}

// TestParamsAreVariables holds that a value which is known gives what one that comes
// with the run does.
func TestParamsAreVariables(t *testing.T) {
	in := map[string]any{"a": "x", "list": []any{"p", "q"}, "headers": map[string]any{}}
	for name, value := range map[string]any{
		"text": "a", "empty": "", "quote": "\"\\(1)\n", "none": nil, "yes": true, "no": false, "one": 1.0, "int": 1, "half": 0.5,
		"below": -1.0, "large": 1e300, "exact": 9007199254740993.0, "array": []any{"a", nil}, "object": map[string]any{"a": 1},
	} {
		for _, src := range []string{
			`$p`, `[$p, $p]`, `{$p}`, `{p: $p}`, `{"\($p)": 1}`, `"<\($p)>"`, `$p | type`, `$p == 1`, `[.[$p]?]`, `[.list[$p]?]`, `[$p.a?]`,
			`[$p[0]?]`, `[-$p?]`, `$p // "else"`, `[.[]? | . as $p | $p]`, `def f($p): $p; f(2)`, `def f(p): p; f($p)`,
			`. as {a: $p} | $p`, `. as [$p] ?// {a: $p} | $p`, `reduce .list[] as $p ([$p]; . + [$p])`, `[foreach .list[] as $p ($p; $p)]`,
			`[try error($p) catch .]`, `[.. | select(. == $p)]`, `[(.headers[$p] = 1)?]`, `[{$p: 1}?]`, `[path(.[$p]?)]`, `$p | . as $q | [$q, $p]`,
			`[limit(1; $p)]`, `[.a | test($p)?]`, `@json "\($p)"`,
		} {
			run := func(c jq.Config, vars ...any) any {
				program, err := jq.Compile(src, c)
				require.NoError(t, err, src)
				out, err := program.Run(t.Context(), in, vars...)
				if err != nil {
					return err.Error()
				}
				return out
			}
			want := run(jq.Config{Variables: []string{"p"}}, value)
			got := run(jq.Config{Params: map[string]any{"p": value}})
			require.Equal(t, text(want), text(got), "%s with %s", src, name)
		}
	}
}
