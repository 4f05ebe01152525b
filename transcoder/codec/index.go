package codec

import (
	"slices"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The index serves messages whose fields come out of order, split or repeated.
// It lists where each field's occurrences are, those that follow each other as
// one run, and is then sorted by field. A singular scalar is its last
// occurrence; a message is all of them merged, which needs no copying: a
// message's content is simply a list of spans. Of a oneof only what comes
// after the last other member counts.
//
// What is left out must be valid nevertheless, so it is checked.

// run is one or more occurrences of a field that follow each other directly.
type run struct {
	field      uint32 // its index in the message
	start, end int
}

// winner is what is known of a oneof, going through an index from its end.
type winner struct {
	field  int32 // the member that counts, -1 if none was met yet
	closed bool  // another member was met before it
}

// dropped marks a run that does not count.
const dropped = 1<<32 - 1

// index adds the runs of a message's fields to p.runs, in the order of the
// fields' numbers, and returns where they begin.
func (p *printer) index(m *Message, parts []span) (base int, ok bool) {
	base = len(p.runs)
	for _, c := range parts {
		var last *Field
		for i := c.start; i < c.end; {
			at := i
			number, wire, next := p.tag(i, c.end)
			if next < 0 {
				return base, false
			}
			f := m.field(number)
			if i = p.skip(number, wire, next, c.end); i < 0 {
				if f != nil {
					p.within(f, -1)
				}
				return base, false
			}
			switch {
			case f == nil || !f.fits(wire):
				last = nil
			case f == last:
				p.runs[len(p.runs)-1].end = i
			default:
				p.runs = append(p.runs, run{f.index, at, i})
				last = f
			}
		}
	}
	if len(m.oneofNames) > 0 && !p.decideOneofs(m, base) {
		return base, false
	}
	slices.SortFunc(p.runs[base:], func(a, b run) int {
		if a.field != b.field {
			return int(m.fields[a.field].number) - int(m.fields[b.field].number)
		}
		return a.start - b.start
	})
	return base, true
}

// decideOneofs removes the runs of members of oneofs that do not count.
func (p *printer) decideOneofs(m *Message, base int) bool {
	first := len(p.winners)
	for range m.oneofNames {
		p.winners = append(p.winners, winner{field: -1})
	}
	winners := p.winners[first:]
	for i := len(p.runs) - 1; i >= base; i-- {
		f := &m.fields[p.runs[i].field]
		if f.oneofIndex < 0 {
			continue
		}
		w := &winners[f.oneofIndex]
		switch {
		case w.field < 0:
			w.field = int32(f.index)
		case w.field != int32(f.index) || w.closed:
			w.closed = true
			if !p.checkRun(f, p.runs[i]) {
				p.within(f, -1)
				return false
			}
			p.runs[i].field = dropped
		}
	}
	p.winners = p.winners[:first]
	kept := p.runs[:base]
	for _, r := range p.runs[base:] {
		if r.field != dropped {
			kept = append(kept, r)
		}
	}
	p.runs = kept
	return true
}

// group is the end of the group of runs of one field that begins at a.
func (p *printer) group(a int) (b int) {
	for b = a + 1; b < len(p.runs) && p.runs[b].field == p.runs[a].field; b++ {
	}
	return b
}

// indexed appends the fields of a message by its index.
func (p *printer) indexed(out []byte, m *Message, parts []span) ([]byte, bool) {
	base, ok := p.index(m, parts)
	if !ok {
		return out, false
	}
	end := len(p.runs)
	rest, only := m.unset, p.only
	for a := base; a < end; {
		b := p.group(a)
		f := &m.fields[p.runs[a].field]
		if len(rest) > 0 {
			out, rest = appendUnset(out, rest, uint32(f.number), only)
		}
		if only != nil {
			p.only = only.inside(f)
		}
		if out, ok = p.field(out, f, a, b, true); !ok {
			return out, false
		}
		a = b
	}
	p.runs = p.runs[:base]
	p.only = only
	out, _ = appendUnset(out, rest, afterAll, only)
	return out, true
}

// alone appends the value of one field of the message that is the input.
func (p *printer) alone(out []byte, f *Field) ([]byte, bool) {
	start := len(out)
	out, ok := p.ifSet(out, f)
	switch {
	case !ok || len(out) > start:
		return out, ok
	case f.shape == shapeOne && !f.implicit:
		return append(out, "null"...), true
	}
	return f.appendZero(out), true
}

// ifSet is alone, but appends nothing for a field that is not set, or a zero that
// the form leaves out.
func (p *printer) ifSet(out []byte, f *Field) ([]byte, bool) {
	m := f.parent
	p.depth--
	whole := [1]span{{0, len(p.in)}}
	base, ok := p.index(m, whole[:])
	if !ok {
		return out, false
	}
	end := len(p.runs)
	for a := base; a < end; {
		b := p.group(a)
		if g := &m.fields[p.runs[a].field]; g == f {
			if p.only != nil {
				p.only = p.only.inside(f)
			}
			if out, ok = p.field(out, f, a, b, false); !ok {
				return out, false
			}
		} else {
			for _, r := range p.runs[a:b] {
				if !p.checkRun(g, r) {
					p.within(g, -1)
					return out, false
				}
			}
		}
		a = b
	}
	return out, true
}

// field appends what p.runs[a:b], all of f, come to: after f's name if named
// is set, and nothing for an empty list or a zero that the form leaves out.
func (p *printer) field(out []byte, f *Field, a, b int, named bool) ([]byte, bool) {
	if len(out) > p.limit {
		return out, p.tooLarge()
	}
	switch {
	case f.shape == shapeMap:
		return p.mapField(out, f, a, b, named)
	case f.shape != shapeOne:
		return p.listField(out, f, a, b, named)
	case f.sub != nil:
		return p.messageField(out, f, a, b, named)
	}
	at := 0 // the last value
	for _, r := range p.runs[a:b] {
		if f.utf8 && !p.checkRun(f, r) {
			p.within(f, -1)
			return out, false
		}
		for i := r.start; i < r.end; {
			number, wire, next := p.tag(i, r.end)
			at = next
			i = p.skip(number, wire, next, r.end)
		}
	}
	end := p.runs[b-1].end
	if f.omit && p.isZero(f, at, end) {
		return out, true
	}
	if named {
		out = append(out, f.comma...)
	}
	out, next := p.element(out, f, at, end)
	if next < 0 {
		p.within(f, -1)
	}
	return out, next >= 0
}

func (p *printer) isZero(f *Field, i, end int) bool {
	if f.wire == protowire.BytesType {
		start, next := p.length(i, end)
		return start == next
	}
	v, _ := p.number(f, i, end)
	return v == 0
}

func (p *printer) messageField(out []byte, f *Field, a, b int, named bool) ([]byte, bool) {
	base := len(p.spans)
	for _, r := range p.runs[a:b] {
		for i := r.start; i < r.end; {
			_, _, next := p.tag(i, r.end)
			var c span
			if c, i = p.content(f, next, r.end); i < 0 {
				p.within(f, -1)
				return out, false
			}
			p.spans = append(p.spans, c)
		}
	}
	if named {
		out = append(out, f.comma...)
	}
	out, ok := p.merged(out, f.sub, p.spans[base:])
	if !ok {
		p.within(f, -1)
	}
	p.spans = p.spans[:base]
	return out, ok
}

func (p *printer) listField(out []byte, f *Field, a, b int, named bool) ([]byte, bool) {
	n := 0
	for r := a; r < b; r++ {
		end := p.runs[r].end
		for i := p.runs[r].start; i < end; {
			_, wire, next := p.tag(i, end)
			stop := end
			if f.packed(wire) {
				start, after := p.length(next, end)
				if start == after {
					i = after
					continue
				}
				next, stop = start, after
			}
			if n == 0 {
				if named {
					out = append(out, f.comma...)
				}
				out = append(out, '[')
			}
			var ok bool
			if f.packed(wire) {
				if out, n, ok = p.packedValues(out, f, next, stop, n); !ok {
					return out, false
				}
				i = stop
				continue
			}
			if n > 0 {
				out = append(out, ',')
			}
			if out, i = p.element(out, f, next, end); i < 0 {
				p.within(f, n)
				return out, false
			}
			n++
		}
	}
	switch {
	case n > 0:
		out = append(out, ']')
	case !f.omit:
		if named {
			out = append(out, f.comma...)
		}
		out = append(out, '[', ']')
	}
	return out, true
}

func (p *printer) mapField(out []byte, f *Field, a, b int, named bool) ([]byte, bool) {
	base := len(p.entries)
	for _, r := range p.runs[a:b] {
		for i := r.start; i < r.end; {
			_, _, next := p.tag(i, r.end)
			if i = p.entry(f, next, r.end); i < 0 {
				p.within(f, -1)
				return out, false
			}
		}
	}
	if named {
		out = append(out, f.comma...)
	}
	return p.mapEntries(out, f, base)
}

// checkRun reports whether what is not printed is valid.
func (p *printer) checkRun(f *Field, r run) bool {
	for i := r.start; i < r.end; {
		_, wire, next := p.tag(i, r.end)
		if next < 0 {
			return false
		}
		if i = p.checkValue(f, wire, next, r.end); i < 0 {
			return false
		}
	}
	return true
}

// checkValue checks the value of f at i, after its tag.
func (p *printer) checkValue(f *Field, wire protowire.Type, i, end int) (next int) {
	switch {
	case f.packed(wire):
		start, next := p.length(i, end)
		for i = start; i >= 0 && i < next; {
			_, i = p.number(f, i, next)
		}
		if i < 0 {
			return i
		}
		return next
	case f.shape == shapeMap:
		start, next := p.length(i, end)
		if next < 0 {
			return next
		}
		if p.depth--; p.depth < 0 {
			p.tooDeep(i)
			return -1
		}
		if !p.checkMessage(f.sub, span{start, next}) {
			return -1
		}
		p.depth++
		return next
	case f.sub != nil:
		c, next := p.content(f, i, end)
		if next < 0 {
			return next
		}
		if p.depth--; p.depth < 0 {
			p.tooDeep(i)
			return -1
		}
		if !p.checkMessage(f.sub, c) {
			return -1
		}
		p.depth++
		return next
	case f.kind == protoreflect.StringKind:
		start, next := p.length(i, end)
		if next >= 0 && f.utf8 && !utf8.Valid(p.in[start:next]) {
			return p.badUTF8(start)
		}
		return next
	}
	return p.skip(uint32(f.number), wire, i, end)
}

// checkMessage checks a message's content.
func (p *printer) checkMessage(m *Message, c span) bool {
	for i := c.start; i < c.end; {
		number, wire, next := p.tag(i, c.end)
		if next < 0 {
			return false
		}
		f := m.field(number)
		if f == nil || !f.fits(wire) {
			i = p.skip(number, wire, next, c.end)
		} else if i = p.checkValue(f, wire, next, c.end); i < 0 {
			p.within(f, -1)
		}
		if i < 0 {
			return false
		}
	}
	return true
}

// checkValues checks all values of a map's entry.
func (p *printer) checkValues(f *Field, entry span) bool {
	return p.checkMessage(f.parent, entry)
}
