package transform

import (
	"errors"
	"net/http"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// handler is a handler with a chain around it.
type handler struct {
	chain *Chain
	next  route.Handler
	entry *route.Entry
	shape shape
}

var _ route.Handler = (*handler)(nil)

// Serve implements [route.Handler].
func (h *handler) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	s := h.shape
	if s.early {
		s = early(r)
	}
	k := newRun(h.chain, w, r, x, s)
	defer k.release()
	k.run(h.next)
}

// run serves a request.
func (k *run) run(next route.Handler) {
	if !k.chain.phases[view.Request].any {
		k.req.at = len(k.chain.steps)
	} else {
		answer, err := k.requests()
		if err != nil || answer != nil {
			k.give(&k.req)
		}
		switch {
		case err != nil:
			k.refuse(err, k.outer)
			return
		case answer != nil:
			k.respond(answer)
			return
		}
	}
	next, err := k.depart(next)
	k.give(&k.req)
	if err != nil {
		k.refuse(err, k.outer)
		return
	}
	k.req.body.forget()
	k.serve(next)
}

// serve has the handler answer, through the programs for that.
func (k *run) serve(next route.Handler) {
	response, failure := &k.chain.phases[view.Response], &k.chain.phases[view.Error]
	k.many.hand(k)
	if !response.any && (!failure.any || k.shape.rpc) && !k.many.on && k.lines == nil {
		next.Serve(k.w, k.r, k.x)
		k.counted()
		return
	}
	if response.body && (k.shape.forward || k.shape.early && !k.shape.requests) {
		k.ask()
	}
	if response.body && !k.shape.responses && !k.shape.forward && k.r.Method == http.MethodHead {
		// What there would be to see is that of a GET. net/http sends nothing of it.
		k.change()
		k.r.Method = http.MethodGet
	}
	// A chain around this one may have the last word.
	k.answer.inside = k.x.Reshaped
	k.x.Reshaped = k.x.Reshaped || k.chain.reshapes
	k.handle(next)
	k.counted()
	if k.many.responded != nil {
		k.respondLate()
		return
	}
	k.answer.finish()
	k.restore()
	k.cut()
}

// handle has the handler answer through the writer. One that breaks off because the
// chain has answered in its place has done all that it could.
func (k *run) handle(next route.Handler) {
	defer func() {
		fault := recover()
		err, _ := fault.(error)
		switch answered := k.answer.mode == discarding || k.many.responded != nil; {
		case fault == nil:
		case answered && errors.Is(err, http.ErrAbortHandler):
		default:
			k.counted()
			k.restore()
			panic(fault)
		}
	}()
	next.Serve(&k.answer, k.r, k.x)
}

// counted puts how much has come right: what was read here has been counted, and
// then what the handler read of it again.
func (k *run) counted() {
	if k.read {
		k.x.RequestBytes = k.in
	}
	if k.lines != nil {
		k.x.RequestBytes = k.in + k.lines.source.n.Load()
	}
}
