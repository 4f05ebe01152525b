package codec

import "slices"

// The mask of a PATCH: which fields a JSON body names, as the content of a
// google.protobuf.FieldMask. It follows the body's objects for as long as they
// are messages whose fields a mask can name, and takes everything else (lists,
// maps, well-known types) whole:
//
//	{"title":"x","author":{"name":"y","tags":["z"]},"labels":{"a":"b"},"cover":null}
//
// has the paths title, author.name, author.tags, labels and cover.

// A mask may be maskFactor times as long as the body that it is made from, and
// maskAllowance bytes more. Without a bound, deep bodies would have masks that
// are longer by a factor of hundreds, since each path repeats the names above it.
const (
	maskFactor    = 4
	maskAllowance = 64 << 10
)

// AppendMask appends the content of a google.protobuf.FieldMask that names the
// fields that a whole JSON text, a body which [Message.AppendWire] has accepted,
// gives to m: one path for each leaf, in the order of the text, by the names of
// the .proto file. An empty object counts itself, a null too (the field is to be
// cleared). Names that m does not have are left out, as are extensions, which no
// path can name; a message that is given nothing else is not listed either, since
// that would ask for all of it to be cleared. None of the fields of m in skip is listed, nor what is below
// them.
//
// The mask has at most 64 KiB and four times the length of the text, or it is an
// *[Error] with [KindTooLarge]. On failure it returns dst as it was.
func (m *Message) AppendMask(dst, json []byte, skip []*Field, s *Scratch) ([]byte, error) {
	p := s.another(dst, json)
	return p.maskBody(dst, m, skip, p.space(0), s)
}

// AppendMask is [Message.AppendMask] for a text that is the value of f alone:
// the paths, and skip, begin below f. A value that has no fields to name, such
// as a null, a list, a map or a scalar, appends nothing.
func (f *Field) AppendMask(dst, json []byte, skip []*Field, s *Scratch) ([]byte, error) {
	p := s.another(dst, json)
	p.depth-- // the parent
	i := p.space(0)
	if !f.plainMessage() || p.peek(i) != '{' {
		return p.end(dst, p.skipValue(i, p.leafDepth()), s)
	}
	return p.maskBody(dst, f.sub, skip, i, s)
}

// another begins to parse a text beside that of a message, of which it leaves
// [Scratch.Ignored] as it was.
func (s *Scratch) another(dst, json []byte) *parser {
	ignored := s.Ignored
	s.parser.begin(dst, json, s, nil)
	s.Ignored = ignored
	return &s.parser
}

func (p *parser) maskBody(dst []byte, m *Message, skip []*Field, i int, s *Scratch) ([]byte, error) {
	p.path = p.path[:0]
	p.maskLimit = len(dst) + maskFactor*len(p.in) + maskAllowance
	i = p.maskObject(m, i, skip)
	if cap(p.path) > maxKept {
		p.path = nil
	}
	return p.end(dst, i, s)
}

// plainMessage reports whether f is a single message with fields that a path
// can name: no list, no map, no well-known type.
func (f *Field) plainMessage() bool {
	return f.shape == shapeOne && f.sub != nil && f.sub.form == formObject
}

// leafDepth is how deep the JSON of a field of the message being read may nest:
// each message may be in an array or in a map's object.
func (p *parser) leafDepth() int { return 2*max(p.depth, 0) + 1 }

// maskObject appends the paths of the object at i, which is a message m, all of
// them behind p.path.
func (p *parser) maskObject(m *Message, i int, skip []*Field) int {
	if p.depth--; p.depth < 0 {
		return p.tooDeep(i)
	}
	if p.peek(i) != '{' || m.form != formObject {
		// A message with a JSON form of its own has no fields to list.
		p.depth++
		return p.skipValue(i, p.leafDepth())
	}
	if i = p.space(i + 1); p.peek(i) == '}' {
		p.depth++
		return i + 1
	}
	for {
		if p.peek(i) != '"' {
			return p.syntax(i, "a field name in quotes")
		}
		key := i
		name, next := p.stringValue(i)
		if next < 0 {
			return next
		}
		f := m.byName[string(name)]
		if i = p.colon(next); i < 0 {
			return i
		}
		if f == nil || f.extension || slices.Contains(skip, f) {
			i = p.skipValue(i, p.leafDepth())
		} else {
			i = p.maskField(f, i)
		}
		if i < 0 {
			p.within(key)
			return i
		}
		switch i = p.space(i); p.peek(i) {
		case ',':
			i = p.space(i + 1)
		case '}':
			p.depth++
			return i + 1
		default:
			return p.syntax(i, "a comma or }")
		}
	}
}

// maskField appends the paths of f, whose value is at i.
func (p *parser) maskField(f *Field, i int) int {
	if !f.plainMessage() || p.in[i] != '{' || p.peek(p.space(i+1)) == '}' {
		n := len(p.path) + len(f.name)
		if len(p.out)+n > p.maskLimit {
			return p.fail(KindTooLarge, i, "the paths of the fields are longer than the limit of %d bytes",
				maskFactor*len(p.in)+maskAllowance)
		}
		p.out = append(p.out, 0x0a)
		p.out = appendVarint(p.out, uint64(n))
		p.out = append(p.out, p.path...)
		p.out = append(p.out, f.name...)
		return p.skipValue(i, p.leafDepth())
	}
	above := len(p.path)
	p.path = append(append(p.path, f.name...), '.')
	i = p.maskObject(f.sub, i, nil)
	p.path = p.path[:above]
	return i
}
