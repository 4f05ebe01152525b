package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// requestOf is what a table matches of r.
func requestOf(r *http.Request) route.Request {
	return route.Request{
		Host: r.Host, Method: r.Method, Path: route.EscapedPath(r), ContentType: contentType(r),
		Header: r.Header, RawQuery: r.URL.RawQuery,
	}
}

// asUpgrade is q as an upgrade. It is a GET all the same, which an entry for GET
// takes if it is more specific than those for upgrades.
func asUpgrade(q *route.Request) route.Request {
	as := *q
	as.Method, as.Fallback = transcoder.MethodWebSocket, http.MethodGet
	return as
}

// matchUpgrade finds the entry that takes q as a WebSocket, and sets x. If there is
// none, the request is one like any other.
func (s *Snapshot) matchUpgrade(listener int, q *route.Request, x *route.Exchange) bool {
	if !strings.HasPrefix(q.Path, "/") {
		return false
	}
	as := asUpgrade(q)
	if s.tables[listener].Match(&as, x) == route.Found && x.Entry.Method == transcoder.MethodWebSocket {
		return true
	}
	x.Entry, x.Captures = nil, x.Captures[:0]
	return false
}

// match finds the entry for q, which is of r, and sets x like [route.Table.Match].
// If there is none, it is the error to answer; neither of them is there for an OPTIONS that
// the gateway answers itself, with the methods in allow.
func (s *Snapshot) match(listener int, r *http.Request, q *route.Request, x *route.Exchange) (allow []string, err *rpc.Error) {
	if route.Upgrades(r) && s.matchUpgrade(listener, q, x) {
		return nil, nil
	}
	if !strings.HasPrefix(q.Path, "/") && q.Method != http.MethodOptions {
		return nil, rpc.Errorf(rpc.InvalidRequest, "the path %q does not start with a slash", q.Path)
	}
	if q.Method == transcoder.MethodWebSocket {
		// A client may call its method so, which makes no upgrade of it: it is one that
		// no entry names.
		unnamed := *q
		unnamed.Method = ""
		q = &unnamed
	}
	table := s.tables[listener]
	switch table.Match(q, x) {
	case route.Found:
		return nil, nil
	case route.MethodNotAllowed:
		allow = table.Allow(q)
		if q.Method == http.MethodOptions && slices.Contains(allow, http.MethodOptions) {
			return allow, nil
		}
		err = rpc.Errorf(rpc.MethodNotAllowed, "%s is not allowed for %s, only %s", r.Method, q.Path, strings.Join(allow, ", "))
		err.Allow = allow
		return nil, err
	case route.UnsupportedMediaType:
		return nil, rpc.Errorf(rpc.UnsupportedMediaType, "no route for %s takes the content type %q", q.Path, q.ContentType)
	}
	for _, rt := range s.absent[listener] {
		if route.FitsHost(rt.Hosts, q.Host) {
			return nil, rpc.Errorf(rpc.NotReady, "no route for %s yet: the descriptors of upstream %q are not loaded", q.Path, rt.Transcode.Upstream.Name)
		}
	}
	return nil, rpc.Errorf(rpc.NoRoute, "no route for %s %s", r.Method, q.Path)
}

// firstUpgrades leaves upgrades at one path to one rule. Rules whose paths differ
// in their HTTP methods alone do not differ for upgrades: as an upgrade is a GET, a
// rule for that comes first, then the order of the routes and of the rules of each.
func firstUpgrades(entries []*route.Entry) []*route.Entry {
	gets := make(map[*httprule.Template]bool)
	for _, e := range entries {
		if e.Method == http.MethodGet {
			gets[e.Template] = true
		}
	}
	type place struct{ host, path string }
	taken := make(map[place]bool)
	left := make(map[*route.Entry]*route.Entry)
	for _, get := range []bool{true, false} {
		for _, e := range entries {
			if e.Method != transcoder.MethodWebSocket || gets[e.Template] != get {
				continue
			}
			path := shape(e.Template) + wantsOf(e)
			left[e] = onHosts(e, func(host string) bool {
				free := !taken[place{host, path}]
				taken[place{host, path}] = true
				return free
			})
		}
	}
	var out []*route.Entry
	for _, e := range entries {
		if e.Method == transcoder.MethodWebSocket {
			if e = left[e]; e == nil {
				continue
			}
		}
		out = append(out, e)
	}
	return out
}
