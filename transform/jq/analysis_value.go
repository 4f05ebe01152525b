package jq

import (
	"slices"
	"strings"
)

// place is where a part of the input or of a variable is.
type place struct {
	// source is the name of the variable, empty for the input.
	source string
	steps  []step
}

// step goes from a value to its member with a name, or to any one of its
// elements or members.
type step struct {
	key  string
	elem bool
	// unknown goes to anything below, or nowhere: only in what is assigned to.
	unknown bool
}

func (p *place) id() string {
	var b strings.Builder
	b.WriteString(p.source)
	for _, s := range p.steps {
		if s.elem {
			b.WriteString("\x00[")
		} else {
			b.WriteString("\x00." + s.key)
		}
	}
	return b.String()
}

func (p *place) isInput() bool { return p.source == "" && len(p.steps) == 0 }

// isRoot and isTable are about what the views promise: the input and the variables
// are objects, and so are the headers and the query in them.
func (p *place) isRoot() bool { return len(p.steps) == 0 }

func (p *place) isTable() bool {
	return len(p.steps) == 1 && (p.steps[0].key == "headers" || p.steps[0].key == "query")
}

func (p *place) with(s step) *place {
	return &place{source: p.source, steps: append(slices.Clip(p.steps), s)}
}

func (p *place) member(key string) *place { return p.with(step{key: key}) }

// value is what a value in a program may be: any of its alternatives, or what its
// flags tell. It is immutable.
type value struct {
	alts map[string]*alternative
	// null may be null, plain some other value that has nothing of the input in
	// it and is no object.
	null, plain bool
	// any may be anything, made of what has been read as a whole.
	any bool
	// absent, in a member, is that it may not be there.
	absent bool
	// kept, in a member of the input, is that it may be what it was, untouched.
	kept bool
}

// alternative is a part of the input as it came but for some members, or an
// object or array that the program made.
type alternative struct {
	// at is where the part is; nil of what the program made.
	at *place
	// keys are members that are known. They hide those of the part.
	keys map[string]value
	// elems, if not nil, may be members with other names, or elements.
	elems *value
	array bool
}

func (alt *alternative) id() string {
	switch {
	case alt.at != nil:
		return "at " + alt.at.id()
	case alt.array:
		return "["
	default:
		return "{"
	}
}

func of(alt *alternative) value {
	return value{alts: map[string]*alternative{alt.id(): alt}}
}

func part(p *place) value { return of(&alternative{at: p}) }

// array is an array of any number of elements.
func array(elements value) value {
	elements.absent = false
	return of(&alternative{array: true, elems: &elements})
}

var (
	nothing  = value{}
	null     = value{null: true}
	plain    = value{plain: true}
	computed = value{any: true}
	gone     = value{absent: true}
)

// isPart reports whether v is what is at a place, and nothing else.
func (v value) isPart(p *place) bool {
	if v.null || v.plain || v.any || v.absent || len(v.alts) != 1 {
		return false
	}
	for _, alt := range v.alts {
		return alt.at != nil && len(alt.keys) == 0 && alt.at.id() == p.id()
	}
	return false
}

// own is what an alternative has as its member with a name, without looking.
func (a *analysis) own(alt *alternative, key string) value {
	v := alt.raw(key)
	if v.kept {
		v.kept = false
		v = a.join(v, memberOf(alt.at, key))
	}
	return v
}

// raw is what an alternative has as its member with a name: of the input, that it
// is kept, if nothing else is known of it.
func (alt *alternative) raw(key string) value {
	switch v, ok := alt.keys[key]; {
	case ok:
		return v
	case alt.at == nil:
		return gone
	case alt.at.isInput() && !alt.at.member(key).isTable():
		return value{kept: true}
	default:
		return memberOf(alt.at, key)
	}
}

// memberOf is the member of a part. What only results have, no view has.
func memberOf(p *place, key string) value {
	if p.isRoot() && (key == "log" || key == "respond") {
		return null
	}
	return part(p.member(key))
}

// join is what is one or the other.
func (a *analysis) join(v, w value) value {
	if !a.spend(1 + len(v.alts) + len(w.alts)) {
		return nothing
	}
	out := value{
		null: v.null || w.null, plain: v.plain || w.plain,
		any: v.any || w.any, absent: v.absent || w.absent, kept: v.kept || w.kept,
	}
	switch {
	case len(w.alts) == 0:
		out.alts = v.alts
		return out
	case len(v.alts) == 0:
		out.alts = w.alts
		return out
	}
	out.alts = make(map[string]*alternative, len(v.alts)+len(w.alts))
	for id, alt := range v.alts {
		out.alts[id] = alt
	}
	for id, alt := range w.alts {
		if own := out.alts[id]; own != nil && own != alt {
			alt = a.joinAlternatives(own, alt)
		}
		out.alts[id] = alt
	}
	return out
}

func (a *analysis) joinAlternatives(x, y *alternative) *alternative {
	out := &alternative{at: x.at, array: x.array, elems: x.elems}
	if y.elems != nil {
		out.elems = y.elems
		if x.elems != nil {
			both := a.join(*x.elems, *y.elems)
			out.elems = &both
		}
	}
	if len(x.keys)+len(y.keys) == 0 {
		return out
	}
	out.keys = make(map[string]value, len(x.keys)+len(y.keys))
	for _, side := range []*alternative{x, y} {
		for key := range side.keys {
			if _, done := out.keys[key]; done {
				continue
			}
			out.keys[key] = a.join(x.raw(key), y.raw(key))
		}
	}
	return out
}

// same reports whether two values are known to be equal.
func (a *analysis) same(v, w value) bool {
	if v.null != w.null || v.plain != w.plain || v.any != w.any || v.absent != w.absent || v.kept != w.kept || len(v.alts) != len(w.alts) {
		return false
	}
	for id, x := range v.alts {
		y := w.alts[id]
		if x == y {
			continue
		}
		if y == nil || len(x.keys) != len(y.keys) || (x.elems == nil) != (y.elems == nil) || !a.spend(1+len(x.keys)) {
			return false
		}
		for key, v := range x.keys {
			if w, ok := y.keys[key]; !ok || !a.same(v, w) {
				return false
			}
		}
		if x.elems != nil && !a.same(*x.elems, *y.elems) {
			return false
		}
	}
	return true
}

// inspect reads a value as a whole. What it may be from then on is [computed].
func (a *analysis) inspect(v value) value {
	for _, alt := range v.alts {
		if !a.step() {
			return computed
		}
		if alt.at != nil {
			a.read(alt.at)
		}
		for _, v := range alt.keys {
			a.inspect(v)
		}
		if alt.elems != nil {
			a.inspect(*alt.elems)
		}
	}
	return computed
}

// kind looks at no more than what kind of value it is: for conditions, and for
// comparing with null.
func (a *analysis) kind(v value) {
	for _, alt := range v.alts {
		switch {
		case alt.at == nil || alt.at.isRoot():
		case alt.at.isTable():
			a.read(alt.at)
		default:
			a.node(alt.at).elements()
		}
	}
}

// touch notes that an error may show v.
func (a *analysis) touch(v value) {
	switch {
	case a.tried == 0 || len(v.alts) == 0:
	case len(a.touched) < maxTouched:
		a.touched = append(a.touched, v)
	default:
		a.inspect(v)
	}
}

// member is .key of a value.
func (a *analysis) member(v value, key string) value {
	out := value{any: v.any, null: v.null || v.any}
	for _, alt := range v.alts {
		if !a.step() {
			return computed
		}
		if alt.array || alt.at != nil && !alt.at.isRoot() && !alt.at.isTable() {
			a.touch(v)
		}
		if alt.array {
			continue
		}
		a.asObject(alt, key)
		own := a.own(alt, key)
		own.null, own.absent = own.null || own.absent, false
		out = a.join(out, own)
		if alt.elems != nil {
			out = a.join(out, *alt.elems)
		}
		if alt.at != nil && len(alt.at.steps) >= maxPlace {
			a.read(alt.at)
			out = a.join(out, computed)
		}
	}
	return out
}

// asObject notes that a part has to be an object, or null, if only its member of
// this name is asked for.
func (a *analysis) asObject(alt *alternative, key string) {
	if alt.at != nil && !alt.at.isRoot() && !alt.at.isTable() && len(alt.at.steps) < maxPlace {
		a.node(alt.at).key(key)
	}
}

// element is any of the elements or members of a value. How many there are is
// looked at.
func (a *analysis) element(v value) value {
	a.touch(v)
	out := value{any: v.any}
	for _, alt := range v.alts {
		if !a.step() {
			return computed
		}
		switch {
		case alt.at == nil:
		case alt.at.isRoot(), alt.at.isTable(), len(alt.at.steps) >= maxPlace:
			a.read(alt.at)
			out = a.join(out, computed)
		default:
			a.node(alt.at).elements()
			out = a.join(out, part(alt.at.with(step{elem: true})))
		}
		for _, v := range alt.keys {
			out = a.join(out, v)
		}
		if alt.elems != nil {
			out = a.join(out, *alt.elems)
		}
	}
	out.absent = false
	return out
}

// at is .[n] of a value, and slice .[n:m].
func (a *analysis) at(v value) value {
	out := a.join(a.element(v), null)
	out.plain = out.plain || v.plain
	return out
}

func (a *analysis) slice(v value) value {
	out := a.join(array(a.element(v)), null)
	out.plain = true
	out.any = v.any
	return out
}

// fixpoint is what a value is after any number of rounds, none included.
func (a *analysis) fixpoint(v value, round func(value) value) value {
	for range maxRounds {
		next := a.join(v, round(v))
		if a.lost || a.same(v, next) {
			return next
		}
		v = next
	}
	a.inspect(v)
	a.inspect(round(computed))
	return computed
}
