package jq

import (
	"github.com/itchyny/gojq"
)

// scope is what names mean: the innermost binding, and those around it.
type scope struct {
	parent *scope
	// name is a variable with its $, or a function.
	name  string
	arity int
	bound value
	// def is a function, and body and in an argument and the scope it came from.
	def  *gojq.FuncDef
	body *gojq.Query
	in   *scope
}

func (s *scope) variable(name string) (value, bool) {
	for ; s != nil; s = s.parent {
		if s.name == name {
			return s.bound, true
		}
	}
	return nothing, false
}

func (s *scope) function(name string, arity int) *scope {
	for ; s != nil; s = s.parent {
		if s.name == name && s.arity == arity {
			return s
		}
	}
	return nil
}

func (s *scope) bind(name string, v value) *scope {
	return &scope{parent: s, name: name, bound: v}
}

func (s *scope) define(defs []*gojq.FuncDef) *scope {
	for _, def := range defs {
		s = &scope{parent: s, name: def.Name, arity: len(def.Args), def: def}
	}
	return s
}

// call is the scope of a body of a function. Arguments are looked up where they
// were written; those with a $ are evaluated before.
func (a *analysis) call(f *scope, from *scope, in value, args []*gojq.Query) *scope {
	s := f
	for i, arg := range f.def.Args {
		name := arg
		if arg[0] == '$' {
			name = arg[1:]
		}
		s = &scope{parent: s, name: name, body: args[i], in: from}
		if arg[0] == '$' {
			s = s.bind(arg, a.eval(from, args[i], in))
		}
	}
	return s
}

// enter begins a call of a function, and reports whether it may go on.
func (a *analysis) enter(def *gojq.FuncDef) bool {
	if a.calls[def]++; a.calls[def] > maxCalls {
		a.lost = true
	}
	return !a.lost
}

func (a *analysis) leave(def *gojq.FuncDef) { a.calls[def]-- }

// eval is what a query may yield for an input.
func (a *analysis) eval(s *scope, q *gojq.Query, in value) value {
	if !a.step() {
		return nothing
	}
	s = s.define(q.FuncDefs)
	if q.Term != nil {
		return a.term(s, q.Term, in)
	}
	switch q.Op {
	case gojq.OpPipe:
		if len(q.Patterns) == 0 {
			return a.eval(s, q.Right, a.eval(s, q.Left, in))
		}
		return a.eval(a.destructure(s, q.Patterns, a.eval(s, q.Left, in), in), q.Right, in)
	case gojq.OpComma:
		return a.join(a.eval(s, q.Left, in), a.eval(s, q.Right, in))
	case gojq.OpAlt:
		left := a.eval(s, q.Left, in)
		a.kind(left)
		return a.join(left, a.eval(s, q.Right, in))
	case gojq.OpAnd, gojq.OpOr:
		a.kind(a.eval(s, q.Left, in))
		a.kind(a.eval(s, q.Right, in))
		return plain
	case gojq.OpAssign, gojq.OpModify, gojq.OpUpdateAdd, gojq.OpUpdateSub, gojq.OpUpdateMul,
		gojq.OpUpdateDiv, gojq.OpUpdateMod, gojq.OpUpdateAlt:
		return a.assign(s, q, in)
	case gojq.OpEq, gojq.OpNe:
		left, right := a.eval(s, q.Left, in), a.eval(s, q.Right, in)
		if isNull(left) || isNull(right) {
			a.kind(left)
			a.kind(right)
			return plain
		}
		a.inspect(left)
		a.inspect(right)
		return plain
	default:
		return a.operate(q.Op, a.eval(s, q.Left, in), a.eval(s, q.Right, in))
	}
}

func isNull(v value) bool {
	return v.null && !v.plain && !v.any && len(v.alts) == 0
}

// operate is left op right.
func (a *analysis) operate(op gojq.Operator, left, right value) value {
	switch op {
	case gojq.OpAdd, gojq.OpUpdateAdd:
		return a.add(left, right)
	case gojq.OpMul, gojq.OpUpdateMul:
		return a.merge(left, right)
	case gojq.OpUpdateAlt:
		a.kind(left)
		return a.join(left, right)
	}
	a.inspect(left)
	a.inspect(right)
	switch op {
	case gojq.OpGt, gojq.OpLt, gojq.OpGe, gojq.OpLe:
		return plain
	}
	return computed
}

// literal is an object of which all members are known by name, and which may be
// nothing else but null; nil if v may be more.
func (v value) literal() *alternative {
	if v.plain || v.any || len(v.alts) != 1 {
		return nil
	}
	for _, alt := range v.alts {
		if alt.at == nil && !alt.array && alt.elems == nil {
			return alt
		}
	}
	return nil
}

// add is left + right. What is added to by an object with known members stays
// what it is, but for these.
func (a *analysis) add(left, right value) value {
	object := right.literal()
	if object == nil {
		a.inspect(left)
		a.inspect(right)
		return computed
	}
	a.touch(left)
	a.touch(right)
	out := value{any: left.any}
	if right.null {
		out = a.join(out, left)
	}
	if left.null {
		out = a.join(out, right)
	}
	if left.any {
		a.inspect(right)
	}
	for _, alt := range left.alts {
		if alt.array {
			continue
		}
		next := a.copy(alt)
		for key, v := range object.keys {
			a.asObject(alt, key)
			if v.absent {
				own := a.own(alt, key)
				v.absent = false
				v = a.join(v, own)
			}
			next.keys[key] = v
		}
		if alt.at != nil && len(object.keys) == 0 && !alt.at.isRoot() && !alt.at.isTable() {
			a.kind(of(alt))
			out = a.join(out, of(object))
		}
		out = a.join(out, of(next))
	}
	return out
}

func (a *analysis) copy(alt *alternative) *alternative {
	a.spend(len(alt.keys))
	next := *alt
	next.keys = make(map[string]value, len(alt.keys)+1)
	for key, v := range alt.keys {
		next.keys[key] = v
	}
	return &next
}

// merge is left * right. Objects with known members go into the one before them;
// of all else, both sides are looked at.
func (a *analysis) merge(left, right value) value {
	object := right.literal()
	if object == nil || right.null || left.null || left.plain || left.any || len(left.alts) != 1 {
		a.inspect(left)
		a.inspect(right)
		return computed
	}
	a.touch(left)
	a.touch(right)
	for _, alt := range left.alts {
		if alt.at == nil || len(object.keys) == 0 {
			break
		}
		next := a.copy(alt)
		for key, v := range object.keys {
			// Null times an object is an error, so even of headers it has to be known
			// that there are any.
			a.node(alt.at).key(key)
			own := a.own(alt, key)
			next.keys[key] = a.mergeMember(alt, key, own, v)
		}
		return of(next)
	}
	a.inspect(left)
	a.inspect(right)
	return computed
}

func (a *analysis) mergeMember(alt *alternative, key string, own, v value) value {
	below := v.literal()
	switch {
	case !v.absent && !v.any && len(v.alts) == 0:
		return v
	case below == nil || v.absent || v.null || own.any || own.plain || own.null || own.absent || alt.at == nil:
		a.inspect(own)
		return a.inspect(v)
	case alt.at.isRoot() && alt.at.member(key).isTable() && own.isPart(alt.at.member(key)):
		// Headers and query are objects, so they take the members.
		return a.merge(own, v)
	default:
		a.inspect(own)
		return a.inspect(v)
	}
}

func (a *analysis) term(s *scope, t *gojq.Term, in value) value {
	if n := len(t.SuffixList); n > 0 {
		last, rest := t.SuffixList[n-1], *t
		rest.SuffixList = t.SuffixList[:n-1]
		v := a.term(s, &rest, in)
		switch {
		case last.Iter:
			return a.element(v)
		case last.Index != nil:
			return a.index(s, last.Index, v, in)
		}
		return v
	}
	switch t.Type {
	case gojq.TermTypeIdentity:
		return in
	case gojq.TermTypeRecurse:
		return a.inspect(in)
	case gojq.TermTypeNull:
		return null
	case gojq.TermTypeTrue, gojq.TermTypeFalse, gojq.TermTypeNumber:
		return plain
	case gojq.TermTypeIndex:
		return a.index(s, t.Index, in, in)
	case gojq.TermTypeFunc:
		return a.function(s, t.Func, in)
	case gojq.TermTypeObject:
		return a.object(s, t.Object, in)
	case gojq.TermTypeArray:
		if t.Array.Query == nil {
			return array(nothing)
		}
		return array(a.eval(s, t.Array.Query, in))
	case gojq.TermTypeUnary:
		return a.inspect(a.term(s, t.Unary.Term, in))
	case gojq.TermTypeFormat:
		if t.Str == nil {
			return a.inspect(in)
		}
		return a.text(s, t.Str, in)
	case gojq.TermTypeString:
		return a.text(s, t.Str, in)
	case gojq.TermTypeIf:
		return a.branches(s, t.If, in)
	case gojq.TermTypeTry:
		return a.try(s, t.Try, in)
	case gojq.TermTypeReduce:
		return a.reduce(s, t.Reduce, in)
	case gojq.TermTypeForeach:
		return a.foreach(s, t.Foreach, in)
	case gojq.TermTypeLabel:
		return a.eval(s, t.Label.Body, in)
	case gojq.TermTypeBreak:
		return nothing
	case gojq.TermTypeQuery:
		return a.eval(s, t.Query, in)
	}
	a.lost = true
	return nothing
}

// index is v[i]; what i is made of is evaluated for in.
func (a *analysis) index(s *scope, i *gojq.Index, v, in value) value {
	if key, ok := literalKey(i); ok {
		return a.member(v, key)
	}
	switch {
	case i.IsSlice:
		for _, bound := range []*gojq.Query{i.Start, i.End} {
			if bound != nil {
				a.inspect(a.eval(s, bound, in))
			}
		}
		return a.slice(v)
	case i.Start != nil && isNumber(i.Start):
		return a.at(v)
	case i.Start != nil:
		a.inspect(a.eval(s, i.Start, in))
	default:
		a.text(s, i.Str, in)
	}
	return a.inspect(v)
}

// literalKey is the name in .name, ."name" or .["name"].
func literalKey(i *gojq.Index) (string, bool) {
	switch {
	case i.Name != "":
		return i.Name, true
	case i.Str != nil:
		return i.Str.Str, len(i.Str.Queries) == 0
	case i.IsSlice || i.Start == nil:
		return "", false
	}
	return literalString(i.Start)
}

func literalString(q *gojq.Query) (string, bool) {
	t := q.Term
	if t == nil || t.Type != gojq.TermTypeString || len(t.SuffixList) > 0 || len(q.FuncDefs) > 0 || len(t.Str.Queries) > 0 {
		return "", false
	}
	return t.Str.Str, true
}

func isNumber(q *gojq.Query) bool {
	t := q.Term
	if t == nil || len(t.SuffixList) > 0 || len(q.FuncDefs) > 0 {
		return false
	}
	if t.Type == gojq.TermTypeUnary {
		t = t.Unary.Term
	}
	return t.Type == gojq.TermTypeNumber && len(t.SuffixList) == 0
}

// text is a string with what it has in it.
func (a *analysis) text(s *scope, str *gojq.String, in value) value {
	for _, q := range str.Queries {
		a.inspect(a.eval(s, q, in))
	}
	return plain
}

func (a *analysis) object(s *scope, o *gojq.Object, in value) value {
	alt := &alternative{keys: map[string]value{}}
	for _, kv := range o.KeyVals {
		key, known := kv.Key, true
		var v value
		switch {
		case kv.KeyQuery != nil:
			if key, known = literalString(kv.KeyQuery); !known {
				a.inspect(a.eval(s, kv.KeyQuery, in))
			}
		case kv.KeyString != nil:
			if key, known = kv.KeyString.Str, len(kv.KeyString.Queries) == 0; !known {
				a.text(s, kv.KeyString, in)
			}
		}
		switch {
		case kv.Val != nil:
			if kv.Key != "" && kv.Key[0] == '$' {
				a.inspect(a.use(s, kv.Key))
				known = false
			}
			v = a.eval(s, kv.Val, in)
		case kv.Key != "" && kv.Key[0] == '$':
			key, v = kv.Key[1:], a.use(s, kv.Key)
		case known:
			v = a.member(in, key)
		default:
			v = a.inspect(in)
		}
		v.absent = false
		if known {
			if own, twice := alt.keys[key]; twice {
				v = a.join(own, v)
			}
			alt.keys[key] = v
			continue
		}
		if alt.elems != nil {
			v = a.join(*alt.elems, v)
		}
		alt.elems = &v
	}
	return of(alt)
}

// use is the value of a variable. What is not bound here is known when the program
// is compiled.
func (a *analysis) use(s *scope, name string) value {
	if v, ok := s.variable(name); ok {
		return v
	}
	return computed
}

func (a *analysis) branches(s *scope, e *gojq.If, in value) value {
	a.kind(a.eval(s, e.Cond, in))
	out := a.eval(s, e.Then, in)
	for _, elif := range e.Elif {
		a.kind(a.eval(s, elif.Cond, in))
		out = a.join(out, a.eval(s, elif.Then, in))
	}
	if e.Else == nil {
		return a.join(out, in)
	}
	return a.join(out, a.eval(s, e.Else, in))
}

// try is what its body yields, or its handler for an error. An error tells of the
// values it was about, though only their kind was looked at.
func (a *analysis) try(s *scope, e *gojq.Try, in value) value {
	if e.Catch == nil {
		return a.eval(s, e.Body, in)
	}
	start := len(a.touched)
	a.tried++
	out := a.eval(s, e.Body, in)
	a.tried--
	failure := computed
	for _, v := range a.touched[start:] {
		failure = a.join(failure, v)
	}
	if a.tried == 0 {
		a.touched = a.touched[:0]
	}
	return a.join(out, a.eval(s, e.Catch, failure))
}

func (a *analysis) reduce(s *scope, e *gojq.Reduce, in value) value {
	start := a.eval(s, e.Start, in)
	inner := a.destructure(s, e.Patterns, a.eval(s, e.Query, in), in)
	return a.fixpoint(start, func(state value) value { return a.eval(inner, e.Update, state) })
}

func (a *analysis) foreach(s *scope, e *gojq.Foreach, in value) value {
	start := a.eval(s, e.Start, in)
	inner := a.destructure(s, e.Patterns, a.eval(s, e.Query, in), in)
	state := a.fixpoint(start, func(state value) value { return a.eval(inner, e.Update, state) })
	if e.Extract == nil {
		return state
	}
	return a.eval(inner, e.Extract, state)
}

// destructure binds the variables of patterns. Keys in them that are computed
// are evaluated for what is taken apart; jq itself would do so for in.
func (a *analysis) destructure(s *scope, patterns []*gojq.Pattern, v, in value) *scope {
	if len(patterns) == 1 {
		return a.pattern(s, patterns[0], v, in)
	}
	// Which of several fits depends on all of it.
	a.inspect(v)
	for _, p := range patterns {
		s = a.pattern(s, p, computed, in)
	}
	return s
}

func (a *analysis) pattern(s *scope, p *gojq.Pattern, v, in value) *scope {
	switch {
	case p.Name != "":
		return s.bind(p.Name, v)
	case len(p.Array) > 0:
		for _, p := range p.Array {
			s = a.pattern(s, p, a.at(v), in)
		}
	}
	for _, kv := range p.Object {
		var below value
		key, known := kv.Key, kv.Key != ""
		switch {
		case known && key[0] == '$':
			key = key[1:]
		case known:
		case kv.KeyString != nil:
			if key, known = kv.KeyString.Str, len(kv.KeyString.Queries) == 0; !known {
				a.text(s, kv.KeyString, a.join(v, in))
			}
		case kv.KeyQuery != nil:
			if key, known = literalString(kv.KeyQuery); !known {
				a.inspect(a.eval(s, kv.KeyQuery, a.join(v, in)))
			}
		}
		if known {
			below = a.member(v, key)
		} else {
			below = a.inspect(v)
		}
		if kv.Key != "" && kv.Key[0] == '$' {
			s = s.bind(kv.Key, below)
		}
		if kv.Val != nil {
			s = a.pattern(s, kv.Val, below, in)
		}
	}
	return s
}
