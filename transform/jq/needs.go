package jq

// Needs is what a program looks at of its input, and what it may change of it.
//
// Of an input that has only what Input tells, a run gives the same as of the
// whole one, but for what the result takes over from it without looking: what
// Writes does not tell is in the result as it was in the input, or not at all.
// A member that Writes tells is the same in the result of both, or it is not in the
// result of the smaller input, which has nothing of it, and as it came in that of
// the whole one. A run that fails for the one fails for the other, with another
// message perhaps.
//
// So a member of the input is there as Input tells, or, if Input has nothing of it,
// not at all or as a whole: a result that keeps a part of it would replace the
// rest.
//
// This holds for what the views promise: the input and each variable is an
// object, if they have headers or a query these are objects, and none has a
// member log or respond, which only results have.
type Needs struct {
	// Input is what is read of the input.
	Input Paths
	// Variables are what is read of each of [Config].Variables; those of which
	// nothing is read are not in it.
	Variables map[string]Paths
	// Writes is what may be otherwise in the result than in the input, if that is
	// an object. It names members of the result, and of headers and query members of
	// these. A result that does not have one of them removes it if that is a header
	// or a part of the query, and leaves it as it is otherwise.
	Writes Paths
}

// Paths is a set of places in a value. The zero value is none.
//
// What has only such places may be made smaller, but stays of its kind. Of an
// object that has to have members, others may be missing; so may those below which
// there is nothing. An array without Elements may be empty. A string, number or
// boolean where only members or elements are asked for stays as it is, and so does
// null: a program may find out that it is no object. With Elements all elements or
// members are there, those below which there is nothing as null.
//
//	{Keys: {"a": {Keys: {"b": {}}}}}   of {"a": {"b": 1, "c": 2}, "d": 3}   {"a": {}}
//	                                   of {"a": "text", "d": 3}             {"a": "text"}
//	{Keys: {"a": {Elements: {}}}}      of {"a": [1, 2], "d": 3}             {"a": [null, null]}
type Paths struct {
	// All is the whole value; then the others do not matter.
	All bool
	// Keys are places below the members of an object with these names.
	Keys map[string]Paths
	// Elements are places below each element of an array, or each member of an
	// object.
	Elements *Paths
}

// Any reports whether there is anything in the set.
func (p Paths) Any() bool { return p.All || len(p.Keys) > 0 || p.Elements != nil }

// At is what the set has below a member of an object with this name.
func (p Paths) At(key string) Paths {
	switch below, ok := p.Keys[key]; {
	case p.All:
		return Paths{All: true}
	case ok && p.Elements != nil:
		return below.With(*p.Elements)
	case p.Elements != nil:
		return *p.Elements
	default:
		return below
	}
}

// With is the union of two sets.
func (p Paths) With(q Paths) Paths {
	if p.All || q.All {
		return Paths{All: true}
	}
	out := Paths{Elements: p.Elements}
	if q.Elements != nil {
		if out.Elements != nil {
			both := p.Elements.With(*q.Elements)
			out.Elements = &both
		} else {
			out.Elements = q.Elements
		}
	}
	if len(p.Keys)+len(q.Keys) > 0 {
		out.Keys = make(map[string]Paths, len(p.Keys)+len(q.Keys))
	}
	for key, below := range p.Keys {
		out.Keys[key] = below
	}
	for key, below := range q.Keys {
		if own, ok := out.Keys[key]; ok {
			below = own.With(below)
		}
		out.Keys[key] = below
	}
	return out
}
