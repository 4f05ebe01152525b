package proxy

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckPath(t *testing.T) {
	for _, tt := range []struct {
		path string
		// need is what must be allowed, fault what is told without.
		need  Paths
		fault string
	}{
		{path: "/"},
		{path: "/a/b/"},
		{path: "/a.b/..c/d../.../x"},
		{path: "/...;/x", need: PathParameter, fault: faultParameter},
		{path: "/%E2%82%AC/%25/%3b"},
		{path: "/a;p=1/b", need: PathParameter, fault: faultParameter},
		{path: "/€"},
		{path: "/%252e%252e/"},
		{path: "", fault: faultRelative},
		{path: "a", fault: faultRelative},
		{path: "*", fault: faultRelative},
		{path: "http://a/b", fault: faultRelative},
		{path: "/%", fault: faultEscape},
		{path: "/%2", fault: faultEscape},
		{path: "/%zz", fault: faultEscape},
		{path: "/%0g", fault: faultEscape},
		{path: "/%00", fault: faultControl},
		{path: "/a\x00", fault: faultControl},
		{path: "/%0d%0a", fault: faultControl},
		{path: "/%7f", fault: faultControl},
		{path: "/a b", fault: faultByte},
		{path: "/a#b", fault: faultByte},
		{path: "/%c0%af", fault: faultOverlong},
		{path: "/\xc0\xae", fault: faultOverlong},
		{path: "/%e0%80%af", fault: faultOverlong},
		{path: "/%f0%80%80%af", fault: faultOverlong},
		{path: "/%2F", need: EscapedSlash, fault: faultSlash},
		{path: "/a%2fb", need: EscapedSlash, fault: faultSlash},
		{path: "/a%2f/b", need: EscapedSlash, fault: faultSlash},
		{path: "/a%2f%2fb", need: EscapedSlash, fault: faultSlash},
		{path: "//", need: EmptySegment, fault: faultEmpty},
		{path: "//a", need: EmptySegment, fault: faultEmpty},
		{path: "/a//b", need: EmptySegment, fault: faultEmpty},
		{path: "/a/;x/b", need: EmptySegment | PathParameter, fault: faultParameter},
		{path: "/a/;", need: EmptySegment | PathParameter, fault: faultParameter},
		{path: "/.", need: DotSegment, fault: faultDots},
		{path: "/..", need: DotSegment, fault: faultDots},
		{path: "/a/../b", need: DotSegment, fault: faultDots},
		{path: "/a/./b", need: DotSegment, fault: faultDots},
		{path: "/a/%2e%2E/b", need: DotSegment, fault: faultDots},
		{path: "/a/.%2e", need: DotSegment, fault: faultDots},
		{path: "/a/..;/b", need: DotSegment | PathParameter, fault: faultParameter},
		{path: "/a/..%3b/b", need: DotSegment, fault: faultDots},
		{path: "/a/..;x=y", need: DotSegment | PathParameter, fault: faultParameter},
		{path: `/a\b`, need: Backslash, fault: faultBackslash},
		{path: "/a%5cb", need: Backslash, fault: faultBackslash},
		{path: `/a/..\b`, need: Backslash | DotSegment, fault: faultBackslash},
		{path: "/a/..%2fb", need: EscapedSlash | DotSegment, fault: faultSlash},
		{path: "/a%2f..", need: EscapedSlash | DotSegment, fault: faultSlash},
		{path: "/a%5C..%5cb", need: Backslash | DotSegment, fault: faultBackslash},
	} {
		require.Equal(t, tt.fault, checkPath(tt.path, 0), tt.path)
		all := EscapedSlash | EmptySegment | DotSegment | Backslash | PathParameter
		if tt.need == 0 {
			require.Equal(t, tt.fault, checkPath(tt.path, all), tt.path)
			continue
		}
		require.Empty(t, checkPath(tt.path, tt.need), tt.path)
		for one := Paths(1); one <= PathParameter; one <<= 1 {
			if tt.need&one != 0 {
				require.NotEmpty(t, checkPath(tt.path, all&^one), "%q without %d", tt.path, one)
			}
		}
	}
	require.Zero(t, testing.AllocsPerRun(100, func() { _ = CheckPath("/v1/shelves/a%20b/books,x/..c", 0) }))
}

// What would let a path through is for the operator, not for the client.
func TestCheckPathCause(t *testing.T) {
	for path, name := range map[string]string{
		"/a%2fb": "escaped_slash", "/a//b": "empty_segment", "/a/../b": "dot_segment", `/a\b`: "backslash", "/a;b": "path_parameter",
	} {
		err := CheckPath(path, 0)
		require.ErrorContains(t, err.Cause, name)
		require.NotContains(t, err.Message, "allow")
		set, failed := ParsePaths([]string{name})
		require.NoError(t, failed)
		require.Nil(t, CheckPath(path, set))
	}
	require.NoError(t, CheckPath("/%00", 0).Cause)
}

func TestParsePaths(t *testing.T) {
	set, err := ParsePaths([]string{"escaped_slash", "backslash"})
	require.NoError(t, err)
	require.Equal(t, EscapedSlash|Backslash, set)
	_, err = ParsePaths([]string{"slash"})
	require.ErrorContains(t, err, `no "slash"`)
}

// FuzzCheckPath holds a path that passes to what an upstream may make of it: whoever
// decodes it, and takes every separator for one, finds the segments that are matched.
func FuzzCheckPath(f *testing.F) {
	for _, seed := range []string{"/", "/a/b", "/%2e%2e/", "/..;/", "//", "/a%5c", "/%zz", "/€\"x", "/%c0%ae", "/a%2F..%2F"} {
		f.Add(seed, uint8(0))
		f.Add(seed, uint8(15))
	}
	f.Fuzz(func(t *testing.T, path string, allow uint8) {
		fault := checkPath(path, Paths(allow))
		if fault != "" {
			return
		}
		sent := escaped(path)
		decoded, err := url.PathUnescape(sent)
		require.NoError(t, err)
		require.Equal(t, decoded, unescaped(sent))
		u := url.URL{Path: decoded, RawPath: sent}
		require.Equal(t, sent, u.EscapedPath(), "what is sent is what was made")
		require.False(t, strings.ContainsFunc(decoded, func(r rune) bool { return r < ' ' || r == 0x7f }))
		if allow != 0 {
			return
		}
		require.NotContains(t, decoded, `\`)
		require.Equal(t, strings.Count(path, "/"), strings.Count(decoded, "/"))
		segments := strings.Split(decoded[1:], "/")
		for i, one := range segments {
			bare, _, _ := strings.Cut(one, ";")
			if bare == "" && strings.Contains(strings.ToLower(path), "%3b") {
				continue // an escaped semicolon is text there
			}
			require.NotContains(t, []string{".", ".."}, bare)
			require.True(t, bare != "" || i == len(segments)-1 && one == "", "%q", path)
		}
	})
}
