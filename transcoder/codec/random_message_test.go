package codec_test

import (
	"math"
	"math/rand/v2"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// valueGen fills messages with random values, mostly ones that have a JSON
// form.
type valueGen struct {
	r *rand.Rand
	u *universe
	// odd is the chance, one in odd, of a value without a JSON form where a
	// type has such values; 0 is none.
	odd int
	// full sets every field that is not in a oneof.
	full bool
	// budget is how many more fields the message may get; required ones come
	// on top.
	budget int
}

func (g *valueGen) one(in int) bool { return g.r.IntN(in) == 0 }

func (g *valueGen) isOdd() bool { return g.odd > 0 && g.r.IntN(g.odd) == 0 }

// message is a random message; depth bounds how deep it nests.
func (g *valueGen) message(md protoreflect.MessageDescriptor, depth int) *dynamicpb.Message {
	m := dynamicpb.NewMessage(md)
	if outer := g.budget; outer == 0 {
		g.budget = 10 + g.r.IntN(100)
		defer func() { g.budget = 0 }()
	}
	g.fill(m, depth)
	return m
}

func (g *valueGen) fill(m protoreflect.Message, depth int) {
	md := m.Descriptor()
	if g.wellKnown(m, depth) {
		return
	}
	density := 1 + g.r.IntN(6)
	set := func(fd protoreflect.FieldDescriptor) {
		required := fd.Cardinality() == protoreflect.Required
		want := g.one(density) || required && !g.isOdd() || g.full && fd.ContainingOneof() == nil
		if !want || depth <= 0 && fd.Message() != nil && !required || g.budget <= 1 && !required {
			return
		}
		g.budget = max(g.budget-1, 1)
		// Required cycles have to end somewhere.
		if depth < -4 && fd.Message() != nil {
			return
		}
		g.set(m, fd, depth)
	}
	for i := range md.Fields().Len() {
		set(md.Fields().Get(i))
	}
	for _, xd := range g.u.extensions[md.FullName()] {
		set(xd)
	}
}

func (g *valueGen) set(m protoreflect.Message, fd protoreflect.FieldDescriptor, depth int) {
	switch {
	case fd.IsMap():
		for range 1 + g.r.IntN(4) {
			k := g.scalar(fd.MapKey()).MapKey()
			v := m.Mutable(fd).Map()
			if fd.MapValue().Message() != nil {
				e := v.NewValue()
				g.fill(e.Message(), depth-1)
				v.Set(k, e)
			} else {
				v.Set(k, g.scalar(fd.MapValue()))
			}
		}
	case fd.IsList():
		list := m.Mutable(fd).List()
		for range 1 + g.r.IntN(4) {
			if fd.Message() != nil {
				g.fill(list.AppendMutable().Message(), depth-1)
			} else {
				list.Append(g.scalar(fd))
			}
		}
	case fd.Message() != nil:
		g.fill(m.Mutable(fd).Message(), depth-1)
	default:
		m.Set(fd, g.scalar(fd))
	}
}

var int64s = []int64{
	0, 1, -1, 2, 9, 10, 127, 128, 255, 256, 16383, 16384, 1 << 21, 999999999, 1000000000, math.MaxInt32, math.MinInt32,
	math.MaxUint32, 1 << 53, 1<<53 + 1, -(1<<53 + 1), math.MaxInt64, math.MinInt64, 1000000007, -123456789012345678,
}

var float64s = []float64{
	0, math.Copysign(0, -1), 1, -1, 0.1, 1.5, 1e6, 1e21, 1e20, 1e-6, 1e-7, 123456789.125, math.MaxFloat64, math.SmallestNonzeroFloat64,
	math.MaxFloat32, math.SmallestNonzeroFloat32, 1 << 53, 1<<53 + 2, math.Pi, 1.0 / 3, 16777217, 5e-324, 2.5e-8,
}

var texts = []string{
	"", "a", "abc", "null", "true", "1", "\x00", "\x1f", "\x7f", "\"", "\\", "/", "\b\f\n\r\t", "é", "日本語", "😀", "\u2028\u2029", "<&>",
	"\uFFFD", "\U0010FFFF", "a b", "x=y&z", strings.Repeat("long ", 60), "\u0080\u07ff\u0800", "%2F",
}

func (g *valueGen) scalar(fd protoreflect.FieldDescriptor) protoreflect.Value {
	n := int64s[g.r.IntN(len(int64s))]
	if g.one(3) {
		n = int64(g.r.Uint64() >> g.r.IntN(64))
	}
	switch fd.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(g.one(2))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(int32(n))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(n)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(uint32(n))
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return protoreflect.ValueOfUint64(uint64(n))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(float32(g.float()))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(g.float())
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(g.text())
	case protoreflect.BytesKind:
		b := make([]byte, g.r.IntN(6))
		for i := range b {
			b[i] = byte(g.r.Uint32())
		}
		return protoreflect.ValueOfBytes(b)
	case protoreflect.EnumKind:
		values := fd.Enum().Values()
		if !fd.Enum().IsClosed() && g.one(6) {
			return protoreflect.ValueOfEnum(protoreflect.EnumNumber(int32(n)))
		}
		return protoreflect.ValueOfEnum(values.Get(g.r.IntN(values.Len())).Number())
	}
	panic("not a scalar: " + fd.Kind().String())
}

func (g *valueGen) float() float64 {
	switch g.r.IntN(6) {
	case 0:
		return math.Float64frombits(g.r.Uint64())
	case 1:
		return []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[g.r.IntN(3)]
	default:
		return float64s[g.r.IntN(len(float64s))]
	}
}

func (g *valueGen) text() string {
	if g.one(4) {
		return texts[g.r.IntN(len(texts))] + texts[g.r.IntN(len(texts))]
	}
	return texts[g.r.IntN(len(texts))]
}

// wellKnown fills a well-known type that has a JSON form of its own; it reports
// whether m is one.
func (g *valueGen) wellKnown(m protoreflect.Message, depth int) bool {
	md := m.Descriptor()
	field := func(n protoreflect.FieldNumber) protoreflect.FieldDescriptor { return md.Fields().ByNumber(n) }
	switch md.FullName() {
	case "google.protobuf.Timestamp":
		const min, max = -62135596800, 253402300799
		seconds := []int64{0, 1, -1, min, max, 1700000000, 951782400, 68169600, 4107542400}[g.r.IntN(9)]
		if g.isOdd() {
			seconds = []int64{min - 1, max + 1, math.MaxInt64}[g.r.IntN(3)]
		}
		m.Set(field(1), protoreflect.ValueOfInt64(seconds))
		m.Set(field(2), protoreflect.ValueOfInt32(g.nanos(false)))
	case "google.protobuf.Duration":
		const max = 315576000000
		seconds := []int64{0, 1, 59, max, 3600, 123456789}[g.r.IntN(6)]
		negative := g.one(2)
		if negative {
			seconds = -seconds
		}
		if g.isOdd() {
			seconds = []int64{max + 1, -max - 1, 5, -5}[g.r.IntN(4)]
		}
		m.Set(field(1), protoreflect.ValueOfInt64(seconds))
		m.Set(field(2), protoreflect.ValueOfInt32(g.nanos(negative)))
	case "google.protobuf.FieldMask":
		paths := []string{"a", "foo_bar", "foo_bar.baz_qux", "a.b.c", "f_1", "x1", "a_b_c_d", "Upper"}
		odd := []string{"fooBar", "a__b", "_a", "a_", "a_1", "1a", "", "a,b", "a b", "é"}
		for range g.r.IntN(4) {
			p := paths[g.r.IntN(len(paths)-1)]
			if g.isOdd() {
				p = odd[g.r.IntN(len(odd))]
			}
			m.Mutable(field(1)).List().Append(protoreflect.ValueOfString(p))
		}
	case "google.protobuf.Any":
		if g.one(4) || depth <= 0 {
			return true
		}
		inner := randomMessage(g.r, g.u)
		value, err := proto.MarshalOptions{AllowPartial: true, Deterministic: true}.Marshal(g.message(inner, depth-2))
		if err != nil {
			return true
		}
		prefix := []string{"type.googleapis.com/", "example.com/a/b/", "/"}[g.r.IntN(3)]
		url := prefix + string(inner.FullName())
		if g.isOdd() {
			url = []string{string(inner.FullName()), "type.googleapis.com/none.Such", "", "type.googleapis.com/", "\n/" + string(inner.FullName())}[g.r.IntN(5)]
		}
		m.Set(field(1), protoreflect.ValueOfString(url))
		m.Set(field(2), protoreflect.ValueOfBytes(value))
	case "google.protobuf.Value":
		if g.isOdd() {
			return true // no kind is set
		}
		kind := 1 + g.r.IntN(6)
		if depth <= 0 {
			kind = 1 + g.r.IntN(4)
		}
		fd := field(protoreflect.FieldNumber(kind))
		switch kind {
		case 1:
			m.Set(fd, protoreflect.ValueOfEnum(0))
		case 2:
			f := g.float()
			for !g.isOdd() && (math.IsNaN(f) || math.IsInf(f, 0)) {
				f = g.float()
			}
			m.Set(fd, protoreflect.ValueOfFloat64(f))
		case 3, 4:
			m.Set(fd, g.scalar(fd))
		default:
			g.fill(m.Mutable(fd).Message(), depth-1)
		}
	case "google.protobuf.Struct":
		if depth > 0 {
			for range g.r.IntN(4) {
				fields := m.Mutable(field(1)).Map()
				v := fields.NewValue()
				g.fill(v.Message(), depth-1)
				fields.Set(protoreflect.ValueOfString(g.text()).MapKey(), v)
			}
		}
	case "google.protobuf.ListValue":
		if depth > 0 {
			for range g.r.IntN(4) {
				g.fill(m.Mutable(field(1)).List().AppendMutable().Message(), depth-1)
			}
		}
	default:
		return false
	}
	return true
}

func (g *valueGen) nanos(negative bool) int32 {
	n := []int32{0, 1, 10, 1000, 123000, 1000000, 120000000, 999999999, 100000000}[g.r.IntN(9)]
	if g.isOdd() {
		return []int32{1000000000, -1000000000, math.MaxInt32, 5, -5}[g.r.IntN(5)]
	}
	if negative {
		return -n
	}
	return n
}

// rearranged is wire data for the same message or one like it, in another shape:
// fields shuffled, doubled, left out, split in two, packed or expanded, lengths in more
// bytes than they need, unknown fields between. It may differ from the original
// in meaning; what matters is that both sides read it alike.
func (g *valueGen) rearranged(md protoreflect.MessageDescriptor, wire []byte, depth int) []byte {
	type record struct {
		num protowire.Number
		typ protowire.Type
		b   []byte // tag and value
		v   []byte // value, for BytesType without its length, for groups without the end
	}
	var records []record
	for b := wire; len(b) > 0; {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return wire
		}
		l := protowire.ConsumeFieldValue(num, typ, b[n:])
		if l < 0 {
			return wire
		}
		r := record{num: num, typ: typ, b: b[:n+l], v: b[n : n+l]}
		switch typ {
		case protowire.BytesType:
			r.v, _ = protowire.ConsumeBytes(b[n:])
		case protowire.StartGroupType:
			r.v, _ = protowire.ConsumeGroup(num, b[n:])
		}
		records = append(records, r)
		b = b[n+l:]
	}

	var out []record
	for _, r := range records {
		fd := md.Fields().ByNumber(r.num)
		if fd == nil {
			if xt, err := g.u.types.FindExtensionByNumber(md.FullName(), r.num); err == nil {
				fd = xt.TypeDescriptor()
			}
		}
		nested := fd != nil && fd.Message() != nil && (r.typ == protowire.BytesType || r.typ == protowire.StartGroupType)
		switch {
		case nested && depth > 0 && g.one(2):
			inner := g.rearranged(fd.Message(), r.v, depth-1)
			cut := fieldBoundary(g.r, inner)
			if fd.IsList() || fd.IsMap() || !g.one(2) {
				cut = len(inner)
			}
			r.b = appendMessage(nil, r.num, r.typ, inner[:cut])
			out = append(out, r)
			if cut < len(inner) {
				second := r
				second.b = appendMessage(nil, r.num, r.typ, inner[cut:])
				out = append(out, second)
			}
		case fd != nil && fd.IsList() && fd.Message() == nil && r.typ == protowire.BytesType && packable(fd.Kind()) && g.one(2):
			// Expand a packed list, or part of it.
			rest := r.v
			for len(rest) > 0 && !g.one(8) {
				n := protowire.ConsumeFieldValue(r.num, wireType(fd.Kind()), rest)
				if n < 0 {
					return wire
				}
				e := r
				e.b = append(protowire.AppendTag(nil, r.num, wireType(fd.Kind())), rest[:n]...)
				out = append(out, e)
				rest = rest[n:]
			}
			if len(rest) > 0 {
				e := r
				e.b = appendMessage(nil, r.num, protowire.BytesType, rest)
				out = append(out, e)
			}
		case fd != nil && fd.IsList() && packable(fd.Kind()) && r.typ == wireType(fd.Kind()) && g.one(2):
			r.b = appendMessage(nil, r.num, protowire.BytesType, r.v)
			out = append(out, r)
		case r.typ == protowire.VarintType && g.one(8):
			r.b = append(protowire.AppendTag(nil, r.num, r.typ), longVarint(g.r, r.v)...)
			out = append(out, r)
		default:
			out = append(out, r)
		}
	}
	if len(out) > 0 && g.one(3) {
		out = append(out, out[g.r.IntN(len(out))])
	}
	if len(out) > 0 && g.one(20) {
		i := g.r.IntN(len(out))
		out = append(out[:i], out[i+1:]...)
	}
	if g.one(2) {
		g.r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	}
	var b []byte
	for _, r := range out {
		if g.one(12) {
			b = g.unknown(b, md)
		}
		b = append(b, r.b...)
	}
	return b
}

// unknown appends a field that md does not have, or has with another type.
func (g *valueGen) unknown(b []byte, md protoreflect.MessageDescriptor) []byte {
	num := protowire.Number(1 + g.r.IntN(4000))
	if fds := md.Fields(); fds.Len() > 0 && g.one(2) {
		num = fds.Get(g.r.IntN(fds.Len())).Number()
	}
	switch g.r.IntN(5) {
	case 0:
		return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), g.r.Uint64())
	case 1:
		return protowire.AppendFixed32(protowire.AppendTag(b, num, protowire.Fixed32Type), g.r.Uint32())
	case 2:
		return protowire.AppendFixed64(protowire.AppendTag(b, num, protowire.Fixed64Type), g.r.Uint64())
	case 3:
		return protowire.AppendBytes(protowire.AppendTag(b, num, protowire.BytesType), []byte{8, 1})
	default:
		return appendMessage(b, num, protowire.StartGroupType, []byte{8, 1})
	}
}

func appendMessage(b []byte, num protowire.Number, typ protowire.Type, inner []byte) []byte {
	b = protowire.AppendTag(b, num, typ)
	if typ == protowire.StartGroupType {
		return protowire.AppendTag(append(b, inner...), num, protowire.EndGroupType)
	}
	return protowire.AppendBytes(b, inner)
}

// fieldBoundary is a random place between two fields of a message.
func fieldBoundary(r *rand.Rand, b []byte) int {
	cuts := []int{0}
	for at := 0; at < len(b); {
		_, _, n := protowire.ConsumeField(b[at:])
		if n < 0 {
			return len(b)
		}
		at += n
		cuts = append(cuts, at)
	}
	return cuts[r.IntN(len(cuts))]
}

func packable(k protoreflect.Kind) bool {
	switch k {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind, protoreflect.GroupKind:
		return false
	}
	return true
}

func wireType(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	}
	return protowire.VarintType
}

// longVarint writes a varint in more bytes than it needs.
func longVarint(r *rand.Rand, b []byte) []byte {
	if len(b) >= 9 {
		return b
	}
	long := append([]byte(nil), b...)
	long[len(long)-1] |= 0x80
	for range r.IntN(9 - len(long)) {
		long = append(long, 0x80)
	}
	return append(long, 0)
}

// damaged is data with a few bytes changed, cut or repeated.
func damaged(r *rand.Rand, data []byte) []byte {
	b := append([]byte(nil), data...)
	for range 1 + r.IntN(3) {
		if len(b) == 0 {
			return []byte{byte(r.Uint32())}
		}
		at := r.IntN(len(b))
		switch r.IntN(5) {
		case 0:
			b[at] = byte(r.Uint32())
		case 1:
			b[at] ^= 1 << r.IntN(8)
		case 2:
			b = b[:at]
		case 3:
			b = append(b[:at], b[at+1:]...)
		default:
			end := min(len(b), at+1+r.IntN(8))
			b = append(b[:end:end], b[at:]...)
		}
	}
	return b
}
