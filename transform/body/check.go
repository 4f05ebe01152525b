package body

import (
	"strconv"
	"unicode/utf8"
)

// What reading JSON comes down to, whether values are made of it or not.

// skip checks the value at i.
func (d *decoder) skip(i int) int {
	if i >= len(d.data) {
		return d.syntax(i, "a value")
	}
	switch c := d.data[i]; c {
	case '"':
		end, _ := d.scan(i)
		return end
	case '{':
		return d.skipObject(i)
	case '[':
		return d.skipArray(i)
	case 't':
		return d.literal(i, "true")
	case 'f':
		return d.literal(i, "false")
	case 'n':
		return d.literal(i, "null")
	default:
		if c != '-' && c-'0' > 9 {
			return d.syntax(i, "a value")
		}
		next, at, _, _ := number(d.data, i)
		if next < 0 {
			return d.syntax(at, "a digit")
		}
		return next
	}
}

func (d *decoder) skipObject(i int) int {
	if !d.enter(i) {
		return -1
	}
	if i = d.space(i + 1); d.at(i) == '}' {
		d.depth++
		return i + 1
	}
	for {
		if d.at(i) != '"' {
			return d.syntax(i, "the name of a member")
		}
		if i, _ = d.scan(i); i < 0 {
			return i
		}
		if i = d.space(i); d.at(i) != ':' {
			return d.syntax(i, `":"`)
		}
		if i = d.skip(d.space(i + 1)); i < 0 {
			return i
		}
		i = d.space(i)
		switch d.at(i) {
		case ',':
			i = d.space(i + 1)
		case '}':
			d.depth++
			return i + 1
		default:
			return d.syntax(i, `"," or "}"`)
		}
	}
}

func (d *decoder) skipArray(i int) int {
	if !d.enter(i) {
		return -1
	}
	if i = d.space(i + 1); d.at(i) == ']' {
		d.depth++
		return i + 1
	}
	for {
		if i = d.skip(i); i < 0 {
			return i
		}
		i = d.space(i)
		switch d.at(i) {
		case ',':
			i = d.space(i + 1)
		case ']':
			d.depth++
			return i + 1
		default:
			return d.syntax(i, `"," or "]"`)
		}
	}
}

// scan checks the string at i, and returns the position after it and whether it
// has escapes.
func (d *decoder) scan(i int) (end int, escaped bool) {
	start := i + 1
	n, ascii := run(d.data[start:])
	i = start + n
	if ascii && i < len(d.data) && d.data[i] == '"' {
		return i + 1, false
	}
	return d.scanRest(start, i, ascii)
}

// scanRest is scan from i on, where the string that starts at start is not over,
// or has more than ASCII before.
func (d *decoder) scanRest(start, i int, ascii bool) (end int, escaped bool) {
	var n int
	for ; i < len(d.data); i += n {
		switch d.data[i] {
		case '"':
			if !ascii && !utf8.Valid(d.data[start:i]) {
				return d.fail(start+invalidUTF8(d.data[start:i]), "a string that is not UTF-8"), false
			}
			return i + 1, escaped
		case '\\':
			escaped = true
			size := escape(d.data[i:])
			if size < 0 {
				return d.fail(i, "half a surrogate pair in a string"), false
			}
			if size == 0 {
				return d.fail(i, "an unknown escape in a string"), false
			}
			i += size
		default:
			return d.fail(i, "a control character in a string"), false
		}
		var plain bool
		n, plain = run(d.data[i:])
		ascii = ascii && plain
	}
	return d.syntax(len(d.data), "the end of a string"), false
}

func (d *decoder) literal(i int, text string) int {
	if end := i + len(text); end <= len(d.data) && string(d.data[i:end]) == text {
		return end
	}
	return d.syntax(i, text)
}

// space is the position of the first byte from i on that is no white space.
func (d *decoder) space(i int) int {
	if i < len(d.data) && d.data[i] > ' ' {
		return i
	}
	return d.allSpace(i)
}

func (d *decoder) allSpace(i int) int {
	for i < len(d.data) {
		switch d.data[i] {
		case ' ', '\n', '\t', '\r':
			i++
		default:
			return i
		}
	}
	return i
}

// at is the byte at i, 0 behind the end.
func (d *decoder) at(i int) byte {
	if i < len(d.data) {
		return d.data[i]
	}
	return 0
}

// syntax says what was expected at i.
func (d *decoder) syntax(i int, want string) int {
	if i >= len(d.data) {
		return d.fail(len(d.data), "the JSON ends where "+want+" was expected")
	}
	found := "byte 0x" + strconv.FormatUint(uint64(d.data[i]), 16)
	if r, size := utf8.DecodeRune(d.data[i:]); r != utf8.RuneError || size > 1 {
		found = strconv.Quote(string(r))
	}
	return d.fail(i, "no JSON: found "+found+" where "+want+" was expected")
}

func (d *decoder) fail(i int, message string) int {
	d.err = &SyntaxError{Offset: i, Message: message}
	return -1
}
