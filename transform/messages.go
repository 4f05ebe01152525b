package transform

import (
	"maps"
	"net/http"
	"sync"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// many is what a run knows of bodies that come as messages. With the first of each
// direction all programs run, for the head as well; with others those that write
// the body.
type many struct {
	// on says that the handler shows messages, requests and responses of which
	// direction.
	on, requests, responses bool
	// outside are those of a chain around this one, and what it wants.
	outside                           route.Messages
	outsideRequests, outsideResponses bool

	// logs guards what the access log is told; mu what both directions see: all but
	// the lanes.
	logs, mu sync.Mutex
	// begun and answered say that the first message of a direction has come.
	begun, answered bool
	// sent is the body in $request.
	sent any
	// changes and status are what the first message has made of the head.
	changes []view.HeaderChange
	status  int
	// responded is the answer of a program that saw the first message.
	responded *view.Answer
	tmp       []byte
}

var _ route.Messages = (*run)(nil)

// hand gives the handler k for its messages, if programs look at them.
func (m *many) hand(k *run) {
	if !k.shape.requests && !k.shape.responses {
		return
	}
	m.requests = k.shape.requests && (k.req.at < len(k.chain.steps) || k.chain.sentBody.Any())
	m.responses = k.shape.responses && k.chain.phases[view.Response].body
	if !m.requests && !m.responses {
		return
	}
	m.on = true
	if m.outside = k.x.Messages; m.outside != nil {
		m.outsideRequests, m.outsideResponses = m.outside.Wants()
	}
	if m.requests {
		// The handler lets them be changed where they are.
		k.changeHeader()
		k.changeURL()
	}
	k.x.Messages = k
}

// Wants implements [route.Messages].
func (k *run) Wants() (requests, responses bool) {
	m := &k.many
	return m.requests || m.outsideRequests, m.responses || m.outsideResponses
}

// Request implements [route.Messages].
func (k *run) Request(dst, json []byte, r *http.Request) ([]byte, *rpc.Error) {
	m := &k.many
	defer k.give(&k.req)
	if m.outsideRequests {
		before, err := m.outside.Request(nil, json, r)
		if err != nil {
			return dst, err
		}
		if json != nil {
			json = before
		}
	}
	if !m.requests {
		return append(dst, json...), nil
	}
	l := &k.req
	l.body = content{raw: json, limits: l.body.limits, want: k.chain.phases[view.Request].want, messages: true}
	if m.begun {
		if i, err := k.later(view.Request, l); err != nil {
			k.give(l) // who has the lock may wait for one
			m.mu.Lock()
			k.outer = outside(i, err)
			m.mu.Unlock()
			return dst, err
		}
		return l.body.message(dst)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.begun, l.ready = true, true
	k.r, l.head.Header = r, r.Header
	answer, err := k.requests()
	if err != nil {
		return dst, err
	}
	if answer != nil {
		return dst, k.respondWithin(answer)
	}
	if k.chain.sentBody.Any() {
		if m.sent, err = k.sentMessage(&l.body); err != nil {
			return dst, err
		}
	}
	if json == nil {
		return dst, nil
	}
	return l.body.message(dst)
}

// sentMessage is what programs over answers see of the first message.
func (k *run) sentMessage(c *content) (any, *rpc.Error) {
	if c.changed {
		return c.value, nil
	}
	v, err := c.get(0, jsonType)
	if err != nil {
		return nil, &rpc.Error{Reason: rpc.InvalidBody, Message: err.Error()}
	}
	return v, nil
}

// respondWithin takes the answer of a program that saw the first message. The error
// is what ends the handler's work.
func (k *run) respondWithin(a *view.Answer) *rpc.Error {
	p := k.chain.steps[k.outer].programs[view.Request]
	switch {
	case k.shape.socket:
		return refused(p, "answers a WebSocket that is open")
	case k.shape.rpc && a.Status >= 300:
		return answerRPC(a.Status, a.Body)
	case k.shape.rpc:
		return refused(p, "answers a call of gRPC with status %d: only one of 300 or more ends it", a.Status)
	}
	k.many.responded = a
	k.answer.mode = silent
	return rpc.Errorf(rpc.ProgramFailed, "%s answers", p.name)
}

// respondLate gives that answer when the handler has returned.
func (k *run) respondLate() {
	k.x.Code, k.x.Reason, k.x.Error, k.x.Failure = -1, "", nil, nil
	k.respond(k.many.responded)
	k.restore()
}

// Response implements [route.Messages].
func (k *run) Response(dst, json []byte) ([]byte, *rpc.Error) {
	m := &k.many
	if m.responses {
		m.mu.Lock()
		defer m.mu.Unlock()
		l := &k.resp
		defer k.give(l)
		first := !m.answered
		if first {
			l.head = k.req.head
			// What the handler has set is not final before it sends the head.
			l.head.Header, l.head.Status = maps.Clone(k.answer.header), http.StatusOK
		}
		l.passed, l.ready = false, true
		l.body = content{raw: json, limits: k.chain.limits(k.chain.options.MaxResponseBytes), want: k.chain.phases[view.Response].want, messages: true}
		run := k.later
		if first {
			m.answered, run = true, k.first
		}
		if i, err := run(view.Response, l); err != nil {
			k.outer = outside(i, err)
			return dst, err
		}
		if !m.outsideResponses {
			return l.body.message(dst)
		}
		out, err := l.body.message(nil)
		if err != nil {
			return dst, err
		}
		json = out
	}
	if m.outsideResponses {
		k.give(&k.resp)
		return m.outside.Response(dst, json)
	}
	return append(dst, json...), nil
}

// outside is how many steps an error of a step goes through: that of a program those
// outside of it, that of a body its own too.
func outside(i int, err *rpc.Error) int {
	if ofBody(err) {
		return i + 1
	}
	return i
}

// first runs all programs over the first message of an answer. With an error it
// gives the step.
func (k *run) first(phase view.Phase, l *lane) (int, *rpc.Error) {
	m := &k.many
	for i := k.outer - 1; i >= 0; i-- {
		s := &k.chain.steps[i]
		if s.programs[phase] == nil {
			continue
		}
		change, ran, _, err := k.step(i, phase, l)
		if err == nil && ran && k.shape.rpc && change.Status >= 300 {
			err = answerRPC(change.Status, change.Body)
		}
		if err != nil {
			return i, err
		}
		if !ran {
			continue
		}
		view.Apply(l.head.Header, change.Headers)
		m.changes = append(m.changes, change.Headers...)
		if change.Status != 0 {
			m.status, l.head.Status = change.Status, change.Status
		}
		if change.HasBody {
			l.body.set(change.Body, s.as, jsonType, s.programs[phase])
		}
		if len(change.Log) > 0 {
			k.log(change.Log)
		}
	}
	return 0, nil
}

// later runs the programs that write the body over one more message. With an error
// it gives the step.
func (k *run) later(phase view.Phase, l *lane) (int, *rpc.Error) {
	n := len(k.chain.steps)
	for j := range n {
		i := j
		if phase == view.Response {
			i = n - 1 - j
		}
		s := &k.chain.steps[i]
		if p := s.programs[phase]; p == nil || !p.view.WritesBody() {
			continue
		}
		l.passed = false
		change, ran, _, err := k.step(i, phase, l)
		if err != nil {
			return i, err
		}
		if ran && change.HasBody {
			l.body.set(change.Body, s.as, jsonType, s.programs[phase])
		}
	}
	return 0, nil
}

// message appends a body that is one message of many.
func (c *content) message(dst []byte) ([]byte, *rpc.Error) {
	if c.changed && c.value == nil {
		return dst, refused(c.writer, "gives no body for a message: only whole bodies can be removed")
	}
	out, _, err := c.append(dst)
	if err != nil {
		return dst, unwritable(c.writer, err)
	}
	return out, nil
}

// reach is how many steps an answer goes through.
func (m *many) reach(k *run) int {
	if m.on {
		m.mu.Lock()
		defer m.mu.Unlock()
	}
	return k.outer
}

// head makes of the head of an answer what the first message has made of it. It
// reports whether there was one; if not, there is none in what programs see of
// the head.
func (m *many) head(w *writer) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.answered {
		m.answered = true
		return false
	}
	view.Apply(w.header, m.changes)
	if m.status != 0 {
		w.status = m.status
	}
	return true
}
