package route

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// builder collects entries in trees of pointers and flattens them.
type builder struct {
	hosts     map[string]*branch // by host pattern; "" is any
	methods   intern
	types     intern
	conflicts []*Conflict
	known     map[Conflict]bool
	out       *Table
	// literals are in the order of the nodes, in one string, for the same
	// reason as the nodes are in one slice.
	literals strings.Builder
}

// branch is a node in the making.
type branch struct {
	lit         string
	kids, verbs map[string]*branch
	star, multi *branch
	ends        []end
}

// end is a row in the making.
type end struct {
	entry               *Entry
	method, contentType uint32
}

// intern gives strings their indexes.
type intern struct {
	all []string
	ids map[string]uint32
}

func newIntern(first ...string) intern {
	in := intern{ids: map[string]uint32{}}
	for _, s := range first {
		in.id(s)
	}
	return in
}

func (in *intern) id(s string) uint32 {
	id, ok := in.ids[s]
	if !ok {
		id = uint32(len(in.all))
		in.ids[s] = id
		in.all = append(in.all, s)
	}
	return id
}

func newBuilder() *builder {
	return &builder{
		hosts:   map[string]*branch{},
		methods: newIntern(knownMethods[:]...),
		types:   newIntern(""),
		known:   map[Conflict]bool{},
		out:     &Table{tree: tree{nodes: make([]node, 1), slots: make([]slot, 1)}},
	}
}

// add puts an entry into the tree of each of its hosts.
func (b *builder) add(e *Entry) error {
	if e.Template == nil {
		return errors.New("want a template")
	}
	if e.Method == "" {
		return errors.New(`want a method, or "*" for any`)
	}
	patterns := []string{""}
	if len(e.Hosts) > 0 {
		patterns = patterns[:0]
		for _, h := range e.Hosts {
			pattern, err := hostPattern(h)
			if err != nil {
				return err
			}
			patterns = append(patterns, pattern)
		}
		slices.Sort(patterns)
		patterns = slices.Compact(patterns)
	}
	for _, pattern := range patterns {
		root := b.hosts[pattern]
		if root == nil {
			root = &branch{}
			b.hosts[pattern] = root
		}
		n := root.grow(e.Template)
		n.ends = append(n.ends, end{e, b.methods.id(e.Method), b.types.id(strings.ToLower(e.ContentType))})
	}
	return nil
}

// grow returns the node where t ends.
func (n *branch) grow(t *httprule.Template) *branch {
	for i, seg := range t.Segments {
		switch seg.Kind {
		case httprule.Literal:
			n = step(&n.kids, seg.Literal)
			continue
		case httprule.Single:
			n = only(&n.star)
			continue
		}
		n = only(&n.multi)
		for _, seg := range slices.Backward(t.Segments[i+1:]) {
			n = step(&n.kids, seg.Literal)
		}
		break
	}
	if t.Verb != "" {
		n = step(&n.verbs, t.Verb)
	}
	return n
}

func only(n **branch) *branch {
	if *n == nil {
		*n = &branch{}
	}
	return *n
}

func step(kids *map[string]*branch, lit string) *branch {
	if *kids == nil {
		*kids = map[string]*branch{}
	}
	kid := (*kids)[lit]
	if kid == nil {
		kid = &branch{lit: lit}
		(*kids)[lit] = kid
	}
	return kid
}

// table flattens all trees. It also finds the conflicts.
func (b *builder) table() *Table {
	t := b.out
	for _, pattern := range slices.Sorted(maps.Keys(b.hosts)) {
		root := b.flatten(b.hosts[pattern], false)
		if suffix, ok := strings.CutPrefix(pattern, "*."); ok {
			t.hosts.suffix = append(t.hosts.suffix, host{suffix, root})
		} else if pattern != "" {
			t.hosts.exact = append(t.hosts.exact, host{pattern, root})
		} else {
			t.hosts.any = root
		}
	}
	literals := b.literals.String()
	for i := range t.tree.nodes {
		n := &t.tree.nodes[i]
		n.lit, literals = literals[:len(n.lit)], literals[len(n.lit):]
	}
	t.methods, t.contentTypes = b.methods.all, b.types.all
	return t
}

// flatten appends a node and all below it, and returns its index.
func (b *builder) flatten(n *branch, verb bool) uint32 {
	tree := &b.out.tree
	id := uint32(len(tree.nodes))
	b.literals.WriteString(n.lit)
	row, rows := b.rows(n, verb)
	tree.nodes = append(tree.nodes, node{lit: n.lit, row: row, rows: rows})
	// An only literal and a star lie next to the node; where there are many
	// literals, they come last.
	if len(n.kids) == 1 {
		kids, mask := b.kids(n.kids, false)
		tree.nodes[id].kids, tree.nodes[id].mask = kids, mask
	}
	if n.star != nil {
		star := b.flatten(n.star, false)
		tree.nodes[id].star = star
	}
	if n.multi != nil {
		multi := b.flatten(n.multi, false)
		tree.nodes[id].multi = multi
	}
	if len(n.verbs) > 0 {
		verbs := uint32(len(tree.nodes))
		tree.nodes = append(tree.nodes, node{})
		kids, mask := b.kids(n.verbs, true)
		tree.nodes[verbs].kids, tree.nodes[verbs].mask = kids, mask
		tree.nodes[id].verbs = verbs
	}
	if len(n.kids) > 1 {
		kids, mask := b.kids(n.kids, false)
		tree.nodes[id].kids, tree.nodes[id].mask = kids, mask
	}
	return id
}

// kids appends the nodes that literals lead to, and their hash table if there
// are several.
func (b *builder) kids(kids map[string]*branch, verb bool) (first, mask uint32) {
	tree := &b.out.tree
	if len(kids) > 1 {
		size := 4
		for size < 2*len(kids) { // at least half of the slots are free, so that a probe is short and ends
			size *= 2
		}
		first, mask = uint32(len(tree.slots)), uint32(size-1)
		tree.slots = append(tree.slots, make([]slot, size)...)
	}
	for _, lit := range slices.Sorted(maps.Keys(kids)) {
		id := b.flatten(kids[lit], verb)
		if mask == 0 {
			return id, 0
		}
		h := hash(lit)
		i := h & mask
		for tree.slots[first+i].node != 0 {
			i = (i + 1) & mask
		}
		tree.slots[first+i] = slot{h, id}
	}
	return first, mask
}

// rows appends the entries that end at n, those with the longest content type
// first, and reports those that no request can tell apart.
func (b *builder) rows(n *branch, verb bool) (first, count uint32) {
	slices.SortStableFunc(n.ends, func(x, y end) int {
		tx, ty := b.types.all[x.contentType], b.types.all[y.contentType]
		return cmp.Or(cmp.Compare(len(ty), len(tx)), cmp.Compare(tx, ty), cmp.Compare(x.method, y.method))
	})
	tree := &b.out.tree
	first = uint32(len(tree.rows))
	for i, e := range n.ends {
		if i > 0 && n.ends[i-1].method == e.method && n.ends[i-1].contentType == e.contentType {
			b.conflict(n.ends[i-1].entry, e.entry)
		}
		vars := e.entry.Template.Variables
		tree.rows = append(tree.rows, row{
			entry:       e.entry,
			method:      e.method,
			contentType: e.contentType,
			variable:    uint32(len(tree.vars)),
			vars:        uint32(len(vars)),
			verb:        verb,
		})
		for _, v := range vars {
			tree.vars = append(tree.vars, position(e.entry.Template, v))
		}
	}
	return first, uint32(len(n.ends))
}

// conflict reports two entries once, even if they meet on several hosts.
func (b *builder) conflict(x, y *Entry) {
	c := Conflict{x, y}
	if !b.known[c] {
		b.known[c] = true
		b.conflicts = append(b.conflicts, &c)
	}
}

// position counts a variable's segments as [variable] says.
func position(t *httprule.Template, v httprule.Variable) variable {
	multi := slices.IndexFunc(t.Segments, func(s httprule.Segment) bool { return s.Kind == httprule.Multi })
	p := variable{start: int32(v.Start), end: int32(v.End)}
	if multi >= 0 && v.Start > multi {
		p.start = ^int32(len(t.Segments) - v.Start - 1)
	}
	if multi >= 0 && v.End > multi {
		p.end = ^int32(len(t.Segments) - v.End)
	}
	return p
}

// hostPattern checks a host of an entry and brings it into the form in which
// hosts are compared.
func hostPattern(h string) (string, error) {
	name := strings.ToLower(h)
	if suffix, ok := strings.CutPrefix(name, "*."); ok && suffix != "" && !strings.ContainsAny(suffix, "*:/[] ") && suffix[0] != '.' {
		return "*." + strings.TrimSuffix(suffix, "."), nil
	}
	if inner, ok := strings.CutPrefix(name, "["); ok && strings.HasSuffix(inner, "]") {
		name = inner[:len(inner)-1] // an IPv6 address
	} else if strings.Count(name, ":") == 1 {
		return "", fmt.Errorf("host %q: want a name without a port", h)
	}
	name = strings.TrimSuffix(name, ".")
	if name == "" || strings.ContainsAny(name, "*/[] ") || name[0] == '.' {
		return "", fmt.Errorf(`host %q: want a name, or "*." and a name`, h)
	}
	return name, nil
}
