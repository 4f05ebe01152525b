package route

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// services makes n entries as large APIs have them: versions, services and
// collections in many combinations, with prefixes shared by all, and in each
// collection the standard methods, nested resources and custom verbs. Templates
// of one shape have one path in requests, so the table's size is the number of
// templates, whatever the number of paths.
func services(t testing.TB, n int) []*Entry {
	shapes := []string{
		"GET /%s/{name=projects/*/locations/*/%s/*}",
		"GET /%s/{parent=projects/*/locations/*}/%s",
		"POST /%s/{parent=projects/*}/locations/{location}/%s",
		"DELETE /%s/projects/{project}/%s/{id}",
		"POST /%s/{name=projects/*/%s/*}:cancel",
		"GET /%s/{name=organizations/*/%s/*}/history",
		"PATCH /%s/{item.name=folders/*/%s/*}",
		"GET /%s/files/%s/{path=**}",
		"PUT /%s/users/{user_id}/%s/{id}/labels/{label}",
		"GET /%s/%s/search",
	}
	entries := make([]*Entry, 0, n)
	for i := 0; len(entries) < n; i++ {
		version := fmt.Sprintf("v%d", 1+i%3)
		collection := fmt.Sprintf("%s%d", []string{"books", "shelves", "operations", "instances"}[i%4], i)
		for _, shape := range shapes {
			if len(entries) < n {
				entries = append(entries, entry(t, fmt.Sprintf(shape, version, collection)))
			}
		}
	}
	return entries
}

// lookups makes requests for random entries. Their texts lie in one string in
// the order of their use: a request's path has just been read, so it is in the
// cache, and the benchmark is to measure the table and not its own input. The
// methods are the same few strings for the same reason.
func lookups(entries []*Entry, n int) []Request {
	r := rand.New(rand.NewPCG(5, 6))
	var text strings.Builder
	out := make([]Request, n)
	ends := make([]int, n)
	for i := range out {
		e := entries[r.IntN(len(entries))]
		for _, seg := range strings.Split(e.Template.String()[1:], "/") {
			seg, verb, _ := strings.Cut(seg, ":")
			if j := strings.IndexByte(seg, '='); j >= 0 {
				seg = seg[j+1:]
			}
			seg = strings.TrimSuffix(seg, "}")
			switch {
			case seg == "**":
				seg = fmt.Sprintf("dir%d/file-%d.txt", r.IntN(100), r.IntN(1000))
			case seg == "*" || seg[0] == '{':
				seg = fmt.Sprintf("id-%d", r.IntN(1_000_000))
			}
			text.WriteString("/" + seg)
			if verb != "" {
				text.WriteString(":" + verb)
			}
		}
		ends[i] = text.Len()
		out[i].Method = knownMethods[slices.Index(knownMethods[:], e.Method)]
		out[i].Host = "api.example.com"
	}
	start := 0
	for i := range out {
		out[i].Path = text.String()[start:ends[i]]
		start = ends[i]
	}
	return out
}

// lookup is a table and random requests that it answers.
type lookup struct {
	table    *Table
	requests []Request
	x        Exchange
	next     int
}

func newLookup(t testing.TB, n int) *lookup {
	entries := services(t, n)
	table, err := Compile(entries)
	require.NoError(t, err)
	return &lookup{table: table, requests: lookups(entries, 1<<17), x: Exchange{Captures: make([]Span, 0, 8)}}
}

// run makes n look-ups, from where the last run came to.
func (l *lookup) run(t testing.TB, n int) {
	for range n {
		if l.table.Match(&l.requests[l.next], &l.x) != Found {
			t.Fatal(l.requests[l.next])
		}
		if l.next++; l.next == len(l.requests) {
			l.next = 0
		}
	}
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{10, 100, 1000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			l := newLookup(b, n)
			b.ReportAllocs()
			b.ResetTimer()
			l.run(b, b.N)
		})
	}
}

// BenchmarkMatchConditions is a match on path, two headers and a query parameter,
// among entries with other conditions.
func BenchmarkMatchConditions(b *testing.B) {
	table := compileWanting(b,
		"x GET /v1/{name} h:x-tenant=blue h:x-version^=2 q:lang~=[a-z]+", "y GET /v1/{name} h:x-tenant=red h:x-version^=2 q:lang",
		"z GET /v1/{name}", "u GET prefix:/",
	)
	q := asking("GET /v1/a?page=1&lang=en x-tenant:blue x-version:2.1")
	x := Exchange{Captures: make([]Span, 0, 8)}
	b.ReportAllocs()
	for b.Loop() {
		if table.Match(q, &x) != Found || x.Entry.Route != "x" {
			b.Fatal(x.Entry)
		}
	}
}

// growth is the time of a random look-up among 100 templates, and how many times
// that it is among 100,000. Both are the best of many short runs, taken in turn:
// what the machine can do if it does nothing else for a moment.
func growth(t testing.TB, rounds int) (small time.Duration, ratio float64) {
	const slice = 1 << 10
	tables := []*lookup{newLookup(t, 100), newLookup(t, 100_000)}
	best := []time.Duration{time.Hour, time.Hour}
	for range rounds {
		for i, l := range tables {
			l.run(t, slice) // so that the other one is not in the caches
			start := time.Now()
			l.run(t, slice)
			best[i] = min(best[i], time.Since(start))
		}
	}
	return best[0] / slice, float64(best[1]) / float64(best[0])
}

// BenchmarkGrowth reports how many times longer a random look-up among 100,000
// templates takes than one among 100, as "times". It is to be at most 3.
func BenchmarkGrowth(b *testing.B) {
	var small time.Duration
	var ratio float64
	for b.Loop() {
		small, ratio = growth(b, 1000)
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(small), "ns/lookup-of-100")
	b.ReportMetric(ratio, "times")
}

func BenchmarkCompile(b *testing.B) {
	entries := services(b, 100_000)
	b.ReportAllocs()
	for b.Loop() {
		_, err := Compile(entries)
		require.NoError(b, err)
	}
}

// TestGrowth holds [BenchmarkGrowth] to its limit. It measures time, so it runs
// only where it is asked for:
//
//	DRAGOMAN_BENCH=1 go test -run TestGrowth -v ./route
func TestGrowth(t *testing.T) {
	if os.Getenv("DRAGOMAN_BENCH") == "" {
		t.Skip("measures time; DRAGOMAN_BENCH=1 runs it")
	}
	small, ratio := growth(t, 300)
	t.Logf("%v among 100, %.2f times that among 100,000", small, ratio)
	require.LessOrEqual(t, ratio, 3.0)
}

func TestMatchDoesNotAllocate(t *testing.T) {
	texts := append([]string{
		"GET @api.example.com /exact/{a}", "GET @*.example.com /suffix/{a}", "POST /s/M application/grpc", "GET /tail/{x=**}/y/z:v",
	}, fixture...)
	table := compile(t, texts...)
	x := Exchange{Captures: make([]Span, 0, 8)}
	for _, in := range []string{
		"GET @API.example.com:8080 /exact/a", "GET @a.b.Example.com:8080 /suffix/a", "POST @[::1]:80 /s/M application/grpc+proto; x=y",
		"GET /v1/things/%61%2F", "GET /v1/things/a:cancel", "POST /v1/things/a:%63ancel", "PUT /v1/things/a", "FOO /v1/any/x", "HEAD /v1/things/a",
		"GET /v1/files/a//b", "GET /tail/a/b/y/z:v", "GET /nope", "GET /%76%31/%6cit/aa/%78x", "POST /s/M text/plain",
	} {
		q := request(in)
		require.Zero(t, testing.AllocsPerRun(100, func() { table.Match(q, &x) }), in)
	}
}

// steps is the work of one match.
func steps(table *Table, q *Request) int {
	m := newMatcher(table, q, q.Path)
	m.run(q.Host)
	return m.steps
}

// TestMatchWork bounds the work by what the templates are, not by what the
// request is.
func TestMatchWork(t *testing.T) {
	t.Run("A31", func(t *testing.T) {
		table := compile(t, "GET /a/**", "GET /a/**/x/y", "GET /**/x", "GET /a/*/**/y", "GET /*/*/*/**")
		for _, path := range []string{
			"/a" + strings.Repeat("/", 64_000),
			"/a" + strings.Repeat("/", 64_000) + "x/z",
			"/a" + strings.Repeat("/a", 64_000),
			"/a" + strings.Repeat("/x/y", 32_000),
			"/a" + strings.Repeat("/x/y", 32_000) + ":v",
			strings.Repeat("/", 64_000),
		} {
			require.Less(t, steps(table, &Request{Method: "GET", Path: path}), 40, path[:10])
			// A path that nothing takes is no more work.
			require.Less(t, steps(table, &Request{Method: "PUT", Path: path}), 40, path[:10])
		}
	})
	t.Run("A31 long template", func(t *testing.T) {
		long := strings.Repeat("/a", 30_000)
		table := compile(t, "x GET /a/**"+long, "y GET "+long, "z GET /a/a/{x=**}/y")
		require.Equal(t, "x", match(t, table, request("GET /a"+long)))
		require.Equal(t, "y", match(t, table, request("GET "+long)))
		require.Equal(t, "404", match(t, table, request("GET "+long+"/")))
		require.Equal(t, "z x="+long[1:len(long)-4], match(t, table, request("GET "+long+"/y")))
		require.Less(t, steps(table, request("GET "+long+long)), 100_000)
	})
	t.Run("literals and stars", func(t *testing.T) {
		// Every mix of a and *, ten deep, and all fail at the last segment: each
		// node is entered at most once, and a longer path is no more work.
		var texts []string
		const depth = 10
		for mix := range 1 << depth {
			template := ""
			for i := range depth {
				template += []string{"/a", "/*"}[mix>>i&1]
			}
			texts = append(texts, "GET "+template+"/end")
		}
		table := compile(t, texts...)
		for _, n := range []int{depth, depth + 1, 20, 1000, 64_000} {
			got := steps(table, &Request{Method: "GET", Path: strings.Repeat("/a", n)})
			require.LessOrEqual(t, got, 4<<depth, "%d segments", n)
		}
		require.Equal(t, "405 GET,HEAD,OPTIONS", match(t, table, request("PUT "+strings.Repeat("/a", depth)+"/end")))
	})
	t.Run("one path of stars", func(t *testing.T) {
		// Without a choice there is nothing to come back to.
		table := compile(t, "GET "+strings.Repeat("/*", 20)+"/end", "GET "+strings.Repeat("/a", 20)+"/end")
		require.LessOrEqual(t, steps(table, &Request{Method: "GET", Path: strings.Repeat("/a", 21)}), 44)
	})
}

// TestManyLiterals asks every literal of a large hash table, as it is and
// escaped.
func TestManyLiterals(t *testing.T) {
	var texts []string
	for i := range 5000 {
		texts = append(texts, fmt.Sprintf("GET /x/%s%d", strings.Repeat("lit-", i%9), i))
	}
	table := compile(t, texts...)
	for _, text := range texts {
		path := text[len("GET "):]
		require.Equal(t, path, match(t, table, request(text)))
		var escaped strings.Builder
		for i, c := range []byte(path) {
			if c == '/' || i%2 == 0 {
				escaped.WriteByte(c)
			} else {
				fmt.Fprintf(&escaped, "%%%02x", c)
			}
		}
		require.Equal(t, path, match(t, table, request("GET "+escaped.String())))
		require.Equal(t, "404", match(t, table, request(text+"x")))
	}
	require.True(t, slices.IsSortedFunc(table.Entries(), func(a, b *Entry) int {
		return strings.Compare(a.Template.String(), b.Template.String())
	}))
}
