package codec

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Reading the wire. All methods take a position in p.in and the end of the
// content it lies in, and return the position behind what they read, or -1
// after they have set p.err.

// span is a part of the input, [start, end).
type span struct{ start, end int }

// tag reads a tag.
func (p *printer) tag(i, end int) (number uint32, wire protowire.Type, next int) {
	b := p.in[i]
	if b < 0x80 && b >= 8 {
		return uint32(b >> 3), protowire.Type(b & 7), i + 1
	}
	v, next := p.varint(i, end)
	if next < 0 {
		return 0, 0, next
	}
	if n := v >> 3; n < 1 || n > uint64(protowire.MaxValidNumber) {
		return 0, 0, p.fail(KindWire, i, "%d is not a field number", n)
	}
	return uint32(v >> 3), protowire.Type(v & 7), next
}

func (p *printer) varint(i, end int) (v uint64, next int) {
	if i < end && p.in[i] < 0x80 {
		return uint64(p.in[i]), i + 1
	}
	v, n := protowire.ConsumeVarint(p.in[i:end])
	if n < 0 {
		return 0, p.fail(KindWire, i, "the varint is cut short or longer than 64 bits")
	}
	return v, i + n
}

func (p *printer) fixed32(i, end int) (v uint32, next int) {
	if end-i < 4 {
		return 0, p.fail(KindWire, i, "%d bytes are left, expected 4", end-i)
	}
	return binary.LittleEndian.Uint32(p.in[i:]), i + 4
}

func (p *printer) fixed64(i, end int) (v uint64, next int) {
	if end-i < 8 {
		return 0, p.fail(KindWire, i, "%d bytes are left, expected 8", end-i)
	}
	return binary.LittleEndian.Uint64(p.in[i:]), i + 8
}

// length reads a length and returns where the content begins and ends.
func (p *printer) length(i, end int) (start, next int) {
	n, start := p.varint(i, end)
	if start < 0 {
		return 0, start
	}
	if n > uint64(end-start) {
		return 0, p.fail(KindWire, i, "the length is %d, but %d bytes are left", n, end-start)
	}
	return start, start + int(n)
}

// content is the content of a message or group value at i, and what follows.
func (p *printer) content(f *Field, i, end int) (c span, next int) {
	if f.kind != protoreflect.GroupKind {
		start, next := p.length(i, end)
		return span{start, next}, next
	}
	n := protowire.ConsumeFieldValue(f.number, protowire.StartGroupType, p.in[i:end])
	if n < 0 {
		return span{}, p.fail(KindWire, i, "the group is malformed or has no end")
	}
	// What ConsumeGroup leaves of it is the content without its end tag.
	c.start = i
	content, _ := protowire.ConsumeGroup(f.number, p.in[i:i+n])
	c.end = i + len(content)
	return c, i + n
}

// skip passes over a field's value.
func (p *printer) skip(number uint32, wire protowire.Type, i, end int) (next int) {
	switch wire {
	case protowire.VarintType:
		_, next = p.varint(i, end)
	case protowire.Fixed32Type:
		_, next = p.fixed32(i, end)
	case protowire.Fixed64Type:
		_, next = p.fixed64(i, end)
	case protowire.BytesType:
		_, next = p.length(i, end)
	case protowire.StartGroupType:
		n := protowire.ConsumeFieldValue(protowire.Number(number), wire, p.in[i:end])
		if n < 0 {
			return p.fail(KindWire, i, "the group is malformed or has no end")
		}
		next = i + n
	case protowire.EndGroupType:
		return p.fail(KindWire, i, "the end of a group that did not begin")
	default:
		return p.fail(KindWire, i, "%d is not a wire type", wire)
	}
	return next
}

// number reads a value that is not length-delimited, as its type means it:
// signed ones are extended to 64 bits, floats are their bits.
func (p *printer) number(f *Field, i, end int) (v uint64, next int) {
	switch f.wire {
	case protowire.Fixed32Type:
		n, next := p.fixed32(i, end)
		if f.kind == protoreflect.Sfixed32Kind {
			return uint64(int64(int32(n))), next
		}
		return uint64(n), next
	case protowire.Fixed64Type:
		return p.fixed64(i, end)
	}
	v, next = p.varint(i, end)
	switch f.kind {
	case protoreflect.Int32Kind, protoreflect.EnumKind:
		v = uint64(int64(int32(v)))
	case protoreflect.Uint32Kind:
		v = uint64(uint32(v))
	case protoreflect.Sint32Kind:
		v = uint64(int64(int32(protowire.DecodeZigZag(v & 0xffffffff))))
	case protoreflect.Sint64Kind:
		v = uint64(protowire.DecodeZigZag(v))
	case protoreflect.BoolKind:
		v = b2u(v != 0)
	}
	return v, next
}

// fits reports whether values of f come with this wire type. Lists of numbers
// come packed or not, whatever they were declared as.
func (f *Field) fits(wire protowire.Type) bool {
	if wire == f.wire {
		return true
	}
	return wire == protowire.BytesType && f.wire != protowire.StartGroupType &&
		(f.shape == shapeList || f.shape == shapePacked)
}

// packed reports whether a value of f with this wire type is a whole list.
func (f *Field) packed(wire protowire.Type) bool { return wire != f.wire }
