package route

import (
	"cmp"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Whole narrows an entry to some of the paths that its template fits. It looks at
// the path as a whole, decoded once, but for an escaped slash, which is %2F; so what
// a %252F becomes is not told apart from one. A path with a malformed escape fits
// none. Exactly one of the three is set.
type Whole struct {
	// Exact is the path.
	Exact string
	// Prefix is any text that the path begins with; it may end within a segment.
	Prefix string
	// Regexp has to fit the path. Its named groups are variables, see
	// [Exchange.Variables].
	Regexp *Regexp
}

// Condition is what a request must have besides, in a header or in a query
// parameter. At most one of Exact, Prefix and Regexp is set; with none of them it
// is enough that it is there.
//
// The lines of a header are looked at as one text, joined by ", " (RFC 9110,
// section 5.3). Of a query parameter there must be one, and each that has the name
// must fit; names and values are decoded, a plus to a space, and a value with a
// malformed escape fits no text.
type Condition struct {
	// Name of a header may be in any case; that of a query parameter is plain text.
	Name          string
	Exact, Prefix *string
	Regexp        *Regexp
	// Invert asks for requests for which all of the above does not hold, among
	// them those without the header or the parameter.
	Invert bool
}

// narrow is all that an entry asks of a request besides host, template, method and
// content type. It is nil for most.
type narrow struct {
	whole          *Whole
	headers, query []Condition // no two alike, and headers with canonical names
	class          uint32      // of the rows at a node those of a lower one come first
	key            string      // what is alike has one key
}

// The classes of rows, by what they want of the whole path. Between the last two
// are those with a prefix, the longest first.
const (
	classExact = iota
	classRegexp
	classPrefix
	classAny = 1<<32 - 1
)

// narrowOf is what e asks for besides, or nil.
func narrowOf(e *Entry) (*narrow, error) {
	if e.Whole == nil && len(e.Headers)+len(e.Query) == 0 {
		return nil, nil
	}
	n := &narrow{whole: e.Whole, class: classAny}
	if w := e.Whole; w != nil {
		switch {
		case w.Exact != "" && w.Prefix == "" && w.Regexp == nil:
			n.class = classExact
		case w.Regexp != nil && w.Exact == "" && w.Prefix == "":
			n.class = classRegexp
		case w.Prefix != "" && w.Exact == "" && w.Regexp == nil:
			n.class = classAny - 1 - uint32(min(len(w.Prefix), classAny-1-classPrefix))
		default:
			return nil, errors.New("want either an exact path or a prefix or a regex")
		}
	}
	var err error
	if n.headers, err = conditions(e.Headers, header); err != nil {
		return nil, err
	}
	if n.query, err = conditions(e.Query, parameter); err != nil {
		return nil, err
	}
	n.key = strings.Join(n.wants(), "\n")
	return n, nil
}

// What conditions are on, as people call it.
const (
	header    = "header"
	parameter = "query parameter"
)

// conditions checks those on one thing, and brings them into one order, without
// those that are there twice.
func conditions(in []Condition, on string) ([]Condition, error) {
	if len(in) == 0 {
		return nil, nil
	}
	out := slices.Clone(in)
	for i := range out {
		c := &out[i]
		set := 0
		for _, is := range []bool{c.Exact != nil, c.Prefix != nil, c.Regexp != nil} {
			if is {
				set++
			}
		}
		switch {
		case c.Name == "":
			return nil, fmt.Errorf("a condition on a %s: want a name", on)
		case set > 1:
			return nil, fmt.Errorf("%s %q: want one of exact, prefix and regex", on, c.Name)
		}
		if on == header {
			if err := CheckHeaderName(c.Name); err != nil {
				return nil, fmt.Errorf("header %w", err)
			}
			c.Name = http.CanonicalHeaderKey(c.Name)
		}
	}
	text := func(c Condition) string { return c.wants(on) }
	slices.SortFunc(out, func(a, b Condition) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(text(a), text(b)))
	})
	return slices.CompactFunc(out, func(a, b Condition) bool { return text(a) == text(b) }), nil
}

// CheckHeaderName reports why there can be no condition on a header with this name.
func CheckHeaderName(name string) error {
	switch {
	case strings.EqualFold(name, "host"), strings.EqualFold(name, ":authority"):
		return fmt.Errorf("%q: want the hosts of the route instead", name)
	case !isToken(name):
		return fmt.Errorf("%q: want a name of letters, digits and hyphens", name)
	}
	return nil
}

// isToken reports whether s may be the name of a header (RFC 9110, section 5.1).
func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		letter, digit := 'a' <= c|0x20 && c|0x20 <= 'z', '0' <= c && c <= '9'
		if !letter && !digit && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}

// compare puts what is to be tried first in front, as far as the method and the
// content type leave it open.
func (n *narrow) compare(other *narrow) int {
	return cmp.Or(
		cmp.Compare(n.classOf(), other.classOf()),
		cmp.Compare(other.count(header), n.count(header)),
		cmp.Compare(other.count(parameter), n.count(parameter)),
	)
}

// compareOrder puts what is written first in front. It has an answer even where the
// configuration has none, so that a match does not depend on the order in which a
// table was given its entries.
func compareOrder(a, b *Entry, n, other *narrow) int {
	return cmp.Or(cmp.Compare(a.Order, b.Order), strings.Compare(n.keyOf(), other.keyOf()))
}

func (n *narrow) classOf() uint32 {
	if n == nil {
		return classAny
	}
	return n.class
}

// count is the number of conditions on one thing.
func (n *narrow) count(on string) int {
	switch {
	case n == nil:
		return 0
	case on == header:
		return len(n.headers)
	}
	return len(n.query)
}

func (n *narrow) keyOf() string {
	if n == nil {
		return ""
	}
	return n.key
}

// Wants lists for people what e asks for besides host, method, template and content
// type, as in `header x-tenant to be "blue"`.
func (e *Entry) Wants() []string {
	n, err := narrowOf(e)
	if n == nil || err != nil {
		return nil
	}
	return n.wants()
}

func (n *narrow) wants() []string {
	var out []string
	if n.whole != nil {
		out = append(out, "path to "+n.whole.verb("be", "begin with", "match regex"))
	}
	for _, c := range n.headers {
		out = append(out, c.wants(header))
	}
	for _, c := range n.query {
		out = append(out, c.wants(parameter))
	}
	return out
}

// unmet lists the conditions on headers and query that the request of m does not
// meet.
func (n *narrow) unmet(m *matcher) []string {
	var out []string
	for i := range n.headers {
		if c := &n.headers[i]; !m.hasHeader(c) {
			out = append(out, c.wants(header))
		}
	}
	for i := range n.query {
		if c := &n.query[i]; !m.hasParameter(c) {
			out = append(out, c.wants(parameter))
		}
	}
	return out
}

// paths says which paths those are that n takes, of those that the template fits.
func (n *narrow) paths() string {
	if n == nil || n.whole == nil {
		return "any path below"
	}
	return n.whole.verb("the path", "the prefix", "the regex")
}

// verb says what the path is to do, in one of three words.
func (w *Whole) verb(be, begin, match string) string {
	switch {
	case w.Regexp != nil:
		return match + " " + strconv.Quote(w.Regexp.String())
	case w.Prefix != "":
		return begin + " " + strconv.Quote(w.Prefix)
	}
	return be + " " + strconv.Quote(w.Exact)
}

// wants says what c asks for.
func (c *Condition) wants(on string) string {
	name, to := on+" "+strings.ToLower(c.Name), " to "
	if on == parameter {
		name = on + " " + c.Name
		if strings.ContainsFunc(c.Name, func(r rune) bool { return r <= ' ' || r == '"' || r == 0x7f || r == 0xfffd }) {
			name = on + " " + strconv.Quote(c.Name)
		}
	}
	if c.Invert {
		to = " not to "
	}
	switch {
	case c.Exact != nil:
		return name + to + "be " + strconv.Quote(*c.Exact)
	case c.Prefix != nil:
		return name + to + "begin with " + strconv.Quote(*c.Prefix)
	case c.Regexp != nil:
		return name + to + "match regex " + strconv.Quote(c.Regexp.String())
	case c.Invert:
		return "no " + name
	}
	return name
}
