package route

import "strings"

// matcher is the state of one match. It lives on the stack.
type matcher struct {
	t           *Table
	path        string
	contentType string
	slash       int // offset of the slash before the last segment
	colon       int // offset of the colon of a possible verb, or -1
	method      uint32
	head        bool
	escaped     bool   // there is a % in the path
	miss        Result // the best of what did not fit
	allow       []bool // if set, collects the methods of all that fits, and nothing is found
	steps       int    // nodes entered and segments read backwards; tests bound it
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
	if m.colon == len(m.path)-1 {
		m.colon = -1 // there is no verb after it
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

func (m *matcher) root(id uint32) *row {
	if id == 0 {
		return nil
	}
	if m.path == "/" {
		if r := m.accept(id); r != nil {
			return r
		}
	}
	return m.walk(id, 0)
}

// walk matches the segments from the slash at pos on.
func (m *matcher) walk(id uint32, pos int) *row {
	m.steps++
	n := &m.t.tree.nodes[id]
	if pos == m.slash {
		if r := m.last(n); r != nil {
			return r
		}
	} else {
		start := pos + 1
		end := start + strings.IndexByte(m.path[start:], '/')
		if end > start {
			if kid := m.child(n, m.path[start:end]); kid != 0 {
				if r := m.walk(kid, end); r != nil {
					return r
				}
			}
			if n.star != 0 {
				if r := m.walk(n.star, end); r != nil {
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
		verb := uint32(0)
		if text != "" {
			verb = m.child(n, text)
		}
		if r := m.ends(verb, m.child(n, whole)); r != nil {
			return r
		}
	}
	if n.star != 0 {
		verb := uint32(0)
		if text != "" {
			verb = n.star
		}
		return m.ends(verb, n.star)
	}
	return nil
}

// ends is where the path has no more segments: at node verb if a verb follows,
// and at node whole if none does. A "**" that takes nothing is less specific
// than the end.
func (m *matcher) ends(verb, whole uint32) *row {
	m.steps++
	if r := m.acceptVerb(verb); r != nil {
		return r
	}
	if r := m.accept(whole); r != nil {
		return r
	}
	nodes := m.t.tree.nodes
	if r := m.acceptVerb(nodes[verb].multi); r != nil {
		return r
	}
	return m.accept(nodes[whole].multi)
}

// rest lets "**" take the segments from the slash at pos on, less the literals
// that come after it, which it reads backwards.
func (m *matcher) rest(multi uint32, pos int) *row {
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
		if end == pos || tree.nodes[verb].kids|tree.nodes[whole].kids == 0 {
			return best
		}
		slash := strings.LastIndexByte(m.path[:end], '/')
		if verb != 0 {
			verb = m.child(&tree.nodes[verb], m.path[slash+1:verbEnd])
		}
		if whole != 0 {
			whole = m.child(&tree.nodes[whole], m.path[slash+1:end])
		}
		if verb|whole == 0 {
			return best
		}
		end, verbEnd = slash, slash
	}
}

func (m *matcher) child(n *node, seg string) uint32 {
	if n.kids == 0 || seg == "" {
		return 0
	}
	return m.t.tree.child(n, seg, m.escaped)
}

// acceptVerb picks among the entries that end at a node with the path's verb.
func (m *matcher) acceptVerb(id uint32) *row {
	verbs := m.t.tree.nodes[id].verbs
	if verbs == 0 || m.colon < 0 {
		return nil
	}
	return m.accept(m.child(&m.t.tree.nodes[verbs], m.path[m.colon+1:]))
}

// accept picks among the entries that end at a node: by method, then by content
// type.
func (m *matcher) accept(id uint32) *row {
	n := &m.t.tree.nodes[id]
	rows := m.t.tree.rows[n.row : n.row+n.rows]
	var best *row
	const exact, any, get, none = 0, 1, 2, 3
	rank := none
	for i := range rows {
		r := &rows[i]
		m.miss = max(m.miss, MethodNotAllowed)
		if m.allow != nil {
			m.allow[r.method] = true
			continue
		}
		by := none
		switch {
		case r.method == m.method:
			by = exact
		case r.method == anyMethod:
			by = any
		case r.method == getMethod && m.head:
			by = get
		}
		if by >= rank {
			continue
		}
		if r.contentType != 0 && !isMediaType(m.contentType, m.t.contentTypes[r.contentType]) {
			m.miss = UnsupportedMediaType
			continue
		}
		best, rank = r, by
	}
	return best
}

// capture finds the spans of the path that a row's variables took.
func (m *matcher) capture(r *row, x *Exchange) {
	limit := len(m.path)
	if r.verb {
		limit = m.colon
	}
	// at is the slash before segment number seg, or limit.
	at, seg := 0, int32(0)
	for _, v := range m.t.tree.vars[r.variable : r.variable+r.vars] {
		var span Span
		if v.start >= 0 {
			for ; seg < v.start; seg++ {
				at = next(m.path, at, limit)
			}
			span.Start = at + 1
		} else {
			span.Start = m.before(^v.start+1, limit) + 1
		}
		if v.end >= 0 {
			for ; seg < v.end; seg++ {
				at = next(m.path, at, limit)
			}
			span.End = at
		} else {
			span.End = m.before(^v.end, limit)
		}
		// A "**" that took nothing begins after where it ends.
		span.Start = min(span.Start, span.End)
		x.Captures = append(x.Captures, span)
	}
}

// next is the slash after the one at pos, or limit.
func next(path string, pos, limit int) int {
	if i := strings.IndexByte(path[pos+1:limit], '/'); i >= 0 {
		return pos + 1 + i
	}
	return limit
}

// before is the slash with n segments after it, or limit for none.
func (m *matcher) before(n int32, limit int) int {
	for ; n > 0; n-- {
		limit = strings.LastIndexByte(m.path[:limit], '/')
	}
	return limit
}
