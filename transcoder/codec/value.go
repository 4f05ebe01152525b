package codec

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Single values of a serialized message: as text, the inverse of [AppendNested],
// and as numbers.

// AppendValueText appends the value that field f, inside the singular message
// fields parents, the outermost first, has in a serialized message, as the text
// that [Field.AppendText] reads: strings as they are, numbers in digits, enums by
// name if the value has one, bytes in padded base64, a Timestamp, a Duration, a
// FieldMask and the wrappers as in JSON, without quotes. f is not repeated and is
// [Field.BindableText]. The last value on the wire counts, parts of messages are
// merged.
//
// ok is false, and nothing is appended, if the field is absent: if a parent is
// not set, or f is not set and knows presence, or f does not know presence and
// is a string or bytes that are empty. A number, bool or enum without presence
// that is not set is its zero: 0, false, or the name of the enum's zero. A
// wrapper that is set is never absent, its text may be empty. A default that a
// proto2 file gives is not a value.
//
// On failure it returns dst as it was and an *[Error].
func AppendValueText(dst []byte, parents []*Field, f *Field, wire []byte, s *Scratch) (out []byte, ok bool, err error) {
	return s.appendValueText(dst, parents, f, wire, base64.StdEncoding)
}

// AppendURLText is [AppendValueText] for a URL: bytes are in the alphabet of base64
// that is made for one.
func AppendURLText(dst []byte, parents []*Field, f *Field, wire []byte, s *Scratch) (out []byte, ok bool, err error) {
	return s.appendValueText(dst, parents, f, wire, base64.URLEncoding)
}

func (s *Scratch) appendValueText(dst []byte, parents []*Field, f *Field, wire []byte, alphabet *base64.Encoding) (out []byte, ok bool, err error) {
	if f.shape != shapeOne || !f.BindableText() {
		return dst, false, &Error{Kind: KindType, Message: fmt.Sprintf("%s has no form as text", f.jsonName)}
	}
	p := &s.printer
	p.begin(dst, wire, s)
	p.careful, p.alphabet = true, alphabet
	base, found, err := p.find(parents, f)
	out = dst
	switch {
	case err != nil:
	case found:
		if out, ok = p.valueText(dst, f, base); !ok && p.err != nil {
			p.withinAll(parents, f)
		}
		err = p.errorOrNil()
	case base >= 0 && f.implicit && f.wire != protowire.BytesType:
		out, ok = appendNumberText(dst, f, 0), true
	}
	p.end()
	if err != nil {
		return dst, false, err
	}
	return out, ok, nil
}

// FieldNumberValue is the value of an integer or enum field ([Field.Integer])
// inside parents, as in [AppendValueText], of a serialized message. ok is false
// if it is absent, which a field without presence is only if a parent is: it has
// the value 0 if it is not set. A value beyond the range of int64 is an *[Error]
// with [KindRange].
func FieldNumberValue(parents []*Field, f *Field, wire []byte, s *Scratch) (n int64, ok bool, err error) {
	if !f.Integer() {
		return 0, false, &Error{Kind: KindType, Message: fmt.Sprintf("%s is no single integer or enum", f.jsonName)}
	}
	p := &s.printer
	p.begin(nil, wire, s)
	p.careful = true
	base, found, err := p.find(parents, f)
	if err == nil && found {
		v, _ := p.number(f, p.spans[base].start, p.spans[base].end)
		n = int64(v)
		if n < 0 && (f.kind == protoreflect.Uint64Kind || f.kind == protoreflect.Fixed64Kind) {
			p.fail(KindRange, p.spans[base].start, "%d is larger than %d", v, math.MaxInt64)
			p.withinAll(parents, f)
			n, err = 0, p.errorOrNil()
		}
	}
	p.end()
	return n, err == nil && (found || base >= 0 && f.implicit), err
}

// BytesValue is the content of a single field of type bytes or string inside parents,
// as in [AppendValueText], of a serialized message: a part of wire, not looked at. It
// is nil if the field is absent, and may be empty if it is not.
func BytesValue(parents []*Field, f *Field, wire []byte, s *Scratch) (content []byte, err error) {
	if f.shape != shapeOne || f.kind != protoreflect.BytesKind && f.kind != protoreflect.StringKind {
		return nil, &Error{Kind: KindType, Message: fmt.Sprintf("%s is neither a single string nor bytes", f.jsonName)}
	}
	p := &s.printer
	p.begin(nil, wire, s)
	p.careful = true
	base, found, err := p.find(parents, f)
	if found {
		start, end := p.length(p.spans[base].start, p.spans[base].end)
		content = wire[start:end:end]
	}
	p.end()
	return content, err
}

// Integer reports whether the field is a single integer or enum.
func (f *Field) Integer() bool {
	if f.shape != shapeOne || f.wire == protowire.BytesType || f.wire == protowire.StartGroupType {
		return false
	}
	switch f.kind {
	case protoreflect.BoolKind, protoreflect.FloatKind, protoreflect.DoubleKind:
		return false
	}
	return true
}

// errorOrNil is the error, as an error that compares with nil.
func (p *printer) errorOrNil() error {
	if p.err == nil {
		return nil
	}
	return p.err
}

// withinAll puts the parents and f before the path of an error.
func (p *printer) withinAll(parents []*Field, f *Field) {
	p.within(f, -1)
	for i := len(parents) - 1; i >= 0; i-- {
		p.within(parents[i], -1)
	}
}

// find looks f up in the message that is the input. What is found is in p.spans
// from base on: the contents of all parts of a message, or the last value of a
// scalar. base is -1 if a parent is not set.
func (p *printer) find(parents []*Field, f *Field) (base int, found bool, err error) {
	p.spans = append(p.spans, span{0, len(p.in)})
	for i, parent := range parents {
		if parent.sub == nil || parent.shape != shapeOne {
			return -1, false, notSingle(parent)
		}
		if p.depth--; p.depth < 1 {
			p.tooDeep(0)
			return -1, false, p.errorOrNil()
		}
		if base, found = p.occurrences(parent, base); p.err != nil {
			p.withinAll(parents[:i], parent)
			return -1, false, p.err
		}
		if !found {
			return -1, false, nil
		}
	}
	if base, found = p.occurrences(f, base); p.err != nil {
		p.withinAll(parents, f)
		return -1, false, p.err
	}
	return base, found, nil
}

// occurrences looks for f in the message whose parts are p.spans[base:], and
// adds what it finds to p.spans, where it begins at first. Of a member of a oneof,
// only what comes after the last other member counts, and if that is nothing, the
// other one is p.rival.
func (p *printer) occurrences(f *Field, base int) (first int, found bool) {
	first = len(p.spans)
	p.rival = nil
	for k := base; k < first; k++ {
		part := p.spans[k]
		for i := part.start; i < part.end; {
			number, wire, next := p.tag(i, part.end)
			if next < 0 {
				return first, false
			}
			if number == uint32(f.number) && wire == f.wire {
				c := span{start: next}
				if f.sub == nil {
					p.spans = p.spans[:first]
					i = p.skip(number, wire, next, part.end)
					c.end = i
				} else {
					c, i = p.content(f, next, part.end)
				}
				if i < 0 {
					return first, false
				}
				p.spans = append(p.spans, c)
				p.rival = nil
				continue
			}
			if f.oneofBit >= 0 {
				if g := f.parent.field(number); g != nil && g.oneofBit == f.oneofBit && g.fits(wire) {
					p.spans = p.spans[:first]
					p.rival = g
				}
			}
			if i = p.skip(number, wire, next, part.end); i < 0 {
				return first, false
			}
		}
	}
	return first, len(p.spans) > first
}

// valueText appends the text of what p.spans[base:] says f is. ok is false for
// an empty string without presence.
func (p *printer) valueText(out []byte, f *Field, base int) (o []byte, ok bool) {
	if f.sub == nil {
		last := p.spans[base]
		out, ok = p.scalarText(out, f, last)
		absent := f.implicit && f.wire == protowire.BytesType && p.isZero(f, last.start, last.end)
		return out, ok && !absent
	}
	if f.sub.form == formWrapper {
		value := f.sub.field(1)
		at, found := p.occurrences(value, base)
		switch {
		case p.err != nil:
			return out, false
		case found:
			return p.scalarText(out, value, p.spans[at])
		case value.wire == protowire.BytesType:
			return out, true
		}
		return appendNumberText(out, value, 0), true
	}
	start := len(out)
	out, ok = p.wellKnown(out, f.sub, p.spans[base:])
	if !ok {
		return out, false
	}
	// Its quotes; in between nothing is escaped.
	copy(out[start:], out[start+1:])
	return out[:len(out)-2], true
}

// scalarText appends the text of a scalar.
func (p *printer) scalarText(out []byte, f *Field, at span) ([]byte, bool) {
	if f.wire != protowire.BytesType {
		v, _ := p.number(f, at.start, at.end)
		return appendNumberText(out, f, v), true
	}
	start, end := p.length(at.start, at.end)
	value := p.in[start:end]
	if f.kind == protoreflect.BytesKind {
		return p.alphabet.AppendEncode(out, value), true
	}
	if !utf8.Valid(value) {
		return out, p.badUTF8(start) >= 0
	}
	return append(out, value...), true
}

// appendNumberText appends a value that [printer.number] read.
func appendNumberText(out []byte, f *Field, v uint64) []byte {
	switch f.kind {
	case protoreflect.BoolKind:
		return strconv.AppendBool(out, v != 0)
	case protoreflect.EnumKind:
		if name, ok := f.enum.names[int32(v)]; ok {
			return append(out, name...)
		}
		return strconv.AppendInt(out, int64(int32(v)), 10)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind, protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return strconv.AppendUint(out, v, 10)
	case protoreflect.FloatKind:
		return appendFloatText(out, float64(math.Float32frombits(uint32(v))), 32)
	case protoreflect.DoubleKind:
		return appendFloatText(out, math.Float64frombits(v), 64)
	}
	return strconv.AppendInt(out, int64(v), 10)
}

func appendFloatText(out []byte, f float64, size int) []byte {
	start := len(out)
	if out = appendAnyFloat(out, f, size); out[start] != '"' {
		return out
	}
	copy(out[start:], out[start+1:])
	return out[:len(out)-2]
}
