package rest

import (
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// look is how errors look to one client.
type look struct {
	settings *transcoder.Settings
	shape    plan.Shape
}

// lookOf is that of clients who do not ask for another one.
func lookOf(s *transcoder.Settings) look { return look{settings: s, shape: shapes[s.ErrorShape]} }

var shapes = [...]plan.Shape{
	transcoder.ShapeStatus:  plan.ShapeStatus,
	transcoder.ShapeGoogle:  plan.ShapeGoogle,
	transcoder.ShapeProblem: plan.ShapeProblem,
}

func (l look) media() []string {
	if l.shape == plan.ShapeProblem {
		return problemType
	}
	return jsonType
}

// refuse answers with an error that the gateway made.
func (l look) refuse(w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error) {
	fail(x, err)
	h := w.Header()
	if err.Reason != "" {
		h.Set(rpc.ErrorHeader, string(err.Reason))
	}
	if len(err.Allow) > 0 {
		h.Set("Allow", strings.Join(err.Allow, ", "))
	}
	status := err.HTTPStatus()
	l.challenge(h, status)
	write(w, r, status, l.media(), l.dressed(l.appendError(nil, err)))
}

// fail notes an error of the gateway that ends the exchange, before it is told.
func fail(x *route.Exchange, err *rpc.Error) {
	x.Failure = err
	x.Code, x.Reason, x.Error = int(err.GRPCCode()), string(err.Reason), err.Cause
}

// dressed is an error as it is sent.
func (l look) dressed(json []byte) []byte {
	if l.settings.Pretty && codec.IndentedLen(json) <= l.settings.MaxJSONBytes {
		return codec.AppendIndented(nil, json)
	}
	return json
}

// challenge says how to authenticate, if the upstream does not: RFC 9110, section
// 15.5.2, demands that an answer 401 does.
func (l look) challenge(h http.Header, status int) {
	if status == http.StatusUnauthorized && l.settings.WWWAuthenticate != "" && len(h["Www-Authenticate"]) == 0 {
		h["Www-Authenticate"] = []string{l.settings.WWWAuthenticate}
	}
}

// appendError appends err as JSON, with the details that [rpc.Error.Status] gives
// it. It does without tables of the details: there may be none, if no route fits.
func (l look) appendError(dst []byte, err *rpc.Error) []byte {
	status := err.HTTPStatus()
	fault := plan.Fault{
		Code: uint32(err.GRPCCode()), Message: err.Message, HTTP: status, Title: title(status),
		Reason: string(err.Reason),
	}
	for _, v := range err.Violations {
		fault.Violations = append(fault.Violations, plan.Violation{Field: v.Field, Description: v.Description, Reason: v.Rule})
	}
	dst = fault.AppendHead(dst, l.shape)
	if err.Reason == "" {
		return l.shape.AppendTail(dst)
	}
	dst = append(dst, `{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":`...)
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
		dst = append(dst, `,{"@type":"type.googleapis.com/google.rpc.BadRequest",`...)
		if l.settings.Print.ProtoNames {
			dst = append(dst, `"field_violations":[`...)
		} else {
			dst = append(dst, `"fieldViolations":[`...)
		}
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
	return l.shape.AppendTail(dst)
}

// title is the phrase of an HTTP status, empty if it has none.
func title(status int) string {
	const closed = 499
	if status == closed {
		return "Client Closed Request"
	}
	return http.StatusText(status)
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
	look := l.look(k)
	if r.Context().Err() != nil {
		look.refuse(w, r, x, errGone)
		return
	}
	status := st.HTTPStatus()
	if l.response != nil && st.Reason == "" {
		told, err := l.response.told(head, trailer)
		if err != nil {
			look.refuse(w, r, x, err)
			return
		}
		if told != 0 {
			status = told
		}
	}
	note(x, st)
	h := w.Header()
	transcoder.WriteMetadata(h, head, l.passes)
	transcoder.WriteMetadata(h, trailer, l.passes)
	if st.Reason != "" {
		h.Set(rpc.ErrorHeader, string(st.Reason))
	}
	instead := ""
	if len(st.Details) > 0 {
		instead = l.explained(h, r, st.Details)
	}
	look.challenge(h, status)
	k.out = l.renderStatus(k.out[:0], k, st, status, instead)
	write(w, r, status, look.media(), look.dressed(k.out))
}

// explained sets the headers that the details of a status ask for, and returns
// the message that they have in the client's language, if any.
func (l *rule) explained(h http.Header, r *http.Request, details []byte) string {
	d := plan.ReadDetails(details)
	if d.Retry && len(h["Retry-After"]) == 0 {
		seconds := (d.RetryDelay + time.Second - 1) / time.Second
		h["Retry-After"] = []string{strconv.FormatInt(int64(seconds), 10)}
	}
	if !l.settings.Localized || len(d.Localized) == 0 {
		return ""
	}
	h.Add("Vary", "Accept-Language")
	best := l.translated(r, d.Localized)
	if best.Locale != "" {
		h["Content-Language"] = []string{best.Locale}
	}
	return best.Message
}

// translated is the message for the client's language, the zero one if there is
// none.
func (l *rule) translated(r *http.Request, messages []plan.Localized) plan.Localized {
	if !l.settings.Localized || len(messages) == 0 {
		return plan.Localized{}
	}
	return localized(messages, r.Header["Accept-Language"])
}

// renderStatus appends a status of the upstream as JSON.
func (l *rule) renderStatus(dst []byte, k *work, st *rpc.Status, status int, instead string) []byte {
	shown := plan.Status{
		Code: uint32(st.Code), Message: st.Message, Details: st.Details, Instead: instead,
		HTTP: status, Title: title(status), Shape: l.look(k).shape,
	}
	return l.plan.RenderStatus(dst, &shown, k.want, &k.scratch)
}

// errGone is for the log: nobody reads the answer.
var errGone = rpc.Errorf(rpc.ClientClosed, "the client closed the request")

// note notes how a call ended that the upstream has ended, or the way to it.
func note(x *route.Exchange, st *rpc.Status) {
	x.Code = int(st.Code)
	if st.Code > codes.Unauthenticated {
		x.Code = int(codes.Unknown)
	}
	if st.Reason != "" {
		fail(x, &rpc.Error{Reason: st.Reason, Code: st.Code, Message: st.Message, Cause: st.Cause})
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
