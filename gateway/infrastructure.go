package gateway

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/reflect/service"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// infrastructure makes the entries of the services that the gateway answers
// itself, reflection and health: one set per host, over what that host exposes.
func (c *compiler) infrastructure(routes []compiledRoute) []*route.Entry {
	settings := transcoder.DefaultSettings()
	settings.UnaryTimeout = 0
	routes = slices.DeleteFunc(slices.Clone(routes), func(rt compiledRoute) bool { return rt.exposure == nil })
	var entries []*route.Entry
	for _, host := range hostsOf(routes) {
		var schemas []*schema.Schema
		var services []protoreflect.FullName
		for _, rt := range routes {
			if !covers(rt.cfg.Hosts, host) {
				continue
			}
			services = append(services, rt.exposure.services()...)
			if !slices.Contains(schemas, rt.upstream.schema) {
				schemas = append(schemas, rt.upstream.schema)
			}
		}
		svc := service.New(schemas, services)
		for _, conflict := range svc.Conflicts() {
			c.gateway.log.Warn("reflection shows only one of two versions", "host", host, "conflict", conflict)
		}
		base := route.Entry{Route: "(gateway)", Upstream: "(gateway)"}
		if host != "" {
			base.Hosts = []string{host}
		}
		for _, m := range svc.Methods() {
			// Without a codec the endpoint is native gRPC only. Protocols do
			// not fail for such an endpoint.
			own, _ := c.endpoint(&transcoder.Endpoint{Method: m, Upstream: drained{svc.Upstream(), c.gateway.draining}, Settings: &settings}, base)
			entries = append(entries, own...)
		}
	}
	return entries
}

// hostsOf lists every host pattern of routes, and "" for any host, once each.
func hostsOf(routes []compiledRoute) []string {
	hosts := []string{""}
	for _, rt := range routes {
		for _, h := range rt.cfg.Hosts {
			if !slices.Contains(hosts, h) {
				hosts = append(hosts, h)
			}
		}
	}
	return hosts
}

// covers reports whether a request for host could reach a route with these
// patterns; host may be a pattern itself, "" being any host.
func covers(patterns []string, host string) bool {
	if len(patterns) == 0 {
		return true
	}
	for _, p := range patterns {
		if p == host {
			return true
		}
		if suffix, ok := strings.CutPrefix(p, "*"); ok && strings.HasSuffix(host, suffix) && host != suffix {
			return true
		}
	}
	return false
}
