package codec

import (
	"encoding/binary"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// JSON → wire is a recursive descent over the text that writes as it reads.
// Each method takes the position of the first byte of what it parses and
// returns the position behind it, or -1 after it has set p.err. The path of an
// error is put together on the way back out, so success pays nothing for it.

// parser is one translation from JSON. It lives in a [Scratch].
type parser struct {
	in  []byte
	out []byte
	err *Error
	// depth is how many more levels of messages are allowed, of maxDepth.
	depth, maxDepth int
	// pending is by how much the late lengths will make out longer.
	pending   int
	late      []lateLength
	moveLimit int
	bound     *Bound
	// unescaped is the last string that had escapes.
	unescaped []byte
	keys      keySet
	sets      []uint64
	// typeAt is where the innermost Any has its "@type"; rescanned counts what
	// was read twice to find them.
	typeAt, rescanned int
	options           Parse
	// unknown is where the names of fields are that were passed over, skipped how
	// many there were.
	unknown []int
	skipped int
	// path is the path of the message whose fields a mask is to list, with a dot
	// behind each name; maskLimit is how long the output may be with the mask.
	path      []byte
	maskLimit int
}

func (p *parser) begin(dst, json []byte, s *Scratch, b *Bound) {
	p.in, p.out, p.err = json, dst, nil
	p.maxDepth = s.maxDepth()
	p.depth = p.maxDepth
	p.pending, p.late, p.moveLimit = 0, p.late[:0], moveLimit
	p.bound = b
	p.sets = p.sets[:0]
	p.keys.reset()
	p.rescanned = 0
	p.options = s.Parse
	p.unknown, s.Ignored, p.skipped = p.unknown[:0], s.Ignored[:0], 0
}

// end takes the result and lets go of the caller's memory.
func (p *parser) end(dst []byte, i int, s *Scratch) ([]byte, error) {
	if i >= 0 {
		if i = p.space(i); i < len(p.in) {
			i = p.syntax(i, "the end of the JSON text")
		}
	}
	p.settle()
	s.Skipped = p.skipped
	if i >= 0 && len(p.unknown) > 0 {
		s.Ignored = p.ignoredPaths(s.Ignored)
	}
	out, err := p.out, p.err
	p.in, p.out, p.err, p.bound = nil, nil, nil, nil
	p.trim()
	if i < 0 {
		return dst, err
	}
	return out, nil
}

// space skips white space.
func (p *parser) space(i int) int {
	in := p.in
	for i < len(in) && (in[i] == ' ' || in[i] == '\n' || in[i] == '\r' || in[i] == '\t') {
		i++
	}
	return i
}

// peek is the byte at i, 0 at the end.
func (p *parser) peek(i int) byte {
	if i < len(p.in) {
		return p.in[i]
	}
	return 0
}

// message parses a value of message type m and appends its content. w is what
// the path has bound in it, nil almost always.
func (p *parser) message(m *Message, i int, w *watchNode) int {
	if p.depth--; p.depth < 0 {
		return p.tooDeep(i)
	}
	sets := len(p.sets)
	if m.form == formObject {
		i = p.object(m, i, w, false)
	} else {
		i = p.wellKnown(m, i, w)
	}
	p.sets = p.sets[:sets]
	p.depth++
	return i
}

// set is a set of the fields and oneofs of one message.
type set struct {
	small [4]uint64
	large []uint64
}

func (s *set) add(i uint32) (added bool) {
	word := &s.small[(i>>6)&3]
	if i >= 256 {
		word = &s.large[i>>6]
	}
	bit := uint64(1) << (i & 63)
	added = *word&bit == 0
	*word |= bit
	return added
}

// grow makes room for a message with more than 256 fields.
func (p *parser) grow(s *set, bits uint32) {
	n := len(p.sets)
	for range bits/64 + 1 {
		p.sets = append(p.sets, 0)
	}
	s.large = p.sets[n:]
}

// object parses a JSON object as the fields of m. typed is set inside an Any,
// where "@type" is passed over.
func (p *parser) object(m *Message, i int, w *watchNode, typed bool) int {
	if p.peek(i) != '{' {
		return p.mismatch(i, "an object")
	}
	if m.form == formMessageSet {
		return p.fail(KindType, i, "%s is a message set, which has no JSON form", m.name)
	}
	i = p.space(i + 1)
	if p.peek(i) == '}' {
		return i + 1
	}
	in := p.in
	var seen set
	if m.bits > 256 {
		p.grow(&seen, m.bits)
	}
	next := uint32(0)
	if typed && m.byName["@type"] != nil {
		next = uint32(len(m.fields)) // a guess would take this field for it
	}
	for {
		// Most likely the next key is that of one of the next fields.
		key := i
		var f *Field
		for g := next; g < uint32(len(m.fields)) && g < next+4; g++ {
			guess := m.fields[g].key
			if n := i + len(guess); n <= len(in) && in[i+1] == guess[1] && string(in[i:n]) == guess {
				f, i = &m.fields[g], n
				break
			}
		}
		if f == nil {
			if f, i = p.key(m, i, typed); i < 0 {
				return i
			}
			if f == nil { // "@type", or passed over
				if i = p.skipValue(i, p.depth); i < 0 {
					p.within(key)
					return i
				}
			}
		}
		if f != nil {
			if i = p.space(i); i < len(in) {
				if next <= f.index {
					next = f.index + 1
				}
				if !seen.add(f.index) {
					i = p.fail(KindDuplicate, key, "the field %q is given twice", f.jsonName)
				} else if in[i] == 'n' && !f.takesNull {
					i = p.literal(i, "null")
				} else if f.oneofBit >= 0 && !seen.add(uint32(f.oneofBit)) {
					i = p.fail(KindOneof, key, "%q is a second member of the oneof %q, of which only one may be given",
						f.jsonName, m.oneofName(f))
				} else if w != nil {
					i = p.watched(f, i, key, w)
				} else {
					i = p.field(f, i, nil)
				}
			} else {
				i = p.syntax(i, "a value")
			}
			if i < 0 {
				p.within(key)
				return i
			}
		}
		if i = p.space(i); i < len(in) && in[i] == ',' {
			if i = p.space(i + 1); i < len(in) && in[i] == '"' {
				continue
			}
			return p.syntax(i, "a field name in quotes")
		}
		if i < len(in) && in[i] == '}' {
			return i + 1
		}
		return p.syntax(i, "a comma or }")
	}
}

// key parses a field's name and the colon, the way without guessing. The field
// is nil for one whose value is skipped: the "@type" of an Any, or an unknown
// one that is ignored.
func (p *parser) key(m *Message, i int, typed bool) (f *Field, next int) {
	if p.peek(i) != '"' {
		return nil, p.syntax(i, "a field name in quotes")
	}
	name, next := p.stringValue(i)
	if next < 0 {
		return nil, next
	}
	skip := typed && string(name) == "@type"
	if skip && i != p.typeAt {
		next = p.fail(KindDuplicate, i, `"@type" is given twice`)
		p.within(i)
		return nil, next
	}
	if f = m.byName[string(name)]; f == nil && !skip && !p.ignores(m, i, name) {
		next = p.unknownField(m, i, name)
		p.within(i)
		return nil, next
	}
	if next = p.colon(next); next < 0 {
		return nil, next
	}
	if skip {
		f = nil
	}
	return f, next
}

func (p *parser) colon(i int) int {
	if i = p.space(i); p.peek(i) != ':' {
		return p.syntax(i, "a colon")
	}
	if i = p.space(i + 1); i >= len(p.in) {
		return p.syntax(i, "a value")
	}
	return i
}

// field parses a field's value and appends the field.
func (p *parser) field(f *Field, i int, w *watchNode) int {
	switch f.shape {
	case shapeOne:
		return p.value(f, i, w)
	case shapeMap:
		return p.mapValue(f, i)
	}
	return p.list(f, i)
}

// list parses an array of f's elements.
func (p *parser) list(f *Field, i int) int {
	if p.peek(i) != '[' {
		return p.mismatch(i, "an array")
	}
	i = p.space(i + 1)
	if p.peek(i) == ']' {
		return i + 1
	}
	in := p.in
	packed := f.shape == shapePacked
	var m mark
	if packed {
		p.out = append(p.out, f.tag...)
		m = p.open()
	}
	for n := 0; ; n++ {
		if i >= len(in) {
			return p.syntax(i, "a value")
		}
		if packed {
			var v uint64
			if v, i = p.number(f, i); i >= 0 {
				switch {
				case f.wire == protowire.VarintType && v < 0x80:
					p.out = append(p.out, byte(v))
				default:
					p.appendNumber(f.wire, v)
				}
			}
		} else {
			i = p.value(f, i, nil)
		}
		if i < 0 {
			p.at(n)
			return i
		}
		if i = p.space(i); i < len(in) && in[i] == ',' {
			i = p.space(i + 1)
			continue
		}
		if i < len(in) && in[i] == ']' {
			break
		}
		return p.syntax(i, "a comma or ]")
	}
	if packed {
		p.close(m)
	}
	return i + 1
}

// value parses one value of f (an element, if f is a list) and appends it with
// its tag; a zero that f does not tell from no value is left out. i is not at
// the end.
func (p *parser) value(f *Field, i int, w *watchNode) int {
	switch f.kind {
	case protoreflect.StringKind:
		if p.in[i] != '"' {
			return p.mismatch(i, "a string")
		}
		raw, escaped, next := p.stringToken(i)
		if next < 0 {
			return next
		}
		if escaped {
			p.unescaped = unescape(p.unescaped[:0], raw)
			raw = p.unescaped
		}
		if len(raw) == 0 && f.implicit {
			return next
		}
		if len(raw) < 0x80 && len(f.tag) == 1 {
			p.out = append(p.out, f.tag[0], byte(len(raw)))
		} else {
			p.out = append(p.out, f.tag...)
			p.out = protowire.AppendVarint(p.out, uint64(len(raw)))
		}
		p.out = append(p.out, raw...)
		return next

	case protoreflect.MessageKind:
		p.out = append(p.out, f.tag...)
		m := p.open()
		i = p.message(f.sub, i, w)
		if i >= 0 {
			p.close(m)
		}
		return i

	case protoreflect.GroupKind:
		p.out = append(p.out, f.tag...)
		i = p.message(f.sub, i, w)
		p.out = append(p.out, f.end...)
		return i

	case protoreflect.BytesKind:
		return p.bytes(f, i)
	}
	v, i := p.number(f, i)
	if i < 0 || v == 0 && f.implicit {
		return i
	}
	if v < 0x80 && f.wire == protowire.VarintType && len(f.tag) == 1 {
		p.out = append(p.out, f.tag[0], byte(v))
		return i
	}
	p.out = append(p.out, f.tag...)
	p.appendNumber(f.wire, v)
	return i
}

func (p *parser) appendNumber(wire protowire.Type, v uint64) {
	switch wire {
	case protowire.Fixed32Type:
		p.out = binary.LittleEndian.AppendUint32(p.out, uint32(v))
	case protowire.Fixed64Type:
		p.out = binary.LittleEndian.AppendUint64(p.out, v)
	default:
		for v >= 0x80 {
			p.out = append(p.out, byte(v)|0x80)
			v >>= 7
		}
		p.out = append(p.out, byte(v))
	}
}
