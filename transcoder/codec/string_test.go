package codec

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

// TestPlain puts every byte at every place of a word and of the rest after it.
func TestPlain(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			b := []byte(strings.Repeat("x", 20))
			b[at] = byte(c)
			n, ascii := plain(b)
			if c < ' ' || c == '"' || c == '\\' {
				require.Equal(t, at, n, "%#02x", c)
				require.True(t, ascii, "%#02x", c)
			} else {
				require.Equal(t, 20, n, "%#02x", c)
				require.Equal(t, c < 0x80, ascii, "%#02x", c)
			}
		}
	}
	n, ascii := plain([]byte("é\"é"))
	require.Equal(t, 2, n)
	require.False(t, ascii)
}

func TestStringToken(t *testing.T) {
	for in, want := range map[string]string{
		`""`:                        "",
		`"plain"`:                   "plain",
		`"a\"b\\c\/d\b\f\n\r\t"`:    "a\"b\\c/d\b\f\n\r\t",
		`"\u0041\u00e9\u20AC"`:      "Aé€",
		`"\ud83d\ude00"`:            "😀",
		`"\uFFFD�"`:                 "��",
		`"12345678\n12345678\"é12"`: "12345678\n12345678\"é12",
	} {
		p := parser{in: []byte(in)}
		got, next := p.stringValue(0)
		require.Equal(t, len(in), next, in)
		require.Equal(t, want, string(got), in)
	}
	for in, want := range map[string]Kind{
		`"`:                           KindSyntax,
		`"a`:                          KindSyntax,
		`"\`:                          KindSyntax,
		`"\x"`:                        KindSyntax,
		`"\u12"`:                      KindSyntax,
		`"\u+123"`:                    KindSyntax,
		"\"a\nb\"":                    KindSyntax,
		"\"a\x00b\"":                  KindSyntax,
		`"\ud800"`:                    KindUTF8,
		`"\udc00\ud800"`:              KindUTF8,
		`"\ud800\u0041"`:              KindUTF8,
		`"\ud800` + "\xff" + `12345"`: KindUTF8,
		"\"\xff\"":                    KindUTF8,
		"\"abc\\n\xc3\"":              KindUTF8,
		"\"\xed\xa0\x80\"":            KindUTF8,
	} {
		p := parser{in: []byte(in)}
		_, next := p.stringValue(0)
		require.Negative(t, next, "%q", in)
		require.Equal(t, want, p.err.Kind, "%q: %v", in, p.err)
	}
}

func TestAppendString(t *testing.T) {
	for in, want := range map[string]string{
		"":                      `""`,
		"plain text":            `"plain text"`,
		"Zoë / 世界 <&>\u2028":    `"Zoë / 世界 <&>` + "\u2028" + `"`,
		"a\"b\\c\b\f\n\r\t\x01": `"a\"b\\c\b\f\n\r\t\u0001"`,
		"\x1f\x7f":              `"\u001f` + "\x7f" + `"`,
	} {
		got, ok := appendString([]byte("before"), []byte(in))
		require.True(t, ok)
		require.Equal(t, "before"+want, string(got))
	}
	for _, in := range []string{"\xff", "abcdefgh\xc3", "\"\xff", "\xed\xa0\x80"} {
		require.False(t, utf8.ValidString(in))
		got, ok := appendString([]byte("before"), []byte(in))
		require.False(t, ok)
		require.Equal(t, "before", string(got))
	}
}
