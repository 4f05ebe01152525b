package rewrite_test

import (
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rewrite"
)

// Whatever a rule and a request are, what is made of them is a path that every
// reader takes for the same one, or nothing.
func FuzzAppendPath(f *testing.F) {
	for _, path := range []string{"/foo/x", "/foo//x", "/foo/%2e%2E/x", "/foo/a%2F..%5c", "/foo/%zz%", "/foo?\"é\x00", "//", ""} {
		f.Add("/api/{a}/{b}.x", path, "n%2Fm", "..")
		f.Add("{1}.{0}", path, "", ";.")
		f.Add("/", path, ".", "%2")
	}
	f.Fuzz(func(t *testing.T, text, path, a, b string) {
		specs := []rewrite.Spec{{}, {Path: text}, {Prefix: &text}, {Regex: &rewrite.Regex{Pattern: "o+(.)?", Substitution: text}}, {Regex: &rewrite.Regex{Pattern: text}}}
		for _, spec := range specs {
			r, err := rewrite.Compile(spec, []string{"a", "b"}, "/fo")
			if err != nil {
				continue
			}
			out, err := r.AppendPath([]byte("x"), path, captured{a, b})
			if err != nil {
				require.Equal(t, "x", string(out))
				continue
			}
			sound(t, string(out[1:]))
			again, err := (*rewrite.Rule)(nil).AppendPath(nil, string(out[1:]), nil)
			require.NoError(t, err)
			require.Equal(t, string(out[1:]), string(again))
		}
	})
}

func sound(t *testing.T, path string) {
	require.True(t, strings.HasPrefix(path, "/"), path)
	require.False(t, strings.HasPrefix(path, "//"), path)
	u, err := url.Parse("http://h" + path)
	require.NoError(t, err)
	require.Equal(t, path, u.EscapedPath(), "the standard library has to send it as it is")
	require.Equal(t, "h", u.Host)
	require.Empty(t, u.RawQuery+u.Fragment)
	require.False(t, strings.ContainsFunc(u.Path, func(c rune) bool { return c < ' ' || c == 0x7f }), path)
	for segment := range slices.Values(strings.FieldsFunc(u.Path, func(c rune) bool { return c == '/' || c == '\\' })) {
		name, _, _ := strings.Cut(segment, ";")
		require.NotContains(t, []string{".", ".."}, name, path)
	}
}

func FuzzHost(f *testing.F) {
	for _, host := range []string{"a", "{a}.x:80", "[::1]:80", "{a}"} {
		f.Add(host, "evil.com")
		f.Add(host, "a-b")
	}
	f.Fuzz(func(t *testing.T, host, a string) {
		r, err := rewrite.Compile(rewrite.Spec{Host: host}, []string{"a"}, "")
		if err != nil || host == "" {
			return
		}
		out, err := r.AppendHost(nil, captured{a})
		if err != nil {
			require.Empty(t, out)
			return
		}
		require.True(t, rewrite.ValidHost(string(out)), "%q", out)
		u, err := url.Parse("http://" + string(out) + "/")
		require.NoError(t, err)
		require.Equal(t, string(out), u.Host)
		require.Nil(t, u.User)
	})
}
