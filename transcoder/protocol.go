// Package transcoder is the contract of the inbound protocols: each turns an
// HTTP exchange of its kind into a call on the RPC plane. One protocol lives in
// one package below this one; the gateway knows only this contract.
package transcoder

import (
	"net/http"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// Protocol is one inbound protocol. It is immutable and safe for any goroutine.
type Protocol interface {
	// Name is the short name that logs and `dragoman routes` show: rest, grpc.
	Name() string
	// Routes compiles the ways in which an endpoint can be called by this
	// protocol. It runs when a snapshot is compiled; an error names the rule
	// and the field that is wrong, and how many routes it hinders is up to the
	// caller. The handlers it returns must not look anything up by name.
	Routes(ep *Endpoint) ([]Route, error)
	// Speaks reports whether a request with this Content-Type is of this
	// protocol, so that an error before any route matched is answered in the
	// client's own protocol.
	Speaks(contentType string) bool
	// Refuse answers with an error that the gateway made. Nothing has been
	// written to w before.
	Refuse(w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error)
}

// Endpoint is one method of one upstream as one transcode route exposes it. It
// is immutable.
type Endpoint struct {
	Method   *rpc.Method
	Upstream rpc.Upstream
	// Codec has the tables of the upstream's schema. It is nil for the services
	// that the gateway answers itself: their messages travel as they are, and a
	// protocol that translates messages has no routes for them.
	Codec *codec.Codec
	// Bindings are the method's HTTP rules in order, the primary one first;
	// empty if it has none.
	Bindings []httprule.Binding
	Settings *Settings
}

// Settings are the options of one transcode route, shared by its endpoints.
// Every field is set (see [DefaultSettings]); a zero limit means zero.
type Settings struct {
	// UnaryTimeout and StreamTimeout bound a call for which the client sent no
	// deadline, and cap one for which it did; zero is none.
	UnaryTimeout, StreamTimeout time.Duration
	// MaxRequestBytes bounds a request body and each gRPC request message,
	// MaxMessageBytes each upstream message, after decompression both.
	MaxRequestBytes, MaxMessageBytes int
	// MaxJSONBytes bounds the JSON made from one upstream message.
	MaxJSONBytes int
	// MaxDepth bounds the nesting of messages and of JSON, both ways.
	MaxDepth int
	// MaxQueryParameters bounds the parameters of one query string.
	MaxQueryParameters int
	// IgnoredQuery lists query parameters that are neither bound, forwarded
	// nor logged.
	IgnoredQuery []string
	// RequestMetadata and ResponseMetadata narrow which headers travel.
	RequestMetadata, ResponseMetadata rpc.HeaderPolicy
}

// DefaultSettings are the documented defaults.
func DefaultSettings() Settings {
	return Settings{
		UnaryTimeout:       15 * time.Second,
		MaxRequestBytes:    4 << 20,
		MaxMessageBytes:    4 << 20,
		MaxJSONBytes:       64 << 20,
		MaxDepth:           100,
		MaxQueryParameters: 1000,
	}
}

// Route is one entry that a protocol wants in the route table.
type Route struct {
	// Method is the HTTP method in upper case, or "*" for any.
	Method   string
	Template *httprule.Template
	// ContentType restricts the route; see [route.Entry].
	ContentType string
	Handler     route.Handler
	// Origin says where the rule came from, for people: annotation,
	// annotation additional_bindings[0], default mapping, native.
	Origin string
}
