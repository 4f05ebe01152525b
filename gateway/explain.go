package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/header"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transform"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// Explanation is what would become of one request on a listener.
type Explanation struct {
	Listener string
	// Request is the request as programs have made it: everything else is about it.
	Request *http.Request
	// Entry is the entry that takes the request, nil if there is none. Candidates
	// are those near it, the best first.
	Entry      *route.Entry
	Candidates []route.Candidate
	// Answered is the answer that the program AnsweredBy gives in place of the
	// upstream's; nil if none does.
	Answered   *Answer
	AnsweredBy string
	// Reshaped are the programs for errors that run over Refused, if it is answered by
	// HTTP.
	Reshaped []string
	transcoder.Explanation
}

// Explain says what the named listener would do with r, without calling an
// upstream: it reads r's body, runs the programs for requests, and writes nothing.
// It must not be called before the descriptors are loaded.
func (g *Gateway) Explain(listener string, r *http.Request) *Explanation {
	e := &Explanation{Listener: listener, Request: r}
	snap := g.snapshot.Load()
	for i, l := range g.plan.Listeners {
		if l.Name == listener {
			t := &explainer{Explanation: e, gateway: g, snapshot: snap, listener: i, was: r}
			t.explain()
		}
	}
	return e
}

// explainer makes an explanation.
type explainer struct {
	*Explanation
	gateway  *Gateway
	snapshot *Snapshot
	listener int
	// was is the request as it came.
	was *http.Request
	// chains has the programs that the request has met.
	chains chains
}

func (t *explainer) explain() {
	l := t.gateway.plan.Listeners[t.listener]
	// What New could object to has been reported when the programs were compiled.
	t.chains, _ = t.gateway.chains(l, nil, nil, transform.Options{})
	x := &route.Exchange{Path: route.EscapedPath(t.was), Code: -1, Table: t.snapshot.tables[t.listener]}
	w := new(recorder)
	steps, _ := t.chains.trace(w, t.was, x, t.choose)
	by := slices.IndexFunc(steps, func(s transform.Step) bool { return s.Respond != nil })
	switch {
	case x.Failure != nil:
		t.Refused = x.Failure
		for _, s := range steps {
			if s.Phase == view.Error && s.Ran {
				t.Reshaped = append(t.Reshaped, s.Program)
			}
		}
	case by >= 0:
		t.Refused, t.Method = nil, nil
		t.Answered, t.AnsweredBy = w.answer, steps[by].Program
		t.Stages = nil
	}
	switch {
	case t.Refused == nil:
		t.Stages = t.stages(steps)
	case x.Failure == nil:
		t.Reshaped = t.errors(l)
	}
}

// errors are the programs for errors that no program has made.
func (t *explainer) errors(l *config.Listener) (names []string) {
	inner := t.chains.innerSpecs
	if t.Entry == nil {
		inner = t.gateway.programs.of(l.Options.Transform)
	}
	for _, spec := range slices.Backward(slices.Concat(t.chains.earlySpecs, inner)) {
		if spec.Error != nil {
			names = append(names, spec.Error.Name())
		}
	}
	return names
}

// choose goes from the choice of the route on.
func (t *explainer) choose(w http.ResponseWriter, r *http.Request, x *route.Exchange) *transform.Trace {
	t.Request = r
	q := requestOf(r)
	t.near(r, q)
	if q.Method == http.MethodOptions && preflightOf(x.Table, &q, r, x) != nil {
		transform.Leave(w)
		t.Entry = x.Entry
		t.Stages = []string{"filter cors answers the preflight request for " + r.Header.Get("Access-Control-Request-Method")}
		return nil
	}
	allow, err := t.snapshot.match(t.listener, r, &q, x)
	switch {
	case err != nil:
		transform.Leave(w)
		t.Refused = err
		return nil
	case allow != nil:
		transform.Leave(w)
		t.Stages = []string{"answer 204 with Allow: " + strings.Join(allow, ", ")}
		return nil
	}
	t.Entry = x.Entry
	plan := t.gateway.plan
	i := slices.IndexFunc(plan.Routes, func(rt *config.Route) bool { return rt.Name == x.Entry.Route })
	if i < 0 {
		t.Serve(w, r, x)
		return nil
	}
	// As before.
	t.chains, _ = t.gateway.chains(plan.Listeners[t.listener], plan.Routes[i], nil, transform.Options{Rematch: rematcher(plan.Routes[i])})
	return t.chains.inner.Trace(w, r, x, t)
}

var _ route.Handler = (*explainer)(nil)

// Serve explains what a protocol does with the request; it stands in its place.
func (t *explainer) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	defer transform.Leave(w)
	if r.Method != t.Request.Method || r.URL.Path != t.Request.URL.Path {
		t.near(r, requestOf(r))
	}
	t.Request, t.Entry = r, x.Entry
	inner := x.Entry.Handler
	if x.Entry.Inner != nil {
		inner = x.Entry.Inner
	}
	inner, edited, err := header.Within(inner, r, x)
	if err != nil {
		t.Refused = err
		return
	}
	if first, ok := inner.(firstHand); ok {
		inner = first.next
	}
	switch inner := inner.(type) {
	case transcoder.Explainer:
		t.Explanation.Explanation = *inner.Explain(edited, x)
	case route.Describer:
		t.Stages, t.Refused = inner.Describe(edited, x)
	}
	if t.Refused == nil {
		t.Stages = append(t.Stages, t.afterwards(x)...)
	}
}

// afterwards is what the route of x may do when it has an answer, or none.
func (t *explainer) afterwards(x *route.Exchange) (lines []string) {
	plan := t.gateway.plan
	i := slices.IndexFunc(plan.Routes, func(rt *config.Route) bool { return rt.Name == x.Entry.Route })
	if i < 0 {
		return nil
	}
	if r := plan.Routes[i].Retry; r != nil {
		lines = append(lines, fmt.Sprintf("on %s: try again, if that is safe, %d times in all", strings.Join(r.On, ", "), r.Attempts))
	}
	if f := plan.Routes[i].FallThrough; f != nil {
		next := &route.Exchange{}
		to := "there is none, so the answer is the client's"
		if (&fallThrough{route: x.Entry.Route}).find(t.Request, x, next) {
			to = "route " + next.Entry.Route
		}
		lines = append(lines, fmt.Sprintf("on %s: go on to the next route: %s", strings.Join(f.On, ", "), to))
	}
	return lines
}

// near finds the candidates for q, which is of r.
func (t *explainer) near(r *http.Request, q route.Request) {
	table := t.snapshot.tables[t.listener]
	asked := q
	if route.Upgrades(r) {
		asked = asUpgrade(&q)
	}
	t.Candidates = table.Explain(&asked)
	if !route.Upgrades(r) {
		// They have twins with HTTP methods.
		t.Candidates = slices.DeleteFunc(t.Candidates, func(c route.Candidate) bool { return c.Entry.Method == transcoder.MethodWebSocket })
	}
	if len(t.Candidates) == 0 {
		t.Candidates = elsewhere(table, q)
	}
}

// stages are what the request goes through, in order, to the answer. What answers by
// itself has neither filters nor programs within it.
func (t *explainer) stages(steps []transform.Step) []string {
	var filters []string
	inner := t.chains.innerSpecs
	if t.Entry == nil || t.Method == nil && t.Answered == nil {
		inner = nil
	} else {
		filters = t.Entry.Filters
	}
	stages := []string{"listener " + t.Listener + ": " + t.was.Method + " " + route.EscapedPath(t.was)}
	stages, passed := t.requests(stages, t.chains.earlySpecs, steps)
	if passed == len(t.chains.earlySpecs) {
		for _, name := range filters {
			stages = append(stages, "filter "+name)
		}
		var within int
		stages, within = t.requests(stages, inner, steps)
		stages = append(stages, t.Stages...)
		stages = responses(stages, inner[:within])
		for _, name := range slices.Backward(filters) {
			stages = append(stages, "filter "+name)
		}
	}
	return responses(stages, t.chains.earlySpecs[:passed])
}

// requests adds the programs for requests, up to one that answers. outside is how
// many entries there are outside of that; all if none does.
func (t *explainer) requests(stages []string, specs []transform.Spec, steps []transform.Step) (out []string, outside int) {
	for i, spec := range specs {
		if spec.Request == nil {
			continue
		}
		line := describeProgram(spec.Request)
		at := slices.IndexFunc(steps, func(s transform.Step) bool { return s.Phase == view.Request && s.Program == spec.Request.Name() })
		if at >= 0 && !steps[at].Ran {
			if line += "; left out, as its when does not hold"; steps[at].Unread != nil {
				line = describeProgram(spec.Request) + "; left out, as the body cannot be read"
			}
		}
		stages = append(stages, line)
		if spec.Request.Name() == t.AnsweredBy {
			stages[len(stages)-1] = fmt.Sprintf("%s: answers %d", t.AnsweredBy, t.Answered.Status)
			return stages, i
		}
	}
	return stages, len(specs)
}

// responses adds the programs for answers.
func responses(stages []string, specs []transform.Spec) []string {
	for _, spec := range slices.Backward(specs) {
		if spec.Response != nil {
			stages = append(stages, describeProgram(spec.Response))
		}
	}
	return stages
}

// elsewhere is what q would be near to if it came to another host; no more than
// one entry for each.
func elsewhere(table *route.Table, q route.Request) []route.Candidate {
	var candidates []route.Candidate
	asked := make(map[string]bool)
	for _, entry := range table.Entries() {
		for _, host := range entry.Hosts {
			if asked[host] {
				continue
			}
			asked[host] = true
			there := q
			there.Host = strings.Replace(host, "*", "any", 1)
			if near := table.Explain(&there); len(near) > 0 {
				why := "serves " + host + ", not " + q.Host
				if !near[0].Won {
					why += ", and " + near[0].Why
				}
				candidates = append(candidates, route.Candidate{Entry: near[0].Entry, Why: why})
			}
		}
	}
	return candidates
}
