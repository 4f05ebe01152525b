package codec

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Strings are scanned eight bytes at a time: a byte that ends a string, needs
// an escape or is not allowed sets the high bit of its place in a word, and
// the first such bit is the first such byte. Whether a byte was outside ASCII
// is collected on the way, so only then is UTF-8 checked.

const (
	lows  = 0x0101010101010101
	highs = 0x8080808080808080
)

// special has the high bit set in the first byte of w that is a quote, a
// backslash or a control character. Bits above the first may be wrong.
func special(w uint64) uint64 {
	quote := w ^ lows*'"'
	slash := w ^ lows*'\\'
	return ((quote-lows)&^quote | (slash-lows)&^slash | (w-lows*' ')&^w) & highs
}

// plain is the number of bytes at the start of b before the first that is
// special, len(b) if none is, and whether all of these are ASCII.
func plain(b []byte) (n int, ascii bool) {
	var seen uint64
	for n+8 <= len(b) {
		w := binary.LittleEndian.Uint64(b[n:])
		if x := special(w); x != 0 {
			k := bits.TrailingZeros64(x) >> 3
			seen |= w & (1<<(uint(k)*8) - 1)
			return n + k, seen&highs == 0
		}
		seen |= w
		n += 8
	}
	for ; n < len(b); n++ {
		c := b[n]
		if c < ' ' || c == '"' || c == '\\' {
			break
		}
		seen |= uint64(c)
	}
	return n, seen&highs == 0
}

// stringToken scans the string whose opening quote is at i: raw is what lies
// between the quotes, escaped whether it needs [parser.unescape], next the
// position after the closing quote, -1 if the string is not well formed.
func (p *parser) stringToken(i int) (raw []byte, escaped bool, next int) {
	start := i + 1
	n, ascii := plain(p.in[start:])
	j := start + n
	if j < len(p.in) && p.in[j] == '"' {
		if !ascii && !utf8.Valid(p.in[start:j]) {
			return nil, false, p.badUTF8(start, j)
		}
		return p.in[start:j], false, j + 1
	}
	return p.escapedToken(start, j)
}

// escapedToken is stringToken from the first special byte at j on, which is no
// quote.
func (p *parser) escapedToken(start, j int) (raw []byte, escaped bool, next int) {
	in := p.in
	for {
		n, _ := plain(in[j:])
		j += n
		if j >= len(in) {
			return nil, false, p.syntax(j, `the closing " of a string`)
		}
		switch in[j] {
		case '"':
			if !utf8.Valid(in[start:j]) {
				return nil, false, p.badUTF8(start, j)
			}
			return in[start:j], true, j + 1
		case '\\':
			size := escapeSize(in[j:])
			if size <= 0 {
				return nil, false, p.badEscape(j, size)
			}
			j += size
		default:
			return nil, false, p.syntax(j, "an escape for a control character in a string")
		}
	}
}

// escapeSize is the length of the escape sequence that b starts with, -1 if it
// is half of a surrogate pair, 0 if it is none.
func escapeSize(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		r := hex4(b[2:])
		switch {
		case r < 0:
			return 0
		case !utf16.IsSurrogate(r):
			return 6
		case len(b) >= 12 && b[6] == '\\' && b[7] == 'u' && utf16.DecodeRune(r, hex4(b[8:])) != utf8.RuneError:
			return 12
		}
		return -1
	}
	return 0
}

// hex4 is the number that b's first four hexadecimal digits spell, or -1.
func hex4(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		case 'A' <= c && c <= 'F':
			c -= 'A' - 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}

// unescape appends what raw, a well-formed token with escapes, means.
func unescape(dst, raw []byte) []byte {
	for len(raw) > 0 {
		n, _ := plain(raw)
		dst = append(dst, raw[:n]...)
		raw = raw[n:]
		if len(raw) == 0 {
			break
		}
		size := 2
		switch c := raw[1]; c {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			r := hex4(raw[2:])
			size = 6
			if utf16.IsSurrogate(r) {
				r = utf16.DecodeRune(r, hex4(raw[8:]))
				size = 12
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
		raw = raw[size:]
	}
	return dst
}

// stringValue is the value of the string at i, in the input or, if it has
// escapes, in memory that the next call overwrites.
func (p *parser) stringValue(i int) (value []byte, next int) {
	raw, escaped, next := p.stringToken(i)
	if escaped {
		p.unescaped = unescape(p.unescaped[:0], raw)
		raw = p.unescaped
	}
	return raw, next
}

// appendString appends s as a JSON string; ok is false if it is not UTF-8.
func appendString(dst, s []byte) (out []byte, ok bool) {
	n, ascii := plain(s)
	if n == len(s) {
		if !ascii && !utf8.Valid(s) {
			return dst, false
		}
		dst = append(dst, '"')
		dst = append(dst, s...)
		return append(dst, '"'), true
	}
	if !utf8.Valid(s) {
		return dst, false
	}
	dst = append(dst, '"')
	for {
		dst = append(dst, s[:n]...)
		if s = s[n:]; len(s) == 0 {
			return append(dst, '"'), true
		}
		switch c := s[0]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			const digits = "0123456789abcdef"
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		s = s[1:]
		n, _ = plain(s)
	}
}
