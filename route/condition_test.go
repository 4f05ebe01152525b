package route

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// wanting reads an entry as [optional] does, in front of whose options may stand
// conditions on a header or a parameter, as in "h:x-a=v" and "q:p^=v": = is exact,
// ^= a prefix, ~= a regular expression, nothing is present, and ! in front inverts.
// A path may be written "exact:/a/", as a configuration has it.
func wanting(t testing.TB, text string) *Entry {
	t.Helper()
	var words []string
	var headers, query []Condition
	var kind, path string
	order := 0
	through := false
	for _, word := range strings.Fields(text) {
		before, after, _ := strings.Cut(word, ":")
		not, isNot := strings.CutPrefix(before, "!")
		switch {
		case not == "h":
			headers = append(headers, condition(t, after, isNot))
		case not == "q":
			query = append(query, condition(t, after, isNot))
		case before == "order":
			order, _ = strconv.Atoi(after)
		case word == "through":
			through = true
		case before == "prefix" || before == "exact" || before == "prefix_string" || before == "regex":
			kind, path = before, after
			words = append(words, "/")
		default:
			words = append(words, word)
		}
	}
	e := optional(t, strings.Join(words, " "))
	if kind != "" {
		require.NoError(t, e.make(kind, path))
	}
	e.Headers, e.Query, e.Order, e.FallsThrough, e.Route, e.Origin = headers, query, order, through, e.RPC, ""
	return e
}

func condition(t testing.TB, text string, invert bool) Condition {
	name, value, ok := strings.Cut(text, "=")
	c := Condition{Invert: invert}
	switch kind := name[len(name)-1]; {
	case !ok:
	case kind == '^':
		name = name[:len(name)-1]
		c.Prefix = &value
	case kind == '~':
		name = name[:len(name)-1]
		re, err := CompileRegexp(value)
		require.NoError(t, err)
		c.Regexp = re
	default:
		c.Exact = &value
	}
	c.Name = name
	return c
}

func compileWanting(t testing.TB, texts ...string) *Table {
	t.Helper()
	var entries []*Entry
	for _, text := range texts {
		entries = append(entries, wanting(t, text))
	}
	table, err := Compile(entries)
	require.NoError(t, err)
	return table
}

// asking reads a request: "GET /a?p=v x-a:v x-a:w tried:r".
func asking(text string) *Request {
	words := strings.Fields(text)
	q := &Request{Method: words[0], Header: http.Header{}}
	for _, word := range words[1:] {
		switch name, value, ok := strings.Cut(word, ":"); {
		case word[0] == '/':
			q.Path, q.RawQuery, _ = strings.Cut(word, "?")
		case word[0] == '@':
			q.Host = word[1:]
		case name == "tried":
			q.Tried = append(q.Tried, value)
		case ok:
			q.Header.Add(name, value)
		default:
			q.ContentType = word
		}
	}
	return q
}

func TestConditions(t *testing.T) {
	for _, test := range []struct {
		name    string
		entries []string
		in      string
		want    string
	}{
		{"present", []string{"x GET /a h:x-a"}, "GET /a X-A:", "x"},
		{"absent", []string{"x GET /a h:x-a"}, "GET /a", "404"},
		{"exact", []string{"x GET /a h:X-a=v"}, "GET /a x-A:v", "x"},
		{"exact in another case", []string{"x GET /a h:x-a=v"}, "GET /a x-a:V", "404"},
		{"exact and a second line", []string{"x GET /a h:x-a=v"}, "GET /a x-a:v x-a:w", "404"},
		{"lines are one text", []string{"x GET /a h:x-a~=v,\\sw"}, "GET /a x-a:v x-a:w", "x"},
		{"prefix over lines", []string{"x GET /a h:x-a^=v,"}, "GET /a x-a:v x-a:w", "x"},
		{"prefix", []string{"x GET /a h:x-a^=Bearer"}, "GET /a x-a:Bear", "404"},
		{"regex is anchored", []string{"x GET /a h:x-a~=a|ab"}, "GET /a x-a:abc", "404"},
		{"regex tries all alternatives", []string{"x GET /a h:x-a~=a|ab"}, "GET /a x-a:ab", "x"},
		{"inverted present", []string{"x GET /a !h:x-a"}, "GET /a x-a:v", "404"},
		{"inverted exact and absent", []string{"x GET /a !h:x-a=v"}, "GET /a", "x"},
		{"all of several", []string{"x GET /a h:x-a=v h:x-b q:p"}, "GET /a?p x-a:v", "404"},

		{"parameter", []string{"x GET /a q:p=v"}, "GET /a?q=w&p=v", "x"},
		{"parameter twice", []string{"x GET /a q:p=v"}, "GET /a?p=v&p=w", "404"},
		{"parameter twice the same", []string{"x GET /a q:p=v"}, "GET /a?p=v&%70=%76", "x"},
		{"parameter escaped", []string{"x GET /a q:a+b~=c.d"}, "GET /a?a%2bb=c+d", "x"},
		{"parameter malformed", []string{"x GET /a q:p~=.*"}, "GET /a?p=%zz", "404"},
		{"parameter malformed and present", []string{"x GET /a q:p"}, "GET /a?p=%zz", "x"},
		{"parameter of no value", []string{"x GET /a q:p="}, "GET /a?p", "x"},
		{"parameter begins", []string{"x GET /a q:p^=v"}, "GET /a?p=%76w", "x"},
		{"parameter in the path", []string{"x GET /a q:p"}, "GET /a%3Fp", "404"},
		{"no parameter", []string{"x GET /a !q:debug"}, "GET /a?debug=1", "404"},

		{"no 405 for it", []string{"x POST /a h:x-a", "y PUT /a"}, "GET /a", "405 OPTIONS,PUT"},
		{"405 for it", []string{"x POST /a h:x-a", "y PUT /a"}, "GET /a x-a:v", "405 OPTIONS,POST,PUT"},
		{"no 415 for it", []string{"x POST /a h:x-a a/b"}, "POST /a c/d", "404"},
		{"415 for it", []string{"x POST /a h:x-a a/b"}, "POST /a c/d x-a:v", "415"},
		{"goes on to less specific ones", []string{"x GET /a/b h:x-a", "y GET /a/{n} h:x-a=w", "z GET /{n=**}"}, "GET /a/b x-a:", "x"},
		{"goes on to less specific ones", []string{"x GET /a/b h:x-a=v", "y GET /a/{n} h:x-a=w", "z GET /{n=**}"}, "GET /a/b x-a:u", "z n=a/b"},
		{"goes on to less specific hosts", []string{"x GET @a.test /a h:x-a", "y GET @*.test /a q:p", "z GET @* /a"}, "GET @a.test /a", "z"},
		{"as it is before tolerant", []string{"x GET /a slash", "y GET prefix:/a h:x-a"}, "GET /a/", "x"},

		{"own method before headers", []string{"x * /a h:x-a h:x-b", "y GET /a"}, "GET /a x-a:v x-b:v", "y"},
		{"more headers", []string{"x GET /a h:x-a", "y GET /a h:x-a h:x-b"}, "GET /a x-a:v x-b:v", "y"},
		{"a header counts once", []string{"x GET /a h:x-a h:X-A", "y GET /a h:x-a h:x-b"}, "GET /a x-a:v x-b:v", "y"},
		{"headers before query", []string{"x GET /a h:x-a", "y GET /a q:p q:q"}, "GET /a?p&q x-a:v", "x"},
		{"query before content type", []string{"x POST /a q:p", "y POST /a a/b"}, "POST /a?p a/b", "x"},
		{"order", []string{"x GET /a h:x-a order:2", "y GET /a h:x-b order:1"}, "GET /a x-a:v x-b:v", "y"},
		{"content type before order", []string{"x POST /a h:x-a order:1", "y POST /a h:x-b order:2 a/b"}, "POST /a x-a:v x-b:v a/b", "y"},

		{"exact before regex", []string{"x GET regex:/a/.* h:x-a", "y GET exact:/a/"}, "GET /a/ x-a:v", "y"},
		{"regex before prefix", []string{"x GET prefix_string:/a/long h:x-a", "y GET regex:/a/.*"}, "GET /a/longer x-a:v", "y"},
		{"longer prefix", []string{"x GET prefix_string:/a/lo h:x-a", "y GET prefix_string:/a/long"}, "GET /a/longer x-a:v", "y"},
		{"prefix before none", []string{"x GET prefix:/a h:x-a", "y GET prefix_string:/a/long"}, "GET /a/longer x-a:v", "y"},
		{"path before method", []string{"x GET prefix:/a", "y * regex:/a/.*"}, "GET /a/b", "y"},
		{"two regexes", []string{"x GET regex:/a/.* order:2", "y GET regex:/a/b+ order:1"}, "GET /a/b", "y"},

		{"A-01 prefix", []string{"x GET prefix:/foo"}, "GET /foo", "x"},
		{"A-01 prefix", []string{"x GET prefix:/foo"}, "GET /foo/", "x"},
		{"A-01 prefix", []string{"x GET prefix:/foo/"}, "GET /foo/bar//", "x"},
		{"A-01 prefix", []string{"x GET prefix:/foo"}, "GET /foobar", "404"},
		{"prefix of all", []string{"x GET prefix:/"}, "GET /", "x"},
		{"prefix string", []string{"x GET prefix_string:/foo"}, "GET /foobar", "x"},
		{"prefix string and an escape", []string{"x GET prefix_string:/a/b%20c"}, "GET /%61/b%20cd", "x"},
		{"prefix string and an escaped slash", []string{"x GET prefix_string:/a%2Fb"}, "GET /a%2fbc", "x"},
		{"prefix string and a slash", []string{"x GET prefix_string:/a/b"}, "GET /a%2fb", "404"},
		{"malformed", []string{"x GET prefix_string:/a"}, "GET /a%zz", "404"},
		{"exact", []string{"x GET exact:/foo"}, "GET /%66oo", "x"},
		{"exact", []string{"x GET exact:/foo"}, "GET /foo/", "404"},
		{"exact with a slash", []string{"x GET exact:/foo/"}, "GET /foo", "404"},
		{"exact with empty segments", []string{"x GET exact:/a//b/", "y GET /a/**"}, "GET /a//b/", "x"},
		{"exact with empty segments", []string{"x GET exact:/a//b", "y GET /a/**/b"}, "GET /a//b", "x"},
		{"exact with empty segments", []string{"x GET exact:/a//b", "y GET /a/**/b"}, "GET /a/b", "y"},
		{"exact with a colon", []string{"x GET exact:/a:v", "y GET /{n}"}, "GET /a:v", "x"},
		{"exact with an escaped slash", []string{"x GET exact:/a%2Fb", "y GET /a/b", "z GET /{n}"}, "GET /a%2fb", "x"},
		{"exact root", []string{"x GET exact:/", "y GET prefix:/"}, "GET /", "x"},
		{"exact of two slashes", []string{"x GET exact://", "y GET prefix:/"}, "GET //", "x"},
		{"exact of two slashes", []string{"x GET exact://", "y GET prefix:/"}, "GET /", "y"},
		{"regex", []string{"x GET regex:/[a-c]/d"}, "GET /b/d", "x"},
		{"regex is anchored", []string{"x GET regex:/a"}, "GET /ab", "404"},
		{"regex and an escape", []string{"x GET regex:/a.b"}, "GET /a%20b", "x"},
		{"regex and an escaped slash", []string{"x GET regex:/[^/]+"}, "GET /a%2fb", "x"},
		{"regex and a slash at the end", []string{"x GET regex:/[^/]+ slash"}, "GET /a/", "x"},

		{"tried", []string{"x GET /a", "y GET /{n}"}, "GET /a tried:x", "y n=a"},
		{"tried makes no 405", []string{"x POST /a"}, "GET /a tried:x", "404"},
		{"all tried", []string{"x GET /a", "y GET /{n}"}, "GET /a tried:x tried:y", "404"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, match(t, compileWanting(t, test.entries...), asking(test.in)))
		})
	}
}

func TestVariables(t *testing.T) {
	for _, test := range []struct{ entry, path, want string }{
		{"GET /v1/{name=a/*}/{b.c}", "/v1/a/b%2Fc/d%2Fe", "[{name a/b%2Fc} {b.c d/e}]"},
		{"GET /{a}", "/%FF%zz", "[{a %FF%zz}]"},
		{"GET /{a}", "/%FF", "[{a \uFFFD}]"},
		{"GET regex:/(?P<a>[^/]*)/(?P<b>x)?(y)?(?P<c>.*)", "/%20%2f/y%FF", "[{a  %2F} {c \uFFFD}]"},
		{"GET regex:/(?P<a>.*)/b slash", "/x/b/", "[{a x}]"},
		{"GET regex:/(a)", "/a", "[]"},
		{"GET /a", "/a", "[]"},
	} {
		var x Exchange
		require.Equal(t, Found, compileWanting(t, test.entry).Match(&Request{Method: "GET", Path: test.path}, &x), test.entry)
		require.Equal(t, test.want, fmt.Sprint(x.Variables()), test.entry)
	}
	require.Empty(t, new(Exchange).Variables())
}

func TestConditionConflicts(t *testing.T) {
	for _, test := range []struct {
		a, b string
		want bool
	}{
		{"GET /a h:x-a=v h:X-B", "GET /a h:x-b h:X-A=v", true},
		{"GET /a h:x-a=v", "GET /a h:x-a=v h:x-a=v", true},
		{"GET /a h:x-a=v", "GET /a h:x-a=V", false},
		{"GET /a h:x-a=v", "GET /a h:x-a^=v", false},
		{"GET /a h:x-a", "GET /a q:x-a", false},
		{"GET /a q:p", "GET /a q:P", false},
		{"GET /a !q:p", "GET /a q:p", false},
		{"GET regex:/a.*", "GET regex:/a.*", true},
		{"GET regex:/a.*", "GET prefix_string:/a.*", false},
		{"GET prefix:/a", "GET /a/{x=**}", true},
		{"GET @* /a", "GET /a", true},
		{"GET @*,a.test /a", "GET @a.test /a", true},
	} {
		_, err := Compile([]*Entry{wanting(t, test.a), wanting(t, test.b)})
		require.Equal(t, test.want, err != nil, "%s and %s", test.a, test.b)
	}
	a := wanting(t, "x GET regex:/a.* h:X-A=v !q:p")
	b := *a
	_, err := Compile([]*Entry{a, &b})
	require.EqualError(t, err, `route "x": GET /** wanting path to match regex "/a.*" and header x-a to be "v" and no query parameter p (x) and `+
		`route "x": GET /** wanting path to match regex "/a.*" and header x-a to be "v" and no query parameter p (x) take the same requests: `+
		`change the path, the hosts or the conditions of one of them`)
}

func TestConditionErrors(t *testing.T) {
	v := "v"
	for _, test := range []struct {
		e    Entry
		want string
	}{
		{Entry{Headers: []Condition{{}}}, "a condition on a header: want a name"},
		{Entry{Query: []Condition{{}}}, "a condition on a query parameter: want a name"},
		{Entry{Headers: []Condition{{Name: "a b"}}}, `header "a b": want a name of letters, digits and hyphens`},
		{Entry{Headers: []Condition{{Name: ":path"}}}, `header ":path": want a name of letters, digits and hyphens`},
		{Entry{Headers: []Condition{{Name: "host"}}}, `header "host": want the hosts of the route instead`},
		{Entry{Query: []Condition{{Name: "p", Exact: &v, Prefix: &v}}}, `query parameter "p": want one of exact, prefix and regex`},
		{Entry{Whole: &Whole{}}, "want either an exact path or a prefix or a regex"},
		{Entry{Whole: &Whole{Exact: "/a", Prefix: "/a"}}, "want either an exact path or a prefix or a regex"},
	} {
		e := test.e
		e.Method, e.Template = "GET", entry(t, "GET /a").Template
		_, err := Compile([]*Entry{&e})
		require.ErrorContains(t, err, "GET /a: "+test.want)
	}
}

func TestPathErrors(t *testing.T) {
	for _, test := range []struct{ kind, text, want string }{
		{"prefix", "foo", `"foo": want a slash at the beginning`},
		{"prefix", "", `"": want a slash at the beginning`},
		{"prefix", "/a//b", `"/a//b": want no empty segments, or prefix_string instead of prefix`},
		{"exact", "/a?b", `"/a?b": want a path without a query, or %3F for a question mark`},
		{"exact", "/a#b", `"/a#b": want a path without a fragment, or %23 for a number sign`},
		{"exact", "/100%", `"/100%": malformed escape "%" at offset 3: want two hexadecimal digits after %, or %25 for a percent sign`},
		{"prefix_string", "/a\nb", `"/a\nb": want %0A for the byte at offset 2`},
		{"regex", "a/.*", `regex "a/.*": want a slash at the beginning, as all paths have it`},
		{"regex", "/(", `regex "/(": missing closing ): "/("`},
		{"regex", "/a{1001}", `regex "/a{1001}": invalid repeat count: "{1001}"`},
		{"regex", "/(abcdefghijk){1000}", `regex "/(abcdefghijk){1000}": too large: want fewer or smaller repetitions`},
		{"regex", "/" + strings.Repeat("a", 4096), `regex of 4097 bytes: want at most 4096`},
	} {
		require.EqualError(t, new(Entry).make(test.kind, test.text), test.want)
	}
	require.NoError(t, new(Entry).make("regex", "/"+strings.Repeat("a", 4095)))
}

// TestPathTemplates says how much of a path the tree finds.
func TestPathTemplates(t *testing.T) {
	for _, test := range []struct{ kind, text, want string }{
		{"prefix", "/a b/ü/", "/a%20b/%C3%BC/**"},
		{"exact", "/a/b:c", "/a/b%3Ac"},
		{"exact", "/a//b//c/d", "/a/**/c/d"},
		{"prefix_string", "/a/b", "/a/**"},
		{"prefix_string", "/a/b/", "/a/b/**"},
		{"prefix_string", "/a//b/", "/a/**"},
		{"prefix_string", "/a/b%2Fc/d", "/a/**"},
		{"regex", "/a/b", "/a/**"},
		{"regex", "^/a/b/$", "/a/b/**"},
		{"regex", "/a/(b/c/.*)", "/a/b/c/**"},
		{"regex", "/a/(?P<n>b)/(c|d)/", "/a/b/**"},
		{"regex", `/a\.b/c`, "/a.b/**"},
		{"regex", `\Q/a.b/c`, "/a.b/**"},
		{"regex", "/a/b|/a/c", "/a/**"},
		{"regex", "/a/b?/c", "/a/**"},
		{"regex", "/a/(?i)b/c", "/a/**"},
		{"regex", "/a/(?:b/)?c", "/a/**"},
		{"regex", `/a\x{fffd}/b`, "/**"},
		{"regex", "/a/b%2Fc/d", "/a/**"},
		{"regex", "/a//b", "/a/**"},
		{"regex", ".*", "/**"},
		{"regex", "", "/**"},
	} {
		var e Entry
		require.NoError(t, e.make(test.kind, test.text))
		require.Equal(t, test.want, e.Template.String(), test.text)
	}
}

func TestUnreachable(t *testing.T) {
	for _, test := range []struct {
		first, last string // of which the first comes first
		want        bool
	}{
		{"GET /a h:x-a^=v", "GET /a h:x-a=vw", true},
		{"GET /a h:x-a^=v", "GET /a h:x-a^=vw", true},
		{"GET /a h:x-a~=v.*", "GET /a h:x-a=vw", true},
		{"GET /a h:x-a~=v.*", "GET /a h:x-a~=vw", false},
		{"GET /a h:x-a", "GET /a h:x-a~=vw", true},
		{"GET /a h:x-a", "GET /a !h:x-a=v", false},
		{"GET /a !h:x-a=v", "GET /a !h:x-a", true},
		{"GET /a !h:x-a", "GET /a !h:x-a=v", false},
		{"GET /a !h:x-a=vw", "GET /a !h:x-a^=v", true},
		{"GET /a !h:x-a^=v", "GET /a !h:x-a=vw", false},
		{"GET /a !h:x-a=v", "GET /a h:x-a=w", true},
		{"GET /a !h:x-a=v", "GET /a h:x-a=v", false},
		{"GET /a !h:x-a^=v", "GET /a h:x-a^=w", true},
		{"GET /a !h:x-a^=vw", "GET /a h:x-a^=v", false},
		{"GET /a !h:x-a^=v", "GET /a h:x-a=w", true},
		{"GET /a !h:x-a~=v", "GET /a h:x-a=w", true},
		{"GET /a !h:x-a=w", "GET /a h:x-a^=v", true},
		{"GET /a h:x-a=v", "GET /a !h:x-a=w", false},
		{"GET /a h:x-a", "GET /a h:x-b", false},
		{"GET /a h:x-a h:x-b", "GET /a h:x-a q:p", false},
		{"GET /a h:x-a q:p", "GET /a h:x-a=v q:p=w", true},
		{"GET /a h:x-a", "POST /a h:x-a=v", false},
		{"* /a h:x-a", "POST /a h:x-a=v", false},
		{"GET /a h:x-a through", "GET /a h:x-a=v", false},
		{"GET @a.test /a h:x-a", "GET @a.test /a h:x-a=v", true},
		{"GET @a.test /a h:x-a", "GET @a.test,b.test /a h:x-a=v", false},
		{"GET @a.test,b.test /a h:x-a", "GET @b.test /a h:x-a=v", true},
		{"GET @* /a h:x-a", "GET /a h:x-a=v", true},
		{"GET /a h:x-a", "GET @a.test /a h:x-a=v", false},
		{"GET /{n} h:x-a", "GET /* h:x-a=v", true},
		{"GET regex:/a.* h:x-a", "GET regex:/a.* h:x-a=v", true},
		{"GET regex:/a.* h:x-a", "GET regex:/a.? h:x-a=v", false},
		{"POST /a h:x-a", "POST /a h:x-a=v a/b", false},
		{"POST /a h:x-a a/b", "POST /a h:x-a=v a/b", true},
		{"GET /a h:x-a nohead", "GET /a h:x-a=v", false},
		{"GET /a h:x-a", "GET /a h:x-a=v nohead", true},
		{"GET /a h:x-a strict", "GET /a h:x-a=v", false},
		{"GET /a h:x-a", "GET /a h:x-a=v slash", false},
		{"GET /a h:x-a slash", "GET /a h:x-a=v", true},
	} {
		var want []Shadowed
		first, last := wanting(t, test.first), wanting(t, test.last)
		last.Order = 1
		if test.want {
			want = []Shadowed{{last, first}}
		}
		table, err := Compile([]*Entry{last, first})
		require.NoError(t, err)
		require.ElementsMatch(t, want, table.Unreachable(), "%s, then %s", test.first, test.last)
	}
}

func TestExplainConditions(t *testing.T) {
	for _, test := range []struct {
		name    string
		entries []string
		in      string
		want    []string
	}{
		{"unmet", []string{
			"a GET /a h:x-a=v", "b GET /a h:x-a^=v q:p", "c GET /a !h:x-a~=w.*", "d GET /a !q:q", "e GET /a q:p~=x", "f GET /a h:x-a h:x-b",
		}, "GET /a?q x-a:w", []string{
			`f wants header x-b`,
			`b wants header x-a to begin with "v" and query parameter p`,
			`c wants header x-a not to match regex "w.*"`,
			`a wants header x-a to be "v"`,
			`d wants no query parameter q`,
			`e wants query parameter p to match regex "x"`,
		}},
		{"path", []string{"a GET exact:/a/", "b GET prefix_string:/a/x", "c GET regex:/a/y", "d GET prefix:/a"}, "GET /a/b", []string{
			"d matches",
			`a path is not "/a/"`, `c path does not match regex "/a/y"`, `b path does not begin with "/a/x"`,
		}},
		{"nearest", []string{"a GET regex:/.*x", "b GET /abcd"}, "GET /abce", []string{
			"b differs at segment 1: abcd, not abce", `a path does not match regex "/.*x"`,
		}},
		{"order", []string{
			"a GET regex:/a/.* order:1", "b GET regex:/a/b+ order:2", "c GET exact:/a/b", "d GET prefix_string:/a/", "e GET prefix:/a h:x-a h:x-b",
			"f GET prefix:/a h:x-a q:p", "g GET prefix:/a h:x-a",
		}, "GET /a/b?p x-a:v x-b:v", []string{
			"c matches",
			"a less specific: ** where /a/b has b at segment 2",
		}},
		{"class", []string{"a GET regex:/a/.* order:1", "b GET regex:/a/b+ order:2", "d GET prefix_string:/a/"}, "GET /a/b", []string{
			"a matches",
			"b fits as well, and comes later in the configuration",
			`d less specific: takes the prefix "/a/", where the regex "/a/.*" is named`,
		}},
		{"counts", []string{"e GET prefix:/a h:x-a h:x-b", "f GET prefix:/a h:x-a q:p", "g GET prefix:/a h:x-a", "z GET regex:/a/c"}, "GET /a/b?p x-a:v x-b:v", []string{
			"e matches",
			"f less specific: conditions on 1 headers, not 2",
			"g less specific: conditions on 1 headers, not 2",
			`z path does not match regex "/a/c"`,
		}},
		{"query", []string{"f GET prefix:/a h:x-a q:p", "g GET prefix:/a h:x-a"}, "GET /a/b?p x-a:v", []string{
			"f matches",
			"g less specific: conditions on 0 query parameters, not 1",
		}},
		{"tried", []string{"a GET /a h:x-a", "b GET /a"}, "GET /a tried:a x-a:v", []string{
			"b matches", "a has been tried already, and fell through",
		}},
		{"any host", []string{"a GET @* /a", "b GET @a.test /a"}, "GET @a.test /a", []string{
			"b matches", "a any host, where a.test is named",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			for _, c := range compileWanting(t, test.entries...).Explain(asking(test.in)) {
				got = append(got, c.Entry.Route+" "+c.Why)
			}
			require.Subset(t, got, test.want)
			require.Equal(t, test.want, got[:len(test.want)])
		})
	}
}

func TestMatchConditionsDoNotAllocate(t *testing.T) {
	table := compileWanting(t,
		"x GET /v1/{name} h:x-tenant=blue h:x-version^=2 q:lang~=[a-z]+", "y GET /v1/{name} h:x-tenant~=r(e|é)d q:lang=de", "z GET regex:/w/(?P<n>.*)", "u GET prefix:/",
	)
	x := Exchange{Captures: make([]Span, 0, 8)}
	for in, want := range map[string]string{
		"GET /v1/a?q=1&lang=en x-tenant:blue x-version:2.1": "x",
		"GET /v1/a?lang=e%6e x-tenant:blue x-version:2.1":   "x",
		"GET /v1/a?lang=%64e x-tenant:red":                  "y",
		"GET /v1/a?lang=%64e x-tenant:r x-tenant:ed":        "u",
		"GET /w/%20a%2fb":  "z",
		"GET /w/a tried:z": "u",
	} {
		q := asking(in)
		require.Zero(t, testing.AllocsPerRun(100, func() { table.Match(q, &x) }), in)
		require.Equal(t, want, x.Entry.Route, in)
	}
}

func TestReset(t *testing.T) {
	table := compileWanting(t, "x GET regex:/.*")
	x := Exchange{Captures: make([]Span, 0, 8), Reason: "x"}
	table.Match(&Request{Method: "GET", Path: "/" + strings.Repeat("%20", 100)}, &x)
	x.Reset()
	require.Equal(t, 8, cap(x.Captures))
	require.NotZero(t, cap(x.scratch))
	x.Captures, x.scratch = nil, nil
	require.Zero(t, x)

	table.Match(&Request{Method: "GET", Path: "/" + strings.Repeat("%20", maxScratch)}, &x)
	require.Equal(t, "x", x.Entry.Route)
	x.Reset()
	require.Zero(t, cap(x.scratch))
}
