package codec_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// What a mask leaves of a message is compared with what it leaves of the JSON
// that the referee prints of the whole: there it means to remove keys.

// expand lists the paths of a mask that is known to be well formed.
func expand(mask string) [][]string {
	at := 0
	var list func(prefix []string) [][]string
	list = func(prefix []string) (paths [][]string) {
		path := slices.Clone(prefix)
		done, word := false, ""
		flush := func() {
			if word != "" {
				path, word = append(path, word), ""
			}
		}
		for ; at < len(mask); at++ {
			switch c := mask[at]; c {
			case ' ', '\t':
			case '.', '/':
				flush()
			case '(':
				flush()
				at++
				paths = append(paths, list(path)...)
				done = true
			case ',', ')':
				if flush(); !done {
					paths = append(paths, path)
				}
				if path, done = slices.Clone(prefix), false; c == ')' {
					return paths
				}
			default:
				word += mask[at : at+1]
			}
		}
		if flush(); !done {
			paths = append(paths, path)
		}
		return paths
	}
	return list(nil)
}

// named is the field that a name in a mask means.
func named(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByJSONName(name); fd != nil {
		return fd
	}
	return md.Fields().ByTextName(name)
}

// inside is the type of messages that a mask can go into below a field.
func inside(fd protoreflect.FieldDescriptor) protoreflect.MessageDescriptor {
	if fd.IsMap() {
		fd = fd.MapValue()
	}
	if md := fd.Message(); md != nil && !special(md) {
		return md
	}
	return nil
}

// special reports whether a message has a JSON form of its own.
func special(md protoreflect.MessageDescriptor) bool {
	switch md.FullName() {
	case "google.protobuf.Any", "google.protobuf.Struct", "google.protobuf.Value", "google.protobuf.ListValue", "google.protobuf.Empty":
		return true
	}
	return scalarForm(md)
}

// prune keeps of a message's JSON what paths name.
func prune(value any, md protoreflect.MessageDescriptor, paths [][]string) any {
	below := map[string][][]string{}
	for _, path := range paths {
		if path[0] == "*" {
			return value
		}
		fd := named(md, path[0])
		rest := path[1:]
		if (fd.IsList() || fd.IsMap()) && len(rest) > 0 && rest[0] == "*" {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			rest = []string{"*"}
		}
		below[fd.JSONName()] = append(below[fd.JSONName()], rest)
	}
	kept := map[string]any{}
	for key, value := range value.(map[string]any) {
		paths := below[key]
		if paths == nil {
			continue
		}
		kept[key] = pruneField(value, md.Fields().ByJSONName(key), paths)
	}
	return kept
}

func pruneField(value any, fd protoreflect.FieldDescriptor, paths [][]string) any {
	if slices.ContainsFunc(paths, func(path []string) bool { return len(path) == 1 && path[0] == "*" }) {
		return value
	}
	md := inside(fd)
	switch {
	case fd.IsMap():
		object := map[string]any{}
		for k, v := range value.(map[string]any) {
			object[k] = prune(v, md, paths)
		}
		return object
	case fd.IsList():
		list := []any{}
		for _, v := range value.([]any) {
			list = append(list, prune(v, md, paths))
		}
		return list
	}
	return prune(value, md, paths)
}

// randomMask is a mask for md, empty if it has no field that one can name.
func randomMask(r *rand.Rand, md protoreflect.MessageDescriptor, depth int) string {
	var paths []string
	for range 1 + r.IntN(4) {
		if path := randomPath(r, md, depth); path != "" {
			paths = append(paths, path)
		}
	}
	return strings.Join(paths, []string{",", ", ", " ,\t"}[r.IntN(3)])
}

func randomPath(r *rand.Rand, md protoreflect.MessageDescriptor, depth int) string {
	if r.IntN(20) == 0 {
		return "*"
	}
	fds := md.Fields()
	if fds.Len() == 0 {
		return ""
	}
	fd := fds.Get(r.IntN(fds.Len()))
	name := fd.JSONName()
	if r.IntN(2) == 0 {
		name = fd.TextName()
	}
	if named(md, name) != fd || name == "*" || strings.ContainsAny(name, ",./() \t") {
		return ""
	}
	sub := inside(fd)
	if sub == nil || depth == 0 || r.IntN(4) == 0 {
		if (fd.IsList() || fd.IsMap()) && r.IntN(4) == 0 {
			name += ".*"
		}
		return name
	}
	if (fd.IsList() || fd.IsMap()) && r.IntN(3) == 0 {
		name += "/*"
	}
	if r.IntN(2) == 0 {
		if below := randomMask(r, sub, depth-1); below != "" {
			return name + "(" + below + ")"
		}
		return name
	}
	if below := randomPath(r, sub, depth-1); below != "" {
		return name + []string{".", "/"}[r.IntN(2)] + below
	}
	return name
}

func TestPartial(t *testing.T) {
	partial := func(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) {
		if special(md) {
			return
		}
		mask := randomMask(g.r, md, 4)
		if mask == "" {
			return
		}
		wire := func() []byte {
			wire, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(g.message(md, 4))
			require.NoError(t, err)
			return wire
		}
		first := wire()
		compareCut(t, g.u, md, mask, first)
		other := g.rearranged(md, first, 3)
		compareCut(t, g.u, md, mask, other)
		compareCut(t, g.u, md, mask, damaged(g.r, other))
		compareCut(t, g.u, md, mask, g.rearranged(md, slices.Concat(first, wire()), 3))
		compareCut(t, g.u, md, mask, slices.Concat(first, wire(), other))
	}
	t.Run("fixed", func(t *testing.T) { fixedEach(t, 20, partial) })
	t.Run("random", func(t *testing.T) { each(t, 40, partial) })
}

// compareCut cuts a message, and a field of it, and compares with the referee.
func compareCut(t testing.TB, u *universe, md protoreflect.MessageDescriptor, mask string, wire []byte) {
	t.Helper()
	m := u.codec.Message(md.FullName())
	k, err := m.ParseMask(mask)
	require.NoError(t, err, "%s: %s", md.FullName(), mask)
	compareMask(t, u, md, mask, k, wire, func(whole any) any { return prune(whole, md, expand(mask)) })

	// The same below each field that has this type.
	for _, name := range []string{"child", "children", "message_map", "delimited", "prefixeds", "by_string"} {
		fd := md.Fields().ByName(protoreflect.Name(name))
		if fd == nil || inside(fd) != md {
			continue
		}
		f := m.FieldByName([]byte(fd.JSONName()))
		k, err := f.ParseMask(mask)
		require.NoError(t, err)
		compareMask(t, u, md, mask, k, wire, func(whole any) any {
			kept := map[string]any{}
			if value, ok := whole.(map[string]any)[fd.JSONName()]; ok {
				kept[fd.JSONName()] = pruneField(value, fd, expand(mask))
			}
			return kept
		})
	}
}

func compareMask(t testing.TB, u *universe, md protoreflect.MessageDescriptor, mask string, k *codec.Mask, wire []byte, keep func(any) any) {
	t.Helper()
	s := &reused
	input := slices.Clone(wire)
	out, err := k.AppendCut(slices.Clone(prefix), wire, s)
	require.Equal(t, input, wire, "the input was changed")
	require.Equal(t, prefix, out[:len(prefix)])
	cut := out[len(prefix):]
	require.LessOrEqual(t, len(cut), len(wire))
	if err != nil {
		checkError(t, err)
		require.Empty(t, cut)
	}
	whole, wholeErr := u.parseWire(md, wire)
	if wholeErr != nil {
		return
	}
	value, ok := jsonOf(u, whole)
	if !ok {
		return
	}
	require.NoError(t, err, "%s: %s: %x", md.FullName(), mask, wire)
	part, err := u.parseWire(md, cut)
	require.NoError(t, err, "%s: %s: %x", md.FullName(), mask, wire)
	got, ok := jsonOf(u, part)
	require.True(t, ok, "%s: %s: %x", md.FullName(), mask, wire)
	require.Equal(t, keep(value), got, "%s: %s: %x", md.FullName(), mask, wire)

	// Where unset fields are shown, so are those that are selected.
	form := codec.Print{UnsetFields: true}
	text, err := u.printJSONAs(whole, form)
	require.NoError(t, err)
	if value, err = jsonValue(text); err != nil {
		return
	}
	s.Selected = k
	text, err = u.printing(form).Message(md.FullName()).AppendJSON(nil, cut, s)
	require.NoError(t, err)
	require.Nil(t, s.Selected, "it is for one message")
	got, err = jsonValue(text)
	require.NoError(t, err)
	require.Equal(t, keep(value), got, "%s: %s: %x", md.FullName(), mask, wire)
}

func jsonOf(u *universe, m *dynamicpb.Message) (value any, ok bool) {
	text, err := u.printJSON(m)
	if err != nil {
		return nil, false
	}
	value, err = jsonValue(text)
	return value, err == nil
}

// FuzzMask cuts any wire data by any mask.
func FuzzMask(f *testing.F) {
	u := fuzzSeeds(f, func(n uint16, g *valueGen, m *dynamicpb.Message) {
		wire, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(m)
		if err == nil && len(wire) < 2000 {
			f.Add(n, randomMask(g.r, m.Descriptor(), 3), g.rearranged(m.Descriptor(), wire, 3))
		}
	})
	f.Fuzz(func(t *testing.T, n uint16, mask string, wire []byte) {
		md := fuzzMessage(u, n)
		if _, err := u.codec.Message(md.FullName()).ParseMask(mask); err != nil {
			checkError(t, err)
			return
		}
		if len(wire) > 1<<14 || special(md) {
			return
		}
		compareCut(t, u, md, mask, wire)
	})
}
