// Package forwarded reads and writes the headers by which proxies tell of a client:
// X-Forwarded-For, -Proto and -Host, and Forwarded (RFC 7239).
//
// Anybody can send them, so they are believed only of a peer that the operator trusts,
// and only as far as each hop in them is trusted to have seen the one before it: the
// client is the rightmost address that is not trusted. Of the rest nothing can be known.
//
// It is pure: headers and addresses in, text out.
package forwarded

import (
	"net/http"
	"net/netip"
	"strings"
)

// Networks are the addresses of proxies that are trusted.
type Networks []netip.Prefix

// Of makes networks of prefixes. One of addresses of IPv4 that are mapped to IPv6 is one
// of IPv4.
func Of(prefixes []netip.Prefix) Networks {
	out := make(Networks, 0, len(prefixes))
	for _, p := range prefixes {
		const mapped = 96
		addr, bits := p.Addr().WithZone(""), p.Bits()
		if addr.Is4In6() && bits >= mapped {
			addr, bits = addr.Unmap(), bits-mapped
		}
		out = append(out, netip.PrefixFrom(addr, bits).Masked())
	}
	return out
}

// Contains reports whether an address is one of n's. One of IPv4 that is mapped to IPv6
// is that of IPv4, and zones do not count.
func (n Networks) Contains(addr netip.Addr) bool {
	addr = addr.Unmap().WithZone("")
	for _, one := range n {
		if one.Contains(addr) {
			return true
		}
	}
	return false
}

// Peer is the other end of a connection, and how it asked.
type Peer struct {
	// Address is its address with its port, as net/http has it.
	Address string
	// Scheme is http or https, Host what it asked for.
	Scheme, Host string
}

// Client is who a request is from as far as it is known.
type Client struct {
	// Address is the client's, without port and zone.
	Address string
	// Scheme is http or https, and Host what the client asked the first trusted proxy
	// for, perhaps with a port.
	Scheme, Host string
	// believed are the headers that were believed.
	believed source
}

type source uint8

const (
	nothing source = iota
	list
	standard
	both
)

// Bounds on what is read of a header: hops further away cannot be trusted ones of a
// network that anybody runs.
const (
	maxHops  = 64
	maxBytes = 8 << 10
	maxHost  = 255
)

// The names of the headers, as http.Header has them.
const (
	keyFor      = "X-Forwarded-For"
	keyProto    = "X-Forwarded-Proto"
	keyHost     = "X-Forwarded-Host"
	keyStandard = "Forwarded"
	keyReal     = "X-Real-Ip"
)

// ClientOf is the client of a request that came from p with the header h. It is false,
// and the client not set, if p is not trusted. What h does not tell is as p did it.
//
// Where h has both X-Forwarded-For and Forwarded, and they do not tell of the same
// client, one of them came from somebody who is not trusted through a proxy that knows
// only the other: neither is believed. Of what is malformed or obfuscated, and of all
// that is left of it, nothing is: the client is then the hop that told it.
func (n Networks) ClientOf(p Peer, h http.Header) (Client, bool) {
	if len(n) == 0 {
		return Client{}, false
	}
	peer, ok := parseAddress(p.Address)
	if !ok || !n.Contains(peer) {
		return Client{}, false
	}
	own := Client{Address: peer.String(), Scheme: p.Scheme, Host: p.Host}
	lists, standards := h[keyFor], h[keyStandard]
	if size(lists) > maxBytes || size(standards) > maxBytes {
		return own, true
	}
	byList, byStandard := own, own
	told, toldStandard := len(lists) > 0, len(standards) > 0
	depth := 0
	if told {
		byList.Address, depth = n.rightmost(peer, lists)
		byList.believed = list
	}
	if toldStandard {
		n.standard(&byStandard, peer, standards)
		byStandard.believed = standard
	}
	switch {
	case told && toldStandard && byList.Address != byStandard.Address:
		return own, true
	case toldStandard && !told:
		return byStandard, true
	case told && toldStandard:
		byList.believed = both
		byList.Scheme, byList.Host = byStandard.Scheme, byStandard.Host
	}
	byList.takeRest(h, depth)
	return byList, true
}

// takeRest reads X-Forwarded-Proto and -Host, where depth trusted proxies were between
// the peer and the client: those that append to a list have appended as many.
func (c *Client) takeRest(h http.Header, depth int) {
	if scheme, ok := parseScheme(nth(h[keyProto], depth)); ok {
		c.Scheme = scheme
	}
	if host := nth(h[keyHost], depth); validHost(host) {
		c.Host = host
	}
}

// nth is an element of lines that are a list, counted from the right; the first one if
// there are not so many.
func nth(lines []string, n int) string {
	if size(lines) > maxBytes {
		return ""
	}
	found := ""
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for more := true; more; n-- {
			var one string
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				one, rest = rest[at+1:], rest[:at]
			} else {
				one, more = rest, false
			}
			found = strings.TrimSpace(one)
			if n == 0 {
				return found
			}
		}
	}
	return found
}

// rightmost is the rightmost address that is not trusted, in lines that are a list of
// X-Forwarded-For behind peer, and how many trusted ones are right of it. If all are
// trusted it is the leftmost one.
func (n Networks) rightmost(peer netip.Addr, lines []string) (client string, depth int) {
	known := peer
	for i := len(lines) - 1; i >= 0; i-- {
		rest := lines[i]
		for more := true; more; {
			var one string
			if at := strings.LastIndexByte(rest, ','); at >= 0 {
				one, rest = rest[at+1:], rest[:at]
			} else {
				one, more = rest, false
			}
			addr, ok := parseAddress(strings.TrimSpace(one))
			if !ok {
				return known.String(), depth
			}
			if known = addr; !n.Contains(addr) || depth == maxHops {
				return known.String(), depth
			}
			depth++
		}
	}
	return known.String(), max(depth-1, 0)
}

func size(lines []string) int {
	n := 0
	for _, line := range lines {
		n += len(line) + 1
	}
	return n
}

// parseAddress reads an address: 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1],
// [2001:db8::1]:80. A zone is dropped: it means something on one machine only.
func parseAddress(text string) (netip.Addr, bool) {
	host := text
	switch {
	case strings.HasPrefix(text, "["):
		end := strings.IndexByte(text, ']')
		if end < 0 || !isPort(text[end+1:]) || strings.IndexByte(text[1:end], ':') < 0 {
			return netip.Addr{}, false
		}
		host = text[1:end]
	case strings.Count(text, ":") == 1:
		at := strings.IndexByte(text, ':')
		if !isPort(text[at:]) {
			return netip.Addr{}, false
		}
		host = text[:at]
	}
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, false
	}
	return addr.Unmap().WithZone(""), true
}

// isPort reports whether text is a port with its colon, or nothing. RFC 7239 has
// obfuscated ones too.
func isPort(text string) bool {
	if text == "" {
		return true
	}
	if text[0] != ':' || len(text) < 2 {
		return false
	}
	if text[1] == '_' {
		return true
	}
	for _, c := range []byte(text[1:]) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(text) <= len(":65535")
}

func parseScheme(text string) (string, bool) {
	switch {
	case strings.EqualFold(text, "http"):
		return "http", true
	case strings.EqualFold(text, "https"):
		return "https", true
	}
	return "", false
}

// validHost reports whether text can be a Host: no more than letters, digits and what
// names, addresses and ports have besides.
func validHost(text string) bool {
	if text == "" || len(text) > maxHost {
		return false
	}
	for _, c := range []byte(text) {
		switch {
		case c|0x20 >= 'a' && c|0x20 <= 'z', c >= '0' && c <= '9':
		case strings.IndexByte(".-_:[]", c) >= 0:
		default:
			return false
		}
	}
	return true
}
