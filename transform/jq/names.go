package jq

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/itchyny/gojq"
)

// A resolver finds the definition of every name in a program, as gojq's compiler
// will. gojq does not tell where a name stands that it does not know, and its tree
// has no places. So the tree is walked in the order of the text, and each name in
// it is looked for in the text from where the one before was found.
//
// On its way it puts values in the place of env.NAME, and of parameters where these
// are not hidden by a variable of that name.
type resolver struct {
	src   string
	words []word
	env   map[string]string
	// params are the values of the first of variables, without their $.
	params map[string]any
	// functions, variables and labels are what is defined here, the innermost last:
	// name/2, $name, $name.
	functions, variables, labels []string
	// uses are the functions of ours that the program calls: name/2.
	uses  map[string]bool
	depth int
	// err is the first mistake. After it, everything is left alone.
	err *SyntaxError
}

// deepest is how deep a program may be nested. Each level costs this package, and
// gojq, a few frames of a stack that cannot be had back once it is full.
const deepest = 10_000

func (r *resolver) query(q *gojq.Query) {
	if q == nil || r.err != nil || !r.enter() {
		return
	}
	defer r.leave(r.scope())
	for _, def := range q.FuncDefs {
		r.define(def)
	}
	if q.Term != nil {
		r.term(q.Term)
		return
	}
	r.query(q.Left)
	r.patterns(q.Patterns)
	r.query(q.Right)
}

func (r *resolver) define(def *gojq.FuncDef) {
	if r.err != nil || !r.enter() {
		return
	}
	if at := r.find(def.Name); strings.HasPrefix(def.Name, reserved) {
		r.fail(at, fmt.Sprintf("the name %q is taken", def.Name), "functions of a program do not begin with "+reserved)
	}
	r.functions = append(r.functions, signature(def.Name, len(def.Args)))
	defer r.leave(r.scope())
	for _, arg := range def.Args {
		at := r.find(arg)
		if name, ok := strings.CutPrefix(arg, "$"); ok {
			r.bind(at, arg)
			arg = name
		}
		r.functions = append(r.functions, signature(arg, 0))
	}
	r.query(def.Body)
}

func (r *resolver) term(t *gojq.Term) {
	if t == nil || r.err != nil || !r.enter() {
		return
	}
	defer r.leave(r.scope())
	switch t.Type {
	case gojq.TermTypeIndex:
		r.index(t.Index)
	case gojq.TermTypeFunc:
		r.call(t)
	case gojq.TermTypeObject:
		for _, kv := range t.Object.KeyVals {
			r.keyVal(kv)
		}
	case gojq.TermTypeArray:
		r.query(t.Array.Query)
	case gojq.TermTypeUnary:
		r.term(t.Unary.Term)
	case gojq.TermTypeFormat:
		r.format(t.Format)
		r.text(t.Str)
	case gojq.TermTypeString:
		r.text(t.Str)
	case gojq.TermTypeIf:
		r.query(t.If.Cond)
		r.query(t.If.Then)
		for _, elif := range t.If.Elif {
			r.enter()
			r.query(elif.Cond)
			r.query(elif.Then)
		}
		r.query(t.If.Else)
	case gojq.TermTypeTry:
		r.query(t.Try.Body)
		r.query(t.Try.Catch)
	case gojq.TermTypeReduce:
		r.query(t.Reduce.Query)
		defer r.leave(r.scope())
		r.patternsOver(t.Reduce.Patterns, t.Reduce.Start)
		r.query(t.Reduce.Update)
	case gojq.TermTypeForeach:
		r.query(t.Foreach.Query)
		defer r.leave(r.scope())
		r.patternsOver(t.Foreach.Patterns, t.Foreach.Start)
		r.query(t.Foreach.Update)
		r.query(t.Foreach.Extract)
	case gojq.TermTypeLabel:
		r.find(t.Label.Ident)
		r.labels = append(r.labels, t.Label.Ident)
		r.query(t.Label.Body)
	case gojq.TermTypeBreak:
		if at := r.find(t.Break); !slices.Contains(r.labels, t.Break) {
			r.fail(at, fmt.Sprintf("there is no label %s", t.Break), meant(t.Break, r.labels))
		}
	case gojq.TermTypeQuery:
		r.query(t.Query)
	}
	for _, s := range t.SuffixList {
		// Each is a level to gojq's compiler.
		if r.enter() {
			r.index(s.Index)
		}
	}
}

// patternsOver binds the variables of patterns for what follows, but not for the
// query that stands first behind them.
func (r *resolver) patternsOver(patterns []*gojq.Pattern, start *gojq.Query) {
	outer := len(r.variables)
	r.patterns(patterns)
	bound := slices.Clone(r.variables[outer:])
	r.variables = r.variables[:outer]
	r.query(start)
	r.variables = append(r.variables, bound...)
}

// patterns binds the variables of patterns. Of several, each may use the variables
// of all.
func (r *resolver) patterns(patterns []*gojq.Pattern) {
	if len(patterns) > 1 {
		for _, p := range patterns {
			r.bindAll(p)
		}
	}
	for _, p := range patterns {
		r.pattern(p)
	}
}

// bindAll binds the variables of a pattern without looking where they stand.
func (r *resolver) bindAll(p *gojq.Pattern) {
	if p == nil || r.err != nil || !r.enter() {
		return
	}
	depth := r.depth
	if p.Name != "" {
		r.variables = append(r.variables, p.Name)
	}
	for _, element := range p.Array {
		r.bindAll(element)
	}
	for _, kv := range p.Object {
		if strings.HasPrefix(kv.Key, "$") {
			r.variables = append(r.variables, kv.Key)
		}
		r.bindAll(kv.Val)
	}
	r.depth = depth - 1
}

func (r *resolver) pattern(p *gojq.Pattern) {
	if p == nil || r.err != nil || !r.enter() {
		return
	}
	depth := r.depth
	if p.Name != "" {
		r.bind(r.find(p.Name), p.Name)
	}
	for _, element := range p.Array {
		r.pattern(element)
	}
	for _, kv := range p.Object {
		if kv.Key != "" {
			if at := r.find(kv.Key); strings.HasPrefix(kv.Key, "$") {
				r.bind(at, kv.Key)
			}
		}
		r.text(kv.KeyString)
		r.query(kv.KeyQuery)
		r.pattern(kv.Val)
	}
	r.depth = depth - 1
}

func (r *resolver) index(i *gojq.Index) {
	if i != nil {
		r.text(i.Str)
		r.query(i.Start)
		r.query(i.End)
	}
}

func (r *resolver) keyVal(kv *gojq.ObjectKeyVal) {
	if kv.Key != "" {
		if at := r.find(kv.Key); strings.HasPrefix(kv.Key, "$") {
			r.variable(at, kv.Key)
			if value := r.parameter(kv.Key); value != nil && kv.Val == nil {
				kv.Key, kv.Val = kv.Key[1:], termQuery(value)
				return
			}
		}
	}
	r.text(kv.KeyString)
	r.query(kv.KeyQuery)
	r.query(kv.Val)
}

func (r *resolver) text(s *gojq.String) {
	if s != nil {
		for _, q := range s.Queries {
			r.query(q)
		}
	}
}

func (r *resolver) format(name string) {
	if at := r.find(name); !slices.Contains(formats, name) {
		r.fail(at, "there is no format "+name, cmp.Or(absent[name], meant(name, formats), "formats are "+strings.Join(formats, ", ")))
	}
}

// call resolves a function or a variable, which is a function to gojq.
func (r *resolver) call(t *gojq.Term) {
	name := t.Func.Name
	at := r.find(name)
	if strings.HasPrefix(name, "$") {
		r.variable(at, name)
		if value := r.parameter(name); value != nil {
			value.SuffixList = t.SuffixList
			*t = *value
		}
		return
	}
	if sig := signature(name, len(t.Func.Args)); !slices.Contains(r.functions, sig) {
		if name == "env" && len(t.Func.Args) == 0 {
			r.environment(t, at)
			return
		}
		if !builtins().defined[sig] {
			r.failCall(at, name, len(t.Func.Args))
			return
		}
		r.uses[sig] = true
		r.constantArguments(at, t.Func)
	}
	for _, arg := range t.Func.Args {
		r.query(arg)
	}
}

// parameter is the value of a parameter as a term, as which what a program does with
// it is known: .headers[$name] is one header. It is nil for another variable, and for
// values that are no text, number, boolean or null, or a number below zero.
func (r *resolver) parameter(name string) *gojq.Term {
	value, ok := r.params[name[1:]]
	// What hides one stands behind all of them.
	if r.err != nil || !ok || slices.Contains(r.variables[len(r.params):], name) {
		return nil
	}
	switch v := value.(type) {
	case nil:
		return &gojq.Term{Type: gojq.TermTypeNull}
	case bool:
		if v {
			return &gojq.Term{Type: gojq.TermTypeTrue}
		}
		return &gojq.Term{Type: gojq.TermTypeFalse}
	case string:
		return &gojq.Term{Type: gojq.TermTypeString, Str: &gojq.String{Str: v}}
	case int:
		if v >= 0 {
			return &gojq.Term{Type: gojq.TermTypeNumber, Number: strconv.Itoa(v)}
		}
	case float64:
		if v >= 0 && v <= math.MaxFloat64 && !math.Signbit(v) {
			return &gojq.Term{Type: gojq.TermTypeNumber, Number: strconv.FormatFloat(v, 'g', -1, 64)}
		}
	}
	return nil
}

// environment puts the value of a variable in the place of env.NAME.
func (r *resolver) environment(t *gojq.Term, at int) {
	name := ""
	if len(t.SuffixList) > 0 {
		name = constantKey(t.SuffixList[0].Index)
	}
	const advice = "write env.NAME, with a name that jq.env allows"
	if name == "" {
		r.fail(at, "env is not available as a whole, nor with a name that is computed", advice)
		return
	}
	value, ok := r.env[name]
	if !ok {
		known := slices.Sorted(maps.Keys(r.env))
		r.fail(at, fmt.Sprintf("the environment variable %q is not allowed", name), cmp.Or(meant(name, known), "add it to jq.env"))
		return
	}
	*t = gojq.Term{Type: gojq.TermTypeString, Str: &gojq.String{Str: value}, SuffixList: t.SuffixList[1:]}
}

// constantKey is the name of .name, ."name" or ["name"]; empty for everything else.
func constantKey(i *gojq.Index) string {
	switch {
	case i == nil || i.IsSlice:
		return ""
	case i.Name != "":
		return i.Name
	case i.Str != nil && i.Str.Queries == nil:
		return i.Str.Str
	case i.Start != nil && i.Start.Term != nil && i.Start.Term.Type == gojq.TermTypeString &&
		i.Start.Term.Str.Queries == nil && len(i.Start.Term.SuffixList) == 0 && len(i.Start.FuncDefs) == 0:
		return i.Start.Term.Str.Str
	}
	return ""
}

func (r *resolver) variable(at int, name string) {
	if slices.Contains(r.variables, name) {
		return
	}
	if advice, ok := forbidden[name]; ok {
		r.fail(at, name+" is not available", advice)
		return
	}
	known := slices.Compact(slices.Sorted(slices.Values(r.variables)))
	advice := meant(name, known)
	if advice == "" && len(known) > 0 {
		advice = "there are " + strings.Join(known, ", ")
	}
	r.fail(at, "there is no variable "+name, advice)
}

func (r *resolver) bind(at int, name string) {
	if strings.HasPrefix(name, "$"+reserved) {
		r.fail(at, fmt.Sprintf("the name %s is taken", name), "variables of a program do not begin with $"+reserved)
	}
	r.variables = append(r.variables, name)
}

// find takes the words up to the next of this text, and is its place; -1 if there
// is none.
func (r *resolver) find(text string) int {
	for i, w := range r.words {
		if w.text == text {
			r.words = r.words[i+1:]
			return w.at
		}
	}
	return -1
}

func (r *resolver) fail(at int, message, advice string) {
	if r.err != nil {
		return
	}
	r.err = &SyntaxError{Message: message, Advice: advice}
	if at >= 0 {
		r.err.Line, r.err.Column = position(r.src, at)
	}
}

func (r *resolver) enter() bool {
	if r.depth++; r.depth > deepest {
		r.fail(-1, fmt.Sprintf("the program is nested deeper than %d levels", deepest), "give long tables to it as a parameter")
		return false
	}
	return true
}

// mark is what is defined at a place, for [resolver.leave].
type mark struct{ functions, variables, labels, depth int }

func (r *resolver) scope() mark {
	return mark{len(r.functions), len(r.variables), len(r.labels), r.depth - 1}
}

func (r *resolver) leave(m mark) {
	r.functions, r.variables, r.labels, r.depth = r.functions[:m.functions], r.variables[:m.variables], r.labels[:m.labels], m.depth
}

func signature(name string, arguments int) string { return fmt.Sprintf("%s/%d", name, arguments) }
