package route

import (
	"net/http"
	"strings"
)

// EscapedPath is the path as it came, neither decoded nor cleaned.
func EscapedPath(r *http.Request) string {
	if strings.HasPrefix(r.RequestURI, "/") {
		path, _, _ := strings.Cut(r.RequestURI, "?")
		return path
	}
	return r.URL.EscapedPath()
}

// MethodWebSocket stands for an upgrade to a WebSocket where an [Entry] or a
// [Request] has an HTTP method.
const MethodWebSocket = "WEBSOCKET"

// Upgrades reports whether r asks to become a WebSocket (RFC 6455, section 4.2.1).
// HTTP/2 has another way to ask (RFC 8441), which the gateway does not offer, so
// that clients come by HTTP/1.1.
func Upgrades(r *http.Request) bool {
	upgrade := r.Header["Upgrade"]
	return len(upgrade) > 0 && r.ProtoMajor == 1 && r.Method == http.MethodGet &&
		hasToken(upgrade, "websocket") && hasToken(r.Header["Connection"], "upgrade")
}

// hasToken reports whether a header that is a list has a token, in any case.
func hasToken(values []string, token string) bool {
	for _, list := range values {
		for one := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(one), token) {
				return true
			}
		}
	}
	return false
}

// SpeaksGRPC reports whether a request is native gRPC by its content type.
func SpeaksGRPC(r *http.Request) bool {
	values := r.Header["Content-Type"]
	return len(values) > 0 && isMediaType(values[0], "application/grpc")
}
