package codec

import (
	"iter"
	"maps"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Types is what a codec is compiled from: all messages and extensions of one
// schema.
type Types interface {
	// RangeMessages calls f for every message, nested ones, map entries and
	// well-known types among them, until f returns false.
	RangeMessages(f func(protoreflect.MessageDescriptor) bool)
	// RangeExtensions calls f for every extension, until f returns false.
	RangeExtensions(f func(protoreflect.ExtensionDescriptor) bool)
}

// Print chooses the JSON form of messages. The zero value is protobuf's own.
// The well-known types keep their forms, and what is in a google.protobuf.Any
// has the form of everything else.
type Print struct {
	// EnumsAsNumbers writes enum values as numbers.
	EnumsAsNumbers bool
	// UnsetFields writes empty lists and maps, and zeros of fields that do not
	// tell a zero from no value, at their place among the others. Messages,
	// members of oneofs, optional fields and extensions that are not set stay out.
	UnsetFields bool
	// ProtoNames writes names as the .proto file has them.
	ProtoNames bool
}

// Codec holds the tables of one schema. It is immutable and safe for any
// goroutine.
type Codec struct {
	messages map[protoreflect.FullName]*Message
	// extensions are the names of all extensions.
	extensions map[protoreflect.FullName]bool
	print      Print
}

// New compiles the tables of all messages that types has, and of those that
// they refer to. It fails if a message has the name of a well-known type but
// not its fields.
func New(types Types) (*Codec, error) { return NewPrinting(types, Print{}) }

// NewPrinting is [New] for another JSON form. The form is part of the tables,
// so to print in two forms takes two codecs; what they parse is the same. Only
// [Message.AppendJSON] and [Field.AppendJSON] depend on it.
func NewPrinting(types Types, print Print) (*Codec, error) {
	c := &Codec{
		messages:   map[protoreflect.FullName]*Message{},
		extensions: map[protoreflect.FullName]bool{},
		print:      print,
	}
	if err := c.compile(types); err != nil {
		return nil, err
	}
	return c, nil
}

// Message is the table of the message with this full name, or nil if the
// schema has none. It is for compiling rules; nothing looks names up while
// serving.
func (c *Codec) Message(name protoreflect.FullName) *Message { return c.messages[name] }

// Names are the full names of all messages that [Codec.Message] has, in no order.
func (c *Codec) Names() iter.Seq[protoreflect.FullName] { return maps.Keys(c.messages) }

// Scratch is the working memory of translations, for one goroutine at a time;
// reusing one saves all allocations. Its zero value is ready, with the default
// limits. Nothing that a translation returns refers to it.
type Scratch struct {
	// MaxDepth bounds how deep messages may nest, both ways; 0 is 100.
	MaxDepth int
	// MaxJSON bounds the JSON made by one call in bytes; 0 is 64 MiB.
	MaxJSON int
	// Parse chooses what is accepted.
	Parse Parse
	// Ignored are the unknown fields that the last AppendWire passed over, if
	// Parse.Record is set: their paths as [Error] has them, in the order of the
	// text, but names that no field could have are quoted and in brackets. They
	// are printable ASCII and 100 bytes at most, of which a longer one ends in
	// "…"; if there are more than 16, the last entry is "…" alone. The slice is
	// reused by the next call, the strings may be kept.
	Ignored []string
	// Skipped counts the unknown fields that the last AppendWire passed over, listed
	// or not. What is inside of such a field does not count, and after an error it
	// says nothing.
	Skipped int

	// Selected is what the message was cut by ([Mask.AppendCut]) that the next
	// AppendJSON prints, and that one alone; nil is the usual case of a whole
	// message. [Print].UnsetFields then shows only what the mask selects.
	Selected *Mask

	parser  parser
	printer printer
}

const (
	defaultDepth = 100
	defaultJSON  = 64 << 20
	// maxKept bounds how many elements of each kind a Scratch keeps for the
	// next call.
	maxKept = 1 << 15
)

func (s *Scratch) maxDepth() int {
	if s.MaxDepth > 0 {
		return s.MaxDepth
	}
	return defaultDepth
}

func (s *Scratch) maxJSON() int {
	if s.MaxJSON > 0 {
		return s.MaxJSON
	}
	return defaultJSON
}

// trim lets go of memory that one unusual message needed.
func (p *parser) trim() {
	if cap(p.late) > maxKept {
		p.late = nil
	}
	if cap(p.unescaped) > 32*maxKept {
		p.unescaped = nil
	}
	if cap(p.keys.refs) > maxKept {
		p.keys.refs, p.keys.slots = nil, nil
	}
	if cap(p.sets) > maxKept {
		p.sets = nil
	}
}

// FullName is the message's full name: acme.v1.Book.
func (m *Message) FullName() protoreflect.FullName { return m.name }

// Descriptor is what the table was made of. Like [Codec.Message], it is for
// compiling rules.
func (m *Message) Descriptor() protoreflect.MessageDescriptor { return m.descriptor }

// FieldByName is the field with this JSON name or this name in the .proto
// file, nil if there is none. Extensions are not found. It does not allocate.
func (m *Message) FieldByName(name []byte) *Field {
	if f := m.byName[string(name)]; f != nil && !f.extension {
		return f
	}
	return nil
}

// FieldByNumber is the field with this number, nil if there is none. Extensions are
// not found.
func (m *Message) FieldByNumber(number protoreflect.FieldNumber) *Field {
	if f := m.field(uint32(number)); f != nil && !f.extension {
		return f
	}
	return nil
}

// Plain reports whether the JSON form of the message is an object of its fields, and
// not a form of its own, as well-known types have.
func (m *Message) Plain() bool { return m.form == formObject || m.form == formEmpty }

// AppendWire appends the message that a whole JSON text describes to dst, in
// the wire format. Required fields are not checked, see
// [Message.CheckRequired]. b says what is bound already and may be nil. On
// failure it returns dst as it was and an *[Error].
func (m *Message) AppendWire(dst, json []byte, s *Scratch, b *Bound) ([]byte, error) {
	p := &s.parser
	p.begin(dst, json, s, b)
	i := p.message(m, p.space(0), b.root())
	return p.end(dst, i, s)
}

// AppendWire appends the field with the value that a whole JSON text
// describes: serialized, tag included, elements of lists and maps one after
// the other. A null appends nothing, unless the field takes null as a value.
// b's paths start at the field's parent. On failure it returns dst as it was
// and an *[Error], whose path begins below the field.
func (f *Field) AppendWire(dst, json []byte, s *Scratch, b *Bound) ([]byte, error) {
	p := &s.parser
	p.begin(dst, json, s, b)
	p.depth-- // the parent
	i := p.space(0)
	switch w := b.root(); {
	case i == len(json):
		i = p.syntax(i, "a value")
	case json[i] == 'n' && !f.takesNull:
		i = p.literal(i, "null")
	case w != nil:
		i = p.watched(f, i, i, w)
	default:
		i = p.field(f, i, nil)
	}
	return p.end(dst, i, s)
}

// AppendJSON appends the JSON form of one serialized message to dst. On
// failure it returns dst as it was and an *[Error]. Unknown fields are left
// out; required fields are not checked.
func (m *Message) AppendJSON(dst, wire []byte, s *Scratch) ([]byte, error) {
	return s.printer.print(dst, wire, s, m, nil)
}

// AppendJSON appends the JSON form of this field alone; wire is the serialized
// parent. A field that is absent is [], {}, "", 0, false, "0" or the name of
// the enum's first value, by its type, and null for a message or a field with
// presence.
func (f *Field) AppendJSON(dst, wire []byte, s *Scratch) ([]byte, error) {
	return s.printer.print(dst, wire, s, f.parent, f)
}

// AppendSetJSON is [Field.AppendJSON] for a field that may be absent: then ok is
// false, and nothing is appended. Without presence, a zero and an empty list or map
// are absent.
func (f *Field) AppendSetJSON(dst, wire []byte, s *Scratch) (out []byte, ok bool, err error) {
	p := &s.printer
	p.begin(dst, wire, s)
	p.careful = true
	if out, ok = p.ifSet(dst, f); ok && len(out) > p.limit {
		p.tooLarge()
	}
	err = p.errorOrNil()
	p.end()
	if err != nil {
		return dst, false, err
	}
	return out, len(out) > len(dst), nil
}

// CheckRequired reports the first required field that is missing in a
// serialized message or in one of its sub-messages, as an *[Error] with
// [KindRequired]. Messages inside an Any are not looked at.
func (m *Message) CheckRequired(wire []byte, s *Scratch) error {
	if !m.demanding {
		return nil
	}
	if err := s.printer.checkRequired(wire, s, m); err != nil {
		return err
	}
	return nil
}

// Parent is the message that has the field.
func (f *Field) Parent() *Message { return f.parent }

// Message is the type of the field's value, or of its elements, nil for
// scalars, enums and maps.
func (f *Field) Message() *Message {
	if f.shape == shapeMap {
		return nil
	}
	return f.sub
}

// Number is the field's number.
func (f *Field) Number() protoreflect.FieldNumber { return f.number }

// Name is the field's name in the .proto file: page_size.
func (f *Field) Name() string { return f.name }

// JSONName is the field's name in JSON: pageSize.
func (f *Field) JSONName() string { return f.jsonName }

// Repeated reports whether the field is a list. A map is none.
func (f *Field) Repeated() bool { return f.shape == shapeList || f.shape == shapePacked }

// Map reports whether the field is a map.
func (f *Field) Map() bool { return f.shape == shapeMap }

// OneofIndex is the index of the oneof that the field is a member of, -1 if it
// is in none. The oneof that stands for an optional field is none.
func (f *Field) OneofIndex() int { return f.oneofIndex }
