package proto

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"a.proto", "a.proto", true},
		{"a.proto", "x/a.proto", false},
		{"*.proto", "a.proto", true},
		{"*.proto", "x/a.proto", false},
		{"**", "a.proto", true},
		{"**", "x/y/a.proto", true},
		{"**/a.proto", "a.proto", true},
		{"**/a.proto", "x/y/a.proto", true},
		{"x/**", "x/a.proto", true},
		{"x/**", "y/a.proto", false},
		{"x/**/v1/*.proto", "x/v1/a.proto", true},
		{"x/**/v1/*.proto", "x/v1/y/v1/a.proto", true},
		{"x/**/v1/*.proto", "x/v1/v2/a.proto", false},
		{"**/x/**/y/*.proto", "x/x/z/y/y/a.proto", true},
		{"x?/[ab].proto", "x1/b.proto", true},
		{"x?/[ab].proto", "x1/c.proto", false},
		{"a", "a/b", false},
		{"a/b", "a", false},
	} {
		require.Equal(t, c.want, match(c.pattern, c.name), "%q %q", c.pattern, c.name)
	}
	// Many "**" cost no more than one.
	require.False(t, match(strings.Repeat("**/", 60)+"z", strings.Repeat("a/", 200)+"b"))
}

func TestEditionOf(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`edition = "2023";`, "2023"},
		{"// edition = \"2099\"\n /* edition = \"2098\" */ edition='2024';", "2024"},
		{`syntax = "proto3"; edition = "2024";`, ""},
		{`message edition {}`, ""},
		{"\ufeffedition=\"2024\"", "2024"},
		{"", ""},
	} {
		got, _ := editionOf([]byte(c.in))
		require.Equal(t, c.want, got, c.in)
	}
}
