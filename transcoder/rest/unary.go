package rest

import (
	"net/http"

	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// unary serves a rule of a unary method.
type unary struct{ rule }

var _ route.Handler = (*unary)(nil)

// Serve implements [route.Handler]. Nothing is written before the call has ended
// and its message is rendered, so that every error is a whole answer.
func (u *unary) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	k := newWork()
	defer k.release()
	if err := u.prepare(k, w, r, x); err != nil {
		u.look(k).refuse(w, r, x, err)
		return
	}
	rpc.Run(r.Context(), u.upstream, &k.call, &k.sink)
	switch a := &k.sink; {
	case a.status.Code != codes.OK:
		u.refuseStatus(k, w, r, x, &a.status, a.head, a.trailer)
	case a.message == nil || a.more:
		u.look(k).refuse(w, r, x, rpc.Errorf(rpc.UpstreamProtocol, "the upstream did not answer with exactly one message"))
	default:
		u.reply(k, w, r, x)
	}
}

// reply writes the answer of a call that went well.
func (u *unary) reply(k *work, w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	var err error
	if k.out, err = u.plan.Render(k.out[:0], k.sink.message.B, k.want, &k.scratch); err != nil {
		u.look(k).refuse(w, r, x, u.unrenderable(err))
		return
	}
	h := w.Header()
	transcoder.WriteMetadata(h, k.sink.head, &u.settings.ResponseMetadata)
	transcoder.WriteMetadata(h, k.sink.trailer, &u.settings.ResponseMetadata)
	x.Code = int(codes.OK)
	write(w, r, http.StatusOK, jsonType, k.out)
}

// answer is the sink of a unary call.
type answer struct {
	head, trailer rpc.Header
	message       *rpc.Buffer
	// more says that there was a second message.
	more   bool
	status rpc.Status
}

var _ rpc.Sink = (*answer)(nil)

// Head implements [rpc.Sink].
func (a *answer) Head(h rpc.Header) { a.head = h }

// Message implements [rpc.Sink].
func (a *answer) Message(msg *rpc.Buffer) error {
	if a.message != nil {
		msg.Release()
		a.more = true
		return rpc.ErrAborted
	}
	a.message = msg
	return nil
}

// End implements [rpc.Sink].
func (a *answer) End(st rpc.Status, trailer rpc.Header) {
	a.status, a.trailer = st, trailer
}

func (a *answer) release() {
	a.message.Release()
	*a = answer{}
}
