package entity_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transcoder/entity"
)

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
		require.Equal(t, c.want, entity.NoneMatch(c.list, c.tag), "%q in %q", c.tag, c.list)
	}
}

func TestTag(t *testing.T) {
	require.NotEqual(t, entity.Tag([]byte("a")), entity.Tag([]byte("b")))
	require.Equal(t, entity.Tag(nil), entity.Tag([]byte{}))
	require.Regexp(t, `^"[A-Za-z0-9_-]{22}"$`, entity.Tag([]byte("a")))
}
