package main

import (
	"encoding/json"
	"fmt"
	"io"

	"net/http"
	"strings"
	"unicode/utf8"

	"github.com/dragoman-gateway/dragoman/gateway"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// rehearsed is what `dragoman transform --json` prints.
type rehearsed struct {
	Listener string          `json:"listener"`
	Route    string          `json:"route,omitempty"`
	Steps    []rehearsedStep `json:"steps"`
	// NotRun are the programs for answers, if there was none.
	NotRun []string `json:"notRun,omitempty"`
	// Request is what the upstream would get.
	Request *sampleRequest `json:"request,omitempty"`
	// Answer is what the client would get.
	Answer *sampleAnswer `json:"answer,omitempty"`
	// Log are the fields for the access log.
	Log   map[string]any `json:"log,omitempty"`
	Error *sampleError   `json:"error,omitempty"`
}

// rehearsedStep is one program.
type rehearsedStep struct {
	Phase   string `json:"phase"`
	Program string `json:"program"`
	Ran     bool   `json:"ran"`
	// Why says why it has not run.
	Why string `json:"why,omitempty"`
	// Before and After are what programs see, the body only where one looks at it.
	Before  map[string]any `json:"before"`
	After   map[string]any `json:"after,omitempty"`
	Respond map[string]any `json:"respond,omitempty"`
	Log     map[string]any `json:"log,omitempty"`
	Error   *sampleError   `json:"error,omitempty"`
}

type sampleRequest struct {
	Method  string      `json:"method"`
	URL     string      `json:"url"`
	Host    string      `json:"host"`
	Headers http.Header `json:"headers"`
	sampleBody
}

type sampleAnswer struct {
	Status  int         `json:"status"`
	Headers http.Header `json:"headers"`
	sampleBody
}

// sampleBody is a body as text, or, if it is none, in base64.
type sampleBody struct {
	Body  string `json:"body,omitempty"`
	Bytes []byte `json:"bytes,omitempty"`
}

func newSampleBody(body []byte) sampleBody {
	if utf8.Valid(body) {
		return sampleBody{Body: string(body)}
	}
	return sampleBody{Bytes: body}
}

// sampleError is an error of the gateway. Cause is for the operator.
type sampleError struct {
	Reason  string `json:"reason"`
	Message string `json:"message"`
	Cause   string `json:"cause,omitempty"`
}

var phaseNames = [...]string{view.Request: "request", view.Response: "response", view.Error: "error"}

func newRehearsed(h *prepared, run *gateway.Rehearsed) (*rehearsed, error) {
	out := &rehearsed{Listener: h.listener.Name, Route: h.Route(), Steps: []rehearsedStep{}, Error: newSampleError(run.Failure)}
	for i := range run.Steps {
		out.Steps = append(out.Steps, newRehearsedStep(&run.Steps[i]))
	}
	if r := run.Request; r != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		out.Request = &sampleRequest{Method: r.Method, URL: r.RequestURI, Host: r.Host, Headers: r.Header, sampleBody: newSampleBody(body)}
	}
	if a := run.Answer; a != nil {
		out.Answer = &sampleAnswer{Status: a.Status, Headers: a.Header, sampleBody: newSampleBody(a.Body)}
	} else {
		out.NotRun = h.Answering()
	}
	for _, field := range run.Log {
		if out.Log == nil {
			out.Log = make(map[string]any)
		}
		out.Log[field.Key] = field.Value.Any()
	}
	return out, nil
}

func newRehearsedStep(s *transform.Step) rehearsedStep {
	out := rehearsedStep{
		Phase: phaseNames[s.Phase], Program: s.Program, Ran: s.Ran, Before: s.Before, After: s.After, Log: s.Log,
		Error: newSampleError(s.Error),
	}
	switch {
	case s.Ran || s.Error != nil:
	case s.Unread != nil:
		out.Why = "the body cannot be read: " + s.Unread.Error()
	default:
		out.Why = "its when does not hold"
	}
	if a := s.Respond; a != nil {
		headers := make(map[string]any)
		for _, h := range a.Headers {
			if name := strings.ToLower(h.Name); len(h.Values) == 1 {
				headers[name] = h.Values[0]
			} else {
				headers[name] = h.Values
			}
		}
		out.Respond = map[string]any{"status": a.Status, "headers": headers, "body": a.Body}
	}
	return out
}

func newSampleError(err *rpc.Error) *sampleError {
	if err == nil {
		return nil
	}
	out := &sampleError{Reason: string(err.Reason), Message: err.Message}
	if err.Cause != nil {
		out.Cause = err.Cause.Error()
	}
	return out
}

// failed is the error that the command ends with: that of a program, or of a body
// that cannot be read for one.
func (a *rehearsed) failed() error {
	if a.Error != nil {
		return fmt.Errorf("%s: %s", a.Error.Reason, a.Error.Message)
	}
	for i := range a.Steps {
		if err := a.Steps[i].Error; err != nil {
			return fmt.Errorf("%s: %s", err.Reason, err.Message)
		}
	}
	return nil
}

// print writes the steps for people.
func (a *rehearsed) print(w io.Writer) error {
	d := &diff{printer: printer{w: w}, color: colored(w)}
	for i := range a.Steps {
		if i > 0 {
			d.line("")
		}
		a.Steps[i].print(d)
	}
	if len(a.NotRun) > 0 {
		if len(a.Steps) > 0 {
			d.line("")
		}
		d.line("not run without an answer, which --response FILE gives:")
		for _, name := range a.NotRun {
			d.line("  %s", titleOf("response", name))
		}
	}
	if a.Error != nil && a.Answer != nil {
		if len(a.Steps) > 0 {
			d.line("")
		}
		d.line("the client gets")
		d.line("  %d %s", a.Answer.Status, a.Error.Reason)
		d.line("  %s", a.Answer.Body)
	}
	return d.err
}

// titleOf is a program as the heading of its step: request, route "books", transform[0].
func titleOf(phase, program string) string {
	return phase + ", " + strings.TrimSuffix(program, "."+phase)
}

func (s *rehearsedStep) print(d *diff) {
	title := titleOf(s.Phase, s.Program)
	switch {
	case s.Error != nil:
		d.title(title, "fails")
		text := s.Error.Cause
		if text == "" || strings.HasPrefix(text, "for "+s.Program) {
			// It is about the body.
			text = s.Error.Message
		}
		d.line("  %s", strings.TrimPrefix(text, s.Program+": "))
		return
	case !s.Ran:
		d.title(title, "left out, as "+s.Why)
		return
	case s.Respond != nil:
		d.title(title, "answers")
	case len(s.Log) == 0 && !differ(s.Before, s.After):
		d.title(title, "changes nothing")
		return
	default:
		d.title(title, "")
	}
	d.views(s.Before, s.After)
	if s.Respond != nil {
		d.views(map[string]any{"headers": map[string]any{}, "body": nil}, s.Respond)
	}
	if len(s.Log) > 0 {
		d.members("log", ": ", nil, s.Log)
	}
}

// differ reports whether two views have a difference that is shown.
func differ(before, after map[string]any) bool {
	d := &diff{printer: printer{w: io.Discard}}
	d.views(before, after)
	return d.lines > 0
}

// compact is a value as JSON in one line.
func compact(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Sprint(v)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
