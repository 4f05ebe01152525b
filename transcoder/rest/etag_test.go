package rest

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestQuoteTag(t *testing.T) {
	for in, want := range map[string]string{
		"":           "",
		"v1":         `"v1"`,
		`"v1"`:       `"v1"`,
		`W/"v1"`:     `W/"v1"`,
		`""`:         `""`,
		"W/v1":       `"W/v1"`,
		`"`:          "",
		`W/"`:        "",
		`a"b`:        "",
		`"a"b"`:      "",
		"two words":  "",
		"line\r\nx:": "",
		"é":          "",
		"\x7f":       "",
	} {
		require.Equal(t, want, quoteTag(in), "%q", in)
	}
}

func TestNoneMatch(t *testing.T) {
	for _, c := range []struct {
		tag  string
		want bool
		list []string
	}{
		{`"a"`, false, nil},
		{`"a"`, false, []string{""}},
		{`"a"`, true, []string{`"a"`}},
		{`"a"`, true, []string{`W/"a"`}},
		{`W/"a"`, true, []string{`"a"`}},
		{`W/"a"`, true, []string{`W/"a"`}},
		{`"a"`, false, []string{`"b"`}},
		{`"a"`, true, []string{` "b" , ,"a"`}},
		{`"a"`, true, []string{`"b"`, `"a"`}},
		{`"a,b"`, true, []string{`"x", "a,b"`}},
		{`"a"`, true, []string{` * `}},
		{`"a"`, false, []string{`"b", *`}},
		{`"a"`, false, []string{`a`}},
		{`"a"`, false, []string{`"a`}},
		{`"a"`, false, []string{`w/"a"`}},
		{`"a"`, false, []string{`x, "a"`}},
	} {
		require.Equal(t, c.want, noneMatch(c.list, c.tag), "%q in %q", c.tag, c.list)
	}
}

// FuzzNoneMatch checks that a tag is found in any list that it was put into, and
// that what is no tag is no header.
func FuzzNoneMatch(f *testing.F) {
	f.Add(`"a", W/"b"`, "c")
	f.Add("*", `W/"c"`)
	f.Add(`"`, "c\r\n")
	f.Fuzz(func(t *testing.T, list, text string) {
		tag := quoteTag(text)
		if tag == "" {
			return
		}
		require.NotContains(t, tag, "\n")
		require.True(t, noneMatch([]string{list, tag}, tag))
		require.True(t, noneMatch([]string{`"` + strings.ReplaceAll(list, `"`, "") + `", ` + tag}, tag))
	})
}
