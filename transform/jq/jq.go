// Package jq compiles and runs the jq programs of a configuration
// (github.com/itchyny/gojq). Programs are the operator's and may do what they
// like with a value; values are anybody's, so what a run may cost is bounded.
//
// A value is what gojq takes: nil, bool, int, float64, *big.Int, json.Number,
// string, []any or map[string]any, and nothing else within one. A json.Number is
// the text of a number, and stays as it is until a program computes with it.
// [Normalize] makes such values of others.
//
// # What a run may cost
//
// [Limits] bound a run in time and in the bytes of values that it makes. All that a
// program makes counts until the run ends, also what it drops: that is simple, and a
// program that needs more is no transform. Strings, arrays and objects count as
// large as they are, or may become; an element of an array that a program collects
// counts 32 bytes, one that it iterates over as many, a call of a function that calls
// itself 128. What a value shares with another counts once, but to be read it is as
// large as it looks: comparisons, JSON and the result itself are measured so. An
// operation that would go over is not begun, and neither a catch nor a ? keeps the
// program from ending there.
//
// The clock is looked at between operations, and within those that can take long.
// What is not bounded so:
//
//   - To sort the keys of an object, to iterate over a large array, or to read a text
//     of JSON is one operation. With inputs of a few megabytes it can take some
//     hundred milliseconds longer than Limits.Time.
//   - To match a regular expression is one operation, refused if a text is too long
//     for a pattern: some megabytes for a simple one with 50 ms.
//   - The process may need about twice what is counted, as memory is not given back
//     at once. Limits are for each run; but of those that make more than a MiB only as
//     many go on at a time as there are processors, and of one program one less if
//     there are several. The others wait for their turn, which is not counted as time.
//   - The input does not count: whoever reads it has a limit for it. Neither does
//     what is refused: values nested more than 10,000 deep are not walked, numbers of
//     more than 1,000 characters and integers of more than a million bits not
//     computed with, patterns of more than 4 KiB or 10,000 steps not compiled, and
//     paths cannot have more than 10,000 elements.
package jq

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/itchyny/gojq"
)

// Config is what a program is compiled with.
type Config struct {
	// Name is what errors call the program: transform[0].request of route "books".
	Name string
	// Variables are the names, without $, of what each run is given a value for.
	Variables []string
	// Params are variables, without $, whose values are known now. What a program does
	// with a text, a number that is not below zero, a boolean or null is known then
	// too: .headers[$name] looks at one header, and not at all.
	Params map[string]any
	// Env are the environment variables that env.NAME may name.
	Env    map[string]string
	Limits Limits
}

// Limits bound one run.
type Limits struct {
	// Time is how long a run may take; zero is for ever.
	Time time.Duration
	// Memory is how many bytes of values a run may make, and how large its result
	// may be written out; zero is no bound. Its input does not count.
	Memory int
}

// DefaultLimits are the documented defaults.
var DefaultLimits = Limits{Time: 50 * time.Millisecond, Memory: 64 << 20}

// Program is a compiled program. It is immutable and safe for any goroutine.
type Program struct {
	name   string
	source string
	engine *engine
	params []any
	needs  *Needs

	warnings []Warning
}

// longestSource is how long the text of a program may be.
const longestSource = 256 << 10

// Compile compiles a program. What is wrong with it is a [*SyntaxError].
func Compile(src string, c Config) (p *Program, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			p, err = nil, &SyntaxError{Message: fmt.Sprintf("the compiler cannot take this program: %v", fault)}
		}
	}()
	query, err := parse(src)
	if err != nil {
		return nil, err
	}
	variables := c.variables()
	if err := resolve(src, query, c); err != nil {
		return nil, err
	}
	p = &Program{name: c.Name, source: src, needs: analyze(query, c.Variables), warnings: warnings(src, query)}
	for _, name := range slices.Sorted(maps.Keys(c.Params)) {
		p.params = append(p.params, c.Params[name])
	}
	p.engine, err = newEngine(query, variables, extensions(), c.Limits)
	if err != nil {
		return nil, &SyntaxError{Message: err.Error()}
	}
	return p, nil
}

// parse is the tree of a program.
func parse(src string) (*gojq.Query, error) {
	if len(src) > longestSource {
		return nil, &SyntaxError{Message: fmt.Sprintf("the program has %d bytes, and at most %d are taken", len(src), longestSource)}
	}
	query, err := gojq.Parse(src)
	if err != nil {
		return nil, syntaxError(src, err)
	}
	return query, nil
}

// variables are the names of what a run is given a value for, each with its $:
// parameters first, by name.
func (c Config) variables() []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(c.Params)) {
		names = append(names, "$"+name)
	}
	for _, name := range c.Variables {
		names = append(names, "$"+name)
	}
	return names
}

// Name is the name that [Config] gave the program.
func (p *Program) Name() string { return p.name }

// Source is the text of the program.
func (p *Program) Source() string { return p.source }

// Needs is what the program looks at, and what it may change. Nobody may change
// it.
func (p *Program) Needs() *Needs { return p.needs }

// Warnings are what the program does that is seldom meant. Nobody may change them.
func (p *Program) Warnings() []Warning { return p.warnings }

// Run runs the program with an input and a value for each of Config.Variables, in
// their order. Neither is changed, and the result may share memory with both. A
// program that yields no value, or several, fails. What goes wrong is a
// [*RunError], or the error of ctx.
func (p *Program) Run(ctx context.Context, in any, vars ...any) (any, error) {
	return p.named(p.engine.run(ctx, in, nil, p.params, vars))
}

// RunOver is Run with an input that nobody else has, and whose members headers and
// query nobody else has if they are objects: it may change these, and the result may
// be the input itself. After a failure the input is no longer of use. Other members
// are left as they are, and vars too.
func (p *Program) RunOver(ctx context.Context, in map[string]any, vars ...any) (any, error) {
	return p.named(p.engine.run(ctx, in, in, p.params, vars))
}

// named puts the name of the program to a failure.
func (p *Program) named(out any, err error) (any, error) {
	if err == nil {
		return out, nil
	}
	var failure *RunError
	if errors.As(err, &failure) {
		return nil, &RunError{Program: p.name, Limit: failure.Limit, Message: failure.Message}
	}
	return nil, err
}

// Test runs the program as a predicate: all but null and false is a yes.
func (p *Program) Test(ctx context.Context, in any, vars ...any) (bool, error) {
	out, err := p.Run(ctx, in, vars...)
	return err == nil && out != nil && out != false, err
}

// RunError is why a run failed.
type RunError struct {
	// Program is the name of the program.
	Program string
	// Limit is the limit that was met: time or memory; empty for other failures.
	Limit   string
	Message string
}

func (e *RunError) Error() string { return e.Program + ": " + e.Message }
