package plan

import "github.com/dragoman-gateway/dragoman/transcoder/codec"

// origin says what has set a field.
type origin uint8

const (
	// passed is a message that a bound field lies in.
	passed origin = iota
	fromPath
	fromBody
	fromQuery
)

// tree is the set of fields that one request has bound so far. Node 0 is the
// root message; the children of a node are a list. Walking is linear in the
// children of a level, of which a request cannot make more than it may have
// parameters: that is cheaper than a map for every request that is meant well,
// and bounded for every other.
type tree []node

type node struct {
	field *codec.Field
	// oneof is the field's oneof, -1 if none.
	oneof int32
	// child is the first child, next the next sibling; 0 is none.
	child, next int32
	origin      origin
	// whole says that a map was set as a whole, and not entry by entry.
	whole bool
}

// enter gives the child of node at for f, which it adds if there is none. clash is
// another member of f's oneof that is in the tree already, and then nothing is
// added; 0 is none.
func (t *tree) enter(at int32, f *codec.Field) (child, clash int32) {
	oneof := int32(f.OneofIndex())
	for i := (*t)[at].child; i != 0; i = (*t)[i].next {
		n := &(*t)[i]
		if n.field == f {
			return i, 0
		}
		if oneof >= 0 && n.oneof == oneof {
			clash = i
		}
	}
	if clash != 0 {
		return 0, clash
	}
	child = int32(len(*t))
	*t = append(*t, node{field: f, oneof: oneof, next: (*t)[at].child})
	(*t)[at].child = child
	return child, 0
}

// undo takes back the nodes that were entered, each below the one before, since
// the tree had this size; above is the node that the first of them is below.
func (t *tree) undo(size int, above int32) {
	if len(*t) > size {
		(*t)[above].child = (*t)[size].next
		*t = (*t)[:size]
	}
}

// look is [tree.enter], but adds nothing: child is then 0.
func (t tree) look(at int32, f *codec.Field) (child, clash int32) {
	oneof := int32(f.OneofIndex())
	for i := t[at].child; i != 0; i = t[i].next {
		n := &t[i]
		if n.field == f {
			return i, 0
		}
		if oneof >= 0 && n.oneof == oneof {
			clash = i
		}
	}
	return 0, clash
}

// bindsPath reports whether the path has set the field of node at, or a field in
// it.
func (t tree) bindsPath(at int32) bool {
	if t[at].origin == fromPath {
		return true
	}
	for i := t[at].child; i != 0; i = t[i].next {
		if t.bindsPath(i) {
			return true
		}
	}
	return false
}

// setter says, for an error, what has set the field of node at, or a field in it.
func (t tree) setter(at int32) string {
	// A message that is only passed was entered for the sake of a child.
	for t[at].origin == passed && t[at].child != 0 {
		at = t[at].child
	}
	switch t[at].origin {
	case fromPath:
		return "the path"
	case fromBody:
		return "the body"
	}
	return "another parameter"
}

// sets reports whether something of this origin has set one of the fields that
// begin with node first of a list, or a field in them.
func (t tree) sets(first int32, by origin) bool {
	for i := first; i != 0; i = t[i].next {
		if t[i].origin == by || t.sets(t[i].child, by) {
			return true
		}
	}
	return false
}
