package upstream

import "strings"

// HeaderBegins reports whether a server may take name for a header whose name begins so.
func HeaderBegins(name, prefix string) bool {
	return len(name) >= len(prefix) && IsHeader(name[:len(prefix)], prefix)
}

// IsHeader reports whether a server may take name for the header of that name: some make
// variables of names, where hyphens are underscores.
func IsHeader(name, header string) bool {
	return len(name) == len(header) && strings.EqualFold(strings.ReplaceAll(name, "_", "-"), header)
}
