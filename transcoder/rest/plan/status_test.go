package plan_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

func TestRenderStatus(t *testing.T) {
	f := newFixture(t)
	sub := &anypb.Any{TypeUrl: "type.googleapis.com/t.v1.Sub", Value: f.wire(t, "t.v1.Sub", `name: "x"`)}
	stranger := &anypb.Any{TypeUrl: "type.googleapis.com/other.v1.Stranger", Value: []byte("\x0a\x01x")}
	retry, err := anypb.New(&errdetails.RetryInfo{RetryDelay: durationpb.New(1500e6)})
	require.NoError(t, err)
	broken := &anypb.Any{TypeUrl: "type.googleapis.com/t.v1.Sub", Value: []byte("\x0a\x05x")}
	within := &anypb.Any{TypeUrl: "type.googleapis.com/google.protobuf.Any", Value: marshal(t, stranger)}

	for _, c := range []struct {
		name    string
		code    uint32
		message string
		details []byte
		want    string
	}{
		{"E01", 5, "no such thing", nil, `{"code":5,"message":"no such thing","details":[]}`},
		{"E02", 5, "from the header", marshal(t, &spb.Status{Code: 5, Message: "from the details"}),
			`{"code":5,"message":"from the details","details":[]}`},
		{"E02 nothing in it", 5, "from the header", marshal(t, &spb.Status{Details: []*anypb.Any{sub}}),
			`{"code":5,"message":"from the header","details":[{"@type":"type.googleapis.com/t.v1.Sub","name":"x"}]}`},
		{"E03", 3, "m", marshal(t, &spb.Status{Code: 3, Message: "m", Details: []*anypb.Any{sub}}),
			`{"code":3,"message":"m","details":[{"@type":"type.googleapis.com/t.v1.Sub","name":"x"}]}`},
		{"E03 built in", 14, "m", marshal(t, &spb.Status{Code: 14, Message: "m", Details: []*anypb.Any{retry}}),
			`{"code":14,"message":"m","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.500s"}]}`},
		{"E04", 3, "m", marshal(t, &spb.Status{Code: 3, Message: "m", Details: []*anypb.Any{stranger, sub}}),
			`{"code":3,"message":"m","details":[{"@type":"type.googleapis.com/other.v1.Stranger","value":"CgF4"},` +
				`{"@type":"type.googleapis.com/t.v1.Sub","name":"x"}]}`},
		{"E04 within", 3, "m", marshal(t, &spb.Status{Code: 3, Message: "m", Details: []*anypb.Any{within}}),
			`{"code":3,"message":"m","details":[{"@type":"type.googleapis.com/google.protobuf.Any","value":"` +
				`CiV0eXBlLmdvb2dsZWFwaXMuY29tL290aGVyLnYxLlN0cmFuZ2VyEgMKAXg="}]}`},
		{"E05", 2, "é\n\"\x00", nil, `{"code":2,"message":"é\n\"\u0000","details":[]}`},
		{"E07", 1024, "m", nil, `{"code":2,"message":"m","details":[]}`},
		{"E07 details", 3, "m", marshal(t, &spb.Status{Code: -1, Message: "m"}), `{"code":2,"message":"m","details":[]}`},
		{"broken detail", 3, "m", marshal(t, &spb.Status{Code: 3, Message: "m", Details: []*anypb.Any{broken, sub, {}, broken}}),
			`{"code":3,"message":"m","details":[{"@type":"type.googleapis.com/t.v1.Sub","name":"x"}]}`},
		{"C12 not an Any", 3, "m", []byte("\x08\x03\x1a\x02\x0a\x05\x1a\x02\x0f\x00"), `{"code":3,"message":"m","details":[]}`},
		{"C12 unknown fields", 3, "m", []byte("\x20\x01\x08\x03\x1a\x07\x18\x01\x0a\x03x/y"), `{"code":3,"message":"m","details":[{"@type":"x/y","value":""}]}`},
		{"C12 rubbish", 3, "kept", []byte("\xff\xff rubbish"), `{"code":3,"message":"kept","details":[]}`},
		{"C12 cut short", 3, "kept", marshal(t, &spb.Status{Code: 4, Message: "lost"})[:5], `{"code":3,"message":"kept","details":[]}`},
		{"C11 not UTF-8", 3, "a\xffb\r\n\x1b", nil, `{"code":3,"message":"a` + "\uFFFD" + `b\r\n\u001b","details":[]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule, _ := f.find(t, thing, "")
			got := rule.plan.RenderStatus([]byte("kept"), &plan.Status{Code: c.code, Message: c.message, Details: c.details}, plan.Want{}, new(plan.Scratch))
			require.Equal(t, "kept"+c.want, string(got))
			require.True(t, json.Valid(got[4:]))
		})
	}
}

func TestAppendString(t *testing.T) {
	for in, want := range map[string]string{
		"":                      `""`,
		"plain":                 `"plain"`,
		`"\/`:                   `"\"\\/"`,
		"\b\f\n\r\t\x7f":        `"\u0008\u000c\n\r\t\u007f"`,
		"中é\U0001F600":          "\"中é\U0001F600\"",
		"\xe4\xb8":              "\"\uFFFD\uFFFD\"",
		"\xed\xa0\x80":          "\"\uFFFD\uFFFD\uFFFD\"",
		strings.Repeat("x", 99): `"` + strings.Repeat("x", 99) + `"`,
	} {
		require.Equal(t, want, string(plan.AppendString(nil, in)), "%q", in)
		require.Equal(t, want, string(plan.AppendString(nil, []byte(in))), "%q", in)
	}
}

func marshal(t testing.TB, m proto.Message) []byte {
	t.Helper()
	wire, err := proto.MarshalOptions{Deterministic: true}.Marshal(m)
	require.NoError(t, err)
	return wire
}
