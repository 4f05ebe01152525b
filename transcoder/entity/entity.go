// Package entity makes and compares the entity tags of answers (RFC 9110, sections
// 8.8.3 and 13.1.2).
package entity

import (
	"crypto/sha256"
	"encoding/base64"
	"strings"
)

// Tag is the tag of an answer with these bytes. It is strong, so two answers must
// not have the same by anybody's effort: 128 bits of a cryptographic hash are
// enough for that, and half as long.
func Tag(body []byte) string {
	sum := sha256.Sum256(body)
	return `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
}

// NoneMatch reports whether the values of If-None-Match have the tag, or any, by
// the weak comparison of RFC 9110, section 13.1.2. A list ends where it is no list
// of tags.
func NoneMatch(values []string, tag string) bool {
	tag = strings.TrimPrefix(tag, "W/")
	for _, list := range values {
		if strings.TrimSpace(list) == "*" {
			return true
		}
		for {
			list = strings.TrimPrefix(strings.TrimLeft(list, " \t,"), "W/")
			if !strings.HasPrefix(list, `"`) {
				break
			}
			end := strings.IndexByte(list[1:], '"')
			if end < 0 {
				break
			}
			if list[:end+2] == tag {
				return true
			}
			list = list[end+2:]
		}
	}
	return false
}
