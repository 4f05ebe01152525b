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

	unread error
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
	// Unread is why the body cannot be read, if the program was left out for that.
	Unread error
	// Respond is the answer that it gave in place of the upstream's, Log what it gave
	// for the access log.
	Respond *view.Answer
	Log     map[string]any
	Error   *rpc.Error
}

// Trace does with r what a handler made by [Chain.Wrap] does, and tells of each
// step of bodies that are one message, and of the first message where there are
// more, which next shows. It is next even if a program has changed method or path.
// If it is nil, the trace ends where that would be called. w gets what the client
// would.
func (c *Chain) Trace(w http.ResponseWriter, r *http.Request, x *route.Exchange, next route.Handler) *Trace {
	s := shapeOf(x.Entry)
	if s.early {
		s = early(r)
	}
	all := *c
	all.vars, all.client = true, true
	// Its memory is not given back: the request is made of it.
	k := newRun(&all, w, r, x, s)
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
	Leave(w)
}

// Leave says that nothing is to be answered, so that no programs run over an answer
// that is none. It is for handlers around which [Chain.Trace] is.
func Leave(w http.ResponseWriter) {
	for own, ok := w.(*writer); ok; own, ok = own.k.w.(*writer) {
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

// leave notes that a program is left out for a body.
func (t *Trace) leave(unread error) {
	if t != nil {
		t.unread = unread
	}
}

func (t *Trace) after(l *lane, phase view.Phase, s *step, before map[string]any, c *view.Change, ran bool, err *rpc.Error) {
	if t == nil {
		return
	}
	one := Step{
		Program: s.programs[phase].name, Phase: phase, Ran: ran, Before: before, Unread: t.unread,
		Respond: c.Respond, Log: c.Log, Error: err,
	}
	t.unread = nil
	if err == nil {
		one.After = t.before(l, phase, s)
	}
	t.Steps = append(t.Steps, one)
}
