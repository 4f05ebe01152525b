package route

import "strings"

// hosts leads from a request's host to the roots of trees. Its slices are
// sorted by name.
type hosts struct {
	exact, suffix []host // suffix has the names without "*."
	any           ref
}

type host struct {
	name string
	root ref
}

// find is the root for name, whose case does not matter, or 0.
func find(hosts []host, name string) ref {
	lo, hi := 0, len(hosts)
	for lo < hi {
		mid := int(uint(lo+hi) / 2)
		switch c := compareFold(hosts[mid].name, name); {
		case c == 0:
			return hosts[mid].root
		case c < 0:
			lo = mid + 1
		default:
			hi = mid
		}
	}
	return 0
}

// compareFold compares lower, which is in lower case, with name in any case.
func compareFold(lower, name string) int {
	for i := range min(len(lower), len(name)) {
		if c := toLower(name[i]); lower[i] != c {
			return int(lower[i]) - int(c)
		}
	}
	return len(lower) - len(name)
}

func toLower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// trimHost is h without its port, the brackets of an IPv6 address, and the dot
// that ends a fully qualified name.
func trimHost(h string) string {
	if strings.HasPrefix(h, "[") {
		if i := strings.IndexByte(h, ']'); i >= 0 {
			return h[1:i]
		}
		return h
	}
	if i := strings.IndexByte(h, ':'); i >= 0 && i == strings.LastIndexByte(h, ':') {
		h = h[:i]
	}
	return strings.TrimSuffix(h, ".")
}

// FitsHost reports whether a request with this Host header may reach an entry
// with these Hosts. It is for the rare case in which there is no table to ask.
func FitsHost(patterns []string, host string) bool {
	host = trimHost(host)
	for _, p := range patterns {
		name, err := hostPattern(p)
		if err != nil {
			continue
		}
		if name == "" {
			return true
		}
		if suffix, ok := strings.CutPrefix(name, "*"); ok {
			at := len(host) - len(suffix)
			if at > 0 && compareFold(suffix, host[at:]) == 0 {
				return true
			}
		} else if compareFold(name, host) == 0 {
			return true
		}
	}
	return len(patterns) == 0
}
