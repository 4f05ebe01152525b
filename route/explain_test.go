package route

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// optional reads an entry that ends in options: "GET /a slash strict nohead".
func optional(t testing.TB, text string) *Entry {
	e := &Entry{}
	words := strings.Fields(text)
	options := map[string]*bool{
		"slash": &e.TrailingSlash, "strict": &e.StrictVerb, "nohead": &e.NoHEAD, "nooptions": &e.NoOPTIONS, "noallow": &e.NoAllow,
	}
	for options[words[len(words)-1]] != nil {
		*options[words[len(words)-1]] = true
		words = words[:len(words)-1]
	}
	plain := entry(t, strings.Join(words, " "))
	e.Hosts, e.Method, e.Template, e.ContentType, e.RPC = plain.Hosts, plain.Method, plain.Template, plain.ContentType, plain.RPC
	return e
}

func compileOptional(t testing.TB, texts []string) *Table {
	t.Helper()
	var entries []*Entry
	for _, text := range texts {
		entries = append(entries, optional(t, text))
	}
	table, err := Compile(entries)
	require.NoError(t, err)
	return table
}

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		name    string
		entries []string
		in      string
		want    string
	}{
		{"A22", []string{"GET /v1/{name} slash"}, "GET /v1/a/", "/v1/{name} name=a"},
		{"A22", []string{"GET /v1/{name} slash"}, "GET /v1/a", "/v1/{name} name=a"},
		{"two slashes", []string{"GET /v1/{name} slash"}, "GET /v1/a//", "404"},
		{"no segment", []string{"GET /v1/{name} slash"}, "GET /v1/", "404"},
		{"slash alone", []string{"GET / slash"}, "GET /", "/"},
		{"slash after the root", []string{"GET / slash"}, "GET //", "/"},
		{"slash after several segments", []string{"GET /{a=x/*}/{b} slash"}, "GET /x/y/%2F/", "/{a=x/*}/{b} a=x/y b=/"},
		{"slash after a verb", []string{"GET /{a}:v slash"}, "GET /x:v/", "/{a}:v a=x"},
		{"slash after **", []string{"x GET /**/y slash"}, "GET /y/y/", "x"},
		{"not tolerant", []string{"x GET /a", "y GET /b slash"}, "GET /a/", "404"},
		{"tolerant among others", []string{"x GET /a", "y GET /{z} slash"}, "GET /a/", "y z=a"},
		{"as it is before tolerant", []string{"x GET /a slash", "y GET /{z=**}"}, "GET /a/", "y z=a/"},
		{"405 as it is before tolerant", []string{"x GET /a slash", "y POST /{z=**}"}, "GET /a/", "405 OPTIONS,POST"},
		{"tolerant where 405 is off", []string{"x GET /a slash", "y POST /{z=**} noallow"}, "GET /a/", "x"},
		{"Allow with a slash", []string{"x GET /a slash", "y PUT /a"}, "POST /a/", "405 GET,HEAD,OPTIONS"},
		{"tolerant host", []string{"x GET @a.test /a", "y GET /a slash"}, "GET @a.test /a/", "y"},

		{"A17 strict", []string{"x GET /{a} strict", "y GET /*:verb"}, "GET /jason:other", "404"},
		{"A17 strict", []string{"x GET /{a} strict", "y GET /*:verb"}, "GET /jason:verb", "y"},
		{"strict and escaped", []string{"x GET /{a} strict"}, "GET /a%3Ab", "x a=a:b"},
		{"strict and before the last segment", []string{"x GET /{a}/b strict"}, "GET /a:b/b", "x a=a:b"},
		{"strict and others", []string{"x GET /{a} strict", "y GET /{z=**}"}, "GET /a:b", "y z=a:b"},
		{"strict and a slash", []string{"x GET /{a} strict slash"}, "GET /a:b/", "404"},
		{"strict makes no 405", []string{"x GET /{a} strict"}, "POST /a:b", "404"},

		{"HEAD", []string{"x GET /a nohead"}, "HEAD /a", "405 GET,OPTIONS"},
		{"HEAD of its own", []string{"x GET /a nohead", "y HEAD /a"}, "HEAD /a", "y"},
		{"HEAD by another", []string{"x GET /a nohead", "y GET /{z}"}, "HEAD /a", "y z=a"},
		{"HEAD by any", []string{"x * /a nohead"}, "HEAD /a", "x"},

		{"OPTIONS", []string{"x GET /a nooptions"}, "OPTIONS /a", "405 GET,HEAD"},
		{"OPTIONS for another", []string{"x GET /a nooptions", "y POST /a"}, "OPTIONS /a", "405 GET,HEAD,OPTIONS,POST"},
		{"OPTIONS of its own", []string{"x OPTIONS /a nooptions"}, "GET /a", "405 OPTIONS"},
		{"OPTIONS by any", []string{"x * /a nooptions"}, "OPTIONS /a", "x"},

		{"405", []string{"x GET /a noallow"}, "POST /a", "404"},
		{"405", []string{"x GET /a noallow"}, "OPTIONS /a", "404"},
		{"405 of another", []string{"x GET /a noallow", "y PUT /{z}"}, "POST /a", "405 OPTIONS,PUT"},
		{"415 all the same", []string{"x POST /a a/b noallow"}, "POST /a", "415"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, match(t, compileOptional(t, test.entries), request(test.in)), test.in)
		})
	}
}

func TestExplain(t *testing.T) {
	for _, test := range []struct {
		name    string
		entries []string
		in      string
		want    string
	}{
		{"method", []string{"a GET /v1/{x}", "b POST /v1/{x}"}, "GET /v1/y", `
a: matches
b: takes POST, not GET`},
		{"content type", []string{"a POST /v1/x", "b POST /v1/x application/grpc"}, "POST /v1/x application/json", `
a: matches
b: takes content type application/grpc`},
		{"405", []string{"a GET /v1/{x}", "b PUT /v1/{x}"}, "POST /v1/y", `
a: takes GET, not POST
b: takes PUT, not POST`},
		{"415", []string{"a POST /v1/x a/b", "b GET /v1/x"}, "POST /v1/x c/d", `
a: takes content type a/b
b: takes GET, not POST`},
		{"less specific", []string{"a GET /v1/things/{name}", "b GET /v1/things/**", "c GET /v1/things/search", "d GET /**/search"}, "GET /v1/things/search", `
c: matches
a: less specific: * where /v1/things/search has search at segment 3
b: less specific: ** where /v1/things/search has search at segment 3
d: less specific: ** where /v1/things/search has v1 at segment 1`},
		{"after **", []string{"a GET /**/y/z", "b GET /**/z", "c GET /**"}, "GET /x/y/z", `
a: matches
b: less specific: fewer segments after ** than /**/y/z
c: less specific: fewer segments after ** than /**/y/z`},
		{"the end", []string{"a GET /v1", "b GET /v1/**"}, "GET /v1", `
a: matches
b: less specific: ** at segment 2, where /v1 has ended`},
		{"hosts", []string{"a GET @*.example.com /x", "b GET @api.example.com /{y}", "c GET /x", "d GET @other.test /x", "e GET @*.com /x"}, "GET @api.example.com:80 /x", `
b: matches
a: its host *.example.com is less specific than api.example.com
e: its host *.com is less specific than api.example.com
c: any host, where api.example.com is named`},
		{"any method", []string{"a * /x", "b GET /x", "c * /**"}, "GET /x", `
b: matches
a: any method, where GET is named
c: less specific: ** where /x has x at segment 1`},
		{"HEAD", []string{"a GET /x", "b HEAD /x", "c GET /{y} nohead"}, "HEAD /x", `
b: matches
a: takes HEAD only for GET, where HEAD is named
c: takes GET, but not HEAD for it: http.head is off`},
		{"HEAD and any", []string{"a GET /x", "b * /x"}, "HEAD /x", `
b: matches
a: takes HEAD only for GET, which comes after any method`},
		{"content types", []string{"a POST /x", "b POST /x a/b", "c POST /x a/b+c"}, "POST /x a/b+c", `
c: matches
b: its content type a/b is less specific than a/b+c
a: any content type, where a/b+c is named`},
		{"verbs", []string{"a POST /{x}:cancel", "b POST /{x}", "c POST /{x}:other", "d POST /**", "e POST /y"}, "POST /y:cancel", `
a: matches
b: has no verb, and the path ends in :cancel
d: less specific: ** where /{x}:cancel has * at segment 1
e: has no verb, and the path ends in :cancel
c: wants the verb :other, and the path ends in :cancel`},
		{"verb missing", []string{"a POST /{x}:cancel", "b GET /{x}"}, "POST /y", `
b: takes GET, not POST
a: wants the verb :cancel at the end`},
		{"strict", []string{"a POST /{x} strict", "b POST /**"}, "POST /y:z", `
b: matches
a: strict_verbs: :z is taken for a verb, and it has none`},
		{"slash", []string{"a GET /x", "b GET /{y} slash", "c POST /x slash"}, "GET /x/", `
b: matches
c: takes POST, not GET
a: wants no slash at the end`},
		{"slash that is taken", []string{"a GET /x slash", "b GET /**"}, "GET /x/", `
b: matches
a: wants no slash at the end, and others take the path as it is`},
		{"strict and slash", []string{"a GET /{x} slash strict"}, "GET /x:y/", `
a: strict_verbs: :y is taken for a verb, and it has none`},
		{"differs", []string{"a GET /v1/things/{name}", "b GET /v1/things", "c GET /v1/shelves/{s}", "d GET /v2/thing/{name}", "e GET /other"}, "GET /v1/thing/x", `
a: differs at segment 2: things, not thing
b: differs at segment 2: things, not thing
c: differs at segment 2: shelves, not thing
d: differs at segment 1: v2, not v1`},
		{"length", []string{"a GET /v1/things/{name}", "b GET /v1/{x}/a/b/c/**"}, "GET /v1/things/x/y", `
a: has 3 segments, the path 4
b: differs at segment 3: a, not x`},
		{"too short for **", []string{"a GET /v1/a/b/**"}, "GET /v1/a", `
a: has at least 3 segments, the path 2`},
		{"after ** nothing fits", []string{"a GET /v1/**/y/z"}, "GET /v1/1/2/3/z", `
a: differs after **: y, not 3`},
		{"empty segment", []string{"a GET /v1/{x}"}, "GET /v1/", `
a: differs at segment 2: *, not an empty one`},
		{"root", []string{"a GET /", "b GET /v1/**"}, "GET /v1x", `
b: differs at segment 1: v1, not v1x`},
		{"at most five", []string{"a POST /s/A", "b POST /s/B", "c POST /s/C", "d POST /s/Get", "e POST /s/E", "f POST /s/F"}, "POST /s/Gett", `
d: differs at segment 2: Get, not Gett
a: differs at segment 2: A, not Gett
b: differs at segment 2: B, not Gett
c: differs at segment 2: C, not Gett
e: differs at segment 2: E, not Gett`},
		{"prefix missing", []string{"a DELETE /api/v1/{x}", "b GET /api/v1/{x}", "c GET /v1/{x}/y", "d GET /api/{x}", "e GET /api/v1/{x}:z"}, "GET /v1/1", `
b: begins with /api, and fits otherwise
a: begins with /api, and fits otherwise
c: has 3 segments, the path 2`},
		{"prefix too much", []string{"a GET /v1/{x}", "b GET /api/v2/{x}", "c GET /{x}/{y}/{z}/a"}, "GET /api/v1/1", `
a: fits without /api in front
c: has 4 segments, the path 3
b: differs at segment 2: v2, not v1`},
		{"nothing alike", []string{"a GET /v1/{x}", "b GET @a.test /zzz"}, "GET /zzz", ``},
		{"no path", []string{"a GET /v1/{x}"}, "GET *", ``},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := ""
			for _, c := range compileOptional(t, test.entries).Explain(request(test.in)) {
				require.Equal(t, c.Why == "matches", c.Won)
				got += "\n" + c.Entry.RPC + ": " + c.Why
			}
			require.Equal(t, test.want, got)
		})
	}
}
