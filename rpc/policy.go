package rpc

import "strings"

// HeaderPolicy narrows which metadata crosses the gateway in one direction. The
// zero value passes everything that the protocol's own rules let through.
type HeaderPolicy struct {
	// Allow, if not empty, lists the only names that pass. Deny lists names
	// that do not pass, and wins. Names are in lower case; a name that ends in
	// "*" is a prefix.
	Allow, Deny []string
}

// Passes reports whether name (lower case) may cross.
func (p *HeaderPolicy) Passes(name string) bool {
	if len(p.Deny) > 0 && matches(p.Deny, name) {
		return false
	}
	return len(p.Allow) == 0 || matches(p.Allow, name)
}

func matches(patterns []string, name string) bool {
	for _, p := range patterns {
		if prefix, ok := strings.CutSuffix(p, "*"); ok {
			if strings.HasPrefix(name, prefix) {
				return true
			}
		} else if p == name {
			return true
		}
	}
	return false
}
