package httprule

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
)

// tmpl writes a template as the grammar does: segments, then variables.
func tmpl(segments []Segment, verb string, variables ...Variable) *Template {
	return &Template{Segments: segments, Verb: verb, Variables: variables}
}

// segs reads "*", "**" and everything else as a literal; %2A is the literal *.
func segs(texts ...string) []Segment {
	var out []Segment
	for _, text := range texts {
		switch text {
		case "*":
			out = append(out, Segment{Kind: Single})
		case "**":
			out = append(out, Segment{Kind: Multi})
		case "%2A":
			out = append(out, Segment{Literal: "*"})
		default:
			out = append(out, Segment{Literal: text})
		}
	}
	return out
}

func one(path string, start int) Variable {
	return Variable{Path: strings.Split(path, "."), Start: start, End: start + 1}
}

func many(path string, start, end int) Variable {
	return Variable{Path: strings.Split(path, "."), Start: start, End: end, Multi: true}
}

func TestParse(t *testing.T) {
	tests := []struct {
		name, in string
		want     *Template
		text     string // canonical form, if it differs
	}{
		{name: "A01 one variable", in: "/v1/things/{name}", want: tmpl(segs("v1", "things", "*"), "", one("name", 2))},
		{name: "A03 verb", in: "/v1/things/{name}:cancel", want: tmpl(segs("v1", "things", "*"), "cancel", one("name", 2))},
		{name: "A14 wildcards and verb", in: "/{a=*}/{b=*}:verb", want: tmpl(segs("*", "*"), "verb", one("a", 0), one("b", 1)), text: "/{a}/{b}:verb"},
		{name: "A25 multi", in: "/v1/files/{path=**}", want: tmpl(segs("v1", "files", "**"), "", many("path", 2, 3))},
		{name: "A32 segments in a variable", in: "/v1/{parent=shelves/*}/books", want: tmpl(segs("v1", "shelves", "*", "books"), "", many("parent", 1, 3))},
		{name: "A35 nested field", in: "/v1/nested/{sub.name}", want: tmpl(segs("v1", "nested", "*"), "", one("sub.name", 2))},
		{name: "A47 literals after **", in: "/a/{x=b/**}/y/z", want: tmpl(segs("a", "b", "**", "y", "z"), "", many("x", 1, 3))},
		{name: "A47 literals after ** in the variable", in: "/a/{x=b/**/y}/z", want: tmpl(segs("a", "b", "**", "y", "z"), "", many("x", 1, 4))},
		{name: "A47 a variable of literals after **", in: "/**/{x=y}", want: tmpl(segs("**", "y"), "", one("x", 1))},
		{name: "A50 root", in: "/", want: tmpl(nil, "")},
		{name: "A59 escapes", in: "/foo%2Fbar/%2A", want: tmpl(segs("foo/bar", "%2A"), "")},
		{name: "A59 needless escapes", in: "/%62oo%6bs", want: tmpl(segs("books"), ""), text: "/books"},
		{name: "A59 escaped colon", in: "/a%3Ab", want: tmpl(segs("a:b"), "")},
		{name: "A59 escaped verb", in: "/a:%62%3a", want: tmpl(segs("a"), "b:"), text: "/a:b%3A"},
		{name: "A60 one character", in: "/a/b", want: tmpl(segs("a", "b"), "")},
		{name: "bare wildcards", in: "/*/a/**", want: tmpl(segs("*", "a", "**"), "")},
		{name: "a literal in a variable", in: "/{a=b}", want: tmpl(segs("b"), "", one("a", 0))},
		{name: "all of RFC 3986", in: "/aZ09-._~!$&'()+,;=@", want: tmpl(segs("aZ09-._~!$&'()+,;=@"), "")},
		{name: "beyond ASCII", in: "/中", want: tmpl(segs("中"), ""), text: "/%E4%B8%AD"},
		{name: "verb after **", in: "/{a=**}:go", want: tmpl(segs("**"), "go", many("a", 0, 1))},
		{name: "names", in: "/{_a.b_9.C}", want: tmpl(segs("*"), "", one("_a.b_9.C", 0))},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := Parse(test.in)
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(test.want, got))
			text := test.text
			if text == "" {
				text = test.in
			}
			require.Equal(t, text, got.String())
			again, err := Parse(got.String())
			require.NoError(t, err)
			require.Empty(t, cmp.Diff(got, again))
		})
	}
}

func TestParseErrors(t *testing.T) {
	tests := []struct {
		name, in string
		offset   int
		message  string
	}{
		{"A48", "/a/**/*", 6, `want a literal: only literals may follow the "**" at offset 3`},
		{"A48", "/a/**/**", 6, `want a literal: only literals may follow the "**" at offset 3`},
		{"A48", "/a/**/{b}", 6, `want a literal: only literals may follow the "**" at offset 3`},
		{"A48", "/a{x=b/**}/{y=*}", 2, `want "/", ":" or the end (a variable is one or more whole segments), found "{"`},
		{"A48", "/{x=b/**}/{y=*}", 13, `want a literal: only literals may follow the "**" at offset 6`},
		{"A49", "", 0, `want "/", found the end`},
		{"A49", "//", 1, `want a literal, "*", "**" or a variable, found "/"`},
		{"A49", "/{}", 2, `want the name of a field, found "}"`},
		{"A49", "/a/", 3, `want a literal, "*", "**" or a variable, found the end`},
		{"A49", "/a//b", 3, `want a literal, "*", "**" or a variable, found "/"`},
		{"A49", ":verb", 0, `want "/", found ":"`},
		{"A49", "/:verb", 1, `want a literal, "*", "**" or a variable, found ":"`},
		{"A49", "/*:", 3, `want the text of a verb, found the end`},
		{"A49", "/{var}:", 7, `want the text of a verb, found the end`},
		{"A51", "/{a={b}}", 4, `want a literal, "*" or "**": a variable cannot contain another`},
		{"A51", "/{a=x/{b}}", 6, `want a literal, "*" or "**": a variable cannot contain another`},
		{"A52", "/{a}/{b}/{a}", 10, `want each variable once, and "a" was there before`},
		{"A52", "/{a.b}/{a.b=x}", 8, `want each variable once, and "a.b" was there before`},
		{"A58", "/a:verb:sub", 7, `want the end after a verb (a colon that is text is written %3A), found ":"`},
		{"verb before the end", "/a:b/c", 4, `want the end after a verb (a colon that is text is written %3A), found "/"`},
		{"no slash", "v1/a", 0, `want "/", found "v"`},
		{"text beside *", "/a*", 2, `want "/", ":" or the end, found "*"`},
		{"text beside a variable", "/{a}b", 4, `want "/", ":" or the end, found "b"`},
		{"three stars", "/***", 3, `want "/", ":" or the end, found "*"`},
		{"open variable", "/{a", 3, `want ".", "=" or "}", found the end`},
		{"open variable with segments", "/{a=b", 5, `want "/" or "}", found the end`},
		{"nothing after =", "/{a=}", 4, `want a literal, "*" or "**", found "}"`},
		{"slash before }", "/{a=b/}", 6, `want a literal, "*" or "**", found "}"`},
		{"verb in a variable", "/{a=b:c}", 5, `want "/" or "}", found ":"`},
		{"stray }", "/a}", 2, `want "/", ":" or the end, found "}"`},
		{"name begins with a digit", "/{1a}", 2, `want the name of a field, found "1"`},
		{"name ends with a dot", "/{a.}", 4, `want the name of a field, found "}"`},
		{"name with a hyphen", "/{a-b}", 3, `want ".", "=" or "}", found "-"`},
		{"bad escape", "/a%2", 2, `want two hexadecimal digits after %`},
		{"bad escape", "/a%zz", 2, `want two hexadecimal digits after %`},
		{"not UTF-8", "/a/%FF", 3, `want a literal that is valid UTF-8`},
		{"not UTF-8", "/a\xff", 1, `want a literal that is valid UTF-8`},
		{"query", "/a?b", 2, `want "/", ":" or the end, found "?"`},
		{"space", "/a b", 2, `want "/", ":" or the end, found " "`},
		{"long", "/" + strings.Repeat("a", maxLength), maxLength, `want at most 65536 bytes`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse(test.in)
			var pe *ParseError
			require.True(t, errors.As(err, &pe), "Parse(%q) = %v", test.in, err)
			require.Equal(t, ParseError{Template: test.in, Offset: test.offset, Message: test.message}, *pe)
			require.Less(t, len(err.Error()), 1000)
		})
	}
}

func TestParseErrorText(t *testing.T) {
	_, err := Parse("/v1/{name")
	require.EqualError(t, err, `template "/v1/{name", offset 9: want ".", "=" or "}", found the end`)
}

func TestEqual(t *testing.T) {
	parse := func(s string) *Template {
		tm, err := Parse(s)
		require.NoError(t, err)
		return tm
	}
	require.True(t, parse("/%61/{x=*}:v").Equal(parse("/a/{x}:%76")))
	for _, other := range []string{"/a/{x}", "/a/{y}:v", "/a/*:v", "/{x=a/*}:v", "/b/{x}:v"} {
		require.False(t, parse("/a/{x}:v").Equal(parse(other)), other)
	}
}
