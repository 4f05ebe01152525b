package gateway

import (
	"slices"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// oncePerUpstream leaves native gRPC of a method to the first route, in the order
// of the file, that exposes it on a host. Several routes to one upstream may
// differ in their prefixes, which native paths do not have: what they say of such
// a path is the same, and no conflict.
func oncePerUpstream(entries []*route.Entry) []*route.Entry {
	type call struct{ host, upstream, rpc string }
	taken := make(map[call]bool)
	var out []*route.Entry
	for _, e := range entries {
		if e.Origin != transcoder.OriginNative {
			out = append(out, e)
			continue
		}
		hosts := e.Hosts
		if len(hosts) == 0 {
			hosts = []string{""}
		}
		var free []string
		for _, host := range hosts {
			if c := (call{host, e.Upstream, e.RPC}); !taken[c] {
				taken[c] = true
				free = append(free, host)
			}
		}
		switch {
		case len(free) == 0:
			continue
		case !slices.Equal(free, hosts):
			rest := *e
			rest.Hosts = free
			e = &rest
		}
		out = append(out, e)
	}
	return out
}
