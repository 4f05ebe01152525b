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
	u.finish(k, w, r, x)
}

// finish writes the answer of a call that has ended.
func (u *unary) finish(k *work, w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	x.UnknownFields = k.sink.status.UnknownFields
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
	status, texts := http.StatusOK, []string(nil)
	if u.response != nil {
		var refused *rpc.Error
		if status, refused = u.choose(k); refused == nil && u.response.headers != nil {
			texts, refused = u.response.headers.texts(&u.rule, k, k.sink.message.B)
		}
		if refused != nil {
			u.look(k).refuse(w, r, x, refused)
			return
		}
	}
	h := w.Header()
	body, media, refused := u.body(k, h)
	if refused != nil {
		u.look(k).refuse(w, r, x, refused)
		return
	}
	transcoder.WriteMetadata(h, k.sink.head, u.passes)
	if texts != nil {
		u.response.headers.set(h, texts)
	}
	if u.settings.Partial && !u.plan.GivesHTTPBody() {
		h.Add("Vary", maskHeader)
	}
	if u.response != nil {
		status = u.response.dress(h, r, x, k, status, body, u.passes)
	}
	x.Code = int(codes.OK)
	trailers := len(k.sink.trailer) > 0 && !bodiless(status) && takesTrailers(r)
	if !trailers {
		transcoder.WriteMetadata(h, k.sink.trailer, u.passes)
		if tags := h["Etag"]; len(tags) > 1 {
			// An answer has one. The trailer may only repeat what counts already.
			h["Etag"] = tags[:1]
		}
	}
	if status == http.StatusUnauthorized {
		u.look(k).challenge(h, status)
	}
	if trailers {
		transcoder.WriteMetadataPrefix(h, k.sink.trailer, u.passes, http.TrailerPrefix)
		writeOpen(w, r, status, media, body)
		return
	}
	write(w, r, status, media, body)
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
