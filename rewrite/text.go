package rewrite

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/internal/near"
)

// text is text of the operator with variables in it.
type text []part

// part is one of its parts: a variable, or text, which is then escaped and not
// empty.
type part struct {
	literal string
	// variable is its index, or -1.
	variable int
}

// sample is the text with a letter in place of each variable.
func (t text) sample() string {
	var b strings.Builder
	for _, p := range t {
		if p.variable < 0 {
			b.WriteString(p.literal)
		} else {
			b.WriteByte('x')
		}
	}
	return b.String()
}

// parseText reads a path with variables. What may not stand in a path is escaped,
// if it can only be meant.
func parseText(field, in string, vars []string) (text, error) {
	return parse(field, in, vars, func(dst []byte, i int) ([]byte, int, error) {
		fail := func(format string, args ...any) ([]byte, int, error) {
			return dst, 0, &Error{Field: field, Offset: i, Message: fmt.Sprintf(format, args...) + fmt.Sprintf(", at offset %d of %q", i, in)}
		}
		c := in[i]
		switch {
		case c == '*' && field == "path":
			return fail("want {variable} for what a wildcard has captured, or %%2A for an asterisk")
		case c == '\\' && i+1 < len(in) && isDigit(in[i+1]):
			return fail("want {%c} instead of %q", in[i+1], in[i:i+2])
		case c == '$' && field == "regex.substitution" && i+1 < len(in) && (isDigit(in[i+1]) || in[i+1] == '{'):
			return fail("want {1} or {name} for a group, or %%24 for a dollar sign")
		case c == '%':
			v, ok := unhex2(in[i+1:])
			if !ok {
				return fail("malformed escape: want two hexadecimal digits behind %%, or %%25 for a percent sign")
			}
			if isControl(v) {
				return fail("%s is a control character, which no path may have", in[i:i+3])
			}
			return append(dst, in[i:i+3]...), 3, nil
		case isPath[c]:
			return append(dst, c), 1, nil
		case strings.IndexByte(`?#\}`, c) >= 0:
			return fail("%q cannot be in a path: want %%%02X, if it is meant", string(rune(c)), c)
		case isControl(c):
			return fail("%q is a control character, which no path may have", string(rune(c)))
		}
		_, n := utf8.DecodeRuneInString(in[i:])
		for _, c := range []byte(in[i : i+n]) {
			dst = appendEscape(dst, c)
		}
		return dst, n, nil
	})
}

// parse reads text with variables, of whose other bytes literal appends those at i
// and says how many they are.
func parse(field, in string, vars []string, literal func(dst []byte, i int) ([]byte, int, error)) (text, error) {
	if !utf8.ValidString(in) {
		return nil, &Error{Field: field, Message: fmt.Sprintf("%q is not valid UTF-8", in)}
	}
	var t text
	var pending []byte
	for i := 0; i < len(in); {
		if in[i] != '{' {
			var n int
			var err error
			if pending, n, err = literal(pending, i); err != nil {
				return nil, err
			}
			i += n
			continue
		}
		end := strings.IndexByte(in[i:], '}')
		if end < 0 {
			return nil, &Error{Field: field, Offset: i, Message: fmt.Sprintf("want } behind the variable at offset %d of %q, or %%7B for a brace", i, in)}
		}
		name := in[i+1 : i+end]
		index := slices.Index(vars, name)
		if index < 0 {
			return nil, &Error{Field: field, Offset: i, Message: unknown(name, vars) + fmt.Sprintf(", at offset %d of %q", i, in)}
		}
		if len(pending) > 0 {
			t, pending = append(t, part{literal: string(pending), variable: -1}), nil
		}
		t = append(t, part{variable: index})
		i += end + 1
	}
	if len(pending) > 0 {
		t = append(t, part{literal: string(pending), variable: -1})
	}
	return t, nil
}

// unknown says that there is no variable of a name, and which there are.
func unknown(name string, vars []string) string {
	if short, _, found := strings.Cut(name, "="); found && slices.Contains(vars, short) {
		return fmt.Sprintf("want {%s} instead of {%s}: the match says what it captures", short, name)
	}
	if len(vars) == 0 {
		return fmt.Sprintf("unknown variable %q: the match captures none", name)
	}
	if meant := near.Name(name, vars, 2); meant != "" {
		return fmt.Sprintf("unknown variable %q: want %q?", name, meant)
	}
	return fmt.Sprintf("unknown variable %q: want one of %s", name, strings.Join(vars, ", "))
}

// maxHost is how long the name of a host may be (RFC 1035, section 3.1), and, with
// variables in it, all of the host.
const maxHost = 255

// parseHost reads a host with variables.
func parseHost(in string, vars []string) (text, error) {
	fail := func(i int, message string) error {
		return &Error{Field: "host", Offset: i, Message: fmt.Sprintf("%s, at offset %d of %q", message, i, in)}
	}
	t, err := parse("host", in, vars, func(dst []byte, i int) ([]byte, int, error) {
		if c := in[i]; !isLabelByte(c) && strings.IndexByte(".:[]", c) < 0 {
			return dst, 0, fail(i, fmt.Sprintf("want letters, digits, hyphens and dots in a host, not %q", in[i:i+1]))
		}
		return append(dst, in[i]), 1, nil
	})
	if err != nil {
		return nil, err
	}
	if !ValidHost(t.sample()) {
		return nil, fail(0, "want a host, or host:port")
	}
	return t, nil
}

// ValidHost reports whether a host, with or without a port, is a name, an IPv4
// address or an IPv6 address in brackets, and nothing that could be read as more
// than that where it stands in a URL. Names may have underscores.
func ValidHost(host string) bool {
	if rest, ok := strings.CutPrefix(host, "["); ok {
		address, port, ok := strings.Cut(rest, "]")
		if !ok || !isAddress(address) {
			return false
		}
		return port == "" || port[0] == ':' && isPort(port[1:])
	}
	name, port, found := strings.Cut(host, ":")
	if found && !isPort(port) || name == "" || len(name) > maxHost {
		return false
	}
	for i := range len(name) {
		if c := name[i]; !isLabelByte(c) && (c != '.' || i == 0 || name[i-1] == '.') {
			return false
		}
	}
	return true
}

// isAddress reports whether text could be an IPv6 address: whether it is one is for
// whoever dials it.
func isAddress(text string) bool {
	for i := range len(text) {
		if c := text[i]; c != ':' && c != '.' && unhex(c) > 15 {
			return false
		}
	}
	return strings.Count(text, ":") >= 2
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0 && text[0] != '+'
}

func isLabel(text string) bool {
	for i := range len(text) {
		if !isLabelByte(text[i]) {
			return false
		}
	}
	return text != ""
}

func isLabelByte(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || isDigit(c) || c == '-' || c == '_'
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
