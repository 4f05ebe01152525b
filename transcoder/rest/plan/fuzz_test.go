package plan_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// fuzzRules have between them every way to bind: they take any query and body.
var fuzzRules = []string{
	"GET /v1/things/n", "PATCH /v1/body/n", "POST /v1/star/sub/n", "GET /v1/nested/n", "GET /v1/users/n",
	"POST /v1/bodies/oneof/n", "PATCH /v1/bodies/sub/n", "GET /v1/old/n", "POST /v1/rep/n",
}

// FuzzBind checks that no request makes Bind panic, that what it accepts is a
// message, and that the same request gives the same again, whatever the scratch
// was used for before.
func FuzzBind(f *testing.F) {
	for _, query := range []string{
		"", "i32=1&rs=a&rs=b", "sub.name=a+b&sub.tags=%41", "user_id=a&email=b", "a%zz=1", "sub..=1;", "key=1&&$alt",
		"node.a.a.leaf=1", "ts=2020-01-02T03:04:05%2B01:00", "by=_-8&mask=fooBar,b", "old.grp.out=1&shape=9", "inner.must=1",
	} {
		f.Add(uint8(0), query, "n", []byte(nil))
		f.Add(uint8(1), query, "a%2Fb", []byte(`{"name":"s","size":3}`))
	}
	f.Add(uint8(2), "", "p", []byte(`{"sub":{"name":"p"},"any":{"@type":"type.googleapis.com/t.v1.Sub","size":3}}`))
	f.Add(uint8(5), "user_id=1", "%FF", []byte(`"x"`))
	f.Add(uint8(8), "", "%", []byte(`["x"]`))
	fx := newFixture(f)
	used := new(plan.Scratch)
	f.Fuzz(func(t *testing.T, which uint8, query, segment string, body []byte) {
		rule, r := fx.find(t, fuzzRules[int(which)%len(fuzzRules)], "")
		r.RawQuery, r.Body = query, body
		// The value takes the place of the template's own last segment.
		start := r.Captures[0].Start
		r.Path = r.Path[:start] + segment
		r.Captures[0].End = len(r.Path)

		first, err := rule.plan.Bind(nil, r, new(plan.Scratch))
		second, again := rule.plan.Bind(nil, r, used)
		require.Equal(t, err, again)
		require.Equal(t, first, second)
		if err != nil {
			var pe *plan.Error
			require.ErrorAs(t, err, &pe)
			return
		}
		m := dynamicpb.NewMessage(rule.input)
		require.NoError(t, proto.UnmarshalOptions{Resolver: fx.types}.Unmarshal(first, m))
	})
}

// FuzzRenderStatus checks that whatever an upstream sends for a status becomes
// JSON of the three fields.
func FuzzRenderStatus(f *testing.F) {
	seed, err := proto.Marshal(&spb.Status{Code: 3, Message: "m", Details: []*anypb.Any{
		{TypeUrl: "type.googleapis.com/t.v1.Sub", Value: []byte("\x0a\x01x")}, {TypeUrl: "x/y", Value: []byte("z")},
	}})
	require.NoError(f, err)
	f.Add(uint32(5), "message", seed)
	f.Add(uint32(1024), "\xff", seed[:7])
	f.Add(uint32(0), "", []byte("\x1a\x00\x1a\x02\x0a\x00"))
	fx := newFixture(f)
	used := new(plan.Scratch)
	f.Fuzz(func(t *testing.T, code uint32, message string, details []byte) {
		rule, _ := fx.find(t, thing, "")
		first := rule.plan.RenderStatus(nil, code, message, details, new(plan.Scratch))
		require.Equal(t, first, rule.plan.RenderStatus(nil, code, message, details, used))
		var status struct {
			Code    *uint32
			Message *string
			Details []map[string]any
		}
		require.NoError(t, json.Unmarshal(first, &status), "%s", first)
		require.NotNil(t, status.Code)
		require.LessOrEqual(t, *status.Code, uint32(16))
		require.NotNil(t, status.Message)
		require.NotNil(t, status.Details)
	})
}
