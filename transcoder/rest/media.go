package rest

import (
	"net/http"
	"strings"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// octetStream is the media type of bytes of which nobody says what they are (RFC
// 9110, section 8.3).
const octetStream = "application/octet-stream"

// patterns are media types that a google.api.HttpBody may have, in lower case, in
// which a star stands for any text; empty for any.
type patterns []string

// allow reports whether a media type, with parameters or not, is among them.
func (p patterns) allow(contentType string) bool {
	if len(p) == 0 {
		return true
	}
	media, _, _ := strings.Cut(contentType, ";")
	media = strings.ToLower(strings.TrimSpace(media))
	for _, pattern := range p {
		if matches(pattern, media) {
			return true
		}
	}
	return false
}

// matches reports whether text is what the pattern says, in which a star stands
// for any text.
func matches(pattern, text string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	text, ok := strings.CutPrefix(text, first)
	if !ok || !star {
		return ok && text == ""
	}
	// Each piece between stars is taken where it is first found; the last one is
	// the end.
	for {
		var piece string
		if piece, rest, star = strings.Cut(rest, "*"); !star {
			return strings.HasSuffix(text, piece)
		}
		_, after, found := strings.Cut(text, piece)
		if !found {
			return false
		}
		text = after
	}
}

// isMediaType reports whether text can stand in a Content-Type: type and subtype,
// and printable ASCII behind them.
func isMediaType(text string) bool {
	for i := range len(text) {
		if c := text[i]; c != '\t' && (c < ' ' || c > '~') {
			return false
		}
	}
	media, _, _ := strings.Cut(text, ";")
	kind, sub, ok := strings.Cut(strings.TrimRight(media, " \t"), "/")
	return ok && isToken(kind) && isToken(sub)
}

// isToken reports whether text is a token of RFC 9110, section 5.6.2.
func isToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0:
		default:
			return false
		}
	}
	return text != ""
}

// checkMedia refuses a body of a media type that the rule does not take.
func (l *rule) checkMedia(r *http.Request) *rpc.Error {
	empty := r.Body == nil || r.ContentLength == 0
	if !l.plan.TakesHTTPBody() {
		if empty || !l.plan.TakesBody() {
			return nil
		}
		return checkMedia(r.Header)
	}
	contentType := contentTypeOf(r.Header)
	switch {
	case contentType == "" && empty:
		return nil
	case contentType == "":
		contentType = octetStream
	case !isMediaType(contentType):
		return rpc.Errorf(rpc.UnsupportedMediaType, "content-type %.100q is not a media type: send one such as image/png", contentType)
	}
	if allowed := patterns(l.settings.ContentTypes); !allowed.allow(contentType) {
		return rpc.Errorf(rpc.UnsupportedMediaType, "content-type %.100q is not allowed here: send one of %s", contentType, strings.Join(allowed, ", "))
	}
	return nil
}

// contentTypeOf is the Content-Type as it came, empty if there is none.
func contentTypeOf(h http.Header) string {
	if values := h["Content-Type"]; len(values) > 0 {
		return strings.TrimSpace(values[0])
	}
	return ""
}
