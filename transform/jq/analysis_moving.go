package jq

import (
	"github.com/itchyny/gojq"
)

// moving is a call of a function that does not look at all it gets; ok is false
// if it is none of these.
func (a *analysis) moving(s *scope, name string, in value, args []*gojq.Query) (out value, ok bool) {
	arg := func(i int, in value) value { return a.eval(s, args[i], in) }
	switch name {
	case "empty/0":
		return nothing, true
	case "error/0":
		a.touch(in)
		return nothing, true
	case "error/1":
		a.touch(arg(0, in))
		return nothing, true
	case "not/0", "type/0":
		a.kind(in)
		return plain, true
	case "arrays/0", "objects/0", "iterables/0", "booleans/0", "numbers/0", "strings/0", "nulls/0", "values/0", "scalars/0":
		a.kind(in)
		return in, true
	case "select/1":
		a.kind(arg(0, in))
		return in, true
	case "length/0", "keys/0":
		// The length of what is no object or array is in it, and that is always whole.
		a.element(in)
		return computed, true
	case "has/1":
		key, ok := literalString(args[0])
		if ok {
			a.has(in, key)
		}
		return plain, ok
	case "getpath/1":
		keys, ok := literalPath(args[0])
		a.touch(in)
		for _, key := range keys {
			in = a.member(in, key)
		}
		return in, ok
	case "setpath/2":
		keys, ok := literalPath(args[0])
		if !ok {
			return nothing, false
		}
		t := target{v: in}
		for _, key := range keys {
			t = a.keyTarget(key, t)
		}
		v := arg(1, in)
		a.touch(v)
		return a.update(in, t, func(value) value { return v }), true
	case "del/1":
		return a.updateAll(in, a.targets(s, args[0], target{v: in}), func(value) value { return gone }), true
	case "pick/1":
		return a.pick(a.targets(s, args[0], target{v: in})), true
	}
	if out, ok = a.collecting(name, in, arg); ok {
		return out, true
	}
	return a.generating(name, in, arg)
}

// has is has(key).
func (a *analysis) has(v value, key string) {
	a.touch(v)
	for _, alt := range v.alts {
		if _, own := alt.keys[key]; !own && alt.at != nil {
			if len(alt.at.steps) < maxPlace {
				a.read(alt.at.member(key))
			} else {
				a.read(alt.at)
			}
		}
		if alt.elems != nil {
			a.inspect(*alt.elems)
		}
	}
}

func (a *analysis) pick(targets []target) value {
	out := null
	for _, t := range targets {
		if len(t.steps) == 0 {
			out = a.join(out, t.v)
			continue
		}
		for _, s := range t.steps {
			if s.elem || s.unknown {
				a.inspect(t.v)
				out = computed
			}
		}
		out = a.join(out, a.update(out, t, func(value) value { return t.v }))
	}
	return out
}

// collecting are the functions over the elements of an array.
func (a *analysis) collecting(name string, in value, arg func(int, value) value) (value, bool) {
	switch name {
	case "map/1":
		return array(arg(0, a.element(in))), true
	case "map_values/1":
		t := target{steps: []step{{elem: true}}}
		return a.update(in, t, func(v value) value { return arg(0, v) }), true
	case "to_entries/0":
		v := a.element(in)
		return array(of(&alternative{keys: map[string]value{"key": plain, "value": v}})), true
	case "with_entries/1":
		v := a.element(in)
		a.inspect(array(arg(0, of(&alternative{keys: map[string]value{"key": plain, "value": v}}))))
		return computed, true
	case "sort_by/1", "unique_by/1", "group_by/1", "min_by/1", "max_by/1":
		v := a.element(in)
		a.inspect(arg(0, v))
		switch name {
		case "group_by/1":
			v = array(v)
		case "min_by/1", "max_by/1":
			return a.join(v, null), true
		}
		return array(v), true
	case "first/0", "last/0":
		return a.at(in), true
	case "nth/1":
		a.inspect(arg(0, in))
		return computed, a.inspect(in).any
	case "add/1":
		a.inspect(arg(0, in))
		return computed, true
	case "any/0", "all/0":
		a.kind(a.element(in))
		return plain, true
	case "any/1", "all/1":
		a.kind(arg(0, a.element(in)))
		return plain, true
	case "any/2", "all/2":
		a.kind(arg(1, arg(0, in)))
		return plain, true
	}
	return nothing, false
}

// generating are the functions that yield what their arguments do, or go on with
// it.
func (a *analysis) generating(name string, in value, arg func(int, value) value) (value, bool) {
	switch name {
	case "first/1", "last/1":
		return arg(0, in), true
	case "isempty/1":
		arg(0, in)
		return plain, true
	case "limit/2", "skip/2", "nth/2":
		a.inspect(arg(0, in))
		return arg(1, in), true
	case "repeat/1", "recurse/1":
		return a.fixpoint(in, func(v value) value { return arg(0, v) }), true
	case "recurse/2":
		return a.fixpoint(in, func(v value) value {
			v = arg(0, v)
			a.kind(arg(1, v))
			return v
		}), true
	case "while/2", "until/2":
		return a.fixpoint(in, func(v value) value {
			a.kind(arg(0, v))
			return arg(1, v)
		}), true
	}
	return nothing, false
}
