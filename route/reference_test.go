package route

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// reference is the specification of [Table.Match], read aloud: of all entries
// that fit, the most specific; and if nothing does, of those that fit the path
// without a slash at its end. It knows no tree, and of an entry that has been made
// from another way to write paths only what is written, see [written].
type reference []*Entry

// fit is an entry that fits, with the text of its variables.
type fit struct {
	entry    *Entry
	captures []string
	groups   []Variable // those of its regular expression
}

func (entries reference) match(q *Request) (f fit, result Result) {
	fitting, path := entries.fitting(q)
	var found []fit
	for _, e := range fitting {
		captures, _ := fitsPath(e, path)
		if methodRank(e, q) < 0 {
			if !e.NoAllow {
				result = max(result, MethodNotAllowed)
			}
			continue
		}
		if e.ContentType != "" && q.ContentType != e.ContentType && !strings.HasPrefix(q.ContentType, e.ContentType+"+") {
			result = UnsupportedMediaType
			continue
		}
		found = append(found, fit{e, captures, groups(e, path)})
	}
	if len(found) == 0 {
		return fit{}, result
	}
	return slices.MinFunc(found, func(a, b fit) int {
		return cmp.Or(
			cmp.Compare(hostRank(a.entry, q.Host), hostRank(b.entry, q.Host)),
			slices.Compare(kinds(a.entry.Template), kinds(b.entry.Template)),
			-cmp.Compare(min(len(a.entry.Template.Verb), 1), min(len(b.entry.Template.Verb), 1)),
			slices.Compare(wholeRank(a.entry), wholeRank(b.entry)),
			cmp.Compare(methodRank(a.entry, q), methodRank(b.entry, q)),
			-cmp.Compare(different(a.entry.Headers), different(b.entry.Headers)),
			-cmp.Compare(different(a.entry.Query), different(b.entry.Query)),
			-cmp.Compare(len(a.entry.ContentType), len(b.entry.ContentType)),
			cmp.Compare(a.entry.Order, b.entry.Order),
		)
	}), Found
}

// fitting is the entries that fit all but method and content type, and the path that
// they fit.
func (entries reference) fitting(q *Request) (reference, string) {
	fitting := func(path string, tolerant bool) (out reference) {
		colon := strings.Contains(path[strings.LastIndexByte(path, '/'):], ":")
		for _, e := range entries {
			if _, ok := fitsPath(e, path); !ok || tolerant && !e.TrailingSlash {
				continue
			}
			if hostRank(e, q.Host) < 0 || slices.Contains(q.Tried, e.Route) || !meets(e, q) {
				continue
			}
			if e.StrictVerb && e.Template.Verb == "" && colon {
				continue
			}
			out = append(out, e)
		}
		return out
	}
	out := fitting(q.Path, false)
	counts := slices.ContainsFunc(out, func(e *Entry) bool { return !e.NoAllow || methodRank(e, q) >= 0 })
	if shorter, ok := strings.CutSuffix(q.Path, "/"); ok && shorter != "" && !counts {
		return fitting(shorter, true), shorter
	}
	return out, q.Path
}

// allow is what [Table.Allow] says of a request that is not found otherwise.
func (entries reference) allow(q *Request) (out []string) {
	fitting, _ := entries.fitting(q)
	for _, e := range fitting {
		if e.NoAllow {
			continue
		}
		if e.Method == "*" {
			out = append(out, "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
		} else {
			out = append(out, e.Method)
		}
		if e.Method == "GET" && !e.NoHEAD {
			out = append(out, "HEAD")
		}
		if !e.NoOPTIONS {
			out = append(out, "OPTIONS")
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func methodRank(e *Entry, q *Request) int {
	switch {
	case e.Method == q.Method:
		return 0
	case e.Method == q.Fallback:
		return 1
	case e.Method == "*":
		return 2
	case e.Method == "GET" && q.Method == "HEAD" && !e.NoHEAD:
		return 3
	}
	return -1
}

// kinds is the order of templates that fit one path, segment by segment: literal,
// *, the end, **.
func kinds(t *httprule.Template) []int {
	var out []int
	for _, seg := range t.Segments {
		out = append(out, map[httprule.SegmentKind]int{httprule.Literal: 0, httprule.Single: 1, httprule.Multi: 3}[seg.Kind])
	}
	return append(out, 2)
}

// fits tries every number of segments for **.
func fits(t *httprule.Template, path string) (captures []string, ok bool) {
	if path == "/" && len(t.Segments) == 0 {
		return nil, true
	}
	segs := strings.Split(path, "/")[1:]
	if t.Verb != "" {
		last := segs[len(segs)-1]
		colon := strings.LastIndexByte(last, ':')
		if colon < 0 || !isLiteral(t.Verb, last[colon+1:]) {
			return nil, false
		}
		segs[len(segs)-1] = last[:colon]
	}
	multi := slices.IndexFunc(t.Segments, func(s httprule.Segment) bool { return s.Kind == httprule.Multi })
	extra := len(segs) - len(t.Segments) // segments that ** takes beyond one
	if multi < 0 && extra != 0 || multi >= 0 && extra < -1 {
		return nil, false
	}
	bounds := []int{0} // segment i of t takes segs[bounds[i]:bounds[i+1]]
	for i, s := range t.Segments {
		size := 1
		if i == multi {
			size += extra
		}
		from := bounds[i]
		if s.Kind == httprule.Literal && !isLiteral(s.Literal, segs[from]) || s.Kind == httprule.Single && segs[from] == "" {
			return nil, false
		}
		bounds = append(bounds, from+size)
	}
	for _, v := range t.Variables {
		captures = append(captures, strings.Join(segs[bounds[v.Start]:bounds[v.End]], "/"))
	}
	return captures, true
}

func isLiteral(lit, escaped string) bool {
	text, err := httprule.AppendUnescaped(nil, escaped, httprule.Decoded)
	return err == nil && string(text) == lit
}

// chooser makes choices out of the bytes of a fuzzer, or out of a random
// source's: both can then explore the same templates and paths.
type chooser func(n int) int

func fromBytes(data []byte) chooser {
	return func(n int) int {
		if len(data) == 0 {
			return 0
		}
		c := int(data[0])
		data = data[1:]
		return c % n
	}
}

func pick[T any](choose chooser, from ...T) T { return from[choose(len(from))] }

// template makes a template of few literals, so that paths meet them.
func (choose chooser) template(t *testing.T) *httprule.Template {
	var b strings.Builder
	open, multi, variables := false, false, 0
	for i := range choose(6) {
		b.WriteByte('/')
		if !open && choose(3) == 0 && !multi {
			open = true
			b.WriteString("{v" + strconv.Itoa(variables) + "=")
			variables++
		}
		kinds := []string{"a", "b", "%63%2F", "a%3Ab", "*", "*", "**"}
		if multi {
			kinds = kinds[:4]
		}
		seg := pick(choose, kinds...)
		multi = multi || seg == "**"
		b.WriteString(seg)
		if open && (choose(2) == 0 || i == 5) {
			b.WriteByte('}')
			open = false
		}
	}
	if open {
		b.WriteByte('}')
	}
	if b.Len() == 0 {
		b.WriteByte('/')
	} else {
		b.WriteString(pick(choose, "", "", ":b", ":v"))
	}
	tm, err := httprule.Parse(b.String())
	require.NoError(t, err)
	return tm
}

func (choose chooser) path() string {
	if choose(2) == 0 {
		return pick(choose, "/", "/a", "/a/b", "/a/", "/a//b", "/%61/b/", "/c%2F/a:b")
	}
	var b strings.Builder
	for range 1 + choose(7) {
		b.WriteString(pick(choose, "/a", "/a", "/b", "/%61", "/c%2f", "/", "/a:b", "/a%3ab", "/x", "/a%", "/%zz"))
	}
	b.WriteString(pick(choose, "", "", "", ":b", ":v", "%3Av", ":%76", ":", "/", ":v/"))
	return b.String()
}

// someHosts are some for entries.
var someHosts = [][]string{nil, nil, {"*"}, {"a.test"}, {"*.test"}, {"*.a.test", "B.test."}, {"a.test", "*.b.test"}, {"b.test", "*"}}

// table compiles random entries. In half of the tables they have options, in half
// of them hosts, and in half of them conditions.
func (choose chooser) table(t *testing.T) (*Table, []*Entry) {
	var entries []*Entry
	options, named, narrowed := choose(2) == 1, choose(2) == 1, choose(2) == 1
	option := func() bool { return options && choose(3) == 0 }
	for i := range 1 + choose(12) {
		e := &Entry{
			Method:        pick(choose, "GET", "GET", "POST", "*", "HEAD", "FOO", "OPTIONS"),
			Template:      choose.template(t),
			ContentType:   pick(choose, "", "", "", "a/b", "a/b+c"),
			TrailingSlash: option(),
			StrictVerb:    option(),
			NoHEAD:        option(),
			NoOPTIONS:     option(),
			NoAllow:       option(),
			FallsThrough:  option(),
			Route:         strconv.Itoa(choose(4)),
			Order:         1000*choose(3) + i,
		}
		if named {
			e.Hosts = pick(choose, someHosts...)
		}
		if narrowed {
			if i > 0 && choose(3) > 0 {
				choose.almost(e, entries[choose(i)])
			} else {
				choose.narrow(t, e)
			}
			choose.conditions(t, e)
		}
		entries = append(entries, e)
	}
	table, err := Compile(entries)
	for err != nil {
		// Of a conflict, the later one goes.
		c := err.(interface{ Unwrap() []error }).Unwrap()[0].(*Conflict)
		require.True(t, sameRequests(c.A, c.B), c.Error())
		entries = slices.DeleteFunc(entries, func(e *Entry) bool { return e == c.B })
		table, err = Compile(entries)
	}
	for i, a := range entries {
		for _, b := range entries[:i] {
			require.False(t, sameRequests(a, b), "%s and %s", a.describe(), b.describe())
		}
	}
	return table, entries
}

func (choose chooser) request() *Request {
	return &Request{
		Path:        choose.path(),
		Method:      pick(choose, "GET", "GET", "POST", "HEAD", "PUT", "FOO", "OPTIONS"),
		Fallback:    pick(choose, "", "", "", "GET"),
		ContentType: pick(choose, "", "a/b", "a/b+c", "x/y"),
		Host:        pick(choose, "a.test:80", "A.test", "b.test", "x.b.test", "x.a.test.", "c.a.test:1", "other"),
		Header:      choose.header(),
		RawQuery:    choose.query(),
		Tried:       pick(choose, nil, nil, nil, []string{"0"}, []string{"2", "1"}),
	}
}

// describe shows a table and a request that went wrong.
func describe(entries []*Entry, q *Request) string {
	var b strings.Builder
	for _, e := range entries {
		fmt.Fprintf(&b, "%s %08b\n", e.describe(), flagsOf(e))
	}
	return b.String() + fmt.Sprintf("%+v", *q)
}

// compare asks a random table and the reference the same.
func (choose chooser) compare(t *testing.T) {
	table, entries := choose.table(t)
	unreachable := make(map[*Entry]*Entry)
	for _, s := range table.Unreachable() {
		unreachable[s.Entry] = s.By
		require.False(t, s.By.FallsThrough)
	}
	var x Exchange
	for range 1 + choose(8) {
		q := choose.request()
		want, wantResult := reference(entries).match(q)
		describe := func() string { return describe(entries, q) }
		result := table.Match(q, &x)
		if result != wantResult || x.Entry != want.entry {
			t.Fatalf("%s\nMatch = %v, %v, want %v, %v", describe(), result, x.Entry, wantResult, want.entry)
		}
		if len(x.Captures) != len(want.captures) {
			t.Fatalf("%s\nCaptures = %v, want %q", describe(), x.Captures, want.captures)
		}
		for i, span := range x.Captures {
			if got := q.Path[span.Start:span.End]; got != want.captures[i] {
				t.Fatalf("%s\ncapture %d of %s = %q, want %q", describe(), i, x.Entry.Template, got, want.captures[i])
			}
		}
		if by := unreachable[x.Entry]; by != nil && !slices.Contains(q.Tried, by.Route) {
			t.Fatalf("%s\nMatch = %s, which %s was to shadow", describe(), x.Entry.describe(), by.describe())
		}
		if got := namedGroups(&x); !slices.Equal(got, want.groups) {
			t.Fatalf("%s\nVariables = %q, want %q", describe(), got, want.groups)
		}
		if want := reference(entries).allow(q); result == MethodNotAllowed && !slices.Equal(table.Allow(q), want) {
			t.Fatalf("%s\nAllow = %v, want %v", describe(), table.Allow(q), want)
		}
		explained(t, table, entries, q)
	}
}

// explained asks [Table.Explain] what [Table.Match] has found.
func explained(t *testing.T, table *Table, entries []*Entry, q *Request) {
	var x Exchange
	table.Match(q, &x)
	for i, c := range table.Explain(q) {
		if c.Won != (i == 0 && x.Entry != nil) || c.Won && c.Entry != x.Entry || c.Why == "" {
			t.Fatalf("%s\nMatch = %v, Explain %d = %v %s %q", describe(entries, q), x.Entry, i, c.Won, c.Entry.describe(), c.Why)
		}
	}
	if x.Entry != nil && len(table.Explain(q)) == 0 {
		t.Fatalf("%s\nMatch = %v, Explain says nothing", describe(entries, q), x.Entry)
	}
}

func TestMatchLikeReference(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 10_000 {
		chooser(r.IntN).compare(t)
	}
}

func FuzzMatch(f *testing.F) {
	r := rand.New(rand.NewPCG(3, 4))
	for range 20 {
		seed := make([]byte, 200)
		for i := range seed {
			seed[i] = byte(r.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fromBytes(data).compare(t)
	})
}
