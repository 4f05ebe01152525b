package plan_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

func TestIgnoreUnknownQuery(t *testing.T) {
	f := newFixtureWith(t, func(o *plan.Options) { o.UnknownQuery = plan.Ignore })
	f.run(t, plan.InQuery, false, []bindCase{
		r1("B01", "unknown=1&i32=2", `i32: 2`),
		r1("B01 below a field", "sub.unknown=1&sub.size=2", `sub {size: 2}`),
		r1("B01 below a scalar", "sub.name.foo=1&i32=2", `i32: 2`),
		r1("B01 below a member of a oneof", "chosen.unknown=1&email=e", `email: "e"`),
		r1("B01 below two members of a oneof", "i32=1&chosen.unknown=1&chosen.name.foo=1&email=e&sub.unknown=1&u32=2", `i32: 1 email: "e" u32: 2`),
		bad("B01 with the member too", "chosen.unknown=1&chosen.size=1&chosen.unknown=1&email=e", "email", `"chosen" is set by another parameter`),
		r1("B01 no value", "unknown&i32=2", `i32: 2`),
		r1("B01 bad value", "unknown=%zz&i32=2", `i32: 2`),
		r1("B21", "rs[]=a&rs[0]=b", ``),
		r1("B23", "m[k]=v", ``),
		bad("known fields stay strict", "i32=x", "i32", `query parameter "i32"`),
		bad("B31", "subs.name=x", "subs.name", `repeated`),
		bad("B41", "ts.seconds=1", "ts.seconds", `google.protobuf.Timestamp`),
		bad("B47 name", "unknown%zz=1", "unknown%zz", `hexadecimal`),
		bad("B48 name", "%FF=1", "\uFFFD", `UTF-8`),
		bad("B49", "unknown=a;b=true", "unknown", `semicolon`),
		bad("B50", "name=q", "name", `taken from the path`),
		bad("B60", strings.Repeat("x=a&", 1001), "", `more than 1000 parameters`),
		{name: "B52", line: "POST /v1/star/p?i32=7&foo=1", body: "{}", field: "i32", err: `from the body`},
		{name: "B52 unknown", line: "POST /v1/star/p?foo=7", body: "{}", want: `name: "p"`},
		{name: "B53", line: "PATCH /v1/body/n?sub.foo=9", body: "{}", field: "sub.foo", err: `taken from the body`},
	})
}

func TestReportUnknownQuery(t *testing.T) {
	f := newFixtureWith(t, func(o *plan.Options) { o.UnknownQuery = plan.Report })
	long := strings.Repeat("x", 100)
	f.run(t, plan.InQuery, false, []bindCase{
		{name: "B01", line: "GET /v1/things/n?a=1&sub.b=SECRET&i32=2&a=3", want: `name: "n" i32: 2`, ignored: "query.a, query.sub.b"},
		{name: "what is not printable", line: "GET /v1/things/n?a%2Cb%20%C3%A9%25=1", want: `name: "n"`, ignored: "query.a%2Cb%20%C3%A9%25"},
		{name: "of a refused request", line: "GET /v1/things/n?a=1&i32=x&b=1", field: "i32", err: `i32`, ignored: "query.a"},
		{name: "not those that nobody reads", line: "GET /v1/things/n?key=1", want: `name: "n"`},
		{
			name: "too many", line: "GET /v1/things/n?" + long + "1&" + long + "2&" + long + "3&" + long + "4&" + long + "5&" +
				long + "6&" + long + "7&" + long + "8&" + long + "9&" + long + "10",
			want: `name: "n"`,
			ignored: "query." + long + "1, query." + long + "2, query." + long + "3, query." + long + "4, query." + long + "5, query." +
				long + "6, query." + long + "7, query." + long + "8, query." + long + "9, ...",
		},
		{name: "too long", line: "GET /v1/things/n?" + strings.Repeat("x", 2000) + "=1&y=1", want: `name: "n"`, ignored: "..."},
	})
}

func TestCaptureUnknownQuery(t *testing.T) {
	f := newFixtureWith(t, func(o *plan.Options) { o.UnknownQuery = plan.Capture })
	f.run(t, plan.InQuery, false, []bindCase{
		{name: "as they came", line: "GET /v1/things/n?utm%5Fa=x+y%20z&i32=2&b2&utm%5Fa=&=1", want: `name: "n" i32: 2`, captured: "utm%5Fa=x+y%20z&b2&utm%5Fa=&=1"},
		{name: "B57", line: "GET /v1/things/n?key=SECRET&a=1", want: `name: "n"`, captured: "a=1"},
		{name: "not printable", line: "GET /v1/things/n?a=\xc3\xa9 \x01", want: `name: "n"`, captured: "a=%C3%A9%20%01"},
	})
}

func TestUnknownFields(t *testing.T) {
	const body = `{"i32": 1, "unknown": SECRET, "sub": {"b,c": {"x": [1]}, "size": 2}}`
	json := strings.Replace(body, "SECRET", `"SECRET"`, 1)
	t.Run("ignore", func(t *testing.T) {
		newFixtureWith(t, func(o *plan.Options) { o.UnknownFields = plan.Ignore }).run(t, plan.InBody, false, []bindCase{
			{name: "C07", line: "POST /v1/star/p", body: json, want: `name: "p" i32: 1 sub {size: 2}`},
			{name: "C07 known", line: "POST /v1/star/p", body: `{"i32": "x"}`, field: "i32", err: `i32`},
			{name: "C07 still JSON", line: "POST /v1/star/p", body: body, err: `unexpected`},
		})
	})
	t.Run("report", func(t *testing.T) {
		newFixtureWith(t, func(o *plan.Options) { o.UnknownFields, o.UnknownQuery = plan.Report, plan.Report }).run(t, plan.InBody, false, []bindCase{
			{name: "C07", line: "POST /v1/star/p?x=1", body: json, want: `name: "p" i32: 1 sub {size: 2}`, ignored: `body.unknown, body.sub["b%2Cc"], query.x`},
			{name: "field", line: "PATCH /v1/body/n?x=1", body: `{"size": 1, "nope": {}}`, want: `name: "n" sub {size: 1}`, ignored: "body.nope, query.x"},
		})
	})
}

func TestFoldEnums(t *testing.T) {
	newFixtureWith(t, func(o *plan.Options) { o.FoldEnums = true }).run(t, plan.InQuery, false, []bindCase{
		r1("B17", "color=red", `color: RED`),
		r1("B17 exactly", "color=BLUE", `color: BLUE`),
		bad("B17 unknown", "color=green", "color", `Color`),
		{name: "path", line: "GET /v1/color/Blue", want: `color: BLUE`},
		{name: "body", line: "POST /v1/star/p", body: `{"color": "rEd"}`, want: `name: "p" color: RED`},
	})
}

func TestQueryMaps(t *testing.T) {
	newFixtureWith(t, func(o *plan.Options) { o.QueryMaps = true }).run(t, plan.InQuery, false, []bindCase{
		r1("B23", "m[k]=v", `m {key: "k" value: "v"}`),
		r1("B23 two", "m[k]=v&m[l]=", `m {key: "k" value: "v"} m {key: "l" value: ""}`),
		r1("B23 escaped", "m%5Ba.b%20%5D]=v+w", `m {key: "a.b ]" value: "v w"}`),
		r1("B23 empty key", "m[]=v", `m {key: "" value: "v"}`),
		bad("B23 twice", "m[k]=v&i32=1&m[%6B]=w", "m[k]", `set twice`),
		bad("B23 whole", "m=v", "m", `m[key]=value`),
		bad("B23 no value", "m[k]", "m[k]", `no value`),
		bad("B23 through", "m.k=v", "m.k", `a map`),
		bad("B23 further", "m[k].x=v", "m[k].x", `no field`),
		bad("B21", "rs[0]=a", "rs[0]", `no field "rs[0]"`),
		r1("B28", "search[encoded]=x", `search_encoded: "x"`),
		{name: "B52", line: "POST /v1/star/p?m[k]=v", body: "{}", field: "m[k]", err: `from the body`},
	})
	f := inline(t, `syntax = "proto3"; package d; message M { Sub sub = 1; }
		message Sub { map<int32, bool> flags = 1; map<string, M> deep = 2; map<bool, string> other = 3; }`)
	o := options
	o.QueryMaps = true
	p, err := f.planWith(t, "d.M", "d.M", &httprule.Binding{Method: "GET", Template: template(t, "/x")}, o)
	require.NoError(t, err)
	rule := &rule{plan: p, input: f.descriptor(t, "d.M")}
	for _, c := range []struct{ name, query, want, err string }{
		{"nested", "sub.flags[7]=true&sub.flags[-1]=false", `sub {flags {key: 7 value: true} flags {key: -1}}`, ""},
		{"one key of two maps", "sub.flags[1]=true&sub.other[true]=x", `sub {flags {key: 1 value: true} other {key: true value: "x"}}`, ""},
		{"one number twice", "sub.flags[0]=true&sub.flags[-0]=true", "", "set twice"},
		{"bad key", "sub.flags[x]=true", "", `query parameter "sub.flags[x]": the key "x" is not an integer`},
		{"bad value", "sub.flags[1]=1", "", `is not a bool`},
		{"messages", "sub.deep[x]=1", "", `whose values are messages`},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := f.bindRequest(t, rule, &plan.Request{Path: "/x", RawQuery: c.query}, new(plan.Scratch))
			if c.err != "" {
				require.ErrorContains(t, err, c.err)
				return
			}
			require.NoError(t, err)
			f.same(t, c.want, got)
		})
	}
}

func TestQueryStructs(t *testing.T) {
	newFixtureWith(t, func(o *plan.Options) { o.QueryStructs = true }).run(t, plan.InQuery, false, []bindCase{
		r1("B41 Struct", "st="+q(`{"a":1}`), `st {fields {key: "a" value {number_value: 1}}}`),
		r1("B41 Value", "val=1", `val {number_value: 1}`),
		r1("B41 null", "val=null", `val {null_value: NULL_VALUE}`),
		r1("B41 string", "val=%22x%22", `val {string_value: "x"}`),
		r1("B41 ListValue", "lv=[1]", `lv {values {number_value: 1}}`),
		bad("B41 bare string", "val=x", "val", `query parameter "val"`),
		bad("B41 twice", "val=1&val=2", "val", `set twice`),
		bad("B41 no object", "st=1", "st", `query parameter "st"`),
		bad("B41 broken", "st="+q(`{"a":`), "st", `query parameter "st"`),
		bad("B41 within", "st.a=1", "st.a", `google.protobuf.Struct`),
		bad("B59", "any=1", "any", `google.protobuf.Any`),
		bad("B29", "sub="+q(`{"name":"x"}`), "sub", `t.v1.Sub`),
	})
}

func TestPathWins(t *testing.T) {
	f := newFixtureWith(t, func(o *plan.Options) { o.PathWins = true })
	f.run(t, plan.InQuery, false, []bindCase{
		r1("B50", "name=q&i32=1", `i32: 1`),
		{name: "B51", line: "GET /v1/nested/x?sub.name=y&sub.size=2", want: `sub {name: "x" size: 2}`},
		{name: "B43", line: "GET /v1/users/alice?email=e&chosen.name=f&i32=1", want: `user_id: "alice" i32: 1`},
		{name: "any value", line: "GET /v1/int/5?i32=x", want: `i32: 5`},
		{name: "with the body", line: "POST /v1/star/p?name=7", body: "{}", want: `name: "p"`},
		{name: "not the body", line: "PATCH /v1/body/n?sub.size=9", body: "{}", field: "sub.size", err: `taken from the body`},
		bad("not the query", "user_id=a&email=b", "email", `set by another parameter`),
		bad("not what is unknown", "nome=q", "nome", `no field`),
		{name: "C01", line: "POST /v1/star/p", body: `{"name": "body", "i32": 3}`, want: `name: "p" i32: 3`},
		{name: "C03", line: "POST /v1/star/sub/p", body: `{"sub": {"name": "body", "size": 3}}`, want: `sub {name: "p" size: 3}`},
		{name: "C04", line: "POST /v1/star/user/p", body: `{"email": "body", "i32": 3}`, want: `user_id: "p" i32: 3`},
	})
}

func TestEscapeModes(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		name         string
		mode         httprule.Escapes
		single, rest string // what a%2Fb becomes
	}{
		{"A26 standard", httprule.Standard, "a/b", "x/a%2Fb"},
		{"A26 decode", httprule.DecodeSlashes, "a/b", "x/a/b"},
		{"A33 keep", httprule.KeepSlashes, "a%2Fb", "x/a%2Fb"},
		{"A33 reject", httprule.RejectSlashes, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := f.plan(t, "t.v1.Req", "t.v1.Req", &httprule.Binding{
				Method: "GET", Template: template(t, "/v1/{name}/{path=**}"), Escapes: c.mode,
			})
			require.NoError(t, err)
			rule := &rule{plan: p, input: f.descriptor(t, "t.v1.Req")}
			r := &plan.Request{Path: "/v1/a%2Fb/x/a%2Fb", Captures: []plan.Span{{Start: 4, End: 9}, {Start: 10, End: 17}}}
			got, err := f.bindRequest(t, rule, r, new(plan.Scratch))
			if c.single == "" {
				var pe *plan.Error
				require.ErrorAs(t, err, &pe)
				require.Equal(t, plan.InPath, pe.Place)
				require.Equal(t, "name", pe.Field)
				require.Equal(t, `path variable "name": an escaped slash, %2F, is not accepted here`, pe.Message)
				return
			}
			require.NoError(t, err)
			f.same(t, `name: "`+c.single+`" path: "`+c.rest+`"`, got)
		})
	}
}

func TestSystemParameters(t *testing.T) {
	f := newFixtureWith(t, func(o *plan.Options) {
		o.IgnoredQuery = nil
		o.Alt, o.ErrorFormat, o.Key, o.Partial = true, true, true, true
		o.UnknownQuery = plan.Capture
	})
	for _, c := range []struct {
		name, query string
		want        plan.Outcome
		err, field  string
	}{
		{name: "nothing", query: "i32=1"},
		{name: "B56", query: "$alt=json%3Benum-encoding=int", want: plan.Outcome{IntEnums: true}},
		{name: "B56 escaped", query: "%24alt=json%3Benum-encoding%3Dint&i32=1", want: plan.Outcome{IntEnums: true}},
		{name: "B56 second spelling", query: "alt=json%3Benum-encoding=int", want: plan.Outcome{IntEnums: true}},
		{name: "B56 json", query: "alt=json"},
		{name: "B56 twice", query: "$alt=json&$alt=json", err: `twice`, field: "$alt"},
		{name: "B56 both", query: "$alt=json&alt=json", err: `twice`, field: "alt"},
		{name: "B56 raw", query: "$alt=json;enum-encoding=int", err: `semicolon`, field: "$alt"},
		{name: "B56 proto", query: "$alt=proto", err: `json%3Benum-encoding=int`, field: "$alt"},
		{name: "B56 no value", query: "$alt", err: `no value`, field: "$alt"},
		{name: "errors 1", query: "$.xgafv=1", want: plan.Outcome{Errors: plan.GoogleErrors}},
		{name: "errors 2", query: "xgafv=2", want: plan.Outcome{Errors: plan.StatusErrors}},
		{name: "errors 3", query: "$.xgafv=3", err: `errors can be`, field: "$.xgafv"},
		{name: "errors twice", query: "$.xgafv=1&xgafv=2", want: plan.Outcome{Errors: plan.GoogleErrors}, err: `twice`, field: "xgafv"},
		{name: "errors of an error", query: "i32=x&%24.xgafv=1", want: plan.Outcome{Errors: plan.GoogleErrors}, err: `i32`, field: "i32"},
		{name: "B57", query: "key=SECRET&key=%zz&key"},
		{name: "fields", query: "fields=sub(name%2Csize)&i32=1", want: plan.Outcome{HasFields: true, Fields: []byte("sub(name,size)")}},
		{name: "fields, empty", query: "$fields=", want: plan.Outcome{HasFields: true}},
		{name: "fields twice", query: "$fields=a&fields=b", want: plan.Outcome{HasFields: true, Fields: []byte("a")}, err: `twice`, field: "fields"},
		{name: "fields, no text", query: "fields=%FF", err: `UTF-8`, field: "fields"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := new(plan.Scratch)
			for _, line := range []string{"GET /v1/things/n?", "POST /v1/star/n?"} {
				if line[0] == 'P' && strings.Contains(c.query, "i32") {
					continue // the body alone could set it
				}
				rule, r := f.find(t, line+c.query, "")
				_, err := rule.plan.Bind(nil, r, s)
				require.Equal(t, c.want.IntEnums, s.Outcome.IntEnums)
				require.Equal(t, c.want.Errors, s.Outcome.Errors)
				require.Equal(t, c.want.HasFields, s.Outcome.HasFields)
				require.Equal(t, string(c.want.Fields), string(s.Outcome.Fields))
				require.Empty(t, s.Outcome.Captured)
				if c.err != "" {
					var pe *plan.Error
					require.ErrorAs(t, err, &pe)
					require.Contains(t, pe.Message, c.err)
					require.Equal(t, c.field, pe.Field)
					require.NotContains(t, pe.Message, "SECRET")
					continue
				}
				require.NoError(t, err)
			}
			rule, r := f.find(t, "GET /v1/things/n", "")
			_, err := rule.plan.Bind(nil, r, s)
			require.NoError(t, err)
			require.Equal(t, plan.Outcome{}, plan.Outcome{IntEnums: s.Outcome.IntEnums, Errors: s.Outcome.Errors, HasFields: s.Outcome.HasFields},
				"the next request has said nothing")
			require.Empty(t, s.Outcome.Fields)
		})
	}
}

// TestBeginFindsErrorForm has it even for a request that is never bound.
func TestBeginFindsErrorForm(t *testing.T) {
	s := new(plan.Scratch)
	rule, _ := newFixtureWith(t, func(o *plan.Options) { o.ErrorFormat = true }).find(t, thing, "")
	rule.plan.Begin("%zz&a=1&$.xgafv=7&$.xgafv=%zz&%24.xgafv=1&xgafv=2", s)
	require.Equal(t, plan.GoogleErrors, s.Outcome.Errors)
	rule.plan.Begin("", s)
	require.Equal(t, plan.AnyErrors, s.Outcome.Errors)
	off, _ := newFixture(t).find(t, thing, "")
	off.plan.Begin("$.xgafv=1", s)
	require.Equal(t, plan.AnyErrors, s.Outcome.Errors)
}

// A field of the message comes before the short spelling of a system parameter.
func TestSystemParameterAgainstField(t *testing.T) {
	f := inline(t, `syntax = "proto3"; package d; message M { string alt = 1; string fields = 2; string x = 3 [json_name = "xgafv"]; string key = 4; }`)
	o := options
	o.IgnoredQuery = nil
	o.Alt, o.ErrorFormat, o.Key, o.Partial = true, true, true, true
	p, err := f.planWith(t, "d.M", "d.M", &httprule.Binding{Method: "GET", Template: template(t, "/x")}, o)
	require.NoError(t, err)
	s := new(plan.Scratch)
	got, err := f.bindRequest(t, &rule{plan: p, input: f.descriptor(t, "d.M")},
		&plan.Request{Path: "/x", RawQuery: "alt=a&fields=f&xgafv=g&key=k&$alt=json%3Benum-encoding=int&$fields=h"}, s)
	require.NoError(t, err)
	f.same(t, `alt: "a" fields: "f" x: "g"`, got)
	require.True(t, s.Outcome.IntEnums)
	require.Equal(t, "h", string(s.Outcome.Fields))
}
