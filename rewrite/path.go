package rewrite

import (
	"errors"
	"fmt"
	"strings"
)

// Why a path cannot be sent.
var (
	errRelative     = errors.New("the path must begin with a slash")
	errAuthority    = errors.New("the path must not begin with two slashes")
	errDots         = errors.New("the path must not have a segment that is \".\" or \"..\"")
	errControl      = errors.New("the path must not have control characters")
	errNotMatched   = errors.New("the path does not begin with what is to be replaced")
	errHalf         = errors.New("the path has an escaped slash, %2F, of which only a part would be left")
	errLabel        = errors.New("the path does not have a name of letters, digits and hyphens where one is wanted for the host")
	errEmptySegment = errors.New("the path must not have empty segments")
)

// appendPiece appends escaped text of a request as it came, but for bytes that must
// be escaped: check sees through that. What is no escape is an error, as with what
// follows it could become one.
func appendPiece(dst []byte, escaped string) ([]byte, error) {
	for i := 0; i < len(escaped); i++ {
		switch c := escaped[i]; {
		case c == '%':
			if _, ok := unhex2(escaped[i+1:]); !ok {
				return dst, fmt.Errorf("malformed escape %q in the path: want two hexadecimal digits behind %%", escaped[i:min(i+3, len(escaped))])
			}
			dst = append(dst, escaped[i:i+3]...)
			i += 2
		case isPath[c]:
			dst = append(dst, c)
		default:
			dst = appendEscape(dst, c)
		}
	}
	return dst, nil
}

// check reports why a path, whose escapes are well formed, cannot be sent.
func check[T string | []byte](path T) error {
	switch {
	case len(path) == 0 || path[0] != '/':
		return errRelative
	case len(path) > 1 && path[1] == '/':
		return errAuthority
	}
	// dots are those that the segment consists of so far; more is that it has
	// something else, over that only parameters follow.
	dots, more, over := 0, false, false
	for i := 1; i <= len(path); i++ {
		c := byte('/')
		if i < len(path) {
			if c = path[i]; c == '%' {
				c = unhex(path[i+1])<<4 | unhex(path[i+2])
				i += 2
			}
		}
		switch {
		case isControl(c):
			return errControl
		case c == '/' || c == '\\':
			if !more && (dots == 1 || dots == 2) {
				return errDots
			}
			dots, more, over = 0, false, false
		case over:
		case c == ';':
			over = true
		case c == '.':
			dots++
		default:
			more = true
		}
	}
	return nil
}

// behind is where in an escaped path that begins with matched, which is decoded but
// for escaped slashes, the rest of it begins.
func behind(path, matched string) (at int, ok bool) {
	for len(matched) > 0 {
		if at == len(path) {
			return 0, false
		}
		c, size, taken := path[at], 1, 1
		if c == '%' {
			if c, ok = unhex2(path[at+1:]); !ok {
				return 0, false
			}
			size = 3
		}
		if size == 3 && c == '/' {
			if taken = 3; len(matched) < 3 || !strings.EqualFold(matched[:3], path[at:at+3]) {
				return 0, false
			}
		} else if matched[0] != c {
			return 0, false
		}
		at, matched = at+size, matched[taken:]
	}
	return at, true
}

// isPath says which bytes may stand unescaped in a path: those of pchar of RFC 3986,
// and the slash.
var isPath = func() (set [256]bool) {
	for c := range set {
		b := byte(c)
		set[c] = b|0x20 >= 'a' && b|0x20 <= 'z' || isDigit(b) || strings.IndexByte("-._~!$&'()*+,;=:@/", b) >= 0
	}
	return set
}()

func isControl(c byte) bool { return c < ' ' || c == 0x7f }

func appendEscape(dst []byte, c byte) []byte {
	const digits = "0123456789ABCDEF"
	return append(dst, '%', digits[c>>4], digits[c&15])
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
	case isDigit(c):
		return c - '0'
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10
	}
	return 16
}
