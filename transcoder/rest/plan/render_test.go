package plan_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

const thing = "GET /v1/things/n"

func TestRender(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct{ name, line, wire, want string }{
		{"D01", thing, text("name: \"\" i32: 0"), `{}`},
		{"D01 presence", thing, text(`opt: "" oi32: 0`), `{"opt":"","oi32":0}`},
		{"D03", thing, text(`color: RED`), `{"color":"RED"}`},
		{"D03 unknown", thing, text(`color: 77`), `{"color":77}`},
		{"D05", "GET /v1/rb/n", text(`items: ["a", "b"] count: 3`), `["a","b"]`},
		{"D05 absent", "GET /v1/rb/n", text(`count: 3`), `[]`},
		{"D06", "GET /v1/rb/count/n", text(`count: 3`), `"3"`},
		{"D06 absent", "GET /v1/rb/count/n", ``, `"0"`},
		{"D06 message", "GET /v1/rb/req/n", text(`req {name: "x"}`), `{"name":"x"}`},
		{"D06 message, split", "GET /v1/rb/req/n", text(`req {name: "x"}`) + "+" + text(`req {i32: 1}`), `{"name":"x","i32":1}`},
		{"D06 message, absent", "GET /v1/rb/req/n", ``, `null`},
		{"D15 scalar", thing, text(`name: "a"`) + "+" + text(`name: "b"`), `{"name":"b"}`},
		{"D15 message", thing, text(`sub {name: "a"}`) + "+" + text(`sub {size: 1}`), `{"sub":{"name":"a","size":1}}`},
		{"D16", thing, text(`rs: "a"`) + "+" + text(`name: "n"`) + "+" + text(`rs: "b"`), `{"name":"n","rs":["a","b"]}`},
		{"D17 packed", thing, "\x62\x02\x01\x02", `{"ri":[1,2]}`},
		{"D17 unpacked", thing, "\x60\x01\x60\x02", `{"ri":[1,2]}`},
		{"D17 both", thing, "\x60\x01\x62\x01\x02", `{"ri":[1,2]}`},
		{"D18 twice", thing, text(`m {key: "k" value: "a"}`) + "+" + text(`m {key: "k" value: "b"}`), `{"m":{"k":"b"}}`},
		{"D18 nothing", thing, "\x6a\x00", `{"m":{"":""}}`},
		{"D19", thing, text(`user_id: "a"`) + "+" + text(`email: "b"`), `{"email":"b"}`},
		{"D19 back", thing, text(`chosen {name: "a"}`) + "+" + text(`email: "b"`) + "+" + text(`chosen {size: 1}`), `{"chosen":{"size":1}}`},
		{"D20", thing, text(`d: nan f: inf`), `{"d":"NaN","f":"Infinity"}`},
		{"D20 negative", thing, text(`d: -inf`), `{"d":"-Infinity"}`},
		{"D21", thing, "\xfa\xff\x03\x01x" + "\x08\x01", `{}`},
		{"D25", thing, ``, `{}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule, _ := f.find(t, c.line, "")
			wire := f.serialize(t, rule, c.wire)
			got, err := rule.plan.Render([]byte("kept"), wire, plan.Want{}, new(plan.Scratch))
			require.NoError(t, err)
			require.Equal(t, "kept"+c.want, string(got))
		})
	}
}

func TestRenderErrors(t *testing.T) {
	f := newFixture(t)
	for _, c := range []struct {
		name, wire string
		kind       codec.Kind
		path       string
	}{
		{"D11", "\x0a\x05ab", codec.KindWire, "name"},
		{"D11 tag", "\x0f", codec.KindWire, "name"},
		{"D11 nested", "\x52\x03\x0a\x05a", codec.KindWire, "sub.name"},
		{"D22", "\x0a\x01\xff", codec.KindUTF8, "name"},
		{"D22 nested", "\x52\x03\x0a\x01\xff", codec.KindUTF8, "sub.name"},
		{"D23 Timestamp", text(`ts {seconds: 999999999999}`), codec.KindUnprintable, "ts"},
		{"D23 FieldMask", text(`mask {paths: "fooBar"}`), codec.KindUnprintable, "mask"},
		{"D23 Duration", text(`dur {seconds: 1 nanos: -1}`), codec.KindUnprintable, "dur"},
		{"D24", text(`name: "` + strings.Repeat("x", 1<<20) + `"`), codec.KindTooLarge, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule, _ := f.find(t, thing, "")
			got, err := rule.plan.Render([]byte("kept"), f.serialize(t, rule, c.wire), plan.Want{}, new(plan.Scratch))
			var ce *codec.Error
			require.True(t, errors.As(err, &ce), "%v, %s", err, got)
			require.Equal(t, c.kind, ce.Kind, "%v", err)
			if c.kind != codec.KindTooLarge {
				require.Equal(t, c.path, ce.Path, "%v", err)
			}
			require.Equal(t, "kept", string(got))
		})
	}
}

// text marks a part of a message that is in text format; parts are joined by a
// plus. Anything else is the wire itself.
func text(s string) string { return "text:" + s }

func (f *fixture) serialize(t testing.TB, r *rule, s string) []byte {
	t.Helper()
	if !strings.HasPrefix(s, "text:") {
		return []byte(s)
	}
	var wire []byte
	for part := range strings.SplitSeq(s, "+text:") {
		wire = append(wire, f.wire(t, r.output.FullName(), strings.TrimPrefix(part, "text:"))...)
	}
	return wire
}
