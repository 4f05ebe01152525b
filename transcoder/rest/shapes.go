package rest

import (
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// shape tells a route, for people, in which forms the messages of a stream come
// and go by it.
func shape(r *transcoder.Route, h route.Handler) {
	if s, ok := h.(interface{ shapes() (in, out []string) }); ok {
		r.In, r.Out = s.shapes()
	}
}

// shapes are frames, for a request in frames, and for the answer.
func (t *webSocket) shapes() (in, out []string) {
	frames := []string{"websocket"}
	if t.framed {
		in = frames
	}
	return in, frames
}

// shapes are the forms of the client's stream and of the upstream's; none for
// what is one message.
func (l *rule) shapes() (in, out []string) {
	if l.method.ClientStreaming {
		in = []string{name(array{}), name(lines{})}
		if l.plan.TakesHTTPBody() {
			in = []string{"bytes"}
		}
	}
	if l.method.ServerStreaming {
		out = l.forms.names()
		if l.plan.GivesHTTPBody() {
			out = []string{"bytes"}
		}
	}
	return in, out
}
