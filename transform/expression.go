package transform

import (
	"net/http"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/jq"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// Expression is one program over requests of which the value counts: what it would
// change as a request program it does not change. It sees what a request program
// sees, under the same limits, and a body is read only if it looks at one. It is
// immutable and safe for any goroutine.
type Expression struct {
	chain *Chain
	step  step
	asks  *program
}

// NewExpression compiles an expression of a program without variables. Of the
// options, Rematch is not called.
func NewExpression(p *jq.Program, o Options) (*Expression, error) {
	e := &Expression{chain: &Chain{options: o, turns: jq.NewTurns(largeBodies)}}
	var err error
	if e.asks, err = e.chain.program(p, view.Request, true); err != nil {
		return nil, err
	}
	e.asks.variable = false
	return e, nil
}

// ReadsBody reports whether the body of a request is read.
func (e *Expression) ReadsBody() bool { return e.asks.body }

// Body runs the program over r and gives write what its value is as a body, for as
// long as write runs. The body is written as contentType has it; if that is empty, a
// string is text and every other value JSON. typed is the content type that comes of
// it. Null is no body, and typed is then empty. An error is for the client: neither
// write nor Options.Refuse has been called.
func (e *Expression) Body(w http.ResponseWriter, r *http.Request, x *route.Exchange, contentType string, write func(data []byte, typed string)) *rpc.Error {
	k := newRun(e.chain, w, r, x, shape{})
	defer k.release()
	if e.asks.body {
		if _, err := k.load(false); err != nil {
			if !k.read {
				w.Header()["Accept-Encoding"] = acceptedCodings
			}
			return err
		}
	}
	value, _, err := k.value(&e.step, e.asks, &k.req)
	if err != nil {
		return err
	}
	if value == nil {
		write(nil, "")
		return nil
	}
	c := content{limits: e.chain.limits(e.chain.options.MaxResponseBytes)}
	c.set(value, body.Auto, contentType, e.asks)
	data, typed, fault := c.append(k.out[:0])
	if fault != nil {
		return unwritable(e.asks, fault)
	}
	k.out = data
	if typed == "" {
		typed = contentType
	}
	// Whoever takes it may take its time.
	k.give(&k.req)
	k.req.body.forget()
	write(data, typed)
	return nil
}
