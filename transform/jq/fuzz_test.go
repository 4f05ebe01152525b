package jq

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// A writer makes up programs of a grammar, from the numbers of a seed.
type writer struct {
	*rand.Rand
	vars int
}

func (w *writer) pick(choices ...string) string { return choices[w.IntN(len(choices))] }

// path is what can stand before an assignment.
func (w *writer) path(depth int) string {
	if depth <= 0 {
		return w.pick(".", ".a", ".b", ".[0]", ".[-1]", ".[1:]", ".[]?", ".a?", `.["a"]`, ".a.b", "..", "empty")
	}
	p := func() string { return w.path(depth - 1) }
	switch w.IntN(8) {
	case 0:
		return fmt.Sprintf("(%s | %s)", p(), p())
	case 1:
		return fmt.Sprintf("(%s, %s)", p(), p())
	case 2:
		return fmt.Sprintf("(%s // %s)", p(), p())
	case 3:
		return fmt.Sprintf("(if %s then %s else %s end)", w.program(depth-1), p(), p())
	case 4:
		return fmt.Sprintf("first(%s)", p())
	case 5:
		return fmt.Sprintf("(%s | select(%s))", p(), w.program(depth-1))
	case 6:
		return fmt.Sprintf("getpath([%s])", w.pick(`"a"`, "0", `"a", "b"`, ""))
	default:
		return fmt.Sprintf(".[%s]?", w.program(depth-1))
	}
}

func (w *writer) program(depth int) string {
	if depth <= 0 {
		return w.pick(".", ".a", ".b", ".[0]", "null", "true", "false", "0", "1", "-2", "1.5", `"a"`, `"x,y"`, "[]", "{}", "[1, 2]",
			`{"a": 1}`, "(1, 2)", ".[]?", "empty", `error("e")`, "..", "100000000000000000000")
	}
	p := func() string { return w.program(depth - 1) }
	switch w.IntN(20) {
	case 0, 1:
		return fmt.Sprintf("(%s | %s)", p(), p())
	case 2:
		return fmt.Sprintf("(%s, %s)", p(), p())
	case 3, 4:
		return fmt.Sprintf("(%s %s %s)", p(), w.pick("+", "-", "*", "/", "%", "==", "!=", "<", ">", "<=", ">=", "and", "or", "//"), p())
	case 5, 6:
		return fmt.Sprintf("(%s %s %s)", w.path(depth-1), w.pick("=", "|=", "+=", "-=", "*=", "//="), p())
	case 7:
		return fmt.Sprintf("[%s]", p())
	case 8:
		return fmt.Sprintf("{a: %s, (%s | tostring): %s}", p(), p(), p())
	case 9:
		return fmt.Sprintf("(try %s catch .)", p())
	case 10:
		return fmt.Sprintf("(if %s then %s else %s end)", p(), p(), p())
	case 11:
		return fmt.Sprintf("(reduce %s as $r (%s; %s))", p(), p(), w.pick("$r", ". + $r", "[., $r]", p()))
	case 12:
		return fmt.Sprintf("[foreach %s as [$f] (%s; %s; [$f, .])]", p(), p(), p())
	case 13:
		w.vars++
		return fmt.Sprintf("(%s as $v%d | %s | [., $v%d])", p(), w.vars, p(), w.vars)
	case 14:
		return fmt.Sprintf(`"<\(%s)-\(%s)>"`, p(), p())
	case 15:
		return fmt.Sprintf("(del(%s))", w.path(depth-1))
	case 16:
		return fmt.Sprintf("[path(%s)]", w.path(depth-1))
	case 17:
		return fmt.Sprintf("(%s | %s)", p(), w.pick("length", "keys", "add", "tostring", "tojson", "sort", "unique", "reverse",
			"flatten", "to_entries", "tostream", "transpose", "min", "max", "explode", "ascii_upcase", "type", "not", "@csv", "@sh",
			"@base64", "@html", "@uri", "any", "all", "[paths]", "fromjson", "tonumber", "abs", "floor", "values"))
	case 18:
		return fmt.Sprintf("(%s | %s(%s))", p(), w.pick("map", "map_values", "sort_by", "group_by", "unique_by", "min_by", "contains",
			"inside", "indices", "index", "split", "join", "with_entries", "walk", "test", "scan", "first", "isempty", "has", "add",
			"any", "all", "IN", "pick", "delpaths", "getpath", "flatten", "bsearch", "path"), p())
	default:
		return fmt.Sprintf("(%s | %s(%s; %s))", p(), w.pick("sub", "gsub", "setpath", "limit", "nth", "test", "INDEX", "range", "skip"), p(), p())
	}
}

// FuzzSameAsGojq runs programs that it makes up as gojq does and as this package
// does.
func FuzzSameAsGojq(f *testing.F) {
	for i := range uint64(300) {
		f.Add(i, `{"a": {"b": [1, 2.50, "x"]}, "b": [null, true, "größe"]}`)
		f.Add(i+1000, `[[1, 2], {"a": "x,y"}, "a", null]`)
		f.Add(i+2000, `3`)
	}
	f.Fuzz(func(t *testing.T, seed uint64, text string) {
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		var in any
		if len(text) > 200 || d.Decode(&in) != nil {
			t.Skip()
		}
		w := &writer{Rand: rand.New(rand.NewPCG(seed, 0))}
		src := w.program(3)
		p := compilePair(t, src, Limits{Memory: 16 << 20})
		want, got, wantErr, gotErr := p.run(t, in)
		if strings.HasPrefix(gotErr, "limit: ") || wantErr == "and more" {
			t.Skip()
		}
		require.Empty(t, cmp.Diff(want, got, sameValues), "%s | %s", text, src)
		require.Equal(t, wantErr, gotErr, "%s | %s", text, src)
	})
}
