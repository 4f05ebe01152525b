package codec

import (
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Cutting: a message reduced to what a mask selects, on the wire. It goes by the
// index (see index.go) of each message that is to be taken apart, because a
// message may come in parts, and a member of a oneof that is not selected may
// still replace one that is. What is selected whole is copied as it is.

// AppendCut appends what the mask selects of a serialized message, serialized
// again: never longer than it was, fields of messages that were taken apart in
// the order of their numbers, the parts of each joined. A sub-message or element
// of which nothing is selected stays as an empty one. Unknown fields are left out,
// except from what is selected whole, which is copied without a look inside.
// On failure it returns dst as it was and an *[Error].
func (k *Mask) AppendCut(dst, wire []byte, s *Scratch) ([]byte, error) {
	if k.root.all {
		return append(dst, wire...), nil
	}
	p := &s.printer
	p.begin(dst, wire, s)
	p.careful = true
	whole := [1]span{{0, len(wire)}}
	out, ok := p.cut(dst, k.message, k.root, whole[:])
	err := p.err
	p.end()
	if !ok {
		return dst, err
	}
	return out, nil
}

// cut appends what n selects of the message with these contents.
func (p *printer) cut(out []byte, m *Message, n *maskNode, parts []span) ([]byte, bool) {
	if p.depth--; p.depth < 0 {
		return out, p.tooDeep(parts[0].start)
	}
	base, ok := p.index(m, parts)
	if !ok {
		return out, false
	}
	// Both are in the order of the numbers.
	selected := n.fields
	end := len(p.runs)
	for a := base; a < end && (n.except || len(selected) > 0); {
		b := p.group(a)
		f := &m.fields[p.runs[a].field]
		for len(selected) > 0 && selected[0].field.number < f.number {
			selected = selected[1:]
		}
		named := len(selected) > 0 && selected[0].field == f
		switch {
		case named && (selected[0].below != nil || !n.except):
			if out, ok = p.cutField(out, &selected[0], a, b); !ok {
				return out, false
			}
		case !named && n.except:
			for _, r := range p.runs[a:b] {
				out = append(out, p.in[r.start:r.end]...)
			}
		}
		a = b
	}
	p.runs = p.runs[:base]
	p.depth++
	return out, true
}

// cutField appends what e selects of p.runs[a:b], all of its field.
func (p *printer) cutField(out []byte, e *maskField, a, b int) ([]byte, bool) {
	f := e.field
	base := len(p.spans)
	n := 0
	for r := a; r < b; r++ {
		start, end := p.runs[r].start, p.runs[r].end
		if e.below == nil {
			out = append(out, p.in[start:end]...)
			continue
		}
		for i := start; i < end; n++ {
			_, _, next := p.tag(i, end)
			var c span
			if c, i = p.content(f, next, end); i < 0 {
				p.within(f, -1)
				return out, false
			}
			if f.shape == shapeOne {
				p.spans = append(p.spans, c)
				continue
			}
			one := [1]span{c}
			var ok bool
			if out, ok = p.cutMessage(out, e, one[:]); !ok {
				p.within(f, n)
				return out, false
			}
		}
	}
	if e.below == nil || f.shape != shapeOne {
		return out, true
	}
	out, ok := p.cutMessage(out, e, p.spans[base:])
	if !ok {
		p.within(f, -1)
	}
	p.spans = p.spans[:base]
	return out, ok
}

// cutMessage appends what e selects of one message, its field's value, with the
// tag.
func (p *printer) cutMessage(out []byte, e *maskField, parts []span) ([]byte, bool) {
	f := e.field
	out = append(out, f.tag...)
	if f.kind == protoreflect.GroupKind {
		out, ok := p.cut(out, f.sub, e.below, parts)
		return append(out, f.end...), ok
	}
	// Room for the length as it was: mostly it needs as much, never more.
	length := 0
	for _, c := range parts {
		length += c.end - c.start
	}
	room := protowire.SizeVarint(uint64(length))
	at := len(out)
	for range room {
		out = append(out, 0)
	}
	start := len(out)
	out, ok := p.cut(out, f.sub, e.below, parts)
	if !ok {
		return out, false
	}
	size := len(out) - start
	if less := room - protowire.SizeVarint(uint64(size)); less > 0 {
		copy(out[start-less:], out[start:])
		out = out[:len(out)-less]
	}
	appendVarint(out[:at], uint64(size))
	return out, true
}
