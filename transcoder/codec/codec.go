package codec

import "google.golang.org/protobuf/reflect/protoreflect"

// Types is what a codec is compiled from: all messages and extensions of one
// schema.
type Types interface {
	// RangeMessages calls f for every message, nested ones, map entries and
	// well-known types among them, until f returns false.
	RangeMessages(f func(protoreflect.MessageDescriptor) bool)
	// RangeExtensions calls f for every extension, until f returns false.
	RangeExtensions(f func(protoreflect.ExtensionDescriptor) bool)
}

// Codec holds the tables of one schema. It is immutable and safe for any
// goroutine.
type Codec struct {
	messages map[protoreflect.FullName]*Message
}

// New compiles the tables of all messages that types has.
func New(types Types) (*Codec, error) {
	return &Codec{messages: map[protoreflect.FullName]*Message{}}, nil
}

// Message is the table of the message with this full name, or nil if the
// schema has none. It is for compiling rules; nothing looks names up while
// serving.
func (c *Codec) Message(name protoreflect.FullName) *Message { return c.messages[name] }

// Scratch is the working memory of translations, for one goroutine at a time;
// reusing one saves all allocations. Its zero value is ready, with the default
// limits. Nothing that a translation returns refers to it.
type Scratch struct {
	// MaxDepth bounds how deep messages may nest, both ways; 0 is 100.
	MaxDepth int
	// MaxJSON bounds the JSON made by one call in bytes; 0 is 64 MiB.
	MaxJSON int
}

// Message translates messages of one type. It is immutable and safe for any
// goroutine.
type Message struct {
	name protoreflect.FullName
}

// Field translates values of one field of a message, or of an extension of it.
// It is immutable and safe for any goroutine.
type Field struct {
	parent *Message
}

// FullName is the message's full name: acme.v1.Book.
func (m *Message) FullName() protoreflect.FullName { return m.name }

// FieldByName is the field with this JSON name or this name in the .proto
// file, nil if there is none. Extensions are not found. It does not allocate.
func (m *Message) FieldByName(name []byte) *Field { return nil }

// AppendWire appends the message that a whole JSON text describes to dst, in
// the wire format. Required fields are not checked, see
// [Message.CheckRequired]. b says what is bound already and may be nil. On
// failure it returns dst as it was and an *[Error].
func (m *Message) AppendWire(dst, json []byte, s *Scratch, b *Bound) ([]byte, error) {
	return dst, nil
}

// AppendJSON appends the JSON form of one serialized message to dst. On
// failure it returns dst as it was and an *[Error]. Unknown fields are left
// out; required fields are not checked.
func (m *Message) AppendJSON(dst, wire []byte, s *Scratch) ([]byte, error) {
	return dst, nil
}

// CheckRequired reports the first required field that is missing in a
// serialized message or in one of its sub-messages, as an *[Error] with
// [KindRequired]. Messages inside an Any are not looked at.
func (m *Message) CheckRequired(wire []byte, s *Scratch) error { return nil }

// Parent is the message that has the field.
func (f *Field) Parent() *Message { return f.parent }

// Message is the type of the field's value, or of its elements, nil for
// scalars, enums and maps.
func (f *Field) Message() *Message { return nil }

// Number is the field's number.
func (f *Field) Number() protoreflect.FieldNumber { return 0 }

// Name is the field's name in the .proto file: page_size.
func (f *Field) Name() string { return "" }

// JSONName is the field's name in JSON: pageSize.
func (f *Field) JSONName() string { return "" }

// Repeated reports whether the field is a list. A map is none.
func (f *Field) Repeated() bool { return false }

// Map reports whether the field is a map.
func (f *Field) Map() bool { return false }

// OneofIndex is the index of the oneof that the field is a member of, -1 if it
// is in none. The oneof that stands for an optional field is none.
func (f *Field) OneofIndex() int { return -1 }

// AppendWire appends the field with the value that a whole JSON text
// describes: serialized, tag included, elements of lists and maps one after
// the other. A null appends nothing, unless the field takes null as a value.
// b's paths start at the field's parent.
func (f *Field) AppendWire(dst, json []byte, s *Scratch, b *Bound) ([]byte, error) {
	return dst, nil
}

// AppendJSON appends the JSON form of this field alone; wire is the serialized
// parent. A field that is absent is [], {}, "", 0, false, "0" or the name of
// the enum's first value, by its type, and null for a message or a field with
// presence.
func (f *Field) AppendJSON(dst, wire []byte, s *Scratch) ([]byte, error) {
	return dst, nil
}

// BindableText reports whether [Field.AppendText] can serve the field: its
// value, or its element's, is a scalar, an enum or a well-known type whose
// JSON form is a scalar.
func (f *Field) BindableText() bool { return false }

// AppendText appends the field with one value given as text, as a path or a
// query has it: serialized, tag included. A repeated field gets one element.
func (f *Field) AppendText(dst, text []byte, s *Scratch) ([]byte, error) { return dst, nil }

// AppendNested appends f with a value given as text, as [Field.AppendText]
// does, inside the singular message fields parents, the outermost first.
func AppendNested(dst []byte, parents []*Field, f *Field, text []byte, s *Scratch) ([]byte, error) {
	return dst, nil
}

// Watch is a set of field paths that a rule binds. It is immutable and safe
// for any goroutine.
type Watch struct{}

// NewWatch makes the set of paths, each a chain of fields of root and of the
// messages below it. A path is not empty.
func NewWatch(root *Message, paths [][]*Field) *Watch { return &Watch{} }

// Bound is what a request's path has bound. The body may repeat it, but must
// not contradict it: another value, or another member of a oneof that a bound
// path goes through, is an *[Error] with [KindBound].
type Bound struct {
	Watch *Watch
	// Values are the serialized leaf fields of the watch's paths, in their
	// order, each as [Field.AppendText] made it.
	Values [][]byte
}
