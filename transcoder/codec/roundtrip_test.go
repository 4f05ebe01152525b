package codec_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	outbound "github.com/dragoman-gateway/dragoman/transcoder/outbound/plan"
	inbound "github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// A message becomes an HTTP request by a rule read backwards, and that request is
// bound by the same rule: the message must come back. The random messages are those
// of the codec's other tests, so this is here and not beside the plans.

// TestRoundTrip takes random rules for random messages.
func TestRoundTrip(t *testing.T) {
	made := 0
	check := func(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) {
		for _, wire := range oddWires(t, g, md) {
			for range 3 {
				if compareRoundTrip(t, g, md, wire) {
					made++
				}
			}
		}
	}
	t.Run("fixed", func(t *testing.T) { fixedEach(t, 10, check) })
	t.Run("random", func(t *testing.T) { each(t, 20, check) })
	require.Greater(t, made, 200, "most rules should make a request")
}

// oddWires are spellings of random messages: as encoders write them, rearranged, and
// two in one.
func oddWires(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) [][]byte {
	t.Helper()
	marshal := proto.MarshalOptions{AllowPartial: true, Deterministic: true}
	first, err := marshal.Marshal(g.message(md, 4))
	require.NoError(t, err)
	second, err := marshal.Marshal(g.message(md, 4))
	require.NoError(t, err)
	return [][]byte{first, g.rearranged(md, first, 3), g.rearranged(md, slices.Concat(first, second), 3)}
}

// chain is a path of fields, and how it is written.
type chain struct {
	fields []protoreflect.FieldDescriptor
	name   string
}

// bindable are the chains of md that a path may have.
func bindable(md protoreflect.MessageDescriptor, depth int) (chains []chain) {
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		switch {
		case fd.IsList() || fd.IsMap():
		case fd.Message() == nil || scalarForm(fd.Message()):
			chains = append(chains, chain{[]protoreflect.FieldDescriptor{fd}, string(fd.Name())})
		case depth > 0 && plain(fd):
			for _, below := range bindable(fd.Message(), depth-1) {
				chains = append(chains, chain{append([]protoreflect.FieldDescriptor{fd}, below.fields...), string(fd.Name()) + "." + below.name})
			}
		}
	}
	return chains
}

// plain reports whether fd is a single message whose fields a path can name.
func plain(fd protoreflect.FieldDescriptor) bool {
	if fd.IsList() || fd.IsMap() || fd.Message() == nil || special(fd.Message()) {
		return false
	}
	set, ok := fd.Message().(interface{ IsMessageSet() bool })
	return !ok || !set.IsMessageSet()
}

// randomRule is a rule with some variables for fields of md that are set in m, the
// last one of several segments.
func randomRule(g *valueGen, md protoreflect.MessageDescriptor, m protoreflect.Message) (*httprule.Binding, []chain) {
	b := &httprule.Binding{Method: "POST"}
	var chosen []chain
	var chains []chain
	if !special(md) { // nobody has the parts of a well-known type in a path
		chains = bindable(md, 2)
	}
	for range g.r.IntN(3) {
		if len(chains) == 0 {
			break
		}
		c := chains[g.r.IntN(len(chains))]
		if _, set := c.value(m); !set && !g.one(10) {
			continue
		}
		if !slices.ContainsFunc(chosen, func(d chain) bool { return d.name == c.name }) {
			chosen = append(chosen, c)
		}
	}
	path := "/v"
	for i, c := range chosen {
		if i == len(chosen)-1 && g.one(2) {
			path += "/{" + c.name + "=**}"
		} else {
			path += "/{" + c.name + "}"
		}
	}
	var err error
	if b.Template, err = httprule.Parse(path); err != nil {
		panic(err)
	}
	switch {
	case g.one(3):
		b.Body = "*"
	case g.one(2) && md.Fields().Len() > 0:
		b.Body = string(md.Fields().Get(g.r.IntN(md.Fields().Len())).Name())
	}
	return b, chosen
}

// value is what the chain leads to, set only if it and all on the way are.
func (c chain) value(m protoreflect.Message) (v protoreflect.Value, set bool) {
	for i, fd := range c.fields {
		v, set = m.Get(fd), m.Has(fd)
		if i < len(c.fields)-1 {
			if !set {
				return v, false
			}
			m = v.Message()
		}
	}
	return v, set
}

// captures are the spans of the variables in a path that a random rule made.
func captures(t testing.TB, tm *httprule.Template, path string) (spans []inbound.Span) {
	t.Helper()
	at := len("/v")
	for i := range tm.Variables {
		require.Equal(t, byte('/'), path[at])
		start := at + 1
		end := len(path)
		if n := strings.IndexByte(path[start:], '/'); n >= 0 && !tm.Variables[i].Multi {
			end = start + n
		}
		spans = append(spans, inbound.Span{Start: start, End: end})
		at = end
	}
	require.Equal(t, len(path), at)
	return spans
}

var (
	roundRequest outbound.Request
	roundScratch inbound.Scratch
)

// compareRoundTrip takes one rule there and back. It reports whether a request was
// made.
func compareRoundTrip(t testing.TB, g *valueGen, md protoreflect.MessageDescriptor, wire []byte) bool {
	t.Helper()
	u := g.u
	m, err := u.parseWire(md, wire)
	if err != nil {
		return false // there is nothing to compare with
	}
	b, vars := randomRule(g, md, m)
	back, err := inbound.Compile(u.codec, md, md, b, inbound.Options{MaxDepth: deep, MaxJSONBytes: 1 << 24, MaxQueryParameters: 1 << 20})
	if err != nil {
		return false // a rule that contradicts itself
	}
	there, err := outbound.New(outbound.Options{Input: u.codec.Message(md.FullName()), Bindings: []httprule.Binding{*b}, MaxDepth: deep})
	if err != nil {
		require.Contains(t, err.Error(), "has no form in a query")
		return false
	}
	r := &roundRequest
	if err := there.Build(r, wire); err != nil {
		requireReason(t, u, m, vars, err)
		return false
	}
	in := &inbound.Request{
		Path: string(r.Path), Captures: captures(t, b.Template, string(r.Path)), RawQuery: string(r.RawQuery),
		Body: r.Body, ContentType: r.ContentType,
	}
	if text, err := u.printJSON(m); err == nil && b.Body != "" {
		if _, err := u.parseJSON(md, text, false); err != nil {
			return false // nobody can read it
		}
	}
	if b.Body != "*" {
		dropEmpty(m, b.Body, vars)
	}
	got, err := back.Bind(nil, in, &roundScratch)
	if err != nil {
		var pe *inbound.Error
		if errors.As(err, &pe) && pe.Place == inbound.InMessage {
			require.Error(t, proto.CheckInitialized(m))
			return false
		}
		if fd := md.Fields().ByName(protoreflect.Name(b.Body)); fd != nil && fd.ContainingOneof() != nil && !m.Has(fd) {
			// The body could be set, so the other member may not.
			require.ErrorContains(t, err, "only one field of a oneof can be set")
			return false
		}
		require.NoError(t, err, "%s %s %s?%s\n%s", b.Template, b.Body, r.Path, r.RawQuery, r.Body)
	}
	parsed, err := u.parseWire(md, got)
	require.NoError(t, err)
	dropExtensions(m, b.Body)
	if !u.same(t, m, parsed) {
		t.Fatalf("%s body %q\nmessage %v\nrequest %s?%s\n%s\ncame back as %v", b.Template, b.Body, m, r.Path, r.RawQuery, r.Body, parsed)
	}
	return true
}

// same reports whether a message came back. m is changed.
func (u *universe) same(t testing.TB, m, back *dynamicpb.Message) bool {
	t.Helper()
	discardUnknown(m)
	zeroNulls(m)
	zeroNulls(back)
	want, err := u.normal(m)
	require.NoError(t, err)
	got, err := u.normal(back)
	require.NoError(t, err)
	if bytes.Equal(want, got) {
		return true
	}
	// What an Any holds may have unknown fields, and lose them.
	before, err := u.printJSON(m)
	require.NoError(t, err)
	after, err := u.printJSON(back)
	require.NoError(t, err)
	wantJSON, err := jsonValue(before)
	require.NoError(t, err)
	gotJSON, err := jsonValue(after)
	require.NoError(t, err)
	diff := cmp.Diff(wantJSON, gotJSON)
	t.Log(diff)
	return diff == "" && bytes.Contains(before, []byte("@type"))
}

// zeroNulls makes every google.protobuf.NullValue the one that JSON can tell, null.
func zeroNulls(m protoreflect.Message) {
	null := protoreflect.ValueOfEnum(0)
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		value := fd
		if fd.IsMap() {
			value = fd.MapValue()
		}
		odd := value.Enum() != nil && value.Enum().FullName() == "google.protobuf.NullValue"
		switch {
		case !odd && value.Message() == nil:
		case fd.IsMap():
			v.Map().Range(func(k protoreflect.MapKey, e protoreflect.Value) bool {
				if odd {
					v.Map().Set(k, null)
				} else {
					zeroNulls(e.Message())
				}
				return true
			})
		case fd.IsList():
			for i := range v.List().Len() {
				if odd {
					v.List().Set(i, null)
				} else {
					zeroNulls(v.List().Get(i).Message())
				}
			}
		case odd:
			m.Set(fd, null)
		default:
			zeroNulls(v.Message())
		}
		return true
	})
}

// dropExtensions clears the extensions of a google.api.HttpBody that is the body.
func dropExtensions(m protoreflect.Message, body string) {
	const name = "google.api.HttpBody"
	if body != "" && body != "*" {
		fd := m.Descriptor().Fields().ByName(protoreflect.Name(body))
		if fd.Message() == nil || fd.IsList() || fd.IsMap() || !m.Has(fd) {
			return
		}
		m = m.Get(fd).Message()
	}
	if body != "" && m.Descriptor().FullName() == name {
		m.Clear(m.Descriptor().Fields().ByName("extensions"))
	}
}

// dropEmpty clears the messages of a query without anything in them, which a query
// cannot have: neither those of the body nor what has a variable in it.
func dropEmpty(m protoreflect.Message, body string, vars []chain) {
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if string(fd.Name()) == body || fd.Message() == nil || fd.IsList() || fd.IsMap() || scalarForm(fd.Message()) {
			return true
		}
		var below []chain
		for _, c := range vars {
			if c.fields[0].Number() == fd.Number() && len(c.fields) > 1 {
				below = append(below, chain{fields: c.fields[1:]})
			}
		}
		dropEmpty(v.Message(), "", below)
		empty := true
		v.Message().Range(func(protoreflect.FieldDescriptor, protoreflect.Value) bool {
			empty = false
			return false
		})
		if empty && len(below) == 0 {
			m.Clear(fd)
		}
		return true
	})
}

// requireReason demands a good reason for a message that no request was made of.
func requireReason(t testing.TB, u *universe, m *dynamicpb.Message, vars []chain, err error) {
	t.Helper()
	var re *rpc.Error
	require.ErrorAs(t, err, &re)
	if _, printErr := u.printJSON(m); printErr != nil {
		return // it has no JSON form either
	}
	if strings.Contains(re.Message, "has no form in a query") || strings.Contains(re.Message, "is no media type") {
		return // an extension, or a google.api.HttpBody that no header can have
	}
	require.Equal(t, rpc.InvalidPath, re.Reason, "%v", err)
	for _, c := range vars {
		if c.name != re.Violations[0].Field {
			continue
		}
		v, set := c.value(m)
		last := c.fields[len(c.fields)-1]
		if strings.Contains(re.Message, "is empty") {
			text := last.Kind() == protoreflect.StringKind || last.Kind() == protoreflect.BytesKind || last.Message() != nil
			require.True(t, !set || text, "%v: %v", err, v)
			return
		}
		text := v.String()
		if last.Message() != nil { // a wrapper
			text = v.Message().Get(last.Message().Fields().ByNumber(1)).String()
		}
		parts := strings.Split(text, "/")
		require.True(t, slices.Contains(parts, ".") || slices.Contains(parts, "..") || parts[0] == "", "%v: %q", err, text)
		return
	}
	require.Fail(t, "no such variable", "%v", err)
}

// TestQueriesOfRandomMessages makes a query of all that has a form in one, and binds
// it: the message comes back without the rest.
func TestQueriesOfRandomMessages(t *testing.T) {
	check := func(t *testing.T, g *valueGen, md protoreflect.MessageDescriptor) {
		if special(md) && md.FullName() != "google.protobuf.Empty" {
			return
		}
		for _, wire := range oddWires(t, g, md) {
			compareQuery(t, g.u, md, wire)
			if _, err := g.u.codec.Message(md.FullName()).Without(nil).AppendQuery(nil, damaged(g.r, wire), &reused); err != nil {
				checkError(t, err)
			}
		}
	}
	t.Run("fixed", func(t *testing.T) { fixedEach(t, 10, check) })
	t.Run("random", func(t *testing.T) { each(t, 20, check) })
}

func compareQuery(t testing.TB, u *universe, md protoreflect.MessageDescriptor, wire []byte) {
	t.Helper()
	m, err := u.parseWire(md, wire)
	if err != nil {
		return
	}
	root := u.codec.Message(md.FullName())
	out, ok := formless(root, m, nil)
	query, err := root.Without(out).AppendQuery(slices.Clone(prefix), wire, &reused)
	require.Equal(t, prefix, query[:len(prefix)])
	if err != nil {
		checkError(t, err)
		if _, printErr := u.printJSON(m); ok {
			require.Error(t, printErr, "%v", err)
		}
		return
	}
	require.True(t, ok, "an extension was lost")
	back, err := inbound.Compile(u.codec, md, md, &httprule.Binding{Method: "GET", Template: &httprule.Template{}},
		inbound.Options{MaxDepth: deep, MaxQueryParameters: 1 << 20})
	require.NoError(t, err)
	got, err := back.Bind(nil, &inbound.Request{RawQuery: string(query[len(prefix):])}, &roundScratch)
	var pe *inbound.Error
	if errors.As(err, &pe) && pe.Place == inbound.InMessage {
		return // the rest was required
	}
	require.NoError(t, err, "%s", query)
	parsed, err := u.parseWire(md, got)
	require.NoError(t, err)
	for _, path := range out {
		at := protoreflect.Message(m)
		for i, f := range path {
			fd := at.Descriptor().Fields().ByNumber(f.Number())
			if i == len(path)-1 {
				at.Clear(fd)
				break
			}
			at = at.Get(fd).Message()
		}
	}
	dropEmpty(m, "", nil)
	require.True(t, u.same(t, m, parsed), "message %v\nquery %s\ncame back as %v", m, query, parsed)
}

// formless are the fields that are set in m and have no form in a query, ok unless
// there is an extension among them.
func formless(at *codec.Message, m protoreflect.Message, parents []*codec.Field) (out [][]*codec.Field, ok bool) {
	ok = true
	m.Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if fd.IsExtension() {
			ok = false
			return true
		}
		f := at.FieldByNumber(fd.Number())
		here := append(slices.Clone(parents), f)
		switch {
		case plain(fd):
			below, fine := formless(f.Message(), v.Message(), here)
			out, ok = append(out, below...), ok && fine
		case fd.IsMap() || fd.Message() != nil && !scalarForm(fd.Message()) && fd.Message().FullName() != "google.protobuf.Empty",
			fd.IsList() && fd.Message() != nil && !scalarForm(fd.Message()):
			out = append(out, here)
		}
		return true
	})
	return out, ok
}
