package jq_test

import (
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

func TestSyntaxError(t *testing.T) {
	for _, row := range []struct {
		name, src, want, advice string
	}{
		// What the parser stops at.
		{"token", ".a |\n  .b +| 1", `line 2, column 7: unexpected token "|"`, ""},
		{"column in characters", `"äöü" +| 1`, `line 1, column 8: unexpected token "|"`, ""},
		{"end", "{a: 1", "line 1, column 6: the program ends too early", ""},
		{"no end of text", ".a |\n \"b", "line 2, column 2: the text has no end", ""},
		{"no end of text in text", `"a\(1 + "b`, "line 1, column 9: the text has no end", ""},
		{"apostrophes", ".a == 'b'", `line 1, column 7: unexpected token "'"`, `text is written in "double quotes"`},
		{"ampersands", ".a && .b", `line 1, column 4: unexpected token "&"`, "write: and"},
		{"bars", ".a || .b", `line 1, column 5: unexpected token "|"`, "write: or; or // for what stands in for null"},
		{"exclamation mark", "!.a", `line 1, column 1: unexpected token "!"`, "write: … | not"},
		{"equal signs", ".a === .b", `line 1, column 6: unexpected token "="`, "write: =="},
		{"escape", `"\x"`, `line 1, column 2: invalid escape sequence "\x" in string literal`, ""},
		{"empty", "", "line 1, column 1: there is no program, or only definitions", "end it with what it gives; . is its input"},
		{"comment", " # nothing", "line 1, column 11: there is no program, or only definitions", "end it with what it gives; . is its input"},
		{"definitions", "def f: 1;", "line 1, column 10: there is no program, or only definitions", "end it with what it gives; . is its input"},
		{"too long", strings.Repeat(" ", 256<<10) + ".", "the program has 262145 bytes, and at most 262144 are taken", ""},
		{"too deep", strings.Repeat("-", 20_000) + "1", "the program is nested deeper than 10000 levels", "give long tables to it as a parameter"},
		{"too many suffixes", "." + strings.Repeat("?", 20_000), "the program is nested deeper than 10000 levels", "give long tables to it as a parameter"},

		// Functions.
		{"function", ".a |\n  lengt", `line 2, column 3: there is no function "lengt"`, "did you mean length?"},
		{"function of ours", "uuidd", `line 1, column 1: there is no function "uuidd"`, "did you mean uuid?"},
		{"like none", "frobnicate", `line 1, column 1: there is no function "frobnicate"`, ""},
		{"arguments", `sub("a", "b")`, "line 1, column 1: there is no function sub with 1 argument", "sub takes 2 arguments, or 3 arguments; arguments are separated by ;"},
		{"no argument", "map", "line 1, column 1: there is no function map with no argument", "map takes 1 argument"},
		{"after the same word elsewhere", "# nope\n{nope: .nope, \"nope\": \"nope\\(1)\"} | \"nope \\(\"nope\" | nope)\"", `line 2, column 54: there is no function "nope"`, ""},
		{"behind text in text", `"a\("b\("c") )")" | nope`, `line 1, column 21: there is no function "nope"`, ""},
		{"behind parentheses in text", `"\((1) | nope)"`, `line 1, column 10: there is no function "nope"`, ""},
		{"comment that goes on", "1 # a \\\nnope\n| nope", `line 3, column 3: there is no function "nope"`, ""},
		{"keyword as key", `{if: 1, then: 2} | if . then nope else . end`, `line 1, column 30: there is no function "nope"`, ""},
		{"numbers", `1e3 + 1.5E-2 + .5 + nope`, `line 1, column 21: there is no function "nope"`, ""},
		{"dash in a name", ".headers.x-total", `line 1, column 12: there is no function "total"`, `a name with a dash is written in quotes, as in .["x-name"]`},
		{"module", "a::b", `line 1, column 1: there is no function "a::b"`, ""},
		{"inner function outside", "(def f: 1; f) | f", `line 1, column 17: there is no function "f"`, ""},
		{"before its definition", "f | def f: 1; f", `line 1, column 1: there is no function "f"`, ""},
		{"argument of a function", "def f(g): g; f(h)", `line 1, column 16: there is no function "h"`, ""},
		{"defined with more arguments", "def f(g): g; f", "line 1, column 14: there is no function f with no argument", "f takes 1 argument"},
		{"not in gojq", "keys_unsorted", `line 1, column 1: there is no function "keys_unsorted"`, "write keys: an object has no order here"},
		{"of the engine", "_plus", `line 1, column 1: there is no function "_plus"`, ""},
		{"of definitions", `__cookie("a")`, `line 1, column 1: there is no function "__cookie"`, "did you mean cookie?"},
		{"first of two", "nope | nada", `line 1, column 1: there is no function "nope"`, ""},
		{"every place", `reduce .[] as {a: $x, ("b"): [$y]} (0; if . then try .[$x:$y] catch . else {($x): (- nope)} end)`, `line 1, column 86: there is no function "nope"`, ""},

		// Variables.
		{"variable", ".a + $requst.b", "line 1, column 6: there is no variable $requst", "did you mean $request?"},
		{"like none", "$nothing", "line 1, column 1: there is no variable $nothing", "there are $limit, $request"},
		{"out of its scope", "(1 as $x | $x) + $x", "line 1, column 18: there is no variable $x", "there are $limit, $request"},
		{"in the start of reduce", "reduce 1 as $x ($x; .)", "line 1, column 17: there is no variable $x", "there are $limit, $request"},
		{"key", "{$x}", "line 1, column 2: there is no variable $x", "there are $limit, $request"},
		{"label", "break $out", "line 1, column 7: there is no label $out", ""},
		{"label of another name", "label $out | break $ou", "line 1, column 20: there is no label $ou", "did you mean $out?"},
		{"format", "@base46", "line 1, column 1: there is no format @base46", "did you mean @base64?"},
		{"format of jq", "@base32 \"\\(.)\"", "line 1, column 1: there is no format @base32", "write @base64, or base64url"},
		{"reserved variable", ". as $__a | 1", "line 1, column 6: the name $__a is taken", "variables of a program do not begin with $__"},
		{"reserved function", "def __a: 1; __a", "line 1, column 5: the name \"__a\" is taken", "functions of a program do not begin with __"},

		// What is written out and cannot work.
		{"regular expression", `.a | test("a(?=b)")`, `line 1, column 6: test: "a(?=b)" is no regular expression: invalid or unsupported Perl syntax: "(?="`, "regular expressions are those of RE2: no look-around, no back-references"},
		{"regular expression of gsub", `gsub("("; .)`, `line 1, column 1: gsub: "(" is no regular expression: missing closing ): "("`, "regular expressions are those of RE2: no look-around, no back-references"},
		{"regular expression of split", `split("("; null)`, `line 1, column 1: split: "(" is no regular expression: missing closing ): "("`, "regular expressions are those of RE2: no look-around, no back-references"},
		{"flags", `test("a"; "gx")`, `line 1, column 1: test: the flags are "gx"; there are g, i and m`, ""},
		{"flags of sub", `sub("a"; "b"; 1)`, `line 1, column 1: sub: the flags are 1; there are g, i and m`, ""},
		{"network", `.client.address | ip_in(["10.0.0.0/8", ("::/200")])`, `line 1, column 19: ip_in: "::/200" is no network; write one as in "10.0.0.0/8"`, ""},
		{"encoding", `sha256("base46")`, `line 1, column 1: sha256: "base46" is no encoding; there are hex, base64, base64url`, ""},
		{"cookie", `set_cookie("a"; 1; {"path": "a", secure: true})`, `line 1, column 1: set_cookie: "a": path cannot be "a"; it begins with / and has no semicolon`, ""},
		{"bound", `random(0)`, `line 1, column 1: random: 0 is no whole number from 1 to 2^53`, ""},

		// What is not allowed.
		{"input", "[., input]", "line 1, column 5: input is not available", "a program has one value, its input: write ."},
		{"inputs", "[inputs]", "line 1, column 2: inputs is not available", "a program has one value, its input: write ."},
		{"input_filename", "input_filename", "line 1, column 1: input_filename is not available", "a program has one value, its input: write ."},
		{"input_line_number", "input_line_number", "line 1, column 1: input_line_number is not available", "a program has one value, its input: write ."},
		{"debug", ". | debug", "line 1, column 5: debug is not available", "the result may have .log with fields for the access log"},
		{"debug with a message", `debug("a")`, "line 1, column 1: debug is not available", "the result may have .log with fields for the access log"},
		{"stderr", "stderr", "line 1, column 1: stderr is not available", "the result may have .log with fields for the access log"},
		{"halt", "halt", "line 1, column 1: halt is not available", `to fail, write error("why")`},
		{"halt_error", "halt_error(1)", "line 1, column 1: halt_error is not available", `to fail, write error("why")`},
		{"modulemeta", `"a" | modulemeta`, "line 1, column 7: modulemeta is not available", "put definitions in the program itself, as in def name: …;"},
		{"get_search_list", "get_search_list", "line 1, column 1: get_search_list is not available", "put definitions in the program itself, as in def name: …;"},
		{"import", "# a\nimport \"a\" as a; a::f", "line 2, column 1: import is not available", "put definitions in the program itself, as in def name: …;"},
		{"include", `include "a"; f`, "line 1, column 1: include is not available", "put definitions in the program itself, as in def name: …;"},
		{"module line", `module {}; .`, "line 1, column 1: a program is no module", "take the line away"},
		{"$ENV", "$ENV.PATH", "line 1, column 1: $ENV is not available", "write env.NAME, with a name that jq.env allows"},
		{"$__prog_args", "$__prog_args", "line 1, column 1: $__prog_args is not available", "parameters have names, as in $name"},
		{"$__loc__", "{$__loc__}", "line 1, column 2: $__loc__ is not available", "errors name the program that they come from"},
		{"env", "env | .POD_NAME", "line 1, column 1: env is not available as a whole, nor with a name that is computed", "write env.NAME, with a name that jq.env allows"},
		{"computed env", `env["POD" + "_NAME"]`, "line 1, column 1: env is not available as a whole, nor with a name that is computed", "write env.NAME, with a name that jq.env allows"},
		{"env of another name", "env.POD_NAM", `line 1, column 1: the environment variable "POD_NAM" is not allowed`, "did you mean POD_NAME?"},
		{"env like none", "env.PATH", `line 1, column 1: the environment variable "PATH" is not allowed`, "add it to jq.env"},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, err := jq.Compile(row.src, jq.Config{
				Name: "test", Variables: []string{"request"}, Params: map[string]any{"limit": 7},
				Env: map[string]string{"POD_NAME": "a"},
			})
			var wrong *jq.SyntaxError
			require.ErrorAs(t, err, &wrong)
			require.Equal(t, row.want, wrong.Error())
			require.Equal(t, row.advice, wrong.Advice)
		})
	}
}

// Names that are resolved where they stand, each program giving true.
func TestScopes(t *testing.T) {
	for _, src := range []string{
		"def f: true; f",
		"def f: def g: true; g; f",
		"def f(g): g; f(true)",
		"def f($a): $a and a; f(true)",
		"def f: if . then true else f end; f",
		"def f(g; $h): [g, $h] == [1, 2]; f(1; 2)",
		"def input: true; input",
		"def env: {A: true}; env.A",
		"def f(env): env; f(true)",
		"def uuid: true; uuid",
		"1 as $ENV | $ENV == 1",
		"1 as $x | 2 as $y | def f: $x + $y; f == 3",
		". as {a: $x, $limit, \"b\": [$y], (\"c\"): $z} | {$x, $limit, $y, $z} | length == 4",
		"{a: 1} as {a: $x, (\"\\($x)\"): $y} | $y == null",
		"[[1]] | .[] as [$a] ?// $a | $a == 1",
		"[1] | . as {$a} ?// [$b] | [$a, $b] == [null, 1]",
		"reduce (1, 2) as $x (0; . + $x) | . == 3",
		"[foreach (1, 2) as $x (0; . + $x; [., $x])] == [[1, 1], [3, 2]]",
		"first(label $out | true, break $out)",
		"label $out | def f: (true, break $out); f",
		"[limit(1; true, false)][0]",
		"\"a\\(1 as $x | $x)\" == \"a1\"",
		"@base64 \"a\\(\"b\")\" == \"aYg==\"",
		"[1, 2, 3] | .[(. as $x | $x | length) - 2:] == [2, 3]",
		"try error(\"a\") catch . == \"a\"",
		"{if: 1, and: 2} | .if + .and == 3",
		"env.POD_NAME == \"a\" and env[\"POD_NAME\"] == \"a\" and env.\"POD_NAME\" == \"a\" and (env.POD_NAME[:0]) == \"\"",
		"(\"a(\" | split(\"(\")) == [\"a\", \"\"] and (\"(\" | test(\"\\\\(\"; null)) and (\"Ab\" | gsub(\"a\"; \"b\"; \"i\")) == \"bb\"",
		"def test(x): true; test(\"(\")",
		"\"a\" as $b | \"a\" | test($b) and test(\"\\($b)\") and test([\"A\", \"i\"])",
		"set_cookie(\"a\"; .b // \"c\"; {path: .path}) == \"a=c\" and ([\"1.2.3.4\" | ip_in([(\"1.2.3.4\", \"::1\")], \"::1\")] == [true, false])",
		"$limit == 7 and ($request | type) == \"object\"",
		"if false then 1 elif true then true else 1 end",
		"[splits(\", \")?] == [] and (builtins | length > 100) and getpath([\"a\"]) == null",
	} {
		t.Run(src, func(t *testing.T) {
			p, err := jq.Compile(src, jq.Config{
				Name: "test", Variables: []string{"request"}, Params: map[string]any{"limit": 7},
				Env: map[string]string{"POD_NAME": "a"}, Limits: jq.DefaultLimits,
			})
			require.NoError(t, err)
			require.Equal(t, src, p.Source())
			got, err := p.Test(t.Context(), map[string]any{}, map[string]any{})
			require.NoError(t, err)
			require.True(t, got)
		})
	}
}

func TestTest(t *testing.T) {
	for src, want := range map[string]bool{"true": true, "0": true, `""`: true, "null": false, "false": false} {
		p, err := jq.Compile(src, jq.Config{Name: "test"})
		require.NoError(t, err)
		got, err := p.Test(t.Context(), nil)
		require.NoError(t, err)
		require.Equal(t, want, got, src)
	}
	for _, src := range []string{"empty", "true, true", `error("no")`} {
		p, err := jq.Compile(src, jq.Config{Name: "test"})
		require.NoError(t, err)
		got, err := p.Test(t.Context(), nil)
		require.Error(t, err, src)
		require.False(t, got, src)
	}
}

// No text makes the compiler panic, and every mistake but that of a whole program
// has its place.
func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		`.headers["x-total"] = (.body.books | length | tostring)`, `"a\("b\("c") )")" | nope`, "1 # a \\\nnope\n| nope",
		`reduce .[] as {a: $x, ("b"): [$y]} (0; if . then try .[$x:$y] catch . else {($x): (- nope)} end)`,
		`[[1]] | .[] as [$a] ?// $a | $a == 1`, "env.POD_NAME", "@base46", "label $out | break $ou", "a::b", `import "a" as a; .`, `"`, `"\(`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		_, err := jq.Compile(src, jq.Config{Name: "test", Env: map[string]string{"POD_NAME": "a"}})
		if err == nil {
			return
		}
		var wrong *jq.SyntaxError
		require.ErrorAs(t, err, &wrong)
		require.NotContains(t, wrong.Message, "cannot take")
		if len(src) < 5000 {
			require.Positive(t, wrong.Line, "%q: %v", src, err)
		}
		if name, ok := strings.CutPrefix(wrong.Message, "there is no function "); ok {
			name, err := strconv.Unquote(name)
			if err != nil {
				name, _, _ = strings.Cut(strings.TrimPrefix(wrong.Message, "there is no function "), " ")
			}
			line := []rune(strings.Split(src, "\n")[wrong.Line-1])
			require.True(t, strings.HasPrefix(string(line[wrong.Column-1:]), name), "%q: %v", src, wrong)
		}
	})
}
