package validate

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
)

// Numbers of every kind are compared as unsigned ones that are in the same order:
// a signed number has its sign bit turned, a floating-point one, if it is negative,
// all others too. So there is one set of checks for sixteen kinds, and for
// durations. What is not a number is above all: it is in no span, and it is equal
// to nothing, itself included.

// notANumber is NaN among ordered numbers.
const notANumber = math.MaxUint64

func orderedInt(n int64) uint64 { return uint64(n) ^ 1<<63 }

func orderedFloat(f float64) uint64 {
	switch b := math.Float64bits(f); {
	case f != f:
		return notANumber
	case f == 0:
		return 1 << 63 // with either sign
	case b>>63 == 1:
		return ^b
	default:
		return b | 1<<63
	}
}

var (
	plusInf  = orderedFloat(math.Inf(1))
	minusInf = orderedFloat(math.Inf(-1))
)

// ordered makes an ordered number of the bits that a value has on the wire.
func ordered(kind protoreflect.Kind, bits uint64) uint64 {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.EnumKind, protoreflect.Sfixed32Kind:
		return orderedInt(int64(int32(bits)))
	case protoreflect.Int64Kind, protoreflect.Sfixed64Kind:
		return orderedInt(int64(bits))
	case protoreflect.Sint32Kind:
		return orderedInt(int64(int32(protowire.DecodeZigZag(bits & math.MaxUint32))))
	case protoreflect.Sint64Kind:
		return orderedInt(protowire.DecodeZigZag(bits))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return uint64(uint32(bits))
	case protoreflect.BoolKind:
		if bits != 0 {
			return 1
		}
		return 0
	case protoreflect.FloatKind:
		return orderedFloat(float64(math.Float32frombits(uint32(bits))))
	case protoreflect.DoubleKind:
		return orderedFloat(math.Float64frombits(bits))
	default:
		return bits
	}
}

// zeroBits reports whether bits on the wire are the zero value of the kind, which
// a field without presence cannot tell from none. Minus zero is another value.
func zeroBits(kind protoreflect.Kind, bits uint64) bool {
	switch kind {
	case protoreflect.Int32Kind, protoreflect.EnumKind, protoreflect.Uint32Kind, protoreflect.Sint32Kind:
		return uint32(bits) == 0
	default:
		return bits == 0
	}
}

// orderedRule makes an ordered number of a value in a rule.
func orderedRule(fd protoreflect.FieldDescriptor, v protoreflect.Value) uint64 {
	switch fd.Kind() {
	case protoreflect.BoolKind:
		if v.Bool() {
			return 1
		}
		return 0
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return orderedFloat(v.Float())
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind, protoreflect.Fixed32Kind, protoreflect.Fixed64Kind:
		return v.Uint()
	case protoreflect.MessageKind:
		return orderedInt(int64(asDuration(v)))
	default:
		return orderedInt(v.Int())
	}
}

// show writes a value in a rule as messages have it.
func show(fd protoreflect.FieldDescriptor, v protoreflect.Value) string {
	switch fd.Kind() {
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		switch f := v.Float(); {
		case math.IsInf(f, 1):
			return "Infinity"
		case math.IsInf(f, -1):
			return "-Infinity"
		default:
			return strconv.FormatFloat(f, 'f', -1, 64)
		}
	case protoreflect.MessageKind:
		if d, ok := v.Message().Interface().(*durationpb.Duration); ok {
			return showDuration(d.AsDuration())
		}
		return showMoment(v)
	default:
		return v.String()
	}
}

func showList(fd protoreflect.FieldDescriptor, l protoreflect.List) string {
	parts := make([]string, l.Len())
	for i := range parts {
		parts[i] = show(fd, l.Get(i))
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// numberChecks compiles the rules for numbers, booleans, enums and durations,
// which have the same names in all of them.
func (p place) numberChecks(rules protoreflect.Message, name string) []check {
	var checks []check
	fields := rules.Descriptor().Fields()
	has := func(rule protoreflect.Name) (protoreflect.FieldDescriptor, bool) {
		fd := fields.ByName(rule)
		return fd, fd != nil && rules.Has(fd)
	}
	if fd, ok := has("const"); ok {
		v := rules.Get(fd)
		checks = append(checks, check{op: opConst, id: name + ".const", message: "must equal " + show(fd, v), n: orderedRule(fd, v)})
	}
	for _, of := range []check{
		{op: opIn, id: "in", message: "must be in list "},
		{op: opNotIn, id: "not_in", message: "must not be in list "},
	} {
		if fd, ok := has(protoreflect.Name(of.id)); ok {
			l := rules.Get(fd).List()
			for i := range l.Len() {
				of.set = append(of.set, orderedRule(fd, l.Get(i)))
			}
			slices.Sort(of.set)
			of.id, of.message = name+"."+of.id, of.message+showList(fd, l)
			checks = append(checks, of)
		}
	}
	if fd, ok := has("finite"); ok && rules.Get(fd).Bool() {
		checks = append(checks, check{op: opFinite, id: name + ".finite", message: "must be finite"})
	}
	sp, words, ok := readSpan(rules, func(fd protoreflect.FieldDescriptor, v protoreflect.Value) uint64 {
		n := orderedRule(fd, v)
		if isFloat(fd.Kind()) && n == notANumber {
			p.problem("rule %s.%s: nothing compares to NaN", name, fd.Name())
		}
		return n
	}, func(a, b uint64) bool { return a < b })
	if ok {
		c := check{op: opRange, id: name + words.id, message: words.message, span: sp}
		if low, high, ok := bounds(sp); ok {
			c.op, c.n, c.most = opWithinBounds, low, high
		}
		checks = append(checks, c)
	}
	return checks
}

// bounds are the first and the last number of a span; ok is false if it is not one
// piece.
func bounds(s span[uint64]) (low, high uint64, ok bool) {
	low, high = 0, math.MaxUint64
	if s.lower != open {
		if low = s.low; s.lower == exclusive {
			low++
		}
	}
	if s.upper != open {
		if high = s.high; s.upper == exclusive {
			high--
		}
	}
	overflown := s.lower == exclusive && low == 0 || s.upper == exclusive && high == math.MaxUint64
	return low, high, !s.outside && !overflown
}

// spanWords are what a span is called.
type spanWords struct{ id, message string }

// readSpan reads gt, gte, lt and lte of rules; ok says that there is one of them.
func readSpan[T any](rules protoreflect.Message, read func(protoreflect.FieldDescriptor, protoreflect.Value) T, less func(a, b T) bool) (s span[T], w spanWords, ok bool) {
	fields := rules.Descriptor().Fields()
	var low, high string
	for _, end := range []struct {
		rule  protoreflect.Name
		words string
		lower bool
		bound bound
	}{
		{"gt", "greater than ", true, exclusive},
		{"gte", "greater than or equal to ", true, inclusive},
		{"lt", "less than ", false, exclusive},
		{"lte", "less than or equal to ", false, inclusive},
	} {
		fd := fields.ByName(end.rule)
		if fd == nil || !rules.Has(fd) {
			continue
		}
		v := rules.Get(fd)
		if end.lower {
			s.low, s.lower, low = read(fd, v), end.bound, end.words+show(fd, v)
			w.id = "." + string(end.rule)
		} else {
			s.high, s.upper, high = read(fd, v), end.bound, end.words+show(fd, v)
			if w.id == "" {
				w.id = "." + string(end.rule)
			} else {
				w.id += "_" + string(end.rule)
			}
		}
		ok = true
	}
	switch {
	case low == "" || high == "":
		w.message = "must be " + low + high
	case less(s.high, s.low):
		s.outside = true
		w.id += "_exclusive"
		w.message = fmt.Sprintf("must be %s or %s", low, high)
	default:
		w.message = fmt.Sprintf("must be %s and %s", low, high)
	}
	return s, w, ok
}

// definedOnly is the rule that an enum has no other values than the named ones.
func definedOnly(ed protoreflect.EnumDescriptor) check {
	c := check{op: opIn, id: "enum.defined_only", message: "value must be one of the defined enum values"}
	for i := range ed.Values().Len() {
		c.set = append(c.set, orderedInt(int64(ed.Values().Get(i).Number())))
	}
	slices.Sort(c.set)
	return c
}

// numberHolds reports whether an ordered number keeps a rule.
func (c *check) numberHolds(n uint64, float bool) bool {
	nan := float && n == notANumber
	switch c.op {
	case opWithinBounds:
		return c.n <= n && n <= c.most && !nan
	case opConst:
		return n == c.n && !nan
	case opIn:
		return !nan && c.listed(n)
	case opNotIn:
		return nan || !c.listed(n)
	case opFinite:
		return n != plusInf && n != minusInf && !nan
	default:
		return !nan && c.span.has(order(n, c.span.low), order(n, c.span.high))
	}
}

// listed reports whether n is in the set, which is sorted.
func (c *check) listed(n uint64) bool {
	_, found := slices.BinarySearch(c.set, n)
	return found
}

func isFloat(kind protoreflect.Kind) bool {
	return kind == protoreflect.FloatKind || kind == protoreflect.DoubleKind
}

func order(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// countChecks compiles the rules of a list, repeated, or of a map.
func countChecks(rules protoreflect.Message, name string) []check {
	if rules == nil {
		return nil
	}
	unit, least, most := "items", "must contain at least %d item(s)", "must contain no more than %d item(s)"
	if name == "map" {
		unit, least, most = "pairs", "map must be at least %d entries", "map must be at most %d entries"
	}
	var checks []check
	fields := rules.Descriptor().Fields()
	if fd := fields.ByName(protoreflect.Name("min_" + unit)); rules.Has(fd) {
		n := rules.Get(fd).Uint()
		checks = append(checks, check{op: opMinCount, id: name + ".min_" + unit, message: fmt.Sprintf(least, n), n: n})
	}
	if fd := fields.ByName(protoreflect.Name("max_" + unit)); rules.Has(fd) {
		n := rules.Get(fd).Uint()
		checks = append(checks, check{op: opMaxCount, id: name + ".max_" + unit, message: fmt.Sprintf(most, n), n: n})
	}
	if fd := fields.ByName("unique"); fd != nil && rules.Get(fd).Bool() {
		checks = append(checks, check{op: opUnique, id: "repeated.unique", message: "repeated value must contain unique items"})
	}
	return checks
}
