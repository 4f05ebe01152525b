package main

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dragoman-gateway/dragoman/builtin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/gateway"
	"github.com/dragoman-gateway/dragoman/internal/near"
	"github.com/dragoman-gateway/dragoman/transform"
	"github.com/dragoman-gateway/dragoman/transform/jq"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// rehearsal is what `dragoman transform` is asked for.
type rehearsal struct {
	file, route, listener string
	expr                  string
	vars                  []string
	sample                sample
}

func newTransform(s streams) *cobra.Command {
	var q rehearsal
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "transform -c FILE --route NAME | transform --expr PROGRAM",
		Short: "Try jq programs on a sample, without serving it",
		Long: `Transform runs the jq programs that a request to a route goes through, those of
the listener, the route and its upstream, and prints what each of them changes.
With --response it runs the programs for the answer too. Neither descriptors nor
the upstream are asked: the sample is not checked against them, and what the path
captures is said with --var.

With --expr it runs a program alone: over a request, or, with --response, over an
answer. It exits with 1 if a program fails, or the body cannot be read for one.`,
		Example: `  dragoman transform -c dragoman.yaml --route books -d '{"title": "Emma"}' -H 'x-tenant: acme'
  dragoman transform -c dragoman.yaml --route books --path '/v1/books?page=2' --response answer.json
  dragoman transform --expr '.headers["x-title"] = .body.title' -d '{"title": "Emma"}'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			f := cmd.Flags()
			q.sample.answers = f.Changed("response") || f.Changed("status") || f.Changed("response-header")
			q.sample.posts = f.Changed("data")
			if f.Changed("expr") == (q.file != "") {
				return q.neitherNorBoth(f.Changed("expr"))
			}
			h, rt, err := q.prepare(s)
			if err != nil {
				return err
			}
			r, upstream, err := q.sample.read(h.listener, rt)
			if err != nil {
				return err
			}
			if h.Empty() {
				_, err := fmt.Fprintf(s.out, "route %q has no transforms on listener %q\n", rt.Name, h.listener.Name)
				return err
			}
			out, err := newRehearsed(h, h.Run(r, upstream))
			if err != nil {
				return err
			}
			if asJSON {
				err = printJSON(s.out, out)
			} else {
				err = out.print(s.out)
			}
			return errors.Join(err, out.failed())
		},
	}
	f := cmd.Flags()
	f.StringVarP(&q.file, "config", "c", "", "configuration `FILE` (YAML or JSON)")
	f.StringVar(&q.route, "route", "", "`NAME` of the route (default: the only one)")
	f.StringVar(&q.listener, "listener", "", "`NAME` of the listener, if the route is on several")
	f.StringVar(&q.expr, "expr", "", "jq `PROGRAM` to run alone, instead of a configuration")
	f.StringVarP(&q.sample.method, "request", "X", "", "`METHOD` of the request (default GET, or POST with a body)")
	f.StringVar(&q.sample.path, "path", "/", "`PATH` of the request with its query, or a whole URL")
	f.StringVarP(&q.sample.data, "data", "d", "", "`BODY` of the request, or @FILE with it (- or @- for the standard input)")
	f.StringArrayVarP(&q.sample.headers, "header", "H", nil, "header of the request, `NAME:VALUE`; may be given more than once")
	f.StringArrayVar(&q.vars, "var", nil, "what the path captures, `NAME=VALUE`; may be given more than once")
	f.StringVar(&q.sample.response, "response", "", "`FILE` with the body of the upstream's answer (- for the standard input)")
	f.IntVar(&q.sample.status, "status", http.StatusOK, "`STATUS` of the upstream's answer")
	f.StringArrayVar(&q.sample.responseHeaders, "response-header", nil, "header of the upstream's answer, `NAME:VALUE`; may be given more than once")
	f.BoolVar(&asJSON, "json", false, "print JSON")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml", "json")
	_ = cmd.MarkFlagFilename("response")
	_ = cmd.RegisterFlagCompletionFunc("route", q.complete(func(plan *config.Plan) []string { return routeNames(plan) }))
	_ = cmd.RegisterFlagCompletionFunc("listener", q.complete(func(plan *config.Plan) []string { return listenerNames(plan.Listeners) }))
	_ = cmd.RegisterFlagCompletionFunc("request", cobra.FixedCompletions([]string{
		http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodOptions,
	}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// complete gives the shell names of the configuration that the line has so far.
func (q *rehearsal) complete(names func(*config.Plan) []string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		if plan, err := load(q.file); err == nil {
			return names(plan), cobra.ShellCompDirectiveNoFileComp
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
}

func (q *rehearsal) neitherNorBoth(expr bool) error {
	if expr {
		return usageError{fmt.Errorf("-c %s and --expr exclude each other", q.file)}
	}
	return usageError{errors.New("give the configuration with -c FILE, or a program with --expr PROGRAM")}
}

func load(file string) (*config.Plan, error) {
	f, err := config.Load(file, os.LookupEnv)
	if err != nil {
		return nil, err
	}
	return config.Link(f)
}

// prepared are programs, ready to be run.
type prepared struct {
	*gateway.Rehearsal
	listener *config.Listener
}

// prepare compiles what is to be run.
func (q *rehearsal) prepare(s streams) (*prepared, *config.Route, error) {
	o := gateway.RehearsalOptions{Protocols: builtin.Protocols()}
	for _, text := range q.vars {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return nil, nil, usageError{fmt.Errorf("--var %q: want NAME=VALUE", text)}
		}
		o.Vars = append(o.Vars, view.Var{Name: name, Text: value})
	}
	plan, rt, err := q.plan()
	if err != nil {
		return nil, nil, err
	}
	l, err := q.on(rt)
	if err != nil {
		return nil, nil, err
	}
	if q.file == "" {
		if o.Specs, err = q.program(s, plan); err != nil {
			return nil, nil, err
		}
	}
	h, err := gateway.NewRehearsal(plan, l, rt, o)
	return &prepared{h, l}, rt, err
}

// plan is the configuration with the route that is asked for. For a program alone it
// is one of defaults.
func (q *rehearsal) plan() (*config.Plan, *config.Route, error) {
	if q.file == "" {
		alone := origin{targets: []string{"localhost:1"}, listen: defaultListen, admin: defaultAdmin}
		file, err := config.FromMessage("command line", alone.message())
		if err != nil {
			return nil, nil, err
		}
		plan, err := config.Link(file)
		if err != nil {
			return nil, nil, err
		}
		rt := *plan.Routes[0]
		rt.Name = q.route
		return plan, &rt, nil
	}
	plan, err := load(q.file)
	if err != nil {
		return nil, nil, err
	}
	names := routeNames(plan)
	if q.route == "" {
		if len(names) == 1 {
			return plan, plan.Routes[0], nil
		}
		return nil, nil, usageError{fmt.Errorf("give one of the routes of %s with --route: %s", q.file, strings.Join(names, ", "))}
	}
	i := slices.Index(names, q.route)
	if i < 0 {
		return nil, nil, usageError{unknown("route", q.route, q.file, names)}
	}
	return plan, plan.Routes[i], nil
}

// on is the listener that the request comes to. Where none has programs, they are
// all the same.
func (q *rehearsal) on(rt *config.Route) (*config.Listener, error) {
	names := listenerNames(rt.Listeners)
	if q.listener != "" {
		if i := slices.Index(names, q.listener); i >= 0 {
			return rt.Listeners[i], nil
		}
		return nil, usageError{unknown("listener", q.listener, fmt.Sprintf("route %q", rt.Name), names)}
	}
	if len(names) == 1 || !slices.ContainsFunc(rt.Listeners, func(l *config.Listener) bool { return len(l.Transform) > 0 }) {
		return rt.Listeners[0], nil
	}
	return nil, usageError{fmt.Errorf("give one of the listeners of route %q with --listener: %s", rt.Name, strings.Join(names, ", "))}
}

// unknown is the error for a name that is not there, with the one that was probably
// meant.
func unknown(thing, name, where string, known []string) error {
	if meant := near.Name(name, known, 2); meant != "" {
		return fmt.Errorf("%s has no %s %q; did you mean %q?", where, thing, name, meant)
	}
	return fmt.Errorf("%s has no %s %q; it has %s", where, thing, name, strings.Join(known, ", "))
}

func routeNames(plan *config.Plan) (names []string) {
	for _, rt := range plan.Routes {
		names = append(names, rt.Name)
	}
	return names
}

func listenerNames(listeners []*config.Listener) (names []string) {
	for _, l := range listeners {
		names = append(names, l.Name)
	}
	return names
}

// exprName is the program of the command line in errors.
const exprName = "--expr"

// program compiles the program of the command line: for a request, or for an answer
// if there is one.
func (q *rehearsal) program(s streams, plan *config.Plan) ([]transform.Spec, error) {
	cfg := jq.Config{Name: exprName, Limits: jq.Limits{Time: plan.JQ.Time, Memory: plan.JQ.Memory}}
	if q.sample.answers {
		cfg.Variables = []string{"request"}
	}
	p, err := jq.Compile(q.expr, cfg)
	if err != nil {
		problem := config.Problem{File: exprName, Message: err.Error()}
		var wrong *jq.SyntaxError
		if errors.As(err, &wrong) {
			problem.Line, problem.Column, problem.Message, problem.Advice = wrong.Line, wrong.Column, wrong.Message, wrong.Advice
		}
		return nil, config.Report{problem}
	}
	for _, w := range p.Warnings() {
		warn(s, config.Report{{File: exprName, Line: w.Line, Column: w.Column, Message: w.Message, Advice: w.Advice}})
	}
	spec := transform.Spec{Name: exprName, Request: p}
	if q.sample.answers {
		spec.Request, spec.Response = nil, p
	}
	if _, err := transform.New([]transform.Spec{spec}, transform.Options{}); err != nil {
		return nil, err
	}
	return []transform.Spec{spec}, nil
}
