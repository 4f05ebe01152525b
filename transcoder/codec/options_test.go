package codec_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// TestIgnoreUnknown compares random texts, with keys that nothing has, with what
// protojson makes of them when it discards what is unknown.
func TestIgnoreUnknown(t *testing.T) {
	parse := func(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) {
		g.odd = 0
		text, err := g.u.printJSONAs(g.message(md, 4), forms[g.r.IntN(len(forms))])
		if err != nil {
			return
		}
		options := codec.Parse{IgnoreUnknown: true, Record: g.one(2)}
		for range 8 {
			tree, err := parseNode(text)
			require.NoError(t, err)
			for range 1 + g.r.IntN(3) {
				tree.mutate(g.r, g.u.names)
				addUnknown(g.r, tree)
			}
			compareParseAs(t, g.u, md, tree.write(g.r, nil), options)
		}
		compareParseAs(t, g.u, md, damaged(g.r, text), options)
	}
	t.Run("fixed", func(t *testing.T) { fixedEach(t, 10, parse) })
	t.Run("random", func(t *testing.T) { each(t, 20, parse) })
}

// addUnknown gives an object in the tree a field that is probably unknown, with
// a value from elsewhere in the tree.
func addUnknown(r *rand.Rand, tree *node) {
	var objects []*node
	all := tree.all()
	for _, n := range all {
		if n.object {
			objects = append(objects, n)
		}
	}
	if len(objects) == 0 {
		return
	}
	n := objects[r.IntN(len(objects))]
	value := all[r.IntN(len(all))].copied(8)
	name := []string{"nobody", "nobody", "[no.body]", "value", "@type", "", "[", "x\ny"}[r.IntN(8)]
	at := r.IntN(len(n.children) + 1)
	n.keys = slices.Insert(n.keys, at, name)
	n.children = slices.Insert(n.children, at, value)
}

// excusedOption reports whether what the two sides disagree about is what the
// options say, where the referee lacks them: an error is nil for the side that
// accepted.
func excusedOption(u *universe, md protoreflect.MessageDescriptor, text []byte, options codec.Parse, err, refereeErr error) bool {
	var e *codec.Error
	if options.IgnoreUnknown && refereeErr == nil && errors.As(err, &e) && e.Kind == codec.KindEnum {
		return true // the difference unknown-enum
	}
	if options.FoldEnums && err == nil {
		exactly := options
		exactly.FoldEnums = false
		_, err := u.codec.Message(md.FullName()).AppendWire(nil, text, &codec.Scratch{MaxDepth: deep, Parse: exactly}, nil)
		return errors.As(err, &e) && e.Kind == codec.KindEnum
	}
	return false
}

// ignoredDiff says what is wrong with the list of ignored fields.
func ignoredDiff(ignored []string, options codec.Parse) string {
	if len(ignored) > 0 && (!options.IgnoreUnknown || !options.Record) {
		return fmt.Sprintf("ignored %q without being asked to", ignored)
	}
	for i, path := range ignored {
		switch {
		case i == 16 && path == "…":
		case i >= 16:
			return fmt.Sprintf("%d ignored fields are listed", len(ignored))
		case path == "" || len(path) > 100:
			return fmt.Sprintf("ignored %q", path)
		case strings.Trim(strings.TrimSuffix(path, "…"), printable) != "":
			return fmt.Sprintf("the ignored %q is not printable", path)
		}
	}
	return ""
}

// printable is printable ASCII.
var printable = func() (s string) {
	for c := ' '; c <= '~'; c++ {
		s += string(c)
	}
	return s
}()

func TestIgnored(t *testing.T) {
	m := plant(t)
	long := strings.Repeat("x", 300)
	for _, test := range []struct {
		body string
		want []string
	}{
		{`{"name":"a"}`, nil},
		{`{"nme":"a"}`, []string{"nme"}},
		{`{"nme":1,"nme":2}`, []string{"nme", "nme"}},
		{`{"nme":{"name":{"x":[1,{"y":2}]}},"name":"a"}`, []string{"nme"}},
		{`{"n\u006de":"a"}`, []string{"nme"}},
		{`{"parent":{"parent":{"nme":"a"}},"b_2":null}`, []string{"parent.parent.nme", "b_2"}},
		{`{"grafted":{"tags":["a","b"],"nme":1}}`, []string{"grafted.nme"}},
		{`{"sprouts":[{},{"name":"x","y":{"z":1}},{"sprouts":[{"q":1}]}]}`, []string{"sprouts[1].y", "sprouts[2].sprouts[0].q"}},
		{`{"near":{"home":{"a":1},"a b":{"c":1},"\u00e4\n":{"c":1}}}`, []string{"near.home.a", `near["a b"].c`, `near["\u00e4\n"].c`}},
		{`{"":1," ":2,"2a":3,"[no.such]":4,"[x":5}`, []string{`[""]`, `[" "]`, `["2a"]`, "[no.such]", `["[x"]`}},
		{`{"extra":{"a":1,"@type":"x/garden.Plant","parent":{"b":[2]},"name":"c"}}`, []string{"extra.a", "extra.parent.b"}},
		{`{"extra":{"@type":"x/google.protobuf.Duration","value":"1s","a":{}}}`, []string{"extra.a"}},
		{`{"extra":{"@type":"x/google.protobuf.Empty","value":{"b":1},"a":{}}}`, []string{"extra.value.b", "extra.a"}},
		{`{"extra":{"a":{"@type":"x"},"b":2},"c":3}`, []string{"extra.a", "extra.b", "c"}},
		{`{"extra":{}}`, nil},
		{`{"notes":{"anything":{"goes":1}}}`, nil},
		{`{"` + long + `":1}`, []string{long[:97] + "…"}},
		{`{"parent":{"` + long + `":1,"b":{}}}`, []string{"parent." + long[:90] + "…", "parent.b"}},
		{`{` + strings.Repeat(`"a":1,`, 15) + `"a":1}`, slices.Repeat([]string{"a"}, 16)},
		{`{` + strings.Repeat(`"a":1,`, 40) + `"a":1}`, append(slices.Repeat([]string{"a"}, 16), "…")},
	} {
		s := &codec.Scratch{Parse: codec.Parse{IgnoreUnknown: true, Record: true}}
		_, err := m.AppendWire(nil, []byte(test.body), s, nil)
		require.NoError(t, err, test.body)
		require.Equal(t, test.want, append([]string(nil), s.Ignored...), test.body)
		require.Empty(t, ignoredDiff(s.Ignored, s.Parse))
		skipped := len(test.want)
		if skipped > 16 {
			skipped = strings.Count(test.body, `"a"`)
		}
		require.Equal(t, skipped, s.Skipped, test.body)

		// As part of a longer text, and with the next call's own.
		around := []byte(" [ " + test.body + " , {\"again\" : 1 } ] ")
		_, err = m.FieldByName([]byte("sprouts")).AppendWire(nil, around, s, nil)
		require.NoError(t, err)
		if len(test.want) < 16 {
			require.Len(t, s.Ignored, len(test.want)+1)
			require.Equal(t, "[1].again", s.Ignored[len(test.want)])
		}

		s.Parse.Record = false
		_, err = m.AppendWire(nil, []byte(test.body), s, nil)
		require.NoError(t, err, test.body)
		require.Empty(t, s.Ignored)
		require.Equal(t, skipped, s.Skipped, test.body)
	}
}

// TestIgnoreUnknownErrors checks what stays an error.
func TestIgnoreUnknownErrors(t *testing.T) {
	m := plant(t)
	for _, test := range []struct {
		body string
		kind codec.Kind
		path string
	}{
		{`{"season":"NOPE"}`, codec.KindEnum, "season"},
		{`{"season":"spring"}`, codec.KindEnum, "season"},
		{`{"near":{"a":{"season":"NOPE","x":1}}}`, codec.KindEnum, `near["a"].season`},
		{`{"nme":}`, codec.KindSyntax, ""},
		{`{"nme":[1,2}`, codec.KindSyntax, ""},
		{`{"nme":01}`, codec.KindSyntax, ""},
		{`{"nme":"` + "\xff" + `"}`, codec.KindUTF8, "nme"},
		{`{"nme":{"a":"\ud800"}}`, codec.KindUTF8, "nme"},
		{`{"nme"}`, codec.KindSyntax, ""},
		{`{"nme":` + strings.Repeat(`[`, 100) + strings.Repeat(`]`, 100) + `}`, codec.KindDepth, "nme"},
		{`{"nme":` + strings.Repeat(`[`, 1<<20), codec.KindDepth, "nme"},
		{`{"extra":{"a":` + strings.Repeat(`[`, 1<<20), codec.KindDepth, "extra"},
		{`{"extra":{"@type":"x/google.protobuf.Duration","value":"1s","a":` + strings.Repeat(`[`, 1<<20), codec.KindDepth, "extra.a"},
		{`{"x":1,"heightCm":"x"}`, codec.KindType, "heightCm"},
		{`{"x":1,"name":"a","name":"b"}`, codec.KindDuplicate, "name"},
		{`{"extra":{"@type":"x/none.Such","a":1}}`, codec.KindUnknownType, "extra.@type"},
		{`{"extra":{"@type":"x/google.protobuf.Duration","a":1}}`, codec.KindType, "extra"},
	} {
		s := &codec.Scratch{Parse: codec.Parse{IgnoreUnknown: true, Record: true}}
		out, err := m.AppendWire(bytes.Clone(prefix), []byte(test.body), s, nil)
		e := asError(t, err)
		require.Equal(t, test.kind, e.Kind, "%s: %v", test.body, err)
		require.Equal(t, test.path, e.Path, "%.100s: %v", test.body, err)
		require.Equal(t, prefix, out)
		require.Empty(t, s.Ignored)
	}
}

const shadesProto = `
syntax = "proto2";
package shades;
enum Shade {
  option allow_alias = true;
  NONE = 0; Dark = 1; DARK = 2; dark_Blue = 3; DARK_BLUE = 3; Light = -4; LIGHT_GREEN = 5; light_green = 6; Light_Green = 5; x1 = 7;
}
message Wall {
  optional Shade shade = 1;
  repeated Shade shades = 2 [packed = true];
  map<string, Shade> rooms = 3;
}
`

func TestFoldEnums(t *testing.T) {
	c, err := codec.New(compiled(t, "shades.proto", shadesProto))
	require.NoError(t, err)
	m := c.Message("shades.Wall")
	shade := m.FieldByName([]byte("shade"))
	s := &codec.Scratch{}
	for name, want := range map[string]int{
		"none": 0, "None": 0, "NONE": 0,
		"Dark": 1, "DARK": 2, "dark": -1, "dARK": -1,
		"dark_blue": 3, "DARK_Blue": 3, "darkblue": -1,
		"light": -4, "LIGHT": -4,
		"LIGHT_GREEN": 5, "Light_Green": 5, "light_green": 6, "light_Green": -1,
		"x1": 7, "X1": 7, "": -1, " none": -1, "n\u00f6ne": -1, "\u212f": -1, "nope": -1, strings.Repeat("none", 1000): -1,
	} {
		exact := slices.Contains([]string{"NONE", "Dark", "DARK", "dark_Blue", "DARK_BLUE", "Light", "LIGHT_GREEN", "light_green", "Light_Green", "x1"}, name)
		for _, fold := range []bool{false, true} {
			s.Parse.FoldEnums = fold
			fromText, textErr := shade.AppendText(nil, []byte(name), s)
			whole, err := m.AppendWire(nil, []byte(`{"shade":`+protojsonQuote(name)+`,"shades":[`+protojsonQuote(name)+`],"rooms":{"a":`+protojsonQuote(name)+`}}`), s, nil)
			if want == -1 || !fold && !exact {
				requireKind(t, codec.KindEnum, textErr)
				requireKind(t, codec.KindEnum, err)
				continue
			}
			require.NoError(t, textErr, name)
			require.NoError(t, err, name)
			number := protowire.AppendVarint(nil, uint64(int64(want)))
			require.Equal(t, append([]byte{0x08}, number...), fromText, name)
			require.Equal(t, slices.Concat([]byte{0x08}, number, []byte{0x12, byte(len(number))}, number,
				[]byte{0x1a, byte(4 + len(number)), 0x0a, 1, 'a', 0x10}, number), whole, name)
		}
	}
}

// TestFoldEnumsElsewhere checks that nothing but enum names is folded: all else
// is as without the option.
func TestFoldEnumsElsewhere(t *testing.T) {
	each(t, 10, func(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) {
		g.odd = 0
		text, err := g.u.printJSON(g.message(md, 4))
		if err != nil {
			return
		}
		for range 4 {
			tree, err := parseNode(text)
			require.NoError(t, err)
			tree.mutate(g.r, g.u.names)
			compareParseAs(t, g.u, md, tree.write(g.r, nil), codec.Parse{FoldEnums: true})
		}
	})
}

// TestBoundWins is TestWatch where the path wins: everything valid is accepted,
// and what is left of it is what does not concern the bound field.
func TestBoundWins(t *testing.T) {
	m := plant(t)
	for _, test := range []struct {
		path, value, body string
		want              string // as if the body had been this
		kind              codec.Kind
	}{
		{"name", "a", `{"name":"a","ripe":true}`, `{"ripe":true}`, 0},
		{"name", "a", `{"name":"b","ripe":true}`, `{"ripe":true}`, 0},
		{"name", "a", `{"name":null}`, `{}`, 0},
		{"name", "a", `{"name":"b","name":"a"}`, "", codec.KindDuplicate},
		{"name", "a", `{"name":1}`, "", codec.KindType},
		{"height_cm", "5", `{"heightCm":"x"}`, "", codec.KindType},
		{"season", "AUTUMN", `{"season":"NOPE"}`, "", codec.KindEnum},
		{"tags", "a", `{"tags":["b","c"],"name":"d"}`, `{"name":"d"}`, 0},
		{"parent.name", "a", `{"parent":{"name":"b","heightCm":1},"name":"c"}`, `{"parent":{"heightCm":1},"name":"c"}`, 0},
		{"parent.name", "a", `{"parent":{"parent":{"name":"b"}}}`, `{"parent":{"parent":{"name":"b"}}}`, 0},
		{"parent.name", "a", `{"parent":{"name":"b","nme":1}}`, "", codec.KindUnknownField},
		{"grafted.name", "a", `{"grafted":{"name":"b"}}`, `{"grafted":{}}`, 0},
		{"pot", "a", `{"bed":1,"name":"x"}`, `{"name":"x"}`, 0},
		{"pot", "a", `{"under":{"near":{"a":{"name":"` + strings.Repeat("x", 5000) + `"}}},"name":"x"}`, `{"name":"x"}`, 0},
		{"pot", "a", `{"under":{"heightCm":"x"}}`, "", codec.KindType},
		{"pot", "a", `{"under":{},"bed":1}`, "", codec.KindOneof},
		{"under.name", "a", `{"pot":"x"}`, `{}`, 0},
		{"under.name", "a", `{"under":{"name":"b","heightCm":1}}`, `{"under":{"heightCm":1}}`, 0},
		{"under.pot", "a", `{"under":{"bed":1}}`, `{"under":{}}`, 0},
		{"sown", "2020-01-01T01:00:00Z", `{"sown":"2020-01-01T00:00:00Z"}`, `{}`, 0},
		{"sown", "2020-01-01T01:00:00Z", `{"sown":"yesterday"}`, "", codec.KindType},
		{"sown.seconds", "9", `{"sown":"1970-01-01T00:00:01.5Z"}`, `{"sown":"1970-01-01T00:00:00.5Z"}`, 0},
		{"mask", "foo_bar", `{"mask":"a,b"}`, `{}`, 0},
		{"mask.paths", "foo_bar", `{"mask":"a,b"}`, `{"mask":""}`, 0},
		{"weight", "0", `{"weight":1}`, `{}`, 0},
		{"weight.value", "7", `{"weight":8}`, `{"weight":0}`, 0},
		{"weight.value", "0", `{"weight":8}`, `{"weight":0}`, 0},
		{"extra.type_url", "x/garden.Demand", `{"extra":{"@type":"x/garden.Plant","name":"` + strings.Repeat("x", 5000) + `"}}`,
			"\x8a\x01\x8e\x27\x12\x8b\x27\x0a\x88\x27" + strings.Repeat("x", 5000), 0},
	} {
		fields := path(t, m, test.path)
		leaf := fields[len(fields)-1]
		s := &codec.Scratch{Parse: codec.Parse{BoundWins: true}}
		value, err := leaf.AppendText(nil, []byte(test.value), s)
		require.NoError(t, err)
		b := &codec.Bound{Watch: codec.NewWatch(m, [][]*codec.Field{fields}), Values: [][]byte{value}}
		got, err := m.AppendWire(bytes.Clone(prefix), []byte(test.body), s, b)
		if test.kind != 0 {
			require.Equal(t, test.kind, asError(t, err).Kind, "%+v", test)
			continue
		}
		require.NoError(t, err, "%+v", test)
		want := []byte(test.want)
		if strings.HasPrefix(test.want, "{") {
			want, err = m.AppendWire(nil, want, s, nil)
			require.NoError(t, err)
		}
		require.Equal(t, string(prefix)+string(want), string(got), "%+v", test)
	}
}

// FuzzParseOptions compares what becomes of any JSON text with options.
func FuzzParseOptions(f *testing.F) {
	u := fuzzSeeds(f, func(n uint16, g *valueGen, m *dynamicpb.Message) {
		text, err := g.u.printJSON(m)
		if err != nil || len(text) > 2000 {
			return
		}
		tree, err := parseNode(text)
		require.NoError(f, err)
		addUnknown(g.r, tree)
		f.Add(n, byte(g.r.IntN(8)), tree.write(g.r, nil))
	})
	f.Fuzz(func(t *testing.T, n uint16, options byte, text []byte) {
		compareParseAs(t, u, fuzzMessage(u, n), text,
			codec.Parse{IgnoreUnknown: options&1 != 0, Record: options&2 != 0, FoldEnums: options&4 != 0, BoundWins: options&8 != 0})
	})
}

// checkBoundWins checks what becomes of a body that may contradict the bound
// leaves, where these win: what the referee makes of it, but for the leaves and
// the other members of all oneofs on the way to them.
func checkBoundWins(t *testing.T, u *universe, md protoreflect.MessageDescriptor, text []byte, b *codec.Bound, bound []leaf, pathWire []byte) {
	t.Helper()
	want, err := u.parseJSON(md, text, false)
	require.NoError(t, err)
	for _, l := range bound {
		at := want.ProtoReflect()
		for _, fd := range l.parents {
			at = at.Mutable(fd).Message() // clears the other members
		}
		at.Set(l.field, l.in.Get(l.field))
	}
	s := &reused
	s.Parse.BoundWins = true
	defer func() { s.Parse = codec.Parse{} }()
	wire, err := u.codec.Message(md.FullName()).AppendWire(nil, text, s, b)
	require.NoError(t, err, "%s: %s", md.FullName(), text)
	wantWire, err := u.normal(want)
	require.NoError(t, err)
	for _, sum := range [][]byte{slices.Concat(pathWire, wire), slices.Concat(wire, pathWire)} {
		got, err := u.parseWire(md, sum)
		require.NoError(t, err)
		gotWire, err := u.normal(got)
		require.NoError(t, err)
		require.Equal(t, wantWire, gotWire, "%s: %s\nbound %v", md.FullName(), text, bound[0].field.FullName())
	}
}
