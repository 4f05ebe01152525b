package header

import (
	"maps"
	"net/http"
	"slices"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// Request is r with the header changed: r itself if there is nothing to change, else a
// copy with a header of its own. An error is that of an expression, and then the
// upstream must not be called.
func (e *Edits) Request(r *http.Request, x *route.Exchange) (*http.Request, *rpc.Error) {
	if e == nil || !e.request.any() {
		return r, nil
	}
	own := new(http.Request)
	*own = *r
	own.Header = maps.Clone(r.Header)
	if own.Header == nil {
		own.Header = make(http.Header)
	}
	if err := e.RequestHeader(own.Header, r, x); err != nil {
		return nil, err
	}
	return own, nil
}

// RequestHeader changes h, which is to be sent to an upstream for r and may be r's own
// header. Expressions see r. After an error h is as it was, and the upstream must not
// be called.
func (e *Edits) RequestHeader(h http.Header, r *http.Request, x *route.Exchange) *rpc.Error {
	if e == nil || !e.request.any() {
		return nil
	}
	var results []result
	if e.request.expressions > 0 {
		results = make([]result, 0, e.request.expressions)
		head := e.request.look(r, x)
		for i := range e.request.values {
			v := &e.request.values[i]
			if v.expression == nil {
				continue
			}
			out, err := v.run(r.Context(), &head, nil, 0)
			if err != nil {
				return err
			}
			results = append(results, out)
		}
	}
	e.request.apply(h, results, speaksGRPC(r, x))
	return nil
}

// Decides reports whether the changes of requests say anything of a header, by its
// canonical name: whether it is set, added to, or removed, by a pattern too.
func (e *Edits) Decides(name string) bool {
	if e == nil {
		return false
	}
	return slices.Contains(e.request.remove, name) ||
		slices.ContainsFunc(e.request.values, func(v value) bool { return v.name == name }) ||
		slices.ContainsFunc(e.request.patterns, func(p pattern) bool { return p.takes(name) })
}

// Refuse answers with an error in the protocol of the client.
type Refuse func(w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error)

// Wrap is next with requests changed before it, to stand within all programs. It is
// next itself if there is nothing to change in requests.
func (e *Edits) Wrap(next route.Handler, refuse Refuse) route.Handler {
	if e == nil || !e.request.any() {
		return next
	}
	return &handler{edits: e, next: next, refuse: refuse}
}

// handler is a handler whose requests are changed.
type handler struct {
	edits  *Edits
	next   route.Handler
	refuse Refuse
}

var _ route.Handler = (*handler)(nil)

// Serve implements [route.Handler].
func (h *handler) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	if late(x) {
		// Programs change the header with the first message, and edits come after.
		x.Messages = &messages{Messages: x.Messages, edits: h.edits, x: x}
		h.next.Serve(w, r, x)
		return
	}
	own, err := h.edits.Request(r, x)
	if err != nil {
		if x.Entry != nil && len(x.Entry.In) > 0 {
			route.LeaveBody(w, r)
		}
		h.refuse(w, r, x, err)
		return
	}
	h.next.Serve(w, own, x)
}

// late reports whether programs look at messages of requests, and may change the
// header with the first. Of a WebSocket they may not.
func late(x *route.Exchange) bool {
	if x.Messages == nil || x.Entry != nil && x.Entry.Method == route.MethodWebSocket {
		return false
	}
	requests, _ := x.Messages.Wants()
	return requests
}

// messages change the header when programs have seen the first message.
type messages struct {
	route.Messages
	edits *Edits
	x     *route.Exchange
	begun bool
}

// Request implements [route.Messages].
func (m *messages) Request(dst, json []byte, r *http.Request) ([]byte, *rpc.Error) {
	out, err := m.Messages.Request(dst, json, r)
	if err != nil || m.begun {
		return out, err
	}
	m.begun = true
	return out, m.edits.RequestHeader(r.Header, r, m.x)
}

// Within is the handler that h stands around, if it is one of [Edits.Wrap], with r as
// that would get it; else both as they are. It is for explanations.
func Within(h route.Handler, r *http.Request, x *route.Exchange) (route.Handler, *http.Request, *rpc.Error) {
	around, ok := h.(*handler)
	if !ok {
		return h, r, nil
	}
	own, err := around.edits.Request(r, x)
	return around.next, own, err
}
