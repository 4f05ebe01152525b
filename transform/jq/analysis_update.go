package jq

import (
	"slices"

	"github.com/itchyny/gojq"
)

// target is one of the places that the left side of an assignment names.
type target struct {
	steps []step
	// v is what is there before.
	v value
	// maybe is that it may not be named, or be named several times.
	maybe bool
}

// assign is left = right and its kin.
func (a *analysis) assign(s *scope, q *gojq.Query, in value) value {
	original := in
	change := func(v value) value {
		v = a.eval(s, q.Right, v)
		// Where the right side yields nothing, the place is removed.
		v.absent = true
		return v
	}
	if q.Op != gojq.OpModify {
		right := a.eval(s, q.Right, in)
		a.touch(right)
		if change = func(value) value { return right }; q.Op != gojq.OpAssign {
			change = func(v value) value { return a.operate(q.Op, v, right) }
		}
	}
	return a.updateAll(in, a.targets(s, q.Left, target{v: original}), change)
}

// updateAll is v with what is at several targets replaced, one after the other. Of
// a value that is removed as a whole null is left.
func (a *analysis) updateAll(v value, targets []target, change func(value) value) value {
	for _, t := range targets {
		was := v
		v = a.update(v, t, change)
		v.null, v.absent = v.null || v.absent, false
		if t.maybe {
			v = a.join(was, v)
		}
	}
	return v
}

// update is v with what is at a target replaced.
func (a *analysis) update(v value, t target, change func(value) value) value {
	if !a.step() {
		return nothing
	}
	if len(t.steps) == 0 {
		was := v
		v.null, v.absent = v.null || v.absent, false
		if !t.maybe {
			return change(v)
		}
		return a.join(was, a.fixpoint(v, change))
	}
	next, rest := t.steps[0], target{steps: t.steps[1:], maybe: t.maybe}
	if next.unknown {
		a.inspect(v)
		return a.inspect(a.update(computed, rest, change))
	}
	a.touch(v)
	out := value{any: v.any}
	if v.any {
		a.inspect(a.update(computed, rest, change))
	}
	if v.null || v.absent {
		out = a.join(out, a.updateNull(next, rest, change))
	}
	for _, alt := range v.alts {
		switch {
		case next.elem:
			// Elements may be those of an array or the members of an object.
			below := a.update(a.element(of(alt)), rest, change)
			below.absent = false
			if alt.at == nil || !alt.at.isTable() {
				out = a.join(out, array(below))
			}
			if !alt.array {
				out = a.join(out, of(&alternative{elems: &below}))
			}
		case !alt.array:
			a.asObject(alt, next.key)
			own := a.own(alt, next.key)
			if alt.elems != nil {
				own = a.join(own, *alt.elems)
			}
			changed := a.copy(alt)
			changed.keys[next.key] = a.update(own, rest, change)
			out = a.join(out, of(changed))
		}
		if alt.at != nil && len(alt.at.steps) >= maxPlace {
			a.read(alt.at)
		}
	}
	return out
}

func (a *analysis) updateNull(next step, rest target, change func(value) value) value {
	if next.elem {
		return nothing
	}
	below := a.update(null, rest, change)
	if rest.maybe || below.absent {
		// Removing nothing from null leaves null.
		return a.join(null, of(&alternative{keys: map[string]value{next.key: below}}))
	}
	return of(&alternative{keys: map[string]value{next.key: below}})
}

// targets are the places that a path expression names.
func (a *analysis) targets(s *scope, q *gojq.Query, from target) []target {
	if !a.step() {
		return nil
	}
	inner := s.define(q.FuncDefs)
	switch {
	case q.Term != nil:
		return a.termTargets(inner, q.Term, from)
	case q.Op == gojq.OpPipe && len(q.Patterns) > 0:
		from.maybe = true
		bound := a.destructure(inner, q.Patterns, a.eval(inner, q.Left, from.v), from.v)
		return a.targets(bound, q.Right, from)
	case q.Op == gojq.OpPipe:
		var to []target
		for _, from := range a.targets(inner, q.Left, from) {
			to = append(to, a.targets(inner, q.Right, from)...)
		}
		return to
	case q.Op == gojq.OpAlt:
		from.maybe = true
		a.kind(a.eval(inner, q.Left, from.v))
		fallthrough
	case q.Op == gojq.OpComma:
		return append(a.targets(inner, q.Left, from), a.targets(inner, q.Right, from)...)
	}
	return a.unknownTarget(s, q, from)
}

// unknownTarget is anything at or below a target, all of which is looked at.
func (a *analysis) unknownTarget(s *scope, q *gojq.Query, from target) []target {
	a.inspect(a.eval(s, q, from.v))
	return []target{from.to(step{unknown: true}, a.inspect(from.v))}
}

func (t target) to(next step, v value) target {
	return target{steps: append(slices.Clip(t.steps), next), v: v, maybe: t.maybe}
}

func (a *analysis) termTargets(s *scope, t *gojq.Term, from target) []target {
	if n := len(t.SuffixList); n > 0 {
		last, rest := t.SuffixList[n-1], *t
		rest.SuffixList = t.SuffixList[:n-1]
		to := a.termTargets(s, &rest, from)
		for i := range to {
			switch {
			case last.Iter:
				to[i] = to[i].to(step{elem: true}, a.element(to[i].v))
			case last.Index != nil:
				to[i] = a.indexTarget(s, last.Index, to[i], from.v)
			default:
				to[i].maybe = true
			}
		}
		return to
	}
	switch t.Type {
	case gojq.TermTypeIdentity:
		return []target{from}
	case gojq.TermTypeIndex:
		return []target{a.indexTarget(s, t.Index, from, from.v)}
	case gojq.TermTypeQuery:
		return a.targets(s, t.Query, from)
	case gojq.TermTypeTry:
		if t.Try.Catch == nil {
			from.maybe = true
			return a.targets(s, t.Try.Body, from)
		}
	case gojq.TermTypeIf:
		return a.branchTargets(s, t.If, from)
	case gojq.TermTypeFunc:
		if to, ok := a.functionTargets(s, t.Func, from); ok {
			return to
		}
	}
	return a.unknownTarget(s, &gojq.Query{Term: t}, from)
}

func (a *analysis) indexTarget(s *scope, i *gojq.Index, from target, in value) target {
	if key, ok := literalKey(i); ok {
		return a.keyTarget(key, from)
	}
	a.inspect(a.index(s, i, from.v, in))
	from.maybe = true
	return from.to(step{unknown: true}, a.inspect(from.v))
}

func (a *analysis) keyTarget(key string, from target) target {
	return from.to(step{key: key}, a.member(from.v, key))
}

func (a *analysis) branchTargets(s *scope, e *gojq.If, from target) []target {
	from.maybe = true
	a.kind(a.eval(s, e.Cond, from.v))
	to := a.targets(s, e.Then, from)
	for _, elif := range e.Elif {
		a.kind(a.eval(s, elif.Cond, from.v))
		to = append(to, a.targets(s, elif.Then, from)...)
	}
	if e.Else == nil {
		return append(to, from)
	}
	return append(to, a.targets(s, e.Else, from)...)
}

// functionTargets are the targets of a call; ok is false if it is none of a
// function that is known to name places.
func (a *analysis) functionTargets(s *scope, f *gojq.Func, from target) (to []target, ok bool) {
	if found := s.function(f.Name, len(f.Args)); found != nil {
		switch {
		case found.body != nil:
			return a.targets(found.in, found.body, from), true
		case found.def == nil:
			return nil, false
		}
		defer a.leave(found.def)
		if !a.enter(found.def) {
			return nil, true
		}
		from.maybe = true
		return a.targets(a.call(found, s, from.v, f.Args), found.def.Body, from), true
	}
	switch nameOf(f) {
	case "empty/0":
		return nil, true
	case "select/1":
		from.maybe = true
		a.kind(a.eval(s, f.Args[0], from.v))
		return []target{from}, true
	case "arrays/0", "objects/0", "iterables/0", "booleans/0", "numbers/0", "strings/0", "nulls/0", "values/0", "scalars/0":
		from.maybe = true
		a.kind(from.v)
		return []target{from}, true
	case "getpath/1":
		keys, ok := literalPath(f.Args[0])
		for _, key := range keys {
			from = a.keyTarget(key, from)
		}
		return []target{from}, ok
	}
	return nil, false
}

// literalPath is an array of strings, such as ["body", "user"].
func literalPath(q *gojq.Query) (keys []string, ok bool) {
	t := q.Term
	if t == nil || t.Type != gojq.TermTypeArray || len(t.SuffixList) > 0 || len(q.FuncDefs) > 0 {
		return nil, false
	}
	return literalStrings(t.Array.Query)
}

func literalStrings(q *gojq.Query) (keys []string, ok bool) {
	if q == nil {
		return nil, true
	}
	if q.Op == gojq.OpComma && len(q.FuncDefs) == 0 {
		left, ok := literalStrings(q.Left)
		if !ok {
			return nil, false
		}
		right, ok := literalStrings(q.Right)
		return append(left, right...), ok
	}
	key, ok := literalString(q)
	return []string{key}, ok
}
