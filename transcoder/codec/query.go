package codec

import (
	"encoding/base64"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// Queries, wire → text: the parameters that a message comes to, the inverse of what
// [AppendNested] reads. It goes by the index (see index.go) of each message, so the
// parameters are in the order of the fields' numbers, whatever the order on the wire.

// Without is the mask of everything but the fields that paths lead to, each through
// singular message fields of m, the outermost first.
func (m *Message) Without(paths [][]*Field) *Mask {
	root := &maskNode{except: true, all: len(paths) == 0}
	for _, path := range paths {
		n := root
		for i, f := range path {
			e := n.entry(f)
			e.whole = e.whole || i == len(path)-1
			e.below.except = true
			n = e.below
		}
	}
	root.finish()
	return &Mask{message: m, root: root}
}

// AppendQuery appends what the mask selects of a serialized message as the query of
// a URL: a.b=1&tags=x&tags=y. Names are JSON names, with dots between those of
// messages and of their fields (names in the .proto file, where a JSON name has a dot
// itself); values are as [AppendURLText] has them; a list is
// one parameter for each element. Everything but unreserved characters is
// percent-encoded. Zeros of fields without presence are left out, and so are
// messages that have no field set. [Scratch.MaxJSON] bounds what is appended.
//
// A map, a list of messages, and a message whose JSON form is no scalar have no form
// in a query, nor have extensions: where one is set, that is an error. On failure it
// returns dst as it was and an *[Error].
func (k *Mask) AppendQuery(dst, wire []byte, s *Scratch) ([]byte, error) {
	p := &s.printer
	p.begin(dst, wire, s)
	p.limit++ // for the first &
	p.careful, p.alphabet, p.name = true, base64.URLEncoding, p.name[:0]
	whole := [1]span{{0, len(wire)}}
	out, ok := p.query(dst, k.message, k.root, whole[:])
	if ok && len(out) > p.limit {
		ok = p.queryTooLarge()
	}
	if len(out) > len(dst) {
		out = append(out[:len(dst)], out[len(dst)+1:]...)
	}
	err := p.errorOrNil()
	p.end()
	if !ok {
		return dst, err
	}
	return out, nil
}

func (p *printer) queryTooLarge() bool {
	return p.fail(KindTooLarge, 0, "the query is longer than the limit of %d bytes", p.maxJSON) >= 0
}

// query appends the parameters of what n selects of the message with these contents,
// each with a & before it.
func (p *printer) query(out []byte, m *Message, n *maskNode, parts []span) ([]byte, bool) {
	if p.depth--; p.depth < 0 {
		return out, p.tooDeep(parts[0].start)
	}
	base, ok := p.index(m, parts)
	if !ok {
		return out, false
	}
	end, name := len(p.runs), len(p.name)
	for a := base; a < end; {
		b := p.group(a)
		f := &m.fields[p.runs[a].field]
		if below, selected := n.part(uint32(f.number)); selected {
			if name > 0 {
				p.name = append(p.name, '.')
			}
			p.name = appendUnreserved(p.name, f.queryName())
			if out, ok = p.parameters(out, f, below, a, b); !ok {
				return out, false
			}
			p.name = p.name[:name]
		}
		a = b
	}
	p.runs = p.runs[:base]
	p.depth++
	return out, true
}

// queryName is the JSON name, or if that has a dot, which would separate names here,
// the name in the .proto file.
func (f *Field) queryName() string {
	if strings.IndexByte(f.jsonName, '.') >= 0 {
		return f.name
	}
	return f.jsonName
}

// parameters appends what n selects of p.runs[a:b], all of f.
func (p *printer) parameters(out []byte, f *Field, n *maskNode, a, b int) (o []byte, ok bool) {
	nested := f.sub != nil && f.shape == shapeOne && f.sub.Plain()
	if f.extension || !nested && !f.BindableText() {
		p.fail(KindUnprintable, p.runs[a].start, "the field has no form in a query")
		p.within(f, -1)
		return out, false
	}
	if f.shape != shapeOne {
		return p.listParameters(out, f, a, b)
	}
	base := len(p.spans)
	ok = true
	for r := a; r < b && ok; r++ {
		ok = p.values(f, p.runs[r], base)
	}
	switch {
	case !ok:
	case nested:
		out, ok = p.query(out, f.sub, n, p.spans[base:])
	default:
		out, ok = p.parameter(out, f, base)
	}
	if !ok {
		p.within(f, -1)
	}
	p.spans = p.spans[:base]
	return out, ok
}

// values notes the values of f, a single field, in a run: of a message the contents
// of all, from p.spans[base] on, of a scalar the last one.
func (p *printer) values(f *Field, r run, base int) bool {
	if f.utf8 && !p.checkRun(f, r) {
		return false
	}
	for i := r.start; i < r.end; {
		number, wire, next := p.tag(i, r.end)
		var c span
		if f.sub == nil {
			p.spans = p.spans[:base]
			i = p.skip(number, wire, next, r.end)
			c = span{next, i}
		} else if c, i = p.content(f, next, r.end); i < 0 {
			return false
		}
		p.spans = append(p.spans, c)
	}
	return true
}

// listParameters appends a parameter for each element in p.runs[a:b], all of f.
func (p *printer) listParameters(out []byte, f *Field, a, b int) ([]byte, bool) {
	n := 0
	for _, r := range p.runs[a:b] {
		for i := r.start; i < r.end; {
			_, wire, next := p.tag(i, r.end)
			// One value, or all of a packed list.
			i = next
			last, end := next, r.end
			if f.packed(wire) {
				i, end = p.length(next, r.end)
				last = end - 1
			}
			for ; i <= last; n++ {
				var ok bool
				if out, i, ok = p.elementParameter(out, f, i, end); !ok {
					p.within(f, n)
					return out, false
				}
			}
		}
	}
	return out, true
}

// elementParameter appends the parameter of the element of f at i.
func (p *printer) elementParameter(out []byte, f *Field, i, end int) (o []byte, next int, ok bool) {
	var c span
	switch {
	case f.sub != nil:
		c, next = p.content(f, i, end)
	case f.wire == protowire.BytesType:
		_, next = p.length(i, end)
		c = span{i, next}
	default:
		_, next = p.number(f, i, end)
		c = span{i, next}
	}
	if next < 0 {
		return out, next, false
	}
	base := len(p.spans)
	p.spans = append(p.spans, c)
	out, ok = p.parameter(out, f, base)
	p.spans = p.spans[:base]
	return out, next, ok
}

// parameter appends the parameter with the value that p.spans[base:] says f has,
// none for a zero without presence.
func (p *printer) parameter(out []byte, f *Field, base int) ([]byte, bool) {
	if f.implicit && p.isZero(f, p.spans[base].start, p.spans[base].end) {
		return out, true
	}
	var ok bool
	if p.text, ok = p.valueText(p.text[:0], f, base); !ok {
		return out, false
	}
	out = append(append(append(out, '&'), p.name...), '=')
	if len(out)+len(p.text) > p.limit {
		return out, p.queryTooLarge()
	}
	return appendUnreserved(out, p.text), true
}

// appendUnreserved percent-encodes everything but the unreserved characters of RFC
// 3986.
func appendUnreserved[T string | []byte](dst []byte, text T) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		switch c := text[i]; {
		case 'a' <= c|0x20 && c|0x20 <= 'z', c-'0' <= 9, c == '-', c == '.', c == '_', c == '~':
			dst = append(dst, c)
		default:
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}
