package transform

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// run is the chain around one request: its working memory, reused.
type run struct {
	chain *Chain
	shape shape
	// w is the writer outside of the chain, came the request as it came.
	w    http.ResponseWriter
	came *http.Request
	// r is the request as programs have made it: came, until one changes it.
	r *http.Request
	x *route.Exchange
	// req and resp are what programs work on in the two directions.
	req, resp lane
	// outer is how many of the steps, from the outside, what is answered goes through.
	outer int

	// ownHeader and ownURL say that those of r are its own; moved that method or path
	// are not those that were matched.
	ownHeader, ownURL, moved bool

	// read says that the body was read into body, in is how many bytes of it have
	// travelled, coded that it had a coding.
	read, coded bool
	body, out   []byte
	in          int64
	// asCame is the body with the coding that it had when it came, if it is forwarded
	// and had one; lines is set if it is read message by message.
	asCame *inlet
	coding string
	lines  *lines
	// lent says that body and out may be read by somebody else.
	lent bool

	answer writer
	many   many
	// final is what the access log is to tell, if the chain itself has answered.
	final *outcome
	// trace, if set, is told of each step.
	trace *Trace
}

// lane is one direction.
type lane struct {
	head view.Head
	body content
	// at is the next step: of requests upwards, of answers one above it, downwards.
	at int
	// passed says that its predicate has been asked.
	passed bool
	// ready says that the body can be looked at.
	ready bool
	// turn says that it has a turn for a large body.
	turn bool
	args [1]any
	// seen and sent are for the input of a program and its $request.
	seen, sent view.Buffer
}

// done gives the memory of the last inputs back, unless a change may have a part of
// them. Of what is for the head it has the strings.
func (l *lane) done(c *view.Change) {
	if c.HasBody || c.Respond != nil || len(c.Log) > 0 {
		l.seen, l.sent = view.Buffer{}, view.Buffer{}
		return
	}
	l.seen.Take()
	l.sent.Take()
}

var runs = sync.Pool{New: func() any { return new(run) }}

// maxKept is the largest buffer that is kept for the next request.
const maxKept = 256 << 10

func newRun(c *Chain, w http.ResponseWriter, r *http.Request, x *route.Exchange, s shape) *run {
	k := runs.Get().(*run)
	k.chain, k.shape, k.w, k.came, k.r, k.x = c, s, w, r, r, x
	k.outer = len(c.steps)
	k.answer.k = k
	if k.answer.header == nil {
		k.answer.header = make(http.Header)
	}
	k.look()
	k.req.body = content{limits: c.limits(c.options.MaxRequestBytes), want: c.phases[view.Request].want, curl: !c.options.FormBodies && !s.forward}
	return k
}

func (c *Chain) limits(bytes int) body.Limits {
	return body.Limits{Bytes: bytes, Depth: c.options.MaxDepth, Memory: c.options.MaxMemory}
}

// release gives the memory back, whether the handler returned or panicked.
func (k *run) release() {
	k.give(&k.resp)
	if k.lines != nil {
		k.lines.leave()
	}
	k.give(&k.req)
	if k.answer.stream != nil {
		k.answer.stream.release()
	}
	header := k.answer.header
	clear(header)
	held := trimmed(k.answer.held)
	in, out, tmp := trimmed(k.body), trimmed(k.out), trimmed(k.many.tmp)
	if k.lent {
		in, out = nil, nil
	}
	*k = run{
		body: in, out: out,
		req:  lane{seen: k.req.seen.Kept(), sent: k.req.sent.Kept()},
		resp: lane{seen: k.resp.seen.Kept(), sent: k.resp.sent.Kept()},
	}
	k.answer.header, k.answer.held, k.many.tmp = header, held, tmp
	runs.Put(k)
}

func trimmed(b []byte) []byte {
	if cap(b) > maxKept {
		return nil
	}
	return b[:0]
}

// needsBody reports whether a step of a phase, or its predicate, looks at the body.
func (s *step) needsBody(phase view.Phase) bool {
	return s.programs[phase].body || s.when[phase] != nil && s.when[phase].body
}

// step runs the program of a step, which there is, on a lane. ran is false if it was
// left out. wait says that the body is needed first; the step is then to be run
// again.
func (k *run) step(i int, phase view.Phase, l *lane) (change view.Change, ran, wait bool, err *rpc.Error) {
	s := &k.chain.steps[i]
	if when := s.when[phase]; when != nil && !l.passed {
		if when.body && !l.ready {
			return change, false, true, nil
		}
		out, skipped, err := k.value(s, when, l)
		l.done(&change)
		if err != nil || skipped || out == nil || out == false {
			return change, false, false, err
		}
		l.passed = true
	}
	p := s.programs[phase]
	if p.body && !l.ready {
		return change, false, true, nil
	}
	l.passed = false
	out, skipped, err := k.value(s, p, l)
	if err != nil || skipped {
		return change, false, false, err
	}
	change, fault := p.view.Read(out, &l.head)
	if fault != nil {
		return view.Change{}, false, false, k.mistaken(p, fault)
	}
	l.done(&change)
	return change, true, false, nil
}

// value is what a program yields. skipped says that the body cannot be read, and
// that the program is left out for that.
func (k *run) value(s *step, p *program, l *lane) (out any, skipped bool, err *rpc.Error) {
	var in any
	if p.reads.Any() {
		if err := k.take(l, p, &l.body); err != nil {
			return nil, false, err
		}
		var fault error
		if in, fault = l.body.get(s.as, contentTypeOf(l.head.Header)); fault != nil {
			if s.skip && skippable(fault) {
				k.trace.leave(fault)
				return nil, true, nil
			}
			return nil, false, k.malformed(p, fault)
		}
	}
	seen, fault := p.view.InputIn(&l.seen, &l.head, in)
	if fault != nil {
		return nil, false, malformedQuery(fault)
	}
	var sent any
	if p.sent != nil {
		head, body := &k.req.head, k.many.sent
		if p.phase == view.Request {
			body = in
		} else if !k.many.on && p.sent.Body().Any() {
			if err := k.take(l, p, &k.req.body); err != nil {
				return nil, false, err
			}
			if body, fault = k.req.body.get(s.as, contentTypeOf(head.Header)); fault != nil {
				// It went to the upstream all the same: there is nothing to see in it.
				body = nil
			}
		}
		if sent, fault = p.sent.InputIn(&l.sent, head, body); fault != nil {
			return nil, false, malformedQuery(fault)
		}
	}
	out, fault = k.call(p, l, seen, sent)
	if fault != nil {
		return nil, false, k.failed(p, fault)
	}
	return out, false, nil
}

// call runs a program.
func (k *run) call(p *program, l *lane, in map[string]any, sent any) (any, error) {
	ctx := k.came.Context()
	if !p.variable {
		return p.jq.RunOver(ctx, in)
	}
	l.args[0] = sent
	out, err := p.jq.RunOver(ctx, in, l.args[:]...)
	l.args[0] = nil
	return out, err
}

// log adds the fields of a program to the line of the access log.
func (k *run) log(fields map[string]any) {
	k.many.logs.Lock()
	defer k.many.logs.Unlock()
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		if v, ok := logValue(fields[key]); ok {
			k.x.Log = append(k.x.Log, slog.Attr{Key: key, Value: v})
		}
	}
}

// logValue is a value as a log has it: what is neither text, number nor boolean is
// JSON. Null is nothing.
func logValue(v any) (slog.Value, bool) {
	switch v := v.(type) {
	case nil:
		return slog.Value{}, false
	case string:
		return slog.StringValue(v), true
	case bool:
		return slog.BoolValue(v), true
	case int:
		return slog.IntValue(v), true
	case float64:
		return slog.Float64Value(v), true
	}
	text, _, err := body.Append(nil, body.JSON, jsonType, v, body.Limits{Bytes: maxLogged})
	if err != nil {
		return slog.StringValue("more than a line may hold"), true
	}
	return slog.StringValue(string(text)), true
}

const (
	jsonType = "application/json"
	// maxLogged bounds one field.
	maxLogged = 4 << 10
)

// cancelled reports whether an error is that of the request's context.
func cancelled(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
