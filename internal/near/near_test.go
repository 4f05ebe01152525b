package near

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestName(t *testing.T) {
	long := strings.Repeat("very.long.package.", 10)
	for _, c := range []struct {
		name, in string
		known    []string
		most     int
		want     string
	}{
		{"nothing known", "a", nil, 2, ""},
		{"one letter", "GetBok", []string{"GetShelf", "GetBook"}, 2, "GetBook"},
		{"two swapped", "GteBook", []string{"GetBook"}, 1, "GetBook"},
		{"letter case is free", "getbook", []string{"GetBook"}, 0, "GetBook"},
		{"too far", "GetShelf", []string{"GetBook"}, 3, ""},
		{"behind a long beginning", long + "GetBok", []string{long + "ListBooks", long + "GetBook"}, 2, long + "GetBook"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, c.want, Name(c.in, c.known, c.most))
		})
	}
}

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"abc", "ABC", 0},
		{"abc", "acb", 1},
		{"xabc", "xab", 1},
		{"kitten", "sitting", 3},
		{"ca", "abc", 3},
		{"title", "tilte", 1},
		{strings.Repeat("a", 100), strings.Repeat("b", 100), 64},
	} {
		require.Equal(t, c.want, Distance(c.a, c.b), "%q, %q", c.a, c.b)
		require.Equal(t, c.want, Distance(c.b, c.a), "%q, %q", c.b, c.a)
	}
}
