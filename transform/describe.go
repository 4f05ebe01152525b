package transform

import (
	"slices"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// Describe tells people what the chain does around an entry, a line for each
// program, in the order in which they run:
//
//	transform[0] of route "books": request reads .headers.x-a; changes headers.x-b
func (c *Chain) Describe(e *route.Entry) []string {
	if c == nil {
		return nil
	}
	s := shapeOf(e)
	var out []string
	for phase, word := range [phases]string{view.Request: "request", view.Response: "response", view.Error: "error"} {
		if view.Phase(phase) == view.Error && s.rpc {
			continue
		}
		var lines []string
		for i := range c.steps {
			p := c.steps[i].programs[phase]
			if p == nil {
				continue
			}
			line := c.steps[i].name + ": " + word + " " + p.jq.Needs().String()
			if when := c.steps[i].when[phase]; when != nil {
				line += "; only when " + when.jq.Source()
			}
			many := view.Phase(phase) == view.Request && s.requests || view.Phase(phase) == view.Response && s.responses
			switch {
			case many && p.view.WritesBody():
				line += "; for each message"
			case s.forward && p.view.WritesBody():
				line += "; for each message of a stream"
			case many && c.steps[i].needsBody(view.Phase(phase)):
				line += "; with the first message"
			}
			lines = append(lines, line)
		}
		if view.Phase(phase) != view.Request {
			slices.Reverse(lines)
		}
		out = append(out, lines...)
	}
	return out
}
