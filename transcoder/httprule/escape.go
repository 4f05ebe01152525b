package httprule

import (
	"errors"
	"fmt"
	"strings"
)

// EscapeError is a percent sign that is not followed by two hexadecimal digits.
type EscapeError struct {
	// Text is the malformed escape: at most three bytes.
	Text string
	// Offset is where it begins, in bytes of the escaped text.
	Offset int
}

func (e *EscapeError) Error() string {
	return fmt.Sprintf("malformed escape %q at offset %d: want two hexadecimal digits after %%", e.Text, e.Offset)
}

// Slashes is what becomes of %2F, an escaped slash, when text is unescaped.
type Slashes uint8

const (
	// Decoded makes a slash of it.
	Decoded Slashes = iota
	// Kept leaves it as it is.
	Kept
	// Refused makes an error of it, [ErrSlash].
	Refused
)

// Slashes is what e makes of an escaped slash in a variable; multi is that of a
// variable that takes several segments.
func (e Escapes) Slashes(multi bool) Slashes {
	switch {
	case e == RejectSlashes:
		return Refused
	case e == KeepSlashes, e == Standard && multi:
		return Kept
	}
	return Decoded
}

// ErrSlash is an escaped slash where none may be.
var ErrSlash = errors.New("an escaped slash, %2F, is not accepted here")

// AppendUnescaped percent-decodes escaped once and appends it to dst. slashes
// says what becomes of %2F and %2f. A plus is a plus. An error is an
// [*EscapeError] or [ErrSlash]; dst is then returned as it came. The result need
// not be valid UTF-8: that is for whoever knows that it must be text.
func AppendUnescaped(dst []byte, escaped string, slashes Slashes) ([]byte, error) {
	out := dst
	for done := 0; ; {
		i := strings.IndexByte(escaped[done:], '%')
		if i < 0 {
			return append(out, escaped[done:]...), nil
		}
		out = append(out, escaped[done:done+i]...)
		done += i
		c, ok := unhex2(escaped[done+1:])
		switch {
		case !ok:
			return dst, &EscapeError{Text: escaped[done:min(done+3, len(escaped))], Offset: done}
		case c != '/' || slashes == Decoded:
			out = append(out, c)
		case slashes == Kept:
			out = append(out, escaped[done:done+3]...)
		default:
			return dst, ErrSlash
		}
		done += 3
	}
}

// AppendLiteral appends text as a literal of a template: what RFC 3986 allows in a
// segment stays as it is, but for * and :.
func AppendLiteral(dst []byte, text string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(text) {
		if c := text[i]; isText(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// AppendValue appends one segment of a variable's value as a path has it:
// percent-encoded but for unreserved characters, as google/api/http.proto says.
func AppendValue(dst, value []byte) []byte {
	const digits = "0123456789ABCDEF"
	for _, c := range value {
		if isLetter(c) || isDigit(c) || c == '-' || c == '.' || c == '~' {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		}
	}
	return dst
}

// unhex2 reads the two hexadecimal digits that s begins with.
func unhex2(s string) (byte, bool) {
	if len(s) < 2 {
		return 0, false
	}
	hi, lo := unhex(s[0]), unhex(s[1])
	return hi<<4 | lo, hi < 16 && lo < 16
}

// unhex is the value of a hexadecimal digit, or 16 for anything else.
func unhex(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 16
}
