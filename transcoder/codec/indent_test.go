package codec_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// compareIndented compares pretty JSON with that of encoding/json.
func compareIndented(t testing.TB, text []byte) {
	t.Helper()
	var want bytes.Buffer
	require.NoError(t, json.Indent(&want, text, "", "  "))
	got := codec.AppendIndented(bytes.Clone(prefix), text)
	require.Equal(t, string(prefix)+want.String(), string(got))
	require.Equal(t, len(got)-len(prefix), codec.IndentedLen(text), "%s", text)
}

func TestIndented(t *testing.T) {
	for _, text := range []string{
		`{}`, `[]`, `""`, `0`, `null`, `{"a":1}`, `[1]`, `{"a":{},"b":[]}`, `{"a":[{}]}`, `{"a":{"b":[1,[2,{"c":"d"}]]},"e":true}`,
		`{"{\"[,:]}":"\\","\\\"":"[]{},:\""}`, `{"a":"ü€𝄞{"}`,
		strings.Repeat(`[`, 200) + `1,2` + strings.Repeat(`]`, 200), strings.Repeat(`{"a":`, 70) + `{}` + strings.Repeat(`}`, 70),
	} {
		compareIndented(t, []byte(text))
	}
	require.Equal(t, "{\n  \"a\": [\n    1,\n    {}\n  ]\n}", string(codec.AppendIndented(nil, []byte(`{"a":[1,{}]}`))))
}

// TestIndentedMessages makes what the codec prints pretty.
func TestIndentedMessages(t *testing.T) {
	each(t, 10, func(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) {
		wire, err := proto.MarshalOptions{AllowPartial: true}.Marshal(g.message(md, 4))
		require.NoError(t, err)
		for _, form := range forms {
			if text, err := g.u.printing(form).Message(md.FullName()).AppendJSON(nil, wire, &reused); err == nil {
				compareIndented(t, text)
			}
		}
	})
}

// TestIndentedDeep needs no stack, whatever the nesting.
func TestIndentedDeep(t *testing.T) {
	text := []byte(strings.Repeat(`[`, 3000) + strings.Repeat(`]`, 3000))
	require.Len(t, codec.AppendIndented(nil, text), codec.IndentedLen(text))
}

// FuzzIndented gives it any text; what is compact JSON is compared.
func FuzzIndented(f *testing.F) {
	for _, text := range []string{`{"a":[1,{}]}`, `{"`, `"\`, `]]`, `{]`, `[`, `{"a":"\"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 1<<12 {
			return
		}
		require.Len(t, codec.AppendIndented(nil, text), codec.IndentedLen(text))
		var compact bytes.Buffer
		if json.Compact(&compact, text) == nil {
			compareIndented(t, compact.Bytes())
		}
	})
}
