package codec

// CheckWire compares a serialized message, of the type that the watch is of, with
// what is bound: what [Message.AppendWire] does for JSON. It refuses what a reader
// of the message would find, where the last value counts and parts of messages are
// merged. A field that is on the wire has a value even if that is zero. The error
// is an *[Error], with [KindBound] for a contradiction whatever [Parse] says.
func (b *Bound) CheckWire(wire []byte, s *Scratch) error {
	root := b.root()
	if root == nil {
		return nil
	}
	p := &s.printer
	p.begin(nil, wire, s)
	p.careful = true
	p.spans = append(p.spans, span{0, len(wire)})
	p.compare(b, root, 0)
	err := p.errorOrNil()
	p.end()
	return err
}

// compare looks for what is bound below w in the message whose parts are
// p.spans[base:].
func (p *printer) compare(b *Bound, w *watchNode, base int) {
	for i := range w.fields {
		wf := &w.fields[i]
		if !b.binds(wf) {
			continue
		}
		first, found := p.occurrences(wf.field, base)
		bound := b.value(wf)
		switch {
		case p.err != nil:
		case p.rival != nil:
			p.fail(KindBound, p.spans[base].start, "the path has set %q, another member of the oneof %q",
				wf.field.jsonName, wf.field.parent.oneofName(wf.field))
			p.within(p.rival, -1)
			return
		case found && len(bound) > 0:
			p.compareValue(wf.field, first, bound)
		case found && wf.below != nil:
			p.compare(b, wf.below, first)
		}
		if p.err != nil {
			p.within(wf.field, -1)
			return
		}
		p.spans = p.spans[:first]
	}
}

// compareValue compares the value of f that p.spans[base:] have with the bound one.
// Values have many forms on the wire: both are compared in the one that a text has.
func (p *printer) compareValue(f *Field, base int, bound []byte) {
	text, _ := p.valueText(p.text[:0], f, base)
	size := len(text)
	p.text = text
	if p.err != nil {
		return
	}
	var err error
	p.text, err = f.appendText(text, text, false)
	if err != nil || !sameField(f, p.text[size:], bound) {
		p.fail(KindBound, p.spans[base].start, "%q differs from what the path has set", clip(text))
	}
}
