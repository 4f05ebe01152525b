package codec_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// TestNoAllocations translates every test message both ways with reused buffers:
// each field alone, all of them together, and random ones with their wire data
// rearranged. Only Any is left out: it is resolved while translating.
func TestNoAllocations(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Skip("coverage counters allocate")
	}
	inUniverses(t, noAllocations)
}

func noAllocations(t *testing.T, u *universe) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, md := range u.messages {
		if holdsAny(md) {
			continue
		}
		t.Run(string(md.FullName()), func(t *testing.T) {
			g := &valueGen{r: r, u: u}
			for i := range md.Fields().Len() {
				if fd := md.Fields().Get(i); !isAny(fd) {
					m := dynamicpb.NewMessage(md)
					g.set(m, fd, 2)
					requireNoAllocs(t, g, m)
				}
			}
			g.full = true
			requireNoAllocs(t, g, withoutAny(g.message(md, 2)))
			g.full = false
			for range 20 {
				requireNoAllocs(t, g, withoutAny(g.message(md, 3)))
			}
		})
	}
}

// TestNoAllocationsBinding does the same for what comes from a path and a query.
func TestNoAllocationsBinding(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Skip("coverage counters allocate")
	}
	u := fixedUniverse(t)
	r := rand.New(rand.NewPCG(8, 8))
	g := &valueGen{r: r, u: u, full: true}
	s := &codec.Scratch{MaxDepth: deep}
	buf := make([]byte, 0, 1<<16)
	for _, md := range u.messages {
		if md.ParentFile().Package() == "google.protobuf" {
			continue
		}
		root := u.codec.Message(md.FullName())
		for _, l := range leaves(r, u, g.message(md, 3), nil) {
			parents, f := l.fields(t, r, root)
			for _, text := range l.texts {
				text := []byte(text)
				name := []byte(l.field.JSONName())
				translate := func() {
					if f.Parent().FieldByName(name) == nil {
						panic("no field")
					}
					if _, err := codec.AppendNested(buf, parents, f, text, s); err != nil {
						panic(err)
					}
				}
				translate()
				require.Zero(t, testing.AllocsPerRun(5, translate), "%s = %q", l.field.FullName(), text)
			}
		}
	}
}

func requireNoAllocs(t *testing.T, g *valueGen, message protoreflect.Message) {
	t.Helper()
	md := message.Descriptor()
	text, err := g.u.printJSON(message.Interface())
	if err != nil {
		return
	}
	ordered, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(message.Interface())
	require.NoError(t, err)
	m := g.u.codec.Message(md.FullName())
	s := &codec.Scratch{MaxDepth: deep}
	buf := make([]byte, 0, 1<<20)

	parse := func() {
		if _, err := m.AppendWire(buf, text, s, nil); err != nil {
			panic(fmt.Sprintf("%s: %s: %v", md.FullName(), text, err))
		}
	}
	parse() // the scratch grows to its size
	require.Zero(t, testing.AllocsPerRun(5, parse), "JSON to wire: %s: %s", md.FullName(), text)

	for _, wire := range [][]byte{ordered, g.rearranged(md, ordered, 3)} {
		if _, err := m.AppendJSON(buf, wire, s); err != nil {
			continue // rearranging can join what must not be, such as two Timestamps
		}
		complete := m.CheckRequired(wire, s) == nil
		require.Zero(t, testing.AllocsPerRun(5, func() {
			if _, err := m.AppendJSON(buf, wire, s); err != nil {
				panic(err)
			}
			if complete && m.CheckRequired(wire, s) != nil {
				panic("required fields come and go")
			}
		}), "wire to JSON: %s: %x", md.FullName(), wire)
	}
}

func isAny(fd protoreflect.FieldDescriptor) bool {
	if fd.IsMap() {
		fd = fd.MapValue()
	}
	return fd.Message() != nil && fd.Message().FullName() == "google.protobuf.Any"
}

// holdsAny reports whether the type is an Any itself.
func holdsAny(md protoreflect.MessageDescriptor) bool { return md.FullName() == "google.protobuf.Any" }

// withoutAny clears every Any in the message.
func withoutAny(m protoreflect.Message) protoreflect.Message {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case isAny(fd):
			m.Clear(fd)
		case fd.IsMap() && fd.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, e protoreflect.Value) bool {
				withoutAny(e.Message())
				return true
			})
		case fd.IsMap(), fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				withoutAny(v.List().Get(i).Message())
			}
		default:
			withoutAny(v.Message())
		}
		return true
	})
	return m
}

// TestNoAllocationsOptions does the same for the other JSON forms, pretty JSON
// and the parse options. Only a list of ignored fields is memory for the caller.
func TestNoAllocationsOptions(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Skip("coverage counters allocate")
	}
	u := fixedUniverse(t)
	g := &valueGen{r: rand.New(rand.NewPCG(9, 9)), u: u}
	s := &codec.Scratch{MaxDepth: deep, Parse: codec.Parse{IgnoreUnknown: true, FoldEnums: true, BoundWins: true}}
	buf, pretty := make([]byte, 0, 1<<20), make([]byte, 0, 1<<20)
	for _, md := range u.messages {
		if holdsAny(md) {
			continue
		}
		for i := range 6 {
			g.full = i == 0
			message := withoutAny(g.message(md, 3))
			ordered, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(message.Interface())
			require.NoError(t, err)
			for _, form := range forms {
				m := u.printing(form).Message(md.FullName())
				for _, wire := range [][]byte{ordered, g.rearranged(md, ordered, 3)} {
					print := func() {
						if text, err := m.AppendJSON(buf, wire, s); err == nil {
							codec.AppendIndented(pretty, text)
						}
					}
					if _, err := m.AppendJSON(buf, wire, s); err != nil {
						continue // an error is memory for the caller
					}
					print()
					require.Zero(t, testing.AllocsPerRun(2, print), "%s: %x %+v", md.FullName(), wire, form)
				}
			}
			text, err := u.printJSON(message.Interface())
			if err != nil {
				continue
			}
			tree, err := parseNode(text)
			require.NoError(t, err)
			addUnknown(g.r, tree)
			text = tree.write(g.r, nil)
			m := u.codec.Message(md.FullName())
			if _, err := m.AppendWire(buf, text, s, nil); err != nil {
				continue
			}
			require.Zero(t, testing.AllocsPerRun(2, func() { _, _ = m.AppendWire(buf, text, s, nil) }), "%s: %s", md.FullName(), text)
		}
	}
	wall, err := codec.New(compiled(t, "shades.proto", shadesProto))
	require.NoError(t, err)
	shade := wall.Message("shades.Wall").FieldByName([]byte("shade"))
	name, value := []byte("light"), []byte(`"lIGHT"`)
	require.Zero(t, testing.AllocsPerRun(5, func() {
		if _, err := shade.AppendText(buf, name, s); err != nil {
			panic(err)
		}
		if _, err := shade.AppendWire(buf, value, s, nil); err != nil {
			panic(err)
		}
	}))
}
