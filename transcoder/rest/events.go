package rest

import (
	"bytes"
	"net/http"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// Server-sent events are lines, and an empty line ends an event (HTML, section
// 9.2.6, "interpreting an event stream"). JSON without indentation has no line
// feed, so that a message is one line of data. Type and id come from fields, whose
// text may be anything: what would not stay one line is left out.

var (
	eventsType  = []string{"text/event-stream"}
	noCache     = []string{"no-cache"}
	noBuffering = []string{"no"}
)

// events is the framing of server-sent events.
type events struct {
	// event and id have the type and the id of a message's event; nil for none.
	event, id *plan.Value
}

var (
	_ framing = (*events)(nil)
	_ beating = (*events)(nil)
)

// errorEvent is the type of the event that ends a stream with an error. No message
// has it.
const errorEvent = "error"

func (*events) head(_ *answering, h http.Header) {
	h["Content-Type"] = eventsType
	if len(h["Cache-Control"]) == 0 {
		h["Cache-Control"] = noCache
	}
	// nginx, and who learned it from there, gathers answers without it.
	h["X-Accel-Buffering"] = noBuffering
}

func (f *events) message(a *answering, wire []byte) *rpc.Error {
	if f.event != nil {
		if err := a.line("event: ", f.event, wire, isEventType); err != nil {
			return err
		}
	}
	if f.id != nil {
		if err := a.line("id: ", f.id, wire, isOneLine); err != nil {
			return err
		}
	}
	a.out = append(a.out, "data: "...)
	if err := a.render(wire); err != nil {
		return err
	}
	a.out = append(a.out, "\n\n"...)
	return nil
}

// line adds a line with the text of a field, if the message has one that is fit.
func (a *answering) line(name string, from *plan.Value, wire []byte, fit func([]byte) bool) *rpc.Error {
	mark := len(a.out)
	a.out = append(a.out, name...)
	text := len(a.out)
	out, ok, err := from.AppendText(a.out, wire, &a.scratch)
	switch {
	case err != nil:
		return a.unrenderable(err)
	case !ok || !fit(out[text:]):
		a.out = out[:mark]
	default:
		a.out = append(out, '\n')
	}
	return nil
}

// isOneLine reports whether text is one line of an event stream. It must not be
// empty, which would be no type, and an id that takes back the one before; and
// readers pass over an id with a NUL.
func isOneLine(text []byte) bool {
	return len(text) > 0 && bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, '\r') < 0 && bytes.IndexByte(text, 0) < 0
}

func isEventType(text []byte) bool { return isOneLine(text) && string(text) != errorEvent }

func (*events) end(*answering) {}

func (*events) fault(a *answering, fault []byte) bool {
	a.out = append(a.out, "event: "+errorEvent+"\ndata: "...)
	a.out = append(a.out, fault...)
	a.out = append(a.out, "\n\n"...)
	return true
}

// beat adds a comment, which readers pass over.
func (*events) beat(a *answering) { a.out = append(a.out, ": \n\n"...) }
