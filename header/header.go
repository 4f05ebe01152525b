// Package header changes the headers of requests and of answers as the
// configuration says, by text and by jq expressions.
//
// A listener, an upstream, a route and one of several upstreams of a route each may
// have a [Spec]. [Merge] makes [Edits] of those that count for one exchange: for each
// name the most specific one that mentions it decides alone, by itself or by a
// pattern that covers it. The rest of the work is done then, too: an exchange without
// expressions costs one copy of the request's header.
//
//	listener  response: {set: [{name: x-table, value: alphabet}]}
//	route     response: {set: [{name: x-table, value: a}], remove: [server]}
//	merged    response: {set: [{name: x-table, value: a}], remove: [server]}
//
// Requests are changed last before the protocol handler or the proxy, when all
// programs have run. Answers are changed last before the client, errors of the gateway
// included, by whoever writes the head ([route.HeadEdits]).
//
// Expressions see the header as it is before any of the edits, and no bodies.
package header

import (
	"net/http"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// Spec is what one level says.
type Spec struct {
	Request, Response List
}

// List has the changes of one direction. A name may be in one of the lists only, and
// once, but for Append.
type List struct {
	// Set puts values in place of all that there are.
	Set []Value
	// Append adds values to those that there are.
	Append []Value
	// Remove has names, and beginnings of names with a star at their end. A pattern
	// does not count for names that Set has.
	Remove []string
}

// Value is a header with its value.
type Value struct {
	// Name is in any case.
	Name string
	// Text is the value, unless there is a Program.
	Text string
	// Program is an expression over the request; for answers over the answer, with
	// one variable, request, which is the request as it came from the client. A text,
	// a number or a boolean is the value, an array of these several; null and false
	// leave the header as it is.
	Program *jq.Program
}

// Edits are the changes of both directions. They are immutable and safe for any
// goroutine; nil changes nothing.
type Edits struct {
	request, response edits
}

var _ route.HeadEdits = (*Edits)(nil)

// edits are the changes of one direction.
type edits struct {
	// remove are canonical names.
	remove   []string
	patterns []pattern
	values   []value
	// expressions says how many of the values are results of one.
	expressions int
}

// pattern removes all names that begin with prefix, but those in but, which are
// canonical.
type pattern struct {
	prefix string
	but    []string
}

// value is one header that is set or appended to.
type value struct {
	name string
	// text is the value if there is no expression.
	text       []string
	expression *expression
	append     bool
}

func (e *edits) any() bool { return len(e.remove)+len(e.patterns)+len(e.values) > 0 }

// apply changes h. results are those of the expressions, in the order of the values;
// nil leaves a header as it is. rpc says that the exchange is native gRPC, whose
// content type is its own.
func (e *edits) apply(h http.Header, results []result, rpc bool) {
	for i := range e.patterns {
		for name := range h {
			if e.patterns[i].takes(name) {
				delete(h, name)
			}
		}
	}
	for _, name := range e.remove {
		if name == date {
			// In an answer net/http adds one, unless there is an entry for it.
			h[date] = nil
		} else {
			delete(h, name)
		}
	}
	n := 0
	for i := range e.values {
		v := &e.values[i]
		text := v.text
		if v.expression != nil {
			out := results[n]
			if n++; !out.given {
				continue
			}
			text = out.values
		}
		switch {
		case rpc && v.name == contentType:
		case v.append && len(text) > 0:
			// What is there may be shared with other exchanges.
			h[v.name] = append(h[v.name][:len(h[v.name]):len(h[v.name])], text...)
		case v.append:
		case len(text) == 0:
			delete(h, v.name)
		default:
			h[v.name] = text
		}
	}
}
