package gateway

import (
	"net/http"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// Explanation is what would become of one request on a listener.
type Explanation struct {
	Listener string
	// Entry is the entry that takes the request, nil if there is none. Candidates
	// are those near it, the best first.
	Entry      *route.Entry
	Candidates []route.Candidate
	transcoder.Explanation
}

// Explain says what the named listener would do with r, without calling an
// upstream: it reads r's body and writes nothing. It must not be called before
// the descriptors are loaded.
func (g *Gateway) Explain(listener string, r *http.Request) *Explanation {
	e := &Explanation{Listener: listener}
	snap := g.snapshot.Load()
	for i, l := range g.plan.Listeners {
		if l.Name == listener {
			g.explain(e, snap, i, r)
		}
	}
	return e
}

func (g *Gateway) explain(e *Explanation, snap *Snapshot, listener int, r *http.Request) {
	q := requestOf(r)
	asked := q
	if upgrades(r) {
		asked = asUpgrade(&q)
	}
	e.Candidates = snap.tables[listener].Explain(&asked)
	if !upgrades(r) {
		// They have twins with HTTP methods.
		e.Candidates = slices.DeleteFunc(e.Candidates, func(c route.Candidate) bool { return c.Entry.Method == transcoder.MethodWebSocket })
	}
	if len(e.Candidates) == 0 {
		e.Candidates = elsewhere(snap.tables[listener], q)
	}
	x := &route.Exchange{Code: -1}
	if q.Method == http.MethodOptions && preflightOf(snap.tables[listener], &q, r, x) != nil {
		e.Entry = x.Entry
		e.Stages = []string{
			"listener " + e.Listener + ": " + r.Method + " " + q.Path,
			"filter cors answers the preflight request for " + r.Header.Get("Access-Control-Request-Method"),
		}
		return
	}
	allow, err := snap.match(listener, r, &q, x)
	switch {
	case err != nil:
		e.Refused = err
		return
	case allow != nil:
		e.Stages = []string{"answer 204 with Allow: " + strings.Join(allow, ", ")}
		return
	}
	e.Entry = x.Entry
	inner := x.Entry.Handler
	if x.Entry.Inner != nil {
		inner = x.Entry.Inner
	}
	if explainer, ok := inner.(transcoder.Explainer); ok {
		e.Explanation = *explainer.Explain(r, x)
	}
	if e.Refused != nil {
		return
	}
	stages := []string{"listener " + e.Listener + ": " + r.Method + " " + q.Path}
	for _, name := range x.Entry.Filters {
		stages = append(stages, "filter "+name)
	}
	e.Stages = slices.Concat(stages, e.Stages)
	for _, name := range slices.Backward(x.Entry.Filters) {
		e.Stages = append(e.Stages, "filter "+name)
	}
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
