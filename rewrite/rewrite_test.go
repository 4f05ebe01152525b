package rewrite_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rewrite"
)

// captured are the texts of variables.
type captured []string

func (c captured) Captured(i int) string { return c[i] }

func ptr(s string) *string { return &s }

func path(s string) rewrite.Spec   { return rewrite.Spec{Path: s} }
func prefix(s string) rewrite.Spec { return rewrite.Spec{Prefix: &s} }
func regex(pattern, substitution string) rewrite.Spec {
	return rewrite.Spec{Regex: &rewrite.Regex{Pattern: pattern, Substitution: substitution}}
}

var names = []string{"a", "b", "book.name"}

func TestAppendPath(t *testing.T) {
	for _, test := range []struct {
		name    string
		spec    rewrite.Spec
		matched string
		in      string
		vars    captured
		want    string
		wantErr string
	}{
		{name: "literal", spec: path("/api/pets"), in: "/all-pets", want: "/api/pets"},
		{name: "variable", spec: path("/api/{a}/pages/{b}"), in: "/x", vars: captured{"n%2Fm", "p/q"}, want: "/api/n%2Fm/pages/p/q"},
		{name: "dotted variable", spec: path("/{book.name}"), in: "/x", vars: captured{"", "", "shelves/1"}, want: "/shelves/1"},
		{name: "variable within a segment", spec: path("/v{a}.{b}"), in: "/x", vars: captured{"1", "json"}, want: "/v1.json"},
		{name: "variable twice", spec: path("/{a}/{a}"), in: "/x", vars: captured{"1"}, want: "/1/1"},
		{name: "nothing is decoded", spec: path("/{a}"), in: "/x", vars: captured{"%3Fq%23%2525%20"}, want: "/%3Fq%23%2525%20"},
		{name: "what must be is escaped", spec: path("/{a}"), in: "/x", vars: captured{"a\"b<é[]\\"}, want: "/a%22b%3C%C3%A9%5B%5D%5C"},
		{name: "text is escaped", spec: path("/a b/é%2F"), in: "/x", want: "/a%20b/%C3%A9%2F"},
		{name: "empty in the middle", spec: path("/api/{a}/x"), in: "/x", vars: captured{""}, want: "/api/x"},
		{name: "empty in a segment", spec: path("/api/v{a}/x"), in: "/x", vars: captured{""}, want: "/api/v/x"},
		{name: "empty at the end", spec: path("/api/{a}"), in: "/foo", vars: captured{""}, want: "/api"},
		{name: "empty at the end, with a slash", spec: path("/api/{a}"), in: "/foo/", vars: captured{""}, want: "/api/"},
		{name: "all empty", spec: path("/{a}/{b}"), in: "/foo", vars: captured{"", ""}, want: "/"},
		{name: "both empty at the end", spec: path("/api/{a}/{b}"), in: "/foo", vars: captured{"", ""}, want: "/api"},
		{name: "empty beside another", spec: path("/api/{a}{b}/c"), in: "/foo", vars: captured{"", "x"}, want: "/api/x/c"},
		{name: "empty before a slash", spec: path("/api/{a}{b}/c"), in: "/foo", vars: captured{"", "x/"}, want: "/api/x//c"},
		{name: "what came empty stays", spec: path("/api/{a}"), in: "/foo//x", vars: captured{"/x"}, want: "/api//x"},
		{name: "authority", spec: path("/{a}"), in: "/foo//evil.com", vars: captured{"/evil.com"}, wantErr: "two slashes"},
		{name: "dots", spec: path("/api/{a}"), in: "/x", vars: captured{".."}, wantErr: `"." or ".."`},
		{name: "dot", spec: path("/api/{a}/x"), in: "/x", vars: captured{"."}, wantErr: `"." or ".."`},
		{name: "dots of two variables", spec: path("/api/{a}{b}/x"), in: "/x", vars: captured{".", "%2e"}, wantErr: `"." or ".."`},
		{name: "escaped dots", spec: path("/api/{a}"), in: "/x", vars: captured{"%2E%2e"}, wantErr: `"." or ".."`},
		{name: "dots behind an escaped slash", spec: path("/api/{a}"), in: "/x", vars: captured{"x%2f..%2Fy"}, wantErr: `"." or ".."`},
		{name: "dots behind a backslash", spec: path("/api/{a}"), in: "/x", vars: captured{`..\y`}, wantErr: `"." or ".."`},
		{name: "dots with parameters", spec: path("/api/{a}/x"), in: "/x", vars: captured{"..;a=b"}, wantErr: `"." or ".."`},
		{name: "dots with escaped parameters", spec: path("/api/{a}/x"), in: "/x", vars: captured{"..%3b"}, wantErr: `"." or ".."`},
		{name: "three dots", spec: path("/api/{a}/..x/.y/z.."), in: "/x", vars: captured{"..."}, want: "/api/.../..x/.y/z.."},
		{name: "dots in parameters", spec: path("/api/{a}"), in: "/x", vars: captured{"x;.."}, want: "/api/x;.."},
		{name: "control byte", spec: path("/{a}"), in: "/x", vars: captured{"a%00"}, wantErr: "control"},
		{name: "line break", spec: path("/{a}"), in: "/x", vars: captured{"a%0d%0aSet-Cookie: a"}, wantErr: "control"},
		{name: "raw control byte", spec: path("/{a}"), in: "/x", vars: captured{"a\r\nb"}, wantErr: "control"},
		{name: "malformed escape", spec: path("/{a}"), in: "/x", vars: captured{"a%2"}, wantErr: `malformed escape "%2"`},
		{name: "no escape of two", spec: path("/{a}{b}"), in: "/x", vars: captured{"%2", "e"}, wantErr: `malformed escape "%2"`},

		{name: "prefix", spec: prefix("/api"), matched: "/foo", in: "/foo/x", want: "/api/x"},
		{name: "prefix alone", spec: prefix("/api"), matched: "/foo", in: "/foo", want: "/api"},
		{name: "prefix with a slash", spec: prefix("/api"), matched: "/foo", in: "/foo/", want: "/api/"},
		{name: "prefix to a slash", spec: prefix("/api/"), matched: "/foo", in: "/foo/x", want: "/api/x"},
		{name: "prefix alone to a slash", spec: prefix("/api/"), matched: "/foo", in: "/foo", want: "/api/"},
		{name: "prefix away", spec: prefix("/"), matched: "/foo", in: "/foo/x", want: "/x"},
		{name: "prefix with a slash away", spec: prefix("/"), matched: "/foo", in: "/foo/", want: "/"},
		{name: "prefix alone away", spec: prefix("/"), matched: "/foo", in: "/foo", want: "/"},
		{name: "prefix with slashes away", spec: prefix("/"), matched: "/foo/", in: "/foo/", want: "/"},
		{name: "prefix with slashes", spec: prefix("/bar"), matched: "/foo/", in: "/foo/x", want: "/bar/x"},
		{name: "prefix to nothing", spec: prefix(""), matched: "/foo", in: "/foo/x", want: "/x"},
		{name: "prefix alone to nothing", spec: prefix(""), matched: "/foo", in: "/foo", want: "/"},
		{name: "prefix of all", spec: prefix("/api"), matched: "/", in: "/foo", want: "/api/foo"},
		{name: "prefix of the root", spec: prefix("/api"), matched: "/", in: "/", want: "/api/"},
		{name: "prefix of text", spec: prefix("/ba"), matched: "/fo", in: "/foo/x", want: "/bao/x"},
		{name: "prefix of text away", spec: prefix("/"), matched: "/fo", in: "/foo/x", want: "/o/x"},
		{name: "prefix that came escaped", spec: prefix("/api"), matched: "/fö o", in: "/f%C3%B6%20o/%41%2f", want: "/api/%41%2f"},
		{name: "prefix with a letter escaped", spec: prefix("/api"), matched: "/foo", in: "/f%6Fo/x", want: "/api/x"},
		{name: "prefix with an escaped slash", spec: prefix("/api"), matched: "/a%2Fb", in: "/a%2fb/x", want: "/api/x"},
		{name: "prefix with a percent sign", spec: prefix("/api"), matched: "/a%2Fb", in: "/a%252Fb/x", want: "/api/x"},
		{name: "prefix and an empty segment", spec: prefix("/api"), matched: "/foo", in: "/foo//x", want: "/api//x"},
		{name: "prefix and two slashes", spec: prefix("/"), matched: "/foo", in: "/foo//evil.com", wantErr: "two slashes"},
		{name: "prefix and dots", spec: prefix("/api"), matched: "/foo", in: "/foo/../x", wantErr: `"." or ".."`},
		{name: "prefix makes dots", spec: prefix("/"), matched: "/fo", in: "/fo../x", wantErr: `"." or ".."`},
		{name: "another prefix", spec: prefix("/api"), matched: "/foo", in: "/bar", wantErr: "does not begin"},
		{name: "half a slash", spec: prefix("/api"), matched: "/a%2", in: "/a%2Fb", wantErr: "does not begin"},
		{name: "a shorter path", spec: prefix("/api"), matched: "/foo", in: "/fo", wantErr: "does not begin"},

		{name: "regex", spec: regex("bar", "baz"), in: "/foo/bar", want: "/foo/baz"},
		{name: "regex swaps", spec: regex("^/pre/([^/]+)/(.*)$", "/{2}/swap/{1}"), in: "/pre/mid/end", want: "/end/swap/mid"},
		{name: "regex by name", spec: regex("^/(?P<x>[^/]+)/(?<y>.*)$", "/{y}/{x}/{0}"), in: "/1/2", want: "/2/1//1/2"},
		{name: "regex, each match", spec: regex("o", "{0}x"), in: "/foo/o", want: "/foxox/ox"},
		{name: "regex that does not fit", spec: regex("o", "x"), in: "/a%2f\"", want: "/a%2f%22"},
		{name: "regex sees what is decoded", spec: regex("^/ö (.*)", "/{1}/ä"), in: "/%C3%B6%20%41%2fb", want: "/%41%2fb/%C3%A4"},
		{name: "regex and an escaped slash", spec: regex("^/([^/]*)/", "/{1}-"), in: "/a%2Fb/c", want: "/a%2Fb-c"},
		{name: "regex replaces an escaped slash", spec: regex("%2F", "-"), in: "/a%2Fb", want: "/a-b"},
		{name: "regex replaces another escaped slash", spec: regex("%2F", "-{0}"), in: "/a%2fb", want: "/a-%2fb"},
		{name: "regex keeps what looks like one", spec: regex("^/x", "/y"), in: "/x%252F%2525", want: "/y%252F%2525"},
		{name: "regex halves a slash", spec: regex("2F", ""), in: "/a%2Fe", wantErr: "escaped slash"},
		{name: "regex joins no escape", spec: regex("x", ""), in: "/a%25x2e", want: "/a%252e"},
		{name: "regex leaves a group out", spec: regex("/a(b)?(c)", "/{1}{2}"), in: "/ac", want: "/c"},
		{name: "regex removes the slash", spec: regex("^/foo", ""), in: "/foox", want: "/x"},
		{name: "regex removes all", spec: regex(".*", ""), in: "/foo", want: "/"},
		{name: "regex makes dots", spec: regex("x", "."), in: "/a/xx/b", wantErr: `"." or ".."`},
		{name: "regex makes an authority", spec: regex("^/foo", ""), in: "/foo//evil.com", wantErr: "two slashes"},
		{name: "regex to a slash before one", spec: regex("^/v[0-9]+", "/"), in: "/v1/books", want: "/books"},
		{name: "regex to a slash within", spec: regex("/v[0-9]+", "/"), in: "/a/v1/v2/b", want: "/a/b"},
		{name: "regex to a slash at the end", spec: regex("/v[0-9]+", "/"), in: "/a/v1", want: "/a/"},
		{name: "regex to a slash behind one", spec: regex("v[0-9]+/?", "/x/"), in: "/a/v1/b", want: "/a/x/b"},
		{name: "regex to nothing between slashes", spec: regex("b", ""), in: "/a/b/c", want: "/a//c"},
		{name: "regex and an empty segment that came", spec: regex("^/a", "/b/"), in: "/a/c//d", want: "/b/c//d"},
		{name: "regex to a slash before two", spec: regex("^/foo", "/"), in: "/foo//evil.com", wantErr: "two slashes"},
		{name: "regex and a malformed escape", spec: regex("z", ""), in: "/%zz", wantErr: "malformed"},

		{name: "no rule", in: "/a%2f/é", want: "/a%2f/%C3%A9"},
		{name: "no rule and dots", in: "/a/..", wantErr: `"." or ".."`},
		{name: "no path", in: "*", wantErr: "must begin with a slash"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := rewrite.Compile(test.spec, names, test.matched)
			require.NoError(t, err)
			out, err := r.AppendPath([]byte("before"), test.in, test.vars)
			if test.wantErr != "" {
				require.ErrorContains(t, err, test.wantErr)
				require.Equal(t, "before", string(out))
				return
			}
			require.NoError(t, err)
			require.Equal(t, "before"+test.want, string(out))
		})
	}
	t.Run("nil", func(t *testing.T) {
		var r *rewrite.Rule
		require.False(t, r.RewritesPath())
		require.False(t, r.RewritesHost())
		out, err := r.AppendPath(nil, "/a", nil)
		require.NoError(t, err)
		require.Equal(t, "/a", string(out))
	})
}

func TestCompileErrors(t *testing.T) {
	for _, test := range []struct {
		name    string
		spec    rewrite.Spec
		matched string
		field   string
		offset  int
		want    string
	}{
		{name: "two", spec: rewrite.Spec{Path: "/", Prefix: ptr("/")}, matched: "/", field: "prefix", want: "there is path already"},
		{name: "two others", spec: rewrite.Spec{Prefix: ptr("/"), Regex: &rewrite.Regex{Pattern: "a"}}, matched: "/", field: "regex", want: "there is prefix already"},
		{name: "relative", spec: path("api"), field: "path", want: `want a slash at the beginning of "api"`},
		{name: "misspelt variable", spec: path("/x/{book.nme}"), field: "path", offset: 3, want: `unknown variable "book.nme": want "book.name"?, at offset 3 of "/x/{book.nme}"`},
		{name: "unknown variable", spec: path("/{other}"), field: "path", offset: 1, want: `want one of a, b, book.name`},
		{name: "template", spec: path("/{a=**}"), field: "path", offset: 1, want: `want {a} instead of {a=**}`},
		{name: "wildcard", spec: path("/x/**"), field: "path", offset: 3, want: `want {variable}`},
		{name: "no end", spec: path("/{a"), field: "path", offset: 1, want: `want } behind`},
		{name: "brace", spec: path("/a}"), field: "path", offset: 2, want: `want %7D, if it is meant`},
		{name: "query", spec: path("/a?b"), field: "path", offset: 2, want: `want %3F, if it is meant`},
		{name: "fragment", spec: prefix("/a#b"), matched: "/", field: "prefix", offset: 2, want: `want %23`},
		{name: "escape", spec: path("/a%2"), field: "path", offset: 2, want: `malformed escape`},
		{name: "control", spec: path("/a\n"), field: "path", offset: 2, want: `control character`},
		{name: "escaped control", spec: path("/a%0a"), field: "path", offset: 2, want: `control character`},
		{name: "UTF-8", spec: path("/a\xff"), field: "path", want: `not valid UTF-8`},
		{name: "dots", spec: path("/a/../{a}"), field: "path", want: `"." or ".."`},
		{name: "empty segment", spec: path("/a//{a}"), field: "path", want: `empty segments`},
		{name: "authority", spec: prefix("//a"), matched: "/", field: "prefix", want: `two slashes`},
		{name: "prefix without", spec: prefix("/a"), field: "prefix", want: `nothing to replace`},
		{name: "relative prefix", spec: prefix("a"), matched: "/", field: "prefix", want: `want a slash`},
		{name: "variable in a prefix", spec: prefix("/{a}"), matched: "/", field: "prefix", offset: 1, want: `a prefix has no variables`},
		{name: "pattern", spec: regex("a(", ""), field: "regex.pattern", want: "missing closing )"},
		{name: "no pattern", spec: regex("", ""), field: "regex.pattern", want: "want a regular expression"},
		{name: "backreference", spec: regex("(a)", `/\1`), field: "regex.substitution", offset: 1, want: "want {1} instead of"},
		{name: "dollar", spec: regex("(a)", `/$1`), field: "regex.substitution", offset: 1, want: "want {1} or {name}"},
		{name: "group", spec: regex("(?P<n>a)", `/{2}`), field: "regex.substitution", offset: 1, want: "want one of 0, 1, n"},
		{name: "variable of the match", spec: regex("a", `/{book.name}`), field: "regex.substitution", offset: 1, want: "want one of 0"},
		{name: "host", spec: rewrite.Spec{Host: "a/b"}, field: "host", offset: 1, want: `not "/"`},
		{name: "port", spec: rewrite.Spec{Host: "a:b"}, field: "host", want: `want a host, or host:port`},
		{name: "variable of a host", spec: rewrite.Spec{Host: "{c}.x"}, field: "host", want: `unknown variable "c"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := rewrite.Compile(test.spec, names, test.matched)
			var mistake *rewrite.Error
			require.ErrorAs(t, err, &mistake)
			require.Contains(t, mistake.Error(), test.want)
			require.Equal(t, test.field, mistake.Field)
			require.Equal(t, test.offset, mistake.Offset)
		})
	}
	_, err := rewrite.Compile(path("/{a}"), nil, "")
	require.ErrorContains(t, err, "the match captures none")
}

func TestAppendHost(t *testing.T) {
	for _, test := range []struct{ host, in, want string }{
		{"example.com", "", "example.com"},
		{"example.com:8080", "", "example.com:8080"},
		{"[::1]:80", "", "[::1]:80"},
		{"{a}.example.com", "shelf-1", "shelf-1.example.com"},
		{"api-{a}.example.com:81", "x_y", "api-x_y.example.com:81"},
		{"{a}.example.com", "", ""},
		{"{a}.example.com", "evil.com", ""},
		{"{a}.example.com", "evil%2ecom", ""},
		{"{a}.example.com", "evil/", ""},
		{"{a}.example.com", "evil@", ""},
		{"{a}.example.com", "evil:80", ""},
		{"{a}.example.com", "é", ""},
		{"{a}.example.com", strings.Repeat("x", 300), ""},
	} {
		r, err := rewrite.Compile(rewrite.Spec{Host: test.host}, names, "")
		require.NoError(t, err, test.host)
		require.True(t, r.RewritesHost())
		require.False(t, r.RewritesPath())
		out, err := r.AppendHost([]byte("https://"), captured{test.in})
		require.Equal(t, test.want == "", err != nil, test.in)
		require.Equal(t, "https://"+test.want, string(out))
	}
}

func TestValidHost(t *testing.T) {
	for host, want := range map[string]bool{
		"a": true, "a.b-c_d:1": true, "a.": true, "127.0.0.1:65535": true, "[::1]": true, "[fe80::1.2.3.4]:1": true,
		"": false, ":80": false, "a:": false, "a:0": false, "a:65536": false, "a:+1": false, "a b": false, "a/b": false, "a@b": false,
		"a..b": false, ".a": false, "[::1": false, "[::1]x": false, "[]": false, "[a]": false, "::1": false, "a\r\nb": false, "a%2fb": false, "é": false,
	} {
		require.Equal(t, want, rewrite.ValidHost(host), host)
	}
}

func TestJoin(t *testing.T) {
	for _, test := range []struct{ base, path, want string }{
		{"", "/a", "/a"}, {"/", "/a", "/a"}, {"/b", "/a", "/b/a"}, {"/b/", "/a", "/b/a"}, {"/b", "/", "/b/"}, {"/b/", "", "/b"}, {"/b", "//a", "/b//a"},
	} {
		require.Equal(t, test.want, rewrite.Join(test.base, test.path), "%q and %q", test.base, test.path)
	}
}

// Only regular expressions allocate.
func TestAllocations(t *testing.T) {
	dst := make([]byte, 0, 100)
	var vars rewrite.Vars = captured{"a%2Fb", "c/d"}
	for name, spec := range map[string]rewrite.Spec{"path": path("/api/{a}/{b}"), "prefix": prefix("/api"), "none": {}} {
		r, err := rewrite.Compile(spec, names, "/foo")
		require.NoError(t, err)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if _, err := r.AppendPath(dst, "/f%6Fo/x", vars); err != nil {
				t.Error(err)
			}
		}), name)
	}
}

func BenchmarkAppendPath(b *testing.B) {
	dst := make([]byte, 0, 100)
	var vars rewrite.Vars = captured{"a%2Fb", "c/d"}
	for name, spec := range map[string]rewrite.Spec{"path": path("/api/{a}/{b}"), "prefix": prefix("/api"), "regex": regex("^/([^/]+)/([^/]+)", "/{2}/{1}")} {
		r, err := rewrite.Compile(spec, names, "/foo")
		require.NoError(b, err)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.AppendPath(dst, "/foo/shelves/1/books/2", vars); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
