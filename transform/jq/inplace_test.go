package jq

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// setter makes up programs that change a view, most of them straight.
type setter struct{ *rand.Rand }

func (w *setter) pick(choices ...string) string { return choices[w.IntN(len(choices))] }

func (w *setter) path() string {
	return w.pick(".a", ".body", ".headers", ".query", ".headers.a", ".headers.b", `.headers["c"]`, ".query.a", ".body.a", ".body.headers", ".body.headers.a", ".a.b", ".")
}

func (w *setter) value(depth int) string {
	if depth > 0 {
		switch w.IntN(5) {
		case 0:
			return fmt.Sprintf("{headers: %s, a: %s}", w.value(depth-1), w.value(depth-1))
		case 1:
			return fmt.Sprintf("(%s + %s)", w.value(depth-1), w.value(depth-1))
		case 2:
			return fmt.Sprintf("(%s // %s)", w.program(depth-1), w.value(depth-1))
		case 3:
			return fmt.Sprintf("(%s)", w.program(depth-1))
		}
	}
	return w.pick(w.path(), w.path(), `"x"`, "1", "null", "false", `{a: 1}`, `{"a": .headers.b, c: "z"}`, "$v", "$v", "$request", "$request.headers", "type", "not")
}

func (w *setter) program(depth int) string {
	if depth <= 0 {
		return fmt.Sprintf("%s %s %s", w.path(), w.pick("=", "=", "|=", "+=", "//="), w.value(0))
	}
	p := func() string { return w.program(depth - 1) }
	switch w.IntN(9) {
	case 0, 1, 2:
		return fmt.Sprintf("%s | %s", p(), p())
	case 3:
		return fmt.Sprintf("if %s then %s else %s end", w.value(depth-1), p(), p())
	case 4:
		return fmt.Sprintf("%s as $v | %s", w.value(depth-1), p())
	case 5:
		return fmt.Sprintf("del(%s, %s)", w.path(), w.path())
	case 6:
		return fmt.Sprintf("(%s) // (%s)", p(), p())
	case 7:
		return w.value(depth)
	default:
		return fmt.Sprintf("%s %s %s", w.path(), w.pick("=", "=", "|=", "+=", "//="), w.value(depth))
	}
}

// TestRunOver holds that a run which changes its input where it is gives what one
// that copies does, and leaves alone what is not its own.
func TestRunOver(t *testing.T) {
	body := func() any {
		return map[string]any{"a": 1, "headers": map[string]any{"a": "deep"}}
	}
	view := func() map[string]any {
		return map[string]any{
			"a": "text", "headers": map[string]any{"a": "1", "b": []any{"2", "3"}}, "query": map[string]any{}, "body": body(),
		}
	}
	sources := []string{
		`(.headers.a = "x") + .`, `. + (.headers.a = "x")`, `{x: ., y: (.headers.a = "x")}`, `(.headers.a = "x").headers.a + .headers.a`,
		`(.headers.a = null | .headers.a) // .headers.a`, `(.headers.a = "x" | .headers.b) == .headers.a and .`,
		`.headers |= $request.headers | .headers.z = "1"`, `.query |= $request.headers | del(.query.a)`,
		`.a = . | .headers.a = "x"`, `.a = .headers | .headers.a = "x"`, `.a = .headers | .headers += {a: "x"} | del(.headers.b)`,
		`.headers.a = .headers | .headers.b = "x" | .headers.a.a`, `.headers += {h: .headers} | .headers.a = "x"`,
		`. as $v | .headers.a = "x" | .a = $v.headers.a`, `.headers as $v | .headers.a = "x" | .a = $v.a`, `[.headers] as $v | .headers.a = "x" | .a = $v`,
		`{headers: .headers, t: .} | .headers.a = "x" | .t.headers.a`, `{t: .} | .t | .headers.a = "x"`,
		`.body |= {headers, b: .headers} | .body.headers.a = "x"`, `.body = {headers} | .body.headers.a = "x" | .headers.b = .body`,
		`"\(.headers.a = "x" | .headers.a)\(.headers.a)"`, `if (.headers.a = null | .headers.a) then 1 else . end`,
		`.headers.a.b = "x"`, `.headers.new.b = "x" | .headers.new.c = "y"`, `.a.b = "x"`, `.headers = "x" | .headers.a = "y"`, `.headers = null | .headers.a = "y"`,
		`del(.body.a, .headers.a) | .headers.c = "x"`, `del(.) // .`, `.headers //= {} | .headers.z = "1"`, `. |= (.headers.a = "x") | .headers.b = "y"`,
	}
	for seed := range uint64(4_000) {
		w := setter{rand.New(rand.NewPCG(seed, 1))}
		sources = append(sources, `"v" as $v | `+w.program(3))
	}
	straight, changed := 0, 0
	for _, src := range sources {
		p, err := Compile(src, Config{Variables: []string{"request"}, Limits: DefaultLimits})
		require.NoError(t, err, src)
		if p.engine.straight == nil {
			continue
		}
		straight++
		request := view()
		want, wantErr := p.Run(t.Context(), view(), request)
		in := view()
		shared := in["body"]
		got, gotErr := p.RunOver(t.Context(), in, request)
		require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(gotErr), src)
		require.Empty(t, cmp.Diff(want, got), src)
		require.Equal(t, body(), shared, "changes the body: %s", src)
		require.Equal(t, view(), request, "changes a variable: %s", src)
		if wantErr == nil && !cmp.Equal(want, any(view())) && same(got, in) {
			changed++
		}
	}
	require.Greater(t, straight, 2_000)
	require.Greater(t, changed, 150, "programs that change their input where it is")
}

func same(a any, b map[string]any) bool {
	x, _ := address(a)
	y, _ := address(b)
	return x == y
}

// TestRunLeavesItsInput holds that Run, unlike RunOver, does not.
func TestRunLeavesItsInput(t *testing.T) {
	in := map[string]any{"headers": map[string]any{"a": "1"}}
	before := maps.Clone(in["headers"].(map[string]any))
	p, err := Compile(`.headers.b = "2" | del(.headers.a) | .headers += {c: "3"}`, Config{})
	require.NoError(t, err)
	_, err = p.Run(t.Context(), in)
	require.NoError(t, err)
	require.Equal(t, before, in["headers"])
}

// TestRunOverAllocations holds that headers are set without a copy of the view.
func TestRunOverAllocations(t *testing.T) {
	for _, src := range []string{
		`.headers.b = "2"`, `.headers.b = "2" | .headers.c = .headers.a | del(.headers.d)`, `.headers += {b: "2"}`,
		`if .headers.a == "1" then .headers.b = "yes" else .headers.b = "no" end`,
	} {
		p, err := Compile(src, Config{Limits: DefaultLimits})
		require.NoError(t, err)
		in := map[string]any{"path": "/", "headers": map[string]any{"a": "1"}}
		n := testing.AllocsPerRun(100, func() {
			if _, err := p.RunOver(t.Context(), in); err != nil {
				panic(err)
			}
		})
		require.LessOrEqual(t, n, 2.0, src)
	}
}
