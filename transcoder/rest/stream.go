package rest

import (
	"net/http"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// stream serves a rule of a method with server streaming and one request.
type stream struct{ rule }

var _ route.Handler = (*stream)(nil)

// Serve implements [route.Handler]. It panics as [answering.run] does.
func (t *stream) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	if !r.ProtoAtLeast(1, 1) {
		lookOf(t.settings).refuse(w, r, x, rpc.Errorf(rpc.StreamOverHTTP10,
			"this path answers with a stream, and HTTP/1.0 cannot show that one was cut: use HTTP/1.1 or HTTP/2"))
		return
	}
	k := newWork()
	defer k.release()
	if err := t.prepare(k, w, r, x); err != nil {
		t.look(k).refuse(w, r, x, err)
		return
	}
	// The upstream may look at the call until it has told the queue its end, which
	// nobody waits for after an abort: so nothing of it may be reused.
	call := k.call
	k.call = rpc.Call{}
	k.trim(maxIdle)
	queue := rpc.NewQueue(rpc.ReadAhead)
	upstream := t.upstream.Start(r.Context(), &call, queue)
	a := newAnswering(&t.rule, k, w, r, x, queue, upstream)
	defer a.close()
	a.run(call.Deadline)
}
