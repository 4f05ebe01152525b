package codec

import (
	"encoding/base64"
	"fmt"
	"math"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Wire → JSON writes at once what it reads, for as long as each field of a
// message comes once, all values of a list or map together, and one member of
// a oneof, as encoders mostly write them. A field that comes after one with a
// larger number is moved to its place in the output. Where something comes
// again, the translation starts over in careful mode, which goes through an
// index of each message (see index.go). It starts from the very beginning: to
// repeat only the message would repeat those inside it once for each level.
//
// Every field is written with a comma before it. The first one's is the byte
// that the opening brace then takes.

// printer is one translation to JSON. It lives in a [Scratch].
type printer struct {
	in  []byte
	err *Error
	// depth is how many more levels of messages are allowed, of maxDepth;
	// limit is how long the output may be, maxJSON of it new.
	depth, maxDepth, limit, maxJSON int
	careful                         bool
	// only is what a mask selects of the message that is being printed, nil for
	// everything. It restrains what is printed of fields that are not set.
	only *maskNode
	// places says where the fields of the messages that are being written
	// begin, those of the innermost last; moved counts bytes of output that
	// had to make room.
	places  []place
	moved   int
	room    []byte
	entries []mapEntry
	runs    []run
	spans   []span
	winners []winner
	// rival is the member of a oneof that stands in the place of the field which
	// was looked for last, nil if none does.
	rival *Field
	// text is a value that is compared, or goes into a query.
	text []byte
	// name is that of the query parameter at hand.
	name []byte
	// alphabet is how bytes are written that stand alone as text.
	alphabet *base64.Encoding
}

// place is where a field begins in the output, with its comma.
type place struct {
	number uint32
	start  int
}

// maxMoved bounds how much output may be moved to bring fields into order, as
// a multiple of the input.
const maxMoved = 8

func (p *printer) begin(dst, wire []byte, s *Scratch) {
	p.in, p.err, p.only = wire, nil, nil
	p.alphabet = base64.StdEncoding
	p.maxDepth, p.maxJSON = s.maxDepth(), s.maxJSON()
	p.depth, p.limit = p.maxDepth, len(dst)+p.maxJSON
	p.places, p.moved = p.places[:0], 0
	p.entries, p.runs, p.spans, p.winners = p.entries[:0], p.runs[:0], p.spans[:0], p.winners[:0]
}

// end lets go of the caller's memory, and of what one unusual message needed.
func (p *printer) end() {
	p.in, p.err, p.only, p.rival = nil, nil, nil, nil
	if cap(p.text) > 32*maxKept {
		p.text = nil
	}
	if cap(p.places) > maxKept {
		p.places = nil
	}
	if cap(p.room) > 32*maxKept {
		p.room = nil
	}
	if cap(p.entries) > maxKept {
		p.entries = nil
	}
	if cap(p.runs) > maxKept {
		p.runs = nil
	}
	if cap(p.spans) > maxKept {
		p.spans = nil
	}
	if cap(p.winners) > maxKept {
		p.winners = nil
	}
}

// print translates a message, or one field of it.
func (p *printer) print(dst, wire []byte, s *Scratch, m *Message, f *Field) ([]byte, error) {
	p.begin(dst, wire, s)
	p.careful = f != nil
	if s.Selected != nil {
		p.selected(m, s.Selected)
		s.Selected = nil
	}
	out, ok := p.top(dst, m, f)
	if !ok && !p.careful {
		p.begin(dst, wire, s)
		p.careful = true
		out, ok = p.top(dst, m, f)
	}
	if ok && len(out) > p.limit {
		p.careful = true // this is no mistake that a later part could mend
		ok = p.tooLarge()
	}
	err := p.err
	p.end()
	if !ok {
		return dst, err
	}
	return out, nil
}

func (p *printer) top(out []byte, m *Message, f *Field) ([]byte, bool) {
	var ok bool
	if f == nil {
		out, ok = p.message(out, m, span{0, len(p.in)})
	} else {
		out, ok = p.alone(out, f)
	}
	if ok && len(out) > p.limit {
		ok = p.tooLarge()
	}
	return out, ok
}

// fail sets the error and returns -1. Out of careful mode there is no error yet:
// what is wrong may be replaced or completed by a later part of the same field.
func (p *printer) fail(kind Kind, i int, format string, args ...any) int {
	if p.careful && p.err == nil {
		p.err = &Error{Kind: kind, Offset: i, Message: fmt.Sprintf(format, args...)}
	}
	return -1
}

func (p *printer) tooLarge() bool {
	return p.fail(KindTooLarge, len(p.in), "the JSON form of the message is longer than the limit of %d bytes", p.maxJSON) >= 0
}

func (p *printer) tooDeep(i int) bool {
	return p.fail(KindDepth, i, "messages nest deeper than the limit of %d", p.maxDepth) >= 0
}

// within puts a field before the path of an error, if there is one.
func (p *printer) within(f *Field, index int) {
	if p.err == nil {
		return
	}
	if index >= 0 {
		p.err.Path = joinPath("["+strconv.Itoa(index)+"]", p.err.Path)
	}
	p.err.Path = joinPath(f.jsonName, p.err.Path)
}

// message appends the JSON form of a message whose content is c. Whenever a
// method returns false without an error, careful mode is needed.
func (p *printer) message(out []byte, m *Message, c span) ([]byte, bool) {
	if p.depth--; p.depth < 0 {
		return out, p.tooDeep(c.start)
	}
	var ok bool
	switch {
	case m.form != formObject && m.form != formEmpty:
		one := [1]span{c}
		out, ok = p.wellKnown(out, m, one[:])
	case p.careful:
		one := [1]span{c}
		start := len(out)
		out, ok = p.indexed(out, m, one[:])
		out = closeObject(out, start)
	default:
		start := len(out)
		out, ok = p.ordered(out, m, c.start, c.end)
		out = closeObject(out, start)
	}
	p.depth++
	return out, ok
}

// merged is message for one that comes in several parts.
func (p *printer) merged(out []byte, m *Message, parts []span) ([]byte, bool) {
	if len(parts) == 1 {
		return p.message(out, m, parts[0])
	}
	if p.depth--; p.depth < 0 {
		return out, p.tooDeep(parts[0].start)
	}
	var ok bool
	if m.form != formObject && m.form != formEmpty {
		out, ok = p.wellKnown(out, m, parts)
	} else {
		start := len(out)
		out, ok = p.indexed(out, m, parts)
		out = closeObject(out, start)
	}
	p.depth++
	return out, ok
}

// closeObject puts braces around the fields that were written since start.
func closeObject(out []byte, start int) []byte {
	if len(out) == start {
		return append(out, '{', '}')
	}
	out[start] = '{'
	return append(out, '}')
}

// ordered appends the fields of m that lie in [i, end), while none comes
// again.
func (p *printer) ordered(out []byte, m *Message, i, end int) ([]byte, bool) {
	last := uint32(0)
	base := len(p.places)
	var oneofs uint64
	for i < end {
		if len(out) > p.limit {
			return out, p.tooLarge()
		}
		at := i
		number, wire, next := p.tag(i, end)
		if next < 0 {
			return out, false
		}
		i = next
		f := m.field(number)
		if f == nil || !f.fits(wire) {
			if i = p.skip(number, wire, i, end); i < 0 {
				return out, false
			}
			continue
		}
		late := number <= last
		if f.involved {
			if f.oneofBit >= 0 {
				// Two oneofs that share a bit only lead to careful mode.
				bit := uint64(1) << (f.oneofBit & 63)
				if oneofs&bit != 0 {
					return out, false
				}
				oneofs |= bit
			}
			if !late && m.unset != nil {
				out = p.unsetBetween(out, m, last, number)
			}
		}
		if !late {
			last = number
			p.places = append(p.places, place{number, len(out)})
		}
		begin := len(out)
		ok := true
		switch f.shape {
		case shapeOne:
			switch f.wire {
			case protowire.BytesType:
				start, next := p.length(i, end)
				if next < 0 {
					p.within(f, -1)
					return out, false
				}
				i = next
				switch {
				case start == next && f.omit:
				case f.kind == protoreflect.StringKind:
					if out, ok = appendString(append(out, f.comma...), p.in[start:next]); !ok {
						p.badUTF8(start)
					}
				case f.kind == protoreflect.BytesKind:
					out = appendBase64(append(out, f.comma...), p.in[start:next])
				default:
					out, ok = p.message(append(out, f.comma...), f.sub, span{start, next})
				}
			case protowire.StartGroupType:
				c, next := p.content(f, i, end)
				if ok = next >= 0; ok {
					i = next
					out = append(out, f.comma...)
					out, ok = p.message(out, f.sub, c)
				}
			default:
				v, next := p.number(f, i, end)
				if ok = next >= 0; ok {
					i = next
					if v != 0 || !f.omit {
						out = appendNumber(append(out, f.comma...), f, v)
					}
				}
			}
			if !ok {
				p.within(f, -1)
				return out, false
			}
		case shapeMap:
			base := len(p.entries)
			for {
				if i = p.entry(f, i, end); i < 0 {
					p.within(f, -1)
					return out, false
				}
				if !p.again(at, next, i, end) {
					break
				}
				i += next - at
			}
			if out, ok = p.mapEntries(append(out, f.comma...), f, base); !ok {
				return out, false
			}
		default:
			if f.packed(wire) {
				start, next := p.length(i, end)
				if next < 0 {
					p.within(f, -1)
					return out, false
				}
				if i = next; start == next && f.omit {
					break
				}
				out = append(append(out, f.comma...), '[')
				if out, _, ok = p.packedValues(out, f, start, next, 0); !ok {
					return out, false
				}
			} else {
				out = append(append(out, f.comma...), '[')
				for n := 0; ; n++ {
					if n > 0 {
						out = append(out, ',')
					}
					if out, i = p.element(out, f, i, end); i < 0 {
						p.within(f, n)
						return out, false
					}
					if !p.again(at, next, i, end) {
						break
					}
					i += next - at
				}
			}
			out = append(out, ']')
		}
		if late && !p.rearrange(out, base, number, begin) {
			return out, false
		}
	}
	if m.unset != nil {
		out = p.unsetBetween(out, m, last, afterAll)
	}
	p.places = p.places[:base]
	return out, true
}

// rearrange moves the field that was written from begin on to its place among
// those in p.places[base:]. It reports false if the field was there already.
func (p *printer) rearrange(out []byte, base int, number uint32, begin int) bool {
	at := len(p.places)
	for at > base && p.places[at-1].number > number {
		at--
	}
	if at > base && p.places[at-1].number == number {
		return false
	}
	// There is a later field, since otherwise this one would not be late.
	start, size := p.places[at].start, len(out)-begin
	if p.moved += len(out) - start; p.moved > maxMoved*len(p.in)+1<<12 {
		return false
	}
	p.room = append(p.room[:0], out[begin:]...)
	copy(out[start+size:], out[start:begin])
	copy(out[start:], p.room)
	p.places = append(p.places, place{})
	copy(p.places[at+1:], p.places[at:])
	p.places[at] = place{number, start}
	for i := at + 1; i < len(p.places); i++ {
		p.places[i].start += size
	}
	return true
}

// again reports whether the same tag as in [at, next) comes at i, too.
func (p *printer) again(at, next, i, end int) bool {
	in := p.in
	return i < end && in[i] == in[at] &&
		(next-at == 1 || i+next-at <= end && string(in[i:i+next-at]) == string(in[at:next]))
}

// packedValues appends the values of a packed list that lies in [i, end); n
// are there already.
func (p *printer) packedValues(out []byte, f *Field, i, end, n int) ([]byte, int, bool) {
	for ; i < end; n++ {
		if len(out) > p.limit {
			return out, n, p.tooLarge()
		}
		v, next := p.number(f, i, end)
		if next < 0 {
			p.within(f, n)
			return out, n, false
		}
		if i = next; n > 0 {
			out = append(out, ',')
		}
		out = appendNumber(out, f, v)
	}
	return out, n, true
}

// element appends one value of f, which begins at i after its tag. next is -1
// if it did not work.
func (p *printer) element(out []byte, f *Field, i, end int) (o []byte, next int) {
	if len(out) > p.limit {
		p.tooLarge()
		return out, -1
	}
	switch f.kind {
	case protoreflect.StringKind:
		start, next := p.length(i, end)
		if next < 0 {
			return out, next
		}
		out, ok := appendString(out, p.in[start:next])
		if !ok {
			return out, p.badUTF8(start)
		}
		return out, next
	case protoreflect.BytesKind:
		start, next := p.length(i, end)
		if next < 0 {
			return out, next
		}
		return appendBase64(out, p.in[start:next]), next
	case protoreflect.MessageKind, protoreflect.GroupKind:
		c, next := p.content(f, i, end)
		if next < 0 {
			return out, next
		}
		out, ok := p.message(out, f.sub, c)
		if !ok {
			return out, -1
		}
		return out, next
	}
	v, next := p.number(f, i, end)
	if next < 0 {
		return out, next
	}
	return appendNumber(out, f, v), next
}

func (p *printer) badUTF8(i int) int { return p.fail(KindUTF8, i, "the string is not valid UTF-8") }

func appendBase64(out, b []byte) []byte {
	out = append(out, '"')
	out = base64.StdEncoding.AppendEncode(out, b)
	return append(out, '"')
}

// appendNumber appends a value that [printer.number] read.
func appendNumber(out []byte, f *Field, v uint64) []byte {
	switch f.kind {
	case protoreflect.BoolKind:
		return strconv.AppendBool(out, v != 0)
	case protoreflect.EnumKind:
		return f.enum.append(out, int32(v))
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return strconv.AppendInt(out, int64(v), 10)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return strconv.AppendUint(out, v, 10)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		out = append(out, '"')
		out = strconv.AppendInt(out, int64(v), 10)
		return append(out, '"')
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		out = append(out, '"')
		out = strconv.AppendUint(out, v, 10)
		return append(out, '"')
	case protoreflect.FloatKind:
		return appendAnyFloat(out, float64(math.Float32frombits(uint32(v))), 32)
	}
	return appendAnyFloat(out, math.Float64frombits(v), 64)
}

func appendAnyFloat(out []byte, f float64, size int) []byte {
	switch {
	case f != f:
		return append(out, `"NaN"`...)
	case f > math.MaxFloat64:
		return append(out, `"Infinity"`...)
	case f < -math.MaxFloat64:
		return append(out, `"-Infinity"`...)
	}
	return appendFloat(out, f, size)
}

// append appends the name of a value, or its number if it has none.
func (e *enum) append(out []byte, n int32) []byte {
	if e.null {
		return append(out, "null"...)
	}
	if n >= 0 && int(n) < len(e.dense) && e.dense[n] != "" {
		return append(out, e.dense[n]...)
	}
	if name, ok := e.byNumber[n]; ok {
		return append(out, name...)
	}
	return strconv.AppendInt(out, int64(n), 10)
}
