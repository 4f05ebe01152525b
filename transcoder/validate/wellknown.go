package validate

import (
	"strconv"
	"strings"
	"time"

	pv "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// asDuration is a duration in a rule, held within ±292 years as [time.Duration] is.
func asDuration(v protoreflect.Value) time.Duration {
	d, _ := v.Message().Interface().(*durationpb.Duration)
	return d.AsDuration()
}

// showDuration writes seconds without an exponent: 1.5s.
func showDuration(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}

// moment is a point in time, with nanoseconds from 0 to 999,999,999.
type moment struct {
	seconds int64
	nanos   int32
}

func newMoment(seconds int64, nanos int32) moment {
	const second = int32(time.Second)
	if nanos < 0 || nanos >= second {
		carry := nanos / second
		if nanos %= second; nanos < 0 {
			nanos += second
			carry--
		}
		seconds += int64(carry)
	}
	return moment{seconds, nanos}
}

func momentOf(t time.Time) moment { return moment{t.Unix(), int32(t.Nanosecond())} }

func (m moment) compare(o moment) int {
	switch {
	case m.seconds < o.seconds || m.seconds == o.seconds && m.nanos < o.nanos:
		return -1
	case m == o:
		return 0
	}
	return 1
}

func readMoment(_ protoreflect.FieldDescriptor, v protoreflect.Value) moment {
	t, _ := v.Message().Interface().(*timestamppb.Timestamp)
	return newMoment(t.GetSeconds(), t.GetNanos())
}

func showMoment(v protoreflect.Value) string {
	t, _ := v.Message().Interface().(*timestamppb.Timestamp)
	return t.AsTime().Format(time.RFC3339Nano)
}

func timestampChecks(rules *pv.TimestampRules) []check {
	var checks []check
	m := rules.ProtoReflect()
	if rules.HasConst() {
		fd := m.Descriptor().Fields().ByName("const")
		v := m.Get(fd)
		checks = append(checks, check{op: opAt, id: "timestamp.const", message: "must equal " + show(fd, v), when: span[moment]{low: readMoment(fd, v)}})
	}
	if sp, words, ok := readSpan(m, readMoment, func(a, b moment) bool { return a.compare(b) < 0 }); ok {
		checks = append(checks, check{op: opBetween, id: "timestamp" + words.id, message: words.message, when: sp})
	}
	if rules.GetLtNow() {
		checks = append(checks, check{op: opPast, id: "timestamp.lt_now", message: "must be less than now"})
	}
	if rules.GetGtNow() {
		checks = append(checks, check{op: opFuture, id: "timestamp.gt_now", message: "must be greater than now"})
	}
	if rules.HasWithin() {
		d := rules.GetWithin().AsDuration()
		checks = append(checks, check{op: opWithin, id: "timestamp.within", message: "must be within " + showDuration(d) + " of now", n: uint64(d)})
	}
	return checks
}

// momentHolds reports whether a timestamp keeps a rule.
func (c *check) momentHolds(m moment, now func() time.Time) bool {
	switch c.op {
	case opAt:
		return m == c.when.low
	case opPast:
		return m.compare(momentOf(now())) <= 0
	case opFuture:
		return m.compare(momentOf(now())) >= 0
	case opWithin:
		t, d := now(), time.Duration(c.n)
		return m.compare(momentOf(t.Add(-d))) >= 0 && m.compare(momentOf(t.Add(d))) <= 0
	default:
		return c.when.has(m.compare(c.when.low), m.compare(c.when.high))
	}
}

func maskChecks(rules *pv.FieldMaskRules) []check {
	var checks []check
	if rules.HasConst() {
		paths := rules.GetConst().GetPaths()
		checks = append(checks, check{op: opPaths, id: "field_mask.const", message: "must equal paths " + showStrings(paths), strs: paths})
	}
	if in := rules.GetIn(); len(in) > 0 {
		checks = append(checks, check{op: opPathsIn, id: "field_mask.in", message: "must only contain paths in " + showStrings(in), strs: in})
	}
	if not := rules.GetNotIn(); len(not) > 0 {
		checks = append(checks, check{op: opPathsNotIn, id: "field_mask.not_in", message: "must not contain any paths in " + showStrings(not), strs: not})
	}
	return checks
}

func showStrings(list []string) string { return "[" + strings.Join(list, ", ") + "]" }

// maskHolds reports whether the serialized mask keeps a rule.
func (c *check) maskHolds(wire []byte) (bool, error) {
	n := 0
	for len(wire) > 0 {
		num, typ, value, size := consume(wire)
		if size < 0 {
			return false, protowire.ParseError(size)
		}
		wire = wire[size:]
		if num != 1 || typ != protowire.BytesType {
			continue
		}
		path := view(value)
		switch c.op {
		case opPaths:
			if n >= len(c.strs) || c.strs[n] != path {
				return false, nil
			}
		case opPathsIn:
			if !covered(path, c.strs) {
				return false, nil
			}
		default:
			if covered(path, c.strs) {
				return false, nil
			}
		}
		n++
	}
	return c.op != opPaths || n == len(c.strs), nil
}

// covered reports whether path is in the list or below a path in it.
func covered(path string, list []string) bool {
	for _, p := range list {
		if strings.HasPrefix(path, p) && (len(path) == len(p) || path[len(p)] == '.') {
			return true
		}
	}
	return false
}

func anyChecks(rules *pv.AnyRules) []check {
	var checks []check
	if in := rules.GetIn(); len(in) > 0 {
		checks = append(checks, check{op: opOneOf, id: "any.in", message: "type URL must be in the allow list", strs: in})
	}
	if not := rules.GetNotIn(); len(not) > 0 {
		checks = append(checks, check{op: opNoneOf, id: "any.not_in", message: "type URL must not be in the block list", strs: not})
	}
	return checks
}

// consume takes one field off the wire. value is what a length-delimited one or a
// group holds, size is negative if the bytes are broken.
func consume(wire []byte) (num protowire.Number, typ protowire.Type, value []byte, size int) {
	num, typ, tag := protowire.ConsumeTag(wire)
	if tag < 0 {
		return 0, 0, nil, tag
	}
	var n int
	switch typ {
	case protowire.BytesType:
		value, n = protowire.ConsumeBytes(wire[tag:])
	case protowire.StartGroupType:
		value, n = protowire.ConsumeGroup(num, wire[tag:])
	default:
		n = protowire.ConsumeFieldValue(num, typ, wire[tag:])
		if n >= 0 {
			value = wire[tag : tag+n]
		}
	}
	if n < 0 {
		return 0, 0, nil, n
	}
	return num, typ, value, tag + n
}

// secondsAndNanos reads a serialized Duration or Timestamp.
func secondsAndNanos(wire []byte) (seconds int64, nanos int32, err error) {
	for len(wire) > 0 {
		num, typ, value, size := consume(wire)
		if size < 0 {
			return 0, 0, protowire.ParseError(size)
		}
		wire = wire[size:]
		if typ != protowire.VarintType {
			continue
		}
		switch n, _ := protowire.ConsumeVarint(value); num {
		case 1:
			seconds = int64(n)
		case 2:
			nanos = int32(n)
		}
	}
	return seconds, nanos, nil
}

// orderedDuration is a serialized Duration as an ordered number.
func orderedDuration(wire []byte) (uint64, error) {
	seconds, nanos, err := secondsAndNanos(wire)
	d := durationpb.Duration{Seconds: seconds, Nanos: nanos}
	return orderedInt(int64(d.AsDuration())), err
}

// fieldOne is the last value of field 1 of a serialized message with the type typ on
// the wire; nil if there is none.
func fieldOne(wire []byte, typ protowire.Type) ([]byte, error) {
	var last []byte
	for len(wire) > 0 {
		num, got, value, size := consume(wire)
		if size < 0 {
			return nil, protowire.ParseError(size)
		}
		wire = wire[size:]
		if num == 1 && got == typ {
			last = value
		}
	}
	return last, nil
}

// bitsOf reads the bits of a number from its bytes on the wire; none are zero.
func bitsOf(b []byte, typ protowire.Type) uint64 {
	var bits uint64
	switch typ {
	case protowire.Fixed32Type:
		n, _ := protowire.ConsumeFixed32(b)
		bits = uint64(n)
	case protowire.Fixed64Type:
		bits, _ = protowire.ConsumeFixed64(b)
	default:
		bits, _ = protowire.ConsumeVarint(b)
	}
	return bits
}
