package upstream

import (
	"net/netip"
	"net/url"
)

// ClearText reports whether what is sent to u can be read on its way: it is not
// encrypted, and u is not on this machine. Kinds that send secrets warn of it.
func ClearText(u *url.URL) bool {
	if u.Scheme == "https" || u.Hostname() == "localhost" {
		return false
	}
	address, err := netip.ParseAddr(u.Hostname())
	return err != nil || !address.IsLoopback()
}
