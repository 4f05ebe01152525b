package jq

import (
	"github.com/itchyny/gojq"
)

// The analysis runs a program once, when it is compiled, over what its values
// may be (file analysis_value.go) in place of values. A part of the input that
// the program only hands on stays what it is, a part of the input. Where the
// program looks at one, the place is read.
//
//	.headers["x-b"] = .headers["x-a"]
//
// gives the input itself with one other header, which is the part
// headers.x-a: at the end that header is changed, so what it became is read,
// and nothing else.
//
// Everything a value could be is joined into one: the branches of an if, all
// that a generator yields, all rounds of a loop. A loop whose value goes on
// growing, a function that calls itself and a program that takes too many steps
// are given up: reading everything is always right.

// maxSteps bounds the work for one program. maxRounds is how often a loop is
// gone through before its value is read as a whole, maxCalls how often a function
// may be within itself (an argument that calls the same function is no
// recursion), maxPlace how deep a place may be, and maxTouched how many values are
// remembered for an error.
const (
	maxSteps  = 100_000
	maxRounds = 6
	maxCalls  = 4
	maxPlace  = 24

	maxTouched = 64
)

type analysis struct {
	// reads is what has been looked at: of the input (""), and of each variable.
	reads map[string]*reads
	// lost says that the program is beyond the analysis.
	lost  bool
	steps int
	calls map[*gojq.FuncDef]int
	// tried is how many try … catch are around, and touched all that a message of
	// an error within them may show.
	tried   int
	touched []value
}

// reads is a [Paths] that grows.
type reads struct {
	all   bool
	keys  map[string]*reads
	elems *reads
}

// analyze finds out what a program needs, given the names of its variables.
func analyze(query *gojq.Query, variables []string) *Needs {
	a := &analysis{reads: map[string]*reads{}, calls: map[*gojq.FuncDef]int{}}
	var s *scope
	for _, name := range variables {
		s = &scope{parent: s, name: "$" + name, bound: part(&place{source: name})}
	}
	writes := a.result(a.eval(s, query, part(&place{})))
	if a.lost {
		n := &Needs{Input: Paths{All: true}, Writes: Paths{All: true}, Variables: map[string]Paths{}}
		for _, name := range variables {
			n.Variables[name] = Paths{All: true}
		}
		return n
	}
	n := &Needs{Input: a.reads[""].paths(), Writes: writes.paths(), Variables: map[string]Paths{}}
	for _, name := range variables {
		if read := a.reads[name].paths(); read.Any() {
			n.Variables[name] = read
		}
	}
	return n
}

// step counts work, and reports whether to go on.
func (a *analysis) step() bool { return a.spend(1) }

func (a *analysis) spend(steps int) bool {
	if a.steps += steps; a.steps > maxSteps {
		a.lost = true
	}
	return !a.lost
}

// result is what a result may change of the input. What those changes are made of
// is read.
func (a *analysis) result(r value) *reads {
	w := &reads{all: r.any}
	for _, alt := range r.alts {
		switch {
		case alt.array:
			a.inspect(of(alt))
		case alt.at != nil && !alt.at.isInput(), alt.elems != nil:
			w.all = true
		default:
			for key, v := range alt.keys {
				a.changes(w.key(key), v, (&place{}).member(key))
			}
		}
	}
	if w.all {
		a.inspect(r)
		return w
	}
	kept := map[string]bool{}
	for _, alt := range r.alts {
		if alt.array {
			continue
		}
		for key, below := range w.keys {
			v := alt.raw(key)
			a.takes(v, below)
			if v.kept && below.all {
				kept[key] = true
			}
		}
	}
	// A member of which nothing is read is not there, and so it is not in a result
	// that keeps it. Of others the result would have only what was read.
	for key := range kept {
		if at := (&place{}).member(key); a.reads[""].paths().At(key).Any() {
			a.read(at)
		}
	}
	return w
}

// changes adds what is otherwise in v than at a place of the input, of which v is
// to be the new value.
func (a *analysis) changes(w *reads, v value, at *place) {
	if v.any || v.plain || v.null {
		w.all = true
	}
	for _, alt := range v.alts {
		switch {
		case alt.at == nil || alt.at.id() != at.id():
			w.all = true
		case len(alt.keys) > 0 && !at.isTable():
			// The rest of it is to be kept, so the whole of it is made anew.
			w.all = true
		default:
			for key, v := range alt.keys {
				below := at.member(key)
				if v.absent {
					// Where there are no headers, none can be taken away.
					a.node(below)
				}
				if v.absent || !v.isPart(below) {
					w.key(key).all = true
				}
			}
		}
	}
}

// takes reads what v has at the places of w.
func (a *analysis) takes(v value, w *reads) {
	if w.all {
		a.inspect(v)
		return
	}
	for _, alt := range v.alts {
		for key, below := range w.keys {
			v := a.own(alt, key)
			a.takes(v, below)
		}
	}
}

// read has a place looked at as a whole.
func (a *analysis) read(p *place) { a.node(p).all = true }

func (a *analysis) node(p *place) *reads {
	r := a.reads[p.source]
	if r == nil {
		r = &reads{}
		a.reads[p.source] = r
	}
	for _, s := range p.steps {
		if s.elem {
			r = r.elements()
		} else {
			r = r.key(s.key)
		}
	}
	return r
}

func (r *reads) key(name string) *reads {
	if r.keys == nil {
		r.keys = map[string]*reads{}
	}
	if r.keys[name] == nil {
		r.keys[name] = &reads{}
	}
	return r.keys[name]
}

func (r *reads) elements() *reads {
	if r.elems == nil {
		r.elems = &reads{}
	}
	return r.elems
}

// paths is the set. Keys of the root below which nothing is read are left out: the
// root is there anyhow.
func (r *reads) paths() Paths {
	out := r.below()
	for key, below := range out.Keys {
		if !below.Any() {
			delete(out.Keys, key)
		}
	}
	if len(out.Keys) == 0 {
		out.Keys = nil
	}
	return out
}

func (r *reads) below() Paths {
	switch {
	case r == nil:
		return Paths{}
	case r.all:
		return Paths{All: true}
	}
	var out Paths
	if len(r.keys) > 0 {
		out.Keys = make(map[string]Paths, len(r.keys))
	}
	for key, below := range r.keys {
		out.Keys[key] = below.below()
	}
	if r.elems != nil {
		elements := r.elems.below()
		out.Elements = &elements
	}
	return out
}
