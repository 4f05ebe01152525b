package route

import (
	"net"
	"net/http"

	"github.com/dragoman-gateway/dragoman/forwarded"
)

// PeerOf is the other end of the connection that r came by.
func PeerOf(r *http.Request) forwarded.Peer {
	p := forwarded.Peer{Address: r.RemoteAddr, Scheme: "http", Host: r.Host}
	if r.TLS != nil {
		p.Scheme = "https"
	}
	return p
}

// Scheme is the one that the client of r has used, http or https: towards a proxy in
// front of the gateway, if that is believed.
func (x *Exchange) Scheme(r *http.Request) string {
	switch {
	case x.Client != nil:
		return x.Client.Scheme
	case r.TLS != nil:
		return "https"
	}
	return "http"
}

// Address is the address of the client of r, without port: of the one that a proxy in
// front of the gateway tells of, if that is believed.
func (x *Exchange) Address(r *http.Request) string {
	if x.Client != nil {
		return x.Client.Address
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		return host
	}
	return r.RemoteAddr
}

// Asked is the host that the client of r asked for, perhaps with a port: of a proxy in
// front of the gateway, if that is believed.
func (x *Exchange) Asked(r *http.Request) string {
	if x.Client != nil && x.Client.Host != "" {
		return x.Client.Host
	}
	return r.Host
}
