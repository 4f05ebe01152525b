package validate

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	pv "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Compile reads the rules of md and of all messages below it. The result is nil
// if there are none. The error joins all that is wrong with them: each names the
// message, the field and the rule.
func Compile(md protoreflect.MessageDescriptor, o Options) (*Rules, error) {
	c := &compiler{options: o, types: make(map[protoreflect.FullName]*node)}
	root := c.message(md)
	if err := errors.Join(c.problems...); err != nil {
		return nil, err
	}
	c.spread()
	if !root.live {
		return nil, nil
	}
	for _, n := range c.order {
		n.finish()
	}
	r := &Rules{root: &root.table, maxDepth: o.MaxDepth, now: o.Now}
	if r.maxDepth == 0 {
		r.maxDepth = defaultDepth
	}
	if r.now == nil {
		r.now = time.Now
	}
	return r, nil
}

// compiler builds the tables of a graph of message types. Types may contain
// themselves, so a table is made before its fields are.
type compiler struct {
	options  Options
	types    map[protoreflect.FullName]*node
	order    []*node
	problems []error
}

// node is one message type on the way to its table.
type node struct {
	md    protoreflect.MessageDescriptor
	table message
	// live says that something is to be checked, here or below.
	live   bool
	drafts []draft
}

// draft is a field that may be left out of the table in the end.
type draft struct {
	field
	fd protoreflect.FieldDescriptor
	// below is the node of the field's message type, of its items or values.
	below *node
}

func (c *compiler) problem(md protoreflect.MessageDescriptor, format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf("message %q: "+format, append([]any{string(md.FullName())}, args...)...))
}

// message compiles a type, once.
func (c *compiler) message(md protoreflect.MessageDescriptor) *node {
	if n := c.types[md.FullName()]; n != nil {
		return n
	}
	n := &node{md: md}
	c.types[md.FullName()] = n
	c.order = append(c.order, n)

	rules, err := messageRules(md)
	if err != nil {
		c.problem(md, "%v", err)
	}
	cel, wants := "", false
	switch {
	case len(rules.GetCel()) > 0:
		cel, wants = fmt.Sprintf("cel %q", rules.GetCel()[0].GetId()), true
	case len(rules.GetCelExpression()) > 0:
		cel, wants = fmt.Sprintf("cel_expression %q", rules.GetCelExpression()[0]), true
	}
	fields := md.Fields()
	for i := range fields.Len() {
		fd := fields.Get(i)
		own, err := fieldRules(fd)
		if err != nil {
			c.problem(md, "field %q: %v", fd.Name(), err)
			continue
		}
		if rule, ok := wantsCEL(own); ok && !wants {
			cel, wants = fmt.Sprintf("field %q: %s", fd.Name(), rule), true
		}
		inGroup := slices.ContainsFunc(rules.GetOneof(), func(g *pv.MessageOneofRule) bool {
			return slices.Contains(g.GetFields(), string(fd.Name()))
		})
		c.field(n, fd, own, inGroup)
	}
	c.oneofs(n)
	c.groups(n, rules.GetOneof())
	if wants {
		c.program(n, cel)
	}
	return n
}

// program has the rules in CEL of a message compiled; one of them is rule.
func (c *compiler) program(n *node, rule string) {
	if c.options.CEL == nil {
		c.problem(n.md, "%s: rules in CEL cannot be checked here", rule)
		return
	}
	program, err := c.options.CEL(n.md)
	if err != nil {
		c.problem(n.md, "%w", err)
		return
	}
	n.table.program, n.live = program, true
}

// oneofs finds the rules of the message's oneofs. Those without are kept for the
// members that matter, which displace each other.
func (c *compiler) oneofs(n *node) {
	oneofs := n.md.Oneofs()
	for i := range oneofs.Len() {
		od := oneofs.Get(i)
		if od.IsSynthetic() {
			break // these are last, each with one member
		}
		rules, err := oneofRules(od)
		if err != nil {
			c.problem(n.md, "oneof %q: %v", od.Name(), err)
		}
		n.table.oneofs = append(n.table.oneofs, oneof{name: string(od.Name()), required: rules.GetRequired()})
		n.live = n.live || rules.GetRequired()
	}
}

// groups compiles the rules message.oneof. Their fields are indexes of drafts
// until the table is finished.
func (c *compiler) groups(n *node, rules []*pv.MessageOneofRule) {
	for _, rule := range rules {
		names := rule.GetFields()
		if len(names) == 0 {
			c.problem(n.md, "rule oneof: it needs at least one field")
		}
		g := group{required: rule.GetRequired()}
		for i, name := range names {
			at := slices.IndexFunc(n.drafts, func(d draft) bool { return string(d.fd.Name()) == name })
			switch {
			case slices.Contains(names[:i], name):
				c.problem(n.md, "rule oneof: field %q is there twice", name)
			case at < 0:
				c.problem(n.md, "rule oneof: there is no field %q", name)
			}
			g.fields = append(g.fields, at)
		}
		joined := strings.Join(names, ", ")
		g.many, g.few = "only one of "+joined+" can be set", "one of "+joined+" must be set"
		n.table.groups = append(n.table.groups, g)
		n.live = true
	}
}

// field adds the draft of one field.
func (c *compiler) field(n *node, fd protoreflect.FieldDescriptor, rules *pv.FieldRules, inGroup bool) {
	d := draft{fd: fd, field: field{number: fd.Number(), name: fd.JSONName(), oneof: -1, presence: fd.HasPresence()}}
	if od := fd.ContainingOneof(); od != nil && !od.IsSynthetic() {
		d.oneof = od.Index()
	}
	at := place{compiler: c, md: n.md, field: string(fd.Name())}
	ignored := rules.GetIgnore() == pv.Ignore_IGNORE_ALWAYS
	if ignored {
		// Nothing of it is checked, nor below; it may displace others, though.
		rules = nil
	}
	d.required = rules.GetRequired()
	d.skipUnset = d.presence || rules.GetIgnore() == pv.Ignore_IGNORE_IF_ZERO_VALUE ||
		inGroup && rules != nil && !rules.HasIgnore()
	switch {
	case fd.IsMap():
		d.shape = mapping
		own := at.expect(rules, "map")
		d.checks = countChecks(own, "map")
		d.key = at.in("keys").value(fd.MapKey(), rules.GetMap().GetKeys(), true)
		d.value = at.in("values").value(fd.MapValue(), rules.GetMap().GetValues(), true)
		if ignoredBelow(rules.GetMap().GetValues()) {
			ignored = true
		}
	case fd.IsList():
		d.shape = list
		own := at.expect(rules, "repeated")
		d.checks = countChecks(own, "repeated")
		if rules.GetRepeated().GetUnique() && isMessage(fd) {
			at.problem("rule repeated.unique: items that are messages cannot be compared")
		}
		d.value = at.in("items").value(fd, rules.GetRepeated().GetItems(), true)
		if ignoredBelow(rules.GetRepeated().GetItems()) {
			ignored = true
		}
	default:
		d.value = at.value(fd, rules, false)
	}
	if of := fd; !ignored {
		if fd.IsMap() {
			of = fd.MapValue()
		}
		if isMessage(of) {
			d.below = c.message(of.Message())
		}
	}
	if d.required || len(d.checks)+len(d.value.checks)+len(d.key.checks) > 0 {
		n.live = true
	}
	n.drafts = append(n.drafts, d)
}

func isMessage(fd protoreflect.FieldDescriptor) bool {
	return fd.Kind() == protoreflect.MessageKind || fd.Kind() == protoreflect.GroupKind
}

func ignoredBelow(r *pv.FieldRules) bool { return r.GetIgnore() == pv.Ignore_IGNORE_ALWAYS }

// spread makes everything live that has something live below.
func (c *compiler) spread() {
	for again := true; again; {
		again = false
		for _, n := range c.order {
			if n.live {
				continue
			}
			if slices.ContainsFunc(n.drafts, func(d draft) bool { return d.below != nil && d.below.live }) {
				n.live, again = true, true
			}
		}
	}
}

// finish makes the table of the drafts that matter.
func (n *node) finish() {
	m := &n.table
	matters := make([]bool, len(n.drafts))
	told := make([]bool, len(m.oneofs))
	for i, o := range m.oneofs {
		told[i] = o.required
	}
	for i := range n.drafts {
		d := &n.drafts[i]
		if d.below != nil && d.below.live {
			d.value.table = &d.below.table
		}
		matters[i] = d.required || d.value.table != nil || len(d.checks)+len(d.value.checks)+len(d.key.checks) > 0
		if matters[i] && d.oneof >= 0 {
			told[d.oneof] = true
		}
	}
	for _, g := range m.groups {
		for _, i := range g.fields {
			matters[i] = true
			if d := &n.drafts[i]; d.oneof >= 0 {
				told[d.oneof] = true
			}
		}
	}
	var kept []int
	for i := range n.drafts {
		if matters[i] || n.drafts[i].oneof >= 0 && told[n.drafts[i].oneof] {
			kept = append(kept, i)
		}
	}
	slices.SortFunc(kept, func(a, b int) int { return int(n.drafts[a].number - n.drafts[b].number) })
	for _, i := range kept {
		f := n.drafts[i].field
		if f.wire = wireType(f.value.kind); f.shape == mapping {
			f.wire = protowire.BytesType
		}
		f.plain = f.shape == single && f.oneof < 0 && f.wire != protowire.StartGroupType
		f.items = f.shape != single && (len(f.value.checks)+len(f.key.checks) > 0 || f.value.table != nil)
		if f.required || len(f.checks) > 0 || f.shape == mapping && f.items || f.shape == single && (len(f.value.checks) > 0 || f.value.table != nil) {
			m.after = append(m.after, uint16(len(m.fields)))
		}
		m.fields = append(m.fields, f)
		if f.number <= maxDense {
			m.dense = append(m.dense, make([]uint16, max(0, int(f.number)+1-len(m.dense)))...)
			m.dense[f.number] = uint16(len(m.fields))
		}
	}
	for _, g := range m.groups {
		for i, draft := range g.fields {
			g.fields[i] = slices.Index(kept, draft)
		}
	}
}

// wireType is how values of a kind are encoded, outside of packed lists.
func wireType(kind protoreflect.Kind) protowire.Type {
	switch kind {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	default:
		return protowire.VarintType
	}
}
