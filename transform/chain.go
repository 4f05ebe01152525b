// Package transform runs chains of jq programs around the handlers of routes.
//
// A chain stands between the filters and the protocol of an entry. Request programs
// run outer to inner before the handler, response programs inner to outer over its
// answer, and error programs over what the gateway itself answers. A body is read,
// and an answer held back, only from the first program on that looks at it: before
// that, and if there is none, bytes pass as they are.
//
// Bodies that are one message are taken in whole. Those that are many, or no JSON,
// stay with the handler, which shows each message to the chain
// ([route.Messages]). A handler that forwards bodies knows of no messages: there the
// chain finds them itself, as they come.
//
// What programs see and may change is up to package transform/view; how bodies are
// read and written to transform/body.
package transform

import (
	"fmt"
	"net/http"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/jq"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// Spec is one entry of a chain. Programs may be nil.
type Spec struct {
	// Name is the entry as the configuration has it: transform[0] of route "books".
	Name string
	// Request has no variables. The others have one, request: for Response and
	// Error the request as the upstream got it, for When, which is run before each
	// of them, the same, and before Request the request as it is then.
	When, Request, Response, Error *jq.Program
	BodyAs                         body.As
	// SkipBodyErrors leaves a program out for a body that cannot be read as what it
	// claims to be, instead of refusing it.
	SkipBodyErrors bool
}

// Options are what a chain needs of where it stands.
type Options struct {
	// MaxRequestBytes and MaxResponseBytes bound bodies that programs look at, both
	// before and after them. MaxDepth and MaxMemory bound what is made of them; zero
	// is no bound but that of package transform/body.
	MaxRequestBytes, MaxResponseBytes, MaxDepth, MaxMemory int
	// FormBodies says that a request that claims to be a form is one. Otherwise it is
	// JSON: the claim is what curl -d makes of anything.
	FormBodies bool
	// BodyTimeout bounds how long the body of a request may take to come; zero is
	// for ever.
	BodyTimeout time.Duration
	// Rematch finds the entry for a request whose method or path a program has
	// changed, sets x anew and gives the handler that the chain is to call. If it is
	// nil, such a change is refused. Chains that stand before the choice of the route
	// do not call it.
	Rematch func(r *http.Request, x *route.Exchange) (route.Handler, *rpc.Error)
	// Vars are shown as what the path has captured where the entry has no template.
	Vars []view.Var
	// Refuse answers with an error in the protocol of the client.
	Refuse func(w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error)
}

// Chain is a list of programs that is run around handlers. It is immutable and safe
// for any goroutine.
type Chain struct {
	steps   []step
	options Options
	phases  [phases]summary
	// vars and client say that a program reads those.
	vars, client bool
	// reshapes says that a response program may give another body.
	reshapes bool
	// sentBody is what response and error programs read of the request's body.
	sentBody jq.Paths
	// turns are those that large bodies take.
	turns *jq.Turns
}

// phases is how many there are of [view.Phase].
const phases = 3

// summary is what the programs of a phase have in common.
type summary struct {
	// any says that there are programs, body that one reads or writes the body, writes
	// that one may write it.
	any, body, writes bool
	// want is what they read of the body.
	want jq.Paths
}

// step is one entry, with the programs of each phase.
type step struct {
	name     string
	programs [phases]*program
	when     [phases]*program
	as       body.As
	skip     bool
}

// program is one program with what it sees.
type program struct {
	name  string
	jq    *jq.Program
	phase view.Phase
	view  *view.View
	// reads is what it reads of the body, body that it reads or writes it.
	reads jq.Paths
	body  bool
	// variable says that it has $request, sent what it sees of that; nil if nothing.
	variable bool
	sent     *view.View
}

// New compiles a chain of these entries, the outermost first. An error is about a
// program that gives what it cannot give.
func New(specs []Spec, o Options) (*Chain, error) {
	c := &Chain{options: o, turns: jq.NewTurns(largeBodies)}
	for _, spec := range specs {
		s := step{name: spec.Name, as: spec.BodyAs, skip: spec.SkipBodyErrors}
		for phase, p := range [phases]*jq.Program{view.Request: spec.Request, view.Response: spec.Response, view.Error: spec.Error} {
			if p == nil {
				continue
			}
			var err error
			if s.programs[phase], err = c.program(p, view.Phase(phase), false); err != nil {
				return nil, err
			}
			if spec.When == nil {
				continue
			}
			if s.when[phase], err = c.program(spec.When, view.Phase(phase), true); err != nil {
				return nil, err
			}
		}
		c.steps = append(c.steps, s)
	}
	c.phases[view.Request].want = c.phases[view.Request].want.With(c.sentBody)
	return c, nil
}

// program compiles one program for a phase, and notes what it needs.
func (c *Chain) program(p *jq.Program, phase view.Phase, predicate bool) (*program, error) {
	needs := p.Needs()
	if predicate {
		needs = &jq.Needs{Input: needs.Input, Variables: needs.Variables}
	}
	v, err := view.Compile(needs, phase)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.Name(), err)
	}
	out := &program{
		name: p.Name(), jq: p, phase: phase, view: v,
		reads: v.Body(), body: v.Body().Any() || v.WritesBody(),
		variable: predicate || phase != view.Request,
	}
	c.reshapes = c.reshapes || phase == view.Response && v.WritesBody()
	sum := &c.phases[phase]
	sum.any = true
	sum.body = sum.body || out.body
	sum.writes = sum.writes || v.WritesBody()
	sum.want = sum.want.With(out.reads)
	c.looks(needs.Input)
	if sent, ok := needs.Variables["request"]; ok && out.variable && sent.Any() {
		out.sent = view.Of(sent)
		c.looks(sent)
		if phase == view.Request {
			sum.want = sum.want.With(sent.At("body"))
			out.reads = out.reads.With(sent.At("body"))
			out.body = out.body || out.reads.Any()
			sum.body = sum.body || out.body
		} else {
			c.sentBody = c.sentBody.With(sent.At("body"))
		}
	}
	return out, nil
}

// looks notes what is not worth finding out for nobody.
func (c *Chain) looks(in jq.Paths) {
	c.vars = c.vars || in.At("vars").Any()
	c.client = c.client || in.At("client").Any()
}

// Wrap is next with the chain around it. The entry says of what sort the bodies
// are; it is nil for a chain that runs before the route is chosen, whose next does
// that. What next is given is next itself if the chain has nothing for it.
func (c *Chain) Wrap(e *route.Entry, next route.Handler) route.Handler {
	if c == nil || !c.phases[view.Request].any && !c.phases[view.Response].any && !c.phases[view.Error].any {
		return next
	}
	s := shapeOf(e)
	if s.rpc && !c.phases[view.Request].any && !c.phases[view.Response].any {
		return next
	}
	return &handler{chain: c, next: next, entry: e, shape: s}
}

// Refuse answers with an error that was made outside of every entry: it goes
// through the error programs.
func (c *Chain) Refuse(w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error) {
	if c == nil || !c.phases[view.Error].any {
		c.options.Refuse(w, r, x, err)
		return
	}
	k := newRun(c, w, r, x, shape{rpc: route.SpeaksGRPC(r)})
	defer k.release()
	k.refuse(err, len(c.steps))
}
