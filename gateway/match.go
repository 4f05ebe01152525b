package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// requestOf is what a table matches of r.
func requestOf(r *http.Request) route.Request {
	return route.Request{Host: r.Host, Method: r.Method, Path: escapedPath(r), ContentType: contentType(r)}
}

// match finds the entry for q and sets x like [route.Table.Match]. If there is
// none, it is the error to answer; neither of them is there for an OPTIONS that
// the gateway answers itself, with the methods in allow.
func (s *Snapshot) match(listener int, q *route.Request, x *route.Exchange) (allow []string, err *rpc.Error) {
	if !strings.HasPrefix(q.Path, "/") && q.Method != http.MethodOptions {
		return nil, rpc.Errorf(rpc.InvalidRequest, "the path %q does not start with a slash", q.Path)
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
		err = rpc.Errorf(rpc.MethodNotAllowed, "%s is not allowed for %s, only %s", q.Method, q.Path, strings.Join(allow, ", "))
		err.Allow = allow
		return nil, err
	case route.UnsupportedMediaType:
		return nil, rpc.Errorf(rpc.UnsupportedMediaType, "no route for %s takes the content type %q", q.Path, q.ContentType)
	}
	for _, rt := range s.absent[listener] {
		if route.FitsHost(rt.Hosts, q.Host) {
			return nil, rpc.Errorf(rpc.NotReady, "no route for %s yet: the descriptors of upstream %q are not loaded", q.Path, rt.Upstream.Name)
		}
	}
	return nil, rpc.Errorf(rpc.NoRoute, "no route for %s %s", q.Method, q.Path)
}
