package codec_test

import (
	"bytes"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// Each fuzz target takes a number that chooses the message type, or the field,
// among those of testdata/proto and the well-known types. Seeds stand here where
// they can be made, in testdata/fuzz where they were found.

// fuzzMessage is the n-th message type.
func fuzzMessage(u *universe, n uint16) protoreflect.MessageDescriptor {
	return u.messages[int(n)%len(u.messages)]
}

// fuzzSeeds calls add with random messages of every type.
func fuzzSeeds(f *testing.F, add func(n uint16, g *valueGen, m *dynamicpb.Message)) *universe {
	u, err := fixed()
	require.NoError(f, err)
	g := &valueGen{r: rand.New(rand.NewPCG(11, 11)), u: u}
	for n, md := range u.messages {
		for range 4 {
			add(uint16(n), g, g.message(md, 3))
		}
	}
	return u
}

// FuzzParse compares what becomes of any JSON text.
func FuzzParse(f *testing.F) {
	u := fuzzSeeds(f, func(n uint16, g *valueGen, m *dynamicpb.Message) {
		text, err := g.u.printJSON(m)
		if err == nil && len(text) < 2000 {
			f.Add(n, text)
		}
	})
	f.Fuzz(func(t *testing.T, n uint16, text []byte) {
		compareParse(t, u, fuzzMessage(u, n), text)
	})
}

// FuzzPrint compares what becomes of any wire data.
func FuzzPrint(f *testing.F) {
	u := fuzzSeeds(f, func(n uint16, g *valueGen, m *dynamicpb.Message) {
		wire, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(m)
		if err == nil && len(wire) < 2000 {
			f.Add(n, wire)
			f.Add(n, g.rearranged(m.Descriptor(), wire, 3))
		}
	})
	f.Fuzz(func(t *testing.T, n uint16, wire []byte) {
		compareSafely(t, u, fuzzMessage(u, n), wire)
		compareField(t, u, fuzzMessage(u, n), n, wire, codec.Print{})
	})
}

// compareSafely keeps lists of empty messages, which a few bytes make long, from
// taking all the time.
func compareSafely(t *testing.T, u *universe, md protoreflect.MessageDescriptor, wire []byte) {
	t.Helper()
	if len(wire) <= 1<<14 {
		comparePrint(t, u, md, wire)
	}
}

// compareField checks one field's JSON against the same field of the whole.
func compareField(t *testing.T, u *universe, md protoreflect.MessageDescriptor, n uint16, wire []byte, form codec.Print) {
	t.Helper()
	fds := md.Fields()
	if fds.Len() == 0 || md.ParentFile().Package() == "google.protobuf" || len(wire) > 1<<14 {
		return
	}
	fd := fds.Get(int(n>>4) % fds.Len())
	m := u.printing(form).Message(md.FullName())
	s := &reused
	whole, err := m.AppendJSON(nil, wire, s)
	if err != nil {
		return
	}
	f := m.FieldByName([]byte(fd.JSONName()))
	require.NotNil(t, f)
	part, err := f.AppendJSON(nil, wire, s)
	require.NoError(t, err, "%s: %x\n%s", fd.FullName(), wire, whole)
	object, err := jsonValue(whole)
	if err != nil {
		return // see printDiff
	}
	got, err := jsonValue(part)
	require.NoError(t, err)
	name := fd.JSONName()
	if form.ProtoNames {
		name = fd.TextName()
	}
	want, ok := object.(map[string]any)[name]
	if !ok {
		want, err = jsonValue([]byte(absentAs(fd, form)))
		require.NoError(t, err)
	}
	require.Equal(t, want, got, "%s: %x\n%s", fd.FullName(), wire, whole)
}

// FuzzSplit takes a message that any wire data gives apart, and puts it together.
func FuzzSplit(f *testing.F) {
	u := fuzzSeeds(f, func(n uint16, g *valueGen, m *dynamicpb.Message) {
		wire, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(m)
		if err == nil && len(wire) < 2000 {
			f.Add(n, uint64(n), wire)
		}
	})
	f.Fuzz(func(t *testing.T, n uint16, seed uint64, wire []byte) {
		md := fuzzMessage(u, n)
		if len(wire) > 1<<14 {
			return
		}
		m, err := u.parseWire(md, wire)
		if err != nil {
			return
		}
		discardUnknown(m)
		checkSplit(t, rand.New(rand.NewPCG(seed, 0)), u, m)
	})
}

// discardUnknown removes what JSON cannot carry.
func discardUnknown(m protoreflect.Message) {
	m.SetUnknown(nil)
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case fd.IsMap() && fd.MapValue().Message() != nil:
			v.Map().Range(func(_ protoreflect.MapKey, e protoreflect.Value) bool {
				discardUnknown(e.Message())
				return true
			})
		case fd.IsMap(), fd.Message() == nil:
		case fd.IsList():
			for i := range v.List().Len() {
				discardUnknown(v.List().Get(i).Message())
			}
		default:
			discardUnknown(v.Message())
		}
		return true
	})
}

// FuzzText compares what a path or a query makes of any text with what JSON
// would make of it, within the grammar of text.
func FuzzText(f *testing.F) {
	u, err := fixed()
	require.NoError(f, err)
	fields := textFields(u)
	for n := range fields {
		for _, text := range oddTexts()[n%7*10 : n%7*10+5] {
			f.Add(uint16(n), text)
		}
	}
	f.Fuzz(func(t *testing.T, n uint16, text []byte) {
		compareText(t, u, fields[int(n)%len(fields)], text)
	})
}

// TestTextEverywhere gives every odd scalar to every field that takes text.
func TestTextEverywhere(t *testing.T) {
	u := fixedUniverse(t)
	for _, fd := range textFields(u) {
		for _, text := range oddTexts() {
			compareText(t, u, fd, text)
		}
	}
}

// oddTexts are the odd scalars as a URL would have them: as they are, and
// strings without their quotes too.
func oddTexts() [][]byte {
	var texts [][]byte
	for _, s := range oddScalars {
		texts = append(texts, []byte(s))
		if text, err := strconv.Unquote(s); err == nil {
			texts = append(texts, []byte(text))
		}
	}
	return texts
}

// textFields are the fields of the fixed messages that text can set.
func textFields(u *universe) []protoreflect.FieldDescriptor {
	var fields []protoreflect.FieldDescriptor
	for _, md := range u.messages {
		if md.ParentFile().Package() == "google.protobuf" {
			continue
		}
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			if !fd.IsMap() && (fd.Message() == nil || scalarForm(fd.Message())) {
				fields = append(fields, fd)
			}
		}
	}
	return fields
}

// TestBindableText checks which fields text can set, for all fields.
func TestBindableText(t *testing.T) {
	u := fixedUniverse(t)
	bindable := make(map[protoreflect.FullName]bool)
	for _, fd := range textFields(u) {
		bindable[fd.FullName()] = true
	}
	for _, md := range u.messages {
		if md.ParentFile().Package() == "google.protobuf" {
			continue
		}
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			f := u.codec.Message(md.FullName()).FieldByName([]byte(fd.JSONName()))
			require.NotNil(t, f)
			require.Equal(t, bindable[fd.FullName()], f.BindableText(), "%s", fd.FullName())
			if !f.BindableText() {
				_, err := f.AppendText(nil, []byte("1"), new(codec.Scratch))
				checkError(t, err)
			}
		}
	}
}

var (
	integerText = regexp.MustCompile(`^-?[0-9]+$`)
	numberText  = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?$`)
	snakeName   = regexp.MustCompile(`[a-z0-9_.]*_[a-z0-9_.]*`)
	snakePath   = regexp.MustCompile(`^[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*$`)
)

// compareText checks one text for one field.
func compareText(t testing.TB, u *universe, fd protoreflect.FieldDescriptor, text []byte) {
	t.Helper()
	md := fd.ContainingMessage()
	m := u.codec.Message(md.FullName())
	f := m.FieldByName([]byte(fd.JSONName()))
	s := &reused
	input := bytes.Clone(text)
	out, err := f.AppendText(bytes.Clone(prefix), text, s)
	require.Equal(t, input, text, "the input was changed")
	require.True(t, bytes.HasPrefix(out, prefix))
	wire := out[len(prefix):]
	if err != nil {
		checkError(t, err)
		require.Empty(t, wire)
	}

	value, ok := textValue(fd, string(text))
	var want *dynamicpb.Message
	if ok {
		if fd.IsList() {
			value = "[" + value + "]"
		}
		var wantErr error
		want, wantErr = u.parseJSON(md, []byte("{"+strconv.Quote(fd.JSONName())+":"+value+"}"), false)
		ok = wantErr == nil
	}
	if ok != (err == nil) {
		t.Errorf("%s (%s): %q\ncodec:  %v\nwanted: accepted %v, as %s", fd.FullName(), fd.Kind(), text, verdict(err), ok, value)
		return
	}
	if !ok {
		return
	}
	if fd.Message() != nil && fd.Message().FullName() == "google.protobuf.FieldMask" {
		mask := want.Mutable(fd)
		if fd.IsList() {
			mask = mask.List().Get(0)
		}
		paths := mask.Message().Get(mask.Message().Descriptor().Fields().ByName("paths")).List()
		for i, path := range maskPaths(string(text)) {
			if strings.Contains(path, "_") {
				paths.Set(i, protoreflect.ValueOfString(path))
			}
		}
	}
	got, err := u.parseWire(md, wire)
	require.NoError(t, err)
	require.True(t, proto.Equal(want, got), "%s: %q\ncodec:   %v\nreferee: %v", fd.FullName(), text, got, want)
}

// maskPaths are the paths that a FieldMask's text lists.
func maskPaths(text string) []string {
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	return strings.Split(text, ",")
}

// textValue is the JSON value that a text in a path or a query stands for; ok is
// false if the grammar of such texts does not have it.
func textValue(fd protoreflect.FieldDescriptor, text string) (value string, ok bool) {
	if !utf8.ValidString(text) {
		return "", false
	}
	if md := fd.Message(); md != nil {
		switch md.FullName() {
		case "google.protobuf.FieldMask":
			// A path may be in proto names too. JSON cannot give all of those: they
			// go through the referee without underscores, and get them back in
			// compareText.
			for _, path := range maskPaths(text) {
				if strings.Contains(path, "_") && !snakePath.MatchString(path) {
					return "", false
				}
			}
			return protojsonQuote(snakeName.ReplaceAllString(text, "snake")), true
		case "google.protobuf.Timestamp", "google.protobuf.Duration":
			return protojsonQuote(text), true
		}
		return textValue(md.Fields().ByNumber(1), text)
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return text, text == "true" || text == "false"
	case protoreflect.StringKind, protoreflect.BytesKind:
		return protojsonQuote(text), true
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		if text == "NaN" || text == "Infinity" || text == "-Infinity" {
			return protojsonQuote(text), true
		}
		return text, numberText.MatchString(text)
	case protoreflect.EnumKind:
		if integerText.MatchString(text) {
			return text, true
		}
		return protojsonQuote(text), true
	}
	return text, integerText.MatchString(text)
}

// protojsonQuote is s as a JSON string.
func protojsonQuote(s string) string {
	return quote(rand.New(rand.NewPCG(0, 0)), s)
}

// TestFuzzSeedsAreNamed checks that each committed seed says what it is: the
// fuzzer's own names are hashes.
func TestFuzzSeedsAreNamed(t *testing.T) {
	targets, err := os.ReadDir("testdata/fuzz")
	if os.IsNotExist(err) {
		return
	}
	require.NoError(t, err)
	hash := regexp.MustCompile(`^[0-9a-f]{16}$`)
	for _, target := range targets {
		seeds, err := os.ReadDir("testdata/fuzz/" + target.Name())
		require.NoError(t, err)
		for _, seed := range seeds {
			require.False(t, hash.MatchString(seed.Name()), "%s/%s", target.Name(), seed.Name())
		}
	}
}
