package validate

import (
	"bytes"
	"errors"
	"slices"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Scratch is the memory that checking needs. The zero value is ready; one
// goroutine at a time may use it, for any [Rules]. It keeps what it has grown to,
// up to some kilobytes.
type Scratch struct {
	rules      *Rules
	violations []Violation
	// most is how many violations there may be in the end.
	most int
	// path leads to the value that is being checked.
	path []step
	// slots, entries and merged are stacks: each message takes what it needs from
	// the end, and gives it back.
	slots   []slot
	entries []entry
	merged  []byte
	// numbers and texts are the items of one list.
	numbers []uint64
	texts   [][]byte
	// room is how much may still be merged.
	room int
}

// slot is what one message has said of one field so far.
type slot struct {
	// count is how often the field occurred: items, pairs, or parts of a message.
	count int
	// from is where it did first, since another member of its oneof did.
	from int
	// start and end are where its last value is, if that is text or a message.
	start, end int
	// bits are its last value, if that is a number.
	bits uint64
}

// entry is a pair of a map.
type entry struct {
	key, value datum
	// at is the place in the order of the wire.
	at int
}

// datum is a value on the wire: the bits of a number, or bytes.
type datum struct {
	bits uint64
	b    []byte
}

// step is one part of a path: a field, and an item or a pair of it.
type step struct {
	field *field
	at    part
}

// part says which value of a field is meant: an item, a pair by its place among
// the entries, or the only one.
type part struct {
	item, pair int32
}

// whole is the field itself.
var whole = part{-1, -1}

const (
	// keptSlots and keptBytes bound what a Scratch keeps.
	keptSlots = 1 << 10
	keptBytes = 64 << 10
	// maxMerging is how many times the size of a message may be copied for the sake
	// of sub-messages in several parts; serializers make none.
	maxMerging = 16
)

var errMerging = errors.New("the message has too many sub-messages in several parts")

func (s *Scratch) begin(r *Rules, dst []Violation, size int) {
	s.rules, s.violations, s.most = r, dst, len(dst)+maxViolations
	s.room = maxMerging * (size + 1<<10)
}

// end lets go of what was checked.
func (s *Scratch) end() {
	s.rules, s.violations = nil, nil
	s.path = s.path[:0]
	clear(s.texts) // they are bytes of the message
	s.slots, s.entries, s.merged = kept(s.slots, keptSlots), kept(s.entries, keptSlots), kept(s.merged, keptBytes)
	s.numbers, s.texts = kept(s.numbers, keptSlots), kept(s.texts, keptSlots)
}

// kept empties a buffer, or lets go of it if it has grown beyond most.
func kept[T any](b []T, most int) []T {
	if cap(b) > most {
		return nil
	}
	return b[:0]
}

// full says that there are enough violations.
func (s *Scratch) full() bool { return len(s.violations) >= s.most }

// violate adds a violation of a field of the message that is being checked.
func (s *Scratch) violate(f *field, at part, c *check) {
	s.path = append(s.path, step{f, at})
	s.violateAt("", c.id, c.message)
	s.pop()
}

// violateAt adds a violation at the path, and at name below it if that is not empty.
func (s *Scratch) violateAt(name, id, message string) {
	if s.full() {
		return
	}
	s.violations = append(s.violations, Violation{Field: string(s.appendPath(nil, name)), Rule: id, Message: message})
}

// appendPath writes the path, and name below it.
func (s *Scratch) appendPath(dst []byte, name string) []byte {
	for i := range s.path {
		st := &s.path[i]
		if len(dst) > 0 {
			dst = append(dst, '.')
		}
		dst = append(dst, st.field.name...)
		switch {
		case st.at.pair >= 0:
			dst = append(appendKey(append(dst, '['), &st.field.key, s.entries[st.at.pair].key), ']')
		case st.at.item >= 0:
			dst = append(strconv.AppendInt(append(dst, '['), int64(st.at.item), 10), ']')
		}
	}
	if name != "" && len(dst) > 0 {
		dst = append(dst, '.')
	}
	return append(dst, name...)
}

func (s *Scratch) pop() { s.path = s.path[:len(s.path)-1] }

// drop gives the entries from base on back.
func (s *Scratch) drop(base int) {
	clear(s.entries[base:]) // they hold bytes of the message
	s.entries = s.entries[:base]
}

// compareKeys orders pairs by key, and those of one key as they came.
func compareKeys(a, b entry) int {
	if a.key.bits != b.key.bits {
		return order(a.key.bits, b.key.bits)
	}
	if c := bytes.Compare(a.key.b, b.key.b); c != 0 {
		return c
	}
	return a.at - b.at
}

func sameKey(a, b *entry) bool {
	return a.key.bits == b.key.bits && bytes.Equal(a.key.b, b.key.b)
}

// grow gives n zeroed slots at the end of the stack.
func (s *Scratch) grow(n int) (base int) {
	base = len(s.slots)
	s.slots = slices.Grow(s.slots, n)[:base+n]
	clear(s.slots[base:])
	return base
}

// appendKey writes the key of a pair as paths have it: "a", 3, true.
func appendKey(dst []byte, v *value, key datum) []byte {
	switch v.kind {
	case protoreflect.StringKind:
		return strconv.AppendQuote(dst, string(key.b))
	case protoreflect.BoolKind:
		return strconv.AppendBool(dst, key.bits != 0)
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		return strconv.AppendUint(dst, key.bits, 10)
	default:
		return strconv.AppendInt(dst, int64(ordered(v.kind, key.bits)^1<<63), 10)
	}
}
