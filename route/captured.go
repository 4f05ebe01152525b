package route

// Names are the names of what the entry captures of a path: the variables of its
// template, then the named groups of its [Whole].
func (e *Entry) Names() []string {
	var names []string
	if e.Template != nil {
		for _, v := range e.Template.Variables {
			names = append(names, v.Name())
		}
	}
	if w := e.Whole; w != nil && w.Regexp != nil {
		for _, name := range w.Regexp.all.SubexpNames() {
			if name != "" {
				names = append(names, name)
			}
		}
	}
	return names
}

// Captured is the text of what the entry that was found calls Names()[i]: escaped, as
// it came. It is empty if there is none. A group of a regular expression is looked for
// anew, and allocates.
func (x *Exchange) Captured(i int) string {
	if i < len(x.Captures) {
		return x.matched()[x.Captures[i].Start:x.Captures[i].End]
	}
	if x.Entry == nil || x.Entry.Whole == nil || x.Entry.Whole.Regexp == nil {
		return ""
	}
	start, end, ok := x.Entry.Whole.Regexp.group(i-len(x.Captures), x.matched())
	if !ok {
		return ""
	}
	return x.matched()[start:end]
}

// matched is the path that Captures are spans of.
func (x *Exchange) matched() string {
	if x.Matched != "" {
		return x.Matched
	}
	return x.Path
}

// group is where the i-th of the named groups is in an escaped path that r fits.
func (r *Regexp) group(i int, escaped string) (start, end int, ok bool) {
	view, _ := appendWhole(nil, escaped)
	spans := r.all.FindSubmatchIndex(view)
	for n, name := range r.all.SubexpNames() {
		if name == "" {
			continue
		}
		if i > 0 {
			i--
			continue
		}
		if 2*n >= len(spans) || spans[2*n] < 0 {
			return 0, 0, false
		}
		return undecoded(escaped, spans[2*n]), undecoded(escaped, spans[2*n+1]), true
	}
	return 0, 0, false
}

// undecoded is where in an escaped path the byte at of its decoded form is. One
// within an escaped slash, which is decoded to itself, is where that is.
func undecoded(escaped string, at int) int {
	pos := 0
	for decoded := 0; decoded < at && pos < len(escaped); {
		c, n := decode(escaped, pos)
		switch {
		case n == 0: // malformed: the path fits nothing
			return len(escaped)
		case n > 1 && c == '/':
			decoded += n
		default:
			decoded++
		}
		pos += n
	}
	return pos
}
