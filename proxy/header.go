package proxy

import (
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/forwarded"
	"github.com/dragoman-gateway/dragoman/header"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// isHop reports whether a header, by its canonical name, is about one connection and
// not about the message (RFC 9110, section 7.6.1), or about how the message is framed,
// which each connection does by itself.
func isHop(name string) bool {
	switch name {
	case "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Authentication-Info",
		"Te", "Trailer", "Transfer-Encoding", "Upgrade", "Http2-Settings":
		return true
	}
	return false
}

// DropNamed removes the headers that the Connection header of a request names, and
// their names from it. It is called before anything looks at the request: what is set
// for the upstream later cannot be named by the client then.
func DropNamed(h http.Header) {
	lines := h["Connection"]
	if len(lines) == 0 {
		return
	}
	kept := 0
	for _, line := range lines {
		for token := range strings.SplitSeq(line, ",") {
			if name := textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(token)); isOption(name) {
				kept++
			} else {
				delete(h, name)
			}
		}
	}
	if kept == 0 {
		delete(h, "Connection")
		return
	}
	h["Connection"] = options(lines)
}

// isOption reports whether what Connection names, in canonical form, is about the
// connection itself. The headers of these names are not passed on anyway.
func isOption(name string) bool {
	return name == "Close" || isHop(name)
}

// options are the tokens of a Connection header that are about the connection.
func options(lines []string) []string {
	if len(lines) == 1 && strings.IndexByte(lines[0], ',') < 0 {
		return lines
	}
	var out []string
	for _, line := range lines {
		for token := range strings.SplitSeq(line, ",") {
			if token = strings.TrimSpace(token); isOption(textproto.CanonicalMIMEHeaderKey(token)) {
				out = append(out, token)
			}
		}
	}
	return out
}

// dropNamed removes from out what the Connection header of h names.
func dropNamed(out, h http.Header) {
	for _, line := range h["Connection"] {
		for token := range strings.SplitSeq(line, ",") {
			token = strings.TrimSpace(token)
			if token == "" || strings.EqualFold(token, "close") || strings.EqualFold(token, "keep-alive") {
				continue
			}
			delete(out, textproto.CanonicalMIMEHeaderKey(token))
		}
	}
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

// checkTwins refuses a header whose name has underscores if there is one of the same
// name with hyphens, if that is one that only the gateway may send, or if the route
// decides about that: to servers that make variables of names, as CGI does, they are the
// same. edits and entry may be nil.
func checkTwins(h http.Header, edits *header.Edits, entry *route.Entry) *rpc.Error {
	for name := range h {
		if strings.IndexByte(name, '_') < 0 {
			continue
		}
		twin := textproto.CanonicalMIMEHeaderKey(strings.ReplaceAll(name, "_", "-"))
		_, both := h[twin]
		if both || isHop(twin) || forwarded.Is(twin) || twin == "Host" || twin == "Content-Length" ||
			edits.Decides(twin) && !edits.Decides(name) || wants(entry, twin) && !wants(entry, name) {
			return rpc.Errorf(rpc.InvalidRequest, "header %q: servers may take it for %q: send that one", strings.ToLower(name), strings.ToLower(twin))
		}
	}
	return nil
}

// wants reports whether an entry has a condition on a header.
func wants(entry *route.Entry, name string) bool {
	return entry != nil && slices.ContainsFunc(entry.Headers, func(c route.Condition) bool { return strings.EqualFold(c.Name, name) })
}
