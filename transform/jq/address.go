package jq

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// ipIn reports whether an IP address, with or without port, is in a network or in
// one of several.
func ipIn(in any, args []any) any {
	s, err := text("ip_in", in)
	if err != nil {
		return err
	}
	address, ok := parseAddress(s)
	if !ok {
		return fmt.Errorf("ip_in: %s is no IP address", show(s))
	}
	networks, ok := args[0].([]any)
	if !ok {
		networks = args[:1]
	}
	found := false
	// All of them are parsed: one that is wrong must not hide behind another.
	for _, v := range networks {
		s, ok := v.(string)
		if !ok {
			return fmt.Errorf("ip_in: a network is %s, and must be a string", kindOf(v))
		}
		network, ok := parseNetwork(s)
		if !ok {
			return fmt.Errorf("ip_in: %s is no network; write one as in \"10.0.0.0/8\"", show(s))
		}
		found = found || network.Contains(address)
	}
	return found
}

// parseAddress takes 192.0.2.1, 192.0.2.1:80, 2001:db8::1, [2001:db8::1] and
// [2001:db8::1]:80. An IPv4 address in an IPv6 one is an IPv4 address, and a zone is
// no part of it.
func parseAddress(s string) (netip.Addr, bool) {
	port, hasPort := "", false
	bracketed := strings.HasPrefix(s, "[")
	if bracketed {
		inner, rest, ok := strings.Cut(s[1:], "]")
		if port, hasPort = strings.CutPrefix(rest, ":"); !ok || !hasPort && rest != "" {
			return netip.Addr{}, false
		}
		s = inner
	} else if strings.Count(s, ":") == 1 {
		s, port, hasPort = strings.Cut(s, ":")
	}
	if hasPort {
		if _, err := strconv.ParseUint(port, 10, 16); err != nil {
			return netip.Addr{}, false
		}
	}
	address, err := netip.ParseAddr(s)
	if err != nil || bracketed && !address.Is6() {
		return netip.Addr{}, false
	}
	return address.WithZone("").Unmap(), true
}

// parseNetwork takes a CIDR prefix, or one address. Bits behind the prefix do not
// count.
func parseNetwork(s string) (netip.Prefix, bool) {
	if !strings.Contains(s, "/") {
		address, err := netip.ParseAddr(s)
		address = address.Unmap()
		return netip.PrefixFrom(address, address.BitLen()), err == nil && address.Zone() == ""
	}
	prefix, err := netip.ParsePrefix(s)
	if err != nil {
		return prefix, false
	}
	if address := prefix.Addr(); address.Is4In6() && prefix.Bits() >= 96 {
		prefix = netip.PrefixFrom(address.Unmap(), prefix.Bits()-96)
	}
	return prefix, true
}
