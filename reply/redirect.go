// Package reply has the handlers of routes that the gateway answers by itself:
// redirects and fixed answers.
//
// Neither reads the body of a request, unless a program asks for it.
package reply

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/dragoman-gateway/dragoman/rewrite"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// Redirect is where a client is sent to. What is not said here is as in the request;
// the host is said by Rewrite.
type Redirect struct {
	// Scheme is http or https; empty is that of the request.
	Scheme string
	// Port is the port; zero is the one that Rewrite gives with the host, or else that
	// of the scheme if scheme or host are said, and that of the request if not. The
	// port that a scheme has anyway is left out.
	Port int
	// Rewrite makes path and host; nil leaves both.
	Rewrite *rewrite.Rule
	// Status is 301, 302, 303, 307 or 308; zero is 301.
	Status int
	// StripQuery leaves the query out.
	StripQuery bool
	// Refuse answers with an error in the protocol of the client.
	Refuse func(w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error)
}

// redirect is a compiled [Redirect].
type redirect struct{ Redirect }

var _ route.Handler = (*redirect)(nil)

// NewRedirect makes a handler that answers with a redirect: without a body, to an
// absolute URL of which no byte can be read in another way than it is meant.
// A request whose path cannot be rewritten, or whose host is none, is refused.
func NewRedirect(o Redirect) (route.Handler, error) {
	switch o.Status {
	case 0:
		o.Status = http.StatusMovedPermanently
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, fmt.Errorf("status %d is not that of a redirect: want 301, 302, 303, 307 or 308", o.Status)
	}
	if o.Scheme != "" && defaultPort(o.Scheme) == "" {
		return nil, fmt.Errorf("scheme %q is neither http nor https", o.Scheme)
	}
	if o.Port < 0 || o.Port > 65535 {
		return nil, fmt.Errorf("port %d is none: want 1 to 65535", o.Port)
	}
	return &redirect{o}, nil
}

var contentLengthZero = []string{"0"}

// Serve implements [route.Handler].
func (h *redirect) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	route.LeaveBody(w, r)
	var buf [512]byte
	location, err := h.append(buf[:0], r, x)
	if err != nil {
		h.Refuse(w, r, x, err)
		return
	}
	header := w.Header()
	header["Location"] = []string{string(location)}
	header["Content-Length"] = contentLengthZero
	w.WriteHeader(h.Status)
}

// append appends the URL that the client is sent to.
func (h *redirect) append(dst []byte, r *http.Request, x *route.Exchange) ([]byte, *rpc.Error) {
	scheme := h.Scheme
	if scheme == "" {
		scheme = x.Scheme(r)
	}
	dst = append(dst, scheme...)
	dst = append(dst, "://"...)
	start := len(dst)
	said := h.Rewrite.RewritesHost()
	if said {
		var err error
		if dst, err = h.Rewrite.AppendHost(dst, x); err != nil {
			return dst, invalid(err)
		}
	} else {
		host := x.Asked(r)
		if !rewrite.ValidHost(host) {
			return dst, rpc.Errorf(rpc.InvalidRequest, "the request has no host that a redirect could lead to: want a name or an address, perhaps with a port")
		}
		dst = append(dst, host...)
	}
	colon, port := portOf(dst[start:])
	if !said && h.Scheme != "" {
		port = ""
	}
	if h.Port != 0 {
		port = strconv.Itoa(h.Port)
	}
	if port == defaultPort(scheme) {
		port = ""
	}
	dst = dst[:start+colon]
	if port != "" {
		dst = append(dst, ':')
		dst = append(dst, port...)
	}
	dst, err := h.Rewrite.AppendPath(dst, x.Path, x)
	if err != nil {
		return dst, invalid(err)
	}
	if h.StripQuery || r.URL.RawQuery == "" {
		return dst, nil
	}
	return appendQuery(append(dst, '?'), r.URL.RawQuery), nil
}

func invalid(err error) *rpc.Error { return rpc.Errorf(rpc.InvalidPath, "%v", err) }

func defaultPort(scheme string) string {
	switch scheme {
	case "http":
		return "80"
	case "https":
		return "443"
	}
	return ""
}

// portOf is where in a valid host its name ends, and the port behind it, or nothing.
func portOf(host []byte) (end int, port string) {
	text := string(host)
	i := strings.LastIndexByte(text, ':')
	if i < 0 || text[len(text)-1] == ']' {
		return len(text), ""
	}
	return i, text[i+1:]
}

// appendQuery appends a query as it came, but for bytes that a URL cannot have
// there (RFC 3986, section 3.4).
func appendQuery(dst []byte, query string) []byte {
	const digits = "0123456789ABCDEF"
	for i := range len(query) {
		c := query[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"#<>\\^`{|}[]", c) >= 0 {
			dst = append(dst, '%', digits[c>>4], digits[c&15])
		} else {
			dst = append(dst, c)
		}
	}
	return dst
}
