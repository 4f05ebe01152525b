package jq

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/itchyny/gojq"
	"github.com/stretchr/testify/require"
)

func compiled(t *testing.T, src string, limits Limits) *Program {
	t.Helper()
	p, err := Compile(src, Config{Name: "test", Limits: limits})
	require.NoError(t, err)
	return p
}

// Whatever a program does with errors, after an excess it ends, with that.
func TestExcessIsNotCaught(t *testing.T) {
	for _, src := range []string{
		`try ("x" * 1e6) catch "caught"`,
		`("x" * 1e6)? // "caught"`,
		`[.[]?, (try ("x" * 1e6) catch .)] | length`,
		`label $out | ("x" * 1e6 | break $out), "caught"`,
		`first(("x" * 1e6), "caught")`,
		`"\("x" * 1e6)" | "caught"`,
		`def f: try ("x" * 1e6) catch f; f`,
		`if ("x" * 1e6) == 1 then 1 else "caught" end`,
		`last(range(1e15) | try ("x" * 1e6) catch .)`,
	} {
		t.Run(src, func(t *testing.T) {
			p := compiled(t, src, Limits{Memory: 100_000})
			_, err := p.Run(t.Context(), nil)
			var failure *RunError
			require.ErrorAs(t, err, &failure)
			require.Equal(t, RunError{
				Program: "test", Limit: "memory", Message: "makes more than 100000 bytes of values",
			}, *failure)
			require.Equal(t, Stats{OverMemory: 1}, p.Stats())
			// What was used up is there again for the next run.
			_, err = compiled(t, `"x" * 5e4 | length`, Limits{Memory: 100_000}).Run(t.Context(), nil)
			require.NoError(t, err)
		})
	}
}

func TestMessagesOfLimits(t *testing.T) {
	p := compiled(t, "def f: f; f", Limits{Time: time.Millisecond})
	_, err := p.Run(t.Context(), nil)
	require.EqualError(t, err, "test: takes more than 1ms")
	require.Equal(t, Stats{OverTime: 1}, p.Stats())

	_, err = compiled(t, "[., .] | [., .] | [., .] | [., .]", Limits{Memory: 2000}).Run(t.Context(), strings.Repeat("x", 500))
	require.EqualError(t, err, "test: yields more than 2000 bytes")
	_, err = compiled(t, "{a: ., b: .} | {a: ., b: .} | {a: ., b: .}", Limits{Memory: 4000}).Run(t.Context(), strings.Repeat("x", 900))
	require.EqualError(t, err, "test: yields more than 4000 bytes")
}

func TestRunEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := compiled(t, "def f: f; f", Limits{}).Run(ctx, nil)
	require.ErrorIs(t, err, context.Canceled)
}

func TestPanicIsAFailure(t *testing.T) {
	for _, src := range []string{"boom", ".[]? | boom", "def f: boom; f"} {
		query, err := gojq.Parse(src)
		require.NoError(t, err)
		broken := true
		e, err := newEngine(query, nil, []native{{name: "boom", call: func(*budget, any, []any) any {
			if broken {
				panic("no")
			}
			return "whole"
		}}}, DefaultLimits)
		require.NoError(t, err)
		_, err = e.run(t.Context(), []any{1}, nil, nil, nil)
		var failure *RunError
		require.ErrorAs(t, err, &failure)
		require.Equal(t, "the engine fails: no", failure.Message)
		broken = false
		out, err := e.run(t.Context(), []any{1}, nil, nil, nil)
		require.NoError(t, err)
		require.Equal(t, "whole", out)
	}
}

// A program has one input and one budget for each run, however many there are.
func TestRunsAtOnce(t *testing.T) {
	for _, src := range []string{`.s * .n | length`, `def f: .s * .n; [f, f] | .[0] | length`} {
		p := compiled(t, src, Limits{Time: time.Minute, Memory: 100_000})
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 200 {
					n := 1 + (g*200+i)%20_000
					got, err := p.Run(t.Context(), map[string]any{"s": "xy", "n": n})
					if err != nil || got != 2*n {
						t.Errorf("%d: %v, %v", n, got, err)
					}
					if _, err = p.Run(t.Context(), map[string]any{"s": "xy", "n": 1e6}); err == nil {
						t.Errorf("%d: no error", n)
					}
				}
			})
		}
		wg.Wait()
		require.Equal(t, Stats{OverMemory: 1600}, p.Stats())
	}
}

// Values that runs share are never written to, not even with what is in them.
func TestSharedValues(t *testing.T) {
	shared := map[string]any{"a": map[string]any{"b": []any{map[string]any{"c": 1}}}, "d": 1}
	p, err := Compile(`[$p | del(.x), del(.a.x), del(.a.b[0].x), (.a.b |= map(empty)), (.a.b[0].c |= empty), (.. |= .)] | length`,
		Config{Params: map[string]any{"p": shared}})
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if out, err := p.Run(t.Context(), nil); err != nil || out != 6 {
					t.Errorf("%v, %v", out, err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, map[string]any{"a": map[string]any{"b": []any{map[string]any{"c": 1}}}, "d": 1}, shared)
}

func TestPatternsAreBounded(t *testing.T) {
	var kept regexps
	for i := range 10 * mostPatterns {
		_, err := kept.get(fmt.Sprint("a", i), "")
		require.NoError(t, err)
		require.LessOrEqual(t, len(kept.kept), mostPatterns)
	}
	for source, want := range map[string]string{
		strings.Repeat("a", longestPattern+1): "longer than 4096",
		"(abcdefghijklmnop){1000}":            "steps, more than 10000",
		"(":                                   "missing closing",
	} {
		_, err := kept.get(source, "")
		require.ErrorContains(t, err, want)
	}
	_, err := kept.get("a", "x")
	require.ErrorContains(t, err, `unsupported regular expression flag: "x"`)
}

func TestNormalize(t *testing.T) {
	type name string
	var null *int
	for _, row := range []struct{ in, want any }{
		{nil, nil},
		{int64(-3), -3},
		{uint32(3), 3},
		{uint64(math.MaxUint64), new(big.Int).SetUint64(math.MaxUint64)},
		{float32(0.5), 0.5},
		{name("n"), "n"},
		{[]byte("bytes"), "bytes"},
		{json.Number("1.50"), json.Number("1.50")},
		{[]string{"a"}, []any{"a"}},
		{[2]int8{1, 2}, []any{1, 2}},
		{map[name][]uint8{"k": []byte("v")}, map[string]any{"k": "v"}},
		{map[string]string{"k": "v"}, map[string]any{"k": "v"}},
		{[]any{map[string]any{"k": int32(1)}}, []any{map[string]any{"k": 1}}},
		{null, nil},
	} {
		got, err := Normalize(row.in)
		require.NoError(t, err)
		require.Equal(t, row.want, got)
		_, err = gojq.Marshal(got)
		require.NoError(t, err)
	}
	circle := []any{nil}
	circle[0] = circle
	for _, in := range []any{make(chan int), map[int]string{1: "a"}, []any{func() {}}, circle, json.Number(strings.Repeat("1", 2000))} {
		_, err := Normalize(in)
		require.Error(t, err)
	}
}

// What a program fails with may be anything: none of it goes on unshortened.
func TestMessagesAreShort(t *testing.T) {
	for _, src := range []string{`error("x" * 1e6)`, `[range(1e4)] | error`, `"x" * 1e6 | error`, `try error("x" * 1e6) catch error`} {
		_, err := compiled(t, src, Limits{Memory: 64 << 20}).Run(t.Context(), nil)
		var failure *RunError
		require.True(t, errors.As(err, &failure))
		require.Less(t, len(failure.Message), 1200)
	}
}
