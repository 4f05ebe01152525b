package validate

import (
	"strings"
	"unicode/utf8"
)

// The syntax of URIs is RFC 3986, appendix A, with zones of IPv6 addresses as RFC
// 6874 writes them. A URI is cut where its delimiters say, and every piece checked
// against the characters that it may have.

const subDelims = "!$&'()*+,;="

// A hyphen between two characters makes a range, so it comes last.
var (
	alpha      = chars("A-Za-z")
	schemeTail = chars("0-9A-Za-z+.-")
	unreserved = chars("0-9A-Za-z._~-")
	nameChars  = chars(subDelims + "0-9A-Za-z._~-")
	userChars  = chars(subDelims + ":0-9A-Za-z._~-")
	pathChars  = chars(subDelims + ":@0-9A-Za-z._~-")
	queryChars = chars(subDelims + ":@/?0-9A-Za-z._~-")
)

func isURI(s string) bool {
	scheme, rest, ok := strings.Cut(s, ":")
	return ok && scheme != "" && alpha[scheme[0]] && all(scheme, schemeTail) && hierarchy(rest, false)
}

func isURIReference(s string) bool { return isURI(s) || hierarchy(s, true) }

// hierarchy reports whether s is what follows a scheme, or a relative reference.
func hierarchy(s string, relative bool) bool {
	s, fragment, _ := strings.Cut(s, "#")
	s, query, _ := strings.Cut(s, "?")
	if !escaped(fragment, queryChars) || !escaped(query, queryChars) {
		return false
	}
	if after, ok := strings.CutPrefix(s, "//"); ok {
		end := strings.IndexByte(after, '/')
		if end < 0 {
			end = len(after)
		}
		return authority(after[:end]) && path(after[end:])
	}
	if relative {
		// A colon in the first segment would be the end of a scheme.
		first, _, _ := strings.Cut(s, "/")
		if strings.IndexByte(first, ':') >= 0 {
			return false
		}
	}
	return path(s)
}

func path(s string) bool {
	for {
		segment, rest, more := strings.Cut(s, "/")
		if !escaped(segment, pathChars) {
			return false
		}
		if !more {
			return true
		}
		s = rest
	}
}

func authority(s string) bool {
	if user, host, ok := strings.Cut(s, "@"); ok {
		if !escaped(user, userChars) {
			return false
		}
		s = host
	}
	if after, ok := strings.CutPrefix(s, "["); ok {
		literal, port, ok := strings.Cut(after, "]")
		return ok && ipLiteral(literal) && (port == "" || port[0] == ':' && all(port[1:], digits))
	}
	host, port, _ := strings.Cut(s, ":")
	return all(port, digits) && escaped(host, nameChars) && escapesUTF8(host)
}

// ipLiteral is what stands between brackets.
func ipLiteral(s string) bool {
	if after, ok := strings.CutPrefix(s, "v"); ok {
		version, rest, _ := strings.Cut(after, ".")
		return version != "" && all(version, hex) && rest != "" && all(rest, userChars)
	}
	host, zone, zoned := strings.Cut(s, "%25")
	if zoned && (zone == "" || !escaped(zone, unreserved) || !escapesUTF8(zone)) {
		return false
	}
	_, ok := address(host, 6)
	return ok
}

// escaped reports whether s has no other characters but for whole escapes.
func escaped(s string, of *set) bool {
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) && hex[s[i+1]] && hex[s[i+2]] {
			i += 2
		} else if !of[s[i]] {
			return false
		}
	}
	return true
}

// escapesUTF8 reports whether the escapes of s, which are whole, are those of UTF-8
// (RFC 3986, section 3.2.2).
func escapesUTF8(s string) bool {
	if strings.IndexByte(s, '%') < 0 {
		return true
	}
	var r [utf8.UTFMax]byte
	n := 0
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			if n > 0 {
				return false
			}
			continue
		}
		r[n] = unhex(s[i+1])<<4 | unhex(s[i+2])
		n++
		i += 2
		if utf8.FullRune(r[:n]) {
			if c, size := utf8.DecodeRune(r[:n]); c == utf8.RuneError && size < 2 {
				return false
			}
			n = 0
		}
	}
	return n == 0
}

func unhex(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c <= 'F':
		return c - 'A' + 10
	default:
		return c - 'a' + 10
	}
}
