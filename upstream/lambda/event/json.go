package event

import (
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Strings are scanned a word of eight bytes at a time: arithmetic on the word sets the
// high bit of each byte that ends the scan. Borrows may set bits above the first, so
// only the first counts.
const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// special has the high bit set in the first byte of w that is a quote, a backslash or a
// control character.
func special(w uint64) uint64 {
	q, s := w^ones*'"', w^ones*'\\'
	return ((q-ones)&^q | (s-ones)&^s | (w-ones*' ')&^w) & tops
}

// word is the eight bytes of s at i. The compiler makes one load of it.
func word[T string | []byte](s T, i int) uint64 {
	s = s[i : i+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// run is how many bytes at the start of s are none that [special] is about.
func run[T string | []byte](s T) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if x := special(word(s, i)); x != 0 {
			return i + bits.TrailingZeros64(x)>>3
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

// appendString appends s as a JSON string, with U+FFFD for bytes that are not UTF-8.
func appendString[T string | []byte](dst []byte, s T) []byte {
	dst = append(dst, '"')
	return append(appendEscaped(dst, s), '"')
}

// appendEscaped is appendString without the quotes.
func appendEscaped[T string | []byte](dst []byte, s T) []byte {
	const digits = "0123456789abcdef"
	start := len(dst)
	for {
		n := run(s)
		if dst = append(dst, s[:n]...); n == len(s) {
			break
		}
		switch c := s[n]; c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
		s = s[n+1:]
	}
	if utf8.Valid(dst[start:]) {
		return dst
	}
	broken := string(dst[start:])
	dst = dst[:start]
	for _, r := range broken {
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

// unquote is what a string that has been checked means: a part of it, or new bytes.
// Half a surrogate pair means U+FFFD.
func unquote(quoted []byte) []byte {
	raw := quoted[1 : len(quoted)-1]
	n := run(raw)
	if n == len(raw) {
		return raw
	}
	text := make([]byte, 0, len(raw))
	for {
		text = append(text, raw[:n]...)
		if raw = raw[n:]; len(raw) == 0 {
			return text
		}
		if raw[1] != 'u' {
			text, raw = append(text, simple(raw[1])), raw[2:]
		} else {
			r := hex(raw[2:])
			if raw = raw[6:]; utf16.IsSurrogate(r) {
				half := r
				if r = utf8.RuneError; len(raw) > 1 && raw[1] == 'u' && raw[0] == '\\' {
					if pair := utf16.DecodeRune(half, hex(raw[2:])); pair != utf8.RuneError {
						r, raw = pair, raw[6:]
					}
				}
			}
			text = utf8.AppendRune(text, r)
		}
		n = run(raw)
	}
}

// escape is the size of the escape sequence at the start of b; 0 if there is none.
func escape(b []byte) int {
	switch {
	case len(b) < 2:
		return 0
	case b[1] == 'u' && hex(b[2:]) >= 0:
		return 6
	case simple(b[1]) != 0:
		return 2
	}
	return 0
}

// simple is what stands for c behind a backslash; 0 if nothing does. What u stands for
// is in the digits behind it.
func simple(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return 0
}

// hex is the number that the first four digits of b spell; negative if they are none.
func hex(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		switch {
		case c-'0' <= 9:
			c -= '0'
		case c|0x20-'a' <= 'f'-'a':
			c = c | 0x20 - 'a' + 10
		default:
			return -1
		}
		r = r<<4 | rune(c)
	}
	return r
}
