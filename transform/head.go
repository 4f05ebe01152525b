package transform

import (
	"crypto/x509"
	"net/http"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// look makes k.req.head of the request.
func (k *run) look() {
	lookAt(&k.req.head, k.r, k.x, k.chain.client)
	k.req.head.RPC = k.shape.rpc
	k.lookAtRoute()
}

// Look is what programs see of a request besides its body, RPC excepted. The variables
// of the path and the client cost something to find out, and are there if they are
// asked for.
func Look(r *http.Request, x *route.Exchange, vars, client bool) view.Head {
	var h view.Head
	lookAt(&h, r, x, client)
	if x.Entry == nil {
		return h
	}
	h.Route = x.Entry.Route
	if vars && x.Entry.Template != nil {
		h.Vars = variables(x)
	}
	return h
}

func lookAt(h *view.Head, r *http.Request, x *route.Exchange, client bool) {
	*h = view.Head{Method: r.Method, Scheme: x.Scheme(r), Host: r.Host, Path: x.Path, RawQuery: r.URL.RawQuery, Header: r.Header}
	if h.Path == "" {
		h.Path = route.EscapedPath(r)
	}
	if client {
		h.Address, h.Names = x.Address(r), names(r)
	}
}

// lookAtRoute is look for what depends on the entry.
func (k *run) lookAtRoute() {
	h := &k.req.head
	h.Route, h.Vars = "", nil
	if k.x.Entry == nil {
		return
	}
	h.Route = k.x.Entry.Route
	if k.chain.vars {
		if h.Vars = k.chain.options.Vars; k.x.Entry.Template != nil {
			h.Vars = variables(k.x)
		}
	}
}

// variables are those of the path.
func variables(x *route.Exchange) []view.Var {
	var out []view.Var
	for _, v := range x.Variables() {
		out = append(out, view.Var(v))
	}
	return out
}

// names are those of the client's certificate, if it was verified.
func names(r *http.Request) []string {
	if r.TLS == nil || len(r.TLS.VerifiedChains) == 0 || len(r.TLS.VerifiedChains[0]) == 0 {
		return nil
	}
	return namesOf(r.TLS.VerifiedChains[0][0])
}

// namesOf are the alternative names of a certificate; only if it has none the
// common name stands for them.
func namesOf(c *x509.Certificate) []string {
	out := append([]string(nil), c.DNSNames...)
	for _, u := range c.URIs {
		out = append(out, u.String())
	}
	out = append(out, c.EmailAddresses...)
	if len(out) == 0 && c.Subject.CommonName != "" {
		out = append(out, c.Subject.CommonName)
	}
	return out
}
