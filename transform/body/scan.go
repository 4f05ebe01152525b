package body

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Strings are scanned a word of eight bytes at a time. Arithmetic on the word sets
// the high bit of each byte that ends the scan: a quote, a backslash, a control
// character. Borrows may set bits above the first, so only the first counts.

const (
	ones = 0x0101010101010101
	tops = 0x8080808080808080
)

// run is how many bytes at the start of b are none of those, and whether all of
// them are ASCII.
func run(b []byte) (n int, ascii bool) {
	var seen uint64
	for ; n+8 <= len(b); n += 8 {
		w := binary.LittleEndian.Uint64(b[n:])
		q, s := w^ones*'"', w^ones*'\\'
		if stop := ((q-ones)&^q | (s-ones)&^s | (w-ones*' ')&^w) & tops; stop != 0 {
			bit := bits.TrailingZeros64(stop)
			seen |= w & (1<<(bit&^7) - 1)
			return n + bit>>3, seen&tops == 0
		}
		seen |= w
	}
	for ; n < len(b); n++ {
		c := b[n]
		if c < ' ' || c == '"' || c == '\\' {
			break
		}
		seen |= uint64(c)
	}
	return n, seen&tops == 0
}

// escape is the size of the escape sequence at the start of b, with the second
// half of a surrogate pair. It is 0 for what is none, and -1 for half a pair.
func escape(b []byte) int {
	if len(b) < 2 {
		return 0
	}
	switch b[1] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 2
	case 'u':
		r := hex(b[2:])
		if r < 0 {
			return 0
		}
		if !utf16.IsSurrogate(r) {
			return 6
		}
		if len(b) >= 12 && b[6] == '\\' && b[7] == 'u' && utf16.DecodeRune(r, hex(b[8:])) != utf8.RuneError {
			return 12
		}
		return -1
	}
	return 0
}

// hex is what the first four digits of b spell; negative if they are none.
func hex(b []byte) rune {
	if len(b) < 4 {
		return -1
	}
	var r rune
	for _, c := range b[:4] {
		d := nibble(c)
		if d < 0 {
			return -1
		}
		r = r<<4 | rune(d)
	}
	return r
}

// nibble is what a hexadecimal digit means; negative if c is none.
func nibble(c byte) int {
	if c-'0' <= 9 {
		return int(c - '0')
	}
	if c = c | 0x20 - 'a'; c <= 'f'-'a' {
		return int(c) + 10
	}
	return -1
}

// unescape appends the meaning of what stands between the quotes of a string that
// has been scanned.
func unescape(dst, raw []byte) []byte {
	for {
		n, _ := run(raw)
		dst = append(dst, raw[:n]...)
		if n == len(raw) {
			return dst
		}
		raw = raw[n:]
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
			r := hex(raw[2:])
			if size = 6; utf16.IsSurrogate(r) {
				r = utf16.DecodeRune(r, hex(raw[8:]))
				size = 12
			}
			dst = utf8.AppendRune(dst, r)
		default:
			dst = append(dst, c)
		}
		raw = raw[size:]
	}
}

// number scans the JSON number at i. next is -1 and at the place of the mistake
// if there is none. whole is set for one of up to 18 digits that is written as an
// int of this value would be.
func number(b []byte, i int) (next, at int, value int64, whole bool) {
	negative := b[i] == '-'
	if negative {
		i++
	}
	first := i
	for i < len(b) && b[i]-'0' <= 9 {
		value = value*10 + int64(b[i]-'0')
		i++
	}
	digits := i - first
	if digits == 0 {
		return -1, i, 0, false
	}
	if b[first] == '0' && digits > 1 {
		return -1, first + 1, 0, false
	}
	whole = digits <= 18 && (value != 0 || !negative)
	if negative {
		value = -value
	}
	if i < len(b) && b[i] == '.' {
		whole = false
		first = i + 1
		for i++; i < len(b) && b[i]-'0' <= 9; i++ {
		}
		if i == first {
			return -1, i, 0, false
		}
	}
	if i < len(b) && b[i]|0x20 == 'e' {
		whole = false
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		for first = i; i < len(b) && b[i]-'0' <= 9; i++ {
		}
		if i == first {
			return -1, i, 0, false
		}
	}
	return i, i, value, whole
}
