package compress

import "strings"

// A strong entity tag stands for certain bytes, so the compressed form of an
// answer has one of its own (RFC 9110, 8.8.3.3): that of the handler with the
// coding's suffix, "33a6-gzip". What clients send back is the handler's again
// once the suffix is off. Weak tags stand for all forms and stay as they are;
// caches make weak ones of strong ones, so the suffix is taken off of both.

// tag is a strong entity tag with the coding's suffix, and any other as it is.
func (c *coding) tag(etag string) string {
	if !strings.HasPrefix(etag, `"`) || !strings.HasSuffix(etag, `"`) || len(etag) < 2 {
		return etag
	}
	return etag[:len(etag)-1] + c.suffix + `"`
}

// taggedIn reports whether a tag in the lists has the coding's suffix.
func (c *coding) taggedIn(lists []string) bool {
	for _, list := range lists {
		if strings.Contains(list, c.suffix+`"`) {
			return true
		}
	}
	return false
}

// untag is the lists without the coding's suffix. Quotes cannot be within a tag.
func (c *coding) untag(lists []string) []string {
	out := make([]string, len(lists))
	for i, list := range lists {
		out[i] = strings.ReplaceAll(list, c.suffix+`"`, `"`)
	}
	return out
}

// lists reports whether etag is in the lists, as it is or as a weak one.
func lists(in []string, etag string) bool {
	for _, list := range in {
		if strings.Contains(list, etag) {
			return true
		}
	}
	return false
}
