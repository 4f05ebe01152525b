package route

import "strings"

// matcher is the state of one match. It lives on the stack.
type matcher struct {
	t           *Table
	path        string
	contentType string
	slash       int // offset of the slash before the last segment
	colon       int // offset of the colon of a possible verb, which may be empty, or -1
	method      uint16
	head        bool
	escaped     bool   // there is a % in the path
	miss        Result // the best of what did not fit
	allow       []bool // if set, collects the methods of all that fits, and nothing is found
	// slashes[i] is the offset of the slash before segment number i, as far as the
	// walk has come and there is room. 0 is unknown, but for the first.
	slashes [16]int32
	steps   int // nodes entered and segments read backwards; tests bound it
}

func newMatcher(t *Table, q *Request) matcher {
	m := matcher{
		t:           t,
		path:        q.Path,
		contentType: q.ContentType,
		colon:       -1,
		method:      t.methodID(q.Method),
		head:        q.Method == "HEAD",
		escaped:     strings.IndexByte(q.Path, '%') >= 0,
	}
	m.slash = len(m.path) - 1
	for ; m.path[m.slash] != '/'; m.slash-- {
		if m.path[m.slash] == ':' && m.colon < 0 {
			m.colon = m.slash
		}
	}
	return m
}

// run tries the hosts, the most specific first.
func (m *matcher) run(host string) *row {
	h := &m.t.hosts
	if len(h.exact)+len(h.suffix) > 0 {
		host = trimHost(host)
		if r := m.root(find(h.exact, host)); r != nil {
			return r
		}
		for i := 1; i < len(host) && len(h.suffix) > 0; i++ {
			if host[i] != '.' {
				continue
			}
			if r := m.root(find(h.suffix, host[i+1:])); r != nil {
				return r
			}
		}
	}
	return m.root(h.any)
}

func (m *matcher) root(root ref) *row {
	if root == 0 {
		return nil
	}
	if m.path == "/" {
		if r := m.accept(root); r != nil {
			return r
		}
	}
	return m.walk(root, 0, 0)
}

// walk matches segment number depth, which begins with the slash at pos, and
// those after it.
func (m *matcher) walk(from ref, pos, depth int) *row {
	m.steps++
	n := m.t.tree.node(from)
	if depth < len(m.slashes) {
		m.slashes[depth] = int32(pos)
	}
	if pos == m.slash {
		if r := m.last(n); r != nil {
			return r
		}
	} else if n.kids|n.star != 0 {
		start := pos + 1
		end := start + strings.IndexByte(m.path[start:], '/')
		if end > start {
			if kid := m.child(n.kids, m.path[start:end]); kid != 0 {
				if r := m.walk(kid, end, depth+1); r != nil {
					return r
				}
			}
			if n.star != 0 {
				if r := m.walk(n.star, end, depth+1); r != nil {
					return r
				}
			}
		}
	}
	if n.multi != 0 {
		return m.rest(n.multi, pos)
	}
	return nil
}

// last matches the last segment by the literals and the star of n.
func (m *matcher) last(n *node) *row {
	whole := m.path[m.slash+1:]
	if whole == "" {
		return nil
	}
	text := ""
	if m.colon >= 0 {
		text = m.path[m.slash+1 : m.colon]
	}
	if n.kids != 0 {
		if r := m.ends(m.child(n.kids, text), m.child(n.kids, whole)); r != nil {
			return r
		}
	}
	if n.star == 0 {
		return nil
	}
	if text == "" {
		return m.ends(0, n.star)
	}
	return m.ends(n.star, n.star)
}

// ends is where the path has no more segments: at verb if a verb follows, and at
// whole if none does. A "**" that takes nothing is less specific than the end.
func (m *matcher) ends(verb, whole ref) *row {
	if verb|whole == 0 {
		return nil
	}
	m.steps++
	if r := m.acceptVerb(verb); r != nil {
		return r
	}
	if r := m.accept(whole); r != nil {
		return r
	}
	if r := m.acceptVerb(m.t.tree.node(verb).multi); r != nil {
		return r
	}
	return m.accept(m.t.tree.node(whole).multi)
}

// rest lets "**" take the segments from the slash at pos on, less the literals
// that come after it, which it reads backwards.
func (m *matcher) rest(multi ref, pos int) *row {
	tree := &m.t.tree
	verb, whole := multi, multi
	if m.colon < 0 {
		verb = 0
	}
	var best *row
	for end, verbEnd := len(m.path), m.colon; ; {
		m.steps++
		r := m.acceptVerb(verb)
		if r == nil {
			r = m.accept(whole)
		}
		if r != nil {
			best = r
		}
		verbKids, wholeKids := tree.node(verb).kids, tree.node(whole).kids
		if end == pos || verbKids|wholeKids == 0 {
			return best
		}
		slash := strings.LastIndexByte(m.path[:end], '/')
		if verbKids != 0 {
			verb = m.child(verbKids, m.path[slash+1:verbEnd])
		} else {
			verb = 0
		}
		whole = m.child(wholeKids, m.path[slash+1:end])
		if verb|whole == 0 {
			return best
		}
		end, verbEnd = slash, slash
	}
}

func (m *matcher) child(kids ref, seg string) ref {
	if kids == 0 || seg == "" {
		return 0
	}
	return m.t.tree.child(kids, seg, m.escaped)
}

// acceptVerb picks among the entries that end at a node with the path's verb.
func (m *matcher) acceptVerb(at ref) *row {
	verbs := m.t.tree.node(at).verbs
	if verbs == 0 || m.colon < 0 {
		return nil
	}
	return m.accept(m.child(verbs, m.path[m.colon+1:]))
}

// accept picks among the entries that end at a node: by method, then by content
// type.
func (m *matcher) accept(at ref) *row {
	i := m.t.tree.rowsAt(at)
	if i == 0 {
		return nil
	}
	m.miss = max(m.miss, MethodNotAllowed)
	const exact, any, get, none = 0, 1, 2, 3
	var best *row
	rank := none
	for {
		r := &m.t.tree.rows[i]
		by := none
		switch {
		case m.allow != nil:
			m.allow[r.method] = true
		case r.method == m.method:
			by = exact
		case r.method == anyMethod:
			by = any
		case r.method == getMethod && m.head:
			by = get
		}
		if by < rank {
			if r.contentType == 0 || isMediaType(m.contentType, m.t.contentTypes[r.contentType]) {
				best, rank = r, by
			} else {
				m.miss = UnsupportedMediaType
			}
		}
		if r.last {
			return best
		}
		i++
	}
}

// capture finds the spans of the path that a row's variables took.
func (m *matcher) capture(r *row, x *Exchange) {
	limit := len(m.path)
	if r.verb {
		limit = m.colon
	}
	for _, v := range m.t.tree.variablesOf(r) {
		var span Span
		if v.start >= 0 {
			span.Start = m.slashBefore(int(v.start), limit) + 1
		} else {
			span.Start = m.slashAfter(int(^v.start)+1, limit) + 1
		}
		if v.end >= 0 {
			span.End = m.slashBefore(int(v.end), limit)
		} else {
			span.End = m.slashAfter(int(^v.end), limit)
		}
		// A "**" that took nothing begins after where it ends.
		span.Start = min(span.Start, span.End)
		x.Captures = append(x.Captures, span)
	}
}

// slashBefore is the slash before segment number i, counted from the left, or
// limit if the path has just as many segments. The walk to the row has passed it.
func (m *matcher) slashBefore(i, limit int) int {
	known := min(i, len(m.slashes)-1)
	pos := int(m.slashes[known])
	if pos == 0 && known > 0 {
		return limit
	}
	for ; known < i; known++ {
		next := strings.IndexByte(m.path[pos+1:limit], '/')
		if next < 0 {
			return limit
		}
		pos += 1 + next
	}
	return pos
}

// slashAfter is the slash with n segments after it, or limit for none.
func (m *matcher) slashAfter(n, limit int) int {
	for ; n > 0; n-- {
		limit = strings.LastIndexByte(m.path[:limit], '/')
	}
	return limit
}
