package codec_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// The referee is protobuf's own Go library: protojson over dynamicpb. For every
// input both sides must accept or both refuse, and what they accept must be the
// same message, or the same JSON value. What an error says is not compared.

var (
	runs = flag.Int("codec.runs", 20, "random universes that the differential tests try")
	from = flag.Uint64("codec.from", 1, "seed of the first random universe")
)

// each calls f for a number of random universes, every one in a subtest that is
// named by its seed.
func each(t *testing.T, perUniverse int, f func(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor)) {
	t.Helper()
	for i := range uint64(*runs) {
		seed := *from + i
		ok := t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			u, file, err := randomUniverse(r)
			require.NoError(t, err, "%v", file)
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("the file:\n%s", protojson.Format(file))
				}
			})
			for range perUniverse {
				f(t, &valueGen{r: r, u: u, odd: 20}, randomMessage(r, u))
			}
		})
		if !ok {
			return // one failure is enough to read
		}
	}
}

// fixedEach does the same over the universes that do not change.
func fixedEach(t *testing.T, n int, f func(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor)) {
	t.Helper()
	inUniverses(t, func(t *testing.T, u *universe) {
		r := rand.New(rand.NewPCG(*from, 1))
		n := n * *runs
		if u.files.NumFilesByPackage("protobuf_test_messages.proto3") > 0 {
			n /= 4 // protobuf's own messages are large
		}
		for range n {
			f(t, &valueGen{r: r, u: u, odd: 20}, randomMessage(r, u))
			if t.Failed() {
				return
			}
		}
	})
}

func TestWireToJSON(t *testing.T) {
	print := func(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) {
		wire, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(g.message(md, 4))
		require.NoError(t, err)
		comparePrint(t, g.u, md, wire)
		other := g.rearranged(md, wire, 3)
		comparePrint(t, g.u, md, other)
		comparePrint(t, g.u, md, damaged(g.r, other))
		// Two messages in one, the fields of one among those of the other: merges,
		// and oneofs that change their mind.
		second, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(g.message(md, 4))
		require.NoError(t, err)
		comparePrint(t, g.u, md, g.rearranged(md, slices.Concat(wire, second), 3))
		comparePrint(t, g.u, md, slices.Concat(wire, second, other))
	}
	t.Run("fixed", func(t *testing.T) { fixedEach(t, 20, print) })
	t.Run("random", func(t *testing.T) { each(t, 40, print) })
}

func TestJSONToWire(t *testing.T) {
	parse := func(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) {
		g.odd = 0
		opts := protojson.MarshalOptions{
			Resolver: g.u.types, AllowPartial: true,
			UseProtoNames: g.one(3), UseEnumNumbers: g.one(3), EmitUnpopulated: g.one(6), Multiline: g.one(4),
		}
		text, err := opts.Marshal(g.message(md, 4))
		if err != nil {
			// Values without a JSON form that g.odd does not govern: a packed Any with bad UTF-8 or the like.
			return
		}
		compareParse(t, g.u, md, text)
		tree, err := parseNode(text)
		require.NoError(t, err)
		text = tree.write(g.r, nil)
		compareParse(t, g.u, md, text)
		for range 4 {
			tree.mutate(g.r, g.u.names)
			compareParse(t, g.u, md, tree.write(g.r, nil))
			if g.one(3) {
				tree, _ = parseNode(text)
			}
		}
		compareParse(t, g.u, md, damaged(g.r, text))
	}
	t.Run("fixed", func(t *testing.T) { fixedEach(t, 20, parse) })
	t.Run("random", func(t *testing.T) { each(t, 40, parse) })
}

// TestScalarsEverywhere puts every odd scalar into every field of the fixed
// messages: alone, in a list and as a map's value and key.
func TestScalarsEverywhere(t *testing.T) {
	u := fixedUniverse(t)
	for _, name := range []protoreflect.FullName{"codec.test.two.All", "codec.test.three.All", "codec.test.editions.All"} {
		md := u.message(t, name)
		fds := md.Fields()
		for i := range fds.Len() {
			key := quote(rand.New(rand.NewPCG(1, 1)), fds.Get(i).JSONName())
			for _, s := range oddScalars {
				texts := []string{fmt.Sprintf(`{%s:%s}`, key, s)}
				switch fd := fds.Get(i); {
				case fd.IsMap():
					texts = append(texts, fmt.Sprintf(`{%s:{"1":%s}}`, key, s), fmt.Sprintf(`{%s:{"true":%s}}`, key, s))
					if strings.HasPrefix(s, `"`) {
						texts = append(texts, fmt.Sprintf(`{%s:{%s:null}}`, key, s), fmt.Sprintf(`{%s:{%s:1}}`, key, s), fmt.Sprintf(`{%s:{%s:"1"}}`, key, s))
					}
				case fd.IsList():
					texts = append(texts, fmt.Sprintf(`{%s:[%s]}`, key, s), fmt.Sprintf(`{%s:[%s,%s]}`, key, s, s))
				}
				for _, text := range texts {
					compareParse(t, u, md, []byte(text))
				}
			}
			if t.Failed() {
				return
			}
		}
	}
}

// TestWellKnownTypesAlone puts every odd scalar where a message is wanted.
func TestWellKnownTypesAlone(t *testing.T) {
	u := fixedUniverse(t)
	for _, md := range u.messages {
		if md.ParentFile().Package() != "google.protobuf" {
			continue
		}
		for _, s := range oddScalars {
			compareParse(t, u, md, []byte(s))
		}
	}
}

// TestTags checks how every field number and wire type is read, in each fixed
// message: as the field, as an unknown field, or not at all.
func TestTags(t *testing.T) {
	u := fixedUniverse(t)
	values := [][]byte{
		{}, {0}, {1}, {0x80}, {0xff, 0xff, 0xff, 0xff, 0x0f}, {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01},
		{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02}, {0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01},
		{1, 2, 3, 4}, {1, 2, 3, 4, 5, 6, 7, 8}, {3, 'a', 'b', 'c'}, {2, 8, 1}, {1, 0xff}, {2, 0xc3, 0x28}, {5, 'a'},
		{4, 0, 0, 0xc0, 0x7f}, {8, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f},
	}
	for _, md := range u.messages {
		numbers := []protowire.Number{1, 2, 19, 3999, 536870911}
		for i := range md.Fields().Len() {
			numbers = append(numbers, md.Fields().Get(i).Number())
		}
		for _, num := range numbers {
			for typ := range protowire.Type(8) {
				for _, v := range values {
					wire := append(protowire.AppendVarint(nil, uint64(num)<<3|uint64(typ)), v...)
					comparePrint(t, u, md, wire)
					if typ == protowire.StartGroupType {
						comparePrint(t, u, md, protowire.AppendTag(wire, num, protowire.EndGroupType))
						comparePrint(t, u, md, protowire.AppendTag(wire, num+1, protowire.EndGroupType))
					}
				}
			}
		}
		// Numbers that no field can have.
		for _, tag := range []uint64{0, 1, 2, 5, 7, 536870912 << 3, 1 << 35, 1<<64 - 8} {
			comparePrint(t, u, md, append(protowire.AppendVarint(nil, tag), 0, 0, 0, 0, 0, 0, 0, 0))
		}
		if t.Failed() {
			return
		}
	}
}

// TestOutputIsDeterministic checks that equal messages give equal JSON however
// their fields are ordered.
func TestOutputIsDeterministic(t *testing.T) {
	u := fixedUniverse(t)
	r := rand.New(rand.NewPCG(*from, 2))
	g := &valueGen{r: r, u: u}
	var s codec.Scratch
	for range 500 {
		md := randomMessage(r, u)
		m := g.message(md, 4)
		var first []byte
		for i := range 4 {
			wire, err := proto.MarshalOptions{AllowPartial: true}.Marshal(m) // map entries in random order
			require.NoError(t, err)
			text, err := u.codec.Message(md.FullName()).AppendJSON(nil, wire, &s)
			if err != nil {
				break
			}
			if i == 0 {
				first = text
			}
			require.Equal(t, string(first), string(text))
		}
	}
}

var prefix = []byte("prefix")

// reused goes from one translation to the next, failed ones and those of other
// messages among them: none may leave a trace. No test here runs in parallel.
var reused = codec.Scratch{MaxDepth: deep}

// compareParse checks one JSON text.
func compareParse(t testing.TB, u *universe, md protoreflect.MessageDescriptor, text []byte) {
	t.Helper()
	if wire := compareParseAs(t, u, md, text, codec.Parse{}); wire != nil {
		comparePrint(t, u, md, wire)
	}
}

// compareParseAs checks one JSON text with options. It returns what the codec
// made of it, nil if it refused.
func compareParseAs(t testing.TB, u *universe, md protoreflect.MessageDescriptor, text []byte, options codec.Parse) []byte {
	t.Helper()
	diff, wire := parseDiff(u, md, text, options)
	if diff == "" {
		return wire
	}
	small := shrink(text, func(b []byte) bool { d, _ := parseDiff(u, md, b, options); return d != "" })
	diff, _ = parseDiff(u, md, small, options)
	t.Errorf("%s: %s %+v\n%s", md.FullName(), small, options, diff)
	return nil
}

// parseDiff says how the two sides differ about one JSON text, nothing if they
// do not; wire is what the codec made of it, nil if it refused.
func parseDiff(u *universe, md protoreflect.MessageDescriptor, text []byte, options codec.Parse) (diff string, wire []byte) {
	want, wantErr := u.parseJSONAs(md, text, options)
	s := &reused
	s.Parse = options
	defer func() { s.Parse = codec.Parse{} }()
	m := u.codec.Message(md.FullName())
	input := bytes.Clone(text)
	out, err := m.AppendWire(bytes.Clone(prefix), text, s, nil)
	if !bytes.Equal(input, text) {
		return "the input was changed", nil
	}
	if d := outputDiff(out, err); d != "" {
		return d, nil
	}
	wire = out[len(prefix):]
	if err == nil {
		err = m.CheckRequired(wire, s)
		if d := errorDiff(err); d != "" {
			return d, nil
		}
	}
	if (err == nil) != (wantErr == nil) {
		if excused(u, md, text, err, wantErr) || options != (codec.Parse{}) && excusedOption(u, md, text, options, err, wantErr) {
			return "", nil
		}
		return "codec:   " + verdict(err) + "\nreferee: " + verdict(wantErr), nil
	}
	if err != nil {
		return "", nil
	}
	if d := ignoredDiff(s.Ignored, options); d != "" {
		return d, nil
	}
	got, err := u.parseWire(md, wire)
	if err != nil {
		return fmt.Sprintf("the codec's output %x is not wire data: %v", wire, err), nil
	}
	wantWire, wantErr := u.normal(want)
	gotWire, gotErr := u.normal(got)
	if wantErr != nil || gotErr != nil {
		return fmt.Sprintf("referee: %v, %v", wantErr, gotErr), nil
	}
	if !bytes.Equal(wantWire, gotWire) && !excused(u, md, text, nil, nil) {
		return fmt.Sprintf("codec:   %v\nreferee: %v", got, want), nil
	}
	return "", wire
}

// comparePrint checks one serialized message.
func comparePrint(t testing.TB, u *universe, md protoreflect.MessageDescriptor, wire []byte) {
	t.Helper()
	comparePrintAs(t, u, md, wire, codec.Print{})
}

// comparePrintAs checks one serialized message in another JSON form.
func comparePrintAs(t testing.TB, u *universe, md protoreflect.MessageDescriptor, wire []byte, form codec.Print) {
	t.Helper()
	if printDiff(u, md, wire, form) == "" {
		return
	}
	small := shrink(wire, func(b []byte) bool { return printDiff(u, md, b, form) != "" })
	t.Errorf("%s: %x %+v\n%s", md.FullName(), small, form, printDiff(u, md, small, form))
}

// printDiff says how the two sides differ about one serialized message, nothing
// if they do not.
func printDiff(u *universe, md protoreflect.MessageDescriptor, wire []byte, form codec.Print) string {
	var want []byte
	parsed, wantErr := u.parseWire(md, wire)
	isWire := wantErr == nil
	if isWire {
		want, wantErr = u.printJSONAs(parsed, form)
	}
	s := &reused
	m := u.printing(form).Message(md.FullName())
	input := bytes.Clone(wire)
	out, err := m.AppendJSON(bytes.Clone(prefix), wire, s)
	if !bytes.Equal(input, wire) {
		return "the input was changed"
	}
	if d := outputDiff(out, err); d != "" {
		return d
	}
	got := out[len(prefix):]
	if errors.Is(wantErr, errPanic) {
		return ""
	}
	if (err == nil) != (wantErr == nil) {
		if excused(u, md, wire, err, wantErr) {
			return ""
		}
		return fmt.Sprintf("codec:   %v %s\nreferee: %v %s", verdict(err), got, verdict(wantErr), want)
	}
	if isWire {
		required := m.CheckRequired(wire, s)
		if wantRequired := proto.CheckInitialized(parsed); (required == nil) != (wantRequired == nil) {
			return fmt.Sprintf("required fields\ncodec:   %v\nreferee: %v", verdict(required), verdict(wantRequired))
		}
		if d := errorDiff(required); d != "" {
			return d
		}
	}
	if err != nil {
		return ""
	}
	wantValue, err := jsonValue(want)
	if err != nil {
		return "" // a field named @type inside an Any: protojson prints both
	}
	gotValue, err := jsonValue(got)
	if err != nil {
		return fmt.Sprintf("the codec's output is not JSON: %v: %s", err, got)
	}
	if !reflect.DeepEqual(wantValue, gotValue) && !excused(u, md, wire, nil, nil) {
		return fmt.Sprintf("codec:   %s\nreferee: %s", got, want)
	}
	return ""
}

// outputDiff checks what an append must leave: what was in dst, and nothing more
// beside an error.
func outputDiff(out []byte, err error) string {
	switch {
	case !bytes.HasPrefix(out, prefix):
		return "what was in dst is lost"
	case err != nil && len(out) > len(prefix):
		return fmt.Sprintf("output %q beside the error %v", out, err)
	}
	return errorDiff(err)
}

// errorDiff checks what every error of the codec has.
func errorDiff(err error) string {
	var e *codec.Error
	switch {
	case err == nil:
		return ""
	case !errors.As(err, &e):
		return fmt.Sprintf("%T is not a codec error: %v", err, err)
	case e.Kind == 0 || strings.HasPrefix(e.Kind.String(), "kind "), e.Message == "", e.Offset < 0:
		return fmt.Sprintf("incomplete error: %+v", *e)
	}
	return ""
}

// shrink leaves out of an input what it can without losing what is wrong with it.
func shrink(input []byte, wrong func([]byte) bool) []byte {
	tries := 0
	for size := len(input) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(input) && tries < 5000; {
			tries++
			if less := slices.Concat(input[:at], input[at+size:]); wrong(less) {
				input = less
			} else {
				at += size
			}
		}
	}
	return input
}

// checkError checks what every error of the codec has.
func checkError(t testing.TB, err error) {
	t.Helper()
	require.Error(t, err)
	require.Empty(t, errorDiff(err))
}

func verdict(err error) string {
	if err == nil {
		return "accepted"
	}
	return "refused: " + err.Error()
}

// difference is one known difference between the codec and its referee.
type difference struct {
	name string
	// excuses reports whether an input on which the two disagree shows this
	// difference. An error is nil for the side that accepted.
	excuses func(u *universe, md protoreflect.MessageDescriptor, input []byte, err, refereeErr error) bool
	// example checks that there is the difference still.
	example func(t *testing.T)
}

func excused(u *universe, md protoreflect.MessageDescriptor, input []byte, err, refereeErr error) bool {
	for _, d := range differences {
		if d.excuses != nil && d.excuses(u, md, input, err, refereeErr) {
			return true
		}
	}
	return false
}

// TestDifferences checks testdata/differences.txt, which names each known
// difference and its reason, against the code that shows it: a line for every
// difference, and every difference still there.
func TestDifferences(t *testing.T) {
	data, err := os.ReadFile("testdata/differences.txt")
	require.NoError(t, err)
	line := regexp.MustCompile(`^([a-z-]+): \S.*$`)
	listed := make(map[string]bool)
	for i, text := range strings.Split(strings.TrimSpace(string(data)), "\n") {
		if strings.HasPrefix(text, "#") {
			continue
		}
		match := line.FindStringSubmatch(text)
		require.NotNil(t, match, "differences.txt:%d: want \"name: reason\"", i+1)
		listed[match[1]] = true
	}
	for _, d := range differences {
		t.Run(d.name, func(t *testing.T) {
			require.True(t, listed[d.name], "not in testdata/differences.txt")
			delete(listed, d.name)
			d.example(t)
		})
	}
	require.Empty(t, listed, "listed, but no difference has the name")
}

var differences = []difference{
	{
		name: "depth",
		example: func(t *testing.T) {
			u := fixedUniverse(t)
			md := u.message(t, "codec.test.three.All")
			text := []byte(strings.Repeat(`{"child":`, 150) + `{}` + strings.Repeat(`}`, 150))
			m, err := u.parseJSON(md, text, true)
			require.NoError(t, err)
			wire, err := proto.Marshal(m)
			require.NoError(t, err)
			_, err = u.codec.Message(md.FullName()).AppendWire(nil, text, new(codec.Scratch), nil)
			requireKind(t, codec.KindDepth, err)
			_, err = u.codec.Message(md.FullName()).AppendJSON(nil, wire, new(codec.Scratch))
			requireKind(t, codec.KindDepth, err)
		},
	},
	{
		name: "any-type-last",
		excuses: func(_ *universe, _ protoreflect.MessageDescriptor, _ []byte, err, refereeErr error) bool {
			var e *codec.Error
			return refereeErr == nil && errors.As(err, &e) && e.Kind == codec.KindDepth && strings.Contains(e.Message, "@type")
		},
		example: func(t *testing.T) {
			u := fixedUniverse(t)
			md := u.message(t, "google.protobuf.Any")
			const levels = 40
			text := []byte(strings.Repeat(`{"value":`, levels) + `{}` +
				strings.Repeat(`,"@type":"/google.protobuf.Any"}`, levels))
			_, err := u.parseJSON(md, text, true)
			require.NoError(t, err)
			_, err = u.codec.Message(md.FullName()).AppendWire(nil, text, new(codec.Scratch), nil)
			requireKind(t, codec.KindDepth, err)
		},
	},
	{
		name: "not-json",
		excuses: func(_ *universe, _ protoreflect.MessageDescriptor, input []byte, err, refereeErr error) bool {
			return err != nil && refereeErr == nil && !json.Valid(input)
		},
		example: func(t *testing.T) {
			u := fixedUniverse(t)
			md := u.message(t, "codec.test.three.All")
			for _, text := range []string{`{"int32":1e}`, `{"uint64":10E}`} {
				_, err := u.parseJSON(md, []byte(text), true)
				require.NoError(t, err)
				_, err = u.codec.Message(md.FullName()).AppendWire(nil, []byte(text), new(codec.Scratch), nil)
				requireKind(t, codec.KindSyntax, err)
			}
		},
	},
	{
		name: "unknown-enum", // see excusedOption
		example: func(t *testing.T) {
			u := fixedUniverse(t)
			md := u.message(t, "codec.test.three.All")
			options := codec.Parse{IgnoreUnknown: true}
			for _, text := range []string{`{"colour":"NONE_SUCH"}`, `{"colours":["NONE_SUCH"]}`, `{"boolMap":{"true":"NONE_SUCH"}}`} {
				_, err := u.parseJSONAs(md, []byte(text), options)
				require.NoError(t, err)
				_, err = u.codec.Message(md.FullName()).AppendWire(nil, []byte(text), &codec.Scratch{Parse: options}, nil)
				requireKind(t, codec.KindEnum, err)
			}
		},
	},
	{
		name: "map-entry-panic",
		example: func(t *testing.T) {
			u := fixedUniverse(t)
			md := u.message(t, "codec.test.three.All")
			// string_map {key: "a", key as a varint, value: "b"}
			wire := []byte{0xf2, 0x03, 8, 0x0a, 1, 'a', 0x08, 1, 0x12, 1, 'b'}
			_, err := u.parseWire(md, wire)
			require.ErrorIs(t, err, errPanic)
			got, err := u.codec.Message(md.FullName()).AppendJSON(nil, wire, new(codec.Scratch))
			require.NoError(t, err)
			require.JSONEq(t, `{"stringMap":{"a":"b"}}`, string(got))
		},
	},
}

// requireKind checks that err is a codec error of this kind.
func requireKind(t testing.TB, kind codec.Kind, err error) {
	t.Helper()
	var e *codec.Error
	require.True(t, errors.As(err, &e), "want an error of kind %s, got %v", kind, err)
	require.Equal(t, kind.String(), e.Kind.String(), "%v", err)
}
