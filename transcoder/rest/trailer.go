package rest

import (
	"net/http"
	"strings"
)

// takesTrailers reports whether trailers of the upstream can be HTTP trailers: the
// client said TE: trailers (RFC 9110, section 6.5.1), in a version of HTTP that
// has them, and the answer has a body to put them behind.
func takesTrailers(r *http.Request) bool {
	values := r.Header["Te"]
	if len(values) == 0 || !r.ProtoAtLeast(1, 1) || r.Method == http.MethodHead {
		return false
	}
	for _, list := range values {
		for one := range strings.SplitSeq(list, ",") {
			one, _, _ = strings.Cut(one, ";")
			if strings.EqualFold(strings.TrimSpace(one), "trailers") {
				return true
			}
		}
	}
	return false
}
