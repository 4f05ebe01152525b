package codec_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// pathsIn lists the paths of a JSON object that is a message, from its tree and
// the descriptors.
func pathsIn(n *node, md protoreflect.MessageDescriptor, prefix string) (paths []string) {
	for i, key := range n.keys {
		fd := named(md, key)
		if fd == nil {
			continue
		}
		name := prefix + string(fd.Name())
		if value := n.children[i]; value.object && len(value.children) > 0 && !fd.IsMap() && !fd.IsList() && inside(fd) != nil {
			paths = append(paths, pathsIn(value, fd.Message(), name+".")...)
		} else {
			paths = append(paths, name)
		}
	}
	return paths
}

// renamed gives half of the keys of a message and of those below it the names of
// the .proto file.
func renamed(r *rand.Rand, n *node, md protoreflect.MessageDescriptor) {
	for i, key := range n.keys {
		fd := named(md, key)
		if fd == nil {
			continue
		}
		if named(md, fd.TextName()) == fd && r.IntN(2) == 0 {
			n.keys[i] = fd.TextName()
		}
		if !fd.IsMap() && !fd.IsList() && inside(fd) != nil {
			renamed(r, n.children[i], fd.Message())
		}
	}
}

func TestFieldMaskOfRandomBodies(t *testing.T) {
	check := func(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) {
		if special(md) {
			return
		}
		text, err := g.u.printJSON(g.message(md, 4))
		if err != nil {
			return
		}
		tree, err := parseNode(text)
		require.NoError(t, err)
		renamed(g.r, tree, md)
		compareFieldMask(t, g.u, md, tree.write(g.r, nil))
		for range 1 + g.r.IntN(3) {
			tree.mutate(g.r, g.u.names)
		}
		compareFieldMask(t, g.u, md, tree.write(g.r, nil))
	}
	t.Run("fixed", func(t *testing.T) { fixedEach(t, 20, check) })
	t.Run("random", func(t *testing.T) { each(t, 40, check) })
}

// compareFieldMask checks the mask of a body that may have unknown fields.
func compareFieldMask(t testing.TB, u *universe, md protoreflect.MessageDescriptor, body []byte) {
	t.Helper()
	m := u.codec.Message(md.FullName())
	s := &codec.Scratch{MaxDepth: deep, Parse: codec.Parse{IgnoreUnknown: true, Record: true}}
	_, refused := m.AppendWire(nil, body, s, nil)
	ignored := slices.Clone(s.Ignored)
	out, err := m.AppendMask(slices.Clone(prefix), body, nil, s)
	require.Equal(t, prefix, out[:len(prefix)])
	require.Equal(t, ignored, slices.Clone(s.Ignored))
	if err != nil {
		checkError(t, err)
		require.Equal(t, prefix, out)
	}
	if refused != nil {
		return
	}
	tree, syntax := parseNode(body)
	if syntax != nil {
		return // more than JSON numbers can hold
	}
	want := []string(nil)
	if !special(md) {
		want = pathsIn(tree, md, "")
	}
	if err != nil && len(strings.Join(want, "")) > 64<<10+3*len(body) {
		requireKind(t, codec.KindTooLarge, err)
		return
	}
	require.NoError(t, err, "%s: %s", md.FullName(), body)
	got := pathsOf(t, out[len(prefix):])
	require.Equal(t, want, got, "%s: %s", md.FullName(), body)
	slices.Sort(got)
	require.Equal(t, len(got), len(slices.Compact(got)), "%s: %s", md.FullName(), body)
}

// FuzzFieldMask makes the mask of any body.
func FuzzFieldMask(f *testing.F) {
	u := fuzzSeeds(f, func(n uint16, g *valueGen, m *dynamicpb.Message) {
		text, err := g.u.printJSON(m)
		if err == nil && len(text) < 2000 {
			f.Add(n, text)
		}
	})
	f.Fuzz(func(t *testing.T, n uint16, body []byte) {
		compareFieldMask(t, u, fuzzMessage(u, n), body)
	})
}
