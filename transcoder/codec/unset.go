package codec

import (
	"cmp"
	"math"
	"slices"
	"sort"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Fields that are not set, in the form that shows them. What is printed of
// each is known from the start, so it is in the table, and a message that is
// being printed only has to know which of them are still to come.

// unset is what is printed of a field that is not set.
type unset struct {
	number uint32
	text   string // `,"name":0`
}

// afterAll is beyond every field number.
const afterAll = math.MaxUint32

// compileUnset fills m.unset, after all fields. The fields that it is for have
// no presence; this leaves out messages and members of oneofs. A map's entry
// shows both its fields in any case.
func (m *Message) compileUnset() {
	for i := range m.fields {
		f := &m.fields[i]
		if f.extension || !f.implicit && f.shape == shapeOne {
			continue
		}
		m.unset = append(m.unset, unset{uint32(f.number), f.comma + string(f.appendZero(nil))})
	}
	sort.Slice(m.unset, func(i, j int) bool { return m.unset[i].number < m.unset[j].number })
	for i := range m.fields {
		m.fields[i].involved = m.fields[i].involved || len(m.unset) > 0
	}
}

// appendZero appends what an empty list or map, or a zero, is in JSON. The
// field is no message.
func (f *Field) appendZero(out []byte) []byte {
	switch {
	case f.shape == shapeMap:
		return append(out, '{', '}')
	case f.shape != shapeOne:
		return append(out, '[', ']')
	case f.kind == protoreflect.StringKind || f.kind == protoreflect.BytesKind:
		return append(out, '"', '"')
	case f.enum != nil:
		return f.enum.append(out, f.enum.first)
	}
	return appendNumber(out, f, 0)
}

// appendUnset appends those in rest that come before a field, as far as only
// selects them, and returns those that come after it.
func appendUnset(out []byte, rest []unset, number uint32, only *maskNode) ([]byte, []unset) {
	for len(rest) > 0 && rest[0].number < number {
		if _, shown := only.part(rest[0].number); shown {
			out = append(out, rest[0].text...)
		}
		rest = rest[1:]
	}
	if len(rest) > 0 && rest[0].number == number {
		rest = rest[1:]
	}
	return out, rest
}

// unsetBetween appends those that come after one field and before another, for
// a message that is written as it is read. It notes where each begins: a field
// that comes late may belong before it, or be the same, which takes careful
// mode.
func (p *printer) unsetBetween(out []byte, m *Message, after, before uint32) []byte {
	at, _ := slices.BinarySearchFunc(m.unset, after+1, func(u unset, n uint32) int { return cmp.Compare(u.number, n) })
	for _, u := range m.unset[at:] {
		if u.number >= before {
			break
		}
		p.places = append(p.places, place{u.number, len(out)})
		out = append(out, u.text...)
	}
	return out
}

// selected makes the printer go by a mask, which takes careful mode. It does
// nothing if no field is printed that is not set, or the mask selects all.
func (p *printer) selected(m *Message, k *Mask) {
	if m.codec.print.UnsetFields && !k.root.all {
		p.careful, p.only = true, k.root
	}
}

// find is the node's entry for a field, nil if it is not selected. The mask may
// be of another codec of the schema, so it goes by the number.
func (n *maskNode) find(number uint32) *maskField {
	i, ok := slices.BinarySearchFunc(n.fields, number, func(e maskField, n uint32) int { return cmp.Compare(uint32(e.field.number), n) })
	if !ok {
		return nil
	}
	return &n.fields[i]
}

// part says whether n, nil for everything, selects a field, and what of the messages
// in it, nil for all.
func (n *maskNode) part(number uint32) (below *maskNode, selected bool) {
	if n == nil || n.all {
		return nil, true
	}
	e := n.find(number)
	switch {
	case e == nil:
		return nil, n.except
	case e.below == nil:
		return nil, !n.except
	}
	return e.below, true
}

// inside is what is selected of the messages in f, which is selected, nil if
// they are selected whole.
func (n *maskNode) inside(f *Field) *maskNode {
	e := n.find(uint32(f.number))
	if e != nil && e.below != nil && f.shape == shapeMap {
		e = e.below.find(2) // below it are key and value
	}
	if e == nil {
		return nil
	}
	return e.below
}
