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
	narrow              *narrow
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
		out:     &Table{tree: tree{bytes: make([]byte, headLen)}},
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
	narrow, err := narrowOf(e)
	if err != nil {
		return err
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
	b.out.tolerant = b.out.tolerant || e.TrailingSlash
	for _, pattern := range patterns {
		root := b.hosts[pattern]
		if root == nil {
			root = &branch{}
			b.hosts[pattern] = root
		}
		n := root.grow(e.Template)
		n.ends = append(n.ends, end{e, b.methods.id(e.Method), b.types.id(strings.ToLower(e.ContentType)), narrow})
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
		root := b.flatten(b.hosts[pattern])
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

// flatten appends a node and all below it, and says where it is. What is next on
// the way of most requests comes first.
func (b *builder) flatten(n *branch) ref {
	tree := &b.out.tree
	id := ref(len(tree.bytes))
	leaf := n.star == nil && n.multi == nil && len(n.kids)+len(n.verbs) == 0
	kind := byte(0)
	if len(n.ends) > 0 {
		kind |= hasRows
	}
	if !leaf {
		kind |= isInner
	}
	tree.bytes = binary.LittleEndian.AppendUint16(append(tree.bytes, kind), uint16(len(n.lit)))
	if !leaf {
		tree.bytes = append(tree.bytes, make([]byte, innerLen-headLen)...)
	}
	tree.bytes = append(tree.bytes, n.lit...)
	b.rows(n)
	if leaf {
		return id
	}
	lead := func(step, to ref) { binary.LittleEndian.PutUint32(tree.bytes[id+headLen+step:], uint32(to)) }
	if len(n.kids) == 1 {
		lead(kids, b.kids(n.kids))
	}
	if n.star != nil {
		lead(star, b.flatten(n.star))
	}
	if n.multi != nil {
		lead(multi, b.flatten(n.multi))
	}
	lead(verbs, b.kids(n.verbs))
	if len(n.kids) > 1 {
		lead(kids, b.kids(n.kids))
	}
	return id
}

// kids appends the nodes that literals lead to, after their table if there are
// several.
func (b *builder) kids(kids map[string]*branch) ref {
	tree := &b.out.tree
	list := slices.SortedFunc(maps.Values(kids), func(x, y *branch) int {
		return cmp.Or(cmp.Compare(hash(x.lit), hash(y.lit)), cmp.Compare(x.lit, y.lit))
	})
	switch len(list) {
	case 0:
		return 0
	case 1:
		return b.flatten(list[0])
	}
	const perBucket = 4
	width := bits.Len(uint(len(list)-1) / perBucket)
	buckets := make([]uint32, 1<<width+1)
	for _, kid := range list {
		buckets[hash(kid.lit)>>(32-width)+1]++
	}
	table := ref(len(tree.bytes))
	tree.bytes = append(tree.bytes, byte(width))
	first := uint32(0)
	for _, n := range buckets {
		first += n
		tree.bytes = binary.LittleEndian.AppendUint32(tree.bytes, first)
	}
	slots := len(tree.bytes)
	tree.bytes = append(tree.bytes, make([]byte, 8*len(list))...)
	for i, kid := range list {
		id := b.flatten(kid)
		binary.LittleEndian.PutUint32(tree.bytes[slots+8*i:], hash(kid.lit))
		binary.LittleEndian.PutUint32(tree.bytes[slots+8*i+4:], uint32(id))
	}
	return table | isTable
}

// rows appends the entries that end at n, in the order of a match, and reports
// those that no request can tell apart.
func (b *builder) rows(n *branch) {
	tree := &b.out.tree
	b.conflictsOf(n.ends)
	slices.SortStableFunc(n.ends, func(x, y end) int {
		return cmp.Or(
			x.narrow.compare(y.narrow),
			cmp.Compare(len(b.types.all[y.contentType]), len(b.types.all[x.contentType])),
			compareOrder(x.entry, y.entry, x.narrow, y.narrow),
		)
	})
	le := binary.LittleEndian
	for i, e := range n.ends {
		flags := flagsOf(e.entry)
		if e.narrow != nil {
			flags |= isNarrow
			tree.narrows = append(tree.narrows, make([]*narrow, len(tree.entries)-len(tree.narrows))...)
			tree.narrows = append(tree.narrows, e.narrow)
		}
		if i == len(n.ends)-1 {
			flags |= isLast
		}
		tree.bytes = le.AppendUint32(tree.bytes, uint32(len(tree.entries)))
		tree.entries = append(tree.entries, e.entry)
		tree.bytes = le.AppendUint16(tree.bytes, e.method)
		tree.bytes = le.AppendUint16(tree.bytes, e.contentType)
		vars := positions(e.entry.Template)
		tree.bytes = le.AppendUint16(append(tree.bytes, flags), uint16(len(vars)))
		for _, v := range vars {
			tree.bytes = le.AppendUint16(le.AppendUint16(tree.bytes, uint16(v.start)), uint16(v.end))
		}
	}
}

// conflictsOf reports which of the entries that end at one node no request can tell
// apart.
func (b *builder) conflictsOf(ends []end) {
	if len(ends) < 2 {
		return
	}
	type likeness struct {
		method, contentType uint16
		narrow              string
	}
	last := make(map[likeness]*Entry, len(ends))
	for _, e := range ends {
		like := likeness{e.method, e.contentType, e.narrow.keyOf()}
		if other := last[like]; other != nil {
			b.conflict(other, e.entry)
		}
		last[like] = e.entry
	}
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
// hosts are compared. It is empty for any host.
func hostPattern(h string) (string, error) {
	if h == "*" {
		return "", nil
	}
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
		return "", fmt.Errorf(`host %q: want a name, or "*." and a name, or "*"`, h)
	}
	return name, nil
}
