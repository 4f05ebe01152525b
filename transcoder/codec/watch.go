package codec

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Watching: what the path of a request has bound, its body may repeat but not
// contradict. The parser carries a node of the rule's tree of bound paths down
// with it; where there is none, as almost everywhere, it costs a comparison
// with nil.

// Watch is a set of field paths that a rule binds. It is immutable and safe
// for any goroutine.
type Watch struct{ root *watchNode }

// watchNode is the part of the tree below one message.
type watchNode struct{ fields []watchField }

type watchField struct {
	field *Field
	// value is the index of the bound value, -1 if the field only leads to
	// others.
	value int
	below *watchNode
}

// NewWatch makes the set of paths, each a chain of fields of root and of the
// messages below it. A path is not empty.
func NewWatch(root *Message, paths [][]*Field) *Watch {
	w := &Watch{root: &watchNode{}}
	for i, path := range paths {
		node := w.root
		for j, f := range path {
			entry := node.find(f)
			if entry == nil {
				node.fields = append(node.fields, watchField{field: f, value: -1})
				entry = &node.fields[len(node.fields)-1]
			}
			if j == len(path)-1 {
				entry.value = i
				break
			}
			if entry.below == nil {
				entry.below = &watchNode{}
			}
			node = entry.below
		}
	}
	return w
}

func (n *watchNode) find(f *Field) *watchField {
	for i := range n.fields {
		if n.fields[i].field == f {
			return &n.fields[i]
		}
	}
	return nil
}

// Bound is what a request's path has bound. The body may repeat it, but must
// not contradict it: another value, or another member of a oneof that a bound
// path goes through, is an *[Error] with [KindBound], unless [Parse].BoundWins
// says that it is dropped.
type Bound struct {
	Watch *Watch
	// Values are the serialized leaf fields of the watch's paths, in their
	// order, each as [Field.AppendText] made it. An empty one is not bound.
	Values [][]byte
	// Keep leaves what the body says of them in the message, with the bound value,
	// because nobody else puts it there.
	Keep bool
}

func (b *Bound) root() *watchNode {
	if b == nil || b.Watch == nil || len(b.Watch.root.fields) == 0 {
		return nil
	}
	return b.Watch.root
}

// value is the bound value of a watched field, nil if there is none.
func (b *Bound) value(wf *watchField) []byte {
	if wf.value < 0 || wf.value >= len(b.Values) {
		return nil
	}
	return b.Values[wf.value]
}

// binds reports whether the path has bound wf or something below it.
func (b *Bound) binds(wf *watchField) bool {
	if len(b.value(wf)) > 0 {
		return true
	}
	if wf.below != nil {
		for i := range wf.below.fields {
			if b.binds(&wf.below.fields[i]) {
				return true
			}
		}
	}
	return false
}

// watched is [parser.field] in a message in which fields are bound. key is
// where the body names the field.
func (p *parser) watched(f *Field, i, key int, w *watchNode) int {
	if f.oneofBit >= 0 {
		for j := range w.fields {
			wf := &w.fields[j]
			if wf.field != f && wf.field.oneofBit == f.oneofBit && p.bound.binds(wf) {
				if p.options.BoundWins {
					return p.dropped(f, i)
				}
				return p.fail(KindBound, key, "the path has set %q, another member of the oneof %q",
					wf.field.jsonName, f.parent.oneofName(f))
			}
		}
	}
	wf := w.find(f)
	if wf == nil {
		return p.field(f, i, nil)
	}
	if bound := p.bound.value(wf); len(bound) > 0 {
		if p.options.BoundWins {
			i = p.dropped(f, i)
		} else {
			before := p.moveAll()
			start := len(p.out)
			at := i
			if i = p.field(f, i, nil); i >= 0 && !sameField(f, p.out[start:], bound) {
				i = p.fail(KindBound, at, "%s differs from what the path has set", p.show(at))
			}
			p.out = p.out[:start]
			p.moveLimit = before
		}
		// The path contributes it, or else it is put here; twice would be once too
		// often for a mask.
		if p.bound.Keep {
			p.out = append(p.out, bound...)
		}
		return i
	}
	if wf.below == nil || f.shape != shapeOne {
		return p.field(f, i, nil)
	}
	return p.field(f, i, wf.below)
}

// sameField reports whether two serialized occurrences of f mean the same. An
// implicit zero may be missing in the body.
func sameField(f *Field, body, bound []byte) bool {
	return bytes.Equal(body, bound) || len(body) == 0 && f.implicit && isZero(f, bound)
}

// isZero reports whether a serialized scalar field holds its zero.
func isZero(f *Field, field []byte) bool {
	for _, c := range field[min(len(f.tag), len(field)):] {
		if c != 0 {
			return false
		}
	}
	return true
}

// verify compares what is bound below a message with the content that was
// written for it, for messages whose JSON does not name their fields.
func (p *parser) verify(w *watchNode, at, start, next int) int {
	if p.options.BoundWins {
		p.out = p.out[:start+p.bound.without(p.out[start:], w)]
		return next
	}
	content := p.out[start:]
	for j := range w.fields {
		wf := &w.fields[j]
		bound := p.bound.value(wf)
		if len(bound) == 0 {
			continue
		}
		if !sameField(wf.field, lastField(content, wf.field.number), bound) {
			return p.fail(KindBound, at, "%s differs from what the path has set", p.show(at))
		}
	}
	return next
}

// lastField is the last occurrence of a field in a serialized message.
func lastField(content []byte, number protoreflect.FieldNumber) (field []byte) {
	for len(content) > 0 {
		num, _, n := protowire.ConsumeField(content)
		if n < 0 {
			return field
		}
		if num == number {
			field = content[:n]
		}
		content = content[n:]
	}
	return field
}

// without takes the fields that are bound below a message, and other members of
// their oneofs, out of its serialized content, and returns what length is left.
func (b *Bound) without(content []byte, w *watchNode) int {
	kept := content[:0]
	for len(content) > 0 {
		number, _, n := protowire.ConsumeField(content)
		if n < 0 {
			break
		}
		if !b.claims(w, number) {
			kept = append(kept, content[:n]...)
		}
		content = content[n:]
	}
	return len(kept)
}

// claims reports whether a field below w, or another member of its oneof, is
// bound.
func (b *Bound) claims(w *watchNode, number protoreflect.FieldNumber) bool {
	for j := range w.fields {
		wf := &w.fields[j]
		if len(b.value(wf)) == 0 {
			continue
		}
		f := wf.field.parent.field(uint32(number))
		if f == wf.field || f != nil && f.oneofBit >= 0 && f.oneofBit == wf.field.oneofBit {
			return true
		}
	}
	return false
}
