package gateway

import (
	"net/http"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// firstHand stands right around what asks an upstream, within all programs and filters
// of a route that lets requests go on: whether they do is for the upstream to say, and
// programs that expect another answer than the one that is dropped must not see it.
type firstHand struct{ next route.Handler }

var (
	_ route.Handler   = firstHand{}
	_ route.Describer = firstHand{}
)

// atFirstHand is handler, with its answers looked at first if the route lets requests
// go on.
func atFirstHand(rt *config.Route, handler route.Handler) route.Handler {
	if rt.FallThrough == nil || handler == nil {
		return handler
	}
	return firstHand{handler}
}

// Serve implements [route.Handler]. It panics with [http.ErrAbortHandler] behind an
// answer that is dropped, so that nothing is made of that; [fallThrough.ask] catches it.
func (f firstHand) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	held := heldBy(w)
	if held == nil {
		f.next.Serve(w, r, x)
		return
	}
	first := &firstAnswer{ResponseWriter: w, held: held}
	f.next.Serve(first, r, x)
	if held.dropped {
		panic(http.ErrAbortHandler)
	}
}

// Describe implements [route.Describer].
func (f firstHand) Describe(r *http.Request, x *route.Exchange) ([]string, *rpc.Error) {
	if next, ok := f.next.(route.Describer); ok {
		return next.Describe(r, x)
	}
	return nil, nil
}

// heldBy is the answer that w writes to in the end; nil if nobody holds one.
func heldBy(w http.ResponseWriter) *heldAnswer {
	for {
		switch around := w.(type) {
		case *heldAnswer:
			return around
		case interface{ Unwrap() http.ResponseWriter }:
			w = around.Unwrap()
		default:
			return nil
		}
	}
}

// firstAnswer is the [http.ResponseWriter] of what asks an upstream.
type firstAnswer struct {
	http.ResponseWriter
	held *heldAnswer
}

// WriteHeader implements [http.ResponseWriter].
func (w *firstAnswer) WriteHeader(status int) {
	held := w.held
	if !held.begun && !held.dropped && status >= 200 && held.decide(status, w.Header()) {
		held.dropped = true
	}
	if !held.dropped {
		w.ResponseWriter.WriteHeader(status)
	}
}

// Write implements [http.ResponseWriter].
func (w *firstAnswer) Write(p []byte) (int, error) {
	if w.held.dropped {
		return w.held.Write(p)
	}
	return w.ResponseWriter.Write(p)
}

// FlushError lets [http.ResponseController] flush.
func (w *firstAnswer) FlushError() error {
	if w.held.dropped {
		return nil
	}
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// Flush implements [http.Flusher].
func (w *firstAnswer) Flush() { _ = w.FlushError() }

// Unwrap lets [http.ResponseController] reach the connection.
func (w *firstAnswer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
