package plan_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound/plan"
)

// field is a serialized field of a message, a string or one message in another.
func field(number protowire.Number, content ...string) string {
	all := ""
	for _, c := range content {
		all += c
	}
	return string(protowire.AppendString(protowire.AppendTag(nil, number, protowire.BytesType), all))
}

// varint is a serialized number.
func varint(number protowire.Number, v uint64) string {
	return string(protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), v))
}

// Encoders do not write these, but protobuf says what they mean.
func TestOddWires(t *testing.T) {
	const name, pageSize, tags, ids, sub, user, mail, boss = 1, 3, 6, 7, 8, 19, 20, 21
	f := newFixture(t)
	for _, c := range []struct {
		name, input, rule, wire, want string
	}{
		{"last scalar in the path", "Get", `get: "/v1/{name}"`, field(name, "a") + field(name, "b"), "GET /v1/b"},
		{"last scalar is empty", "Get", `get: "/v1/x/{page_size}"`, varint(pageSize, 7) + varint(pageSize, 0), "GET /v1/x/0"},
		{"last scalar in the query", "Get", `get: "/v1/x"`, field(name, "a") + varint(pageSize, 1) + field(name, "b"), "GET /v1/x?name=b&pageSize=1"},
		{"a zero at last", "Get", `get: "/v1/x"`, field(name, "a") + field(name, ""), "GET /v1/x"},
		{"order of the numbers", "Get", `get: "/v1/x"`, field(tags, "t") + varint(pageSize, 1) + field(name, "b"), "GET /v1/x?name=b&pageSize=1&tags=t"},
		{"split message in the path", "Get", `get: "/v1/{sub.name}"`, field(sub, field(1, "a")) + field(sub, varint(2, 5)), "GET /v1/a?sub.size=5"},
		{"split message in the query", "Get", `get: "/v1/x"`, field(sub, field(1, "a"), field(3, "t")) + field(sub, field(1, "b"), field(3, "u")),
			"GET /v1/x?sub.name=b&sub.tags=t&sub.tags=u"},
		{"split list", "Get", `get: "/v1/x"`, field(tags, "a") + varint(pageSize, 1) + field(tags, "b"), "GET /v1/x?pageSize=1&tags=a&tags=b"},
		{"packed and not", "Get", `get: "/v1/x"`, varint(ids, 1) + field(ids, "\x02\x03") + field(ids) + varint(ids, 4), "GET /v1/x?ids=1&ids=2&ids=3&ids=4"},
		{"oneof, the last one", "Get", `get: "/v1/x"`, field(user, "u") + field(mail, "m"), "GET /v1/x?mail=m"},
		{"oneof, back again", "Get", `get: "/v1/x"`, field(user, "u") + field(mail, "m") + field(user, "v"), "GET /v1/x?user=v"},
		{"oneof, a message back again", "Get", `get: "/v1/x"`, field(boss, field(1, "a"), varint(2, 1)) + field(mail, "m") + field(boss, varint(2, 2)),
			"GET /v1/x?boss.size=2"},
		{"oneof, in the path", "Get", `get: "/v1/{boss.name}"`,
			field(boss, varint(2, 1)) + field(mail, "m") + field(boss, field(1, "b")), "GET /v1/b"},
		{"oneof, in path and body", "Get", `post: "/v1/{boss.name}" body: "*"`,
			field(boss, varint(2, 1)) + field(mail, "m") + field(boss, field(1, "b"), field(3, "t")), "POST /v1/b\napplication/json " + `{"boss":{"tags":["t"]}}`},
		{"oneof, displaced", "Get", `post: "/v1/{user}" body: "*"`, field(mail, "m") + field(user, "u"), "POST /v1/u\napplication/json {}"},
		{"unknown fields", "Get", `get: "/v1/{name}"`, varint(999, 1) + field(name, "a") + field(998, "x"), "GET /v1/a"},
		{"fields of another type", "Get", `get: "/v1/{name}"`, field(name, "a") + varint(name, 1) + field(pageSize, "x"), "GET /v1/a"},
		{"split body", "Deep", `put: "/v1/x" body: "middle"`,
			field(2, field(2, field(1, "a"))) + field(1, "d") + field(2, field(2, field(2, "t"))), "PUT /v1/x?name=d\napplication/json " + `{"book":{"name":"a","title":"t"}}`},
		{"split HttpBody", "File", `post: "/v1/{name}" body: "file"`,
			field(2, field(1, "a/b"), field(2, "old")) + field(name, "n") + field(2, field(2, "new")), "POST /v1/n\na/b new"},
		{"displaced HttpBody", "Choice", `post: "/v1/x" body: "one"`,
			field(3, field(1, "a/b"), field(2, "old")) + field(4, "two") + field(3, field(2, "new")), "POST /v1/x\n new"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := new(plan.Request)
			require.NoError(t, f.plan(t, c.input, c.rule).Build(r, []byte(c.wire)))
			require.Equal(t, c.want, show(r))
		})
	}
}

// What cannot be read, is no text, or is over a limit.
func TestRefused(t *testing.T) {
	f := newFixture(t)
	nested := ""
	for range 20 {
		nested = field(4, nested)
	}
	for _, c := range []struct {
		name, input, rule, wire string
		change                  func(o *plan.Options)
		code                    codes.Code
		err                     string
	}{
		{name: "cut short", input: "Get", rule: `get: "/v1/x"`, wire: "\x0a\x05a", code: codes.InvalidArgument, err: "query: "},
		{name: "cut short in a path", input: "Get", rule: `get: "/v1/{name}"`, wire: "\x0a\x05a", code: codes.InvalidArgument, err: "path: "},
		{name: "cut short in a body", input: "Put", rule: `post: "/v1/x" body: "*"`, wire: "\x0a\x05a", code: codes.InvalidArgument, err: "body: "},
		{name: "cut short in a file", input: "Upload", wire: "\x0a\x05a", code: codes.InvalidArgument, err: "body: "},
		{name: "no UTF-8 in a path", input: "Get", rule: `get: "/v1/{name}"`, wire: field(1, "\xff"), code: codes.InvalidArgument, err: "path: name: the string is not valid UTF-8"},
		{name: "no UTF-8 in a query", input: "Get", rule: `get: "/v1/x"`, wire: field(8, field(3, "a"), field(3, "\xff")), code: codes.InvalidArgument, err: "query: sub.tags[1]: the string"},
		{name: "no UTF-8 that is replaced", input: "Get", rule: `get: "/v1/x"`, wire: field(1, "\xff") + field(1, "a"), code: codes.InvalidArgument, err: "query: name: the string"},
		{name: "no UTF-8 in a body", input: "Get", rule: `post: "/v1/x" body: "tags"`, wire: field(6, "\xff"), code: codes.InvalidArgument, err: "body: "},
		{name: "long path", input: "Get", rule: `get: "/v1/{name}"`, wire: field(1, "aaaaaaaaaaaa"), code: codes.ResourceExhausted,
			change: func(o *plan.Options) { o.MaxTargetBytes = 14 }, err: `field "name" makes a path of more than 14 bytes`},
		{name: "long value", input: "Get", rule: `get: "/v1/{name}"`, wire: field(1, "aaaaaaaaaaaaaaaaaa"), code: codes.ResourceExhausted,
			change: func(o *plan.Options) { o.MaxTargetBytes = 14 }, err: `field "name" makes a path of more than 14 bytes`},
		{name: "long query", input: "Get", rule: `get: "/v1/x"`, wire: field(1, "a//////"), code: codes.ResourceExhausted,
			change: func(o *plan.Options) { o.MaxTargetBytes = 20 }, err: "query: the query is longer than the limit of 20 bytes"},
		{name: "long body", input: "Put", rule: `post: "/v1/x" body: "*"`, wire: field(1, "aaaaaaaaaaaaaaaaaa"), code: codes.ResourceExhausted,
			change: func(o *plan.Options) { o.MaxJSONBytes = 20 }, err: "longer than the limit of 20 bytes"},
		{name: "long body field", input: "Get", rule: `post: "/v1/x" body: "name"`, wire: field(1, "aaaaaaaaaaaaaaaaaa"), code: codes.ResourceExhausted,
			change: func(o *plan.Options) { o.MaxJSONBytes = 10 }, err: "longer than the limit of 10 bytes"},
		{name: "deep query", input: "Get", rule: `get: "/v1/x"`, wire: field(8, nested), code: codes.InvalidArgument,
			change: func(o *plan.Options) { o.MaxDepth = 10 }, err: "messages nest deeper than the limit of 10"},
		{name: "deep body", input: "Get", rule: `post: "/v1/{name}" body: "*"`, wire: field(1, "n") + field(8, nested), code: codes.InvalidArgument,
			change: func(o *plan.Options) { o.MaxDepth = 10 }, err: "messages nest deeper than the limit of 10"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var rules []string
			if c.rule != "" {
				rules = []string{c.rule}
			}
			o := f.options(t, c.input, rules...)
			if c.change != nil {
				c.change(&o)
			}
			p, err := plan.New(o)
			require.NoError(t, err)
			r := new(plan.Request)
			err = p.Build(r, []byte(c.wire))
			var re *rpc.Error
			require.ErrorAs(t, err, &re, "was made: %s", show(r))
			require.Contains(t, re.Message, c.err)
			require.Equal(t, c.code, re.GRPCCode())
		})
	}
}

// A request is as large as a limit says, and not a byte larger.
func TestLimitsAreInclusive(t *testing.T) {
	f := newFixture(t)
	o := f.options(t, "Get", `get: "/v1/{name}"`)
	o.MaxTargetBytes = len("/v1/aaaaaa")
	p, err := plan.New(o)
	require.NoError(t, err)
	r := new(plan.Request)
	require.NoError(t, p.Build(r, f.wire(t, "Get", `name: "aaaaaa" page_size: 5`)))
	require.NoError(t, p.Build(r, f.wire(t, "Get", `name: "a" user: "aaaaa"`)))
	require.Len(t, r.RawQuery, o.MaxTargetBytes)
	require.Error(t, p.Build(r, f.wire(t, "Get", `name: "a" user: "aaaaaa"`)))
	require.Error(t, p.Build(r, f.wire(t, "Get", `name: "aaaaaaa"`)))
}
