package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

func TestExplain(t *testing.T) {
	f := newFixtureWith(t, func(o *plan.Options) {
		o.UnknownQuery, o.UnknownFields = plan.Ignore, plan.Ignore
		o.PathWins, o.QueryMaps, o.PatchMask = true, true, "*"
	})
	for _, c := range []struct {
		name, line, body string
		form             bool
		want             []plan.Bound
		ignored          []string
	}{
		{name: "query", line: "GET /v1/things/a%20b?m[k]=v&foo=1&key=x&name=c&sub.name=y", want: []plan.Bound{
			{Field: "name", Source: "path", From: "{name}", Value: "a b"},
			{Field: "m[k]", Source: "query", From: "m[k]", Value: "v"},
			{Field: "sub.name", Source: "query", From: "sub.name", Value: "y"},
		}, ignored: []string{"query.foo", "query.key", "query.name"}},
		{name: "body and mask", line: "PATCH /v1/body/n?i32=1", body: `{"camel_case": "x", "size": 2, "nope": {}}`, want: []plan.Bound{
			{Field: "name", Source: "path", From: "{name}", Value: "n"},
			{Field: "sub.camelCase", Source: "body", From: "camel_case", Value: `"x"`},
			{Field: "sub.size", Source: "body", From: "size", Value: "2"},
			{Field: "i32", Source: "query", From: "i32", Value: "1"},
			{Field: "mask", Source: "mask", From: "the body", Value: "camel_case,size"},
		}, ignored: []string{"body.nope"}},
		{name: "the path wins", line: "POST /v1/star/sub/p", body: `{"sub": {"name": "x", "size": 2}, "i32": 1}`, want: []plan.Bound{
			{Field: "sub.name", Source: "path", From: "{sub.name}", Value: "p"},
			{Field: "sub.size", Source: "body", From: "sub.size", Value: "2"},
			{Field: "i32", Source: "body", From: "i32", Value: "1"},
		}, ignored: []string{"body.sub.name"}},
		{name: "a body without fields", line: "POST /v1/rep/p", body: `["x"]`, want: []plan.Bound{
			{Field: "name", Source: "path", From: "{name}", Value: "p"},
			{Field: "rs", Source: "body", From: "the whole", Value: `["x"]`},
		}},
		{name: "form", line: "PATCH /v1/body/n", form: true, body: "camel_case=x&nope=1&tags=a&tags=b", want: []plan.Bound{
			{Field: "name", Source: "path", From: "{name}", Value: "n"},
			{Field: "sub.camelCase", Source: "form", From: "camel_case", Value: "x"},
			{Field: "sub.tags", Source: "form", From: "tags", Value: "a"},
			{Field: "sub.tags", Source: "form", From: "tags", Value: "b"},
			{Field: "mask", Source: "mask", From: "the body", Value: "camel_case,tags"},
		}, ignored: []string{"body.nope"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule, r := f.find(t, c.line, c.body)
			r.Form = c.form
			s := new(plan.Scratch)
			_, err := rule.plan.Bind(nil, r, s)
			require.NoError(t, err)
			bound, ignored := rule.plan.Explain(r, s)
			require.Equal(t, c.want, bound)
			require.Equal(t, c.ignored, ignored)
		})
	}
}
