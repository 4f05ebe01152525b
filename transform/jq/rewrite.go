package jq

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"github.com/itchyny/gojq"
)

// A program is rewritten before it is compiled, so that whatever can cost more than
// it looks goes through a function of this package: an operator becomes a call of
// such a function, jq's own functions that are natives of gojq get the name of ours,
// and those that gojq has written in jq are defined anew in front of the program
// (see [prelude]). Constructors and iterations get a function behind or before them
// that only counts. All of ours have names that begin with __, which no program may
// use.
//
// The functions take their arguments as gojq's natives do, so that generators on
// both sides of an operator yield in the order of jq. Whatever stands in a path, as
// .[] does in path(.[]), stays what it was: only gojq's own instructions leave a
// trace in a path, and a function that gives back its input does no harm to one.

// operators are the functions that stand for operators.
var operators = map[gojq.Operator]string{
	gojq.OpAdd: "__add", gojq.OpSub: "__subtract", gojq.OpMul: "__multiply", gojq.OpDiv: "__divide", gojq.OpMod: "__modulo",
	gojq.OpEq: "__equal", gojq.OpNe: "__notequal",
	gojq.OpGt: "__greater", gojq.OpLt: "__less", gojq.OpGe: "__greatereq", gojq.OpLe: "__lesseq",
	gojq.OpUpdateAdd: "__add", gojq.OpUpdateSub: "__subtract", gojq.OpUpdateMul: "__multiply",
	gojq.OpUpdateDiv: "__divide", gojq.OpUpdateMod: "__modulo", gojq.OpUpdateAlt: "_alternative",
}

// formats are the functions behind an @, gojq's name and ours.
var formatFunctions = map[string]string{
	"@text": "__tostring", "@json": "__tojson", "@html": "__html", "@uri": "__uri", "@urid": "__urid", "@csv": "__csv",
	"@tsv": "__tsv", "@sh": "__sh", "@base64": "__base64", "@base64d": "__base64d",
}

type callee struct {
	name string
	args int
}

type rewriter struct {
	// scope are the functions that the program has defined so far.
	scope []callee
	// calls are the functions that are called by a name which the program has not
	// defined.
	calls map[callee]bool
	// seeking says that only calls matters: the copy is thrown away.
	seeking bool
	// constants are the functions made for assignments to places known now.
	constants []native
}

// rewrite gives a copy of a query for the compiler, and the functions that it calls:
// those of the program, and ours.
func rewrite(q *gojq.Query, functions []native) (*gojq.Query, []native) {
	w := &rewriter{calls: map[callee]bool{}}
	out := w.query(q)
	out.FuncDefs = append(w.prelude(), out.FuncDefs...)
	used := w.constants
	for _, f := range slices.Concat(checked, functions) {
		for args := f.min; args <= f.max; args++ {
			if w.calls[callee{f.name, args}] {
				used = append(used, f)
				break
			}
		}
	}
	return out, used
}

// prelude are the definitions that the program needs, in their order, rewritten.
func (w *rewriter) prelude() []*gojq.FuncDef {
	defs := preludeDefs()
	needed := make([]*gojq.FuncDef, len(defs))
	// A definition calls only those before it, so one pass from the end finds all.
	for i := len(defs) - 1; i >= 0; i-- {
		if w.calls[callee{defs[i].Name, len(defs[i].Args)}] {
			w.scope = w.scope[:0]
			needed[i] = w.def(defs[i])
		}
	}
	return slices.DeleteFunc(needed, func(d *gojq.FuncDef) bool { return d == nil })
}

func (w *rewriter) query(q *gojq.Query) *gojq.Query {
	if q == nil {
		return nil
	}
	defer func(n int) { w.scope = w.scope[:n] }(len(w.scope))
	out := &gojq.Query{Meta: q.Meta, Imports: q.Imports}
	for _, d := range q.FuncDefs {
		out.FuncDefs = append(out.FuncDefs, w.def(d))
	}
	if q.Term != nil {
		out.Term = w.term(q.Term)
		return out
	}
	switch q.Op {
	case gojq.OpAssign:
		if path, ok := queryPath(q.Left, nil); ok {
			out.Term = w.call(w.constant(path), w.query(q.Right))
		} else {
			out.Term = w.call("__assign", w.query(q.Left), w.query(q.Right))
		}
	case gojq.OpModify:
		out.Term = w.call("__modify", w.query(q.Left), w.query(q.Right))
	case gojq.OpUpdateAdd, gojq.OpUpdateSub, gojq.OpUpdateMul, gojq.OpUpdateDiv, gojq.OpUpdateMod, gojq.OpUpdateAlt:
		operand := termQuery(&gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: "$__operand"}})
		left, right := w.query(q.Left), w.query(q.Right)
		change := termQuery(w.call(operators[q.Op], identity(), operand))
		out.Op, out.Left, out.Patterns = gojq.OpPipe, right, []*gojq.Pattern{{Name: "$__operand"}}
		out.Right = termQuery(w.call("__modify", left, change))
	default:
		left, right := w.query(q.Left), w.query(q.Right)
		if name, ok := operators[q.Op]; ok {
			out.Term = w.call(name, left, right)
			break
		}
		out.Op, out.Left, out.Right, out.Patterns = q.Op, left, right, w.patterns(q.Patterns)
	}
	return out
}

func (w *rewriter) def(d *gojq.FuncDef) *gojq.FuncDef {
	own := callee{d.Name, len(d.Args)}
	w.scope = append(w.scope, own)
	defer func(n int) { w.scope = w.scope[:n] }(len(w.scope))
	for _, arg := range d.Args {
		if arg[0] == '$' {
			arg = arg[1:]
		}
		w.scope = append(w.scope, callee{arg, 0})
	}
	body := w.query(d.Body)
	if !w.seeking && callsItself(d.Body, own) {
		// A function that calls itself can fill the engine's stacks.
		body = pipe(termQuery(w.call("__deeper")), body)
	}
	return &gojq.FuncDef{Name: d.Name, Args: d.Args, Body: body}
}

// defined reports whether the program itself has defined a function.
func (w *rewriter) defined(name string, args int) bool {
	return slices.Contains(w.scope, callee{name, args})
}

// call is a call of a function of ours.
func (w *rewriter) call(name string, args ...*gojq.Query) *gojq.Term {
	w.calls[callee{name, len(args)}] = true
	return &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: name, Args: args}}
}

// constant is the name of a function that assigns to a place.
func (w *rewriter) constant(path []any) string {
	name := "__set" + strconv.Itoa(len(w.constants))
	w.constants = append(w.constants, native{name: name, min: 1, max: 1, call: func(r *budget, v any, args []any) any {
		return r.setpath(v, path, path, args[0])
	}})
	return name
}

func (w *rewriter) function(f *gojq.Func) *gojq.Term {
	args := make([]*gojq.Query, len(f.Args))
	for i, arg := range f.Args {
		args[i] = w.query(arg)
	}
	same := &gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: f.Name, Args: args}}
	if f.Name[0] == '$' || w.defined(f.Name, len(args)) {
		return same
	}
	if w.seeking {
		w.calls[callee{f.Name, len(args)}] = true
		return same
	}
	if _, ok := numeric[callee{f.Name, len(args)}]; ok {
		return w.numeric(same)
	}
	if name, ok := renamed[callee{f.Name, len(args)}]; ok {
		return w.call(name, args...)
	}
	w.calls[callee{f.Name, len(args)}] = true
	if len(args) == 2 && (f.Name == "limit" || f.Name == "skip" || f.Name == "nth") {
		args[0] = pipe(args[0], termQuery(w.call("__number")))
	}
	if f.Name == "getpath" && len(args) == 1 {
		path := termQuery(&gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: "$__path"}})
		same.Func.Args = []*gojq.Query{path}
		return parens(bind(args[0], "$__path", pipe(termQuery(w.call("__readable", path)), termQuery(same))))
	}
	return same
}

// numeric has the input and the arguments of a function looked at that takes
// numbers: gojq reads them, however long they are.
func (w *rewriter) numeric(t *gojq.Term) *gojq.Term {
	check := "__number"
	if t.Func.Name == "jn" || t.Func.Name == "yn" {
		check = "__order"
	}
	for i, arg := range t.Func.Args {
		t.Func.Args[i] = pipe(arg, termQuery(w.call(check)))
	}
	return parens(pipe(termQuery(w.call("__number")), termQuery(t)))
}

func (w *rewriter) term(t *gojq.Term) *gojq.Term {
	if n := len(t.SuffixList); n > 0 {
		inner := *t
		inner.SuffixList = t.SuffixList[:n-1]
		return w.suffix(&inner, t.SuffixList[n-1])
	}
	out := &gojq.Term{Type: t.Type, Number: t.Number, Break: t.Break}
	switch t.Type {
	case gojq.TermTypeRecurse:
		w.calls[callee{"recurse", 0}] = true
	case gojq.TermTypeIndex:
		return w.index(&gojq.Term{Type: gojq.TermTypeIdentity}, t.Index)
	case gojq.TermTypeFunc:
		return w.function(t.Func)
	case gojq.TermTypeObject:
		return w.object(t.Object)
	case gojq.TermTypeArray:
		return w.array(t.Array)
	case gojq.TermTypeUnary:
		out.Unary = &gojq.Unary{Op: t.Unary.Op, Term: w.term(t.Unary.Term)}
	case gojq.TermTypeFormat:
		name, ok := formatFunctions[t.Format]
		switch {
		case !ok:
			return t
		case t.Str == nil:
			return w.call(name)
		}
		return &gojq.Term{Type: gojq.TermTypeString, Str: w.text(t.Str, name)}
	case gojq.TermTypeString:
		out.Str = w.text(t.Str, "__tostring")
	case gojq.TermTypeIf:
		out.If = &gojq.If{Cond: w.query(t.If.Cond), Then: w.query(t.If.Then), Else: w.query(t.If.Else)}
		for _, e := range t.If.Elif {
			out.If.Elif = append(out.If.Elif, &gojq.IfElif{Cond: w.query(e.Cond), Then: w.query(e.Then)})
		}
	case gojq.TermTypeTry:
		out.Try = &gojq.Try{Body: w.query(t.Try.Body), Catch: w.query(t.Try.Catch)}
	case gojq.TermTypeReduce:
		out.Reduce = &gojq.Reduce{
			Query: w.query(t.Reduce.Query), Patterns: w.patterns(t.Reduce.Patterns),
			Start: w.query(t.Reduce.Start), Update: w.query(t.Reduce.Update),
		}
	case gojq.TermTypeForeach:
		out.Foreach = &gojq.Foreach{
			Query: w.query(t.Foreach.Query), Patterns: w.patterns(t.Foreach.Patterns),
			Start: w.query(t.Foreach.Start), Update: w.query(t.Foreach.Update), Extract: w.query(t.Foreach.Extract),
		}
	case gojq.TermTypeLabel:
		out.Label = &gojq.Label{Ident: t.Label.Ident, Body: w.query(t.Label.Body)}
	case gojq.TermTypeQuery:
		out.Query = w.query(t.Query)
	}
	return out
}

// suffix is a term and what stands behind it.
func (w *rewriter) suffix(t *gojq.Term, s *gojq.Suffix) *gojq.Term {
	switch {
	case s.Index != nil:
		return w.index(t, s.Index)
	case s.Iter:
		return w.iterate(w.term(t))
	}
	// t? catches what t yields up to here, and with .a[]? what the last step does:
	// the term before that is outside of it.
	n := len(t.SuffixList)
	if n == 0 || t.SuffixList[n-1].Optional {
		return try(w.term(t))
	}
	before := *t
	before.SuffixList = t.SuffixList[:n-1]
	step := w.suffix(&gojq.Term{Type: gojq.TermTypeIdentity}, t.SuffixList[n-1])
	return parens(pipe(termQuery(w.term(&before)), termQuery(try(step))))
}

func (w *rewriter) iterate(t *gojq.Term) *gojq.Term {
	each := &gojq.Term{Type: gojq.TermTypeIdentity, SuffixList: []*gojq.Suffix{{Iter: true}}}
	check := pipe(termQuery(w.call("__each")), termQuery(each))
	if t.Type == gojq.TermTypeIdentity && len(t.SuffixList) == 0 {
		return parens(check)
	}
	return parens(pipe(termQuery(t), check))
}

// index is t.name, t[x] or t[x:y].
func (w *rewriter) index(t *gojq.Term, x *gojq.Index) *gojq.Term {
	in := w.term(t)
	if key, ok := indexKey(x); ok {
		if _, name := key.(string); !name {
			// To count the characters of a string, gojq takes it apart.
			in = parens(pipe(termQuery(in), termQuery(w.call("__characters"))))
		}
		return suffixed(in, x)
	}
	if x.Str != nil {
		return suffixed(in, &gojq.Index{Str: w.text(x.Str, "__tostring")})
	}
	if x.IsSlice {
		in = parens(pipe(termQuery(in), termQuery(w.call("__characters"))))
		return suffixed(in, &gojq.Index{IsSlice: true, Start: w.bound(x.Start), End: w.bound(x.End)})
	}
	key := termQuery(&gojq.Term{Type: gojq.TermTypeFunc, Func: &gojq.Func{Name: "$__key"}})
	// gojq evaluates the key first, too.
	member := suffixed(&gojq.Term{Type: gojq.TermTypeIdentity}, &gojq.Index{Start: key})
	return parens(bind(w.query(x.Start), "$__key", pipe(termQuery(in), pipe(termQuery(w.call("__indexable", key)), termQuery(member)))))
}

// bound is a query for a number that gojq will read.
func (w *rewriter) bound(q *gojq.Query) *gojq.Query {
	if q == nil || literal(q) {
		return q
	}
	return pipe(w.query(q), termQuery(w.call("__number")))
}

// text is a string whose queries go through a function, which makes strings of what
// they yield. The parts are put together by gojq, one after the other.
func (w *rewriter) text(s *gojq.String, format string) *gojq.String {
	if s == nil || s.Queries == nil {
		return s
	}
	out := &gojq.String{Str: s.Str}
	parts := strconv.Itoa(len(s.Queries))
	for _, q := range s.Queries {
		if q.Term.Str == nil {
			count := &gojq.Query{Term: &gojq.Term{Type: gojq.TermTypeNumber, Number: parts}}
			q = termQuery(parens(pipe(w.query(q), pipe(termQuery(w.call(format)), termQuery(w.call("__part", count))))))
		}
		out.Queries = append(out.Queries, q)
	}
	return out
}

func (w *rewriter) object(o *gojq.Object) *gojq.Term {
	out := &gojq.Term{Type: gojq.TermTypeObject, Object: &gojq.Object{}}
	constant := true
	for _, kv := range o.KeyVals {
		constant = constant && kv.KeyQuery == nil && kv.Val != nil && literal(kv.Val)
		out.Object.KeyVals = append(out.Object.KeyVals, &gojq.ObjectKeyVal{
			Key: kv.Key, KeyString: w.text(kv.KeyString, "__tostring"), KeyQuery: w.query(kv.KeyQuery), Val: w.query(kv.Val),
		})
	}
	if constant {
		return out
	}
	return parens(pipe(termQuery(out), termQuery(w.call("__made"))))
}

func (w *rewriter) array(a *gojq.Array) *gojq.Term {
	out := &gojq.Term{Type: gojq.TermTypeArray, Array: &gojq.Array{Query: w.query(a.Query)}}
	if a.Query != nil && !literal(a.Query) {
		out.Array.Query = pipe(parenthesised(out.Array.Query), termQuery(w.call("__item")))
	}
	return out
}

func (w *rewriter) patterns(ps []*gojq.Pattern) []*gojq.Pattern {
	if ps == nil {
		return nil
	}
	out := make([]*gojq.Pattern, len(ps))
	for i, p := range ps {
		c := &gojq.Pattern{Name: p.Name, Array: w.patterns(p.Array)}
		for _, o := range p.Object {
			key := w.query(o.KeyQuery)
			if key != nil {
				key = pipe(parenthesised(key), termQuery(w.call("__objectkey")))
			}
			field := &gojq.PatternObject{Key: o.Key, KeyString: w.text(o.KeyString, "__tostring"), KeyQuery: key}
			if o.Val != nil {
				field.Val = w.patterns([]*gojq.Pattern{o.Val})[0]
			}
			c.Object = append(c.Object, field)
		}
		out[i] = c
	}
	return out
}

// callsItself reports whether the body of a function calls the function.
func callsItself(body *gojq.Query, own callee) bool {
	seeker := &rewriter{calls: map[callee]bool{}, seeking: true}
	seeker.query(body)
	return seeker.calls[own]
}

// literal reports whether a query is constants, which gojq makes once.
func literal(q *gojq.Query) bool {
	if len(q.FuncDefs) > 0 {
		return false
	}
	if q.Op == gojq.OpComma && q.Term == nil {
		return literal(q.Left) && literal(q.Right)
	}
	if q.Term == nil || len(q.Term.SuffixList) > 0 {
		return false
	}
	switch t := q.Term; t.Type {
	case gojq.TermTypeNull, gojq.TermTypeTrue, gojq.TermTypeFalse, gojq.TermTypeNumber:
		return true
	case gojq.TermTypeString:
		return t.Str.Queries == nil
	case gojq.TermTypeUnary:
		return t.Unary.Term.Type == gojq.TermTypeNumber
	}
	return false
}

// queryPath is the path of a query that is a chain of constant steps, as .a[0].b.
func queryPath(q *gojq.Query, path []any) ([]any, bool) {
	if q == nil || q.Term == nil || len(q.FuncDefs) > 0 {
		return nil, false
	}
	ok := false
	switch t := q.Term; t.Type {
	case gojq.TermTypeIndex:
		path, ok = keyPath(t.Index, path)
	case gojq.TermTypeQuery:
		path, ok = queryPath(t.Query, path)
	}
	for _, s := range q.Term.SuffixList {
		if ok = ok && s.Index != nil; ok {
			path, ok = keyPath(s.Index, path)
		}
	}
	return path, ok
}

func keyPath(x *gojq.Index, path []any) ([]any, bool) {
	key, ok := indexKey(x)
	return append(path, key), ok
}

// indexKey is what an index is as an element of a path, if that is known now.
func indexKey(x *gojq.Index) (any, bool) {
	switch {
	case x.Name != "":
		return x.Name, true
	case x.Str != nil:
		return x.Str.Str, x.Str.Queries == nil
	case !x.IsSlice:
		return writtenKey(x.Start)
	}
	var start, end any
	ok := true
	if x.Start != nil {
		start, ok = writtenKey(x.Start)
	}
	if x.End != nil && ok {
		end, ok = writtenKey(x.End)
	}
	return map[string]any{"start": start, "end": end}, ok
}

func writtenKey(q *gojq.Query) (any, bool) {
	if q == nil || q.Term == nil || len(q.Term.SuffixList) > 0 {
		return nil, false
	}
	switch t := q.Term; t.Type {
	case gojq.TermTypeString:
		return t.Str.Str, t.Str.Queries == nil
	case gojq.TermTypeNumber:
		return numberOf(json.Number(t.Number)), true
	case gojq.TermTypeUnary:
		if t.Unary.Term.Type != gojq.TermTypeNumber || len(t.Unary.Term.SuffixList) > 0 {
			return nil, false
		}
		n := numberOf(json.Number(t.Unary.Term.Number))
		if t.Unary.Op == gojq.OpSub {
			return unchecked("_negate", n), true
		}
		return n, true
	}
	return nil, false
}

func identity() *gojq.Query { return termQuery(&gojq.Term{Type: gojq.TermTypeIdentity}) }

func termQuery(t *gojq.Term) *gojq.Query { return &gojq.Query{Term: t} }

func pipe(l, r *gojq.Query) *gojq.Query { return &gojq.Query{Left: l, Op: gojq.OpPipe, Right: r} }

func bind(value *gojq.Query, name string, body *gojq.Query) *gojq.Query {
	return &gojq.Query{Left: value, Op: gojq.OpPipe, Right: body, Patterns: []*gojq.Pattern{{Name: name}}}
}

func parens(q *gojq.Query) *gojq.Term { return &gojq.Term{Type: gojq.TermTypeQuery, Query: q} }

func parenthesised(q *gojq.Query) *gojq.Query { return termQuery(parens(q)) }

func try(t *gojq.Term) *gojq.Term {
	return &gojq.Term{Type: gojq.TermTypeTry, Try: &gojq.Try{Body: termQuery(t)}}
}

func suffixed(t *gojq.Term, x *gojq.Index) *gojq.Term {
	if t.Type == gojq.TermTypeIdentity && len(t.SuffixList) == 0 {
		return &gojq.Term{Type: gojq.TermTypeIndex, Index: x}
	}
	out := *t
	out.SuffixList = append(slices.Clip(t.SuffixList), &gojq.Suffix{Index: x})
	return &out
}

// numberOf is the value of a number's text, as gojq has it.
func numberOf(n json.Number) any {
	if v := unchecked("tonumber", string(n)); v != nil {
		return v
	}
	return math.NaN()
}
