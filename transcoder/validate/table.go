package validate

import (
	"regexp"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// message is the table of one message type.
type message struct {
	// fields are those that matter, by number: they have rules, messages below
	// them have, or a rule of the message is about them.
	fields []field
	// dense maps numbers below its length to an index in fields plus one.
	dense []uint16
	// after are indexes of the fields to be checked when the message has been read.
	after []uint16
	// oneofs are those with a rule, or with a member that matters.
	oneofs []oneof
	// groups are the rules message.oneof.
	groups []group
	// program has the rules in CEL; nil for none.
	program Program
}

// maxDense is the largest number that is found without a search.
const maxDense = 255

// find is the index of the field with this number, or -1.
func (m *message) find(num protowire.Number) int {
	if num <= maxDense {
		if int(num) < len(m.dense) {
			return int(m.dense[num]) - 1
		}
		return -1
	}
	i, ok := slices.BinarySearchFunc(m.fields, num, func(f field, num protowire.Number) int { return int(f.number - num) })
	if !ok {
		return -1
	}
	return i
}

// shape is how often a field may occur.
type shape uint8

const (
	single shape = iota
	list
	mapping
)

// field is what is to be done about one field.
type field struct {
	number protowire.Number
	// name is that in JSON.
	name  string
	shape shape
	// wire is the type of its values on the wire, those of a packed list excepted.
	wire protowire.Type
	// items says that there is something to check of each item or pair.
	items bool
	// plain says that it occurs once, in no oneof, and is no group.
	plain bool
	// oneof is an index in the message's oneofs, or -1.
	oneof int
	// presence says that a value on the wire counts, whatever it is.
	presence bool
	required bool
	// skipUnset says that a field without a value follows its rules.
	skipUnset bool
	// checks are about the number of items or pairs.
	checks []check
	// value is the field's own, an item's or a map's value's.
	value value
	key   value
}

// class is what the value's checks look at.
type class uint8

const (
	number   class = iota // an ordered number, see [ordered]
	text                  // strings and bytes
	object                // a message without rules for its value
	wrapped               // a wrapper: its field 1
	duration              // an ordered number
	instant               // google.protobuf.Timestamp
	mask                  // google.protobuf.FieldMask
	typeURL               // google.protobuf.Any: its field 1
)

// value is how to read one value, and what it must be.
type value struct {
	class class
	kind  protoreflect.Kind
	// inner is the kind of a wrapper's value.
	inner protoreflect.Kind
	// skipZero says that an item, key or value that is zero follows its rules.
	skipZero bool
	checks   []check
	// table has the rules of the message type; nil if there are none below.
	table *message
	// md is the message type, if skipZero has to know what zero is.
	md protoreflect.MessageDescriptor
}

// isMessage reports whether values are messages.
func (v *value) isMessage() bool {
	return v.kind == protoreflect.MessageKind || v.kind == protoreflect.GroupKind
}

// oneof is one oneof of a message.
type oneof struct {
	name     string
	required bool
}

// group is one rule message.oneof.
type group struct {
	fields    []int
	required  bool
	many, few string
}

// op is what a check compares.
type op uint8

const (
	// Of numbers and durations.
	opConst op = iota
	opIn
	opNotIn
	opFinite
	opWithinBounds // from n to most
	opRange
	// Of strings and bytes.
	opEqual
	opLen
	opMinLen
	opMaxLen
	opLenBytes
	opMinBytes
	opMaxBytes
	opPattern
	opPrefix
	opSuffix
	opContains
	opNotContains
	opOneOf
	opNoneOf
	opNotEmpty
	opFormat
	opSize
	// Of timestamps.
	opAt
	opBetween
	opPast
	opFuture
	opWithin
	// Of field masks.
	opPaths
	opPathsIn
	opPathsNotIn
	// Of lists and maps.
	opMinCount
	opMaxCount
	opUnique
)

// check is one rule with what it compares to.
type check struct {
	op          op
	id, message string

	n, most uint64
	span    span[uint64]
	set     []uint64
	s       string
	strs    []string
	re      *regexp.Regexp
	// valid is that of a format; it is not asked about the empty string unless
	// empty is set.
	valid func(string) bool
	empty bool
	when  span[moment]
}

// bound is one end of a span.
type bound uint8

const (
	open bound = iota
	exclusive
	inclusive
)

// span is what values may be: above low and below high, or, if high is less than
// low, above the one or below the other.
type span[T any] struct {
	low, high    T
	lower, upper bound
	outside      bool
}

// has reports whether a value is in the span, by how it compares to both ends.
func (s *span[T]) has(low, high int) bool {
	above := s.lower == open || low > 0 || low == 0 && s.lower == inclusive
	below := s.upper == open || high < 0 || high == 0 && s.upper == inclusive
	if s.outside {
		return above || below
	}
	return above && below
}
