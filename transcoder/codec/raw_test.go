package codec_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

func TestAppendNestedRaw(t *testing.T) {
	m := fixedCodec(t).Message("codec.test.three.All")
	s := &codec.Scratch{}
	content, err := m.AppendWire(nil, []byte(`{"int32":3}`), s, nil)
	require.NoError(t, err)
	for _, test := range []struct{ field, raw, want string }{
		{"bytes", "\xff\x00", `{"bytes":"/wA="}`},
		{"bytes", strings.Repeat("\x00", 300), `{"bytes":"` + strings.Repeat("A", 400) + `"}`},
		{"bytess", "", `{"bytess":[""]}`},
		{"child", string(content), `{"child":{"int32":3}}`},
		{"children", string(content), `{"children":[{"int32":3}]}`},
		{"int32", "x", ""},
		{"string_map", "x", ""},
		{"message_map", "x", ""},
	} {
		f := m.FieldByName([]byte(test.field))
		require.NotNil(t, f, test.field)
		for _, parents := range [][]*codec.Field{nil, path(t, m, "child.maybe_child")} {
			out, err := codec.AppendNestedRaw([]byte("before"), parents, f, []byte(test.raw), s)
			if test.want == "" {
				require.Equal(t, codec.KindType, asError(t, err).Kind)
				require.Equal(t, "before", string(out))
				continue
			}
			require.NoError(t, err, test.field)
			want := test.want
			if parents != nil {
				want = `{"child":{"maybeChild":` + want + `}}`
			}
			got, err := m.AppendJSON(nil, out[len("before"):], s)
			require.NoError(t, err, test.field)
			require.Equal(t, want, string(got))
		}
	}
	shallow := &codec.Scratch{MaxDepth: 2}
	_, err = codec.AppendNestedRaw(nil, path(t, m, "child.maybe_child"), m.FieldByName([]byte("bytes")), nil, shallow)
	require.Equal(t, codec.KindDepth, asError(t, err).Kind)
}
