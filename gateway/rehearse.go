package gateway

import (
	"log/slog"
	"net/http"
	"slices"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transform"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// Rehearsal has the programs that a request to a route goes through, to be run on
// samples: without descriptors, and without an upstream.
type Rehearsal struct {
	entry *route.Entry
	chains
}

// RehearsalOptions are what a rehearsal needs besides the plan.
type RehearsalOptions struct {
	// Protocols are those of [Options].
	Protocols []transcoder.Protocol
	// Vars stand for what the path's template would capture.
	Vars []view.Var
	// Specs are further programs, within those of the plan.
	Specs []transform.Spec
}

// NewRehearsal compiles the programs of a plan. The error is a [config.Report].
func NewRehearsal(plan *config.Plan, l *config.Listener, rt *config.Route, o RehearsalOptions) (*Rehearsal, error) {
	g := &Gateway{plan: plan, options: Options{Protocols: o.Protocols}, programs: loadPrograms(plan)}
	if err := g.programs.report.Err(); err != nil {
		return nil, err
	}
	h := &Rehearsal{entry: &route.Entry{Route: rt.Name, Method: "*"}}
	var err error
	h.chains, err = g.chains(l, rt, o.Specs, transform.Options{Vars: o.Vars, Rematch: stay})
	return h, err
}

// stay is for requests whose path a program has changed: which rule takes them then
// only descriptors tell.
func stay(*http.Request, *route.Exchange) (route.Handler, *rpc.Error) { return nil, nil }

// Route is the name of the route.
func (h *Rehearsal) Route() string { return h.entry.Route }

// Empty reports whether there are no programs.
func (h *Rehearsal) Empty() bool { return len(h.earlySpecs)+len(h.innerSpecs) == 0 }

// Answering are the programs for answers, in the order in which they run.
func (h *Rehearsal) Answering() []string {
	var names []string
	for _, spec := range slices.Backward(slices.Concat(h.earlySpecs, h.innerSpecs)) {
		if spec.Response != nil {
			names = append(names, spec.Response.Name())
		}
	}
	return names
}

// Rehearsed is what became of a sample.
type Rehearsed struct {
	// Steps are the programs in the order in which they came to their turns.
	Steps []transform.Step
	// Request is what the upstream would have got; nil if the request was answered
	// before.
	Request *http.Request
	// Answer is what the client would have got; nil if there is none, as the upstream
	// has not been asked.
	Answer *Answer
	// Failure is the error that the gateway would have answered with; nil for none.
	Failure *rpc.Error
	// Log are fields for the access log.
	Log []slog.Attr
}

// Run runs the programs on r, and, if it is not nil, on what upstream answers.
func (h *Rehearsal) Run(r *http.Request, upstream http.Handler) *Rehearsed {
	out, w := new(Rehearsed), new(recorder)
	x := &route.Exchange{Path: route.EscapedPath(r), Code: -1}
	var next route.Handler
	if upstream != nil {
		next = answering{upstream}
	}
	out.Steps, out.Request = h.trace(w, r, x, func(w http.ResponseWriter, r *http.Request, x *route.Exchange) *transform.Trace {
		x.Entry = h.entry
		return h.inner.Trace(w, r, x, next)
	})
	out.Answer, out.Failure, out.Log = w.answer, x.Failure, x.Log
	return out
}

// answering is an [http.Handler] in the place of a protocol.
type answering struct{ http.Handler }

// Serve implements [route.Handler].
func (a answering) Serve(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
	a.ServeHTTP(w, r)
}

// chains are the programs around a route on one listener: those that run before it
// is chosen, and those within.
type chains struct {
	earlySpecs, innerSpecs []transform.Spec
	early, inner           *transform.Chain
}

// chains makes those of a route, which is nil if only the early ones are wanted. Of
// the options the limits are set here.
func (g *Gateway) chains(l *config.Listener, rt *config.Route, more []transform.Spec, o transform.Options) (c chains, err error) {
	c.earlySpecs = g.programs.of(beforeRoutes(l))
	if c.early, err = transform.New(c.earlySpecs, g.chainOptions(listenerSettings(l), o)); err != nil || rt == nil {
		return c, err
	}
	options := rt.Options[slices.Index(rt.Listeners, l)]
	c.innerSpecs = append(g.programs.around(rt, options), more...)
	c.inner, err = transform.New(c.innerSpecs, g.chainOptions(settingsOf(rt, options), o))
	return c, err
}

// beforeRoutes are the transforms of a listener that run before a route is chosen.
func beforeRoutes(l *config.Listener) (early []*config.Transform) {
	for _, t := range l.Transform {
		if t.PreRoute {
			early = append(early, t)
		}
	}
	return early
}

// chainOptions adds to the options of a chain what is the same for all on one
// listener or route.
func (g *Gateway) chainOptions(s *transcoder.Settings, o transform.Options) transform.Options {
	o.MaxRequestBytes, o.MaxDepth, o.FormBodies = s.MaxRequestBytes, s.MaxDepth, s.FormBodies
	o.BodyTimeout = s.UnaryTimeout
	o.MaxResponseBytes, o.MaxMemory = g.plan.JQ.ResponseBytes, g.plan.JQ.Memory
	o.Refuse = g.refuser(s)
	return o
}

// trace runs the early programs around within, which traces the others, and gives
// the steps of both in their order, with the request as it left them.
func (c *chains) trace(w http.ResponseWriter, r *http.Request, x *route.Exchange, within func(http.ResponseWriter, *http.Request, *route.Exchange) *transform.Trace) ([]transform.Step, *http.Request) {
	var inner *transform.Trace
	outer := c.early.Trace(w, r, x, chosen(func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
		inner = within(w, r, x)
	}))
	if inner == nil {
		return outer.Steps, nil
	}
	back := slices.IndexFunc(outer.Steps, func(s transform.Step) bool { return s.Phase != view.Request })
	if back < 0 {
		back = len(outer.Steps)
	}
	return slices.Concat(outer.Steps[:back], inner.Steps, outer.Steps[back:]), inner.Request
}

// chosen is a function as a handler.
type chosen func(http.ResponseWriter, *http.Request, *route.Exchange)

// Serve implements [route.Handler].
func (f chosen) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) { f(w, r, x) }

// Answer is an answer that went nowhere.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// recorder is the [http.ResponseWriter] for an answer that goes nowhere.
type recorder struct {
	header http.Header
	answer *Answer
}

// Header implements [http.ResponseWriter].
func (w *recorder) Header() http.Header {
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

// WriteHeader implements [http.ResponseWriter].
func (w *recorder) WriteHeader(status int) {
	if w.answer == nil {
		w.answer = &Answer{Status: status, Header: w.Header().Clone()}
	}
}

// Write implements [http.ResponseWriter].
func (w *recorder) Write(p []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.answer.Body = append(w.answer.Body, p...)
	return len(p), nil
}
