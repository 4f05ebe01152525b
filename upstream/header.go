package upstream

import "strings"

// IsHeader reports whether a server may take name for the header of that name: some make
// variables of names, where hyphens are underscores.
func IsHeader(name, header string) bool {
	return len(name) == len(header) && strings.EqualFold(strings.ReplaceAll(name, "_", "-"), header)
}
