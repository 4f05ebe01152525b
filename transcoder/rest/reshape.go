package rest

import (
	"net/http"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// requestsOf is what reshapes the messages of the client, nil for nobody.
func requestsOf(x *route.Exchange) route.Messages {
	if x.Messages == nil {
		return nil
	}
	if requests, _ := x.Messages.Wants(); !requests {
		return nil
	}
	return x.Messages
}

// responsesOf is what reshapes the messages of the upstream, nil for nobody.
func responsesOf(x *route.Exchange) route.Messages {
	if x.Messages == nil {
		return nil
	}
	if _, responses := x.Messages.Wants(); !responses {
		return nil
	}
	return x.Messages
}

// withoutMessages tells who reshapes messages that the request has none, before
// anything is made of its head.
func withoutMessages(r *http.Request, x *route.Exchange) *rpc.Error {
	m := requestsOf(x)
	if m == nil {
		return nil
	}
	_, err := m.Request(nil, nil, r)
	return err
}

// reshaped is [rule.elements] for a body whose messages somebody reshapes. What
// becomes of the first one may change the head of the request, so that all that is
// made of the head, and the call with it, waits for it.
func (l *rule) reshaped(k *work, w http.ResponseWriter, r *http.Request, x *route.Exchange, control *http.ResponseController, m route.Messages) (*elements, *rpc.Error) {
	start := time.Now()
	l.plan.Begin(r.URL.RawQuery, &k.scratch) // errors may have a form that the query asks for
	k.want = plan.Want{}
	coding, err := codingOf(w, r)
	if err != nil {
		return nil, err
	}
	form, err := streamForm(r.Header)
	if err != nil {
		return nil, err
	}
	deadline, err := transcoder.Deadline(r, l.settings, false, start)
	if err != nil {
		return nil, err
	}
	e := l.newElements(r, coding, form)
	e.reshape = m
	if err = e.await(control, deadline); err == nil {
		e.request, err = l.head(k, w, r, x, control, start)
	}
	if err != nil {
		x.RequestBytes += e.in.source.n
		e.release()
		return nil, err
	}
	return e, nil
}

// await reads and reshapes the first element, which must come by the deadline if
// that is not zero, and before the stream has been idle for too long.
func (e *elements) await(control *http.ResponseController, deadline time.Time) *rpc.Error {
	_ = control.SetReadDeadline(time.Time{}) // see head
	patience, idle := e.settings.Stream.IdleTimeout, true
	if !deadline.IsZero() {
		if left := time.Until(deadline); patience <= 0 || left < patience {
			patience, idle = max(left, 1), false
		}
	}
	var late *rpc.Error
	timer := rpc.StartIdle(patience, func(err *rpc.Error) {
		if late = err; !idle {
			late = rpc.Errorf(rpc.DeadlineExceeded, "the deadline passed before the first message was complete")
		}
		if e.in.r.ProtoMajor >= 2 {
			_ = e.in.r.Body.Close()
		} else {
			_ = control.SetReadDeadline(time.Unix(1, 0))
		}
	})
	element, err := e.element()
	timer.Stop()
	switch {
	case timer.Expired():
		return late
	case err != nil:
		return err
	case element == nil:
		_, err = e.reshape.Request(nil, nil, e.in.r)
		return err
	}
	e.ahead = true
	return e.shape(element)
}

// shape makes e.shown what becomes of an element.
func (e *elements) shape(element []byte) *rpc.Error {
	out, err := e.reshape.Request(e.shown[:0], element, e.in.r)
	if err == nil {
		e.shown = out
		return nil
	}
	if err.Reason == rpc.InvalidBody {
		copied := *err
		return e.blame(&copied)
	}
	return err
}

// appendJSON appends the JSON of a message as it is sent.
func (a *answering) appendJSON(dst, wire []byte) ([]byte, *rpc.Error) {
	if a.reshape == nil {
		out, err := a.plan.Render(dst, wire, a.want, &a.scratch)
		if err != nil {
			return dst, a.unrenderable(err)
		}
		return out, nil
	}
	var err error
	if a.shown, err = a.plan.Render(a.shown[:0], wire, a.want, &a.scratch); err != nil {
		return dst, a.unrenderable(err)
	}
	out, refused := a.reshape.Response(dst, a.shown)
	a.shown = trimmed(a.shown, maxIdle)
	if refused != nil {
		return dst, refused
	}
	return out, nil
}

// frameShown is a frame of the client as somebody reshapes it, in the kind that it
// has. It is in k.shown.
func (s *session) frameShown(k *work, body []byte, binary bool) ([]byte, *rpc.Error) {
	if len(body) == 0 && !binary {
		// All of the message is in path and query.
		_, err := s.requests.Request(nil, nil, s.heard)
		return body, err
	}
	if !binary {
		out, err := s.requests.Request(k.shown[:0], body, s.heard)
		if err == nil {
			k.shown = out
		}
		return out, err
	}
	var err error
	if k.out, err = s.plan.AppendBodyJSON(k.out[:0], body, &k.scratch); err != nil {
		return nil, badRequest(err)
	}
	out, refused := s.requests.Request(k.shown[:0], k.out, s.heard)
	if refused != nil {
		return nil, refused
	}
	k.shown = out
	if k.out, err = s.plan.AppendBodyWire(k.out[:0], k.shown, &k.scratch); err != nil {
		return nil, transcoder.Unfit(s.method.Descriptor.Input().FullName(), err)
	}
	return k.out, nil
}

// answerShown makes k.out what is sent for a message of the upstream: its JSON, or
// it serialized again.
func (s *session) answerShown(k *work, wire []byte, binary bool) *rpc.Error {
	var err error
	if binary {
		k.shown, err = s.plan.AppendAnswerJSON(k.shown[:0], wire, k.want, &k.scratch)
	} else {
		k.shown, err = s.plan.Render(k.shown[:0], wire, k.want, &k.scratch)
	}
	if err != nil {
		return s.unrenderable(err)
	}
	out, refused := s.responses.Response(k.out[:0], k.shown)
	if refused != nil {
		return refused
	}
	if k.out = out; !binary {
		return nil
	}
	if k.shown, err = s.plan.AppendAnswerWire(k.shown[:0], k.out, &k.scratch); err != nil {
		return transcoder.Unfit(s.method.Descriptor.Output().FullName(), err)
	}
	k.out, k.shown = k.shown, k.out
	return nil
}
