package proxy

import (
	"fmt"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// Paths are things in a path that servers read in different ways, so that what is
// matched and what is served need not be the same.
type Paths uint8

const (
	// EscapedSlash is %2F: a separator for some, text for others.
	EscapedSlash Paths = 1 << iota
	// EmptySegment is two slashes in a row, which many servers take for one, or nothing
	// but parameters between them.
	EmptySegment
	// DotSegment is a segment of one or two dots, escaped or not, with parameters or
	// without.
	DotSegment
	// Backslash is one, escaped or not: a separator for some.
	Backslash
	// PathParameter is a semicolon, behind which some servers see a parameter of the
	// segment and not a part of its name.
	PathParameter
)

// pathNames are those of the configuration.
var pathNames = map[string]Paths{
	"escaped_slash":  EscapedSlash,
	"empty_segment":  EmptySegment,
	"dot_segment":    DotSegment,
	"backslash":      Backslash,
	"path_parameter": PathParameter,
}

// ParsePaths makes a set of names: escaped_slash, empty_segment, dot_segment,
// backslash and path_parameter.
func ParsePaths(names []string) (Paths, error) {
	var set Paths
	for _, name := range names {
		one, ok := pathNames[name]
		if !ok {
			return 0, fmt.Errorf("there is no %q: want escaped_slash, empty_segment, dot_segment, backslash or path_parameter", name)
		}
		set |= one
	}
	return set, nil
}

// CheckPath reports what an escaped path has that servers read in different ways, if
// it is not allowed: nil if there is nothing. Malformed escapes, control characters,
// escaped or not, spaces, number signs and over-long forms of UTF-8 are never
// allowed. It allocates nothing for a path that is good.
func CheckPath(path string, allow Paths) *rpc.Error {
	if fault := checkPath(path, allow); fault != "" {
		err := rpc.Errorf(rpc.InvalidPath, "the path %.200q %s", path, fault)
		if name := allowances[fault]; name != "" {
			err.Cause = fmt.Errorf("allow_paths of the route does not have %s", name)
		}
		return err
	}
	return nil
}

const (
	faultRelative  = "does not begin with a slash"
	faultEscape    = "has a percent sign without two hexadecimal digits behind it"
	faultControl   = "has a control character"
	faultByte      = "has a space or a number sign, which must be escaped"
	faultOverlong  = "has an over-long form of a character in UTF-8"
	faultSlash     = "has an escaped slash (%2F)"
	faultEmpty     = "has an empty segment"
	faultDots      = "has a segment of dots"
	faultBackslash = "has a backslash"
	faultParameter = "has a semicolon, behind which some servers see a parameter"
)

// allowances are the names that let paths with a fault through, for who reads the log.
var allowances = map[string]string{
	faultSlash: "escaped_slash", faultEmpty: "empty_segment", faultDots: "dot_segment", faultBackslash: "backslash",
	faultParameter: "path_parameter",
}

// segment is what is known of the segment of a path that is being read.
type segment struct {
	// dots are those that it consists of so far.
	dots int
	// more says that there is something else, params that parameters have begun.
	more, params bool
}

// isDots reports whether the segment means this folder, or the one above.
func (s segment) isDots() bool { return !s.more && (s.dots == 1 || s.dots == 2) }

// isEmpty reports whether there is nothing in it but, perhaps, parameters.
func (s segment) isEmpty() bool { return !s.more && s.dots == 0 }

// add adds a byte. An escaped semicolon begins parameters for some, so that dots before
// it mean something; alone it is text.
func (s *segment) add(c byte, escaped bool) {
	switch {
	case s.params:
	case c == ';' && (!escaped || s.dots > 0 && !s.more):
		s.params = true
	case c == '.':
		s.dots++
	default:
		s.more = true
	}
}

func checkPath(path string, allow Paths) (fault string) {
	if path == "" || path[0] != '/' {
		return faultRelative
	}
	var s segment
	// last is the byte before, decoded.
	last := byte(0)
	for i := 1; i < len(path); i++ {
		c := path[i]
		// escaped text is never a separator for the segments of the gateway itself.
		escaped := c == '%'
		if escaped {
			if i+2 >= len(path) || unhex(path[i+1]) > 15 || unhex(path[i+2]) > 15 {
				return faultEscape
			}
			c = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
		}
		switch {
		case c < ' ' || c == 0x7f:
			return faultControl
		case !escaped && (c == ' ' || c == '#'):
			return faultByte
		case c == ';' && !escaped && allow&PathParameter == 0:
			return faultParameter
		case isOverlong(last, c):
			return faultOverlong
		case c == '/' && !escaped:
			if s.isEmpty() && allow&EmptySegment == 0 {
				return faultEmpty
			}
			if s.isDots() && allow&DotSegment == 0 {
				return faultDots
			}
			s = segment{}
		case c == '/' || c == '\\':
			if c == '/' && allow&EscapedSlash == 0 {
				return faultSlash
			}
			if c == '\\' && allow&Backslash == 0 {
				return faultBackslash
			}
			// Where it is taken for a separator, dots before it have a meaning.
			if s.isDots() && allow&DotSegment == 0 {
				return faultDots
			}
			s = segment{}
			// What is behind it is not empty for the gateway.
			if i+1 < len(path) && path[i+1] == '/' || i+1 == len(path) {
				s.more = true
			}
		default:
			s.add(c, escaped)
		}
		last = c
	}
	switch {
	case s.isDots() && allow&DotSegment == 0:
		return faultDots
	case s.isEmpty() && s.params && allow&EmptySegment == 0:
		return faultEmpty
	}
	return ""
}

// isOverlong reports whether two bytes are the beginning of a form of UTF-8 that is
// longer than it need be: some decoders take it for the character all the same
// (RFC 3629, section 10).
func isOverlong(first, second byte) bool {
	if second == 0xc0 || second == 0xc1 {
		return true
	}
	return first == 0xe0 && second >= 0x80 && second < 0xa0 || first == 0xf0 && second >= 0x80 && second < 0x90
}

// checkQuery reports what no query may have unescaped: it would be read as something
// else where it arrives. Everything else is sent as it came.
func checkQuery(query string) *rpc.Error {
	for i := range len(query) {
		if c := query[i]; c <= ' ' || c == 0x7f || c == '#' {
			return rpc.Errorf(rpc.InvalidQuery, "the query has %q, which must be escaped", c)
		}
	}
	return nil
}

// isPath reports whether net/url sends a byte of a path as it is.
func isPath(c byte) bool {
	switch {
	case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9':
		return true
	}
	switch c {
	case '-', '.', '_', '~', '!', '$', '&', '\'', '(', ')', '*', '+', ',', ';', '=', ':', '@', '/', '%', '[', ']':
		return true
	}
	return false
}

// escaped is a path with everything escaped that may not be there otherwise; what is
// escaped already stays as it is.
func escaped(path string) string {
	i := 0
	for i < len(path) && isPath(path[i]) {
		i++
	}
	if i == len(path) {
		return path
	}
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(path)+8)
	for i := range len(path) {
		if c := path[i]; isPath(c) {
			out = append(out, c)
		} else {
			out = append(out, '%', digits[c>>4], digits[c&15])
		}
	}
	return string(out)
}

// unescaped is a path decoded, whose escapes are well formed.
func unescaped(path string) string {
	i := 0
	for i < len(path) && path[i] != '%' {
		i++
	}
	if i == len(path) {
		return path
	}
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		c := path[i]
		if c == '%' {
			c = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
		}
		out = append(out, c)
	}
	return string(out)
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
