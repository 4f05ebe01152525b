package validate

import (
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
	if depth <= 0 || s.full() {
		return nil
	}
	base := s.grow(len(m.fields) + len(m.oneofs))
	for pos := 0; pos < len(wire); {
		num, typ, tag := consumeTag(wire[pos:])
		if tag < 0 {
			return broken(tag)
		}
		from := pos
		pos += tag
		i := m.find(num)
		if i < 0 {
			n := protowire.ConsumeFieldValue(num, typ, wire[pos:])
			if n < 0 {
				return broken(n)
			}
			pos += n
			continue
		}
		n, err := s.occurrence(m, base, i, num, typ, wire, from, pos, depth)
		if err != nil {
			return err
		}
		pos += n
	}
	for i := range m.fields {
		if s.full() {
			break
		}
		if err := s.field(&m.fields[i], s.slots[base+i], wire, depth); err != nil {
			return err
		}
	}
	s.together(m, base)
	s.slots = s.slots[:base]
	if m.program != nil {
		return s.program(m.program, wire)
	}
	return nil
}

func broken(n int) error { return fmt.Errorf("the message is broken: %w", protowire.ParseError(n)) }

// consumeTag is [protowire.ConsumeTag], quicker for tags of one byte.
func consumeTag(b []byte) (protowire.Number, protowire.Type, int) {
	if c := b[0]; c >= 1<<3 && c < 0x80 {
		return protowire.Number(c >> 3), protowire.Type(c & 7), 1
	}
	return protowire.ConsumeTag(b)
}

// occurrence notes one value, or checks it if it is an item. The field begins at
// from and its value at pos, and n is the length of the value.
func (s *Scratch) occurrence(m *message, base, i int, num protowire.Number, typ protowire.Type, wire []byte, from, pos, depth int) (n int, err error) {
	f := &m.fields[i]
	d, n := s.datum(num, typ, wire[pos:])
	if n < 0 {
		return 0, broken(n)
	}
	expected := f.value.wire
	if f.shape == mapping {
		expected = protowire.BytesType
	}
	if typ != expected {
		if f.shape == list && typ == protowire.BytesType && expected != protowire.StartGroupType {
			return n, s.packed(f, base+i, d.b)
		}
		return n, nil // an unknown field to every parser
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
	switch {
	case f.shape == list:
		return n, s.item(f, slot.count-1, d, depth)
	case typ == protowire.BytesType:
		slot.start, slot.end = pos+n-len(d.b), pos+n
	case typ == protowire.StartGroupType:
		slot.start, slot.end = pos, pos+len(d.b)
	default:
		slot.bits = d.bits
	}
	return n, nil
}

var zeroSlot slot

// datum reads a value.
func (s *Scratch) datum(num protowire.Number, typ protowire.Type, wire []byte) (d datum, n int) {
	switch typ {
	case protowire.VarintType:
		if len(wire) > 0 && wire[0] < 0x80 {
			return datum{bits: uint64(wire[0])}, 1
		}
		d.bits, n = protowire.ConsumeVarint(wire)
	case protowire.Fixed32Type:
		var bits uint32
		bits, n = protowire.ConsumeFixed32(wire)
		d.bits = uint64(bits)
	case protowire.Fixed64Type:
		d.bits, n = protowire.ConsumeFixed64(wire)
	case protowire.BytesType:
		d.b, n = protowire.ConsumeBytes(wire)
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
		d, n := s.datum(f.number, f.value.wire, wire)
		if n < 0 {
			return broken(n)
		}
		wire = wire[n:]
		s.slots[at].count++
		if err := s.item(f, s.slots[at].count-1, d, 0); err != nil {
			return err
		}
	}
	return nil
}

// item checks an item of a list.
func (s *Scratch) item(f *field, index int, d datum, depth int) error {
	if len(f.value.checks) == 0 && f.value.table == nil {
		return nil
	}
	s.path = append(s.path, step{field: f, index: index})
	err := s.value(&f.value, d, depth)
	s.pop()
	return err
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

// field checks what a message says of one field, once it has been read.
func (s *Scratch) field(f *field, sl slot, wire []byte, depth int) error {
	if !f.present(&sl) {
		if f.required {
			s.push(f)
			s.violate("", "required", "value is required")
			s.pop()
			return nil
		}
		if f.skipUnset {
			return nil
		}
	}
	if len(f.checks)+len(f.value.checks)+len(f.key.checks) == 0 && f.value.table == nil {
		return nil
	}
	s.push(f)
	defer s.pop()
	switch f.shape {
	case list:
		return s.counts(f, sl.count, wire)
	case mapping:
		return s.pairs(f, sl, wire, depth)
	}
	d := datum{bits: sl.bits}
	switch {
	case !f.value.isMessage():
		if f.value.class == text {
			d.b = wire[sl.start:sl.end]
		}
	case sl.count == 1:
		d.b = wire[sl.start:sl.end]
	default:
		base := len(s.merged)
		defer func() { s.merged = s.merged[:base] }()
		var err error
		if d.b, err = s.merge(f.number, f.value.wire, wire[sl.from:]); err != nil {
			return err
		}
	}
	return s.value(&f.value, d, depth)
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

// value checks one value; the path leads to it.
func (s *Scratch) value(v *value, d datum, depth int) error {
	if v.skipZero && v.zero(d) {
		return nil
	}
	for i := range v.checks {
		ok, err := s.holds(&v.checks[i], v, d)
		if err != nil {
			return err
		}
		if !ok {
			s.violate("", v.checks[i].id, v.checks[i].message)
		}
	}
	if v.table == nil {
		return nil
	}
	return s.message(v.table, d.b, depth-1)
}

// holds reports whether a value keeps a rule.
func (s *Scratch) holds(c *check, v *value, d datum) (bool, error) {
	switch v.class {
	case number:
		return c.numberHolds(ordered(v.kind, d.bits), isFloat(v.kind)), nil
	case text:
		return c.textHolds(view(d.b)), nil
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
			s.violate("", c.id, c.message)
		}
	}
	return nil
}

// unique reports whether no two items of a list are equal.
func (s *Scratch) unique(f *field, wire []byte) (bool, error) {
	base := len(s.entries)
	defer func() { s.drop(base) }()
	of := f.value.wire
	for len(wire) > 0 {
		num, typ, value, n := consume(wire)
		if n < 0 {
			return false, broken(n)
		}
		wire = wire[n:]
		switch {
		case num != f.number:
		case typ == protowire.BytesType && of == protowire.BytesType:
			s.entries = append(s.entries, entry{value: datum{b: value}})
		case typ == of:
			s.entry(f.value.kind, bitsOf(value, of))
		case typ == protowire.BytesType:
			for len(value) > 0 {
				d, n := s.datum(num, of, value)
				if n < 0 {
					return false, broken(n)
				}
				value = value[n:]
				s.entry(f.value.kind, d.bits)
			}
		}
	}
	items := s.entries[base:]
	slices.SortFunc(items, compareItems)
	for i := 1; i < len(items); i++ {
		if compareItems(items[i-1], items[i]) == 0 {
			return false, nil
		}
	}
	return true, nil
}

// entry notes a number of a list; what is none is equal to nothing.
func (s *Scratch) entry(kind protoreflect.Kind, bits uint64) {
	if n := ordered(kind, bits); n != notANumber || !isFloat(kind) {
		s.entries = append(s.entries, entry{value: datum{bits: n}})
	}
}

// pairs checks a map.
func (s *Scratch) pairs(f *field, sl slot, wire []byte, depth int) error {
	base, merged := len(s.entries), len(s.merged)
	defer func() {
		s.drop(base)
		s.merged = s.merged[:merged]
	}()
	if sl.count > 0 {
		if err := s.collect(f, wire[sl.from:]); err != nil {
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
			s.violate("", c.id, c.message)
		}
	}
	for i := range n {
		if s.full() {
			break
		}
		pair := s.entries[base+i]
		top := s.top()
		top.keyed, top.key = true, pair.key
		if len(f.key.checks) > 0 {
			if err := s.value(&f.key, pair.key, depth); err != nil {
				return err
			}
		}
		if err := s.value(&f.value, pair.value, depth); err != nil {
			return err
		}
	}
	return nil
}

// collect adds the pairs of a map.
func (s *Scratch) collect(f *field, wire []byte) error {
	at := 0
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
			d, n := s.datum(num, typ, rest[tag:])
			if n < 0 {
				return broken(n)
			}
			rest = rest[tag+n:]
			switch {
			case num == 1 && typ == f.key.wire:
				e.key = d
			case num == 2 && typ == f.value.wire:
				e.value = d
				parts++
			}
		}
		if parts > 1 && f.value.isMessage() {
			var err error
			if e.value.b, err = s.merge(2, f.value.wire, pair); err != nil {
				return err
			}
		}
		if f.key.wire != protowire.BytesType {
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
			s.violate(o.name, "required", "exactly one field is required in oneof")
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
			s.violate("", "message.oneof", g.many)
		case n == 0 && g.required:
			s.violate("", "message.oneof", g.few)
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
