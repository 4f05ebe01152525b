package route

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Shadowed is an entry that no request reaches, since another takes all that it
// could take.
type Shadowed struct{ Entry, By *Entry }

// Unreachable lists entries that no request reaches, in the order of [Table.Entries].
// It finds those that one other entry with a template of the same shape stands
// before, and only where that can be told from the conditions as they are written:
// what several entries take together, or what a regular expression fits, it does not
// know. It is for people who wait.
func (t *Table) Unreachable() []Shadowed {
	type place struct{ shape, method string }
	type item struct {
		e     *Entry
		n     *narrow
		at    int
		hosts []string
	}
	groups := make(map[place][]item)
	for i, e := range t.entries {
		n, _ := narrowOf(e)
		at := place{shapeOf(e), e.Method}
		groups[at] = append(groups[at], item{e, n, i, patternsOf(e)})
	}
	type found struct {
		Shadowed
		at int
	}
	var out []found
	for _, group := range groups {
		slices.SortStableFunc(group, func(x, y item) int {
			return cmp.Or(
				x.n.compare(y.n),
				cmp.Compare(len(y.e.ContentType), len(x.e.ContentType)),
				compareOrder(x.e, y.e, x.n, y.n),
			)
		})
		for i, last := range group {
			by := slices.IndexFunc(group[:i], func(first item) bool {
				return first.n.implied(last.n) && first.e.takesAllOf(last.e) && containsAll(first.hosts, last.hosts)
			})
			if by >= 0 {
				out = append(out, found{Shadowed{last.e, group[by].e}, last.at})
			}
		}
	}
	slices.SortFunc(out, func(x, y found) int { return cmp.Compare(x.at, y.at) })
	list := make([]Shadowed, len(out))
	for i := range out {
		list[i] = out[i].Shadowed
	}
	return list
}

// shapeOf is the same for entries that end at the same node.
func shapeOf(e *Entry) string {
	var b strings.Builder
	for _, s := range e.Template.Segments {
		fmt.Fprintf(&b, "%d%q", s.Kind, s.Literal)
	}
	return b.String() + e.Template.Verb
}

// patternsOf are the hosts of e as they are compared; there is at least one.
func patternsOf(e *Entry) []string {
	if len(e.Hosts) == 0 {
		return []string{""}
	}
	var out []string
	for _, h := range e.Hosts {
		pattern, _ := hostPattern(h)
		out = append(out, pattern)
	}
	return out
}

func containsAll(list, parts []string) bool {
	for _, p := range parts {
		if !slices.Contains(list, p) {
			return false
		}
	}
	return true
}

// takesAllOf reports whether e takes what other takes, of the same method, as far as
// that is no matter of conditions.
func (e *Entry) takesAllOf(other *Entry) bool {
	return !e.FallsThrough &&
		(e.ContentType == "" || isMediaType(strings.ToLower(other.ContentType), strings.ToLower(e.ContentType))) &&
		(!e.StrictVerb || e.Template.Verb != "" || other.StrictVerb) &&
		(!e.NoHEAD || e.Method != "GET" || other.NoHEAD) &&
		(e.TrailingSlash || !other.TrailingSlash)
}

// implied reports whether a request that has what other asks for has what n asks
// for, of which other asks for as much at least. Of conditions on the whole path it
// knows only equal ones: those that follow from others come after them.
func (n *narrow) implied(other *narrow) bool {
	if n == nil {
		return true
	}
	if other == nil || n.class != other.class ||
		n.whole != nil && n.whole.verb("", "", "") != other.whole.verb("", "", "") {
		return false
	}
	return allImplied(n.headers, other.headers) && allImplied(n.query, other.query)
}

func allImplied(list, by []Condition) bool {
	for i := range list {
		if !slices.ContainsFunc(by, func(c Condition) bool { return c.implies(&list[i]) }) {
			return false
		}
	}
	return true
}

// implies reports whether what c fits, other fits.
func (c *Condition) implies(other *Condition) bool {
	switch {
	case c.Name != other.Name:
		return false
	case c.Invert && other.Invert:
		return other.narrows(c)
	case c.Invert || other.Invert:
		return !c.Invert && c.excludes(other)
	}
	return c.narrows(other)
}

// narrows is implies without inversions.
func (c *Condition) narrows(other *Condition) bool {
	switch {
	case other.Exact != nil:
		return c.Exact != nil && *c.Exact == *other.Exact
	case other.Prefix != nil:
		return c.Exact != nil && strings.HasPrefix(*c.Exact, *other.Prefix) ||
			c.Prefix != nil && strings.HasPrefix(*c.Prefix, *other.Prefix)
	case other.Regexp != nil:
		return c.Exact != nil && other.Regexp.all.MatchString(*c.Exact) ||
			c.Regexp != nil && c.Regexp.source == other.Regexp.source
	}
	return true
}

// excludes reports whether what c fits, other, if it were not inverted, does not.
func (c *Condition) excludes(other *Condition) bool {
	switch {
	case c.Exact != nil && other.Exact != nil:
		return *c.Exact != *other.Exact
	case c.Exact != nil && other.Prefix != nil:
		return !strings.HasPrefix(*c.Exact, *other.Prefix)
	case c.Exact != nil && other.Regexp != nil:
		return !other.Regexp.all.MatchString(*c.Exact)
	case c.Prefix != nil && other.Exact != nil:
		return !strings.HasPrefix(*other.Exact, *c.Prefix)
	case c.Prefix != nil && other.Prefix != nil:
		return !strings.HasPrefix(*other.Prefix, *c.Prefix) && !strings.HasPrefix(*c.Prefix, *other.Prefix)
	}
	return false
}
