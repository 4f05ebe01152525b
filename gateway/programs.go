package gateway

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/dragoman-gateway/dragoman/config"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/transform"
	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/jq"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// maxProgramBytes bounds a file with a program.
const maxProgramBytes = 256 << 10

// programs are the jq programs of a configuration, compiled once when the gateway
// is made, as they need no descriptors.
type programs struct {
	plan  *config.Plan
	specs map[*config.Transform]*transform.Spec
	// expressions are those that are no transforms, by where they stand.
	expressions map[string]*jq.Program
	all         []*jq.Program
	// report has what is wrong, warnings what is likely to be.
	report, warnings config.Report
}

// loadPrograms reads and compiles every program of the plan, used or not.
func loadPrograms(plan *config.Plan) *programs {
	p := &programs{plan: plan, specs: make(map[*config.Transform]*transform.Spec), expressions: make(map[string]*jq.Program)}
	for _, unused := range plan.Programs {
		for _, part := range []struct {
			text      *config.ProgramText
			variables []string
		}{{unused.Request, nil}, {unused.Response, answered}, {unused.Error, answered}} {
			p.compile(part.text, fmt.Sprintf("program %q", unused.Name), part.variables, unused.Params)
		}
	}
	// What nobody uses is checked, and has been; what is used is counted where it is.
	p.all, p.warnings = nil, nil
	for _, l := range plan.Listeners {
		p.list("listener", l.Name, l.Transform)
		p.headers(fmt.Sprintf("listener %q", l.Name), l.Headers)
	}
	for _, rt := range plan.Routes {
		p.list("route", rt.Name, rt.Transform)
		p.headers(fmt.Sprintf("route %q", rt.Name), rt.Headers)
		if rt.Respond != nil && rt.Respond.BodyJQ != nil {
			p.expression(rt.Respond.BodyJQ, fmt.Sprintf("route %q, respond.body_jq", rt.Name), nil)
		}
		if rt.Forward != nil {
			for _, d := range rt.Forward.Destinations {
				p.headers(fmt.Sprintf("upstream %q of route %q", d.Upstream.Name, rt.Name), d.Headers)
			}
		}
	}
	for _, up := range plan.Upstreams {
		p.list("upstream", up.Name, up.Transform)
		p.headers(fmt.Sprintf("upstream %q", up.Name), up.Headers)
	}
	return p
}

// headers compiles the expressions among changes of headers.
func (p *programs) headers(owner string, h config.Headers) {
	for _, direction := range []struct {
		name      string
		edits     *configpb.HeaderEdits
		variables []string
	}{{"request", h.Rule.GetRequest(), nil}, {"response", h.Rule.GetResponse(), answered}} {
		for _, list := range []struct {
			name   string
			values []*configpb.HeaderValue
		}{{"set", direction.edits.GetSet()}, {"append", direction.edits.GetAppend()}} {
			for i, v := range list.values {
				if v.GetJq() != "" {
					at := fmt.Sprintf("%s.%s[%d].jq", direction.name, list.name, i)
					p.expression(&config.ProgramText{Path: h.Path + "." + at, Text: v.GetJq()}, owner+", headers."+at, direction.variables)
				}
			}
		}
	}
}

// expression compiles one program whose result is a value; once for each place, as a
// group of upstreams may be used by several routes.
func (p *programs) expression(text *config.ProgramText, name string, variables []string) {
	if _, ok := p.expressions[text.Path]; !ok {
		p.expressions[text.Path] = p.compile(text, name, variables, nil)
	}
}

// answered are the variables of programs that run when there is an answer.
var answered = []string{"request"}

func (p *programs) list(what, name string, list []*config.Transform) {
	for i, t := range list {
		spec := &transform.Spec{
			Name:   fmt.Sprintf("%s %q, transform[%d]", what, name, i),
			BodyAs: bodyAs[t.BodyAs], SkipBodyErrors: t.SkipBodyErrors,
		}
		if t.Use != "" {
			spec.Name += fmt.Sprintf(" (%s)", t.Use)
		}
		spec.When = p.compile(t.When, spec.Name+".when", answered, t.Params)
		spec.Request = p.compile(t.Request, spec.Name+".request", nil, t.Params)
		spec.Response = p.compile(t.Response, spec.Name+".response", answered, t.Params)
		spec.Error = p.compile(t.Error, spec.Name+".error", answered, t.Params)
		p.check(t.Request, spec.Request, view.Request)
		p.check(t.Response, spec.Response, view.Response)
		p.check(t.Error, spec.Error, view.Error)
		p.specs[t] = spec
	}
}

// check reports what a program gives that it may not, and names of headers that are
// no headers' names.
func (p *programs) check(text *config.ProgramText, program *jq.Program, phase view.Phase) {
	if program == nil {
		return
	}
	v, err := view.Compile(program.Needs(), phase)
	if err != nil {
		p.report = append(p.report, p.at(text, 0, 0, err.Error()))
		return
	}
	for _, w := range v.Warnings() {
		p.warnings = append(p.warnings, p.at(text, 0, 0, w))
	}
}

// of are the specs of lists, one after the other.
func (p *programs) of(lists ...[]*config.Transform) []transform.Spec {
	var specs []transform.Spec
	for _, list := range lists {
		for _, t := range list {
			specs = append(specs, *p.specs[t])
		}
	}
	return specs
}

// around are the specs around all that a route does with some options. If it leads
// to one upstream, those of that are among them.
func (p *programs) around(rt *config.Route, o *config.Options) []transform.Spec {
	specs := p.of(o.Transform, rt.Transform)
	if up := rt.Upstream(); up != nil {
		specs = append(specs, p.of(up.Transform)...)
	}
	return specs
}

// What the schema calls these.
var bodyAs = map[string]body.As{"AUTO": body.Auto, "JSON": body.AsJSON, "TEXT": body.AsText, "BYTES": body.AsBytes}

// compile compiles one program; nil if there is none, or if something is wrong
// with it.
func (p *programs) compile(text *config.ProgramText, name string, variables []string, params map[string]any) *jq.Program {
	if text == nil {
		return nil
	}
	src, err := p.read(text)
	if err != nil {
		p.report = append(p.report, p.plan.File.Problem(text.Path, "%v", err))
		return nil
	}
	program, err := jq.Compile(src, jq.Config{
		Name: name, Variables: variables, Params: params,
		Env: p.plan.JQ.Env, Limits: jq.Limits{Time: p.plan.JQ.Time, Memory: p.plan.JQ.Memory},
	})
	if err != nil {
		p.report = append(p.report, p.wrong(text, err))
		return nil
	}
	for _, w := range program.Warnings() {
		problem := p.at(text, w.Line, w.Column, w.Message)
		problem.Advice = w.Advice
		p.warnings = append(p.warnings, problem)
	}
	p.all = append(p.all, program)
	return program
}

// wrong is the problem for an error of a program.
func (p *programs) wrong(text *config.ProgramText, err error) config.Problem {
	var syntax *jq.SyntaxError
	if !errors.As(err, &syntax) {
		return p.at(text, 0, 0, err.Error())
	}
	problem := p.at(text, syntax.Line, syntax.Column, syntax.Message)
	problem.Advice = syntax.Advice
	return problem
}

// at is a problem at a place in a program.
func (p *programs) at(text *config.ProgramText, line, column int, message string) config.Problem {
	if text.File != "" {
		return config.Problem{File: p.path(text), Line: line, Column: column, Message: message}
	}
	return p.plan.File.ProblemInside(text.Path, line, column, "%s", message)
}

// path is the name of a program's file as the gateway opens it.
func (p *programs) path(text *config.ProgramText) string {
	if filepath.IsAbs(text.File) {
		return text.File
	}
	return filepath.Join(p.plan.File.Dir(), text.File)
}

func (p *programs) read(text *config.ProgramText) (string, error) {
	if text.File == "" {
		return text.Text, nil
	}
	in, err := os.Open(p.path(text))
	if err != nil {
		return "", err
	}
	defer in.Close()
	data, err := io.ReadAll(io.LimitReader(in, maxProgramBytes+1))
	switch {
	case err != nil:
		return "", err
	case len(data) > maxProgramBytes:
		return "", fmt.Errorf("%s is larger than %d KiB", text.File, maxProgramBytes>>10)
	}
	return strings.TrimPrefix(string(data), "\ufeff"), nil
}

// Program is one jq program of a configuration, for people.
type Program struct {
	// Name says where it stands: route "books", transform[0].request.
	Name string
	// Needs is what it reads and changes: reads headers.x-a; changes body.
	Needs string
	// Stats are how often it has met its limits.
	Stats jq.Stats
}

// Check compiles what of a plan needs no descriptors, its jq programs and the routes
// that transcode nothing, and tells what each program needs, and what is likely to be
// a mistake. It reads the files with programs, and nothing else, and makes no
// upstreams. The error is a [config.Report].
func Check(plan *config.Plan, options Options) ([]Program, config.Report, error) {
	g := programmed(plan, options)
	defer g.drain()
	if err := g.programs.report.Err(); err != nil {
		return nil, nil, err
	}
	snap, err := g.compile()
	if err != nil {
		return nil, nil, err
	}
	g.snapshot.Store(snap)
	return g.Programs(), g.Warnings(), nil
}

func (p *programs) described() []Program {
	var out []Program
	for _, program := range p.all {
		needs := *program.Needs()
		if name := program.Name(); strings.HasSuffix(name, ".when") || strings.HasSuffix(name, "jq") {
			needs.Writes = jq.Paths{} // its result is a value of its own
		}
		out = append(out, Program{Name: program.Name(), Needs: needs.String(), Stats: program.Stats()})
	}
	return out
}
