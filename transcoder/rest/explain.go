package rest

import (
	"net/http"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

var (
	_ transcoder.Explainer = (*unary)(nil)
	_ transcoder.Explainer = (*stream)(nil)
	_ transcoder.Explainer = (*collect)(nil)
	_ transcoder.Explainer = (*duplex)(nil)
)

// Explain implements [transcoder.Explainer].
func (u *unary) Explain(r *http.Request, x *route.Exchange) *transcoder.Explanation {
	return u.explain(r, x, "render the message as JSON", u.answers(r.Method)...)
}

// Explain implements [transcoder.Explainer].
func (t *stream) Explain(r *http.Request, x *route.Exchange) *transcoder.Explanation {
	e := t.explain(r, x, "render each message "+places[name(t.forms.choose(r))], "answer "+t.statuses()+" as they come")
	return e
}

// places say for people where a form has its messages.
var places = map[string]string{
	"array":  "as an element of a JSON array",
	"ndjson": "as a line of NDJSON",
	"sse":    "as a server-sent event",
}

// Explain implements [transcoder.Explainer].
func (c *collect) Explain(r *http.Request, x *route.Exchange) *transcoder.Explanation {
	return c.explainStream(r, x, "render the message as JSON", c.answers(r.Method)...)
}

// Explain implements [transcoder.Explainer].
func (d *duplex) Explain(r *http.Request, x *route.Exchange) *transcoder.Explanation {
	return d.explainStream(r, x, "render each message "+places[name(d.forms.choose(r))], "answer "+d.statuses()+" as they come")
}

// Explain implements [transcoder.Explainer]. The body, if there is one, stands for
// the first frames, one in each line; the handshake itself is not asked for.
func (t *webSocket) Explain(r *http.Request, x *route.Exchange) *transcoder.Explanation {
	if err := checkOrigin(r, t.settings.Stream.Origins); err != nil {
		return &transcoder.Explanation{Method: t.method, Refused: err}
	}
	render, last := "render each message as a text frame", "close with the status"
	if t.framed {
		return t.explainStream(r, x, render, last)
	}
	return t.explain(r, x, render, last)
}

// explainStream is explain for a request with many messages, of which it tells
// the first.
func (l *rule) explainStream(r *http.Request, x *route.Exchange, render string, last ...string) *transcoder.Explanation {
	if !l.plan.TakesBody() {
		return l.explain(r, x, render, last...)
	}
	e := &transcoder.Explanation{Method: l.method}
	k := newWork()
	defer k.release()
	e.Timeout, e.TimeoutFrom = transcoder.ExplainDeadline(r, l.settings, false)
	boundary, refused := l.boundary(r)
	if refused != nil {
		e.Refused = refused
		return e
	}
	var in messages
	var request *plan.Request
	var stages []string
	if control := http.NewResponseController(nowhere{}); boundary != "" {
		var form *formMessages
		if form, refused = l.formMessages(k, nowhere{}, r, x, control, boundary); refused == nil {
			in, request = form, &form.request
		}
	} else {
		var all *elements
		if all, refused = l.elements(k, nowhere{}, r, x, control); refused == nil {
			in, request = all, &all.request
		}
	}
	if refused != nil {
		e.Refused = refused
		return e
	}
	defer in.release()
	e.Metadata = slices.Clone(k.call.Header)
	message, refused := in.next()
	if refused != nil {
		e.Refused = refused
		return e
	}
	var bound []plan.Bound
	if message != nil {
		e.Message = slices.Clone(message.B)
		message.Release()
		// What was bound can be printed.
		e.JSON, _ = l.plan.AppendRequestJSON(nil, e.Message, &k.scratch)
		bound, e.Ignored = l.plan.Explain(request, &k.scratch)
		for _, b := range bound {
			e.Bindings = append(e.Bindings, transcoder.Bound(b))
		}
	}
	if all, ok := in.(*elements); ok {
		stages = l.streamStages(r, all.splitter.Form())
	} else {
		stages = l.formStages(r)
	}
	e.Stages = append(append(stages, l.answerStages(&k.want, render)...), last...)
	return e
}

// explain goes the way of a request up to the call.
func (l *rule) explain(r *http.Request, x *route.Exchange, render string, last ...string) *transcoder.Explanation {
	e := &transcoder.Explanation{Method: l.method}
	k := newWork()
	defer k.release()
	e.Timeout, e.TimeoutFrom = transcoder.ExplainDeadline(r, l.settings, l.method.Unary())
	if err := l.prepare(k, nowhere{}, r, x); err != nil {
		e.Refused = err
		return e
	}
	e.Message = slices.Clone(k.call.Request.B)
	e.Metadata = slices.Clone(k.call.Header)
	// What was bound can be printed.
	e.JSON, _ = l.plan.AppendRequestJSON(nil, e.Message, &k.scratch)
	k.call.Request.Release()
	request := plan.Request{Path: x.Path, Captures: k.spans, RawQuery: r.URL.RawQuery, Body: k.body}
	request.Form, _ = l.form(r) // which prepare has asked before
	boundary, _ := l.boundary(r)
	if request.Multipart = boundary != ""; request.Multipart {
		request.Body, request.Parts = nil, k.parts
	} else if l.plan.TakesHTTPBody() {
		request.ContentType = contentTypeOf(r.Header)
	}
	var bound []plan.Bound
	bound, e.Ignored = l.plan.Explain(&request, &k.scratch)
	for _, b := range bound {
		e.Bindings = append(e.Bindings, transcoder.Bound(b))
	}
	e.Stages = l.stages(r, bound)
	if e.Onward(l.upstream); e.Refused == nil {
		e.Stages = append(append(e.Stages, l.answerStages(&k.want, render)...), last...)
	}
	return e
}

// nowhere is where an explanation writes: it must not write anything.
type nowhere struct{}

var _ http.ResponseWriter = nowhere{}

func (nowhere) Header() http.Header         { return http.Header{} }
func (nowhere) Write(p []byte) (int, error) { return len(p), nil }
func (nowhere) WriteHeader(int)             {}

// SetReadDeadline lets readBody set the deadline that no connection has.
func (nowhere) SetReadDeadline(time.Time) error { return nil }
