package route

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// reference is the specification of [Table.Match], read aloud: of all entries
// that fit, the most specific. It knows no tree, and any host only.
type reference []*Entry

// fit is an entry that fits, with the text of its variables.
type fit struct {
	entry    *Entry
	captures []string
}

func (entries reference) match(q *Request) (fit, Result) {
	var found []fit
	result := NotFound
	for _, e := range entries {
		captures, ok := fits(e.Template, q.Path)
		if !ok {
			continue
		}
		if methodRank(e, q) < 0 {
			result = max(result, MethodNotAllowed)
			continue
		}
		if e.ContentType != "" && q.ContentType != e.ContentType && !strings.HasPrefix(q.ContentType, e.ContentType+"+") {
			result = UnsupportedMediaType
			continue
		}
		found = append(found, fit{e, captures})
	}
	if len(found) == 0 {
		return fit{}, result
	}
	return slices.MinFunc(found, func(a, b fit) int {
		return cmp.Or(
			slices.Compare(kinds(a.entry.Template), kinds(b.entry.Template)),
			-cmp.Compare(min(len(a.entry.Template.Verb), 1), min(len(b.entry.Template.Verb), 1)),
			cmp.Compare(methodRank(a.entry, q), methodRank(b.entry, q)),
			-cmp.Compare(len(a.entry.ContentType), len(b.entry.ContentType)),
		)
	}), Found
}

func methodRank(e *Entry, q *Request) int {
	switch {
	case e.Method == q.Method:
		return 0
	case e.Method == "*":
		return 1
	case e.Method == "GET" && q.Method == "HEAD":
		return 2
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
	var b strings.Builder
	for range 1 + choose(7) {
		b.WriteString(pick(choose, "/a", "/a", "/b", "/%61", "/c%2f", "/", "/a:b", "/a%3ab", "/x", "/a%", "/%zz"))
	}
	b.WriteString(pick(choose, "", "", "", ":b", ":v", "%3Av", ":%76", ":", "/"))
	return b.String()
}

// compare compiles a random table and asks it and the reference the same.
func (choose chooser) compare(t *testing.T) {
	var entries []*Entry
	for range 1 + choose(12) {
		entries = append(entries, &Entry{
			Method:      pick(choose, "GET", "GET", "POST", "*", "HEAD", "FOO"),
			Template:    choose.template(t),
			ContentType: pick(choose, "", "", "", "a/b", "a/b+c"),
		})
	}
	table, err := Compile(entries)
	for err != nil {
		// Of a conflict, the later one goes.
		c := err.(interface{ Unwrap() []error }).Unwrap()[0].(*Conflict)
		entries = slices.DeleteFunc(entries, func(e *Entry) bool { return e == c.B })
		table, err = Compile(entries)
	}
	var x Exchange
	for range 1 + choose(8) {
		q := &Request{
			Path:        choose.path(),
			Method:      pick(choose, "GET", "GET", "POST", "HEAD", "PUT", "FOO"),
			ContentType: pick(choose, "", "a/b", "a/b+c", "x/y"),
		}
		want, wantResult := reference(entries).match(q)
		describe := func() string {
			var b strings.Builder
			for _, e := range entries {
				b.WriteString(e.describe() + "\n")
			}
			return b.String() + q.Method + " " + q.Path + " " + q.ContentType
		}
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
		allowed := false
		for _, e := range entries {
			_, ok := fits(e.Template, q.Path)
			allowed = allowed || ok
			if ok && e.Method != "*" && !slices.Contains(table.Allow(q), e.Method) {
				t.Fatalf("%s\nAllow = %v lacks %s", describe(), table.Allow(q), e.Method)
			}
		}
		if allowed != (table.Allow(q) != nil) {
			t.Fatalf("%s\nAllow = %v", describe(), table.Allow(q))
		}
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
