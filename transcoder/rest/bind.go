package rest

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
	"github.com/dragoman-gateway/dragoman/transcoder/validate"
)

// maxKept is the largest buffer that is kept for the next request.
const maxKept = 256 << 10

// rule is one HTTP rule of one method.
type rule struct {
	method   *rpc.Method
	upstream rpc.Upstream
	settings *transcoder.Settings
	plan     *plan.Plan
	// rules are those that the request message must follow; nil for none.
	rules *validate.Rules
	// response chooses status and headers; nil for 200 and nothing else.
	response *response
	// forms are those of answers with many messages; nil if there is one.
	forms *forms
	// passes says which response metadata becomes headers.
	passes *rpc.HeaderPolicy
}

// look is how errors look to the client of k.
func (l *rule) look(k *work) look {
	look := lookOf(l.settings)
	switch k.scratch.Outcome.Errors {
	case plan.GoogleErrors:
		look.shape = plan.ShapeGoogle
	case plan.StatusErrors:
		look.shape = plan.ShapeStatus
	}
	return look
}

// work is the memory that serving one request needs. It is reused.
type work struct {
	call    rpc.Call
	sink    answer
	scratch plan.Scratch
	checks  validate.Scratch
	spans   []plan.Span
	// want is the form of the answer.
	want plan.Want
	// body is the request as it came, out the JSON of the response.
	body, out []byte
	// pretty is out with line feeds, shown what programs are shown.
	pretty, shown []byte
	// parts are those of a multipart form, their contents in body.
	parts []plan.Part
	// file is the google.api.HttpBody of the answer.
	file plan.HTTPBody
}

var works = sync.Pool{New: func() any { return new(work) }}

func newWork() *work { return works.Get().(*work) }

func (k *work) release() {
	clear(k.call.Header)
	k.call = rpc.Call{Header: k.call.Header[:0]}
	k.sink.release()
	k.file.Reset()
	k.parts = emptied(k.parts)
	k.trim(maxKept)
	works.Put(k)
}

// trim empties the buffers, and lets go of those larger than most.
func (k *work) trim(most int) {
	k.body, k.out, k.pretty, k.shown = trimmed(k.body, most), trimmed(k.out, most), trimmed(k.pretty, most), trimmed(k.shown, most)
}

func trimmed(b []byte, most int) []byte {
	if cap(b) > most {
		return nil
	}
	return b[:0]
}

// prepare reads the request and makes k.call of it.
func (l *rule) prepare(k *work, w http.ResponseWriter, r *http.Request, x *route.Exchange) *rpc.Error {
	l.plan.Begin(r.URL.RawQuery, &k.scratch)
	k.want = plan.Want{}
	now := time.Now()
	deadline, err := transcoder.Deadline(r, l.settings, l.method.Unary(), now)
	if err != nil {
		return err
	}
	until := deadline
	if until.IsZero() && l.settings.UnaryTimeout > 0 {
		// A stream may last, but its request is one message like any other.
		until = now.Add(l.settings.UnaryTimeout)
	}
	form, err := l.form(r)
	if err != nil {
		return err
	}
	boundary, err := l.boundary(r)
	if err != nil {
		return err
	}
	if boundary == "" {
		err = l.checkMedia(r)
	}
	if err != nil {
		return err
	}
	if err = k.readBody(w, r, x, l.settings.MaxRequestBytes, l.plan.TakesBody(), until); err != nil {
		return err
	}
	if boundary != "" {
		if err = l.readParts(k, boundary); err != nil {
			return err
		}
	}
	k.spans = k.spans[:0]
	for _, s := range x.Captures {
		k.spans = append(k.spans, plan.Span(s))
	}
	message := rpc.NewBufferFor(len(k.body))
	request := plan.Request{Path: x.Path, Captures: k.spans, RawQuery: r.URL.RawQuery, Body: k.body, Form: form}
	if request.Multipart = boundary != ""; request.Multipart {
		request.Body, request.Parts = nil, k.parts
	} else if l.plan.TakesHTTPBody() {
		request.ContentType = contentTypeOf(r.Header)
	}
	var fault error
	message.B, fault = l.plan.Bind(message.B, &request, &k.scratch)
	if ignored := k.scratch.Outcome.Ignored; len(ignored) > 0 {
		// Whatever the answer will be.
		w.Header().Set(rpc.IgnoredHeader, string(ignored))
	}
	if fault != nil {
		message.Release()
		return badRequest(fault)
	}
	if l.settings.Alt || l.settings.Partial {
		if err := l.wish(k, r); err != nil {
			message.Release()
			return err
		}
	}
	if err := transcoder.Check(l.rules, message.B, &k.checks); err != nil {
		message.Release()
		return err
	}
	if err := l.metadata(k, r, x); err != nil {
		message.Release()
		return err
	}
	k.call.Method, k.call.Deadline, k.call.Request = l.method, deadline, message
	return nil
}

// metadata makes the call's of the request.
func (l *rule) metadata(k *work, r *http.Request, x *route.Exchange) *rpc.Error {
	var fault error
	if k.call.Header, fault = transcoder.AppendMetadata(k.call.Header, r, x.Client, &l.settings.RequestMetadata); fault != nil {
		var own *rpc.Error
		if errors.As(fault, &own) {
			return own
		}
		return rpc.Errorf(rpc.InvalidRequest, "%v", fault)
	}
	if l.settings.UnknownQuery == transcoder.Capture {
		k.captured()
	}
	return nil
}

// unknownQuery is the metadata that captured query parameters travel in.
const unknownQuery = "x-unknown-query"

// captured adds the query parameters that were captured to the call. What the
// client itself says under that name does not reach the upstream, which could
// not tell it from them.
func (k *work) captured() {
	k.call.Header = slices.DeleteFunc(k.call.Header, func(f rpc.HeaderField) bool { return f.Name == unknownQuery })
	if captured := k.scratch.Outcome.Captured; len(captured) > 0 {
		k.call.Header = append(k.call.Header, rpc.HeaderField{Name: unknownQuery, Value: string(captured)})
	}
}

// badRequest is the client's copy of an error of the plan.
func badRequest(err error) *rpc.Error {
	var pe *plan.Error
	if !errors.As(err, &pe) {
		return &rpc.Error{Reason: rpc.Internal, Message: "the request could not be bound", Cause: err}
	}
	out := &rpc.Error{Message: pe.Message}
	switch pe.Place {
	case plan.InPath:
		out.Reason = rpc.InvalidPath
	case plan.InQuery:
		out.Reason = rpc.InvalidQuery
	case plan.InBody:
		out.Reason = rpc.InvalidBody
	case plan.InType:
		out.Reason = rpc.UnsupportedMediaType
	default:
		out.Reason = rpc.MissingRequired
	}
	if pe.Field != "" {
		out.Violations = []rpc.Violation{{Field: pe.Field, Description: pe.Description}}
	}
	return out
}
