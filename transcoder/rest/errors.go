package rest

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// jsonType is shared by all answers; nobody changes it.
var jsonType = []string{"application/json"}

// smallAnswer is below what net/http gathers of an answer before it must send the
// head (2 KiB over HTTP/1.1, 4 KiB over HTTP/2).
const smallAnswer = 2000

// write writes a whole answer. Metadata has been added to the header already.
func write(w http.ResponseWriter, r *http.Request, x *route.Exchange, status int, body []byte) {
	h := w.Header()
	h["Content-Type"] = jsonType
	if len(body) > smallAnswer || r.Method == http.MethodHead {
		// net/http counts smaller answers itself, and cheaper.
		h["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	if r.Method == http.MethodHead {
		return
	}
	// A failure means that nobody is there to be told.
	n, _ := w.Write(body)
	x.ResponseBytes += int64(n)
}

// refuse answers with an error that the gateway made.
func refuse(w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error) {
	x.Code, x.Reason, x.Error = int(err.Reason.Code()), string(err.Reason), err.Cause
	h := w.Header()
	h.Set(rpc.ErrorHeader, string(err.Reason))
	if len(err.Allow) > 0 {
		h.Set("Allow", strings.Join(err.Allow, ", "))
	}
	write(w, r, x, err.Reason.HTTPStatus(), appendError(nil, err))
}

// appendError appends err as the JSON of google.rpc.Status, with the details that
// [rpc.Error.Status] gives it. It does without tables of the details: there may
// be none, if no route fits.
func appendError(dst []byte, err *rpc.Error) []byte {
	dst = append(dst, `{"code":`...)
	dst = strconv.AppendInt(dst, int64(err.Reason.Code()), 10)
	dst = append(dst, `,"message":`...)
	dst = plan.AppendString(dst, err.Message)
	dst = append(dst, `,"details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":`...)
	dst = plan.AppendString(dst, string(err.Reason))
	dst = append(dst, `,"domain":"`+rpc.ErrorDomain+`"`...)
	if len(err.Metadata) > 0 {
		dst = append(dst, `,"metadata":{`...)
		for i, key := range sortedKeys(err.Metadata) {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(plan.AppendString(dst, key), ':')
			dst = plan.AppendString(dst, err.Metadata[key])
		}
		dst = append(dst, '}')
	}
	dst = append(dst, '}')
	if len(err.Violations) > 0 {
		dst = append(dst, `,{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[`...)
		for i, v := range err.Violations {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = append(dst, `{"field":`...)
			dst = plan.AppendString(dst, v.Field)
			dst = append(dst, `,"description":`...)
			dst = plan.AppendString(dst, v.Description)
			if v.Rule != "" {
				dst = append(dst, `,"reason":`...)
				dst = plan.AppendString(dst, v.Rule)
			}
			dst = append(dst, '}')
		}
		dst = append(dst, "]}"...)
	}
	return append(dst, "]}"...)
}

func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// refuseStatus answers with the status, not OK, that a call ended with before
// anything was written.
func (l *rule) refuseStatus(k *work, w http.ResponseWriter, r *http.Request, x *route.Exchange, st *rpc.Status, head, trailer rpc.Header) {
	if r.Context().Err() != nil {
		refuse(w, r, x, errGone)
		return
	}
	note(x, st)
	h := w.Header()
	transcoder.WriteMetadata(h, head, &l.settings.ResponseMetadata)
	transcoder.WriteMetadata(h, trailer, &l.settings.ResponseMetadata)
	if st.Reason != "" {
		h.Set(rpc.ErrorHeader, string(st.Reason))
	}
	k.out = l.plan.RenderStatus(k.out[:0], uint32(st.Code), st.Message, st.Details, &k.scratch)
	write(w, r, x, st.HTTPStatus(), k.out)
}

// errGone is for the log: nobody reads the answer.
var errGone = rpc.Errorf(rpc.ClientClosed, "the client closed the request")

// note notes for the access log how a call ended.
func note(x *route.Exchange, st *rpc.Status) {
	x.Code = int(st.Code)
	if st.Code > codes.Unauthenticated {
		x.Code = int(codes.Unknown)
	}
	if st.Reason != "" {
		x.Reason, x.Error = string(st.Reason), st.Cause
	}
}

// unrenderable is the error of an upstream message that has no JSON.
func (l *rule) unrenderable(err error) *rpc.Error {
	name := l.method.Descriptor.Output().FullName()
	out := &rpc.Error{Reason: rpc.UpstreamProtocol, Cause: err}
	var ce *codec.Error
	if !errors.As(err, &ce) {
		out.Message = "the upstream's " + string(name) + " cannot be shown as JSON"
		return out
	}
	if ce.Kind == codec.KindTooLarge {
		out.Reason = rpc.UpstreamTooLarge
	}
	out.Message = "the upstream's " + string(name) + " cannot be shown as JSON: " + ce.Error()
	if ce.Path != "" {
		out.Metadata = map[string]string{"field": ce.Path}
	}
	return out
}
