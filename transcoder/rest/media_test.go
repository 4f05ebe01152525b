package rest

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"image/png", "image/png", true},
		{"image/png", "IMAGE/PNG; q=1", true},
		{"image/png", "image/pngx", false},
		{"image/*", "image/", true},
		{"image/*", "image/svg+xml", true},
		{"image/*", "ximage/png", false},
		{"*/*", "a/b", true},
		{"*/*+json", "application/problem+json", true},
		{"*/*+json", "application/json", false},
		{"a*/*a", "a/a", true},
		{"a*a/*", "a/b", false},
		{"*aa/b", "aaa/b", true},
		{"*b*b/*", "ab/x", false},
	} {
		require.Equal(t, c.want, patterns{c.pattern}.allow(c.text), "%s %s", c.pattern, c.text)
	}
	require.True(t, patterns(nil).allow("anything"))
}

func TestIsMediaType(t *testing.T) {
	for text, want := range map[string]bool{
		"a/b": true, "application/vnd.x+json; charset=\"utf-8\"": true, "a/b ; c": true, "multipart/form-data;boundary=x": true,
		"": false, "a": false, "/": false, "a/": false, "/b": false, "a b/c": false, "a/b\r\nx: y": false, "a/b; \x00": false, "a/é": false, "a/b, c/d": false,
	} {
		require.Equal(t, want, isMediaType(text), "%q", text)
	}
}
