package rest

import (
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/coding"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/split"
	"github.com/dragoman-gateway/dragoman/transcoder/validate"
)

// elements are the messages of a body that is a JSON array, or NDJSON. Each is
// bound as soon as all of it has come. What path and query bind is in the first
// one, or in all of them. They are reused.
type elements struct {
	*rule
	in       inlet
	splitter split.Splitter
	// request is what messages are bound of; further ones have nothing of its path
	// and query, but must not contradict the path.
	request plan.Request
	scratch plan.Scratch
	checks  validate.Scratch
	// reshape has the programs that look at each element, nil for none; shown is
	// what became of one, and ahead says that it has not been bound yet.
	reshape route.Messages
	shown   []byte
	ahead   bool
	// fault is why nothing more can be read.
	fault *rpc.Error
}

var _ messages = (*elements)(nil)

var elementsPool = sync.Pool{New: func() any { return new(elements) }}

// elements reads the head of the request, and makes k.call of it.
func (l *rule) elements(k *work, w http.ResponseWriter, r *http.Request, x *route.Exchange, control *http.ResponseController) (*elements, *rpc.Error) {
	if m := requestsOf(x); m != nil && !l.plan.TakesHTTPBody() {
		return l.reshaped(k, w, r, x, control, m)
	}
	request, err := l.head(k, w, r, x, control, time.Now())
	if err != nil {
		return nil, err
	}
	coding, err := codingOf(w, r)
	if err != nil {
		return nil, err
	}
	var form split.Form
	if l.plan.TakesHTTPBody() {
		request.ContentType, err = contentTypeOf(r.Header), l.checkMedia(r)
	} else {
		form, err = streamForm(r.Header)
	}
	if err != nil {
		return nil, err
	}
	e := l.newElements(r, coding, form)
	e.request = request
	return e, nil
}

func (l *rule) newElements(r *http.Request, coding string, form split.Form) *elements {
	e := elementsPool.Get().(*elements)
	e.rule = l
	e.in.open(r, coding, l.settings.MaxRequestBytes)
	e.splitter.Reset(form, l.settings.MaxRequestBytes)
	return e
}

// codingOf is the content coding of a body, which w is told if it is not known.
func codingOf(w http.ResponseWriter, r *http.Request) (string, *rpc.Error) {
	name, err := coding.Of(r.Header)
	if err != nil {
		w.Header()["Accept-Encoding"] = coding.Accepted
	}
	return name, err
}

// head makes k.call of the head of a request whose body is read as it comes, and
// gives what is bound of it. The request came at the time start.
func (l *rule) head(k *work, w http.ResponseWriter, r *http.Request, x *route.Exchange, control *http.ResponseController, start time.Time) (plan.Request, *rpc.Error) {
	k.want = plan.Want{}
	k.spans = k.spans[:0]
	for _, s := range x.Captures {
		k.spans = append(k.spans, plan.Span(s))
	}
	request := plan.Request{Path: x.Path, Captures: k.spans, RawQuery: r.URL.RawQuery}
	fault := l.plan.CheckHead(&request, &k.scratch)
	if ignored := k.scratch.Outcome.Ignored; len(ignored) > 0 {
		// Whatever the answer will be.
		w.Header().Set(rpc.IgnoredHeader, string(ignored))
	}
	if fault != nil {
		return request, badRequest(fault)
	}
	if l.settings.Alt || l.settings.Partial {
		if err := l.wish(k, r); err != nil {
			return request, err
		}
	}
	deadline, err := transcoder.Deadline(r, l.settings, false, start)
	if err != nil {
		return request, err
	}
	if err := l.metadata(k, r, x); err != nil {
		return request, err
	}
	// The end of the call ends the reading, and the deadline the call. One of the
	// connection would be taken by net/http for the client's leaving, and the answer
	// would be lost. Not every ResponseWriter has one.
	_ = control.SetReadDeadline(time.Time{})
	k.call.Method, k.call.Deadline = l.method, deadline
	return request, nil
}

// next implements [messages].
func (e *elements) next() (*rpc.Buffer, *rpc.Error) {
	if e.reshape == nil {
		element, err := e.element()
		if element == nil {
			return nil, err
		}
		return e.bind(element)
	}
	if !e.ahead {
		element, err := e.element()
		if element == nil {
			return nil, err
		}
		if err := e.shape(element); err != nil {
			return nil, err
		}
	}
	e.ahead = false
	message, err := e.bind(e.shown)
	e.shown = trimmed(e.shown, maxIdle)
	return message, err
}

// element waits for the next element. It is nil behind the last one, and with an
// error.
func (e *elements) element() ([]byte, *rpc.Error) {
	for {
		element, err := e.splitter.Next()
		switch {
		case element != nil:
			return element, nil
		case err == io.EOF:
			return nil, nil
		case err != nil:
			return nil, unsplittable(err)
		case e.fault != nil:
			return nil, e.fault
		}
		n, err := e.in.Read(e.splitter.Space())
		e.splitter.Add(n)
		if err == nil {
			continue
		}
		// What came before it counts.
		if e.fault = e.in.fault(err); e.fault == nil {
			e.splitter.End()
		}
	}
}

// bind makes a message of one element.
func (e *elements) bind(element []byte) (*rpc.Buffer, *rpc.Error) {
	message := rpc.NewBufferFor(len(element))
	var fault error
	e.request.Body = element
	if e.splitter.Count() == 1 || e.settings.Stream.BindAll {
		message.B, fault = e.plan.Bind(message.B, &e.request, &e.scratch)
	} else {
		message.B, fault = e.plan.BindFurther(message.B, &e.request, &e.scratch)
	}
	if fault != nil {
		message.Release()
		return nil, e.blame(badRequest(fault))
	}
	if err := transcoder.Check(e.rules, message.B, &e.checks); err != nil {
		message.Release()
		return nil, e.blame(err)
	}
	return message, nil
}

// blame says in an error which element it is about.
func (e *elements) blame(err *rpc.Error) *rpc.Error {
	index := strconv.Itoa(e.splitter.Count() - 1)
	err.Message = "element " + index + ", at byte " + strconv.FormatInt(e.splitter.Offset(), 10) + ": " + err.Message
	err.Metadata = map[string]string{"element": index}
	return err
}

// unsplittable is the client's copy of an error of the splitter.
func unsplittable(err error) *rpc.Error {
	var own *split.Error
	if !errors.As(err, &own) {
		return &rpc.Error{Reason: rpc.Internal, Message: "the request could not be split", Cause: err}
	}
	out := &rpc.Error{Reason: rpc.InvalidBody, Message: "body: " + own.Message, Metadata: map[string]string{"element": strconv.Itoa(own.Element)}}
	if own.TooLarge {
		out.Reason = rpc.RequestTooLarge
	}
	return out
}

// release implements [messages].
func (e *elements) release() {
	e.in.release()
	e.rule, e.in, e.request, e.fault = nil, inlet{}, plan.Request{}, nil
	e.reshape, e.shown, e.ahead = nil, trimmed(e.shown, maxIdle), false
	e.splitter.Reset(split.ByFirst, 0)
	elementsPool.Put(e)
}

// streamForm is the form of a body with many messages. Without a claim that says
// it, and with the one that curl makes, its first byte does.
func streamForm(h http.Header) (split.Form, *rpc.Error) {
	media := mediaType(h)
	switch {
	case media == "", strings.EqualFold(media, formType):
		return split.ByFirst, nil
	case strings.EqualFold(media, "application/x-ndjson"),
		strings.EqualFold(media, "application/ndjson"),
		strings.EqualFold(media, "application/jsonl"):
		return split.Lines, nil
	case strings.EqualFold(media, "application/json"), strings.EqualFold(media, "text/json"), hasSuffixFold(media, "+json"):
		return split.Array, nil
	}
	return 0, rpc.Errorf(rpc.UnsupportedMediaType,
		"content-type %q is not supported: send application/json for an array of messages, or application/x-ndjson for one in each line", media)
}
