package plan

import "bytes"

// leaveOut does with a parameter that the message does not have what the options
// say. s.name is its decoded name, pair all of it as it came.
func (p *Plan) leaveOut(pair string, s *Scratch) {
	switch p.unknown(s) {
	case Report:
		s.Outcome.report(s.prefix(), s.name)
	case Capture:
		s.Outcome.capture(pair)
	}
}

// unknown is what becomes of the parameters at hand that the message does not
// have.
func (p *Plan) unknown(s *Scratch) Unknown {
	if s.place == InBody {
		return p.options.UnknownFields
	}
	return p.options.UnknownQuery
}

// prefix is where the parameters at hand are from, in front of their names.
func (s *Scratch) prefix() string {
	if s.place == InBody {
		return "body."
	}
	return "query."
}

// capture adds a parameter to Captured.
func (o *Outcome) capture(pair string) {
	if len(o.Captured) > 0 {
		o.Captured = append(o.Captured, '&')
	}
	for i := range len(pair) {
		if c := pair[i]; c > ' ' && c < 0x7f {
			o.Captured = append(o.Captured, c)
		} else {
			o.Captured = appendPercent(o.Captured, c)
		}
	}
}

// report adds a name to Ignored, once. What would end a name or is not printable
// is percent-encoded.
func (o *Outcome) report(place string, name []byte) {
	if o.full {
		return
	}
	mark := len(o.Ignored)
	if mark > 0 {
		o.Ignored = append(o.Ignored, ", "...)
	}
	start := len(o.Ignored)
	o.Ignored = append(o.Ignored, place...)
	for _, c := range name {
		if c <= ' ' || c >= 0x7f || c == ',' || c == '%' {
			o.Ignored = appendPercent(o.Ignored, c)
		} else {
			o.Ignored = append(o.Ignored, c)
		}
		if len(o.Ignored) > MaxIgnored-len(", ...") {
			o.Ignored = o.Ignored[:mark]
			o.end()
			return
		}
	}
	if listed(o.Ignored[:mark], o.Ignored[start:]) {
		o.Ignored = o.Ignored[:mark]
	}
}

// reportAll adds the paths that the codec has passed over, of which it lists the
// first ones and then an ellipsis.
func (o *Outcome) reportAll(place string, paths []string) {
	for _, path := range paths {
		if path == "…" {
			o.end()
			return
		}
		o.report(place, []byte(path))
	}
}

// end ends a list of names that would be too long.
func (o *Outcome) end() {
	if len(o.Ignored) > 0 {
		o.Ignored = append(o.Ignored, ", "...)
	}
	o.Ignored = append(o.Ignored, "..."...)
	o.full = true
}

// listed reports whether a list with commas has an item.
func listed(list, item []byte) bool {
	for len(list) > 0 {
		var one []byte
		one, list, _ = bytes.Cut(list, []byte(", "))
		if bytes.Equal(one, item) {
			return true
		}
	}
	return false
}

func appendPercent(dst []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(dst, '%', digits[c>>4], digits[c&15])
}
