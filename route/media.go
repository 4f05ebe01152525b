package route

import "strings"

// isMediaType reports whether a Content-Type header is of the media type want,
// in lower case: itself, or with a structured suffix (RFC 6839) such as the
// codec that gRPC appends. Parameters do not matter.
func isMediaType(header, want string) bool {
	if i := strings.IndexByte(header, ';'); i >= 0 {
		header = header[:i]
	}
	header = strings.Trim(header, " \t")
	if len(header) < len(want) || compareFold(want, header[:len(want)]) != 0 {
		return false
	}
	return len(header) == len(want) || header[len(want)] == '+'
}
