package plan_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// anyOf is a serialized google.protobuf.Any.
func anyOf(url string, value []byte) []byte {
	wire := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), url)
	return protowire.AppendBytes(protowire.AppendTag(wire, 2, protowire.BytesType), value)
}

func TestHeader(t *testing.T) {
	f := inline(t, files)
	info := func(text string) [][]byte {
		return [][]byte{anyOf("type.googleapis.com/f.v1.File", nil), anyOf("type.googleapis.com/f.v1.Info", f.wire(t, "f.v1.Info", text))}
	}
	for _, c := range []struct {
		name, template, message string
		extensions              [][]byte
		want                    string
	}{
		{"text", `no-store, "a\"{name}`, `name: "n"`, nil, `no-store, "a\"n`},
		{"a field", "n={name}; a={info.age}; h={info.hash}", `name: "é" info { age: -5 hash: "hi" }`, nil, "n=é; a=-5; h=aGk="},
		{"an extension", "x{[f.v1.Info].title}{[f.v1.Info].below.age}", "", info(`title: "t" below { age: 1 }`), "xt1"},
		{"zero", "max-age={[f.v1.Info].age}", "", info(``), "max-age=0"},
		{"in quotes", `a; n="{name}"; m={name}`, `name: "a\"b\\c"`, nil, `a; n="a\"b\\c"; m=a"b\c`},
		{"behind quotes", `"\"" {name}`, `name: "\""`, nil, `"\"" "`},
		{"an empty field", "{name}", ``, nil, ""},
		{"no extension", "{[f.v1.Info].age}", ``, nil, ""},
		{"another extension", "{[f.v1.Info].age}", ``, [][]byte{anyOf("type.googleapis.com/f.v1.InfoX", nil), anyOf("f.v1.Info", nil)}, ""},
		{"a broken extension", "{[f.v1.Info].age}", ``, [][]byte{anyOf("/f.v1.Info", nil)[:5]}, ""},
		{"a line feed", "{name}", `name: "a\nset-cookie: x"`, nil, ""},
		{"a NUL", "{name}", `name: "a\0"`, nil, ""},
		{"too long", "{name}", `name: "` + strings.Repeat("x", 8<<10+1) + `"`, nil, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := plan.NewHeader(f.codec, f.descriptor(t, "f.v1.File"), c.template)
			require.NoError(t, err)
			got, ok, err := h.Append([]byte("kept"), f.wire(t, "f.v1.File", c.message), c.extensions, new(plan.Scratch))
			require.NoError(t, err)
			require.Equal(t, c.want != "", ok)
			require.Equal(t, "kept"+c.want, string(got))
		})
	}
	h, err := plan.NewHeader(f.codec, f.descriptor(t, "f.v1.File"), "{[f.v1.Info].below.age}")
	require.NoError(t, err)
	require.True(t, h.Extensions())
	_, ok, err := h.Append(nil, nil, [][]byte{anyOf("x/f.v1.Info", []byte("\x22\x05\x0a"))}, new(plan.Scratch))
	require.Error(t, err, "an extension that is cut short")
	require.False(t, ok)
}

func TestWrongHeader(t *testing.T) {
	f := inline(t, files)
	for template, want := range map[string]string{
		"a{nam}":                `variable "nam": f.v1.File has no field "nam"; did you mean "name"?`,
		"a{info}":               `field "info" of f.v1.File is of type f.v1.Info; it must be a scalar`,
		"{many}":                `field "many" of f.v1.File is repeated`,
		"{[f.v1.Inf].title}":    `the schema has no message f.v1.Inf; did you mean f.v1.Info?`,
		"{[f.v1.Info].titel}":   `f.v1.Info has no field "titel"; did you mean "title"?`,
		"{[f.v1.Info]title}":    `an extension is written {[package.Message].field}`,
		"{[nothing.like.it].x}": `the schema has no message nothing.like.it`,
		"a{name":                "the brace at byte 1 is never closed",
		"a}":                    "the brace at byte 1 closes nothing",
		"a\n":                   `"\n" at byte 1 cannot stand in a header`,
		"ä":                     "at byte 0 cannot stand in a header",
	} {
		_, err := plan.NewHeader(f.codec, f.descriptor(t, "f.v1.File"), template)
		require.ErrorContains(t, err, want, template)
	}
}

// FuzzHeader checks that no message makes a header that is more than one, or less.
func FuzzHeader(f *testing.F) {
	fx := inline(f, files)
	h, err := plan.NewHeader(fx.codec, fx.descriptor(f, "f.v1.File"), `a; n="{name}"; t={[f.v1.Info].title}`)
	require.NoError(f, err)
	f.Add([]byte("\x0a\x01n"), []byte("\x0a\x01t"))
	f.Add([]byte("\x0a\x02\"\\"), []byte("\x0a\x03\r\nx"))
	f.Fuzz(func(t *testing.T, message, info []byte) {
		got, ok, err := h.Append(nil, message, [][]byte{anyOf("x/f.v1.Info", info)}, new(plan.Scratch))
		if !ok || err != nil {
			require.Empty(t, got)
			return
		}
		text, found := strings.CutPrefix(string(got), `a; n="`)
		require.True(t, found)
		closed := -1
		for i := 0; closed < 0 && i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case '"':
				closed = i
			}
		}
		require.True(t, closed >= 0 && strings.HasPrefix(text[closed:], `"; t=`), "%q", got)
		require.NotContains(t, text, "\n")
		require.NotContains(t, text, "\r")
	})
}
