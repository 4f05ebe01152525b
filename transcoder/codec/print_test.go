package codec_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// TestForms compares every JSON form with protojson's: of messages as encoders
// write them, rearranged, merged and damaged, and of single fields.
func TestForms(t *testing.T) {
	print := func(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) {
		marshal := func() []byte {
			wire, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(g.message(md, 4))
			require.NoError(t, err)
			return wire
		}
		wire := marshal()
		other := g.rearranged(md, wire, 3)
		merged := slices.Concat(wire, marshal(), other)
		mixed := g.rearranged(md, slices.Concat(wire, marshal()), 3)
		for _, form := range forms {
			for _, wire := range [][]byte{nil, wire, other, damaged(g.r, other), merged, mixed} {
				comparePrintAs(t, g.u, md, wire, form)
				compareOrder(t, g.u, md, wire, form)
			}
			compareField(t, g.u, md, uint16(g.r.Uint32()), other, form)
			if t.Failed() {
				return
			}
		}
	}
	t.Run("fixed", func(t *testing.T) { fixedEach(t, 4, print) })
	t.Run("random", func(t *testing.T) { each(t, 12, print) })
}

// FuzzForms compares what becomes of any wire data in any form, and of the same
// made pretty.
func FuzzForms(f *testing.F) {
	u := fuzzSeeds(f, func(n uint16, g *valueGen, m *dynamicpb.Message) {
		wire, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(m)
		if err == nil && len(wire) < 2000 {
			f.Add(n, byte(g.r.IntN(len(forms))), wire)
			f.Add(n, byte(2), g.rearranged(m.Descriptor(), wire, 3))
		}
	})
	f.Fuzz(func(t *testing.T, n uint16, options byte, wire []byte) {
		if len(wire) > 1<<13 {
			return
		}
		md, form := fuzzMessage(u, n), forms[int(options)%len(forms)]
		comparePrintAs(t, u, md, wire, form)
		compareOrder(t, u, md, wire, form)
		compareField(t, u, md, n, wire, form)
		if text, err := u.printing(form).Message(md.FullName()).AppendJSON(nil, wire, &reused); err == nil && len(text) < 1<<16 {
			compareIndented(t, text)
		}
	})
}

// compareOrder checks that the fields of a message, those that are not set among
// them, come in the order of their numbers.
func compareOrder(t testing.TB, u *universe, md protoreflect.MessageDescriptor, wire []byte, form codec.Print) {
	t.Helper()
	text, err := u.printing(form).Message(md.FullName()).AppendJSON(nil, wire, &reused)
	if err != nil || md.ParentFile().Package() == "google.protobuf" || md.Fields().ByJSONName("@type") != nil {
		return
	}
	dec := json.NewDecoder(strings.NewReader(string(text)))
	_, err = dec.Token()
	require.NoError(t, err)
	last := protoreflect.FieldNumber(0)
	for dec.More() {
		name, err := dec.Token()
		require.NoError(t, err)
		var value json.RawMessage
		require.NoError(t, dec.Decode(&value))
		number := numberOf(u, md, name.(string), form)
		require.Greater(t, number, last, "%s: %x\n%s", md.FullName(), wire, text)
		last = number
	}
}

// numberOf is the number of the field that a form calls name.
func numberOf(u *universe, md protoreflect.MessageDescriptor, name string, form codec.Print) protoreflect.FieldNumber {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		if !form.ProtoNames && fd.JSONName() == name || form.ProtoNames && fd.TextName() == name {
			return fd.Number()
		}
	}
	for _, xd := range u.extensions[md.FullName()] {
		if "["+string(xd.FullName())+"]" == name {
			return xd.Number()
		}
	}
	return 0
}

// TestFormsOfPlant shows each form of one message, and that they do not get in
// each other's way.
func TestFormsOfPlant(t *testing.T) {
	// parent is empty, near has an entry without a value, extra holds a Plant, and
	// counts is an empty packed list.
	const text = `{"heightCm":3,"season":"SPRING","near":{"k":{}},"parent":{},"pot":"","notes":{"a":null},` +
		`"extra":{"@type":"x/garden.Plant","season":"AUTUMN","heightCm":1}}`
	wire, err := plant(t).AppendWire(nil, []byte(text), &codec.Scratch{}, nil)
	require.NoError(t, err)
	wire = append(wire, 0x82, 0x01, 0x00)
	const unset = `"name":"","height_cm":0,"season":0,"tags":[],"near":{},"seed":"","acid":0,"counts":[],` +
		`"ripe":false,"rows":{},"roots":"0","sprouts":[]`
	for _, test := range []struct {
		form codec.Print
		want string
	}{
		{codec.Print{}, `{"heightCm":3,"season":"SPRING","near":{"k":{}},"parent":{},"pot":"",` +
			`"extra":{"@type":"x/garden.Plant","heightCm":1,"season":"AUTUMN"},"notes":{"a":null}}`},
		{codec.Print{ProtoNames: true}, `{"height_cm":3,"season":"SPRING","near":{"k":{}},"parent":{},"pot":"",` +
			`"extra":{"@type":"x/garden.Plant","height_cm":1,"season":"AUTUMN"},"notes":{"a":null}}`},
		{codec.Print{EnumsAsNumbers: true}, `{"heightCm":3,"season":1,"near":{"k":{}},"parent":{},"pot":"",` +
			`"extra":{"@type":"x/garden.Plant","heightCm":1,"season":2},"notes":{"a":null}}`},
		{
			codec.Print{EnumsAsNumbers: true, UnsetFields: true, ProtoNames: true},
			`{"name":"","height_cm":3,"season":1,"tags":[],"near":{"k":{` + unset + `}},"parent":{` + unset + `},` +
				`"seed":"","acid":0,"pot":"","counts":[],` +
				`"extra":{"@type":"x/garden.Plant","name":"","height_cm":1,"season":2,"tags":[],"near":{},"seed":"","acid":0,` +
				`"counts":[],"ripe":false,"rows":{},"roots":"0","sprouts":[]},` +
				`"notes":{"a":null},"ripe":false,"rows":{},"roots":"0","sprouts":[]}`,
		},
	} {
		c, err := codec.NewPrinting(gardenFiles(t), test.form)
		require.NoError(t, err)
		m := c.Message("garden.Plant")
		got, err := m.AppendJSON(nil, wire, &codec.Scratch{})
		require.NoError(t, err)
		require.Equal(t, test.want, string(got), "%+v", test.form)

		// What is printed reads back as the same; a field that comes twice takes
		// the index.
		again, err := m.AppendWire(nil, got, &codec.Scratch{}, nil)
		require.NoError(t, err)
		got, err = m.AppendJSON(nil, append(again, wire[:2]...), &codec.Scratch{})
		require.NoError(t, err)
		require.Equal(t, test.want, string(got), "%+v", test.form)
	}
}

// TestFormsOfFields prints single fields, as a response_body does.
func TestFormsOfFields(t *testing.T) {
	c, err := codec.NewPrinting(gardenFiles(t), codec.Print{EnumsAsNumbers: true, UnsetFields: true, ProtoNames: true})
	require.NoError(t, err)
	m := c.Message("garden.Plant")
	wire, err := m.AppendWire(nil, []byte(`{"season":"AUTUMN","sprouts":[{"height_cm":2}],"weight":"0","grafted":{"tags":["a"]}}`), &codec.Scratch{}, nil)
	require.NoError(t, err)
	const low, high = `"near":{},"seed":"","acid":0,`, `"counts":[],"ripe":false,"rows":{},"roots":"0","sprouts":[]`
	for name, want := range map[string]string{
		"season":   "2",
		"sprouts":  `[{"name":"","height_cm":2,"season":0,"tags":[],` + low + high + `}]`,
		"grafted":  `{"name":"","height_cm":0,"season":0,"tags":["a"],` + low + high + `}`,
		"weight":   `"0"`,
		"parent":   "null",
		"serial":   "null",
		"label":    "null",
		"pot":      "null",
		"tags":     "[]",
		"counts":   "[]",
		"near":     "{}",
		"heightCm": "0",
		"roots":    `"0"`,
	} {
		f := m.FieldByName([]byte(name))
		got, err := f.AppendJSON(nil, wire, &codec.Scratch{})
		require.NoError(t, err)
		require.Equal(t, want, string(got), name)
	}
}

// TestFormsOfTags gives every field zeros and empty lists, which no encoder
// writes, once and twice.
func TestFormsOfTags(t *testing.T) {
	u := fixedUniverse(t)
	for _, md := range u.messages {
		var numbers []protowire.Number
		for i := range md.Fields().Len() {
			numbers = append(numbers, md.Fields().Get(i).Number())
		}
		for _, xd := range u.extensions[md.FullName()] {
			numbers = append(numbers, xd.Number())
		}
		for _, number := range numbers {
			for typ, value := range map[protowire.Type][]byte{
				protowire.VarintType: {0}, protowire.BytesType: {0}, protowire.Fixed32Type: make([]byte, 4),
				protowire.Fixed64Type: make([]byte, 8), protowire.StartGroupType: protowire.AppendTag(nil, number, protowire.EndGroupType),
			} {
				wire := append(protowire.AppendTag(nil, number, typ), value...)
				for _, wire := range [][]byte{wire, slices.Concat(wire, wire)} {
					for _, form := range forms {
						comparePrintAs(t, u, md, wire, form)
						compareOrder(t, u, md, wire, form)
					}
				}
			}
		}
		if t.Failed() {
			return
		}
	}
}

// TestFormsOfParts prints a part of a message, and of a field, with what is not
// set of it alone.
func TestFormsOfParts(t *testing.T) {
	m := plant(t)
	c, err := codec.NewPrinting(gardenFiles(t), codec.Print{UnsetFields: true})
	require.NoError(t, err)
	s := &codec.Scratch{}
	wire, err := m.AppendWire(nil, []byte(`{"name":"a","sprouts":[{"name":"b"},{"ripe":true}],"near":{"x":{"name":"c"}}}`), s, nil)
	require.NoError(t, err)
	print := func(k *codec.Mask, print func(dst, wire []byte, s *codec.Scratch) ([]byte, error)) string {
		cut, err := k.AppendCut(nil, wire, s)
		require.NoError(t, err)
		s.Selected = k
		text, err := print(nil, cut, s)
		require.NoError(t, err)
		return string(text)
	}
	whole := c.Message("garden.Plant")
	k, err := m.ParseMask("name,roots,tags,parent.name,sprouts(name,ripe),near.height_cm,bed")
	require.NoError(t, err)
	require.Equal(t, `{"name":"a","tags":[],"near":{"x":{"heightCm":0}},"roots":"0",`+
		`"sprouts":[{"name":"b","ripe":false},{"name":"","ripe":true}]}`, print(k, whole.AppendJSON))

	// Masks of either codec do.
	k, err = whole.ParseMask("*")
	require.NoError(t, err)
	text, err := whole.AppendJSON(nil, wire, s)
	require.NoError(t, err)
	require.Equal(t, string(text), print(k, whole.AppendJSON))

	sprouts := whole.FieldByName([]byte("sprouts"))
	k, err = m.FieldByName([]byte("sprouts")).ParseMask("name")
	require.NoError(t, err)
	require.Equal(t, `[{"name":"b"},{"name":""}]`, print(k, sprouts.AppendJSON))
}
