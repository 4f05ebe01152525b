package transform

import (
	"net/http"

	"github.com/dragoman-gateway/dragoman/route"
)

// shape is of what sort the bodies of an exchange are.
type shape struct {
	// requests and responses say that messages come one by one, and are shown by the
	// handler.
	requests, responses bool
	// rpc says that it is native gRPC, socket that it is a WebSocket.
	rpc, socket bool
	// forward says that the handler copies bodies as bytes.
	forward bool
	// early says that the route is not known yet.
	early bool
}

// shapeOf is the shape of what an entry serves; nil is any.
func shapeOf(e *route.Entry) shape {
	switch {
	case e == nil:
		return shape{early: true}
	case e.Forward:
		return shape{forward: true}
	case e.Protocol == "grpc":
		return shape{requests: true, responses: true, rpc: true}
	case e.Method == route.MethodWebSocket:
		return shape{requests: true, responses: true, socket: true}
	}
	return shape{requests: messages(e.In), responses: messages(e.Out)}
}

// messages reports whether a body in these forms is many messages. One that is
// bytes is a whole, however it comes.
func messages(forms []string) bool {
	return len(forms) > 0 && forms[0] != "bytes"
}

// early is the shape of a request whose entry is not known.
func early(r *http.Request) shape {
	s := shape{early: true}
	if s.rpc = route.SpeaksGRPC(r); s.rpc || route.Upgrades(r) {
		s.requests, s.responses, s.socket = true, true, !s.rpc
	}
	return s
}
