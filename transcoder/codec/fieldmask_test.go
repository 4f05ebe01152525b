package codec_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// pathsOf are the paths in the content of a FieldMask.
func pathsOf(t testing.TB, mask []byte) (paths []string) {
	t.Helper()
	for len(mask) > 0 {
		number, wire, n := protowire.ConsumeTag(mask)
		require.Positive(t, n)
		require.EqualValues(t, 1, number)
		require.Equal(t, protowire.BytesType, wire)
		path, l := protowire.ConsumeString(mask[n:])
		require.Positive(t, l)
		paths = append(paths, path)
		mask = mask[n+l:]
	}
	return paths
}

func TestFieldMask(t *testing.T) {
	m := plant(t)
	s := &codec.Scratch{}
	for _, test := range []struct{ name, body, skip, want string }{
		{name: "nothing", body: `{}`},
		{name: "by either name", body: ` { "name" : "x" , "heightCm" : 3 } `, want: "name height_cm"},
		{name: "by the name in the file", body: `{"height_cm":3}`, want: "height_cm"},
		{name: "escaped", body: `{"height\u0043m":3}`, want: "height_cm"},
		{name: "in the order of the body", body: `{"ripe":false,"name":""}`, want: "ripe name"},
		{name: "nested", body: `{"parent":{"parent":{"heightCm":1,"name":"x"},"name":"y"},"ripe":true}`,
			want: "parent.parent.height_cm parent.parent.name parent.name ripe"},
		{name: "group", body: `{"grafted":{"name":"x"}}`, want: "grafted.name"},
		{name: "map", body: `{"near":{"a":{"name":"x"}}}`, want: "near"},
		{name: "lists", body: `{"tags":["a"],"sprouts":[{"name":"x"},{}]}`, want: "tags sprouts"},
		{name: "any", body: `{"extra":{"@type":"x/garden.Plant","name":"a"}}`, want: "extra"},
		{name: "struct", body: `{"notes":{"a":{"b":1}}}`, want: "notes"},
		{name: "other well-known types", body: `{"sown":"1970-01-01T00:00:00Z","mask":"a,b","weight":"1","label":"x","growth":"1s"}`,
			want: "sown mask weight label growth"},
		{name: "empty message", body: `{"under":{ },"parent":{"under":{}}}`, want: "under parent.under"},
		{name: "null", body: `{"name":null,"parent":null,"under":{"near":null}}`, want: "name parent under.near"},
		{name: "skipped", body: `{"name":"x","parent":{"name":"y"},"mask":"a"}`, skip: "name mask", want: "parent.name"},
		{name: "skipped message", body: `{"parent":{"name":"y"},"ripe":true}`, skip: "parent", want: "ripe"},
	} {
		_, err := m.AppendWire(nil, []byte(test.body), s, nil)
		require.NoError(t, err, test.name)
		var skip []*codec.Field
		for _, name := range strings.Fields(test.skip) {
			skip = append(skip, m.FieldByName([]byte(name)))
		}
		got, err := m.AppendMask([]byte("before"), []byte(test.body), skip, s)
		require.NoError(t, err, test.name)
		require.Equal(t, strings.Fields(test.want), append([]string{}, pathsOf(t, got[len("before"):])...), test.name)

		// The same as the value of a field.
		got, err = m.FieldByName([]byte("parent")).AppendMask(nil, []byte(test.body), skip, s)
		require.NoError(t, err, test.name)
		require.Equal(t, strings.Fields(test.want), append([]string{}, pathsOf(t, got)...), test.name)
	}
}

func TestFieldMaskOfValues(t *testing.T) {
	m := plant(t)
	s := &codec.Scratch{}
	for field, body := range map[string]string{
		"name": `"x"`, "parent": `null`, "near": `{"a":{"name":"x"}}`, "sprouts": `[{"name":"x"}]`, "notes": `{"name":1}`, "tags": `[]`,
	} {
		got, err := m.FieldByName([]byte(field)).AppendMask(nil, []byte(body), nil, s)
		require.NoError(t, err, field)
		require.Empty(t, got, field)
	}
}

// TestFieldMaskOfAnything checks that what is not in the message is left out,
// and that a body that nobody has checked is an error at worst.
func TestFieldMaskOfAnything(t *testing.T) {
	m := plant(t)
	s := &codec.Scratch{}
	got, err := m.AppendMask(nil, []byte(`{"colour":{"name":1},"name":"x","parent":{"colour":1}}`), nil, s)
	require.NoError(t, err)
	require.Equal(t, []string{"name"}, pathsOf(t, got))
	for body, kind := range map[string]codec.Kind{
		``: codec.KindSyntax, `{`: codec.KindSyntax, `{"name"`: codec.KindSyntax, `{"name":}`: codec.KindSyntax, `{"name":1,}`: codec.KindSyntax,
		`{"parent":{"name":1]}`: codec.KindSyntax, `{}{}`: codec.KindSyntax, `{name:1}`: codec.KindSyntax,
		strings.Repeat(`{"parent":`, 101) + `{}` + strings.Repeat(`}`, 101): codec.KindDepth,
	} {
		got, err := m.AppendMask([]byte("before"), []byte(body), nil, s)
		require.Equal(t, "before", string(got), body)
		require.Equal(t, kind, asError(t, err).Kind, "%s: %v", body, err)
	}
}

// TestFieldMaskLimit checks that a mask cannot be longer than its body without
// end: here each leaf has a path of 600 bytes.
func TestFieldMaskLimit(t *testing.T) {
	m := plant(t)
	s := &codec.Scratch{}
	var tree func(levels int) string
	tree = func(levels int) string {
		if levels == 0 {
			return `{"name":""}`
		}
		return `{"parent":` + tree(levels-1) + `,"grafted":` + tree(levels-1) + `}`
	}
	for levels, fits := range map[int]bool{6: true, 9: false} {
		body := []byte(strings.Repeat(`{"parent":`, 80) + tree(levels) + strings.Repeat(`}`, 80))
		_, err := m.AppendWire(nil, body, s, nil)
		require.NoError(t, err)
		got, err := m.AppendMask([]byte("before"), body, nil, s)
		if fits {
			require.NoError(t, err)
			require.Len(t, pathsOf(t, got[len("before"):]), 1<<levels)
			require.Greater(t, len(got), 4*len(body))
			continue
		}
		require.Equal(t, codec.KindTooLarge, asError(t, err).Kind)
		require.Equal(t, "before", string(got))
	}
}
