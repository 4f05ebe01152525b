package route

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/bits"
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
	method, contentType uint16
}

// intern gives strings their indexes.
type intern struct {
	all []string
	ids map[string]uint16
}

func newIntern(first ...string) intern {
	in := intern{ids: map[string]uint16{}}
	for _, s := range first {
		in.id(s)
	}
	return in
}

func (in *intern) id(s string) uint16 {
	id, ok := in.ids[s]
	if !ok {
		id = uint16(len(in.all))
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
		out:     &Table{tree: tree{nodes: make([]node, 1), rows: make([]row, 1), tables: make([]uint32, 1)}},
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
	if len(e.Template.Segments) > maxSegments {
		return fmt.Errorf("want at most %d segments", maxSegments)
	}
	for _, seg := range e.Template.Segments {
		if len(seg.Literal) > maxLiteral {
			return fmt.Errorf("want at most %d bytes in a segment", maxLiteral)
		}
	}
	if len(e.Template.Verb) > maxLiteral {
		return fmt.Errorf("want at most %d bytes in a verb", maxLiteral)
	}
	if len(b.methods.all) >= noMethod || len(b.types.all) >= noMethod {
		return fmt.Errorf("want less than %d methods or content types in all", noMethod)
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
	t.methods, t.contentTypes = b.methods.all, b.types.all
	return t
}

// flatten appends a node and all below it, and says what leads there.
func (b *builder) flatten(n *branch, verb bool) ref {
	if n.lit == "" && n.star == nil && n.multi == nil && len(n.kids)+len(n.verbs) == 0 {
		return b.rows(n, verb) | isRows
	}
	id := ref(len(b.out.tree.nodes))
	b.out.tree.nodes = append(b.out.tree.nodes, node{})
	b.fill(id, n, verb)
	return id
}

// fill makes a node that has its place, and appends all below it. Those that are
// next on the way of most requests come first.
func (b *builder) fill(id ref, n *branch, verb bool) {
	tree := &b.out.tree
	out := node{rows: b.rows(n, verb), len: uint16(len(n.lit))}
	if copy(out.lit[:], n.lit) < len(n.lit) {
		binary.LittleEndian.PutUint32(out.lit[:], uint32(len(tree.long.literals)))
		tree.long.literals = append(tree.long.literals, n.lit)
	}
	if len(n.kids) == 1 {
		out.kids = b.kids(n.kids, false)
	}
	if n.star != nil {
		out.star = b.flatten(n.star, false)
	}
	if n.multi != nil {
		out.multi = b.flatten(n.multi, false)
	}
	out.verbs = b.kids(n.verbs, true)
	if len(n.kids) > 1 {
		out.kids = b.kids(n.kids, false)
	}
	tree.nodes[id] = out
}

// kids appends the nodes that literals lead to, and their hash table if there
// are several; see [tree].
func (b *builder) kids(kids map[string]*branch, verb bool) ref {
	tree := &b.out.tree
	list := slices.SortedFunc(maps.Values(kids), func(x, y *branch) int {
		return cmp.Or(cmp.Compare(hash(x.lit), hash(y.lit)), cmp.Compare(x.lit, y.lit))
	})
	switch len(list) {
	case 0:
		return 0
	case 1:
		return b.flatten(list[0], verb)
	}
	first := ref(len(tree.nodes))
	tree.nodes = append(tree.nodes, make([]node, len(list))...)

	table := len(tree.tables)
	const perBucket = 4
	width := bits.Len(uint(len(list)-1) / perBucket)
	buckets := make([]uint32, 1<<width+1)
	low := make([]uint32, (len(list)+3)/4)
	for i, kid := range list {
		h := hash(kid.lit)
		buckets[h>>(32-width)+1]++
		low[i/4] |= h & 0xFF << (i % 4 * 8)
	}
	for i := range 1 << width {
		buckets[i+1] += buckets[i]
	}
	tree.tables = append(tree.tables, uint32(first), uint32(width))
	tree.tables = append(append(tree.tables, buckets...), low...)

	for i, kid := range list {
		b.fill(first+ref(i), kid, verb)
	}
	return ref(table) | isTable
}

// rows appends the entries that end at n, those with the longest content type
// first, and reports those that no request can tell apart.
func (b *builder) rows(n *branch, verb bool) ref {
	if len(n.ends) == 0 {
		return 0
	}
	slices.SortStableFunc(n.ends, func(x, y end) int {
		tx, ty := b.types.all[x.contentType], b.types.all[y.contentType]
		return cmp.Or(cmp.Compare(len(ty), len(tx)), cmp.Compare(tx, ty), cmp.Compare(x.method, y.method))
	})
	tree := &b.out.tree
	first := ref(len(tree.rows))
	for i, e := range n.ends {
		if i > 0 && n.ends[i-1].method == e.method && n.ends[i-1].contentType == e.contentType {
			b.conflict(n.ends[i-1].entry, e.entry)
		}
		r := row{entry: e.entry, method: e.method, contentType: e.contentType, verb: verb, last: i == len(n.ends)-1}
		vars := positions(e.entry.Template)
		if len(vars) <= len(r.variables) {
			r.count = uint8(copy(r.variables[:], vars))
		} else {
			i := len(tree.long.variables)
			r.count, r.variables[0] = tooMany, variable{int16(i), int16(i >> 16)}
			tree.long.variables = append(tree.long.variables, vars)
		}
		tree.rows = append(tree.rows, r)
	}
	return first
}

// conflict reports two entries once, even if they meet on several hosts.
func (b *builder) conflict(x, y *Entry) {
	c := Conflict{x, y}
	if !b.known[c] {
		b.known[c] = true
		b.conflicts = append(b.conflicts, &c)
	}
}

// positions counts the segments of a template's variables as [variable] says.
func positions(t *httprule.Template) []variable {
	multi := slices.IndexFunc(t.Segments, func(s httprule.Segment) bool { return s.Kind == httprule.Multi })
	out := make([]variable, len(t.Variables))
	for i, v := range t.Variables {
		out[i] = variable{int16(v.Start), int16(v.End)}
		if multi >= 0 && v.Start > multi {
			out[i].start = ^int16(len(t.Segments) - v.Start - 1)
		}
		if multi >= 0 && v.End > multi {
			out[i].end = ^int16(len(t.Segments) - v.End)
		}
	}
	return out
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
