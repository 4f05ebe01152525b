package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// What comes behind the first message of a stream says of path and query nothing,
// and may therefore say of their fields what it likes.
func TestBindFurther(t *testing.T) {
	f := newFixture(t)
	rule, r := f.find(t, "POST /v1/star/p", `{"i32":1}`)
	s := new(plan.Scratch)
	_, err := rule.plan.Bind(nil, r, s)
	require.NoError(t, err)

	wire, err := rule.plan.BindFurther([]byte("kept"), []byte(`{"name":"other","i32":2}`), s)
	require.NoError(t, err)
	require.Equal(t, "kept", string(wire[:4]))
	f.same(t, `name: "other" i32: 2`, f.parse(t, "t.v1.Req", wire[4:]))

	wire, err = rule.plan.BindFurther([]byte("kept"), []byte(`{"name":`), s)
	require.Error(t, err)
	require.Equal(t, "kept", string(wire))

	// The next first message has its path again.
	got, err := f.bindRequest(t, rule, r, s)
	require.NoError(t, err)
	f.same(t, `name: "p" i32: 1`, got)
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
		body := f.wire(t, "t.v1.Req", `name: "other"`)
		wire, err := whole.plan.BindFurtherWire([]byte("kept"), body, s)
		require.NoError(t, err)
		require.Equal(t, "kept"+string(body), string(wire))
		wire, err = whole.plan.BindFurtherWire([]byte("kept"), body[:1], s)
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
