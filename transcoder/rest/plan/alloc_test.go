package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

func TestNoAllocations(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct{ line, body string }{
		{"GET /v1/things/abc", ""},
		{"GET /v1/things/a%20b?i32=1&sub.name=a+b&sub.tags=x&sub.tags=y&color=RED&user_id=1&ts=2020-01-02T03:04:05Z&key=ignored", ""},
		{"GET /v1/nested/x?node.a.a.a.leaf=1", ""},
		{"POST /v1/star/p", `{"i32":3,"sub":{"name":"x","tags":["a","b"]},"rs":["1","2"]}`},
		{"POST /v1/star/sub/p", `{"sub":{"name":"p"}}`},
		{"PATCH /v1/body/p?i32=9", `{"name":"s","size":3}`},
	} {
		rule, r := f.find(t, c.line, c.body)
		s := new(plan.Scratch)
		var wire, json []byte
		require.Zero(t, testing.AllocsPerRun(100, func() {
			var err error
			if wire, err = rule.plan.Bind(wire[:0], r, s); err != nil {
				t.Fatal(err)
			}
			if json, err = rule.plan.Render(json[:0], wire, plan.Want{}, s); err != nil {
				t.Fatal(err)
			}
		}), "%s", c.line)
	}
}

// Messages behind the first one are held to the path for nothing.
func TestFurtherDoesNotAllocate(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct{ line, json, text string }{
		{"POST /v1/star/p", `{"i32":3}`, `i32: 3`},
		{"POST /v1/star/p", `{"name":"p","i32":3}`, `name: "p" i32: 3`},
		{"POST /v1/star/sub/p", `{"sub":{"name":"p"}}`, `sub {name: "p"}`},
		{"POST /v1/star/i64/7", `{"i64":"7"}`, `i64: 7`},
		{"POST /v1/star/chosen/p", `{"chosen":{"name":"p"}}`, `chosen {name: "p"}`},
	} {
		rule, r := f.find(t, c.line, c.json)
		serialized := *r
		serialized.Body = f.wire(t, "t.v1.Req", c.text)
		s := new(plan.Scratch)
		var wire []byte
		require.Zero(t, testing.AllocsPerRun(100, func() {
			var err error
			if wire, err = rule.plan.BindFurther(wire[:0], r, s); err != nil {
				t.Fatal(err)
			}
			if wire, err = rule.plan.BindFurtherWire(wire[:0], &serialized, s); err != nil {
				t.Fatal(err)
			}
		}), "%s", c.line)
	}
}

// Most options cost nothing but time, even when they are used.
func TestOptionsDoNotAllocate(t *testing.T) {
	f := newFixtureWith(t, func(o *plan.Options) {
		o.UnknownQuery, o.UnknownFields = plan.Report, plan.Ignore
		o.Alt, o.ErrorFormat, o.Key, o.Partial = true, true, true, true
		o.FoldEnums, o.QueryMaps, o.QueryStructs, o.PathWins, o.PatchMask = true, true, true, true, "*"
	})
	for _, c := range []struct{ line, body string }{
		{"GET /v1/things/abc", ""},
		{"GET /v1/things/a%20b?i32=1&sub.name=a+b&foo=1&m[k]=v&m[l]=w&color=red&name=q&key=x&$alt=json%3Benum-encoding=int&xgafv=1&fields=name", ""},
		{"GET /v1/things/n?st=%7B%22a%22:[1]%7D&val=1", ""},
		{"PATCH /v1/body/p?i32=9", `{"name":"s","size":3,"tags":["a"],"nope":1}`},
		{"POST /v1/star/p", `{"i32":3,"color":"blue","name":"q"}`},
	} {
		rule, r := f.find(t, c.line, c.body)
		s := new(plan.Scratch)
		var wire []byte
		require.Zero(t, testing.AllocsPerRun(100, func() {
			var err error
			if wire, err = rule.plan.Bind(wire[:0], r, s); err != nil {
				t.Fatal(err)
			}
		}), "%s", c.line)
	}
}

func TestRenderStatusDoesNotAllocate(t *testing.T) {
	f := newFixture(t)
	rule, _ := f.find(t, thing, "")
	s := new(plan.Scratch)
	var json []byte
	st := plan.Status{Code: 5, Message: "no such thing, é"}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		json = rule.plan.RenderStatus(json[:0], &st, plan.Want{}, s)
	}))
}

func BenchmarkBind(b *testing.B) {
	f := newFixture(b)
	for name, c := range map[string]struct{ line, body string }{
		"path":  {"GET /v1/things/abc", ""},
		"query": {"GET /v1/things/abc?i32=1&sub.name=a+b&sub.tags=x&sub.tags=y&color=RED", ""},
		"body":  {"POST /v1/star/p", `{"i32":3,"sub":{"name":"x","tags":["a","b"]},"rs":["1","2"]}`},
	} {
		b.Run(name, func(b *testing.B) {
			rule, r := f.find(b, c.line, c.body)
			s := new(plan.Scratch)
			var wire []byte
			b.ReportAllocs()
			for b.Loop() {
				wire, _ = rule.plan.Bind(wire[:0], r, s)
			}
		})
	}
}
