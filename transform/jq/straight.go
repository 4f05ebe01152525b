package jq

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// Most programs of a gateway set a header or build an object: they yield one value
// and have neither generators nor functions of their own. Such a program is straight.
// It is evaluated here, by a walk through its tree, with the same functions that
// gojq would call: that saves the machine which gojq sets up for each run, and most
// of the time of a program that only sets a header.
//
// straighten knows what it can take and leaves everything else to gojq, so that a
// form that is missing here costs time and nothing else.

// A stride gives the one value that a part of a program yields.
type stride func(f *frame, in any) (any, error)

// A frame is what the steps of a run share.
type frame struct {
	budget *budget
	vars   []any
	// bound are the values of what the program has bound, as in x as $y.
	bound []any
	// args are for the call of a function, which calls nothing here.
	args [2]any
	// mine is the object that may be changed where it is; see [frame.set].
	mine map[string]any
}

type straightener struct {
	// vars are the names of the variables of the run, with their $, then of those
	// that are bound here.
	vars      []string
	bound     []string
	functions []native
	// copies counts the places where what is in a value may come into it again: the
	// result can be as many times as large as the input, or twice that for each.
	copies int
}

// fewCopies are as many as cannot make a large result of a small input.
const fewCopies = 3

// straighten is a query as a stride, or nil if it is not straight; and whether its
// result may be much larger than its input.
func straighten(q *gojq.Query, variables []string, functions []native) (run stride, grows bool) {
	s := &straightener{vars: variables, functions: functions}
	run = s.flow(q, true)
	return run, s.copies > fewCopies
}

// query is a part of a program whose input is looked at elsewhere too.
func (s *straightener) query(q *gojq.Query) stride { return s.flow(q, false) }

// flow is a part of a program. last says that nothing else looks at its input any
// more, but what it gives.
func (s *straightener) flow(q *gojq.Query, last bool) stride {
	switch {
	case q == nil || len(q.FuncDefs) > 0 || len(q.Imports) > 0 || q.Meta != nil:
		return nil
	case q.Term != nil:
		return s.term(q.Term, last)
	case len(q.Patterns) > 0:
		return s.bind(q, last)
	}
	switch q.Op {
	case gojq.OpAssign, gojq.OpModify, gojq.OpUpdateAdd, gojq.OpUpdateSub, gojq.OpUpdateMul, gojq.OpUpdateDiv,
		gojq.OpUpdateMod, gojq.OpUpdateAlt:
		return s.assign(q, last)
	}
	left := s.flow(q.Left, last && q.Op == gojq.OpPipe)
	if left == nil {
		return nil
	}
	right := s.flow(q.Right, last && (q.Op == gojq.OpPipe || q.Op == gojq.OpAlt))
	if right == nil {
		return nil
	}
	switch q.Op {
	case gojq.OpPipe:
		return func(f *frame, in any) (any, error) {
			v, err := left(f, in)
			if err != nil {
				return nil, err
			}
			return right(f, v)
		}
	case gojq.OpAlt:
		return func(f *frame, in any) (any, error) {
			if v, err := left(f, in); err != nil || v != nil && v != false {
				return v, err
			}
			return right(f, in)
		}
	case gojq.OpAnd, gojq.OpOr:
		return logic(left, right, q.Op == gojq.OpOr)
	}
	name, ok := operators[q.Op]
	if !ok {
		return nil
	}
	s.copies++
	call := nativeNamed(name, 2).call
	return func(f *frame, in any) (any, error) {
		// jq evaluates the right one first.
		y, err := right(f, in)
		if err != nil {
			return nil, err
		}
		x, err := left(f, in)
		if err != nil {
			return nil, err
		}
		f.args = [...]any{x, y}
		return outcome(call(f.budget, in, f.args[:]))
	}
}

func logic(left, right stride, or bool) stride {
	return func(f *frame, in any) (any, error) {
		v, err := left(f, in)
		if err != nil {
			return nil, err
		}
		if yes := v != nil && v != false; yes == or {
			return or, nil
		}
		v, err = right(f, in)
		return v != nil && v != false, err
	}
}

// outcome is what a native gives, as a stride does.
func outcome(v any) (any, error) {
	if err, ok := v.(error); ok {
		return nil, err
	}
	return v, nil
}

func nativeNamed(name string, args int) *native {
	i := slices.IndexFunc(checked, func(n native) bool { return n.name == name && n.min <= args && args <= n.max })
	if i < 0 {
		return nil
	}
	return &checked[i]
}

func (s *straightener) bind(q *gojq.Query, last bool) stride {
	if q.Op != gojq.OpPipe || len(q.Patterns) != 1 || q.Patterns[0].Name == "" {
		return nil
	}
	value := s.query(q.Left)
	if value == nil {
		return nil
	}
	n := len(s.bound)
	s.bound = append(s.bound, q.Patterns[0].Name)
	body := s.flow(q.Right, last)
	s.bound = s.bound[:n]
	if body == nil {
		return nil
	}
	return func(f *frame, in any) (any, error) {
		v, err := value(f, in)
		if err != nil {
			return nil, err
		}
		f.bound = append(f.bound[:n], v)
		if !flat(v) {
			f.mine = nil // it has another name now
		}
		return body(f, in)
	}
}

func (s *straightener) term(t *gojq.Term, last bool) stride {
	if path, ok := termPath(t); ok {
		return func(f *frame, in any) (any, error) { return f.at(in, path) }
	}
	if n := len(t.SuffixList); n > 0 {
		// What stands before a path, as in $request.headers.
		inner, path := *t, []any(nil)
		for inner.SuffixList = t.SuffixList; len(inner.SuffixList) > 0; {
			last := inner.SuffixList[len(inner.SuffixList)-1]
			if last.Index == nil {
				return nil
			}
			key, ok := indexKey(last.Index)
			if !ok {
				return nil
			}
			path = append(path, key)
			inner.SuffixList = inner.SuffixList[:len(inner.SuffixList)-1]
		}
		if slices.Reverse(path); !steps(path) {
			return nil
		}
		before := s.term(&inner, false)
		if before == nil {
			return nil
		}
		return func(f *frame, in any) (any, error) {
			v, err := before(f, in)
			if err != nil {
				return nil, err
			}
			return f.at(v, path)
		}
	}
	switch t.Type {
	case gojq.TermTypeIdentity:
		return func(_ *frame, in any) (any, error) { return in, nil }
	case gojq.TermTypeNull:
		return fixed(nil)
	case gojq.TermTypeTrue:
		return fixed(true)
	case gojq.TermTypeFalse:
		return fixed(false)
	case gojq.TermTypeNumber:
		return fixed(numberOf(json.Number(t.Number)))
	case gojq.TermTypeString:
		return s.text(t.Str, "__tostring")
	case gojq.TermTypeFormat:
		name, ok := formatFunctions[t.Format]
		switch {
		case !ok:
			return nil
		case t.Str != nil:
			return s.text(t.Str, name)
		}
		return nullaryStep(name)
	case gojq.TermTypeQuery:
		return s.flow(t.Query, last)
	case gojq.TermTypeIf:
		return s.choice(t.If.Cond, t.If.Then, t.If.Elif, t.If.Else, last)
	case gojq.TermTypeObject:
		return s.object(t.Object)
	case gojq.TermTypeArray:
		return s.array(t.Array.Query)
	case gojq.TermTypeFunc:
		return s.call(t.Func, last)
	}
	return nil
}

func fixed(v any) stride { return func(*frame, any) (any, error) { return v, nil } }

func nullaryStep(name string) stride {
	n := nativeNamed(name, 0)
	if n == nil {
		return nil
	}
	return func(f *frame, in any) (any, error) { return outcome(n.call(f.budget, in, nil)) }
}

// termPath is the path of a term that is nothing else, as .a.b[0].
func termPath(t *gojq.Term) ([]any, bool) {
	if t.Type != gojq.TermTypeIndex {
		return nil, false
	}
	path, ok := queryPath(termQuery(t), nil)
	return path, ok && steps(path)
}

func (s *straightener) call(fn *gojq.Func, last bool) stride {
	if fn.Name[0] == '$' {
		if i := slices.Index(s.bound, fn.Name); i >= 0 {
			// The innermost of a name is the last.
			for j := i; j < len(s.bound); j++ {
				if s.bound[j] == fn.Name {
					i = j
				}
			}
			return func(f *frame, _ any) (any, error) { return f.bound[i], nil }
		}
		if i := slices.Index(s.vars, fn.Name); i >= 0 {
			return func(f *frame, _ any) (any, error) { return f.vars[i], nil }
		}
		return nil
	}
	switch {
	case fn.Name == "del" && len(fn.Args) == 1:
		return s.del(fn.Args[0], last)
	case fn.Name == "not" && len(fn.Args) == 0:
		return func(_ *frame, in any) (any, error) { return in == nil || in == false, nil }
	case fn.Name == "type" && len(fn.Args) == 0:
		return func(_ *frame, in any) (any, error) { return gojq.TypeOf(in), nil }
	}
	if fn.Name == "test" {
		return s.test(fn.Args)
	}
	n := s.native(fn)
	if n == nil || n.iterates {
		return nil
	}
	s.copies++
	args := make([]stride, len(fn.Args))
	for i, arg := range fn.Args {
		if args[i] = s.query(arg); args[i] == nil {
			return nil
		}
	}
	if len(args) == 1 {
		arg := args[0]
		return func(f *frame, in any) (any, error) {
			v, err := arg(f, in)
			if err != nil {
				return nil, err
			}
			f.args[0] = v
			return outcome(n.call(f.budget, in, f.args[:1]))
		}
	}
	return func(f *frame, in any) (any, error) {
		values := make([]any, len(args))
		for i := len(args) - 1; i >= 0; i-- { // the last is evaluated first
			v, err := args[i](f, in)
			if err != nil {
				return nil, err
			}
			values[i] = v
		}
		return outcome(n.call(f.budget, in, values))
	}
}

// native is the function that a call in a program comes to, if it is a native.
func (s *straightener) native(fn *gojq.Func) *native {
	if name, ok := renamed[callee{fn.Name, len(fn.Args)}]; ok {
		return nativeNamed(name, len(fn.Args))
	}
	if i := slices.IndexFunc(cheap, func(n native) bool { return n.name == fn.Name && n.min == len(fn.Args) }); i >= 0 {
		return &cheap[i]
	}
	i := slices.IndexFunc(s.functions, func(n native) bool {
		return n.name == fn.Name && n.min <= len(fn.Args) && len(fn.Args) <= n.max
	})
	if i < 0 {
		return nil
	}
	return &s.functions[i]
}

func (s *straightener) choice(cond, then *gojq.Query, elif []*gojq.IfElif, otherwise *gojq.Query, last bool) stride {
	test, yes := s.query(cond), s.flow(then, last)
	var no stride
	switch {
	case len(elif) > 0:
		no = s.choice(elif[0].Cond, elif[0].Then, elif[1:], otherwise, last)
	case otherwise != nil:
		no = s.flow(otherwise, last)
	default:
		no = func(_ *frame, in any) (any, error) { return in, nil }
	}
	if test == nil || yes == nil || no == nil {
		return nil
	}
	return func(f *frame, in any) (any, error) {
		v, err := test(f, in)
		switch {
		case err != nil:
			return nil, err
		case v != nil && v != false:
			return yes(f, in)
		}
		return no(f, in)
	}
}

func (s *straightener) text(str *gojq.String, format string) stride {
	if str.Queries == nil {
		return fixed(str.Str)
	}
	parts := make([]stride, len(str.Queries))
	for i, q := range str.Queries {
		if q.Term.Str != nil {
			if q.Term.Str.Queries != nil {
				return nil
			}
			parts[i] = fixed(q.Term.Str.Str)
			continue
		}
		value := s.query(q)
		to := nullaryStep(format)
		if value == nil {
			return nil
		}
		parts[i] = func(f *frame, in any) (any, error) {
			v, err := value(f, in)
			if err != nil {
				return nil, err
			}
			return to(f, v)
		}
	}
	return func(f *frame, in any) (any, error) {
		texts := make([]string, len(parts))
		size := 0
		for i := len(parts) - 1; i >= 0; i-- { // the last is evaluated first
			v, err := parts[i](f, in)
			if err != nil {
				return nil, err
			}
			texts[i] = fmt.Sprint(v)
			size += len(texts[i])
		}
		if !f.budget.charge(size) {
			return nil, errOver
		}
		return strings.Join(texts, ""), nil
	}
}

func (s *straightener) object(o *gojq.Object) stride {
	keys, values := make([]stride, len(o.KeyVals)), make([]stride, len(o.KeyVals))
	for i, kv := range o.KeyVals {
		if kv.Val == nil || !literal(kv.Val) {
			s.copies++
		}
		switch {
		case kv.Key != "" && kv.Key[0] == '$':
			keys[i], values[i] = fixed(kv.Key[1:]), s.call(&gojq.Func{Name: kv.Key}, false)
			if kv.Val != nil {
				return nil
			}
		case kv.Key != "":
			keys[i], values[i] = fixed(kv.Key), s.member(kv.Key, kv.Val)
		case kv.KeyString != nil && kv.KeyString.Queries == nil:
			keys[i], values[i] = fixed(kv.KeyString.Str), s.member(kv.KeyString.Str, kv.Val)
		case kv.KeyQuery != nil && kv.Val != nil:
			keys[i], values[i] = s.query(kv.KeyQuery), s.query(kv.Val)
		}
		if keys[i] == nil || values[i] == nil {
			return nil
		}
	}
	return func(f *frame, in any) (any, error) {
		if !f.budget.charge(sizeObject(len(keys))) {
			return nil, errOver
		}
		found := make([]any, 2*len(keys))
		for i := range keys {
			var err error
			if found[2*i], err = keys[i](f, in); err != nil {
				return nil, err
			}
			if found[2*i+1], err = values[i](f, in); err != nil {
				return nil, err
			}
		}
		out := make(map[string]any, len(keys))
		// gojq finds a key that is no string from the end.
		for i := len(keys) - 1; i >= 0; i-- {
			key, ok := found[2*i].(string)
			if !ok {
				return nil, fmt.Errorf("expected a string for object key but got: %s", preview(found[2*i]))
			}
			if _, ok := out[key]; !ok {
				out[key] = found[2*i+1]
			}
		}
		return out, nil
	}
}

func preview(v any) string {
	if v == nil {
		return "null"
	}
	return gojq.TypeOf(v) + " (" + gojq.Preview(v) + ")"
}

func (s *straightener) member(key string, val *gojq.Query) stride {
	if val != nil {
		return s.query(val)
	}
	path := []any{key}
	return func(f *frame, in any) (any, error) { return f.at(in, path) }
}
