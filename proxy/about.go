package proxy

import (
	"time"

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
		if e.Whole == nil && e.Template != nil {
			a.Resource = e.Template.String()
		}
	}
	for _, v := range x.Variables() {
		a.Vars = append(a.Vars, upstream.Var{Name: v.Name, Text: v.Text})
	}
	return a
}
