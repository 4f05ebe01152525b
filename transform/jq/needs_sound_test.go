package jq_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// restrict is what a value has at some places: the least that the promise of
// [jq.Paths] allows.
func restrict(v any, p jq.Paths) any {
	if p.All {
		return v
	}
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, member := range v {
			if below := p.At(key); below.Any() {
				out[key] = restrict(member, below)
			} else if p.Elements != nil {
				out[key] = nil
			}
		}
		return out
	case []any:
		out := []any{}
		if p.Elements == nil {
			return out
		}
		for _, element := range v {
			if p.Elements.Any() {
				element = restrict(element, *p.Elements)
			} else {
				element = nil
			}
			out = append(out, element)
		}
		return out
	}
	return v
}

// applied is what an input becomes of a result: a member in it replaces, and of
// headers and query only those that are told are looked at.
func applied(in, out map[string]any, writes jq.Paths) map[string]any {
	next := maps.Clone(in)
	names := maps.Clone(writes.Keys)
	if writes.All {
		names = map[string]jq.Paths{}
		for key := range out {
			names[key] = jq.Paths{All: true}
		}
	}
	for key, below := range names {
		v, ok := out[key]
		switch table, isTable := v.(map[string]any); {
		case !ok:
		case below.All || !isTable:
			next[key] = v
		default:
			members, _ := in[key].(map[string]any)
			members = maps.Clone(members)
			for name := range below.Keys {
				if v, ok := table[name]; ok {
					members[name] = v
				} else {
					delete(members, name)
				}
			}
			next[key] = members
		}
	}
	return next
}

// broken is what is wrong with what a program says that it needs, for one input;
// empty if nothing is. ok is false if the run took too long to tell.
func broken(p *jq.Program, in, request map[string]any) (wrong string, ok bool) {
	n := p.Needs()
	ctx, stop := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer stop()
	whole, err := p.Run(ctx, in, request)
	less := restrict(in, n.Input).(map[string]any)
	lessWhole, lessErr := p.Run(ctx, less, restrict(request, n.Variables["request"]))
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(lessErr, context.DeadlineExceeded) || ctx.Err() != nil {
		return "", false
	}
	if (err == nil) != (lessErr == nil) {
		return fmt.Sprintf("gives %s, error %v; of its needs %s, error %v", text(whole), err, text(lessWhole), lessErr), true
	}
	out, isObject := whole.(map[string]any)
	lessOut, lessIs := lessWhole.(map[string]any)
	if !isObject || !lessIs {
		if !reflect.DeepEqual(whole, lessWhole) {
			return fmt.Sprintf("gives %s; of its needs %s", text(whole), text(lessWhole)), true
		}
		return "", true
	}
	if want, got := applied(in, out, n.Writes), applied(in, lessOut, n.Writes); text(want) != text(got) {
		return fmt.Sprintf("makes %s; of its needs %s", text(want), text(got)), true
	}
	for key, v := range out {
		if !n.Writes.At(key).Any() && text(withoutNull(v)) != text(withoutNull(in[key])) {
			return fmt.Sprintf("changes %s to %s", key, text(v)), true
		}
	}
	for _, table := range []string{"headers", "query"} {
		writes, got := n.Writes.At(table), out[table]
		was, _ := in[table].(map[string]any)
		if is, ok := got.(map[string]any); ok && writes.Any() && !writes.All {
			for _, name := range slices.Collect(maps.Keys(merged(was, is))) {
				if !writes.At(name).Any() && (text(was[name]) != text(is[name])) {
					return fmt.Sprintf("changes %s.%s", table, name), true
				}
			}
		}
	}
	return "", true
}

// withoutNull is headers, or another object, without members that are null: null
// removes a header, so it is as if it was not there.
func withoutNull(v any) any {
	table, ok := v.(map[string]any)
	if !ok {
		return v
	}
	table = maps.Clone(table)
	maps.DeleteFunc(table, func(_ string, v any) bool { return v == nil })
	return table
}

func merged(a, b map[string]any) map[string]any {
	out := map[string]any{}
	maps.Copy(out, a)
	maps.Copy(out, b)
	return out
}

func text(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%#v", v)
	}
	return string(b)
}

// TestNeedsHold runs random programs over random views, as they are and with no
// more than the program needs.
func TestNeedsHold(t *testing.T) {
	checked := 0
	for seed := range uint64(1500) {
		checked += checkSeed(t, seed)
	}
	require.Greater(t, checked, 1500, "most of the programs have to be valid, and to end")
}

func FuzzNeeds(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { checkSeed(t, seed) })
}

// checkSeed makes a program of a number and checks it for some inputs. It gives
// how many of these ran.
func checkSeed(t *testing.T, seed uint64) (ran int) {
	g := &generator{rand: rand.New(rand.NewPCG(seed, 1))}
	src := g.program()
	p, err := jq.Compile(src, jq.Config{Name: "test", Variables: []string{"request"}, Params: map[string]any{"limit": 7}})
	if err != nil {
		return 0
	}
	for range 4 {
		in, request := g.view(), g.view()
		wrong, ok := broken(p, in, request)
		if !ok {
			return ran
		}
		if wrong != "" {
			require.Failf(t, "needs do not hold", "seed %d\n%s\n%v\n.        %s\n$request %s\n%s", seed, src, p.Needs(), text(in), text(request), wrong)
		}
		ran++
	}
	return ran
}

// generator makes programs and views.
type generator struct {
	rand *rand.Rand
	// names are functions that the program has by now, with their arguments.
	functions []string
	variables []string
}

func (g *generator) one(of ...string) string { return of[g.rand.IntN(len(of))] }

func (g *generator) program() string {
	g.variables = []string{"$request", "$limit"}
	var defs strings.Builder
	for range g.rand.IntN(3) {
		name := fmt.Sprintf("f%d", len(g.functions))
		switch g.rand.IntN(3) {
		case 0:
			fmt.Fprintf(&defs, "def %s: %s; ", name, g.query(2))
			g.functions = append(g.functions, name)
		case 1:
			g.functions = append(g.functions, "g")
			fmt.Fprintf(&defs, "def %s(g): %s; ", name, g.query(2))
			g.functions[len(g.functions)-1] = name + "(Q)"
		default:
			g.variables = append(g.variables, "$v")
			fmt.Fprintf(&defs, "def %s($v): %s; ", name, g.query(2))
			g.variables = g.variables[:len(g.variables)-1]
			g.functions = append(g.functions, name+"(Q)")
		}
	}
	out := defs.String() + g.statement(1+g.rand.IntN(3))
	for range g.rand.IntN(3) {
		out += " | " + g.statement(1+g.rand.IntN(3))
	}
	return out
}

// statement is a step that programs of a gateway have often.
func (g *generator) statement(depth int) string {
	switch g.rand.IntN(12) {
	case 0, 1, 2, 3:
		return fmt.Sprintf("%s %s %s", g.path(2), g.one("=", "=", "|=", "|=", "+=", "//=", "*=", "-="), g.operand(depth))
	case 4:
		return fmt.Sprintf("if %s then %s else %s end", g.query(depth), g.statement(depth-1), g.statement(depth-1))
	case 5:
		return ". + " + g.object(depth)
	case 6:
		return ". * " + g.object(depth)
	case 7:
		return fmt.Sprintf("del(%s)", g.path(2))
	case 8:
		return g.object(depth)
	case 9:
		return "."
	case 10:
		return fmt.Sprintf("reduce %s as $%s (.; %s)", g.operand(1), g.one("h", "k"), g.statement(0))
	default:
		return g.query(depth)
	}
}

func (g *generator) key() string {
	return g.one("body", "body", "body", "headers", "headers", "query", "path", "status", "a", "b", "c", "items", "x", "log", "vars")
}

func (g *generator) keyed() string {
	switch g.rand.IntN(8) {
	case 0:
		return fmt.Sprintf(".%q", g.key())
	case 1:
		return ".headers." + g.one("a", "b", "c")
	case 2:
		return ".body." + g.one("a", "b", "items", "items[]")
	case 3:
		return ".body." + g.one("a", "b") + "." + g.one("a", "b")
	default:
		return "." + g.key()
	}
}

// path is mostly something that can be assigned to.
func (g *generator) path(depth int) string {
	if depth <= 0 {
		return g.keyed()
	}
	switch g.rand.IntN(20) {
	case 0:
		return fmt.Sprintf("(%s | %s)", g.path(depth-1), g.path(depth-1))
	case 1:
		return fmt.Sprintf("(%s, %s)", g.path(depth-1), g.path(depth-1))
	case 2:
		return fmt.Sprintf("(%s | select(%s))", g.path(depth-1), g.query(1))
	case 3:
		return fmt.Sprintf("%s[%s]", g.keyed(), g.one("0", "-1", "1:", ":1", `"a"`, "", ".path", "$limit"))
	case 4:
		return fmt.Sprintf("(if %s then %s else %s end)", g.query(1), g.path(depth-1), g.path(depth-1))
	case 5:
		return fmt.Sprintf("(%s // %s)", g.path(depth-1), g.path(depth-1))
	case 6:
		return g.path(depth-1) + "?"
	case 7:
		return g.one("..", "first(.body[])", "(.body | recurse)", "getpath([\"body\",\"a\"])", "getpath([.path])", "empty", "(.body | ..)", ".body | first", "last(.headers[])")
	case 8:
		return fmt.Sprintf("(%s as $k | %s)", g.operand(1), g.path(depth-1))
	case 9:
		return "."
	case 10:
		return fmt.Sprintf("(%s | %s)", g.path(depth-1), g.one("objects", "arrays", "strings", "values", "scalars", "nulls"))
	case 11:
		return g.path(depth-1) + "[]"
	case 12:
		return g.path(depth-1) + g.keyed()
	case 13:
		if len(g.functions) > 0 {
			return g.call(1)
		}
	}
	return g.keyed()
}

func (g *generator) call(depth int) string {
	f := g.functions[g.rand.IntN(len(g.functions))]
	return strings.Replace(f, "Q", g.query(depth-1), 1)
}

// operand is a query that binds tightly.
func (g *generator) operand(depth int) string {
	if g.rand.IntN(2) == 0 {
		return g.keyed()
	}
	return "(" + g.query(depth) + ")"
}

func (g *generator) object(depth int) string {
	var members []string
	for range g.rand.IntN(4) {
		switch g.rand.IntN(6) {
		case 0:
			members = append(members, g.key())
		case 1:
			members = append(members, fmt.Sprintf("(%s): %s", g.query(depth-1), g.operand(depth-1)))
		case 2:
			members = append(members, g.one("headers", "query")+": "+g.object(depth-1))
		case 3:
			members = append(members, fmt.Sprintf("headers: (.headers + %s)", g.object(depth-1)))
		default:
			members = append(members, g.key()+": "+g.operand(depth-1))
		}
	}
	return "{" + strings.Join(members, ", ") + "}"
}

func (g *generator) query(depth int) string {
	if depth <= 0 {
		return g.one(".", "1", "null", "true", "false", `"a"`, `"b"`, "[]", "{}", "empty", ".a", ".body", ".headers", ".headers.a", "error",
			".[]", ".[]?", "..", "$limit", "$request.body", "$request.headers.a", "length", "type", "keys", ".[0]", "not", "-1", "0", "first", "$__loc__", g.keyed(), g.keyed(), g.keyed())
	}
	q := func() string { return g.query(depth - 1) }
	switch g.rand.IntN(40) {
	case 0:
		return q() + " | " + q()
	case 1:
		return "(" + q() + ", " + q() + ")"
	case 2, 3:
		return fmt.Sprintf("(%s) %s (%s)", q(), g.one("+", "-", "*", "/", "%", "==", "!=", "<", "//", "and", "or", "+", "+", "//", "=="), q())
	case 4:
		return g.object(depth)
	case 5:
		return "[" + q() + "]"
	case 6:
		return fmt.Sprintf("if %s then %s else %s end", q(), q(), q())
	case 7:
		return fmt.Sprintf("if %s then %s elif %s then %s end", q(), q(), q(), q())
	case 8:
		return fmt.Sprintf("try (%s) catch (%s)", q(), q())
	case 9:
		return fmt.Sprintf("(%s)?", q())
	case 10:
		g.variables = append(g.variables, "$k")
		out := fmt.Sprintf("(%s) as $k | %s", q(), q())
		g.variables = g.variables[:len(g.variables)-1]
		return out
	case 11:
		g.variables = append(g.variables, "$k", "$h")
		out := fmt.Sprintf("(%s) as %s | %s", q(), g.one("{a: $k, b: $h}", "[$k, $h]", "{$k, body: {a: $h}}", `{"body": $k, (.path): $h}`, "{$k: {$h}}", "[$k] ?// {a: $h}", "{headers: $h} ?// $k"), q())
		g.variables = g.variables[:len(g.variables)-2]
		return out
	case 12:
		g.variables = append(g.variables, "$k")
		out := fmt.Sprintf("reduce (%s) as $k (%s; %s)", q(), q(), q())
		g.variables = g.variables[:len(g.variables)-1]
		return out
	case 13:
		g.variables = append(g.variables, "$k")
		out := fmt.Sprintf("[limit(5; foreach (%s) as $k (%s; %s; %s))]", q(), q(), q(), q())
		g.variables = g.variables[:len(g.variables)-1]
		return out
	case 14:
		return fmt.Sprintf("(label $out | %s | if %s then ., break $out else . end)", q(), q())
	case 15:
		return fmt.Sprintf("%s %s %s", g.path(1), g.one("=", "|=", "+=", "*=", "//="), g.operand(depth-1))
	case 16, 17:
		return fmt.Sprintf("%s(%s)", g.one("map", "select", "any", "all", "sort_by", "group_by", "unique_by", "min_by", "max_by", "map_values",
			"with_entries", "first", "last", "isempty", "error", "path", "del", "pick", "paths", "add", "to_entries | map", "walk", "has", "in", "contains", "inside",
			"getpath", "delpaths", "index", "startswith", "test", "join", "split", "flatten", "tojson | index", "ltrimstr", "IN", "INDEX", "nth", "combinations", "cookie", "hmac_sha256", "ip_in"), q())
	case 18:
		return fmt.Sprintf("%s(%s; %s)", g.one("limit", "first(.[]?) | any", "all", "any", "nth", "skip", "setpath", "sub", "gsub", "IN", "until", "recurse", "pow", "test"), q(), q())
	case 19, 20:
		return q() + " | " + g.one("length", "keys", "type", "tostring", "tojson", "to_entries", "from_entries", "add", "any", "all", "sort", "unique", "reverse", "min", "first", "last",
			"not", "tonumber", "ascii_downcase", "explode", "flatten", "values", "objects", "arrays", "strings", "nulls", "scalars", "iterables", "tostream", "transpose", "paths", "error", "has(\"a\")", "getpath([\"a\",\"b\"])", "map_values(.)", "@base64", "@json", "sha256", "base64url", "urlencode", "jwt_claims", "@text \"x\\(.)\"", "abs", "floor", "isvalid", "recurse(.a?)", "[recurse]", "[..]", "[limit(3; repeat(.a?))]", "[.[]?]", "env", "keys_unsorted", ".[1:]?", ".[:1]", "to_entries", "with_entries(.value |= 1)")
	case 21:
		return g.variables[g.rand.IntN(len(g.variables))]
	case 22:
		return g.variables[g.rand.IntN(len(g.variables))] + g.keyed()
	case 23:
		return fmt.Sprintf(`"%s\(%s)"`, g.one("", "x"), q())
	case 24:
		return "-(" + q() + ")"
	case 25:
		return fmt.Sprintf("%s[%s]", g.keyed(), q())
	case 26:
		return fmt.Sprintf("%s[%s:%s]", g.keyed(), q(), q())
	case 27:
		if len(g.functions) > 0 {
			return g.call(depth)
		}
		return g.statement(depth)
	case 28:
		return fmt.Sprintf("(%s).%s", q(), g.key())
	case 29:
		return fmt.Sprintf("(%s)[]%s", q(), g.one("", "?", ".a", "[]"))
	case 30:
		return fmt.Sprintf("def r: %s; r", q())
	case 31:
		return "{" + g.one("a", "b", "body") + ": " + g.operand(depth-1) + "}." + g.one("a", "body")
	default:
		return g.path(1)
	}
}

func (g *generator) view() map[string]any {
	table := func() map[string]any {
		out := map[string]any{}
		for _, name := range []string{"a", "b", "c", "x"} {
			switch g.rand.IntN(4) {
			case 0, 1:
				out[name] = g.one("a", "b", "/a", "1")
			case 2:
				out[name] = []any{"a", "b"}
			}
		}
		return out
	}
	return map[string]any{
		"method": "GET", "path": g.one("a", "b", "/a"), "status": 200 + 204*g.rand.IntN(2), "vars": map[string]any{"a": "b"},
		"headers": table(), "query": table(), "body": g.value(3),
	}
}

func (g *generator) value(depth int) any {
	if depth > 0 {
		switch g.rand.IntN(10) {
		case 0, 1, 2, 3, 4:
			out := map[string]any{}
			for _, name := range []string{"a", "b", "items", "body", "value", "key"} {
				if g.rand.IntN(2) == 0 {
					out[name] = g.value(depth - 1)
				}
			}
			return out
		case 5, 6:
			out := []any{}
			for range g.rand.IntN(4) {
				out = append(out, g.value(depth-1))
			}
			return out
		}
	}
	switch g.rand.IntN(9) {
	case 0:
		return nil
	case 1:
		return g.rand.IntN(2) == 0
	case 2, 3:
		return g.rand.IntN(4) - 1
	case 4:
		return json.Number(g.one("1", "12345678901234567890", "1.50"))
	case 5:
		return []any{}
	case 6:
		return map[string]any{}
	default:
		return g.one("a", "b", "abc", "YQ==", "")
	}
}
