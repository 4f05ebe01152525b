package balance

import (
	"errors"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// target is one of [Config.Targets].
type target struct {
	// address is what to dial; empty if it is a name that has to be looked up.
	address string
	name    string
	port    uint16
}

func parseTarget(text string) (target, error) {
	if path, ok := strings.CutPrefix(text, "unix:"); ok {
		if path == "" || strings.IndexByte(path, 0) >= 0 {
			return target{}, errors.New("no path of a socket; write unix:/path/of/socket")
		}
		return target{address: text}, nil
	}
	host, port, err := net.SplitHostPort(text)
	if err != nil {
		return target{}, errors.New("not host:port; an IPv6 address goes in brackets, as in [::1]:8080")
	}
	number, err := strconv.ParseUint(port, 10, 16)
	if err != nil || number == 0 {
		return target{}, errors.New("the port must be a number from 1 to 65535")
	}
	if address, err := netip.ParseAddr(host); err == nil {
		return target{address: join(address, uint16(number))}, nil
	}
	if !isName(host) {
		return target{}, errors.New("the host is neither an address nor a name; names have letters, digits, hyphens, underscores and dots")
	}
	return target{name: host, port: uint16(number)}, nil
}

// join is the one text of an address: those that are alike must be equal.
func join(address netip.Addr, port uint16) string {
	return netip.AddrPortFrom(address.Unmap(), port).String()
}

// isName is whether host may be a name. An address with a mistake is none, so that it
// is told at once and not when the lookup fails: the last label of a name is no number.
func isName(host string) bool {
	host = strings.TrimSuffix(host, ".")
	if host == "" || len(host) > 253 {
		return false
	}
	var label string
	for label = range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			default:
				return false
			}
		}
	}
	return strings.Trim(label, "0123456789") != ""
}
