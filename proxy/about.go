package proxy

import (
	"time"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// about is what an upstream may want to know of the request besides what is sent.
func (f *forwarding) about() *upstream.About {
	r, x := f.r, f.x
	a := &upstream.About{
		Method: r.Method, Scheme: x.Scheme(r), Host: r.Host, Path: x.Path, RawQuery: r.URL.RawQuery,
		Client: x.Address(r), RequestID: upstream.NewRequestID(), Time: time.Now(),
	}
	if e := x.Entry; e != nil {
		a.Route = e.Route
		if e.Whole == nil && e.Template != nil && !isPrefix(e.Template) {
			a.Resource = e.Template.String()
		}
	}
	for _, v := range x.Variables() {
		a.Vars = append(a.Vars, upstream.Var{Name: v.Name, Text: v.Text})
	}
	return a
}

// isPrefix says whether a template is what a prefix became: /v1/**. It says less of the
// path than the path itself.
func isPrefix(t *httprule.Template) bool {
	n := len(t.Segments)
	return n > 0 && t.Segments[n-1].Kind == httprule.Multi && len(t.Variables) == 0
}
