package route

import (
	"slices"
	"strings"
)

// What became of the path as [Whole] sees it.
const (
	notDecoded = iota
	decoded
	malformed
)

// admits reports whether a row counts for the request: its route has not been
// tried, and the request has what it asks for.
func (m *matcher) admits(r row) bool {
	tree := &m.t.tree
	if len(m.q.Tried) > 0 && slices.Contains(m.q.Tried, tree.entries[r.entry()].Route) {
		return false
	}
	return r.flags()&isNarrow == 0 || m.has(tree.narrows[r.entry()])
}

// has reports whether the request has what n asks for. What costs least is asked
// first.
func (m *matcher) has(n *narrow) bool {
	for i := range n.headers {
		if !m.hasHeader(&n.headers[i]) {
			return false
		}
	}
	if n.whole != nil && !m.is(n.whole) {
		return false
	}
	for i := range n.query {
		if !m.hasParameter(&n.query[i]) {
			return false
		}
	}
	return true
}

// is reports whether the path is what w wants it to be.
func (m *matcher) is(w *Whole) bool {
	if !m.escaped {
		switch {
		case w.Regexp != nil:
			return w.Regexp.all.MatchString(m.path)
		case w.Prefix != "":
			return strings.HasPrefix(m.path, w.Prefix)
		}
		return m.path == w.Exact
	}
	path, ok := m.decoded()
	switch {
	case !ok:
		return false
	case w.Regexp != nil:
		return w.Regexp.all.Match(path)
	case w.Prefix != "":
		return len(path) >= len(w.Prefix) && string(path[:len(w.Prefix)]) == w.Prefix
	}
	return string(path) == w.Exact
}

// decoded is the path as [Whole] sees it; ok is not set for a malformed one. It
// is decoded at most once.
func (m *matcher) decoded() (path []byte, ok bool) {
	if m.view == notDecoded {
		m.x.scratch, ok = appendWhole(m.x.scratch[:0], m.path)
		m.viewed, m.view = len(m.x.scratch), decoded
		if !ok {
			m.viewed, m.view = 0, malformed
		}
	}
	return m.x.scratch[:m.viewed], m.view == decoded
}

// appendWhole appends a path as [Whole] sees it; ok is not set for a malformed one.
func appendWhole(dst []byte, path string) (out []byte, ok bool) {
	for i := 0; i < len(path); {
		c, n := decode(path, i)
		if n == 0 {
			return dst, false
		}
		if c == '/' && n > 1 {
			dst = append(dst, "%2F"...)
		} else {
			dst = append(dst, c)
		}
		i += n
	}
	return dst, true
}

// hasHeader reports whether the request's header is as c wants it.
func (m *matcher) hasHeader(c *Condition) bool {
	lines := m.q.Header[c.Name]
	fits := len(lines) > 0
	switch {
	case !fits:
	case c.Exact != nil:
		fits = joins(lines, *c.Exact, true)
	case c.Prefix != nil:
		fits = joins(lines, *c.Prefix, false)
	case c.Regexp != nil && len(lines) == 1:
		fits = c.Regexp.all.MatchString(lines[0])
	case c.Regexp != nil:
		text := m.x.scratch[:m.viewed]
		for i, line := range lines {
			if i > 0 {
				text = append(text, comma...)
			}
			text = append(text, line...)
		}
		m.x.scratch = text
		fits = c.Regexp.all.Match(text[m.viewed:])
	}
	return fits != c.Invert
}

// comma is between the lines of a header that are read as one text.
const comma = ", "

// joins reports whether the lines, joined by commas, are text, or, unless all is
// set, begin with it.
func joins(lines []string, text string, all bool) bool {
	for i, line := range lines {
		for _, part := range [...]string{comma, line} {
			if i == 0 && part == comma {
				continue
			}
			if !all && len(text) <= len(part) {
				return strings.HasPrefix(part, text)
			}
			var ok bool
			if text, ok = strings.CutPrefix(text, part); !ok {
				return false
			}
		}
	}
	return text == ""
}

// hasParameter reports whether the request's query is as c wants it.
func (m *matcher) hasParameter(c *Condition) bool {
	found, fits := false, true
	for rest := m.q.RawQuery; rest != "" && fits; {
		var pair string
		pair, rest, _ = strings.Cut(rest, "&")
		name, value, _ := strings.Cut(pair, "=")
		if pair != "" && isName(c.Name, name) {
			found, fits = true, m.isValue(c, value)
		}
	}
	return (found && fits) != c.Invert
}

// isName reports whether escaped is name. A malformed escape is never the same as
// anything.
func isName(name, escaped string) bool {
	j := 0
	for i := 0; i < len(escaped); j++ {
		c, n := decodeQuery(escaped, i)
		if n == 0 || j == len(name) || name[j] != c {
			return false
		}
		i += n
	}
	return j == len(name)
}

// isValue reports whether the escaped value of a parameter is as c wants it.
func (m *matcher) isValue(c *Condition, escaped string) bool {
	if c.Exact == nil && c.Prefix == nil && c.Regexp == nil {
		return true
	}
	if strings.IndexByte(escaped, '%') < 0 && strings.IndexByte(escaped, '+') < 0 {
		switch {
		case c.Exact != nil:
			return escaped == *c.Exact
		case c.Prefix != nil:
			return strings.HasPrefix(escaped, *c.Prefix)
		}
		return c.Regexp.all.MatchString(escaped)
	}
	text := m.x.scratch[:m.viewed]
	for i := 0; i < len(escaped); {
		b, n := decodeQuery(escaped, i)
		if n == 0 {
			return false
		}
		text = append(text, b)
		i += n
	}
	m.x.scratch = text
	text = text[m.viewed:]
	switch {
	case c.Exact != nil:
		return string(text) == *c.Exact
	case c.Prefix != nil:
		return len(text) >= len(*c.Prefix) && string(text[:len(*c.Prefix)]) == *c.Prefix
	}
	return c.Regexp.all.Match(text)
}

// decodeQuery is decode for a query.
func decodeQuery(s string, i int) (c byte, n int) {
	if s[i] == '+' {
		return ' ', 1
	}
	return decode(s, i)
}
