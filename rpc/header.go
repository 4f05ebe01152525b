package rpc

// HeaderField is one metadata entry. Name is in lower case. The value of a name
// that ends in "-bin" is raw bytes, not base64; every other value is printable
// ASCII (gRPC over HTTP/2, "Custom-Metadata").
type HeaderField struct {
	Name, Value string
}

// Header is metadata in the order in which it came: request metadata, response
// metadata or trailers. A name may occur more than once. It carries neither
// pseudo-headers nor anything that the protocol itself owns (grpc-status,
// grpc-message, grpc-encoding, content-type, te, …).
type Header []HeaderField

// Get returns the first value of name (lower case), or "".
func (h Header) Get(name string) string {
	for i := range h {
		if h[i].Name == name {
			return h[i].Value
		}
	}
	return ""
}
