package validate

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// A message is walked once. Items of lists are checked as they come, since nothing
// that follows can change them. Of everything else only the place of the last value
// is noted, in a slot, and checked when the message has been read: a field
// may come again, another member of its oneof may displace it, a pair of a map may be
// replaced. The rare rest (maps, unique lists, sub-messages in several parts) reads
// the message a second time for that field alone.

// message checks one message of the type m.
func (s *Scratch) message(m *message, wire []byte, depth int) error {
	if s.full() {
		return nil
	}
	if depth <= 0 {
		return ErrDepth
	}
	base := s.grow(len(m.fields) + len(m.oneofs))
	for pos := 0; pos < len(wire); {
		from := pos
		var num protowire.Number
		var typ protowire.Type
		i := -1
		if c := wire[pos]; c >= 1<<3 && c < 0x80 {
			// A tag of one byte: numbers up to 15.
			num, typ = protowire.Number(c>>3), protowire.Type(c&7)
			pos++
			if int(num) < len(m.dense) {
				i = int(m.dense[num]) - 1
			}
		} else {
			var n int
			if num, typ, n = protowire.ConsumeTag(wire[pos:]); n < 0 {
				return broken(n)
			}
			pos += n
			i = m.find(num)
		}
		if i < 0 {
			n := skip(num, typ, wire[pos:])
			if n < 0 {
				return broken(n)
			}
			pos += n
			continue
		}
		d, n := readDatum(num, typ, wire[pos:])
		if n < 0 {
			return broken(n)
		}
		f := &m.fields[i]
		if f.plain && typ == f.wire {
			// Most fields: noted here, without a call.
			at := &s.slots[base+i]
			if at.count++; at.count == 1 {
				at.from = from
			}
			at.bits, at.start, at.end = d.bits, pos+n-len(d.b), pos+n
		} else if err := s.occurrence(m, base, i, typ, d, from, pos, pos+n, depth); err != nil {
			return err
		}
		pos += n
	}
	for _, i := range m.after {
		if s.full() {
			break
		}
		if err := s.field(&m.fields[i], base+int(i), wire, depth); err != nil {
			return err
		}
	}
	if len(m.oneofs)+len(m.groups) > 0 {
		s.together(m, base)
	}
	s.slots = s.slots[:base]
	if m.program != nil {
		return s.program(m.program, wire)
	}
	return nil
}

func broken(n int) error { return fmt.Errorf("the message is broken: %w", protowire.ParseError(n)) }

// occurrence notes one value, or checks it if it is an item. The field begins at
// from, and its value is what lies from start to end.
func (s *Scratch) occurrence(m *message, base, i int, typ protowire.Type, d datum, from, start, end, depth int) error {
	f := &m.fields[i]
	if typ != f.wire {
		if f.shape == list && typ == protowire.BytesType && f.wire != protowire.StartGroupType {
			return s.packed(f, base+i, d.b)
		}
		return nil // an unknown field to every parser
	}
	slot := &s.slots[base+i]
	if f.oneof >= 0 {
		// The slot of a oneof has the last member in its count.
		if last := &s.slots[base+len(m.fields)+f.oneof]; last.count != i+1 {
			if last.count > 0 {
				s.slots[base+last.count-1] = zeroSlot
			}
			last.count = i + 1
		}
	}
	if slot.count == 0 {
		slot.from = from
	}
	slot.count++
	switch typ {
	case protowire.BytesType:
		slot.start, slot.end = end-len(d.b), end
	case protowire.StartGroupType:
		slot.start, slot.end = start, start+len(d.b)
	default:
		slot.bits = d.bits
	}
	if f.shape == list && f.items {
		return s.value(f, &f.value, part{item: int32(slot.count - 1), pair: -1}, d, depth)
	}
	return nil
}

var zeroSlot slot

// skip is the length of a value, negative if the bytes are broken.
func skip(num protowire.Number, typ protowire.Type, wire []byte) int {
	if len(wire) > 0 && wire[0] < 0x80 {
		switch typ {
		case protowire.VarintType:
			return 1
		case protowire.BytesType:
			if int(wire[0]) < len(wire) {
				return 1 + int(wire[0])
			}
		}
	}
	return protowire.ConsumeFieldValue(num, typ, wire)
}

// readDatum reads a value. n is its length, negative if the bytes are broken.
func readDatum(num protowire.Number, typ protowire.Type, wire []byte) (d datum, n int) {
	switch typ {
	case protowire.VarintType:
		if len(wire) > 0 && wire[0] < 0x80 {
			return datum{bits: uint64(wire[0])}, 1
		}
		d.bits, n = protowire.ConsumeVarint(wire)
	case protowire.BytesType:
		if len(wire) > 0 && wire[0] < 0x80 && int(wire[0]) < len(wire) {
			n = 1 + int(wire[0])
			return datum{b: wire[1:n:n]}, n
		}
		d.b, n = protowire.ConsumeBytes(wire)
	case protowire.Fixed32Type:
		var bits uint32
		bits, n = protowire.ConsumeFixed32(wire)
		d.bits = uint64(bits)
	case protowire.Fixed64Type:
		d.bits, n = protowire.ConsumeFixed64(wire)
	case protowire.StartGroupType:
		d.b, n = protowire.ConsumeGroup(num, wire)
	default:
		n = protowire.ConsumeFieldValue(num, typ, wire)
	}
	return d, n
}

// packed checks the items of a packed list.
func (s *Scratch) packed(f *field, at int, wire []byte) error {
	for len(wire) > 0 {
		d, n := readDatum(f.number, f.wire, wire)
		if n < 0 {
			return broken(n)
		}
		wire = wire[n:]
		s.slots[at].count++
		if f.items {
			if err := s.value(f, &f.value, part{item: int32(s.slots[at].count - 1), pair: -1}, d, 0); err != nil {
				return err
			}
		}
	}
	return nil
}

// present reports whether the field has a value.
func (f *field) present(sl *slot) bool {
	switch {
	case sl.count == 0:
		return false
	case f.shape != single || f.presence:
		return true
	case f.value.class == text:
		return sl.end > sl.start
	default:
		return !zeroBits(f.value.kind, sl.bits)
	}
}

var requiredCheck = check{id: "required", message: "value is required"}

// field checks what a message says of one field, once it has been read. at is the
// field's slot.
func (s *Scratch) field(f *field, at int, wire []byte, depth int) error {
	sl := &s.slots[at]
	if !f.present(sl) {
		if f.required {
			s.violate(f, whole, &requiredCheck)
			return nil
		}
		if f.skipUnset {
			return nil
		}
	}
	switch f.shape {
	case list:
		return s.counts(f, sl.count, wire)
	case mapping:
		return s.pairs(f, sl.count, sl.from, wire, depth)
	}
	if len(f.value.checks) == 0 && f.value.table == nil {
		return nil
	}
	d := datum{bits: sl.bits}
	if f.value.class != number {
		d.b = wire[sl.start:sl.end]
	}
	if sl.count <= 1 || !f.value.isMessage() {
		return s.value(f, &f.value, whole, d, depth)
	}
	base := len(s.merged)
	var err error
	if d.b, err = s.merge(f.number, f.wire, wire[sl.from:]); err == nil {
		err = s.value(f, &f.value, whole, d, depth)
	}
	s.merged = s.merged[:base]
	return err
}

// merge puts the parts of a sub-message together.
func (s *Scratch) merge(number protowire.Number, of protowire.Type, wire []byte) ([]byte, error) {
	base := len(s.merged)
	for len(wire) > 0 {
		num, typ, value, n := consume(wire)
		if n < 0 {
			return nil, broken(n)
		}
		wire = wire[n:]
		if num == number && typ == of {
			if s.room -= len(value); s.room < 0 {
				return nil, errMerging
			}
			s.merged = append(s.merged, value...)
		}
	}
	return s.merged[base:len(s.merged):len(s.merged)], nil
}

// value checks one value of a field.
func (s *Scratch) value(f *field, v *value, at part, d datum, depth int) error {
	if v.skipZero && v.zero(d) {
		return nil
	}
	switch {
	case len(v.checks) == 0:
	case v.class == number:
		n, float := ordered(v.kind, d.bits), isFloat(v.kind)
		for i := range v.checks {
			if c := &v.checks[i]; !c.numberHolds(n, float) {
				s.violate(f, at, c)
			}
		}
	case v.class == text:
		for i := range v.checks {
			if c := &v.checks[i]; !c.textHolds(view(d.b)) {
				s.violate(f, at, c)
			}
		}
	default:
		for i := range v.checks {
			c := &v.checks[i]
			ok, err := s.holds(c, v, d)
			if err != nil {
				return err
			}
			if !ok {
				s.violate(f, at, c)
			}
		}
	}
	if v.table == nil {
		return nil
	}
	s.path = append(s.path, step{f, at})
	err := s.message(v.table, d.b, depth-1)
	s.pop()
	return err
}

// holds reports whether a well-known message keeps a rule.
func (s *Scratch) holds(c *check, v *value, d datum) (bool, error) {
	switch v.class {
	case wrapped:
		b, err := fieldOne(d.b, wireType(v.inner))
		if err != nil {
			return false, err
		}
		if v.inner == protoreflect.StringKind || v.inner == protoreflect.BytesKind {
			return c.textHolds(view(b)), nil
		}
		return c.numberHolds(ordered(v.inner, bitsOf(b, wireType(v.inner))), isFloat(v.inner)), nil
	case duration:
		n, err := orderedDuration(d.b)
		return c.numberHolds(n, false), err
	case instant:
		seconds, nanos, err := secondsAndNanos(d.b)
		return c.momentHolds(newMoment(seconds, nanos), s.rules.now), err
	case mask:
		return c.maskHolds(d.b)
	default: // typeURL
		b, err := fieldOne(d.b, protowire.BytesType)
		return c.textHolds(view(b)), err
	}
}

// zero reports whether an item, a key or a value is the zero value.
func (v *value) zero(d datum) bool {
	switch {
	case v.md != nil:
		return zeroMessage(v.md, d.b)
	case v.class == text:
		return len(d.b) == 0
	default:
		return ordered(v.kind, d.bits) == ordered(v.kind, 0)
	}
}

// zeroMessage reports whether a serialized message has no field that is set.
func zeroMessage(md protoreflect.MessageDescriptor, wire []byte) bool {
	for rest := wire; len(rest) > 0; {
		num, typ, value, n := consume(rest)
		if n < 0 {
			return false
		}
		rest = rest[n:]
		fd := md.Fields().ByNumber(num)
		switch {
		case fd == nil || fd.HasPresence() || fd.IsMap():
			return false
		case fd.IsList():
			if typ != protowire.BytesType || wireType(fd.Kind()) == protowire.BytesType || len(value) > 0 {
				return false
			}
		case typ != wireType(fd.Kind()):
			return false
		case typ == protowire.BytesType && len(value) > 0, typ != protowire.BytesType && !zeroBits(fd.Kind(), bitsOf(value, typ)):
			// It may be taken back by a later value.
			if again, _ := lastOf(rest, num, typ); again == nil {
				return false
			}
		}
	}
	return true
}

// lastOf is the last value of a field; nil if there is none.
func lastOf(wire []byte, number protowire.Number, of protowire.Type) (last []byte, err error) {
	for len(wire) > 0 {
		num, typ, value, n := consume(wire)
		if n < 0 {
			return nil, broken(n)
		}
		if wire = wire[n:]; num == number && typ == of {
			last = value
		}
	}
	return last, nil
}

// counts checks the rules of a list that are about all of it.
func (s *Scratch) counts(f *field, count int, wire []byte) error {
	for i := range f.checks {
		c := &f.checks[i]
		ok := true
		switch c.op {
		case opMinCount:
			ok = uint64(count) >= c.n
		case opMaxCount:
			ok = uint64(count) <= c.n
		default:
			if count > 1 {
				var err error
				if ok, err = s.unique(f, wire); err != nil {
					return err
				}
			}
		}
		if !ok {
			s.violate(f, whole, c)
		}
	}
	return nil
}

// unique reports whether no two items of a list are equal. Items are sorted, so that
// a long list costs little more than to read it.
func (s *Scratch) unique(f *field, wire []byte) (bool, error) {
	s.numbers, s.texts = s.numbers[:0], s.texts[:0]
	for len(wire) > 0 {
		num, typ, value, n := consume(wire)
		if n < 0 {
			return false, broken(n)
		}
		wire = wire[n:]
		switch {
		case num != f.number:
		case typ == protowire.BytesType && f.wire == protowire.BytesType:
			s.texts = append(s.texts, value)
		case typ == f.wire:
			s.number(f.value.kind, bitsOf(value, f.wire))
		case typ == protowire.BytesType:
			for len(value) > 0 {
				d, n := readDatum(num, f.wire, value)
				if n < 0 {
					return false, broken(n)
				}
				value = value[n:]
				s.number(f.value.kind, d.bits)
			}
		}
	}
	slices.Sort(s.numbers)
	for i := 1; i < len(s.numbers); i++ {
		if s.numbers[i-1] == s.numbers[i] {
			return false, nil
		}
	}
	slices.SortFunc(s.texts, bytes.Compare)
	for i := 1; i < len(s.texts); i++ {
		if bytes.Equal(s.texts[i-1], s.texts[i]) {
			return false, nil
		}
	}
	return true, nil
}

// number notes a number of a list; what is none is equal to nothing.
func (s *Scratch) number(kind protoreflect.Kind, bits uint64) {
	if n := ordered(kind, bits); n != notANumber || !isFloat(kind) {
		s.numbers = append(s.numbers, n)
	}
}

// pairs checks a map, of which count pairs came, the first one at from.
func (s *Scratch) pairs(f *field, count, from int, wire []byte, depth int) error {
	if !f.items && f.enough(count) {
		return nil
	}
	base, merged := len(s.entries), len(s.merged)
	defer func() {
		s.drop(base)
		s.merged = s.merged[:merged]
	}()
	if count > 0 {
		if err := s.collect(f, wire[from:]); err != nil {
			return err
		}
	}
	pairs := s.entries[base:]
	slices.SortFunc(pairs, compareKeys)
	n := 0
	for i := range pairs {
		// The last pair of a key counts.
		if i+1 == len(pairs) || !sameKey(&pairs[i], &pairs[i+1]) {
			pairs[n] = pairs[i]
			n++
		}
	}
	for i := range f.checks {
		c := &f.checks[i]
		if c.op == opMinCount && uint64(n) < c.n || c.op == opMaxCount && uint64(n) > c.n {
			s.violate(f, whole, c)
		}
	}
	for i := range n {
		if s.full() {
			break
		}
		// A copy: entries may move while the value is checked.
		pair, at := s.entries[base+i], part{item: -1, pair: int32(base + i)}
		if err := s.value(f, &f.key, at, pair.key, depth); err != nil {
			return err
		}
		if err := s.value(f, &f.value, at, pair.value, depth); err != nil {
			return err
		}
	}
	return nil
}

// enough reports whether a map keeps the rules about its size however many of its
// pairs replace others: at least one stays.
func (f *field) enough(count int) bool {
	for i := range f.checks {
		switch c := &f.checks[i]; {
		case c.op == opMinCount && uint64(min(count, 1)) < c.n, c.op == opMaxCount && uint64(count) > c.n:
			return false
		}
	}
	return true
}

// collect adds the pairs of a map.
func (s *Scratch) collect(f *field, wire []byte) error {
	of, at := wireType(f.value.kind), 0
	for len(wire) > 0 {
		num, typ, pair, n := consume(wire)
		if n < 0 {
			return broken(n)
		}
		wire = wire[n:]
		if num != f.number || typ != protowire.BytesType {
			continue
		}
		e := entry{at: at}
		at++
		parts := 0
		for rest := pair; len(rest) > 0; {
			num, typ, tag := protowire.ConsumeTag(rest)
			if tag < 0 {
				return broken(tag)
			}
			d, n := readDatum(num, typ, rest[tag:])
			if n < 0 {
				return broken(n)
			}
			rest = rest[tag+n:]
			switch {
			case num == 1 && typ == wireType(f.key.kind):
				e.key = d
			case num == 2 && typ == of:
				e.value = d
				parts++
			}
		}
		if parts > 1 && f.value.isMessage() {
			var err error
			if e.value.b, err = s.merge(2, of, pair); err != nil {
				return err
			}
		}
		if wireType(f.key.kind) != protowire.BytesType {
			e.key.bits = keyBits(f.key.kind, e.key.bits)
		}
		s.entries = append(s.entries, e)
	}
	return nil
}

// keyBits are the bits of a key without those that its kind does not have, so that
// equal keys have equal bits.
func keyBits(kind protoreflect.Kind, bits uint64) uint64 {
	switch kind {
	case protoreflect.BoolKind:
		return min(bits, 1)
	case protoreflect.Int32Kind, protoreflect.Uint32Kind, protoreflect.Sint32Kind:
		return bits & math.MaxUint32
	default:
		return bits
	}
}

// together checks the rules about several fields.
func (s *Scratch) together(m *message, base int) {
	for i := range m.oneofs {
		if o := &m.oneofs[i]; o.required && s.slots[base+len(m.fields)+i].count == 0 {
			s.violateAt(o.name, "required", "exactly one field is required in oneof")
		}
	}
	for i := range m.groups {
		g := &m.groups[i]
		n := 0
		for _, f := range g.fields {
			if m.fields[f].present(&s.slots[base+f]) {
				n++
			}
		}
		switch {
		case n > 1:
			s.violateAt("", "message.oneof", g.many)
		case n == 0 && g.required:
			s.violateAt("", "message.oneof", g.few)
		}
	}
}

// program runs the rules in CEL of a message.
func (s *Scratch) program(p Program, wire []byte) error {
	if s.full() {
		return nil
	}
	at := len(s.violations)
	all, err := p.Check(s.violations, wire)
	if err != nil {
		return err
	}
	s.violations = all[:min(len(all), s.most)]
	for i := at; i < len(s.violations); i++ {
		s.violations[i].Field = string(s.appendPath(nil, s.violations[i].Field))
	}
	return nil
}
