// Package plan reads HTTP rules backwards: it makes HTTP requests of serialized
// request messages, for upstreams that know a method by its rule and not by gRPC.
//
// [New] resolves the rules of one method to a [Plan]: path variables to chains of
// fields, the body to a field, and everything else to a query, of which it knows that
// it can be written. [Plan.Build] then only walks the message:
//
//   - the first rule counts whose variables all have a value that is not empty and
//     that their patterns take;
//   - a body "*" is the JSON of the message without what the path has, a body field
//     the JSON of that field alone;
//   - what neither path nor body has is the query.
//
// It is the mirror of package transcoder/rest/plan, which binds such a request to the
// same message again. What neither path nor query can say is lost: that a message
// is set of which no field is, fields that the schema does not know, and the
// extensions of a google.api.HttpBody.
//
// The package is pure: bytes in, bytes in the caller's buffers out. It knows no
// connection, no goroutine and no clock. In a steady state a call allocates nothing
// but its errors.
package plan

import (
	"errors"
	"fmt"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// Options say what a [Plan] is for.
type Options struct {
	// Input has the tables of the request message. Their form of JSON is that of
	// bodies.
	Input *codec.Message
	// FullMethod is the method as gRPC calls it, /acme.v1.Library/GetBook: the path
	// of a method without rules.
	FullMethod string
	// Bindings are the method's rules, in the order in which they are tried. If there
	// are none, the whole message is the body of a POST to FullMethod. Their Escapes
	// are not looked at: what is in a path is escaped so that everybody can read it.
	Bindings []httprule.Binding
	// Whole is for an upstream that takes one body and nothing else of a request: it
	// gets the whole message as if there were no rules.
	Whole bool
	// MaxDepth bounds the nesting of messages; 0 is 100.
	MaxDepth int
	// MaxJSONBytes bounds the JSON of a body; 0 is 64 MiB.
	MaxJSONBytes int
	// MaxTargetBytes bounds path and query, each; 0 is 1 MiB.
	MaxTargetBytes int
}

const defaultTarget = 1 << 20

// Plan makes the requests of one method. It is immutable and safe for any goroutine.
type Plan struct {
	input                        *codec.Message
	rules                        []rule
	maxDepth, maxJSON, maxTarget int
}

// Request is an HTTP request, and the memory to make it in: used again, it saves
// all allocations. Its zero value is ready; one goroutine at a time may use it, with
// any plan. What it has is valid until the next [Plan.Build] and may be changed by
// nobody else.
type Request struct {
	// Method is an HTTP method.
	Method string
	// Path is the path, percent-encoded, with a slash before it.
	Path []byte
	// RawQuery is the query without the question mark.
	RawQuery []byte
	// Body is the body. That of a google.api.HttpBody is a part of the message that
	// it was made of.
	Body []byte
	// ContentType is the media type of the body, empty if there is none.
	ContentType string
	// Binding is the index of the rule in [Options.Bindings], -1 if none was used.
	Binding int

	codec codec.Scratch
	// text is the value at hand, json the memory of bodies, and rest that of the part
	// of the message which is one.
	text, json, rest []byte
	// media is the last media type of a google.api.HttpBody: it is mostly the same.
	media string
}

// maxKept is the largest buffer that a [Request] keeps for the next.
const maxKept = 1 << 20

// reset makes r ready for the next request.
func (r *Request) reset(p *Plan) {
	for _, b := range [...]*[]byte{&r.Path, &r.RawQuery, &r.text, &r.json, &r.rest} {
		if cap(*b) > maxKept {
			*b = nil
		}
		*b = (*b)[:0]
	}
	r.Body, r.ContentType = nil, ""
	r.codec.MaxDepth, r.codec.MaxJSON = p.maxDepth, p.maxJSON
}

// jsonType is the media type of every body but a google.api.HttpBody.
const jsonType = "application/json"

// New compiles the rules of one method. The error holds everything that is wrong
// with them, each naming the rule and the field.
func New(o Options) (*Plan, error) {
	p := &Plan{input: o.Input, maxDepth: o.MaxDepth, maxJSON: o.MaxJSONBytes, maxTarget: o.MaxTargetBytes}
	if p.input == nil {
		return nil, errors.New("the schema lacks the request message")
	}
	if p.maxTarget <= 0 {
		p.maxTarget = defaultTarget
	}
	if o.Whole || len(o.Bindings) == 0 {
		p.rules = []rule{whole(p.input, o.FullMethod)}
		return p, nil
	}
	var problems []error
	for i := range o.Bindings {
		b := &o.Bindings[i]
		name := fmt.Sprintf("%s %s", b.Method, b.Template)
		c := &compiler{input: p.input}
		p.rules = append(p.rules, c.rule(b, i, name))
		for _, problem := range c.problems {
			problems = append(problems, fmt.Errorf("%s: %w", name, problem))
		}
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return p, nil
}

// Build makes r the request for a serialized message, which r may refer to from
// then on. The error is an *[rpc.Error] that a client may see; what r has is then of
// no use.
func (p *Plan) Build(r *Request, message []byte) error {
	r.reset(p)
	chosen, err := p.choose(r, message)
	if err != nil {
		return err
	}
	r.Method, r.Binding = chosen.method, chosen.index
	if err := chosen.body(r, message); err != nil {
		return err
	}
	return p.query(r, chosen, message)
}

// choose finds the rule that takes the message, and makes the path by it.
func (p *Plan) choose(r *Request, message []byte) (*rule, error) {
	var first obstacle
	for i := range p.rules {
		chosen := &p.rules[i]
		at, err := chosen.path(r, message, p.maxTarget)
		if err != nil {
			return nil, err
		}
		if at.variable == nil {
			return chosen, nil
		}
		if first.variable == nil {
			first = at
		}
	}
	return nil, first.failure(r, message)
}

// query makes the query of what neither the path nor the body has.
func (p *Plan) query(r *Request, chosen *rule, message []byte) error {
	if chosen.left == nil {
		return nil
	}
	r.codec.MaxJSON = p.maxTarget
	var err error
	if r.RawQuery, err = chosen.left.AppendQuery(r.RawQuery, message, &r.codec); err != nil {
		return fromCodec(rpc.InvalidQuery, "query", err)
	}
	return nil
}
