package gateway

import (
	"strings"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// oncePerUpstream leaves native gRPC of a method to the first route, in the order
// of the file, that exposes it on a host. Several routes to one upstream may
// differ in their prefixes, which native paths do not have: what they say of such
// a path is the same, and no conflict.
func oncePerUpstream(entries []*route.Entry) []*route.Entry {
	type call struct{ host, upstream, rpc, wants string }
	taken := make(map[call]bool)
	var out []*route.Entry
	for _, e := range entries {
		if e.Origin != transcoder.OriginNative {
			out = append(out, e)
			continue
		}
		if e = onHosts(e, func(host string) bool {
			c := call{host, e.Upstream, e.RPC, wantsOf(e)}
			free := !taken[c]
			taken[c] = true
			return free
		}); e == nil {
			continue
		}
		out = append(out, e)
	}
	return out
}

// wantsOf is the same for entries with the same conditions.
func wantsOf(e *route.Entry) string { return strings.Join(e.Wants(), "\n") }

// onHosts is e on those of its hosts that are free, "" being any, or nil if none
// is.
func onHosts(e *route.Entry, free func(host string) bool) *route.Entry {
	if len(e.Hosts) == 0 {
		if !free("") {
			return nil
		}
		return e
	}
	var hosts []string
	for _, host := range e.Hosts {
		if free(host) {
			hosts = append(hosts, host)
		}
	}
	switch len(hosts) {
	case 0:
		return nil
	case len(e.Hosts):
		return e
	}
	rest := *e
	rest.Hosts = hosts
	return &rest
}
