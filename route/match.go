package route

import "strings"

// matcher is the state of one match. It lives on the stack.
type matcher struct {
	t           *Table
	q           *Request
	x           *Exchange // has the memory to decode in
	path        string
	contentType string
	slash       int // offset of the slash before the last segment
	colon       int // offset of the colon of a possible verb, which may be empty, or -1
	method      uint16
	fallback    uint16
	head        bool
	escaped     bool   // there is a % in the path
	view        uint8  // what became of the path for [Whole]
	viewed      int    // its length, at the beginning of x.scratch
	skip        uint8  // rows with one of these flags do not fit
	miss        Result // the best of what did not fit
	allow       []bool // if set, collects the methods of all that fits, and nothing is found
	// slashes[i] is the offset of the slash before segment number i, as far as the
	// walk has come and there is room. 0 is unknown, but for the first.
	slashes [16]int32
	steps   int // nodes entered and segments read backwards; tests bound it
}

// newMatcher begins the match of a path, which may be that of q or a part of it.
func newMatcher(t *Table, q *Request, path string) matcher {
	m := matcher{
		t:           t,
		q:           q,
		path:        path,
		contentType: q.ContentType,
		colon:       -1,
		method:      t.methodID(q.Method),
		fallback:    noMethod,
		head:        q.Method == "HEAD",
		escaped:     strings.IndexByte(path, '%') >= 0,
	}
	if q.Fallback != "" {
		m.fallback = t.methodID(q.Fallback)
	}
	m.slash = len(m.path) - 1
	for ; m.path[m.slash] != '/'; m.slash-- {
		if m.path[m.slash] == ':' && m.colon < 0 {
			m.colon = m.slash
			m.skip = noColon
		}
	}
	return m
}

// tolerantly is the matcher for the path of q without the slash at its end, which
// only tolerant entries fit. It is asked when nothing fits the path as it is.
func tolerantly(t *Table, q *Request) (m matcher, ok bool) {
	end := len(q.Path) - 1
	if !t.tolerant || end == 0 || q.Path[end] != '/' {
		return m, false
	}
	m = newMatcher(t, q, q.Path[:end])
	m.skip |= noSlash
	return m, true
}

// run tries the hosts, the most specific first.
func (m *matcher) run(host string) ref {
	h := &m.t.hosts
	if len(h.exact)+len(h.suffix) > 0 {
		host = trimHost(host)
		if r := m.root(find(h.exact, host)); r != 0 {
			return r
		}
		for i := 1; i < len(host) && len(h.suffix) > 0; i++ {
			if host[i] != '.' {
				continue
			}
			if r := m.root(find(h.suffix, host[i+1:])); r != 0 {
				return r
			}
		}
	}
	return m.root(h.any)
}

func (m *matcher) root(root ref) ref {
	if root == 0 {
		return 0
	}
	if m.path == "/" {
		if r := m.accept(root); r != 0 {
			return r
		}
	}
	return m.walk(root, 0, 0)
}

// walk matches segment number depth, which begins with the slash at pos, and
// those after it.
func (m *matcher) walk(from ref, pos, depth int) ref {
	m.steps++
	tree := &m.t.tree
	if depth < len(m.slashes) {
		m.slashes[depth] = int32(pos)
	}
	if pos == m.slash {
		if r := m.last(from); r != 0 {
			return r
		}
	} else {
		start := pos + 1
		end := start + strings.IndexByte(m.path[start:], '/')
		if end > start {
			if kid := m.child(tree.step(from, kids), m.path[start:end]); kid != 0 {
				if r := m.walk(kid, end, depth+1); r != 0 {
					return r
				}
			}
			if star := tree.step(from, star); star != 0 {
				if r := m.walk(star, end, depth+1); r != 0 {
					return r
				}
			}
		}
	}
	if multi := tree.step(from, multi); multi != 0 {
		return m.rest(multi, pos)
	}
	return 0
}

// last matches the last segment by the literals and the star of a node.
func (m *matcher) last(from ref) ref {
	whole := m.path[m.slash+1:]
	if whole == "" {
		return 0
	}
	text := ""
	if m.colon >= 0 {
		text = m.path[m.slash+1 : m.colon]
	}
	if kids := m.t.tree.step(from, kids); kids != 0 {
		if r := m.ends(m.child(kids, text), m.child(kids, whole)); r != 0 {
			return r
		}
	}
	star := m.t.tree.step(from, star)
	if text == "" {
		return m.ends(0, star)
	}
	return m.ends(star, star)
}

// ends is where the path has no more segments: at verb if a verb follows, and at
// whole if none does. A "**" that takes nothing is less specific than the end.
func (m *matcher) ends(verb, whole ref) ref {
	if verb|whole == 0 {
		return 0
	}
	m.steps++
	if r := m.acceptVerb(verb); r != 0 {
		return r
	}
	if r := m.accept(whole); r != 0 {
		return r
	}
	if r := m.acceptVerb(m.t.tree.step(verb, multi)); r != 0 {
		return r
	}
	return m.accept(m.t.tree.step(whole, multi))
}

// rest lets "**" take the segments from the slash at pos on, less the literals
// that come after it, which it reads backwards.
func (m *matcher) rest(multi ref, pos int) ref {
	tree := &m.t.tree
	verb, whole := multi, multi
	if m.colon < 0 {
		verb = 0
	}
	var best ref
	for end, verbEnd := len(m.path), m.colon; ; {
		m.steps++
		r := m.acceptVerb(verb)
		if r == 0 {
			r = m.accept(whole)
		}
		if r != 0 {
			best = r
		}
		verbKids, wholeKids := tree.step(verb, kids), tree.step(whole, kids)
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
func (m *matcher) acceptVerb(at ref) ref {
	if at == 0 || m.colon < 0 {
		return 0
	}
	verbs := m.t.tree.step(at, verbs)
	if verbs == 0 {
		return 0
	}
	return m.accept(m.child(verbs, m.path[m.colon+1:]))
}

// accept picks among the entries that end at a node: by what they want of the whole
// path, then by method, then in the order of the rows.
func (m *matcher) accept(at ref) ref {
	if at == 0 {
		return 0
	}
	tree := &m.t.tree
	next := tree.rows(at)
	if next == 0 {
		return 0
	}
	const exact, fallback, any, get, none = 0, 1, 2, 3, 4
	var best ref
	rank, class := none, uint32(classAny)
	for {
		r := tree.row(next)
		flags := r.flags()
		if class != classAny && (flags&isNarrow == 0 || tree.narrows[r.entry()].class != class) {
			return best
		}
		by := none
		if flags&m.skip == 0 {
			switch method := r.method(); {
			case method == m.method:
				by = exact
			case method == m.fallback:
				by = fallback
			case method == anyMethod:
				by = any
			case method == getMethod && m.head && flags&noHEAD == 0:
				by = get
			}
			if (flags&isNarrow != 0 || m.q.Tried != nil) && (by >= rank && m.miss != NotFound && m.allow == nil || !m.admits(r)) {
				// It does not count, or there is nothing that it would change.
				by = none
			} else if flags&noAllow == 0 {
				m.miss = max(m.miss, MethodNotAllowed)
				if m.allow != nil {
					m.collect(r.method(), flags)
				}
			}
		}
		if by < rank && m.allow == nil {
			if ct := r.contentType(); ct == 0 || isMediaType(m.contentType, m.t.contentTypes[ct]) {
				best, rank = next, by
				if flags&isNarrow != 0 {
					class = tree.narrows[r.entry()].class
				}
			} else {
				m.miss = UnsupportedMediaType
			}
		}
		if flags&isLast != 0 {
			return best
		}
		next += ref(rowHead + variableLen*r.variables())
	}
}

// collect notes the methods that a row which fits allows.
func (m *matcher) collect(method uint16, flags uint8) {
	if method == anyMethod {
		for id := range knownMethods {
			m.allow[id] = true
		}
		return
	}
	m.allow[method] = true
	if method == getMethod && flags&noHEAD == 0 {
		m.allow[headMethod] = true
	}
	if flags&noOPTIONS == 0 {
		m.allow[optionsMethod] = true
	}
}

// capture finds the spans of the path that a row's variables took.
func (m *matcher) capture(r row, x *Exchange) {
	limit := len(m.path)
	if r.flags()&hasVerb != 0 {
		limit = m.colon
	}
	for i := range r.variables() {
		v := r.variable(i)
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
