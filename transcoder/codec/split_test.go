package codec_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// A message that arrives as path, query and body must be the message that would
// have arrived in one piece. The tests start from the whole, take it apart at
// random, translate the pieces and put the wire data together.

// leaf is a field that a path or a query could have given, with its value.
type leaf struct {
	parents []protoreflect.FieldDescriptor
	field   protoreflect.FieldDescriptor
	// texts are the value, or the elements of a list.
	texts []string
	// in is the message that has the field.
	in protoreflect.Message
}

// leaves lists what of m could come in a path or a query: scalars and
// well-known types with a scalar JSON form, through singular messages.
func leaves(r *rand.Rand, u *universe, m protoreflect.Message, parents []protoreflect.FieldDescriptor) []leaf {
	var found []leaf
	for _, fd := range fieldsSet(m) {
		switch {
		case fd.IsMap():
		case fd.Message() == nil || scalarForm(fd.Message()):
			if texts, ok := textsOf(r, u, m, fd); ok {
				found = append(found, leaf{parents, fd, texts, m})
			}
		case !fd.IsList() && fd.Message().ParentFile().Package() != "google.protobuf":
			found = append(found, leaves(r, u, m.Get(fd).Message(), append(parents[:len(parents):len(parents)], fd))...)
		}
	}
	return found
}

// fieldsSet lists the fields that m has, extensions aside, in a stable order.
func fieldsSet(m protoreflect.Message) []protoreflect.FieldDescriptor {
	var fields []protoreflect.FieldDescriptor
	fds := m.Descriptor().Fields()
	for i := range fds.Len() {
		if m.Has(fds.Get(i)) {
			fields = append(fields, fds.Get(i))
		}
	}
	return fields
}

// scalarForm reports whether the messages' JSON form is a scalar.
func scalarForm(md protoreflect.MessageDescriptor) bool {
	switch md.FullName() {
	case "google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.FieldMask":
		return true
	}
	return md.ParentFile().Path() == "google/protobuf/wrappers.proto"
}

// textsOf is a field's value as a URL would have it, after decoding.
func textsOf(r *rand.Rand, u *universe, m protoreflect.Message, fd protoreflect.FieldDescriptor) ([]string, bool) {
	alone := dynamicpb.NewMessage(m.Descriptor())
	alone.Set(fd, m.Get(fd))
	text, err := protojson.MarshalOptions{Resolver: u.types, AllowPartial: true, UseEnumNumbers: r.IntN(4) == 0}.Marshal(alone)
	if err != nil {
		return nil, false
	}
	tree, err := parseNode(text)
	if err != nil || len(tree.children) != 1 {
		return nil, false
	}
	values := tree.children
	if fd.IsList() {
		values = values[0].children
	}
	var texts []string
	for _, v := range values {
		text := v.text
		if text == "null" {
			return nil, false
		}
		if strings.HasPrefix(text, `"`) {
			if err := json.Unmarshal([]byte(v.text), &text); err != nil {
				return nil, false
			}
		}
		if fd.Kind() == protoreflect.BytesKind || fd.Message() != nil && fd.Message().FullName() == "google.protobuf.BytesValue" {
			b, err := base64.StdEncoding.DecodeString(text)
			if err != nil {
				return nil, false
			}
			text = []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding}[r.IntN(4)].EncodeToString(b)
		}
		texts = append(texts, text)
	}
	return texts, true
}

// fields resolves a leaf in the codec's tables, by JSON or by proto names.
func (l leaf) fields(t testing.TB, r *rand.Rand, root *codec.Message) ([]*codec.Field, *codec.Field) {
	t.Helper()
	var parents []*codec.Field
	m := root
	find := func(fd protoreflect.FieldDescriptor) *codec.Field {
		f := m.FieldByName([]byte(fd.JSONName()))
		if byName := m.FieldByName([]byte(fd.Name())); r.IntN(2) == 0 && byName != nil && byName.Number() == fd.Number() {
			f = byName
		}
		require.NotNil(t, f, "%s has no field %q", m.FullName(), fd.JSONName())
		require.Equal(t, fd.Number(), f.Number())
		require.Equal(t, string(fd.Name()), f.Name())
		require.Equal(t, fd.JSONName(), f.JSONName())
		require.Equal(t, fd.IsList(), f.Repeated())
		require.Equal(t, fd.IsMap(), f.Map())
		require.Same(t, m, f.Parent())
		if oneof := fd.ContainingOneof(); oneof != nil && !oneof.IsSynthetic() {
			require.Equal(t, oneof.Index(), f.OneofIndex())
		} else {
			require.Equal(t, -1, f.OneofIndex())
		}
		return f
	}
	for _, fd := range l.parents {
		f := find(fd)
		require.NotNil(t, f.Message())
		parents = append(parents, f)
		m = f.Message()
	}
	return parents, find(l.field)
}

// wire translates a leaf's texts, each nested in its parents.
func (l leaf) wire(t testing.TB, r *rand.Rand, root *codec.Message, s *codec.Scratch) []byte {
	t.Helper()
	parents, f := l.fields(t, r, root)
	require.True(t, f.BindableText(), "%s", l.field.FullName())
	var b []byte
	var err error
	for _, text := range l.texts {
		if len(parents) == 0 && r.IntN(2) == 0 {
			b, err = f.AppendText(b, []byte(text), s)
		} else {
			b, err = codec.AppendNested(b, parents, f, []byte(text), s)
		}
		require.NoError(t, err, "%s: %q", l.field.FullName(), text)
	}
	return b
}

func TestSplit(t *testing.T) {
	t.Run("fixed", func(t *testing.T) { fixedEach(t, 20, splitOnce) })
	t.Run("random", func(t *testing.T) { each(t, 40, splitOnce) })
}

// splitOnce takes one random message apart and checks the sum.
func splitOnce(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) {
	g.odd = 0
	whole := g.message(md, 4)
	checkSplit(t, g.r, g.u, whole)
}

// throughJSON is what remains of a message that went through JSON, where a
// NullValue has no number; ok is false if it has no JSON form.
func throughJSON(u *universe, m *dynamicpb.Message) (through *dynamicpb.Message, ok bool) {
	text, err := u.printJSON(m)
	if err != nil {
		return nil, false
	}
	through, err = u.parseJSON(m.Descriptor(), text, false)
	return through, err == nil
}

func checkSplit(t testing.TB, r *rand.Rand, u *universe, whole *dynamicpb.Message) {
	t.Helper()
	md := whole.Descriptor()
	root := u.codec.Message(md.FullName())
	s := &reused
	whole, ok := throughJSON(u, whole)
	if !ok {
		return
	}
	var parts [][]byte
	rest := proto.Clone(whole).ProtoReflect()
	if md.ParentFile().Package() != "google.protobuf" {
		for _, l := range leaves(r, u, rest, nil) {
			if r.IntN(2) == 0 {
				parts = append(parts, l.wire(t, r, root, s))
				l.in.Clear(l.field)
			}
		}
	}

	// One field as the body, what else remains as it is; or all as the body.
	if fields := fieldsSet(rest); len(fields) > 0 && r.IntN(2) == 0 && md.ParentFile().Package() != "google.protobuf" {
		fd := fields[r.IntN(len(fields))]
		alone := dynamicpb.NewMessage(md)
		alone.Set(fd, rest.Get(fd))
		rest.Clear(fd)
		text, err := u.printJSON(alone)
		require.NoError(t, err)
		tree, err := parseNode(text)
		require.NoError(t, err)
		body := tree.children[0].write(r, nil)
		f := root.FieldByName([]byte(fd.JSONName()))
		require.NotNil(t, f)
		part, err := f.AppendWire(bytes.Clone(prefix), body, s, nil)
		require.NoError(t, err, "%s: %s", fd.FullName(), body)
		require.True(t, bytes.HasPrefix(part, prefix))
		parts = append(parts, part[len(prefix):])
		checkFieldJSON(t, u, f, fd, body, part[len(prefix):], s)
		part, err = proto.MarshalOptions{AllowPartial: true}.Marshal(rest.Interface())
		require.NoError(t, err)
		parts = append(parts, part)
	} else {
		text, err := u.printJSON(rest.Interface())
		require.NoError(t, err)
		part, err := root.AppendWire(nil, text, s, nil)
		require.NoError(t, err, "%s", text)
		parts = append(parts, part)
	}

	r.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
	sum := bytes.Join(parts, nil)
	got, err := u.parseWire(md, sum)
	require.NoError(t, err)
	wantWire, err := u.normal(whole)
	require.NoError(t, err)
	gotWire, err := u.normal(got)
	require.NoError(t, err)
	require.Equal(t, wantWire, gotWire, "%s\nwhole: %v\nsum:   %v", md.FullName(), whole, got)
	comparePrint(t, u, md, sum)
}

// checkFieldJSON checks that what a field's body became prints as that body.
func checkFieldJSON(t testing.TB, u *universe, f *codec.Field, fd protoreflect.FieldDescriptor, body, wire []byte, s *codec.Scratch) {
	t.Helper()
	got, err := f.AppendJSON(bytes.Clone(prefix), wire, s)
	require.NoError(t, err, "%s: %s", fd.FullName(), body)
	require.True(t, bytes.HasPrefix(got, prefix))
	// The body may spell a number as the printer does not: both sides through
	// the referee.
	wrap := func(value []byte) any {
		text := append(append([]byte("{"+strconv.Quote(string(fd.Name()))+":"), value...), '}')
		m, err := u.parseJSON(fd.ContainingMessage(), text, false)
		require.NoError(t, err, "%s", text)
		printed, err := u.printJSON(m)
		require.NoError(t, err)
		v, err := jsonValue(printed)
		require.NoError(t, err)
		return v
	}
	if byName := fd.ContainingMessage().Fields().ByJSONName(string(fd.Name())); byName != nil && byName != fd {
		return // the name means another field in JSON
	}
	if fd.Kind() == protoreflect.GroupKind {
		return // its name in JSON is the message's
	}
	require.Equal(t, wrap(body), wrap(got[len(prefix):]), "%s", fd.FullName())
}

// TestAbsentField checks what a field prints that the message does not have.
func TestAbsentField(t *testing.T) {
	u := fixedUniverse(t)
	for _, name := range []protoreflect.FullName{"codec.test.two.All", "codec.test.three.All", "codec.test.editions.All"} {
		fds := u.message(t, name).Fields()
		for i := range fds.Len() {
			fd := fds.Get(i)
			f := u.codec.Message(name).FieldByName([]byte(fd.JSONName()))
			require.NotNil(t, f, "%s", fd.FullName())
			got, err := f.AppendJSON(nil, nil, new(codec.Scratch))
			require.NoError(t, err)
			require.Equal(t, absent(fd), string(got), "%s", fd.FullName())
		}
	}
}

// absentAs is what a field prints that the message does not have.
func absentAs(fd protoreflect.FieldDescriptor, form codec.Print) string {
	if form.EnumsAsNumbers && fd.Enum() != nil && !fd.IsList() && !fd.HasPresence() && fd.Enum().FullName() != "google.protobuf.NullValue" {
		return strconv.Itoa(int(fd.Enum().Values().Get(0).Number()))
	}
	return absent(fd)
}

func absent(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.IsMap():
		return "{}"
	case fd.IsList():
		return "[]"
	case fd.HasPresence():
		return "null"
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return "false"
	case protoreflect.StringKind, protoreflect.BytesKind:
		return `""`
	case protoreflect.EnumKind:
		if fd.Enum().FullName() == "google.protobuf.NullValue" {
			return "null"
		}
		return strconv.Quote(string(fd.Enum().Values().Get(0).Name()))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return `"0"`
	}
	return "0"
}

// TestBound binds fields of a random message as a path would, and gives the body
// the same values, other values, and other members of their oneofs.
func TestBound(t *testing.T) {
	t.Run("fixed", func(t *testing.T) { fixedEach(t, 20, boundOnce) })
	t.Run("random", func(t *testing.T) { each(t, 40, boundOnce) })
}

func boundOnce(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) {
	if md.ParentFile().Package() == "google.protobuf" {
		return
	}
	g.odd = 0
	whole, ok := throughJSON(g.u, g.message(md, 4))
	if !ok {
		return
	}
	text, err := g.u.printJSON(whole)
	require.NoError(t, err)
	root := g.u.codec.Message(md.FullName())
	s := &reused

	var paths [][]*codec.Field
	var values [][]byte
	var bound []leaf
	var pathWire []byte
	for _, l := range leaves(g.r, g.u, whole, nil) {
		if l.field.IsList() || len(bound) == 3 || g.one(2) {
			continue
		}
		parents, f := l.fields(t, g.r, root)
		value, err := f.AppendText(nil, []byte(l.texts[0]), s)
		require.NoError(t, err)
		pathWire, err = codec.AppendNested(pathWire, parents, f, []byte(l.texts[0]), s)
		require.NoError(t, err)
		paths = append(paths, append(parents, f))
		values = append(values, value)
		bound = append(bound, l)
	}
	if len(bound) == 0 {
		return
	}
	b := &codec.Bound{Watch: codec.NewWatch(root, paths), Values: values}

	// The same values again.
	wire, err := root.AppendWire(nil, text, s, b)
	require.NoError(t, err, "%s: %s\nbound %v", md.FullName(), text, bound[0].field.FullName())
	got, err := g.u.parseWire(md, append(pathWire, wire...))
	require.NoError(t, err)
	wantWire, err := g.u.normal(whole)
	require.NoError(t, err)
	gotWire, err := g.u.normal(got)
	require.NoError(t, err)
	require.Equal(t, wantWire, gotWire, "%s: %s", md.FullName(), text)

	// The same again where nobody else adds them, and on the wire.
	b.Keep = true
	wire, err = root.AppendWire(nil, text, s, b)
	require.NoError(t, err)
	b.Keep = false
	kept, err := g.u.parseWire(md, wire)
	require.NoError(t, err)
	keptWire, err := g.u.normal(kept)
	require.NoError(t, err)
	require.Equal(t, wantWire, keptWire, "%s: %s", md.FullName(), text)
	require.NoError(t, b.CheckWire(wantWire, s), "%s: %s", md.FullName(), text)

	// The same again where one field is the body.
	l := bound[g.r.IntN(len(bound))]
	bodyOf := func(m proto.Message) ([]byte, *codec.Field) {
		if len(l.parents) == 0 || !m.ProtoReflect().Has(l.parents[0]) {
			return nil, nil
		}
		alone := dynamicpb.NewMessage(md)
		alone.Set(l.parents[0], m.ProtoReflect().Get(l.parents[0]))
		text, err := g.u.printJSON(alone)
		if err != nil {
			return nil, nil
		}
		tree, err := parseNode(text)
		require.NoError(t, err)
		if len(tree.children) != 1 {
			return nil, nil
		}
		return tree.children[0].write(g.r, nil), root.FieldByName([]byte(l.parents[0].JSONName()))
	}
	if body, f := bodyOf(whole); f != nil {
		_, err := f.AppendWire(nil, body, s, b)
		require.NoError(t, err, "%s: %s", l.parents[0].FullName(), body)
	}

	// Another value, or another member, of one of them.
	l = bound[g.r.IntN(len(bound))]
	other := proto.Clone(whole).ProtoReflect()
	in := other
	for _, fd := range l.parents {
		in = in.Mutable(fd).Message()
	}
	if !g.contradict(in, l, other) {
		return
	}
	text, err = g.u.printJSON(other.Interface())
	if err != nil {
		return
	}
	checkBoundWins(t, g.u, md, text, b, bound, pathWire)
	wire, err = g.u.normal(other.Interface())
	require.NoError(t, err)
	if err := b.CheckWire(wire, s); contradicted(other, bound) {
		requireKind(t, codec.KindBound, err)
	} else {
		require.NoError(t, err, "%s: %s", md.FullName(), text)
	}
	out, err := root.AppendWire(bytes.Clone(prefix), text, s, b)
	if err == nil {
		// A contradiction that JSON cannot show, such as a zero that is left out.
		again, parseErr := g.u.parseJSON(md, text, false)
		require.NoError(t, parseErr)
		at := again.ProtoReflect()
		for _, fd := range l.parents {
			at = at.Get(fd).Message()
		}
		require.False(t, at.Has(l.field) && !at.Get(l.field).Equal(l.in.Get(l.field)), "%s: bound %s is overridden by %s", md.FullName(), l.field.FullName(), text)
		if oneof := l.field.ContainingOneof(); oneof != nil {
			if which := at.WhichOneof(oneof); which != nil {
				require.Equal(t, l.field.Number(), which.Number(), "%s: bound %s is cleared by %s", md.FullName(), l.field.FullName(), text)
			}
		}
		return
	}
	requireKind(t, codec.KindBound, err)
	require.Equal(t, string(prefix), string(out))
	if body, f := bodyOf(other.Interface()); f != nil && sameElsewhere(whole, other, l.parents[0]) {
		_, err := f.AppendWire(nil, body, s, b)
		requireKind(t, codec.KindBound, err)
	}
}

// contradicted reports whether a message says something else than one of the bound
// leaves, or has another member of a oneof on the way to it.
func contradicted(m protoreflect.Message, bound []leaf) bool {
	for _, l := range bound {
		at := m
		for _, fd := range append(append([]protoreflect.FieldDescriptor(nil), l.parents...), l.field) {
			if oneof := fd.ContainingOneof(); oneof != nil {
				if which := at.WhichOneof(oneof); which != nil && which != fd {
					return true
				}
			}
			if !at.Has(fd) {
				break
			}
			if fd == l.field && !at.Get(fd).Equal(l.in.Get(fd)) {
				return true
			}
			if fd.Message() != nil {
				at = at.Get(fd).Message()
			}
		}
	}
	return false
}

// sameElsewhere reports whether two messages differ in one field only.
func sameElsewhere(a, b protoreflect.Message, fd protoreflect.FieldDescriptor) bool {
	x, y := proto.Clone(a.Interface()).ProtoReflect(), proto.Clone(b.Interface()).ProtoReflect()
	x.Clear(fd)
	y.Clear(fd)
	return proto.Equal(x.Interface(), y.Interface())
}

// contradict changes the message with the leaf so that it says something else
// about it; it reports whether there was a way.
func (g *valueGen) contradict(in protoreflect.Message, l leaf, root protoreflect.Message) bool {
	// Another member of a oneof, of the leaf or of one of its parents.
	steps := append(append([]protoreflect.FieldDescriptor(nil), l.parents...), l.field)
	at := root
	for _, fd := range steps {
		oneof := fd.ContainingOneof()
		if oneof != nil && !oneof.IsSynthetic() && oneof.Fields().Len() > 1 && g.one(2) {
			sibling := oneof.Fields().Get(g.r.IntN(oneof.Fields().Len()))
			if sibling.Number() != fd.Number() {
				g.set(at, sibling, 2)
				return true
			}
		}
		if fd.Message() == nil || scalarForm(fd.Message()) {
			break
		}
		at = at.Mutable(fd).Message()
	}
	for range 10 {
		before := proto.Clone(in.Interface()).ProtoReflect()
		in.Clear(l.field)
		g.set(in, l.field, 1)
		if !in.Get(l.field).Equal(before.Get(l.field)) {
			return true
		}
	}
	return false
}
