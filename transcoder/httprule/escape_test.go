package httprule

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAppendUnescaped(t *testing.T) {
	tests := []struct {
		name, in      string
		single, multi string
	}{
		{"A01", "abc", "abc", "abc"},
		{"A02", "100%25", "100%", "100%"},
		{"A03", "a%2Fb", "a/b", "a%2Fb"},
		{"A04", "a%252Fb", "a%2Fb", "a%2Fb"},
		{"A05", "a%20b", "a b", "a b"},
		{"A06", "a+b", "a+b", "a+b"},
		{"A07", "%E4%B8%AD", "中", "中"},
		{"A08", "%FF", "\xff", "\xff"},
		{"A26", "a/b%2Fc/d", "a/b/c/d", "a/b%2Fc/d"},
		{"A27", "a/%3F%23", "a/?#", "a/?#"},
		{"A28", "%2f%23/%20%2523", "/#/ %23", "%2f#/ %23"},
		{"A33", "shelves/1%2F2", "shelves/1/2", "shelves/1%2F2"},
		{"empty", "", "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := AppendUnescaped([]byte("x"), test.in, Decoded)
			require.NoError(t, err)
			require.Equal(t, "x"+test.single, string(got))
			got, err = AppendUnescaped([]byte("x"), test.in, Kept)
			require.NoError(t, err)
			require.Equal(t, "x"+test.multi, string(got))
		})
	}
	t.Run("A09", func(t *testing.T) {
		for c := range byte(128) {
			for _, format := range []string{"%%%02X", "%%%02x"} {
				in := fmt.Sprintf(format, c)
				got, err := AppendUnescaped(nil, in, Decoded)
				require.NoError(t, err)
				require.Equal(t, []byte{c}, got, in)
			}
		}
	})
}

func TestAppendUnescapedErrors(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"ab%", `malformed escape "%" at offset 2: want two hexadecimal digits after %`},
		{"%20%4", `malformed escape "%4" at offset 3: want two hexadecimal digits after %`},
		{"%zz1", `malformed escape "%zz" at offset 0: want two hexadecimal digits after %`},
		{"%0g", `malformed escape "%0g" at offset 0: want two hexadecimal digits after %`},
	} {
		got, err := AppendUnescaped([]byte("x"), test.in, Decoded)
		require.EqualError(t, err, test.want)
		require.Equal(t, "x", string(got))
	}
}

func TestAppendUnescapedDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 64)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		_, _ = AppendUnescaped(dst, "shelves/a%20b%2Fc", Kept)
	}))
}

func TestRefusedSlashes(t *testing.T) {
	for _, in := range []string{"a%2Fb", "a%2fb", "%2F"} {
		got, err := AppendUnescaped([]byte("x"), in, Refused)
		require.ErrorIs(t, err, ErrSlash)
		require.Equal(t, "x", string(got))
	}
	got, err := AppendUnescaped(nil, "a/b%20%252F", Refused)
	require.NoError(t, err)
	require.Equal(t, "a/b %2F", string(got))
}

func TestEscapes(t *testing.T) {
	for _, test := range []struct {
		mode          Escapes
		single, multi Slashes
	}{
		{Standard, Decoded, Kept},
		{DecodeSlashes, Decoded, Decoded},
		{KeepSlashes, Kept, Kept},
		{RejectSlashes, Refused, Refused},
	} {
		require.Equal(t, test.single, test.mode.Slashes(false), "%d", test.mode)
		require.Equal(t, test.multi, test.mode.Slashes(true), "%d", test.mode)
	}
}
