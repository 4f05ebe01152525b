package codec

// Required fields (proto2, and the feature of editions) are checked on the
// wire, after the last contribution to a message, since any part of it may
// come from elsewhere. Only messages that have required fields in reach are
// looked at.

func (p *printer) checkRequired(wire []byte, s *Scratch, m *Message) error {
	p.begin(nil, wire, s)
	p.careful = true
	whole := [1]span{{0, len(wire)}}
	ok := p.complete(m, whole[:])
	err := p.err
	p.end()
	if !ok {
		return err
	}
	return nil
}

// complete reports whether the message with these contents has all its
// required fields.
func (p *printer) complete(m *Message, parts []span) bool {
	if p.depth--; p.depth < 0 {
		return p.tooDeep(0)
	}
	base, ok := p.index(m, parts)
	if !ok {
		return false
	}
	for _, f := range m.required {
		if !p.has(f, base) {
			start := 0
			if len(parts) > 0 {
				start = parts[0].start
			}
			p.fail(KindRequired, start, "the required field %q of %s is missing", f.jsonName, m.name)
			p.within(f, -1)
			return false
		}
	}
	end := len(p.runs)
	for a := base; a < end; {
		b := p.group(a)
		f := &m.fields[p.runs[a].field]
		if f.sub != nil && f.sub.demanding && !p.completeField(f, a, b) {
			return false
		}
		a = b
	}
	p.runs = p.runs[:base]
	p.depth++
	return true
}

func (p *printer) has(f *Field, base int) bool {
	for _, r := range p.runs[base:] {
		if r.field == f.index {
			return true
		}
	}
	return false
}

// completeField checks the messages that p.runs[a:b], all of f, hold.
func (p *printer) completeField(f *Field, a, b int) bool {
	if f.shape == shapeMap {
		return p.completeMap(f, a, b)
	}
	base := len(p.spans)
	n := 0
	for r := a; r < b; r++ {
		end := p.runs[r].end
		for i := p.runs[r].start; i < end; n++ {
			_, _, next := p.tag(i, end)
			var c span
			if c, i = p.content(f, next, end); i < 0 {
				return false
			}
			if f.shape == shapeOne {
				p.spans = append(p.spans, c)
				continue
			}
			one := [1]span{c}
			if !p.complete(f.sub, one[:]) {
				p.within(f, n)
				return false
			}
		}
	}
	if f.shape == shapeOne && !p.complete(f.sub, p.spans[base:]) {
		p.within(f, -1)
		return false
	}
	p.spans = p.spans[:base]
	return true
}

func (p *printer) completeMap(f *Field, a, b int) bool {
	base := len(p.entries)
	for r := a; r < b; r++ {
		end := p.runs[r].end
		for i := p.runs[r].start; i < end; {
			_, _, next := p.tag(i, end)
			if i = p.entry(f, next, end); i < 0 {
				p.within(f, -1)
				return false
			}
		}
	}
	p.sortEntries(f, p.entries[base:])
	p.depth--
	for i := base; i < len(p.entries); i++ {
		e := p.entries[i]
		if i+1 < len(p.entries) && p.compareKeys(f, &e, &p.entries[i+1]) == 0 {
			continue
		}
		spans := len(p.spans)
		ok := p.valueSpans(f.mapValue, &e) && p.complete(f.mapValue.sub, p.spans[spans:])
		p.spans = p.spans[:spans]
		if !ok {
			p.withinKey(f, &e)
			return false
		}
	}
	p.depth++
	p.entries = p.entries[:base]
	return true
}
