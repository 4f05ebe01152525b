package codec_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

func TestCut(t *testing.T) {
	m := plant(t)
	s := &codec.Scratch{}
	const whole = `{"name":"a","heightCm":2,"tags":["x","y"],"near":{"k":{"name":"n","ripe":true},"l":{"ripe":true}},` +
		`"parent":{"name":"p","heightCm":3,"parent":{"name":"q","ripe":true}},"sown":"1970-01-01T00:00:00Z","under":{"name":"u","ripe":true},` +
		`"counts":[1,2],"notes":{"a":1},"grafted":{"name":"g","ripe":true},"rows":{"1":"r"},"sprouts":[{"name":"s"},{"ripe":true},{"name":"t","ripe":true}]}`
	wire, err := m.AppendWire(nil, []byte(whole), s, nil)
	require.NoError(t, err)
	for mask, want := range map[string]string{
		`*`:                                 whole,
		`name,*`:                            whole,
		`name`:                              `{"name":"a"}`,
		` heightCm , name `:                 `{"name":"a","heightCm":2}`,
		`height_cm,ripe`:                    `{"heightCm":2}`,
		`parent.name`:                       `{"parent":{"name":"p"}}`,
		`parent/name`:                       `{"parent":{"name":"p"}}`,
		`parent(name,parent(name))`:         `{"parent":{"name":"p","parent":{"name":"q"}}}`,
		`parent.parent( name ),parent/name`: `{"parent":{"name":"p","parent":{"name":"q"}}}`,
		`parent.parent.*`:                   `{"parent":{"parent":{"name":"q","ripe":true}}}`,
		`parent.parent,parent.parent.name`:  `{"parent":{"parent":{"name":"q","ripe":true}}}`,
		`parent.name,parent(*)`:             `{"parent":{"name":"p","heightCm":3,"parent":{"name":"q","ripe":true}}}`,
		`parent.ripe`:                       `{"parent":{}}`,
		`near.name`:                         `{"near":{"k":{"name":"n"},"l":{}}}`,
		`near.*.name`:                       `{"near":{"k":{"name":"n"},"l":{}}}`,
		`near/*(name)`:                      `{"near":{"k":{"name":"n"},"l":{}}}`,
		`near.*`:                            `{"near":{"k":{"name":"n","ripe":true},"l":{"ripe":true}}}`,
		`rows.*,notes,sown,counts`:          `{"sown":"1970-01-01T00:00:00Z","counts":[1,2],"notes":{"a":1},"rows":{"1":"r"}}`,
		`tags.*`:                            `{"tags":["x","y"]}`,
		`sprouts.name`:                      `{"sprouts":[{"name":"s"},{},{"name":"t"}]}`,
		`sprouts(ripe),under.name`:          `{"under":{"name":"u"},"sprouts":[{},{"ripe":true},{"ripe":true}]}`,
		`grafted.ripe`:                      `{"grafted":{"ripe":true}}`,
	} {
		k, err := m.ParseMask(mask)
		require.NoError(t, err, mask)
		cut, err := k.AppendCut([]byte("before"), wire, s)
		require.NoError(t, err, mask)
		got, err := m.AppendJSON(nil, cut[len("before"):], s)
		require.NoError(t, err, mask)
		require.JSONEq(t, want, string(got), mask)
	}
	for field, test := range map[string][2]string{
		"parent":  {`name`, `{"name":"p"}`},
		"sprouts": {`name`, `[{"name":"s"},{},{"name":"t"}]`},
		"near":    {`name`, `{"k":{"name":"n"},"l":{}}`},
		"rows":    {` * `, `{"1":"r"}`},
		"name":    {`*`, `"a"`},
		"notes":   {`*`, `{"a":1}`},
		"under":   {`*`, `{"name":"u","ripe":true}`},
	} {
		f := m.FieldByName([]byte(field))
		k, err := f.ParseMask(test[0])
		require.NoError(t, err, field)
		cut, err := k.AppendCut(nil, wire, s)
		require.NoError(t, err, field)
		got, err := f.AppendJSON(nil, cut, s)
		require.NoError(t, err, field)
		require.JSONEq(t, test[1], string(got), field)
	}
}

// TestCutOrder checks what has to be known of the parts that are left out.
func TestCutOrder(t *testing.T) {
	m := plant(t)
	s := &codec.Scratch{}
	for _, test := range []struct{ name, mask, wire, want string }{
		{"a member that another replaces", "pot", "\x6a\x01a\x70\x05", ""},
		{"a member that comes again", "under.height_cm", "\x7a\x02\x10\x03\x70\x05\x7a\x03\x0a\x01a", "\x7a\x00"},
		{"a member replaced in another part", "parent.pot", "\x32\x03\x6a\x01a\x32\x02\x70\x05", "\x32\x00"},
		{"parts", "parent.name", "\x32\x03\x0a\x01a\x10\x01\x32\x05\x10\x02\x0a\x01b", "\x32\x06\x0a\x01a\x0a\x01b"},
		{"order", "name,height_cm", "\x10\x02\x0a\x01a", "\x0a\x01a\x10\x02"},
		{"packed and not", "counts", "\x82\x01\x02\x01\x02\x80\x01\x03\x0a\x01a\x82\x01\x00", "\x82\x01\x02\x01\x02\x80\x01\x03\x82\x01\x00"},
		{"group", "grafted.name", "\x9b\x01\x10\x01\x0a\x01a\x9c\x01", "\x9b\x01\x0a\x01a\x9c\x01"},
		{"another type than declared", "grafted,name", "\x9a\x01\x00\x08\x01", ""},
		{"unknown", "name", "\xf8\x3f\x01\x0a\x01a\xfb\x3f\x08\x01\xfc\x3f", "\x0a\x01a"},
		{"map's value in two parts", "near.name", "\x2a\x0c\x0a\x01k\x12\x02\x10\x01\x12\x03\x0a\x01z", "\x2a\x08\x0a\x01k\x12\x03\x0a\x01z"},
		{"length in more bytes", "parent.name", "\x32\x85\x00\x10\x02\x0a\x01a", "\x32\x03\x0a\x01a"},
	} {
		k, err := m.ParseMask(test.mask)
		require.NoError(t, err, test.name)
		got, err := k.AppendCut([]byte("before"), []byte(test.wire), s)
		require.NoError(t, err, test.name)
		require.Equal(t, "before"+test.want, string(got), test.name)
	}
}

func TestCutErrors(t *testing.T) {
	m := plant(t)
	for _, test := range []struct{ mask, wire, path string }{
		{"name", "\x0a\x05ab", "name"},
		{"name", "\x00", ""},
		{"name", "\x32\x05", "parent"},
		{"parent.name", "\x32\x02\x0a\x05", "parent.name"},
		{"sprouts.name", "\xca\x01\x00\xca\x01\x02\x0a\x05", "sprouts[1].name"},
		{"grafted.name", "\x9b\x01\x0a\x01a", "grafted"},
	} {
		k, err := m.ParseMask(test.mask)
		require.NoError(t, err)
		got, err := k.AppendCut([]byte("before"), []byte(test.wire), &codec.Scratch{})
		require.Equal(t, "before", string(got))
		e := asError(t, err)
		require.Equal(t, codec.KindWire, e.Kind, "%q: %v", test.wire, err)
		require.Equal(t, test.path, e.Path, "%q: %v", test.wire, err)
	}
	k, err := m.ParseMask("parent.parent.parent.name")
	require.NoError(t, err)
	_, err = k.AppendCut(nil, []byte("\x32\x06\x32\x04\x32\x02\x10\x01"), &codec.Scratch{MaxDepth: 3})
	require.Equal(t, codec.KindDepth, asError(t, err).Kind)
}

func TestMaskErrors(t *testing.T) {
	c := garden(t)
	m := c.Message("garden.Plant")
	for _, test := range []struct {
		mask    string
		kind    codec.Kind
		path    string
		offset  int
		message string
	}{
		{"", codec.KindSyntax, "", 0, "the mask ends here, expected a field name or *"},
		{"name,", codec.KindSyntax, "", 5, "the mask ends here, expected a field name or *"},
		{"name,,ripe", codec.KindSyntax, "", 5, "unexpected ',', expected a field name or *"},
		{"parent()", codec.KindSyntax, "", 7, "unexpected ')', expected a field name or *"},
		{"parent(name", codec.KindSyntax, "", 11, "the mask ends here, expected a comma or )"},
		{"parent(name))", codec.KindSyntax, "", 12, "unexpected ')', expected a comma"},
		{"parent(name).ripe", codec.KindSyntax, "", 12, "unexpected .ripe, expected a comma"},
		{"parent..name", codec.KindSyntax, "", 7, "unexpected .name, expected a field name or *"},
		{"parent.", codec.KindSyntax, "", 7, "the mask ends here, expected a field name or *"},
		{"name ripe", codec.KindSyntax, "", 5, "unexpected ripe, expected a comma"},
		{"*.name", codec.KindSyntax, "", 1, "unexpected .name, expected a comma, since * has all fields"},
		{"sprouts.*x", codec.KindSyntax, "", 9, "unexpected x, expected a comma"},
		{"naame", codec.KindUnknownField, "naame", 0, `garden.Plant has no field "naame", did you mean "name"?`},
		{"ripe, parent(name,parent/hieghtCm)", codec.KindUnknownField, "parent.parent.hieghtCm", 25, `garden.Plant has no field "hieghtCm", did you mean "heightCm"?`},
		{"Name", codec.KindUnknownField, "Name", 0, `did you mean "name"?`},
		{"name.x", codec.KindType, "name", 4, "name is of type string, which has no fields"},
		{"height_cm(x)", codec.KindType, "height_cm", 9, "heightCm is of type int32, which has no fields"},
		{"sown.seconds", codec.KindType, "sown", 4, "sown is of type google.protobuf.Timestamp, which comes whole"},
		{"notes.a", codec.KindType, "notes", 5, "notes is of type google.protobuf.Struct, which comes whole"},
		{"rows.*.x", codec.KindType, "rows", 6, "the values of the map rows have no fields"},
		{strings.Repeat("parent.", 100) + "name", codec.KindDepth, "", 700, "limit of 100"},
		{strings.Repeat("parent(", 100) + "name" + strings.Repeat(")", 100), codec.KindDepth, "", 700, "limit of 100"},
		{strings.Repeat("name,", 1000) + "name", codec.KindTooLarge, "name", 5000, "more paths than the limit of 1000"},
		{strings.Repeat(" ", 8<<10) + "name", codec.KindTooLarge, "", 0, "longer than the limit of 8192 bytes"},
	} {
		k, err := m.ParseMask(test.mask)
		require.Nil(t, k, test.mask)
		e := asError(t, err)
		require.Equal(t, test.kind, e.Kind, "%s: %v", test.mask, err)
		require.Contains(t, e.Message, test.message, test.mask)
		require.Equal(t, test.offset, e.Offset, "%s: %v", test.mask, err)
		require.Equal(t, test.offset+1, e.Column, test.mask)
		if test.kind != codec.KindDepth {
			require.Equal(t, test.path, e.Path, test.mask)
		}
	}
	_, err := c.Message("google.protobuf.Timestamp").ParseMask("seconds")
	require.EqualError(t, err, "google.protobuf.Timestamp has no fields that could be named, expected * (line 1, column 1, byte 0)")
	_, err = m.FieldByName([]byte("rows")).ParseMask("x")
	require.Equal(t, codec.KindType, asError(t, err).Kind)
	_, err = m.FieldByName([]byte("name")).ParseMask("*,*")
	require.Equal(t, codec.KindSyntax, asError(t, err).Kind)
	_, err = m.ParseMask(strings.Repeat("name,", 999) + "name")
	require.NoError(t, err)
	_, err = m.ParseMask(strings.Repeat("parent.", 99) + "name")
	require.NoError(t, err)
}
