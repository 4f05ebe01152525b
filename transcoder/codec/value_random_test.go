package codec_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// TestValuesOfRandomMessages reads every value that has a form as text, and sets
// the same field to that text: the value must come back.
func TestValuesOfRandomMessages(t *testing.T) {
	check := func(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) {
		wire, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(g.message(md, 4))
		require.NoError(t, err)
		compareValues(t, g.u, md, wire)
		compareValues(t, g.u, md, g.rearranged(md, wire, 3))
		second, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(g.message(md, 4))
		require.NoError(t, err)
		compareValues(t, g.u, md, g.rearranged(md, slices.Concat(wire, second), 3))
		compareValues(t, g.u, md, damaged(g.r, wire))
	}
	t.Run("fixed", func(t *testing.T) { fixedEach(t, 10, check) })
	t.Run("random", func(t *testing.T) { each(t, 20, check) })
}

func compareValues(t testing.TB, u *universe, md protoreflect.MessageDescriptor, wire []byte) {
	t.Helper()
	root := u.codec.Message(md.FullName())
	if whole, err := u.parseWire(md, wire); err == nil {
		valuesBelow(t, u, root, md, nil, whole, wire, md, 3)
	} else {
		valuesBelow(t, u, root, md, nil, nil, wire, md, 1)
	}
}

// valuesBelow checks the fields of one message, which is nil if the whole could
// not be parsed, and goes into those below it.
func valuesBelow(t testing.TB, u *universe, root *codec.Message, rootType protoreflect.MessageDescriptor, parents []*codec.Field,
	in protoreflect.Message, wire []byte, md protoreflect.MessageDescriptor, depth int) {
	t.Helper()
	if special(md) {
		return
	}
	s := &reused
	m := root
	if len(parents) > 0 {
		m = parents[len(parents)-1].Message()
	}
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		f := m.FieldByName([]byte(fd.JSONName()))
		if f == nil || f.Number() != fd.Number() {
			continue
		}
		if f.BindableText() && !f.Repeated() {
			text, ok, err := codec.AppendValueText(slices.Clone(prefix), parents, f, wire, s)
			require.Equal(t, prefix, text[:len(prefix)])
			if text = text[len(prefix):]; err != nil {
				checkError(t, err)
				require.False(t, ok)
			}
			if !ok {
				require.Empty(t, text)
			}
			if in != nil {
				checkValue(t, u, rootType, parents, f, fd, in, string(text), ok, err)
				checkNumber(t, parents, f, fd, in, wire)
			}
			continue
		}
		if depth > 0 && inside(fd) != nil && !fd.IsList() && !fd.IsMap() && (in == nil || in.Has(fd)) {
			var sub protoreflect.Message
			if in != nil {
				sub = in.Get(fd).Message()
			}
			valuesBelow(t, u, root, rootType, append(slices.Clone(parents), f), sub, wire, fd.Message(), depth-1)
		}
	}
}

func checkValue(t testing.TB, u *universe, rootType protoreflect.MessageDescriptor, parents []*codec.Field, f *codec.Field,
	fd protoreflect.FieldDescriptor, in protoreflect.Message, text string, ok bool, err error) {
	t.Helper()
	if err != nil {
		// Then the referee cannot print it either.
		alone := dynamicpb.NewMessage(fd.ContainingMessage())
		alone.Set(fd, in.Get(fd))
		_, printErr := u.printJSON(alone)
		require.Error(t, printErr, "%s: %v", fd.FullName(), err)
		return
	}
	stringLike := fd.Kind() == protoreflect.StringKind || fd.Kind() == protoreflect.BytesKind
	require.Equal(t, in.Has(fd) || !fd.HasPresence() && !stringLike, ok, "%s: %q", fd.FullName(), text)
	if !ok {
		return
	}
	back, err := codec.AppendNested(nil, parents, f, []byte(text), &reused)
	require.NoError(t, err, "%s: %q", fd.FullName(), text)
	again, err := u.parseWire(rootType, back)
	require.NoError(t, err)
	var got protoreflect.Message = again
	for _, parent := range parents {
		got = got.Get(got.Descriptor().Fields().ByNumber(parent.Number())).Message()
	}
	if fd.Message() != nil {
		require.True(t, proto.Equal(in.Get(fd).Message().Interface(), got.Get(fd).Message().Interface()) || hasUnknown(in.Get(fd).Message()),
			"%s: %q: %v", fd.FullName(), text, in.Get(fd))
		return
	}
	require.True(t, in.Get(fd).Equal(got.Get(fd)), "%s: %q: %v", fd.FullName(), text, in.Get(fd))
}

func hasUnknown(m protoreflect.Message) bool { return len(m.GetUnknown()) > 0 }

func checkNumber(t testing.TB, parents []*codec.Field, f *codec.Field, fd protoreflect.FieldDescriptor, in protoreflect.Message, wire []byte) {
	t.Helper()
	var want int64
	switch v := in.Get(fd).Interface().(type) {
	case protoreflect.EnumNumber:
		want = int64(v)
	case int32:
		want = int64(v)
	case int64:
		want = v
	case uint32:
		want = int64(v)
	case uint64:
		want = int64(v)
	default:
		require.False(t, f.Integer(), "%s", fd.FullName())
		return
	}
	require.True(t, f.Integer(), "%s", fd.FullName())
	if !in.Has(fd) {
		want = 0 // and not the default that a proto2 file may give
	}
	got, ok, err := codec.FieldNumberValue(parents, f, wire, &reused)
	if _, unsigned := in.Get(fd).Interface().(uint64); unsigned && want < 0 {
		requireKind(t, codec.KindRange, err)
		return
	}
	require.NoError(t, err)
	require.Equal(t, in.Has(fd) || !fd.HasPresence(), ok, "%s", fd.FullName())
	if ok {
		require.Equal(t, want, got, "%s", fd.FullName())
	}
}

// FuzzValue reads values from any wire data.
func FuzzValue(f *testing.F) {
	u := fuzzSeeds(f, func(n uint16, g *valueGen, m *dynamicpb.Message) {
		wire, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(m)
		if err == nil && len(wire) < 2000 {
			f.Add(n, g.rearranged(m.Descriptor(), wire, 3))
		}
	})
	f.Fuzz(func(t *testing.T, n uint16, wire []byte) {
		if len(wire) <= 1<<12 {
			compareValues(t, u, fuzzMessage(u, n), wire)
		}
	})
}

// TestRandomEntries takes maps apart into texts of keys and values.
func TestRandomEntries(t *testing.T) {
	check := func(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) {
		m := g.message(md, 2)
		if special(md) {
			return
		}
		for _, fd := range fieldsSet(m) {
			f := g.u.codec.Message(md.FullName()).FieldByName([]byte(fd.JSONName()))
			if f == nil || f.Number() != fd.Number() || !f.MapText() {
				continue
			}
			want := dynamicpb.NewMessage(md)
			want.Set(fd, m.Get(fd))
			text, err := g.u.printJSON(want)
			if err != nil {
				continue
			}
			tree, err := parseNode(text)
			require.NoError(t, err)
			var wire []byte
			for i, key := range tree.children[0].keys {
				value := tree.children[0].children[i].text
				if strings.HasPrefix(value, `"`) {
					require.NoError(t, json.Unmarshal([]byte(value), &value))
				} else if value == "null" {
					value = "NULL_VALUE"
				}
				wire, err = f.AppendEntry(wire, []byte(key), []byte(value), &reused)
				require.NoError(t, err, "%s: %s: %s", fd.FullName(), key, value)
			}
			got, err := g.u.parseWire(md, wire)
			require.NoError(t, err)
			// Through JSON, which merges NaNs.
			again, err := g.u.printJSON(got)
			require.NoError(t, err)
			wantValue, err := jsonValue(text)
			require.NoError(t, err)
			gotValue, err := jsonValue(again)
			require.NoError(t, err)
			require.Equal(t, wantValue, gotValue, "%s", fd.FullName())
		}
	}
	t.Run("fixed", func(t *testing.T) { fixedEach(t, 20, check) })
	t.Run("random", func(t *testing.T) { each(t, 40, check) })
}

// FuzzEntry compares an entry with the same one in JSON.
func FuzzEntry(f *testing.F) {
	u, err := fixed()
	require.NoError(f, err)
	var maps []protoreflect.FieldDescriptor
	for _, md := range u.messages {
		for i := range md.Fields().Len() {
			if fd := md.Fields().Get(i); u.codec.Message(md.FullName()).FieldByName([]byte(fd.JSONName())).MapText() {
				maps = append(maps, fd)
			}
		}
	}
	for n := range maps {
		for _, key := range []string{"a", "", "true", "-1", "+1", "01", "4294967296"} {
			f.Add(uint16(n), []byte(key), []byte("1"))
		}
	}
	f.Fuzz(func(t *testing.T, n uint16, key, text []byte) {
		fd := maps[int(n)%len(maps)]
		md := fd.ContainingMessage()
		m := u.codec.Message(md.FullName())
		out, err := m.FieldByName([]byte(fd.JSONName())).AppendEntry(slices.Clone(prefix), key, text, &reused)
		require.Equal(t, prefix, out[:len(prefix)])
		if err != nil {
			checkError(t, err)
			require.Equal(t, prefix, out)
			return
		}
		printed, err := m.AppendJSON(nil, out[len(prefix):], &reused)
		require.NoError(t, err, "%s: %q %q", fd.FullName(), key, text)
		back, err := m.AppendWire(nil, printed, &reused, nil)
		require.NoError(t, err, "%s: %s", fd.FullName(), printed)
		again, err := m.AppendJSON(nil, back, &reused)
		require.NoError(t, err)
		require.Equal(t, string(printed), string(again))
		value, err := jsonValue(printed)
		require.NoError(t, err)
		require.Len(t, value.(map[string]any)[fd.JSONName()], 1)
	})
}
