package transform

import (
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform/jq"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// Trace is what became of a request or an answer, step by step, for people.
type Trace struct{ Steps []Step }

// Step is one program of a trace.
type Step struct {
	// Program is its name.
	Program string
	// Ran is false if it was left out: by its predicate, or for a body that cannot be
	// read.
	Ran bool
	// Before and After are the whole of what a program could see, before and after
	// it; After is nil with an Error.
	Before, After map[string]any
	Error         *rpc.Error
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
func (t *Trace) before(k *run, l *lane, phase view.Phase) map[string]any {
	if t == nil {
		return nil
	}
	var body any
	if l.ready {
		if v, err := l.body.get(0, contentTypeOf(l.head.Header)); err == nil {
			body = v
		}
	}
	// A query that cannot be read is told by the step that reads it.
	in, _ := everything[phase].Input(&l.head, body)
	return in
}

func (t *Trace) after(k *run, l *lane, phase view.Phase, s *step, before map[string]any, ran bool, err *rpc.Error) {
	if t == nil {
		return
	}
	one := Step{Program: s.programs[phase].name, Ran: ran, Before: before, Error: err}
	if err == nil {
		one.After = t.before(k, l, phase)
	}
	t.Steps = append(t.Steps, one)
}
