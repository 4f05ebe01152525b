package proto

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// cleanPattern checks a pattern of the configuration.
func cleanPattern(pattern string) (string, error) {
	clean := strings.TrimPrefix(pattern, "./")
	if !fs.ValidPath(clean) || clean == "." {
		return "", fmt.Errorf("files: %q must be a path below a root, with slashes and without %q", pattern, "..")
	}
	for _, segment := range strings.Split(clean, "/") {
		if _, err := path.Match(segment, ""); err != nil {
			return "", fmt.Errorf("files: %q: %q is not closed or ends in a backslash", pattern, segment)
		}
	}
	return clean, nil
}

// isPattern reports whether pattern may match anything but itself.
func isPattern(pattern string) bool { return strings.ContainsAny(pattern, `*?[\`) }

// match reports whether name fits pattern: segment by segment as path.Match has
// it, and "**" for any number of segments, none included.
func match(pattern, name string) bool {
	return matchSegments(strings.Split(pattern, "/"), strings.Split(name, "/"))
}

// matchSegments remembers only the last "**": what an earlier one took can stay
// as it is, because the later one takes whatever follows.
func matchSegments(pattern, name []string) bool {
	p, n := 0, 0
	retryP, retryN := -1, 0
	for n < len(name) {
		if p < len(pattern) && pattern[p] == "**" {
			retryP, retryN = p+1, n
			p++
			continue
		}
		if p < len(pattern) {
			if ok, _ := path.Match(pattern[p], name[n]); ok {
				p++
				n++
				continue
			}
		}
		if retryP < 0 {
			return false
		}
		retryN++
		p, n = retryP, retryN
	}
	for p < len(pattern) && pattern[p] == "**" {
		p++
	}
	return p == len(pattern)
}
