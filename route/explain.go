package route

import (
	"cmp"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// Candidate is one entry that a request might have meant, and what became of it.
type Candidate struct {
	Entry *Entry
	// Won is set for the entry that [Table.Match] finds.
	Won bool
	// Why is for an operator: "matches", or the reason why the entry lost, as in
	// "takes POST, not GET".
	Why string
}

// maxNearest bounds how many entries are named that do not even fit.
const maxNearest = 5

// Explain says how [Table.Match] decides about q. It lists the entries whose host
// fits and whose template fits the path, or would but for the verb or a slash at
// the end: the matched one first, the others from the nearest miss on, with at most
// five that fit but for their [Whole]. If there are none but those, it lists at most
// five with paths like that of q in front. It looks at every entry, and is for people
// who wait.
func (t *Table) Explain(q *Request) []Candidate {
	if q.Path == "" || q.Path[0] != '/' {
		return nil
	}
	e := newExplainer(t, q)
	slices.SortStableFunc(e.attempts, e.compare)
	var out []Candidate
	if !slices.ContainsFunc(e.attempts, func(a *attempt) bool { return a.miss != otherPath }) {
		out = e.nearest()
	}
	var best *attempt
	others := 0
	for _, a := range e.attempts {
		c := Candidate{Entry: a.entry}
		switch {
		case a.miss == otherPath && others == maxNearest:
			continue
		case a.miss != fitsAll:
			c.Why = e.reason(a)
			if a.miss == otherPath {
				others++
			}
		case best == nil:
			best = a
			c.Won, c.Why = true, "matches"
		default:
			c.Why = e.lessSpecific(a, best)
		}
		out = append(out, c)
	}
	return out
}

// missing is what keeps an entry from a request, the least first.
type missing uint8

const (
	fitsAll missing = iota
	wasTried
	wrongContentType
	wrongMethod
	headIsOff
	unmet
	strictVerb
	slashAtEnd
	noVerb
	otherVerb
	otherPath
)

// attempt is one entry whose template fits, or nearly.
type attempt struct {
	entry  *Entry
	narrow *narrow
	host   string // the pattern of the entry that fits best, "" for any
	verb   string // what the path has after its last colon, with the colon
	miss   missing
	unmet  []string // the conditions that are
}

// explainer is the state of one [Table.Explain].
type explainer struct {
	q        *Request
	path     splitPath
	attempts []*attempt
	others   []*Entry // whose host fits, and nothing else
}

func newExplainer(t *Table, q *Request) *explainer {
	e := &explainer{q: q, path: split(q.Path)}
	m := newMatcher(t, q, q.Path)
	m.x = new(Exchange)
	var bare splitPath // without the slash at the end
	var bareMatcher matcher
	if last := len(q.Path) - 1; last > 0 && q.Path[last] == '/' {
		bare = split(q.Path[:last])
		bareMatcher = newMatcher(t, q, q.Path[:last])
		bareMatcher.x = new(Exchange)
	}
	asItIs := false        // something fits the path with the slash at its end
	var slashed []*attempt // what fits without it
	for _, entry := range t.entries {
		host, ok := fittingHost(entry, q.Host)
		if !ok {
			continue
		}
		a := &attempt{entry: entry, host: host, verb: e.path.verb}
		a.narrow, _ = narrowOf(entry)
		switch {
		case e.path.fits(entry.Template):
			a.miss = e.missOf(a, &m)
			asItIs = asItIs || a.miss == fitsAll || a.miss == wrongContentType ||
				(a.miss == wrongMethod || a.miss == headIsOff) && !entry.NoAllow
			if a.miss == otherPath && bare.fits(entry.Template) && bareMatcher.is(entry.Whole) {
				a.verb, a.miss = bare.verb, slashAtEnd
				slashed = append(slashed, a)
			}
		case bare.fits(entry.Template):
			a.verb, a.miss = bare.verb, slashAtEnd
			slashed = append(slashed, a)
		case e.path.fitsButForVerb(entry.Template):
			a.miss = otherVerb
			if entry.Template.Verb == "" {
				a.miss = noVerb
			}
		default:
			e.others = append(e.others, entry)
			continue
		}
		e.attempts = append(e.attempts, a)
	}
	for _, a := range slashed {
		if a.entry.TrailingSlash && !asItIs {
			a.miss = e.missOf(a, &bareMatcher)
		}
	}
	return e
}

// fittingHost is the most specific host of an entry that fits a request's.
func fittingHost(entry *Entry, host string) (pattern string, ok bool) {
	if len(entry.Hosts) == 0 {
		return "", true
	}
	for _, h := range entry.Hosts {
		if !FitsHost([]string{h}, host) {
			continue
		}
		if h == "*" {
			h = ""
		}
		if !ok || compareHosts(h, pattern) < 0 {
			pattern, ok = h, true
		}
	}
	return pattern, ok
}

// compareHosts puts an exact host before a suffix, a longer suffix before a
// shorter one, and any host last.
func compareHosts(a, b string) int {
	class := func(h string) int {
		switch {
		case h == "":
			return 2
		case strings.HasPrefix(h, "*"):
			return 1
		}
		return 0
	}
	if c := cmp.Compare(class(a), class(b)); c != 0 || class(a) != 1 {
		return c
	}
	return cmp.Compare(len(strings.TrimSuffix(b, ".")), len(strings.TrimSuffix(a, ".")))
}

// missOf is what an entry whose template fits the path of m lacks.
func (e *explainer) missOf(a *attempt, m *matcher) missing {
	entry := a.entry
	if n := a.narrow; n != nil {
		if n.whole != nil && !m.is(n.whole) {
			return otherPath
		}
		a.unmet = n.unmet(m)
	}
	switch {
	case entry.StrictVerb && entry.Template.Verb == "" && a.verb != "":
		return strictVerb
	case len(a.unmet) > 0:
		return unmet
	case slices.Contains(e.q.Tried, entry.Route):
		return wasTried
	case e.methodRank(entry) == noRank && entry.Method == http.MethodGet && e.q.Method == http.MethodHead:
		return headIsOff
	case e.methodRank(entry) == noRank:
		return wrongMethod
	case entry.ContentType != "" && !isMediaType(e.q.ContentType, strings.ToLower(entry.ContentType)):
		return wrongContentType
	}
	return fitsAll
}

const (
	rankFallback = 1
	rankHEAD     = 3
	noRank       = 4
)

// methodRank is how well an entry takes the request's method, 0 the best.
func (e *explainer) methodRank(entry *Entry) int {
	switch {
	case entry.Method == e.q.Method && entry.Method != "*":
		return 0
	case entry.Method == e.q.Fallback && entry.Method != "*":
		return rankFallback
	case entry.Method == "*":
		return 2
	case entry.Method == http.MethodGet && e.q.Method == http.MethodHead && !entry.NoHEAD:
		return rankHEAD
	}
	return noRank
}

// compare orders attempts: by what they miss, then the most specific first.
func (e *explainer) compare(a, b *attempt) int {
	return cmp.Or(
		cmp.Compare(a.miss, b.miss),
		compareHosts(a.host, b.host),
		slices.Compare(ranks(a.entry.Template), ranks(b.entry.Template)),
		-cmp.Compare(min(len(a.entry.Template.Verb), 1), min(len(b.entry.Template.Verb), 1)),
		cmp.Compare(a.narrow.classOf(), b.narrow.classOf()),
		cmp.Compare(e.methodRank(a.entry), e.methodRank(b.entry)),
		a.narrow.compare(b.narrow),
		-cmp.Compare(len(a.entry.ContentType), len(b.entry.ContentType)),
		compareOrder(a.entry, b.entry, a.narrow, b.narrow),
	)
}

// The order of what may come next in templates that fit one path.
const (
	rankLiteral = iota
	rankSingle
	rankEnd
	rankMulti
)

func ranks(t *httprule.Template) []int {
	out := make([]int, 0, len(t.Segments)+1)
	for _, s := range t.Segments {
		out = append(out, [...]int{httprule.Literal: rankLiteral, httprule.Single: rankSingle, httprule.Multi: rankMulti}[s.Kind])
	}
	return append(out, rankEnd)
}

// reason says what an attempt misses.
func (e *explainer) reason(a *attempt) string {
	switch a.miss {
	case wasTried:
		return "has been tried already, and fell through"
	case unmet:
		return "wants " + strings.Join(a.unmet, " and ")
	case otherPath:
		return "path " + a.narrow.whole.verb("is not", "does not begin with", "does not match regex")
	case wrongContentType:
		return "takes content type " + a.entry.ContentType
	case headIsOff:
		return "takes GET, but not HEAD for it: http.head is off"
	case strictVerb:
		return fmt.Sprintf("strict_verbs: %s is taken for a verb, and it has none", a.verb)
	case slashAtEnd:
		if a.entry.TrailingSlash {
			return "wants no slash at the end, and others take the path as it is"
		}
		return "wants no slash at the end"
	case noVerb:
		return "has no verb, and the path ends in " + a.verb
	case otherVerb:
		if a.verb != "" {
			return fmt.Sprintf("wants the verb :%s, and the path ends in %s", a.entry.Template.Verb, a.verb)
		}
		return fmt.Sprintf("wants the verb :%s at the end", a.entry.Template.Verb)
	default:
		return fmt.Sprintf("takes %s, not %s", a.entry.Method, e.q.Method)
	}
}

// lessSpecific says why a lost to best, both of which fit.
func (e *explainer) lessSpecific(a, best *attempt) string {
	if compareHosts(a.host, best.host) != 0 {
		if a.host == "" {
			return fmt.Sprintf("any host, where %s is named", best.host)
		}
		return fmt.Sprintf("its host %s is less specific than %s", a.host, best.host)
	}
	t, other := a.entry.Template, best.entry.Template
	mine, its := ranks(t), ranks(other)
	for i := range min(len(mine), len(its)) {
		if mine[i] == its[i] {
			continue
		}
		if its[i] == rankEnd {
			return fmt.Sprintf("less specific: ** at segment %d, where %s has ended", i+1, other)
		}
		if mine[i] == rankEnd {
			return fmt.Sprintf("less specific: fewer segments after ** than %s", other)
		}
		return fmt.Sprintf("less specific: %s where %s has %s at segment %d", segment(t.Segments[i]), other, segment(other.Segments[i]), i+1)
	}
	switch {
	case t.Verb == "" && other.Verb != "":
		return "has no verb, and the path ends in " + a.verb
	case a.narrow.classOf() != best.narrow.classOf():
		return fmt.Sprintf("less specific: takes %s, where %s is named", a.narrow.paths(), best.narrow.paths())
	case e.methodRank(a.entry) == rankFallback && best.entry.Method == e.q.Method:
		return fmt.Sprintf("takes %s, which comes after %s", a.entry.Method, best.entry.Method)
	case e.methodRank(a.entry) == rankHEAD && best.entry.Method == "*":
		return "takes HEAD only for GET, which comes after any method"
	case e.methodRank(a.entry) == rankHEAD && best.entry.Method == http.MethodHead:
		return fmt.Sprintf("takes HEAD only for GET, where %s is named", best.entry.Method)
	case a.entry.Method == "*" && best.entry.Method != "*":
		return fmt.Sprintf("any method, where %s is named", best.entry.Method)
	case a.narrow.count(header) != best.narrow.count(header):
		return fmt.Sprintf("less specific: conditions on %d headers, not %d", a.narrow.count(header), best.narrow.count(header))
	case a.narrow.count(parameter) != best.narrow.count(parameter):
		return fmt.Sprintf("less specific: conditions on %d query parameters, not %d", a.narrow.count(parameter), best.narrow.count(parameter))
	case len(a.entry.ContentType) == len(best.entry.ContentType):
		return "fits as well, and comes later in the configuration"
	case a.entry.ContentType == "":
		return fmt.Sprintf("any content type, where %s is named", best.entry.ContentType)
	default:
		return fmt.Sprintf("its content type %s is less specific than %s", a.entry.ContentType, best.entry.ContentType)
	}
}

// segment is a segment as it is written.
func segment(s httprule.Segment) string {
	switch s.Kind {
	case httprule.Single:
		return "*"
	case httprule.Multi:
		return "**"
	}
	return s.Literal
}
