package route

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// fixture is the rules that the rows of the research use, as far as paths
// matter.
var fixture = []string{
	"R1 GET /v1/things/{name}",
	"R2 POST /v1/things/search",
	"R3 POST /v1/things/{name}:cancel",
	"R4 GET /v1/{parent=shelves/*}/books",
	"R5 GET /v1/files/{path=**}",
	"R6 GET /v1/nested/{sub.name}",
	"R7 PATCH /v1/body/{name}",
	"R8 POST /v1/star/{name}",
	"R9 POST /v1/rep/{name}",
	"R10 GET /v1/users/{user_id}",
	"R11 GET /v1/int/{i32}",
	"R12 * /v1/any/{name}",
	"R13 HEAD /v1/head/{name}",
	"R14 GET /v1/stream/{name}",
	"R15 GET /v1/rb/{name}",
	"R16a GET /v1/lit/aa",
	"R16b GET /v1/lit/{name}/xx",
}

// entry reads "name method [host,host] template [content/type]". An unnamed
// entry, which begins with its method, is named by its template.
func entry(t testing.TB, text string) *Entry {
	t.Helper()
	e := &Entry{}
	words := strings.Fields(text)
	for i, word := range words {
		switch {
		case strings.HasPrefix(word, "/"):
			tm, err := httprule.Parse(word)
			require.NoError(t, err)
			e.Template = tm
			if e.RPC == "" {
				e.RPC = word
			}
			e.Method = words[i-1]
			if strings.HasPrefix(e.Method, "@") {
				e.Hosts = strings.Split(e.Method[1:], ",")
				e.Method = words[i-2]
			}
		case strings.Contains(word, "/"):
			e.ContentType = word
		case i == 0 && !strings.HasPrefix(words[1], "/") && !strings.HasPrefix(words[1], "@"):
			e.RPC = word
		}
	}
	return e
}

func entries(t testing.TB, texts ...string) []*Entry {
	t.Helper()
	var out []*Entry
	for _, text := range texts {
		out = append(out, entry(t, text))
	}
	return out
}

func compile(t testing.TB, texts ...string) *Table {
	t.Helper()
	table, err := Compile(entries(t, texts...))
	require.NoError(t, err)
	return table
}

// request reads "METHOD [@host] path [content/type]".
func request(text string) *Request {
	q := &Request{}
	for i, word := range strings.Split(text, " ") {
		switch {
		case i == 0:
			q.Method = word
		case strings.HasPrefix(word, "@"):
			q.Host = word[1:]
		case q.Path == "":
			q.Path = word
		default:
			q.ContentType += word
		}
	}
	return q
}

// match describes what a table answers: the entry and its decoded captures, or
// the HTTP status of the refusal, with Allow for a 405.
func match(t testing.TB, table *Table, q *Request) string {
	t.Helper()
	var x Exchange
	switch table.Match(q, &x) {
	case NotFound:
		require.Empty(t, table.Allow(q))
		require.Nil(t, x.Entry)
		return "404"
	case MethodNotAllowed:
		require.Nil(t, x.Entry)
		return "405 " + strings.Join(table.Allow(q), ",")
	case UnsupportedMediaType:
		require.Nil(t, x.Entry)
		return "415"
	}
	require.Equal(t, q.Path, x.Path)
	require.Len(t, x.Captures, len(x.Entry.Template.Variables))
	out := x.Entry.RPC
	for i, v := range x.Entry.Template.Variables {
		span := x.Captures[i]
		value, err := httprule.AppendUnescaped(nil, q.Path[span.Start:span.End], httprule.Standard.Slashes(v.Multi))
		require.NoError(t, err)
		out += " " + v.Name() + "=" + string(value)
	}
	return out
}

func TestMatch(t *testing.T) {
	wildcards := []string{"GET /a/**", "POST /a/b", "GET /c/*/d/**", "GET /c/*/d/e", "GET /c/f/d/e"}
	tests := []struct {
		name    string
		entries []string // fixture if nil
		in      string
		want    string
	}{
		{"A01", nil, "GET /v1/things/abc", "R1 name=abc"},
		{"A02", nil, "GET /v1/things/100%25", "R1 name=100%"},
		{"A03", nil, "GET /v1/things/a%2Fb", "R1 name=a/b"},
		{"A04", nil, "GET /v1/things/a%252Fb", "R1 name=a%2Fb"},
		{"A05", nil, "GET /v1/things/a%20b", "R1 name=a b"},
		{"A06", nil, "GET /v1/things/a+b", "R1 name=a+b"},
		{"A07", nil, "GET /v1/things/%E4%B8%AD", "R1 name=中"},
		{"A08", nil, "GET /v1/things/%FF", "R1 name=\xff"}, // the codec refuses it: that is no business of routing
		{"A09", nil, "GET /v1/things/%00%2F%3A%7F", "R1 name=\x00/:\x7f"},
		{"A10", nil, "GET /v1/things/a:b", "R1 name=a:b"},
		{"A11", nil, "POST /v1/things/a:b:cancel", "R3 name=a:b"},
		{"A11", nil, "POST /v1/things/a:cancel", "R3 name=a"},
		{"A12", nil, "GET /v1/things/a:cancel", "R1 name=a:cancel"},
		{"A12", nil, "PUT /v1/things/a:cancel", "405 GET,HEAD,OPTIONS,POST"},
		{"A13", nil, "POST /v1/things/a%3Acancel", "405 GET,HEAD,OPTIONS"},
		{"A13", nil, "POST /v1/things/a%3acancel", "405 GET,HEAD,OPTIONS"},
		{"A13", nil, "POST /v1/things/a%3Ab:cancel", "R3 name=a:b"},
		{"A14", []string{"GET /{a=*}/{b=*}:verb"}, "GET /some:verb/const:verb", "/{a=*}/{b=*}:verb a=some:verb b=const"},
		{"A15", []string{"GET /foo/*/hello"}, "GET /foo/other:verb/hello", "/foo/*/hello"},
		{"A16", []string{"GET /some/*:verb"}, "GET /some/other:verb/", "404"},
		{"A17", []string{"GET /person/{a=*}", "GET /person/*:verb"}, "GET /person/jason:other", "/person/{a=*} a=jason:other"},
		{"A17", []string{"GET /person/{a=*}", "GET /person/*:verb"}, "GET /person/jason:verb", "/person/*:verb"},
		{"A18", []string{"GET /*:verb"}, "GET /animal:other", "404"},
		{"A19", nil, "GET /v1/things/search", "R1 name=search"},
		{"A19", nil, "POST /v1/things/search", "R2"},
		{"A20", nil, "PUT /v1/things/search", "405 GET,HEAD,OPTIONS,POST"},
		{"A21", nil, "GET /v1/things/", "404"},
		{"A22", nil, "GET /v1/things/a/", "404"},
		{"A23", nil, "GET /v1//things/a", "404"},
		{"A23", []string{"GET /c/*/v"}, "GET /c//v", "404"},
		{"A24", nil, "GET /v1/things", "404"},
		{"A25", nil, "GET /v1/files", "R5 path="},
		{"A25", nil, "GET /v1/files/", "R5 path="},
		{"A25", []string{"GET /**"}, "GET /", "/**"},
		{"A26", nil, "GET /v1/files/a/b%2Fc/d", "R5 path=a/b%2Fc/d"},
		{"A27", nil, "GET /v1/files/a/%3F%23", "R5 path=a/?#"},
		{"A28", []string{"GET /wildcard/{arg=**}"}, "GET /wildcard/%2f%23/%20%2523", "/wildcard/{arg=**} arg=%2f#/ %23"},
		{"A29", nil, "GET /v1/files/a//b", "R5 path=a//b"},
		{"A29", nil, "GET /v1/files//", "R5 path=/"},
		{"A30", nil, "GET /v1/files/a" + strings.Repeat("/a", 34), "R5 path=a" + strings.Repeat("/a", 34)},
		{"A32", nil, "GET /v1/shelves/1/books", "R4 parent=shelves/1"},
		{"A33", nil, "GET /v1/shelves/1%2F2/books", "R4 parent=shelves/1%2F2"},
		{"A34", nil, "GET /v1/shelves/a%20b/books", "R4 parent=shelves/a b"},
		{"A35", nil, "GET /v1/nested/x", "R6 sub.name=x"},
		{"A36", nil, "GET /v1/lit/aa/xx", "R16b name=aa"},
		{"A36", nil, "GET /v1/lit/aa", "R16a"},
		{"A37", wildcards, "GET /c/f/d/e", "/c/f/d/e"},
		{"A37", wildcards, "GET /c/x/d/e", "/c/*/d/e"},
		{"A37", wildcards, "GET /c/x/d/e/f", "/c/*/d/**"},
		{"A37", wildcards, "GET /c/f/d/e/f", "/c/*/d/**"},
		{"A37", wildcards, "GET /a/b", "/a/**"},
		{"A38", nil, "GET /v1/any/z", "R12 name=z"},
		{"A38", nil, "DELETE /v1/any/z", "R12 name=z"},
		{"A38", nil, "FOO /v1/any/z", "R12 name=z"},
		{"A39", []string{"* /v1/any/{name}:go"}, "FOO /v1/any/z:go", "/v1/any/{name}:go name=z"},
		{"A40", nil, "HEAD /v1/head/z", "R13 name=z"},
		{"A40", nil, "GET /v1/head/z", "405 HEAD,OPTIONS"},
		{"A41", nil, "HEAD /v1/things/abc", "R1 name=abc"},
		{"A42", nil, "OPTIONS /v1/things/abc", "405 GET,HEAD,OPTIONS"},
		{"A43", []string{"x GET /{a=first/*}/{b=second/**}", "y GET /{b=second/*}/{a=first/**}"}, "GET /first/hello/second/greetings", "x a=first/hello b=second/greetings"},
		{"A43", []string{"x GET /{a=first/*}/{b=second/**}", "y GET /{b=second/*}/{a=first/**}"}, "GET /second/hello/first/greetings", "y b=second/hello a=first/greetings"},
		{"A44", []string{"x GET /{a=first/*}/{b=second/**}"}, "GET /first/second/second/first/hello/second", "x a=first/second b=second/first/hello/second"},
		{"A47", []string{"GET /a/{x=b/**}/y/z"}, "GET /a/b/world/c/y/z", "/a/{x=b/**}/y/z x=b/world/c"},
		{"A47", []string{"GET /a/{x=b/**}/y/z"}, "GET /a/b/y/z", "/a/{x=b/**}/y/z x=b"},
		{"A47", []string{"GET /a/{x=b/**}/y/z"}, "GET /a/b/y/z/y/z", "/a/{x=b/**}/y/z x=b/y/z"},
		{"A47", []string{"GET /a/{x=b/**}/y/z"}, "GET /a/b/z", "404"},
		{"A47", []string{"GET /a/{x=**/y}/{w=z}:v"}, "GET /a/1/2/y/z:v", "/a/{x=**/y}/{w=z}:v x=1/2/y w=z"},
		{"A47", []string{"GET /a/{x=**}/y:v"}, "GET /a/y:v", "/a/{x=**}/y:v x="},
		{"A50", []string{"GET /", "GET /{x=**}"}, "GET /", "/"},
		{"A50", []string{"GET /"}, "GET /a", "404"},
		{"A50", []string{"GET /"}, "GET //", "404"},
		{"A50", []string{"POST /", "GET /{x=**}"}, "GET /", "/{x=**} x="},
		{"A59", []string{"x GET /foo%2Fbar/%2A"}, "GET /foo%2fbar/*", "x"},
		{"A59", []string{"x GET /foo%2Fbar/%2A"}, "GET /foo/bar/*", "404"},
		{"A59", []string{"x GET /books/~a"}, "GET /%62ook%73/%7Ea", "x"},
		{"A59", []string{"x GET /books/~a", "GET /b/a", "GET /c", "GET /d"}, "GET /%62ook%73/%7Ea", "x"},
		{"A59", []string{"GET /a:b%3Ac"}, "GET /a:b%3ac", "/a:b%3Ac"},
		{"A59", []string{"x GET /%25zz", "GET /other"}, "GET /%zz", "404"},
		{"A60", []string{"GET /a/b"}, "GET /a/b", "/a/b"},
		{"A62", []string{"POST /t.v1.S/M", "grpc POST /t.v1.S/M application/grpc"}, "POST /t.v1.S/M application/json", "/t.v1.S/M"},
		{"A63", []string{"POST /t.v1.S/M", "grpc POST /t.v1.S/M application/grpc"}, "POST /t.v1.S/M application/grpc+proto", "grpc"},
		{"A63", []string{"grpc POST /t.v1.S/M application/grpc"}, "POST /t.v1.S/M application/json", "415"},
		{"A63", []string{"grpc POST /t.v1.S/M application/grpc"}, "POST /t.v1.S/M", "415"},
		{"A63", []string{"grpc POST /t.v1.S/M application/grpc"}, "GET /t.v1.S/M", "405 OPTIONS,POST"},
		{"A64", nil, "GET v1/things/abc", "404"},
		{"A64", nil, "GET *", "404"},
		{"A65", nil, "GET /v1/int/1e1", "R11 i32=1e1"}, // the codec refuses it
		{"empty path", nil, "GET ", "404"},
		{"verb without text", nil, "POST /v1/things/:cancel", "405 GET,HEAD,OPTIONS"},
		{"verb without text", nil, "GET /v1/things/:cancel", "R1 name=:cancel"},
		{"verb of nothing", []string{"GET /v1/{x=**}:v"}, "GET /v1:v", "/v1/{x=**}:v x="},
		{"verb of an empty segment", []string{"GET /v1/{x=**}:v"}, "GET /v1/a/:v", "/v1/{x=**}:v x=a/"},
		{"colon at the end", []string{"GET /{x}:v", "POST /{x}:v%3A"}, "POST /a:v:", "404"},
		{"literal before verb", []string{"x GET /{x}:v", "y GET /a%3Av"}, "GET /a:v", "y"},
		{"verb before literal text", []string{"x GET /a:v", "y GET /a%3Av"}, "GET /a:v", "x"},
		{"verb before text", []string{"x GET /*:v", "y GET /{b}"}, "GET /a:v", "x"},
		{"star before the verb of **", []string{"x GET /**:v", "y GET /{b}"}, "GET /a:v", "y b=a:v"},
		{"the end before **", []string{"GET /a", "GET /a/**"}, "GET /a", "/a"},
		{"the end with no verb before ** with one", []string{"GET /{x}", "GET /a/**:v"}, "GET /a:v", "/a/**:v"},
		{"longest end after **", []string{"GET /**", "GET /**/z", "GET /**/y/z", "POST /**/x/y/z"}, "GET /x/y/z", "/**/y/z"},
		{"longest end after ** with verb", []string{"x GET /**/z:v", "y GET /**/y/z%3Av"}, "GET /x/y/z:v", "y"},
		{"method before any", []string{"x * /a", "y GET /a"}, "GET /a", "y"},
		{"any for others", []string{"x * /a", "y GET /a"}, "PUT /a", "x"},
		{"method before content type", []string{"x * /a a/b", "y POST /a"}, "POST /a a/b", "y"},
		{"content type", []string{"x POST /a a/b", "y POST /a"}, "POST /a A/B; charset=utf-8", "x"},
		{"longest content type", []string{"x POST /a a/b", "y POST /a a/b+c"}, "POST /a a/b+c", "y"},
		{"other content type", []string{"x POST /a application/grpc"}, "POST /a application/grpc-web", "415"},
		{"content type on the way", []string{"x POST /a a/b", "y POST /{z}"}, "POST /a", "y z=a"},
		{"415 before 405", []string{"x POST /a a/b", "y GET /{z}"}, "POST /a", "415"},
		{"HEAD prefers its own", []string{"x HEAD /a", "y GET /a", "z * /a"}, "HEAD /a", "x"},
		{"HEAD prefers any to GET", []string{"y GET /a", "z * /a"}, "HEAD /a", "z"},
		{"HEAD goes where GET goes", []string{"y GET /a", "z * /**"}, "HEAD /a", "y"},
		{"a request cannot ask for any", []string{"GET /a"}, "* /a", "405 GET,HEAD,OPTIONS"},
		{"Allow of any", []string{"POST /a a/b", "* /a c/d", "FOO /a"}, "POST /a", "415"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			texts := test.entries
			if texts == nil {
				texts = fixture
			}
			require.Equal(t, test.want, match(t, compile(t, texts...), request(test.in)), test.in)
		})
	}
}

func TestHosts(t *testing.T) {
	table := compile(t,
		"exact GET @api.example.com /a", "exact GET @api.example.com /only/{x}",
		"sub GET @*.example.com /a", "sub POST @*.example.com /b",
		"subsub GET @*.eu.example.com /a",
		"any GET /a", "any * /c", "any GET /b",
		"six GET @[::1],2001:db8::2 /six",
		"two GET @one.test,two.test /two",
	)
	for _, test := range []struct{ name, in, want string }{
		{"exact", "GET @api.example.com /a", "exact"},
		{"case", "GET @API.Example.COM /a", "exact"},
		{"port", "GET @api.example.com:8080 /a", "exact"},
		{"fully qualified", "GET @api.example.com.:8080 /a", "exact"},
		{"exact with captures", "GET @api.example.com /only/y", "exact x=y"},
		{"suffix", "GET @www.Example.com:1 /a", "sub"},
		{"suffix of two labels", "GET @a.b.example.com /a", "sub"},
		{"longest suffix", "GET @a.eu.example.com /a", "subsub"},
		{"longest suffix needs a label", "GET @eu.example.com /a", "sub"},
		{"suffix needs a label", "GET @example.com /a", "any"},
		{"suffix needs a label that is not empty", "GET @.example.com /a", "any"},
		{"a suffix is whole labels", "GET @badexample.com /a", "any"},
		{"other", "GET @other.test /a", "any"},
		{"none", "GET /a", "any"},
		{"on to the suffix", "POST @api.example.com /b", "sub"},
		{"on past the suffix", "POST @a.eu.example.com /b", "sub"},
		{"on to any", "PUT @api.example.com /c", "any"},
		{"method on a less specific host", "GET @www.example.com /b", "any"},
		{"Allow over all hosts", "PUT @www.example.com /b", "405 GET,HEAD,OPTIONS,POST"},
		{"not on any", "GET @other.test /only/y", "404"},
		{"IPv6", "GET @[::1]:8080 /six", "six"},
		{"IPv6 without port", "GET @[::1] /six", "six"},
		{"IPv6 in capitals", "GET @[2001:DB8::2]:1 /six", "six"},
		{"another IPv6", "GET @[::2]:8080 /six", "404"},
		{"broken IPv6", "GET @[::1 /six", "404"},
		{"first of two", "GET @one.test /two", "two"},
		{"second of two", "GET @two.test:80 /two", "two"},
	} {
		t.Run(test.name, func(t *testing.T) {
			require.Equal(t, test.want, match(t, table, request(test.in)), test.in)
		})
	}
}

func TestAllowOfAny(t *testing.T) {
	table := compile(t, "POST /a a/b", "* /a c/d", "FOO /a", "PUT /b")
	require.Equal(t, []string{"DELETE", "FOO", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"}, table.Allow(request("POST /a")))
	require.Nil(t, table.Allow(request("GET b")))
}

func TestConflicts(t *testing.T) {
	tests := []struct {
		name    string
		entries []string
		want    [][2]int // indexes of entries
	}{
		{"A45 same template", []string{"a GET /v1/x", "b GET /v1/x"}, [][2]int{{0, 1}}},
		{"A45 any method", []string{"a * /v1/x", "b * /v1/x"}, [][2]int{{0, 1}}},
		{"A45 same template on one host of several", []string{"a GET @x.test,y.test /a", "b GET @Y.test,z.test /a"}, [][2]int{{0, 1}}},
		{"A45 once for all hosts", []string{"a GET @x.test,y.test /a", "b GET @x.test,y.test /a"}, [][2]int{{0, 1}}},
		{"A45 content type", []string{"a POST /a a/b", "b POST /a A/B"}, [][2]int{{0, 1}}},
		{"A46 other variables", []string{"a GET /{a}", "b GET /{b}"}, [][2]int{{0, 1}}},
		{"A46 variable and wildcard", []string{"a GET /v1/{a=x/**}:v", "b GET /v1/x/**:v"}, [][2]int{{0, 1}}},
		{"A46 escapes", []string{"a GET /books/{a}", "b GET /%62ooks/*"}, [][2]int{{0, 1}}},
		{"after **", []string{"a GET /**/y/z", "b GET /{x=**/y}/z"}, [][2]int{{0, 1}}},
		{"all of them", []string{"a GET /a", "b GET /b", "c GET /a", "d GET /b", "e GET /a"}, [][2]int{{0, 2}, {2, 4}, {1, 3}}},
		{"root", []string{"a GET /", "b GET /"}, [][2]int{{0, 1}}},
		{"method", []string{"a GET /a", "b POST /a", "c * /a", "d HEAD /a"}, nil},
		{"host", []string{"a GET /a", "b GET @x.test /a", "c GET @*.x.test /a"}, nil},
		{"verb", []string{"a GET /a", "b GET /a:v", "c GET /a:w", "d GET /a%3Av"}, nil},
		{"content type apart", []string{"a POST /a", "b POST /a a/b", "c POST /a a/b+c"}, nil},
		{"kinds", []string{"a GET /a/b", "b GET /a/*", "c GET /a/**", "d GET /a", "e GET /a/**/b"}, nil},
		{"the same host twice", []string{"a GET @x.test,X.test. /a"}, nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			in := entries(t, test.entries...)
			_, err := Compile(in)
			if test.want == nil {
				require.NoError(t, err)
				return
			}
			require.Error(t, err)
			var got [][2]int
			for _, err := range err.(interface{ Unwrap() []error }).Unwrap() {
				var c *Conflict
				require.True(t, errors.As(err, &c))
				pair := [2]int{}
				for i, e := range in {
					if e == c.A {
						pair[0] = i
					}
					if e == c.B {
						pair[1] = i
					}
				}
				got = append(got, pair)
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestErrorTexts(t *testing.T) {
	a, b := entry(t, "library.v1.Library.GetBook GET /v1/{name}"), entry(t, "GET @a.test /v1/{x}")
	a.Route, a.Origin = "books", "annotation"
	require.EqualError(t, &Conflict{a, b}, `route "books": GET /v1/{name} (library.v1.Library.GetBook, annotation) and `+
		`GET a.test /v1/{x} (/v1/{x}) take the same requests: change the path, the hosts or the conditions of one of them`)

	for _, test := range []struct{ host, want string }{
		{"", `host "": want a name, or "*." and a name`},
		{"*.", `host "*.": want a name, or "*." and a name`},
		{"a.*.test", `host "a.*.test": want a name, or "*." and a name`},
		{"*.*.test", `host "*.*.test": want a name, or "*." and a name`},
		{".test", `host ".test": want a name, or "*." and a name`},
		{"a.test:80", `host "a.test:80": want a name without a port`},
		{"*.test:80", `host "*.test:80": want a name without a port`},
		{"http://a", `host "http://a": want a name without a port`},
		{"a/b", `host "a/b": want a name, or "*." and a name`},
	} {
		e := entry(t, "GET /a")
		e.Hosts = []string{test.host}
		_, err := Compile([]*Entry{e})
		require.ErrorContains(t, err, "/a (/a): "+test.want)
	}

	_, err := Compile([]*Entry{{Method: "GET"}, {Template: a.Template}})
	require.EqualError(t, err, "GET: want a template\n /v1/{name}: want a method, or \"*\" for any")
}

func TestEntries(t *testing.T) {
	in := []string{
		"6 GET @b.test /a", "1 GET /a", "2 POST /a", "4 GET /b", "3 POST /a a/b", "5 GET @a.test /z",
	}
	table := compile(t, in...)
	order := ""
	for _, e := range table.Entries() {
		order += e.RPC
	}
	require.Equal(t, "123456", order)
}

func TestEmptyTable(t *testing.T) {
	table := compile(t)
	require.Equal(t, "404", match(t, table, request("GET @a.test /a")))
	require.Empty(t, table.Entries())
}

func TestMatchKeepsNothing(t *testing.T) {
	table := compile(t, fixture...)
	x := Exchange{Entry: &Entry{}, Path: "x", Captures: make([]Span, 3, 8), Code: 5}
	before := &x.Captures[:1][0]
	require.Equal(t, NotFound, table.Match(request("GET /nope"), &x))
	require.Nil(t, x.Entry)
	require.Empty(t, x.Captures)
	require.Equal(t, Found, table.Match(request("GET /v1/things/a"), &x))
	require.Len(t, x.Captures, 1)
	require.Same(t, before, &x.Captures[0])
	require.Equal(t, 5, x.Code)
}
