package codec

import (
	"fmt"
	"slices"
	"strings"
)

// Masks that clients write, to get a part of an answer only. The grammar is that
// of the fields parameter of Google's APIs and of the header X-Goog-FieldMask:
//
//	mask = path *( "," path )
//	path = name *( ( "." / "/" ) name ) [ "(" mask ")" ]
//	name = "*" / a field's JSON name / a field's name in the .proto file
//
// with spaces around paths. a.b, a/b and a(b) are the same, and a(b,c) is two
// paths. A * is all fields of its message, and ends a path. A path goes through
// lists and maps, to each element or value: books.title are the titles of all
// books, however they are kept. A * may stand for the elements there, so
// books.*.title is the same.

const (
	// maxMaskText is the longest text of a mask, in bytes.
	maxMaskText = 8 << 10
	// maxMaskPaths is how many paths a mask may have.
	maxMaskPaths = 1000
)

// Mask is a part of a message: a set of paths. It is immutable and safe for any
// goroutine.
type Mask struct {
	message *Message
	root    *maskNode
}

// maskNode is what a mask selects of one message: everything, or some fields,
// in the order of their numbers.
type maskNode struct {
	// except turns fields into what is left out: those that are whole, and of the
	// others what is below them.
	except bool
	all    bool
	fields []maskField
}

// maskField is a selected field: whole if below is nil, or of it what below
// says. For a map, that is about its entries.
type maskField struct {
	field *Field
	whole bool
	below *maskNode
}

// ParseMask parses a mask for messages of type m, such as `books(title,author.name)`
// or `next_page_token,books.*`. Fields go by their JSON names or by those of the
// .proto file; extensions cannot be named. The values of well-known types come
// whole, so no path goes inside them. A text has 8 KiB, 1000 paths and nests 100
// deep at the most.
//
// The error is an *[Error] with a position; its path is as the client wrote it,
// with dots.
func (m *Message) ParseMask(text string) (*Mask, error) {
	p := &maskParser{text: text}
	root := &maskNode{}
	if !p.whole(m, nil, root) {
		return nil, p.err
	}
	root.finish()
	return &Mask{message: m, root: root}, nil
}

// ParseMask parses a mask for the value of f alone: its paths begin below f, in
// the elements or values if f is a list or map. It is applied to f's parent and
// selects nothing else of that. A field without fields below it takes * alone.
func (f *Field) ParseMask(text string) (*Mask, error) {
	p := &maskParser{text: text}
	below := &maskNode{}
	if !p.whole(f.inside(), f, below) {
		return nil, p.err
	}
	root := &maskNode{fields: []maskField{{field: f, below: below}}}
	root.finish()
	return &Mask{message: f.parent, root: root}, nil
}

// inside is the type of the messages that a path below f goes into, nil if f's
// value comes whole.
func (f *Field) inside() *Message {
	if f.shape == shapeMap {
		return f.mapValue.inside()
	}
	if f.sub == nil || f.sub.form != formObject {
		return nil
	}
	return f.sub
}

// finish brings a node into the form that cutting needs.
func (n *maskNode) finish() {
	slices.SortFunc(n.fields, func(a, b maskField) int { return int(a.field.number) - int(b.field.number) })
	for i := range n.fields {
		e := &n.fields[i]
		switch {
		case e.whole || e.below.all:
			e.below = nil
			continue
		case e.field.shape == shapeMap: // an entry is a message of key and value
			e.below.finish()
			e.below = &maskNode{fields: []maskField{
				{field: e.field.mapKey}, {field: e.field.mapValue, below: e.below}}}
		default:
			e.below.finish()
		}
	}
}

// entry is the node's entry of f, made if there is none. It is valid until the
// next call.
func (n *maskNode) entry(f *Field) *maskField {
	for i := range n.fields {
		if n.fields[i].field == f {
			return &n.fields[i]
		}
	}
	n.fields = append(n.fields, maskField{field: f, below: &maskNode{}})
	return &n.fields[len(n.fields)-1]
}

// maskParser reads one text. Its methods return false after they have set err.
type maskParser struct {
	text string
	at   int
	// names leads to where the parser is, as the client wrote it.
	names []string
	paths int
	err   *Error
}

// whole parses the text, for m or for the value of a field in, of which m is
// what lies inside.
func (p *maskParser) whole(m *Message, in *Field, n *maskNode) bool {
	if len(p.text) > maxMaskText {
		return p.fail(KindTooLarge, 0, "the mask is longer than the limit of %d bytes", maxMaskText)
	}
	if m == nil || m.form != formObject {
		// Only the whole can be asked for.
		p.spaces()
		if !strings.HasPrefix(p.text[p.at:], "*") {
			if in != nil {
				return p.noFields(in, p.at)
			}
			return p.fail(KindType, p.at, "%s has no fields that could be named, expected *", m.name)
		}
		p.at++
		p.spaces()
		n.all = true
	} else if !p.list(m, n) {
		return false
	}
	if p.at < len(p.text) {
		return p.syntax("a comma")
	}
	return true
}

// list parses paths with commas between them.
func (p *maskParser) list(m *Message, n *maskNode) bool {
	for {
		p.spaces()
		names := len(p.names)
		if !p.path(m, n) {
			return false
		}
		p.names = p.names[:names]
		if p.spaces(); p.peek() != ',' {
			return true
		}
		p.at++
	}
}

// path parses one path below a message m.
func (p *maskParser) path(m *Message, n *maskNode) bool {
	for {
		start := p.at
		name := p.name()
		switch {
		case name == "":
			return p.syntax("a field name or *")
		case len(p.names) >= defaultDepth:
			return p.fail(KindDepth, start, "the mask nests deeper than the limit of %d", defaultDepth)
		case name == "*":
			if n.all = true; p.goesOn() {
				return p.syntax("a comma, since * has all fields")
			}
			return p.count(start)
		}
		p.names = append(p.names, name)
		f := m.FieldByName([]byte(name))
		if f == nil {
			return p.unknown(m, name, start)
		}
		e := n.entry(f)
		if p.elements(f) {
			p.at += len(".*")
		} else if !p.goesOn() {
			e.whole = true
			return p.count(start)
		}
		if !p.goesOn() { // after the elements
			e.whole = true
			return p.count(start)
		}
		if m = f.inside(); m == nil {
			return p.noFields(f, p.at)
		}
		n = e.below
		p.at++
		if p.text[p.at-1] == '(' {
			if !p.list(m, n) {
				return false
			}
			if p.peek() != ')' {
				return p.syntax("a comma or )")
			}
			p.at++
			return true
		}
	}
}

// elements reports whether what follows stands for all elements of f: a dot and
// a *.
func (p *maskParser) elements(f *Field) bool {
	return f.shape != shapeOne && (strings.HasPrefix(p.text[p.at:], ".*") || strings.HasPrefix(p.text[p.at:], "/*"))
}

// goesOn reports whether the path goes on below the name that was read.
func (p *maskParser) goesOn() bool {
	c := p.peek()
	return c == '.' || c == '/' || c == '('
}

// name reads a name, empty if there is none.
func (p *maskParser) name() string {
	n := strings.IndexAny(p.text[p.at:], ",./() \t")
	if n < 0 {
		n = len(p.text) - p.at
	}
	p.at += n
	return p.text[p.at-n : p.at]
}

func (p *maskParser) spaces() {
	for p.peek() == ' ' || p.peek() == '\t' {
		p.at++
	}
}

// peek is the next byte, 0 at the end.
func (p *maskParser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// count counts a path that ends at start's name.
func (p *maskParser) count(start int) bool {
	if p.paths++; p.paths > maxMaskPaths {
		return p.fail(KindTooLarge, start, "the mask has more paths than the limit of %d", maxMaskPaths)
	}
	return true
}

func (p *maskParser) fail(kind Kind, at int, format string, args ...any) bool {
	p.err = &Error{
		Kind: kind, Offset: at, Line: 1, Column: len([]rune(p.text[:at])) + 1,
		Message: fmt.Sprintf(format, args...),
	}
	if kind != KindSyntax && len(p.names) > 0 {
		p.err.Path = clip([]byte(strings.Join(p.names, ".")))
	}
	return false
}

func (p *maskParser) syntax(want string) bool {
	if p.at >= len(p.text) {
		return p.fail(KindSyntax, p.at, "the mask ends here, expected %s", want)
	}
	word := (&parser{in: []byte(p.text)}).word(p.at)
	return p.fail(KindSyntax, p.at, "unexpected %s, expected %s", word, want)
}

func (p *maskParser) unknown(m *Message, name string, at int) bool {
	known := make([]string, 0, len(m.byName))
	for n, f := range m.byName {
		if !f.extension {
			known = append(known, n)
		}
	}
	return p.fail(KindUnknownField, at, "%s has no field %q%s", m.name, clip([]byte(name)), suggest(name, known))
}

// noFields reports a path that goes on below f, whose values come whole.
func (p *maskParser) noFields(f *Field, at int) bool {
	if f.shape == shapeMap {
		return p.fail(KindType, at, "the values of the map %s have no fields that could be named", f.jsonName)
	}
	if f.sub != nil {
		return p.fail(KindType, at, "%s is of type %s, which comes whole", f.jsonName, f.sub.name)
	}
	return p.fail(KindType, at, "%s is of type %s, which has no fields", f.jsonName, f.kind)
}
