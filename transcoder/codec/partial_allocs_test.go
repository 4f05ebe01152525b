package codec_test

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// TestNoAllocationsOfParts does for masks, cuts, values and entries what
// TestNoAllocations does for whole messages.
func TestNoAllocationsOfParts(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Skip("coverage counters allocate")
	}
	inUniverses(t, func(t *testing.T, u *universe) {
		r := rand.New(rand.NewPCG(9, 9))
		for _, md := range u.messages {
			if special(md) {
				continue
			}
			t.Run(string(md.FullName()), func(t *testing.T) {
				g := &valueGen{r: r, u: u}
				for range 5 {
					partsWithoutAllocs(t, g, withoutAny(g.message(md, 3)))
				}
			})
		}
	})
}

func partsWithoutAllocs(t *testing.T, g *valueGen, message protoreflect.Message) {
	t.Helper()
	md := message.Descriptor()
	text, err := g.u.printJSON(message.Interface())
	if err != nil {
		return
	}
	wire, err := proto.MarshalOptions{AllowPartial: true}.Marshal(message.Interface())
	require.NoError(t, err)
	wire = g.rearranged(md, wire, 3)
	m := g.u.codec.Message(md.FullName())
	s := &codec.Scratch{MaxDepth: deep}
	buf := make([]byte, 0, 1<<20)
	requireZero := func(what string, f func() error) {
		t.Helper()
		if f() != nil { // the scratch grows to its size
			return
		}
		require.Zero(t, testing.AllocsPerRun(5, func() {
			if err := f(); err != nil {
				panic(err)
			}
		}), "%s: %s: %s: %x", md.FullName(), what, text, wire)
	}
	var skip []*codec.Field
	if fds := md.Fields(); fds.Len() > 0 {
		skip = append(skip, m.FieldByName([]byte(fds.Get(0).JSONName())))
	}
	requireZero("mask of the body", func() error {
		_, err := m.AppendMask(buf, text, skip, s)
		return err
	})
	if mask := randomMask(g.r, md, 3); mask != "" {
		k, err := m.ParseMask(mask)
		require.NoError(t, err)
		requireZero(mask, func() error {
			_, err := k.AppendCut(buf, wire, s)
			return err
		})
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		f := m.FieldByName([]byte(fd.JSONName()))
		if f.BindableText() && !f.Repeated() {
			requireZero("value of "+f.Name(), func() error {
				_, _, err := codec.AppendValueText(buf, nil, f, wire, s)
				return err
			})
		}
		if f.Integer() {
			requireZero("number of "+f.Name(), func() error {
				_, _, err := codec.FieldNumberValue(nil, f, wire, s)
				return err
			})
		}
	}
}

// TestNoAllocationsOfQueries does it for entries and JSON texts in parents.
func TestNoAllocationsOfQueries(t *testing.T) {
	if testing.CoverMode() != "" {
		t.Skip("coverage counters allocate")
	}
	m := fixedCodec(t).Message("codec.test.three.All")
	parents := path(t, m, "child.maybe_child")
	s := &codec.Scratch{}
	buf := make([]byte, 0, 1<<16)
	for field, texts := range map[string][2]string{
		"string_map": {strings.Repeat("k", 200), "v"}, "int32_map": {"-5", "7"}, "time_map": {"k", "2020-01-01T00:00:00Z"},
		"wrapper_map": {"1", "x"}, "bool_map": {"true", "RED"}, "sfixed64_map": {"1", "AAAA"},
	} {
		f := m.FieldByName([]byte(field))
		key, text := []byte(texts[0]), []byte(texts[1])
		require.Zero(t, testing.AllocsPerRun(5, func() {
			if _, err := codec.AppendNestedEntry(buf, parents, f, key, text, s); err != nil {
				panic(err)
			}
		}), field)
	}
	for _, field := range []string{"struct", "structs", "free", "values"} {
		f := m.FieldByName([]byte(field))
		text := []byte(`{"a":{"b":[1,"\u00e9",null]},"c":` + strings.Repeat("1", 15) + `}`)
		translate := func() {
			if _, err := codec.AppendNestedJSON(buf, parents, f, text, s); err != nil {
				panic(err)
			}
		}
		translate()
		require.Zero(t, testing.AllocsPerRun(5, translate), field)
	}
}
