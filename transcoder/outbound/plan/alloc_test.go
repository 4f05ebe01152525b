package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/outbound/plan"
)

var steady = []struct{ name, input, rule, message string }{
	{"path", "Get", `get: "/v1/{parent=shelves/*}/{name}"`, `parent: "shelves/1" name: "a b"`},
	{"query", "Get", `get: "/v1/{name}"`,
		`name: "n" page_size: 3 tags: "a" tags: "b" ids: 1 ids: 2 sub {name: "s" sub {size: 1}} at {seconds: 1} mask {paths: "a_b"} data: "x" color: RED`},
	{"body", "Put", `post: "/v1/{book.name}" body: "*"`, `name: "n" book {name: "b" title: "t" next {name: "x"}} labels {key: "k" value: "v"}`},
	{"field", "Deep", `patch: "/v1/{name}" body: "middle"`, `name: "n" middle {book {name: "b" title: "t"}}`},
	{"file", "File", `post: "/v1/{name}" body: "file"`, `name: "n" file {content_type: "text/plain" data: "some bytes"}`},
	{"no rule", "Put", ``, `name: "n" book {name: "b" title: "t"}`},
}

func steadyPlan(t testing.TB, input, rule string) *plan.Plan {
	f := newFixture(t)
	if rule == "" {
		return f.plan(t, input)
	}
	// The first rule takes nothing of these.
	return f.plan(t, input, `get: "/v0/{name=never/*}" body: "*"`, rule)
}

func TestNoAllocations(t *testing.T) {
	r := new(plan.Request)
	for _, c := range steady {
		p, message := steadyPlan(t, c.input, c.rule), newFixture(t).wire(t, c.input, c.message)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if err := p.Build(r, message); err != nil {
				t.Fatal(err)
			}
		}), c.name)
	}
}

func BenchmarkBuild(b *testing.B) {
	for _, c := range steady {
		b.Run(c.name, func(b *testing.B) {
			p, message := steadyPlan(b, c.input, c.rule), newFixture(b).wire(b, c.input, c.message)
			r := new(plan.Request)
			b.ReportAllocs()
			b.SetBytes(int64(len(message)))
			for b.Loop() {
				if err := p.Build(r, message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
