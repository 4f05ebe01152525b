package jq

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/itchyny/gojq"
)

// An engine runs a program with limits. gojq knows no state of a run, so each run
// has the code for itself, compiled with functions that belong to its [budget]: there
// are as many instances as there have been runs at once, which are few, as a run
// never waits for anything.
type engine struct {
	query *gojq.Query
	// straight is the program as a stride, if it is one; grows says that its result
	// has to be measured.
	straight  stride
	grows     bool
	variables []string
	functions []native
	limits    Limits
	regexps   *regexps
	turns     *Turns

	// kept is one instance that outlives collections of garbage.
	kept  atomic.Pointer[instance]
	idle  sync.Pool
	stats counters
}

// A native is a function in Go that a rewritten program calls.
type native struct {
	name string
	// min and max are how many arguments it takes.
	min, max int
	// call gets the input and the arguments, and gives a value or an error. The
	// arguments are the engine's: they must not be kept.
	call func(r *budget, v any, args []any) any
	// iterates says that call gives a [gojq.Iter].
	iterates bool
}

type instance struct {
	budget budget
	code   *gojq.Code
	frame  frame
}

// Stats are counts of the runs of a program.
type Stats struct {
	// OverTime and OverMemory are the runs that were ended for a limit.
	OverTime, OverMemory uint64
}

type counters struct{ time, memory atomic.Uint64 }

// newEngine makes an engine for a query, with names of variables with their $ and
// functions that the query may call besides jq's.
func newEngine(query *gojq.Query, variables []string, functions []native, limits Limits) (*engine, error) {
	e := &engine{variables: variables, limits: limits, regexps: new(regexps), turns: NewTurns(largeRuns)}
	e.query, e.functions = rewrite(query, functions)
	e.straight, e.grows = straighten(query, variables, functions)
	first, err := e.compile()
	if err != nil {
		return nil, err
	}
	e.kept.Store(first)
	return e, nil
}

func (e *engine) compile() (*instance, error) {
	in := &instance{budget: budget{limits: e.limits, regexps: e.regexps, turns: e.turns}}
	in.frame.budget = &in.budget
	options := make([]gojq.CompilerOption, 0, len(e.functions)+1)
	options = append(options, gojq.WithVariables(e.variables))
	for _, f := range e.functions {
		if f.iterates {
			options = append(options, gojq.WithIterFunction(f.name, f.min, f.max, func(v any, args []any) gojq.Iter {
				if iter, ok := f.call(&in.budget, v, args).(gojq.Iter); ok {
					return iter
				}
				return gojq.NewIter[any](errOver)
			}))
			continue
		}
		options = append(options, gojq.WithFunction(f.name, f.min, f.max, func(v any, args []any) any {
			return f.call(&in.budget, v, args)
		}))
	}
	code, err := gojq.Compile(e.query, options...)
	in.code = code
	return in, err
}

func (e *engine) take() (*instance, error) {
	if in := e.kept.Swap(nil); in != nil {
		return in, nil
	}
	if in, ok := e.idle.Get().(*instance); ok {
		return in, nil
	}
	return e.compile()
}

func (e *engine) give(in *instance) {
	clear(in.frame.vars)
	clear(in.frame.bound)
	in.frame.mine, in.frame.args, in.budget.parent = nil, [2]any{}, nil
	if !e.kept.CompareAndSwap(nil, in) {
		e.idle.Put(in)
	}
}

// run gives the one value that the program yields. mine is v, if it may be changed;
// else nil. The failure is a [*RunError] without a name, or the error of ctx.
func (e *engine) run(ctx context.Context, v any, mine map[string]any, params, vars []any) (out any, err error) {
	in, err := e.take()
	if err != nil {
		return nil, &RunError{Message: err.Error()}
	}
	defer func() {
		in.budget.end()
		// An instance that panicked is not used again.
		if p := recover(); p != nil {
			out, err = nil, &RunError{Message: fmt.Sprintf("the engine fails: %v", p)}
			return
		}
		e.give(in)
	}()
	r := &in.budget
	r.begin(ctx)
	in.frame.vars = append(append(in.frame.vars[:0], params...), vars...)
	if e.straight != nil && len(in.frame.vars) == len(e.variables) {
		in.frame.mine = mine
		if out, err = e.straight(&in.frame, v); err != nil {
			err = &RunError{Message: describe(err)}
		}
	} else {
		out, err = once(in.code.RunWithContext(r, v, in.frame.vars...))
	}
	if err == nil && (e.straight == nil || e.grows) && !r.bounded(out) {
		err = errOver
	}
	switch {
	case r.failure != nil && r.failure != ended:
		e.stats.count(r.failure.Limit)
		return nil, r.failure
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, err
	}
	return out, nil
}

func once(iter gojq.Iter) (any, error) {
	out, ok := iter.Next()
	if !ok {
		return nil, &RunError{Message: "yields no value"}
	}
	if err, ok := out.(error); ok {
		return nil, &RunError{Message: describe(err)}
	}
	if _, more := iter.Next(); more {
		return nil, &RunError{Message: "yields more than one value"}
	}
	return out, nil
}

// longestMessage is how much of a message is kept that a program failed with.
const longestMessage = 1_000

// describe is the text of an error of the engine. The value that a program failed
// with may be huge.
func describe(err error) string {
	var value gojq.ValueError
	if !errors.As(err, &value) {
		return err.Error()
	}
	text, ok := value.Value().(string)
	if !ok {
		return "error: " + gojq.Preview(value.Value())
	}
	if len(text) > longestMessage {
		text = text[:longestMessage] + "…"
	}
	return "error: " + text
}

func (c *counters) count(limit string) {
	if limit == limitTime {
		c.time.Add(1)
	} else {
		c.memory.Add(1)
	}
}

// Stats are the counts since the program was compiled.
func (p *Program) Stats() Stats {
	return Stats{OverTime: p.engine.stats.time.Load(), OverMemory: p.engine.stats.memory.Load()}
}

// extensions are the functions of the library, which give at most a few times what
// they are given.
func extensions() []native {
	out := make([]native, len(library))
	for i, f := range library {
		out[i] = native{name: f.name, min: f.min, max: f.max, call: func(r *budget, v any, args []any) any {
			if !r.given(v) {
				return errOver
			}
			for _, arg := range args {
				if !r.given(arg) {
					return errOver
				}
			}
			return f.call(v, args)
		}}
	}
	return out
}

// given counts what a function of the library may make of a value.
func (r *budget) given(v any) bool {
	switch v := v.(type) {
	case string:
		return r.charges(len(v), 4)
	case []any, map[string]any:
		m := measure{run: r, left: math.MaxInt}
		if r.limits.Memory > 0 {
			m.left = int(r.left / 4)
		}
		return m.value(v, 0)
	}
	return true
}
