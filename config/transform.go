package config

import (
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/types/known/structpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

const (
	defaultProgramTime   = 50 * time.Millisecond
	defaultProgramMemory = 64 << 20
	defaultResponseBytes = 4 << 20
)

// Transform is one entry of a list of transforms.
type Transform struct {
	Path string
	// Use is the name of the program that the entry uses; empty if the programs
	// are its own.
	Use string
	// When, Request, Response and Error are nil where there is none.
	When, Request, Response, Error *ProgramText
	// Params are the values of the parameters of the programs, without $: nil,
	// bool, float64, string, []any and map[string]any.
	Params map[string]any

	PreRoute, SkipBodyErrors bool
	// BodyAs is AUTO, JSON, TEXT or BYTES.
	BodyAs string
}

// ProgramText is the text of a jq program, or the name of a file with it, relative
// to [File.Dir]. It is at Path.
type ProgramText struct{ Path, Text, File string }

// Program is a program that transforms can use.
type Program struct {
	Path, Name               string
	Request, Response, Error *ProgramText
	// Params are the defaults of all parameters, nil for those without one.
	Params map[string]any
}

// JQ bounds what jq programs may do.
type JQ struct {
	// Env has the environment variables that programs may read.
	Env  map[string]string
	Time time.Duration
	// Memory and ResponseBytes are in bytes.
	Memory, ResponseBytes int
}

func (l *linker) linkJQ() {
	cfg := l.file.Message.GetJq()
	jq := JQ{
		Env:           make(map[string]string),
		Time:          durationOr(cfg.GetTime(), defaultProgramTime),
		Memory:        orDefault(cfg.GetMemory(), defaultProgramMemory),
		ResponseBytes: orDefault(cfg.GetResponseBytes(), defaultResponseBytes),
	}
	for i, name := range cfg.GetEnv() {
		value, ok := "", false
		if l.file.getenv != nil {
			value, ok = l.file.getenv(name)
		}
		if !ok {
			l.problem(indexPath("jq.env", i), "set it, if to nothing, or leave it out", "the environment has no variable %s", name)
		}
		jq.Env[name] = value
	}
	l.plan.JQ = jq
}

func (l *linker) linkPrograms() {
	names := make(map[string]string)
	for i, cfg := range l.file.Message.GetPrograms() {
		path := indexPath("programs", i)
		p := &Program{
			Path: path, Name: cfg.GetName(),
			Request:  programText(path, "request", cfg.GetRequest(), cfg.GetRequestFile()),
			Response: programText(path, "response", cfg.GetResponse(), cfg.GetResponseFile()),
			Error:    programText(path, "error", cfg.GetError(), cfg.GetErrorFile()),
			Params:   make(map[string]any),
		}
		parameters := make(map[string]string)
		for i, param := range cfg.GetParameters() {
			l.unique(parameters, param.GetName(), indexPath(fieldPath(path, "parameters"), i))
			p.Params[param.GetName()] = param.GetDefault().AsInterface()
		}
		if l.unique(names, p.Name, path) {
			l.programs[p.Name] = program{p, cfg}
		}
		l.plan.Programs = append(l.plan.Programs, p)
	}
}

// program is a program with the message that it was made of.
type program struct {
	*Program
	cfg *configpb.Program
}

// programText is the program in one of two fields: name, or name_file.
func programText(path, name, text, file string) *ProgramText {
	switch {
	case text != "":
		return &ProgramText{Path: fieldPath(path, name), Text: text}
	case file != "":
		return &ProgramText{Path: fieldPath(path, name+"_file"), File: file}
	}
	return nil
}

// transforms are those of a listener, a route or an upstream, which is at parent.
func (l *linker) transforms(parent string, list []*configpb.Transform) []*Transform {
	var out []*Transform
	for i, cfg := range list {
		path := indexPath(fieldPath(parent, "transform"), i)
		t := &Transform{
			Path: path, Use: cfg.GetUse(), PreRoute: cfg.GetPreRoute(),
			When:           programText(path, "when", cfg.GetWhen(), ""),
			SkipBodyErrors: cfg.GetOnBodyError() == "SKIP",
			BodyAs:         cfg.GetBodyAs(),
		}
		if t.BodyAs == "" {
			t.BodyAs = "AUTO"
		}
		if t.Use != "" {
			l.use(t, cfg.GetWith())
		} else {
			t.Request = programText(path, "request", cfg.GetRequest(), cfg.GetRequestFile())
			t.Response = programText(path, "response", cfg.GetResponse(), cfg.GetResponseFile())
			t.Error = programText(path, "error", cfg.GetError(), cfg.GetErrorFile())
			if len(cfg.GetWith()) > 0 {
				l.problem(fieldPath(path, "with"), "name the program that they are for: use: NAME", "there is no program with parameters")
			}
		}
		if t.PreRoute {
			switch at := fieldPath(path, "pre_route"); {
			case !strings.HasPrefix(path, "listeners["):
				l.problem(at, "write the entry into the transform of a listener", "only a listener has requests before their route is chosen")
			case t.Request == nil && (t.Use == "" || l.programs[t.Use].Program != nil):
				l.problem(at, "give it a request program, or leave pre_route out", "only a request program can run before the route is chosen")
			}
		}
		out = append(out, t)
	}
	return out
}

// use gives t the programs that it names, with values for their parameters.
func (l *linker) use(t *Transform, with map[string]*structpb.Value) {
	p := l.programs[t.Use]
	if p.Program == nil {
		l.problem(fieldPath(t.Path, "use"), advise(t.Use, keys(l.programs), "the programs are "), "there is no program %q", t.Use)
		return
	}
	t.Request, t.Response, t.Error = p.Request, p.Response, p.Error
	t.Params = make(map[string]any)
	for _, param := range p.cfg.GetParameters() {
		value, given := with[param.GetName()]
		switch {
		case given:
			t.Params[param.GetName()] = value.AsInterface()
		case param.GetDefault() != nil:
			t.Params[param.GetName()] = param.GetDefault().AsInterface()
		default:
			l.problem(fieldPath(t.Path, "use"), "", "program %q wants a value for %q: give it in with", t.Use, param.GetName())
		}
	}
	for _, name := range slices.Sorted(maps.Keys(with)) {
		if _, ok := p.Params[name]; !ok {
			l.problem(keyPath(fieldPath(t.Path, "with"), name), advise(name, keys(p.Params), "the parameters are "), "program %q has no parameter %q", t.Use, name)
		}
	}
}
