package forwarded

import (
	"net/netip"
	"strings"
)

// element is one element of Forwarded (RFC 7239, section 4): what a proxy tells of who
// asked it.
type element struct {
	by, scheme, host string
}

// standard makes c the client that lines of Forwarded tell of behind peer.
func (n Networks) standard(c *Client, peer netip.Addr, lines []string) {
	known, hops := peer, 0
	for i := len(lines) - 1; i >= 0; i-- {
		elements, ok := split(lines[i])
		if !ok {
			break
		}
		for j := len(elements) - 1; j >= 0; j-- {
			e, ok := parseElement(elements[j])
			addr, okAddr := parseAddress(e.by)
			if !ok || !okAddr {
				c.Address = known.String()
				return
			}
			if scheme, ok := parseScheme(e.scheme); ok {
				c.Scheme = scheme
			}
			if validHost(e.host) {
				c.Host = e.host
			}
			if known = addr; !n.Contains(addr) || hops == maxHops {
				c.Address = known.String()
				return
			}
			hops++
		}
	}
	c.Address = known.String()
}

// split splits a line at the commas that are in no quoted string. It is false if one
// does not end.
func split(line string) (elements []string, ok bool) {
	start, quoted := 0, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case c == ',' && !quoted:
			elements = append(elements, line[start:i])
			start = i + 1
		}
	}
	return append(elements, line[start:]), !quoted
}

// parseElement reads name=value pairs with semicolons between them. It is false if one
// is malformed or there twice.
func parseElement(text string) (element, bool) {
	var e element
	seen := [3]bool{}
	for text = strings.TrimSpace(text); text != ""; {
		name, rest, ok := strings.Cut(text, "=")
		if !ok {
			return element{}, false
		}
		value, rest, ok := parseValue(rest)
		if !ok {
			return element{}, false
		}
		at := -1
		switch name = strings.TrimSpace(name); {
		case strings.EqualFold(name, "for"):
			at, e.by = 0, value
		case strings.EqualFold(name, "proto"):
			at, e.scheme = 1, value
		case strings.EqualFold(name, "host"):
			at, e.host = 2, value
		}
		if at >= 0 {
			if seen[at] {
				return element{}, false
			}
			seen[at] = true
		}
		rest = strings.TrimSpace(rest)
		if rest != "" && rest[0] != ';' {
			return element{}, false
		}
		text = strings.TrimSpace(strings.TrimPrefix(rest, ";"))
	}
	return e, true
}

// parseValue reads a token or a quoted string (RFC 9110, section 5.6.4).
func parseValue(text string) (value, rest string, ok bool) {
	if !strings.HasPrefix(text, `"`) {
		end := strings.IndexAny(text, "; \t\"")
		if end < 0 {
			end = len(text)
		}
		return text[:end], text[end:], end > 0
	}
	var unescaped []byte
	for i := 1; i < len(text); i++ {
		switch text[i] {
		case '"':
			return string(unescaped), text[i+1:], true
		case '\\':
			if i++; i == len(text) {
				return "", "", false
			}
		}
		unescaped = append(unescaped, text[i])
	}
	return "", "", false
}

// appendNode appends an address as Forwarded has it: those of IPv6 in brackets and
// quotes (RFC 7239, section 6).
func appendNode(dst []byte, address string) []byte {
	if strings.IndexByte(address, ':') < 0 {
		return append(dst, address...)
	}
	dst = append(dst, `"[`...)
	dst = append(dst, address...)
	return append(dst, `]"`...)
}

// appendQuoted appends a host, which must be quoted if it has a port.
func appendQuoted(dst []byte, text string) []byte {
	dst = append(dst, '"')
	for i := range len(text) {
		if c := text[i]; c == '"' || c == '\\' {
			dst = append(dst, '\\')
		}
		dst = append(dst, text[i])
	}
	return append(dst, '"')
}
