package header

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform"
	"github.com/dragoman-gateway/dragoman/transform/jq"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// expression is a program with what it sees.
type expression struct {
	program *jq.Program
	view    *view.View
	// sent is what it sees of the request by $request.
	sent *view.View
	// response says that it is about answers, vars and client what it looks at.
	response, vars, client bool
}

// result is what an expression yields. Without given the header is left as it is.
type result struct {
	values []string
	given  bool
}

// requestVariable is the variable of expressions over answers.
const requestVariable = "request"

// checkProgram refuses programs that look at bodies: a header goes out before its
// body has come.
func checkProgram(p *jq.Program) error {
	needs := p.Needs()
	if needs.Input.At("body").Any() || needs.Variables[requestVariable].At("body").Any() {
		return errors.New("looks at the body, or at the whole input, which has it: only heads are there for headers; name what it looks at, or use a transform")
	}
	return nil
}

// compile prepares a program that has been checked.
func compile(p *jq.Program, response bool) *expression {
	needs := p.Needs()
	phase := view.Request
	if response {
		phase = view.Response
	}
	e := &expression{program: p, response: response}
	// It cannot fail for a program that changes nothing.
	e.view, _ = view.Compile(&jq.Needs{Input: needs.Input}, phase)
	seen := needs.Input
	if sent := needs.Variables[requestVariable]; response && sent.Any() {
		e.sent = view.Of(sent)
		seen = seen.With(sent)
	}
	e.vars, e.client = seen.At("vars").Any(), seen.At("client").Any()
	return e
}

// run evaluates the expression of a value. head is that of the request, h the header
// and status the status of the answer, if it is about one.
func (v *value) run(ctx context.Context, head *view.Head, h http.Header, status int) (result, *rpc.Error) {
	e := v.expression
	seen := *head
	if e.response {
		seen.Header, seen.Status = h, status
	}
	in, err := e.view.Input(&seen, nil)
	var vars []any
	if err == nil && e.response {
		var sent map[string]any
		if e.sent != nil {
			sent, err = e.sent.Input(head, nil)
		}
		vars = []any{sent}
	}
	if err != nil {
		return result{}, rpc.Errorf(rpc.InvalidQuery, "%v", err)
	}
	out, err := e.program.RunOver(ctx, in, vars...)
	if err != nil {
		return result{}, transform.Failed(ctx, e.program.Name(), err)
	}
	return v.read(out)
}

// maxValues bounds the values of one header, in bytes: as for programs.
const maxValues = 64 << 10

// read makes values of what a program yields.
func (v *value) read(out any) (result, *rpc.Error) {
	if out == nil || out == false {
		return result{}, nil
	}
	mistaken := func(err error) *rpc.Error {
		name := v.expression.program.Name()
		return &rpc.Error{Reason: rpc.ProgramFailed, Message: name + " gives what is no value of a header", Cause: fmt.Errorf("%s: %w", name, err)}
	}
	values, err := view.Texts(out)
	if err != nil {
		return result{}, mistaken(err)
	}
	size := 0
	for i := range values {
		if values[i], err = checkValue(v.name, values[i]); err != nil {
			return result{}, mistaken(err)
		}
		size += len(v.name) + len(values[i])
	}
	if size > maxValues {
		return result{}, mistaken(fmt.Errorf("has more than %d bytes", maxValues))
	}
	return result{values: values, given: true}, nil
}

// look is what all expressions of a direction see of the request.
func (e *edits) look(r *http.Request, x *route.Exchange) view.Head {
	vars, client := false, false
	for i := range e.values {
		if expression := e.values[i].expression; expression != nil {
			vars, client = vars || expression.vars, client || expression.client
		}
	}
	head := transform.Look(r, x, vars, client)
	head.RPC = speaksGRPC(r, x)
	return head
}

// speaksGRPC reports whether an exchange is native gRPC. With a route, that says so.
func speaksGRPC(r *http.Request, x *route.Exchange) bool {
	if x.Entry != nil {
		return x.Entry.Protocol == "grpc"
	}
	return route.SpeaksGRPC(r)
}
