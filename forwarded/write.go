package forwarded

import (
	"net/http"
	"net/netip"
	"strings"
)

// Headers are the headers that are written.
type Headers struct {
	// List is X-Forwarded-For, -Proto and -Host, Standard is Forwarded.
	List, Standard bool
}

// Is reports whether a header, by its canonical name, tells of a client on behalf of a
// proxy: all that begins with X-Forwarded-, Forwarded, and X-Real-IP.
func Is(name string) bool {
	return strings.HasPrefix(name, "X-Forwarded-") || name == keyStandard || name == keyReal
}

// Drop removes from the header of a request all for which [Is] holds: what a peer says
// that is not trusted. It is called before anything looks at the request, so that what
// programs of the configuration say passes.
func Drop(h http.Header) {
	for name := range h {
		if Is(name) {
			delete(h, name)
		}
	}
}

// Made reports whether a header, by its canonical name, is made anew by [Write], so that
// nothing that came is passed on.
func Made(name string) bool {
	switch name {
	case keyFor, keyProto, keyHost, keyStandard:
		return true
	}
	return false
}

var (
	plain  = []string{"http"}
	secure = []string{"https"}
)

// Write sets in out what an upstream is told of the client of a request that came from p
// with the header in. c is what [Networks.ClientOf] gave, nil if p is not trusted: then
// p is the client. An X-Forwarded-For that was believed is continued, anything else is
// made anew.
func Write(out http.Header, p Peer, c *Client, in http.Header, headers Headers) {
	peer := host(p.Address)
	client := Client{Address: peer, Scheme: p.Scheme, Host: p.Host}
	if c != nil {
		client = *c
		if len(in[keyReal]) > 0 {
			out[keyReal] = []string{client.Address}
		}
	}
	if headers.List {
		texts := make([]string, 2)
		texts[0], texts[1] = client.list(peer, in[keyFor]), client.Host
		out[keyFor] = texts[:1:1]
		if client.Host != "" {
			out[keyHost] = texts[1:2:2]
		}
		if client.Scheme == "https" {
			out[keyProto] = secure
		} else {
			out[keyProto] = plain
		}
	}
	if headers.Standard {
		out[keyStandard] = []string{client.standard(peer)}
	}
}

// AddStandard sets Forwarded in a header that has X-Forwarded-For, -Host and -Proto as the
// gateway makes them, for who knows no more than these: the addresses of the list, each
// seen by the next (RFC 7239, section 7.4), the host and the scheme at the first of them.
// What is left of an address that is none is not taken over, and of a header without list
// nothing is known.
func AddStandard(h http.Header) {
	lines := h[keyFor]
	if len(lines) == 0 {
		return
	}
	var hops []netip.Addr
	rest := strings.Join(lines, ",")
	for more := true; more && len(hops) < maxHops; {
		at := strings.LastIndexByte(rest, ',')
		addr, ok := parseAddress(strings.TrimSpace(rest[at+1:]))
		if !ok {
			break
		}
		hops = append(hops, addr)
		if more = at >= 0; more {
			rest = rest[:at]
		}
	}
	first := Client{Address: "unknown", Scheme: "http"}
	if len(hops) > 0 {
		first.Address = hops[len(hops)-1].String()
	}
	if host := h.Get(keyHost); validHost(host) {
		first.Host = host
	}
	if scheme, ok := parseScheme(h.Get(keyProto)); ok {
		first.Scheme = scheme
	}
	out := first.appendElement(nil, first.Address)
	for i := len(hops) - 2; i >= 0; i-- {
		out = appendNode(append(out, ", for="...), hops[i].String())
	}
	h[keyStandard] = []string{string(out)}
}

// For is the X-Forwarded-For of a request that came from the peer at an address with the
// header in: what was believed of it, and the peer.
func (c *Client) For(address string, in http.Header) string { return c.list(host(address), in[keyFor]) }

// list is X-Forwarded-For, of the lines that came.
func (c *Client) list(peer string, lines []string) string {
	switch c.believed {
	case list, both:
		return strings.Join(lines, ", ") + ", " + peer
	case standard:
		if c.Address != peer {
			return c.Address + ", " + peer
		}
	}
	return peer
}

// standard is Forwarded: the client and, if that is another one, the peer. It is made
// anew, of what was believed: a quote in the rest, which anybody may have sent, could
// swallow what is appended.
func (c *Client) standard(peer string) string {
	out := c.appendElement(nil, c.Address)
	if c.Address != peer {
		out = appendNode(append(out, ", for="...), peer)
	}
	return string(out)
}

func (c *Client) appendElement(dst []byte, address string) []byte {
	dst = append(dst, "for="...)
	dst = appendNode(dst, address)
	if c.Host != "" {
		dst = append(dst, ";host="...)
		dst = appendQuoted(dst, c.Host)
	}
	dst = append(dst, ";proto="...)
	return append(dst, c.Scheme...)
}

// host is the address of a peer without its port and zone, as net/http has them.
func host(address string) string {
	if addr, ok := parseAddress(address); ok {
		text := address
		if at := strings.LastIndexByte(address, ':'); at > 0 && addr.Is4() && strings.Count(address, ":") == 1 {
			return text[:at]
		}
		return addr.String()
	}
	return "unknown"
}
