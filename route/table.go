package route

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Result says how a match ended.
type Result uint8

// The results, the worst first.
const (
	// NotFound: nothing fits the host and the path.
	NotFound Result = iota
	// MethodNotAllowed: something fits the path, but nothing takes the method;
	// see [Table.Allow].
	MethodNotAllowed
	// UnsupportedMediaType: something fits the path and takes the method, but
	// not the content type.
	UnsupportedMediaType
	// Found: the exchange has an entry.
	Found
)

func (r Result) String() string {
	switch r {
	case Found:
		return "found"
	case UnsupportedMediaType:
		return "unsupported media type"
	case MethodNotAllowed:
		return "method not allowed"
	}
	return "not found"
}

// Table is a compiled set of entries. It is immutable and safe for any
// goroutine.
type Table struct {
	entries []*Entry
	hosts   hosts
	tree    tree
	// methods and contentTypes are what rows refer to by index. methods begins
	// with knownMethods; contentTypes[0] is the empty one.
	methods, contentTypes []string
	// tolerant is set if an entry has TrailingSlash.
	tolerant bool
}

// Compile makes a table of entries, which it keeps. An error joins everything
// that is wrong: a [*Conflict] for each two entries that no request can tell
// apart, and a text for each entry with a malformed host, without a method or
// without a template, and for one with a malformed condition.
func Compile(entries []*Entry) (*Table, error) {
	var problems []error
	b := newBuilder()
	for _, e := range entries {
		if err := b.add(e); err != nil {
			problems = append(problems, fmt.Errorf("%s: %w", e.describe(), err))
		}
	}
	t := b.table()
	for _, c := range b.conflicts {
		problems = append(problems, c)
	}
	if len(t.tree.bytes) >= maxBytes {
		problems = append(problems, fmt.Errorf("%d entries: want a table of less than %d bytes", len(entries), maxBytes))
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	t.entries = sorted(entries)
	return t, nil
}

// Match finds the most specific entry for q. It sets x.Entry (nil unless
// [Found]), x.Path and x.Captures, and nothing else that can be seen. It does not
// allocate once x has matched what is as long.
//
// A path that does not begin with a slash is not found. An empty segment fits
// only "**". HEAD is taken by an entry for HEAD, else by one for "*", else by
// one for GET, among those with the same template; [Request] says what a Fallback
// is. A path that ends in a slash
// and that nothing fits is matched once more without it, among the entries with
// TrailingSlash. An entry whose conditions q does not meet is as good as none: it
// makes neither a 405 nor a 415 of a 404.
func (t *Table) Match(q *Request, x *Exchange) Result {
	x.Entry, x.Path, x.Captures = nil, q.Path, x.Captures[:0]
	if q.Path == "" || q.Path[0] != '/' {
		return NotFound
	}
	m := newMatcher(t, q, q.Path)
	m.x = x
	at := m.run(q.Host)
	if at == 0 && m.miss == NotFound {
		if again, ok := tolerantly(t, q); ok {
			m = again
			m.x = x
			at = m.run(q.Host)
		}
	}
	if at == 0 {
		return m.miss
	}
	r := t.tree.row(at)
	x.Entry = t.tree.entries[r.entry()]
	m.capture(r, x)
	return Found
}

// Allow lists the methods that the entries which fit the host and the path of q
// take, sorted: with HEAD for GET, and with all methods of RFC 9110 and PATCH for
// an entry that takes any. OPTIONS is there if an entry takes it, or if it is to
// be answered with this list for the sake of one. Entries with NoAllow are left
// out. It is empty if nothing fits.
func (t *Table) Allow(q *Request) []string {
	if q.Path == "" || q.Path[0] != '/' {
		return nil
	}
	m := newMatcher(t, q, q.Path)
	m.allow = make([]bool, len(t.methods))
	m.x = new(Exchange)
	m.run(q.Host)
	if m.miss == NotFound {
		again, ok := tolerantly(t, q)
		if !ok {
			return nil
		}
		again.allow, again.x = m.allow, m.x
		m = again
		m.run(q.Host)
	}
	var allow []string
	for id, fits := range m.allow {
		if fits && id != anyMethod {
			allow = append(allow, t.methods[id])
		}
	}
	slices.Sort(allow)
	return allow
}

// Entries lists all entries, those for any host first, then by host, path,
// method, content type and conditions; the order does not depend on the one they were
// given in unless nothing else tells two apart. The caller may not change it.
func (t *Table) Entries() []*Entry { return t.entries }

// The indexes of methods with a meaning of their own, and the methods that
// every table knows, which makes finding their indexes cheap.
const (
	anyMethod     = 0
	getMethod     = 1
	headMethod    = 6
	optionsMethod = 7
)

var knownMethods = [...]string{"*", "GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}

// noMethod is the index of a method that no entry names.
const noMethod = 1<<16 - 1

// methodID is the index of a request's method. A request cannot ask for "*".
func (t *Table) methodID(method string) uint16 {
	for i := 1; i < len(t.methods); i++ {
		if t.methods[i] == method {
			return uint16(i)
		}
	}
	return noMethod
}

func sorted(entries []*Entry) []*Entry {
	type item struct {
		e                  *Entry
		hosts, path, wants string
	}
	items := make([]item, len(entries))
	for i, e := range entries {
		items[i] = item{e, strings.Join(e.Hosts, ","), e.Template.String(), strings.Join(e.Wants(), "\n")}
	}
	slices.SortStableFunc(items, func(a, b item) int {
		return cmp.Or(
			cmp.Compare(a.hosts, b.hosts),
			cmp.Compare(a.path, b.path),
			cmp.Compare(a.e.Method, b.e.Method),
			cmp.Compare(a.e.ContentType, b.e.ContentType),
			cmp.Compare(a.wants, b.wants),
			cmp.Compare(a.e.Route, b.e.Route),
			cmp.Compare(a.e.RPC, b.e.RPC),
			cmp.Compare(a.e.Origin, b.e.Origin),
		)
	})
	out := make([]*Entry, len(items))
	for i := range items {
		out[i] = items[i].e
	}
	return out
}
