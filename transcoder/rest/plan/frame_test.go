package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// furtherCase is a message behind the first one: what it becomes, or the error.
type furtherCase struct{ line, body, want, err string }

const differs, rival = "differs from what the path has set", "another member of the oneof"

// What comes behind the first message need not say what the path binds, but cannot
// say anything else: JSON is told what it would be told in the first message.
func TestBindFurther(t *testing.T) {
	f := newFixture(t)
	for _, c := range []furtherCase{
		{"POST /v1/star/p", `{"i32":2}`, `i32: 2`, ""},
		{"POST /v1/star/p", `{}`, ``, ""},
		{"POST /v1/star/p", ``, ``, ""},
		{"POST /v1/star/p", `{"name":null}`, ``, ""},
		{"POST /v1/star/p", `{"i32":2,"name":"p","u32":1}`, `name: "p" i32: 2 u32: 1`, ""},
		{"POST /v1/star/p", `{"name":"other","i32":2}`, ``, differs},
		{"POST /v1/star/p", `{"name":""}`, ``, differs},
		{"POST /v1/star/p", `{"name":`, ``, "expected a value"},
		// Another spelling of the path's value is the same value.
		{"POST /v1/star/i64/7", `{"i64":"7"}`, `i64: 7`, ""},
		{"POST /v1/star/i64/7", `{"i64":7.0}`, `i64: 7`, ""},
		{"POST /v1/star/i64/7", `{"i64":8}`, ``, differs},
		{"POST /v1/star/i64/7", `{"i64":0}`, ``, differs},
		{"POST /v1/star/i64/0", `{"i64":"0"}`, ``, ""},
		{"POST /v1/star/i64/0", `{"i64":1}`, ``, differs},
		{"POST /v1/star/snake/p%2Fq", `{"snakeName":"p/q"}`, `snake_name: "p/q"`, ""},
		{"POST /v1/star/snake/p", `{"snake_name":"p"}`, `snake_name: "p"`, ""},
		{"POST /v1/star/snake/p", `{"snake_name":"q"}`, ``, differs},
		{"POST /v1/star/snake/p", `{"snakeName":"q"}`, ``, differs},
		// In a message.
		{"POST /v1/star/sub/p", `{"sub":{"size":1}}`, `sub {size: 1}`, ""},
		{"POST /v1/star/sub/p", `{"sub":{"tags":["a"],"name":"p","size":1}}`, `sub {name: "p" tags: "a" size: 1}`, ""},
		{"POST /v1/star/sub/p", `{"sub":{"name":"q"}}`, ``, differs},
		{"POST /v1/star/sub/p", `{"name":"q","subs":[{"name":"q"}]}`, `name: "q" subs {name: "q"}`, ""},
		{"PATCH /v1/bodies/sub/p", `{"size":1}`, `sub {size: 1}`, ""},
		{"PATCH /v1/bodies/sub/p", `{"name":"p"}`, `sub {name: "p"}`, ""},
		{"PATCH /v1/bodies/sub/p", `{"name":"q"}`, ``, differs},
		{"POST /v1/bodies/grp/7", `{"old":{"id":"a","grp":{"in":"7"}}}`, `old {id: "a" Grp {in: "7"}}`, ""},
		{"POST /v1/bodies/grp/7", `{"old":{"grp":{"in":"8"}}}`, ``, differs},
		// In a oneof.
		{"POST /v1/star/user/p", `{"userId":"p"}`, `user_id: "p"`, ""},
		{"POST /v1/star/user/p", `{"userId":"q"}`, ``, differs},
		{"POST /v1/star/user/p", `{"email":"q"}`, ``, rival},
		{"POST /v1/star/user/p", `{"chosen":{}}`, ``, rival},
		{"POST /v1/star/user/p", `{"email":null}`, ``, ""},
		{"POST /v1/star/chosen/p", `{"chosen":{"size":1}}`, `chosen {size: 1}`, ""},
		{"POST /v1/star/chosen/p", `{"chosen":{"name":"p"}}`, `chosen {name: "p"}`, ""},
		{"POST /v1/star/chosen/p", `{"email":""}`, ``, rival},
		// Other bodies.
		{"POST /v1/rep/p", `["x"]`, `rs: "x"`, ""},
		{"POST /v1/bodies/scalar/p", `"x"`, `snake_name: "x"`, ""},
		{"GET /v1/upload/p", `{"name":"q"}`, ``, ""},
	} {
		t.Run(c.line+" "+c.body, func(t *testing.T) {
			rule, r := f.find(t, c.line, c.body)
			s := new(plan.Scratch)
			wire, err := rule.plan.BindFurther([]byte("kept"), r, s)
			require.Equal(t, "kept", string(wire[:4]))
			_, first := rule.plan.Bind(nil, r, s)
			require.Equal(t, first, err, "the rule of the first message")
			if c.err != "" {
				var pe *plan.Error
				require.ErrorAs(t, err, &pe)
				require.Contains(t, pe.Message, c.err)
				require.Equal(t, plan.InBody, pe.Place)
				require.Len(t, wire, 4)
				return
			}
			require.NoError(t, err)
			f.same(t, c.want, f.parse(t, "t.v1.Req", wire[4:]))
		})
	}
}

// With the option that the path wins, what differs from it has its value.
func TestBindFurtherPathWins(t *testing.T) {
	f := newFixtureWith(t, func(o *plan.Options) { o.PathWins = true })
	for _, c := range []furtherCase{
		{"POST /v1/star/p", `{"i32":2}`, `i32: 2`, ""},
		{"POST /v1/star/p", `{"name":"p"}`, `name: "p"`, ""},
		{"POST /v1/star/p", `{"i32":1,"name":"other","u32":2}`, `name: "p" i32: 1 u32: 2`, ""},
		{"POST /v1/star/sub/p", `{"sub":{"name":"q","size":1}}`, `sub {name: "p" size: 1}`, ""},
		{"POST /v1/star/user/p", `{"email":"q"}`, ``, ""},
	} {
		rule, r := f.find(t, c.line, c.body)
		wire, err := rule.plan.BindFurther(nil, r, new(plan.Scratch))
		require.NoError(t, err)
		f.same(t, c.want, f.parse(t, "t.v1.Req", wire))
	}
	for _, c := range []furtherCase{
		{"POST /v1/star/p", `i32: 2`, `i32: 2`, ""},
		{"POST /v1/star/p", `name: "other" i32: 1`, `name: "p" i32: 1`, ""},
		{"POST /v1/star/sub/p", `sub {name: "q" size: 1}`, `sub {name: "p" size: 1}`, ""},
		{"POST /v1/star/user/p", `email: "q"`, `user_id: "p"`, ""},
	} {
		rule, r := f.find(t, c.line, "")
		r.Body = f.wire(t, "t.v1.Req", c.body)
		wire, err := rule.plan.BindFurtherWire(nil, r, new(plan.Scratch))
		require.NoError(t, err)
		f.same(t, c.want, f.parse(t, "t.v1.Req", wire))
	}
}

// A mask that the path binds is not made of the body of a later message either.
func TestBindFurtherMask(t *testing.T) {
	f := newFixture(t)
	o := options
	o.PatchMask = "*"
	for path, want := range map[string]string{
		"/v1/{mask}": `i32: 1`,
		"/v1/{name}": `i32: 1 mask {paths: "i32"}`,
	} {
		p, err := f.planWith(t, "t.v1.Req", "t.v1.Req", &httprule.Binding{Method: "PATCH", Template: template(t, path), Body: "*"}, o)
		require.NoError(t, err)
		r := &plan.Request{Path: "/v1/b", Captures: []plan.Span{{Start: 4, End: 5}}, Body: []byte(`{"i32":1}`)}
		wire, err := p.BindFurther(nil, r, new(plan.Scratch))
		require.NoError(t, err)
		f.same(t, want, f.parse(t, "t.v1.Req", wire))
	}
}

// A serialized message is held to what its reader would find in it.
func TestBindFurtherWire(t *testing.T) {
	f := newFixture(t)
	p := func(text string) string { return string(f.wire(t, "t.v1.Req", text)) }
	for name, c := range map[string]furtherCase{
		"left out":              {"POST /v1/star/p", p(`i32: 2`), `i32: 2`, ""},
		"empty":                 {"POST /v1/star/p", ``, ``, ""},
		"the same":              {"POST /v1/star/p", p(`name: "p" i32: 2`), `name: "p" i32: 2`, ""},
		"another":               {"POST /v1/star/p", p(`i32: 2 name: "q"`), ``, differs},
		"the last is another":   {"POST /v1/star/p", p(`name: "p"`) + p(`name: "q"`), ``, differs},
		"the last is the same":  {"POST /v1/star/p", p(`name: "q"`) + p(`name: "p"`), `name: "p"`, ""},
		"the default":           {"POST /v1/star/p", "\x0a\x00", ``, differs},
		"not UTF-8":             {"POST /v1/star/p", "\x0a\x01\xff", ``, "UTF-8"},
		"of another wire type":  {"POST /v1/star/p", "\x08\x07", ``, ""},
		"a number":              {"POST /v1/star/i64/7", p(`i64: 7`), `i64: 7`, ""},
		"a longer varint":       {"POST /v1/star/i64/7", "\x18\x87\x80\x00", `i64: 7`, ""},
		"another number":        {"POST /v1/star/i64/7", p(`i64: 8`), ``, differs},
		"zero":                  {"POST /v1/star/i64/7", "\x18\x00", ``, differs},
		"the path's zero":       {"POST /v1/star/i64/0", "\x18\x00", ``, ""},
		"not the path's zero":   {"POST /v1/star/i64/0", "\x18\x01", ``, differs},
		"inside":                {"POST /v1/star/sub/p", p(`sub {name: "p" size: 1}`), `sub {name: "p" size: 1}`, ""},
		"beside":                {"POST /v1/star/sub/p", p(`sub {size: 1} name: "q"`), `name: "q" sub {size: 1}`, ""},
		"another inside":        {"POST /v1/star/sub/p", p(`sub {name: "q"}`), ``, differs},
		"in the first piece":    {"POST /v1/star/sub/p", p(`sub {name: "q"}`) + p(`sub {size: 1}`), ``, differs},
		"in the second piece":   {"POST /v1/star/sub/p", p(`sub {size: 1}`) + p(`sub {name: "q"}`), ``, differs},
		"the same in pieces":    {"POST /v1/star/sub/p", p(`sub {name: "p"}`) + p(`sub {size: 1}`), `sub {name: "p" size: 1}`, ""},
		"malformed inside":      {"POST /v1/star/sub/p", "\x52\x01\x0a", ``, "varint"},
		"in a group":            {"POST /v1/bodies/grp/7", p(`old {id: "a" Grp {in: "7"}}`), `old {id: "a" Grp {in: "7"}}`, ""},
		"another in a group":    {"POST /v1/bodies/grp/7", p(`old {id: "a" Grp {in: "8"}}`), ``, differs},
		"a member":              {"POST /v1/star/user/p", p(`user_id: "p"`), `user_id: "p"`, ""},
		"another member":        {"POST /v1/star/user/p", p(`email: "q"`), ``, rival},
		"another member after":  {"POST /v1/star/user/p", p(`user_id: "p"`) + p(`chosen {}`), ``, rival},
		"another member before": {"POST /v1/star/user/p", p(`email: "q"`) + p(`user_id: "p"`), `user_id: "p"`, ""},
		"a member in between":   {"POST /v1/star/chosen/p", p(`chosen {name: "q"}`) + p(`email: "q"`) + p(`chosen {size: 1}`), `chosen {size: 1}`, ""},
		"the body is a field":   {"PATCH /v1/bodies/sub/p", string(f.wire(t, "t.v1.Sub", `name: "p"`)), `sub {name: "p"}`, ""},
		"another in the field":  {"PATCH /v1/bodies/sub/p", string(f.wire(t, "t.v1.Sub", `name: "q"`)), ``, differs},
	} {
		t.Run(name, func(t *testing.T) {
			rule, r := f.find(t, c.line, c.body)
			wire, err := rule.plan.BindFurtherWire([]byte("kept"), r, new(plan.Scratch))
			require.Equal(t, "kept", string(wire[:4]))
			if c.err != "" {
				var pe *plan.Error
				require.ErrorAs(t, err, &pe)
				require.Contains(t, pe.Message, c.err)
				require.Equal(t, plan.InBody, pe.Place)
				require.Len(t, wire, 4)
				return
			}
			require.NoError(t, err)
			got := f.parse(t, "t.v1.Req", wire[4:])
			got.ProtoReflect().SetUnknown(nil)
			f.same(t, c.want, got)
		})
	}
}

// Well-known types have as many forms on the wire as messages have, and a list in
// one is longer if it is said twice.
func TestBindFurtherWireForms(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		field, segment string
		same, other    []string
	}{
		{"ts", "1970-01-01T00:00:01.000000002Z",
			[]string{"\x72\x04\x08\x01\x10\x02", "\x72\x04\x10\x02\x08\x01", "\x72\x02\x08\x01\x72\x02\x10\x02"},
			[]string{"\x72\x02\x08\x01", "\x72\x00", "\x72\x04\x08\x01\x10\x02\x72\x02\x08\x03"}},
		{"mask", "fooBar", []string{"\x82\x01\x09\x0a\x07foo_bar"},
			[]string{"\x82\x01\x00", "\x82\x01\x09\x0a\x07foo_bar\x82\x01\x09\x0a\x07foo_bar"}},
		{"iv", "0", []string{"\x92\x01\x00", "\x92\x01\x02\x08\x00"}, []string{"\x92\x01\x02\x08\x01"}},
		{"d", "NaN", []string{"\x31\x01\x00\x00\x00\x00\x00\xf8\x7f"}, []string{"\x31\x00\x00\x00\x00\x00\x00\x00\x00"}},
		{"by", "_-8", []string{"\x42\x02\xff\xef"}, []string{"\x42\x00", "\x42\x01\xff"}},
		{"color", "RED", []string{"\x48\x01"}, []string{"\x48\x02", "\x48\x63"}},
		{"oi32", "0", []string{"\xd0\x02\x00"}, []string{"\xd0\x02\x01"}},
	} {
		p, err := f.plan(t, "t.v1.Req", "t.v1.Req", &httprule.Binding{Method: "POST", Template: template(t, "/v1/{"+c.field+"}"), Body: "*"})
		require.NoError(t, err)
		r := &plan.Request{Path: "/v1/" + c.segment, Captures: []plan.Span{{Start: 4, End: 4 + len(c.segment)}}}
		s := new(plan.Scratch)
		for _, body := range c.same {
			r.Body = []byte(body)
			wire, err := p.BindFurtherWire(nil, r, s)
			require.NoError(t, err, "%s: %q", c.field, body)
			require.Equal(t, body, string(wire))
		}
		for _, body := range c.other {
			r.Body = []byte(body)
			_, err := p.BindFurtherWire(nil, r, s)
			require.ErrorContains(t, err, differs, "%s: %q", c.field, body)
		}
	}
}

func TestBindWire(t *testing.T) {
	f := newFixture(t)
	whole, r := f.find(t, "POST /v1/star/p", "")
	s := new(plan.Scratch)
	bind := func(body []byte) (string, error) {
		r.Body = body
		wire, err := whole.plan.BindWire([]byte("kept"), r, s)
		require.Equal(t, "kept", string(wire[:4]))
		if err != nil {
			require.Len(t, wire, 4)
			return "", err
		}
		return string(wire[4:]), nil
	}
	t.Run("the path wins", func(t *testing.T) {
		wire, err := bind(f.wire(t, "t.v1.Req", `name: "other" i32: 3`))
		require.NoError(t, err)
		f.same(t, `name: "p" i32: 3`, f.parse(t, "t.v1.Req", []byte(wire)))
	})
	t.Run("a body cannot hide the path", func(t *testing.T) {
		path, err := bind(nil)
		require.NoError(t, err)
		// A field that claims just as many bytes as the path adds to the body.
		for claim := range uint64(2 * len(path)) {
			body := protowire.AppendTag(nil, 1000, protowire.BytesType)
			body = protowire.AppendVarint(body, claim+1)
			_, err := bind(body)
			var pe *plan.Error
			require.ErrorAs(t, err, &pe)
			require.Equal(t, plan.InBody, pe.Place)
		}
		_, err = bind(protowire.AppendTag(nil, 1000, protowire.StartGroupType))
		require.Error(t, err)
	})
	t.Run("further", func(t *testing.T) {
		r.Body = f.wire(t, "t.v1.Req", `i32: 3`)
		wire, err := whole.plan.BindFurtherWire([]byte("kept"), r, s)
		require.NoError(t, err)
		require.Equal(t, "kept"+string(r.Body), string(wire))
		r.Body = r.Body[:1]
		wire, err = whole.plan.BindFurtherWire([]byte("kept"), r, s)
		require.Error(t, err)
		require.Equal(t, "kept", string(wire))
	})
}

func TestBindWireField(t *testing.T) {
	f := newFixture(t)
	compile := func(body string) *plan.Plan {
		p, err := f.plan(t, "t.v1.Req", "t.v1.Req", &httprule.Binding{Method: "POST", Template: template(t, "/v1/{sub.name}"), Body: body})
		require.NoError(t, err)
		return p
	}
	p := compile("sub")
	require.True(t, p.TakesWire())
	require.False(t, compile("rs").TakesWire(), "a list")
	require.False(t, compile("i32").TakesWire(), "no message")

	r := &plan.Request{Path: "/v1/x", Captures: []plan.Span{{Start: 4, End: 5}}, RawQuery: "i32=7"}
	r.Body = f.wire(t, "t.v1.Sub", `name: "other" tags: "a"`)
	wire, err := p.BindWire(nil, r, new(plan.Scratch))
	require.NoError(t, err)
	f.same(t, `sub {name: "x" tags: "a"} i32: 7`, f.parse(t, "t.v1.Req", wire))

	none := compile("")
	require.True(t, none.TakesWire())
	_, err = none.BindWire(nil, r, new(plan.Scratch))
	require.ErrorContains(t, err, "path and query")
}

func TestCheckHead(t *testing.T) {
	f := newFixture(t)
	rule, r := f.find(t, "GET /v1/things/n?i32=1", "")
	s := new(plan.Scratch)
	require.NoError(t, rule.plan.CheckHead(r, s))
	r.RawQuery = "i32=x"
	var pe *plan.Error
	require.ErrorAs(t, rule.plan.CheckHead(r, s), &pe)
	require.Equal(t, plan.InQuery, pe.Place)
}

// With a message that comes in frames, the query may set what it names.
func TestQueryBesideBody(t *testing.T) {
	f := newFixture(t)
	o := options
	o.QueryBesideBody = true
	p, err := f.planWith(t, "t.v1.Req", "t.v1.Req", &httprule.Binding{Method: "GET", Template: template(t, "/v1/{name}"), Body: "*"}, o)
	require.NoError(t, err)
	r := &plan.Request{Path: "/v1/x", Captures: []plan.Span{{Start: 4, End: 5}}, RawQuery: "i32=7", Body: []byte(`{"i32":1,"u32":2}`)}
	s := new(plan.Scratch)
	wire, err := p.Bind(nil, r, s)
	require.NoError(t, err)
	f.same(t, `name: "x" i32: 7 u32: 2`, f.parse(t, "t.v1.Req", wire))
	r.RawQuery = "name=y"
	_, err = p.Bind(nil, r, s)
	require.ErrorContains(t, err, "taken from the path")
}
