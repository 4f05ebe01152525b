package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// splitPath is an escaped path in parts. The zero value fits nothing.
type splitPath struct {
	segs []string // none for the root
	last string   // the last segment without what may be a verb
	verb string   // what may be a verb, with its colon, or empty
}

// split takes a path apart that begins with a slash.
func split(path string) splitPath {
	p := splitPath{segs: strings.Split(path, "/")[1:]}
	p.last = p.segs[len(p.segs)-1]
	if colon := strings.LastIndexByte(p.last, ':'); colon >= 0 {
		p.last, p.verb = p.last[:colon], p.last[colon:]
	}
	return p
}

// root reports whether p is the path of a slash alone.
func (p *splitPath) root() bool { return len(p.segs) == 1 && p.segs[0] == "" }

// less is the segments without the verb.
func (p *splitPath) less() []string {
	if p.verb == "" {
		return p.segs
	}
	return append(slices.Clone(p.segs[:len(p.segs)-1]), p.last)
}

// fits reports whether t fits p.
func (p *splitPath) fits(t *httprule.Template) bool {
	switch {
	case p.segs == nil:
		return false
	case len(t.Segments) == 0:
		return p.root()
	case t.Verb == "":
		return fitsSegments(t.Segments, p.segs)
	default:
		return p.verb != "" && isText(t.Verb, p.verb[1:]) && fitsSegments(t.Segments, p.less())
	}
}

// fitsButForVerb reports whether t, which does not fit p, would with p's verb.
func (p *splitPath) fitsButForVerb(t *httprule.Template) bool {
	return len(t.Segments) > 0 && t.Verb+p.verb != "" && fitsSegments(t.Segments, p.less())
}

// fitsSegments reports whether a template's segments fit those of a path.
func fitsSegments(want []httprule.Segment, segs []string) bool {
	for i, s := range want {
		if s.Kind == httprule.Multi {
			tail := want[i+1:]
			skip := len(segs) - i - len(tail)
			return skip >= 0 && fitsSegments(tail, segs[i+skip:])
		}
		if i == len(segs) || !fitsSegment(s, segs[i]) {
			return false
		}
	}
	return len(want) == len(segs)
}

func fitsSegment(want httprule.Segment, seg string) bool {
	if want.Kind == httprule.Literal {
		return isText(want.Literal, seg)
	}
	return seg != ""
}

// isText reports whether seg, escaped as it came, is lit.
func isText(lit, seg string) bool { return seg != "" && same([]byte(lit), seg) }

// near is an entry whose template does not fit, and how far off it is.
type near struct {
	Candidate
	shifted  int // 2 if it fits but for segments in front, 1 if its method does not
	shared   int // segments from the start that fit
	literals int // literals at their place
	alike    int // bytes that the first segments that differ begin and end with
	length   int // by how many segments the lengths differ
}

// nearest lists the entries with paths most like that of the request.
func (e *explainer) nearest() []Candidate {
	var found []near
	for _, entry := range e.others {
		if n, ok := e.near(entry); ok {
			found = append(found, n)
		}
	}
	slices.SortStableFunc(found, func(a, b near) int {
		return cmp.Or(cmp.Compare(b.shifted, a.shifted), cmp.Compare(b.shared, a.shared), cmp.Compare(b.literals, a.literals),
			cmp.Compare(b.alike, a.alike), cmp.Compare(a.length, b.length))
	})
	var out []Candidate
	for _, n := range found[:min(len(found), maxNearest)] {
		out = append(out, n.Candidate)
	}
	return out
}

// near says what differs between the path and a template that does not fit it;
// ok is set if the two have something in common.
func (e *explainer) near(entry *Entry) (n near, ok bool) {
	n.Entry = entry
	want, segs := entry.Template.Segments, e.path.segs
	if entry.Template.Verb != "" {
		segs = e.path.less()
	}
	if e.path.root() {
		segs = nil
	}
	more, less := inFront(want, segs)
	sameVerb := entry.Template.Verb == "" || e.path.verb != "" && isText(entry.Template.Verb, e.path.verb[1:])
	if sameVerb && more+less != "" {
		n.shifted = 1
		if e.methodRank(entry) != noRank {
			n.shifted = 2
		}
		n.Why = "begins with " + more + ", and fits otherwise"
		if less != "" {
			n.Why = "fits without " + less + " in front"
		}
		return n, true
	}
	n.length = max(len(want)-len(segs), len(segs)-len(want))
	multi := slices.IndexFunc(want, func(s httprule.Segment) bool { return s.Kind == httprule.Multi })
	if multi >= 0 && len(segs) >= len(want)-1 {
		// What follows the ** stands at the end of the path. Let ** have one
		// segment, so that both are of one length.
		n.length = 0
		tail := len(want) - multi - 1
		between := strings.Join(segs[multi:len(segs)-tail], "/")
		segs = append(append(slices.Clone(segs[:multi]), between), segs[len(segs)-tail:]...)
	}
	differs := -1
	for i := range min(len(want), len(segs)) {
		fits := want[i].Kind == httprule.Multi || fitsSegment(want[i], segs[i])
		switch {
		case fits && want[i].Kind == httprule.Literal:
			n.literals++
		case !fits && differs < 0:
			differs = i
		}
		if fits && differs < 0 {
			n.shared++
		}
	}
	switch {
	case differs < 0 && multi >= 0:
		n.Why = fmt.Sprintf("has at least %s, the path %d", segments(len(want)-1), len(segs))
	case differs < 0:
		n.Why = fmt.Sprintf("has %s, the path %d", segments(len(want)), len(segs))
	case multi >= 0 && differs > multi:
		n.Why = fmt.Sprintf("differs after **: %s, not %s", segment(want[differs]), orEmpty(segs[differs]))
	default:
		n.Why = fmt.Sprintf("differs at segment %d: %s, not %s", differs+1, segment(want[differs]), orEmpty(segs[differs]))
	}
	close := false
	if differs >= 0 && want[differs].Kind == httprule.Literal {
		n.alike = alike(want[differs].Literal, segs[differs])
		close = 2*n.alike >= max(len(want[differs].Literal), len(segs[differs]))
	}
	return n, n.shared+n.literals > 0 || close
}

// inFront looks for a prefix, such as /api, that is missing or that should not be
// there: literals that the template has in front of what the path has, or
// segments that the path has in front of a template with a literal. Both are
// empty if there are none.
func inFront(want []httprule.Segment, segs []string) (more, less string) {
	for i := 0; i < len(want)-1 && want[i].Kind == httprule.Literal; i++ {
		more += "/" + want[i].Literal
		if want[i+1].Kind == httprule.Literal && fitsSegments(want[i+1:], segs) {
			return more, ""
		}
	}
	if len(want) == 0 || want[0].Kind != httprule.Literal {
		return "", ""
	}
	for i := 1; i < len(segs); i++ {
		if fitsSegments(want, segs[i:]) {
			return "", "/" + strings.Join(segs[:i], "/")
		}
	}
	return "", ""
}

func segments(n int) string {
	if n == 1 {
		return "1 segment"
	}
	return fmt.Sprintf("%d segments", n)
}

func orEmpty(seg string) string {
	if seg == "" {
		return "an empty one"
	}
	return seg
}

// alike counts the bytes that two texts begin and end with alike.
func alike(a, b string) int {
	n, start := min(len(a), len(b)), 0
	for start < n && a[start] == b[start] {
		start++
	}
	end := 0
	for end < n-start && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	return start + end
}
