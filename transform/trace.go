package transform

import (
	"net/http"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform/jq"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// Trace is what became of a request and its answer, step by step, for people.
type Trace struct {
	Steps []Step
	// Request is what next was given, or would have been; nil if the chain answered.
	Request *http.Request
}

// Step is one program of a trace.
type Step struct {
	// Program is its name.
	Program string
	Phase   view.Phase
	// Ran is false if it was left out: by its predicate, or for a body that cannot be
	// read.
	Ran bool
	// Before and After are what there was to see before and after it, the body only
	// if it was looked at; After is nil with an Error.
	Before, After map[string]any
	Error         *rpc.Error
}

// Trace does with r what a handler made by [Chain.Wrap] does, and tells of each
// step. Bodies are one message, but for those of native gRPC, which are not looked
// at. If next is nil, it ends where that would be called. w gets what the client
// would.
func (c *Chain) Trace(w http.ResponseWriter, r *http.Request, x *route.Exchange, next route.Handler) *Trace {
	s := shape{early: x.Entry == nil, rpc: shapeOf(x.Entry).rpc || x.Entry == nil && speaksRPC(r)}
	s.requests, s.responses = s.rpc, s.rpc
	// Its memory is not given back: the request is made of it.
	k := newRun(c, w, r, x, s)
	k.trace = &Trace{}
	k.req.body.want = jq.Paths{All: true}
	k.run(traced{k.trace, next})
	return k.trace
}

// traced is a handler that notes the request.
type traced struct {
	trace *Trace
	next  route.Handler
}

// Serve implements [route.Handler].
func (t traced) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	t.trace.Request = r
	if t.next != nil {
		t.next.Serve(w, r, x)
		return
	}
	if own, ok := w.(*writer); ok {
		own.mode = silent
	}
}

// everything is all that there is to see in a phase.
var everything = func() (views [phases]*view.View) {
	for phase := range views {
		// It has no keys that could be wrong.
		views[phase], _ = view.Compile(&jq.Needs{Input: jq.Paths{All: true}}, view.Phase(phase))
	}
	return views
}()

// before is what there is to see before a step; nil if nobody wants to.
func (t *Trace) before(l *lane, phase view.Phase, s *step) map[string]any {
	if t == nil {
		return nil
	}
	var body any
	if l.ready {
		// One that cannot be read is told by the step that reads it.
		body, _ = l.body.get(s.as, contentTypeOf(l.head.Header))
	}
	// So is a query.
	in, _ := everything[phase].Input(&l.head, body)
	if !l.ready {
		delete(in, "body")
	}
	return in
}

func (t *Trace) after(l *lane, phase view.Phase, s *step, before map[string]any, ran bool, err *rpc.Error) {
	if t == nil {
		return
	}
	one := Step{Program: s.programs[phase].name, Phase: phase, Ran: ran, Before: before, Error: err}
	if err == nil {
		one.After = t.before(l, phase, s)
	}
	t.Steps = append(t.Steps, one)
}
