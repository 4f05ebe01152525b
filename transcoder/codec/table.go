package codec

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// The tables. Everything that a translation could ask a descriptor is looked
// up once here: the tag as it stands on the wire, the name as it stands in
// JSON, the field that a number or a name means. What is special about a
// well-known type is one value in its Message, so no caller needs to know.

// Message translates messages of one type. It is immutable and safe for any
// goroutine.
type Message struct {
	codec *Codec
	name  protoreflect.FullName
	form  form
	// descriptor is what the table was made of.
	descriptor protoreflect.MessageDescriptor
	// fields are in the order of their declaration, then the extensions by
	// full name. A Field's address is its identity, so the slice never moves.
	fields []Field
	// dense has the fields with small numbers, by number; sparse the others.
	dense  []*Field
	sparse map[uint32]*Field
	// unset has what is printed of fields that are not set, by number.
	unset []unset
	// byName has every name that JSON may use, extensions in brackets.
	byName map[string]*Field
	// bits is the size of a set of fields and oneofs: len(fields) fields
	// first, then the oneofs.
	bits uint32
	// oneofNames has all oneofs, synthetic ones too.
	oneofNames []string
	// required are the required fields; demanding is set if the message or
	// one below it has any.
	required  []*Field
	demanding bool
}

// form is the JSON form of a message: an object of its fields, or that of a
// well-known type.
type form uint8

const (
	formObject form = iota
	formAny
	formTimestamp
	formDuration
	formFieldMask
	formStruct
	formListValue
	formValue
	formWrapper
	formEmpty
	// formMessageSet has no JSON form, here as in the referee.
	formMessageSet
)

var wellKnown = map[protoreflect.FullName]form{
	"google.protobuf.Any":         formAny,
	"google.protobuf.Timestamp":   formTimestamp,
	"google.protobuf.Duration":    formDuration,
	"google.protobuf.FieldMask":   formFieldMask,
	"google.protobuf.Struct":      formStruct,
	"google.protobuf.ListValue":   formListValue,
	"google.protobuf.Value":       formValue,
	"google.protobuf.BoolValue":   formWrapper,
	"google.protobuf.Int32Value":  formWrapper,
	"google.protobuf.Int64Value":  formWrapper,
	"google.protobuf.UInt32Value": formWrapper,
	"google.protobuf.UInt64Value": formWrapper,
	"google.protobuf.FloatValue":  formWrapper,
	"google.protobuf.DoubleValue": formWrapper,
	"google.protobuf.StringValue": formWrapper,
	"google.protobuf.BytesValue":  formWrapper,
	"google.protobuf.Empty":       formEmpty,
}

// shape is how many values a field holds and how they lie on the wire.
type shape uint8

const (
	shapeOne shape = iota
	// shapeList has one tag for each element, shapePacked one for all.
	shapeList
	shapePacked
	shapeMap
)

// Field translates values of one field of a message, or of an extension of it.
// It is immutable and safe for any goroutine.
type Field struct {
	// key is `"name":`, to be compared with, comma is `,"name":`, to be written
	// (in another spelling, maybe).
	key, comma string
	// tag is the encoded tag of one value (of all values, if packed), end
	// the one that closes a group.
	tag, end []byte
	// sub is the type of a message, a group or a map's entry.
	sub  *Message
	enum *enum
	// index is the field's place in parent.fields, and its bit in sets.
	index uint32
	// oneofBit is the bit of the field's oneof, -1 if there is none.
	oneofBit int32
	number   protoreflect.FieldNumber
	kind     protoreflect.Kind
	shape    shape
	// wire is the wire type of one value.
	wire protowire.Type
	// implicit is set if a zero is the same as no value.
	implicit bool
	// omit is set if a zero, or an empty list, is not printed.
	omit bool
	// involved is set if printing it has to do with other fields: it is a member
	// of a oneof, or its message has fields that are shown if they are not set.
	involved bool
	// takesNull is set if a JSON null is a value, not the absence of one.
	takesNull bool
	// utf8 is set if the wire is to be checked even where nothing is printed.
	utf8      bool
	extension bool
	// mapKey and mapValue are the fields of a map's entry.
	mapKey, mapValue *Field

	parent         *Message
	name, jsonName string
	oneofIndex     int
}

// enum has an enum's values by name and by number.
type enum struct {
	name     protoreflect.FullName
	byName   map[string]int32
	folded   map[string]int32 // by name in lower case, if that is unambiguous
	longest  int              // the length of its longest name
	dense    []string         // the JSON of numbers from 0
	byNumber map[int32]string // their JSON, of all numbers
	names    map[int32]string // the names, whatever the JSON is
	null     bool             // google.protobuf.NullValue
	first    int32            // the default
}

// maxDense bounds how far beyond the number of entries a table may be indexed
// directly; larger numbers go to a map.
const maxDense = 256

func (c *Codec) compile(types Types) error {
	extensions := map[protoreflect.FullName][]protoreflect.ExtensionDescriptor{}
	types.RangeExtensions(func(xd protoreflect.ExtensionDescriptor) bool {
		name := xd.ContainingMessage().FullName()
		extensions[name] = append(extensions[name], xd)
		c.extensions[xd.FullName()] = true
		return true
	})
	enums := map[protoreflect.FullName]*enum{}
	var queue []protoreflect.MessageDescriptor
	declare := func(md protoreflect.MessageDescriptor) *Message {
		m := c.messages[md.FullName()]
		if m == nil {
			m = &Message{codec: c, descriptor: md, name: md.FullName(), form: wellKnown[md.FullName()]}
			if s, ok := md.(interface{ IsMessageSet() bool }); ok && s.IsMessageSet() {
				m.form = formMessageSet
			}
			c.messages[md.FullName()] = m
			queue = append(queue, md)
		}
		return m
	}
	types.RangeMessages(func(md protoreflect.MessageDescriptor) bool {
		declare(md)
		return true
	})
	for len(queue) > 0 {
		md := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		compileMessage(c.messages[md.FullName()], md, extensions[md.FullName()], declare, enums)
	}
	for _, m := range c.messages {
		m.link()
		if c.print.UnsetFields {
			m.compileUnset()
		}
	}
	for _, m := range c.messages {
		if !m.genuine() {
			return fmt.Errorf("message %s is not the well-known type of that name: its fields differ", m.name)
		}
	}
	c.findDemanding()
	return nil
}

func compileMessage(m *Message, md protoreflect.MessageDescriptor, xds []protoreflect.ExtensionDescriptor,
	declare func(protoreflect.MessageDescriptor) *Message, enums map[protoreflect.FullName]*enum) {
	fds := md.Fields()
	sort.Slice(xds, func(i, j int) bool { return xds[i].FullName() < xds[j].FullName() })
	m.fields = make([]Field, fds.Len(), fds.Len()+len(xds))
	m.byName = make(map[string]*Field, 2*fds.Len()+len(xds))
	for i := range md.Oneofs().Len() {
		m.oneofNames = append(m.oneofNames, string(md.Oneofs().Get(i).Name()))
	}
	highest := protoreflect.FieldNumber(0)
	for i := range m.fields {
		highest = max(highest, fds.Get(i).Number())
		compileField(m, &m.fields[i], i, fds.Get(i), declare, enums)
	}
	for _, xd := range xds {
		if fds.ByNumber(xd.Number()) != nil || !md.ExtensionRanges().Has(xd.Number()) {
			continue
		}
		highest = max(highest, xd.Number())
		m.fields = m.fields[:len(m.fields)+1]
		compileField(m, &m.fields[len(m.fields)-1], len(m.fields)-1, xd, declare, enums)
	}
	m.bits = uint32(len(m.fields) + len(m.oneofNames))
	m.dense = make([]*Field, min(int(highest)+1, 4*len(m.fields)+maxDense))
	for i := range m.fields {
		f := &m.fields[i]
		if f.oneofIndex >= 0 {
			f.oneofBit = int32(len(m.fields) + f.oneofIndex)
			f.involved = true
		}
		if int(f.number) < len(m.dense) {
			m.dense[f.number] = f
		} else {
			if m.sparse == nil {
				m.sparse = map[uint32]*Field{}
			}
			m.sparse[uint32(f.number)] = f
		}
		if f.extension {
			m.byName[f.jsonName] = f
			continue
		}
		fd := fds.Get(i)
		if fd.Cardinality() == protoreflect.Required {
			m.required = append(m.required, f)
		}
		// The descriptor knows how names and letter cases of groups resolve,
		// so it is asked, name by name.
		for _, name := range []string{fd.JSONName(), fd.TextName(), string(fd.Name()),
			strings.ToLower(fd.JSONName()), strings.ToLower(fd.TextName())} {
			found := fds.ByJSONName(name)
			if found == nil {
				found = fds.ByTextName(name)
			}
			if found != nil && !isExtensionName(name) {
				m.byName[name] = &m.fields[found.Index()]
			}
		}
	}
}

func isExtensionName(name string) bool {
	return strings.HasPrefix(name, "[") && strings.HasSuffix(name, "]")
}

func compileField(m *Message, f *Field, index int, fd protoreflect.FieldDescriptor,
	declare func(protoreflect.MessageDescriptor) *Message, enums map[protoreflect.FullName]*enum) {
	*f = Field{
		parent:     m,
		index:      uint32(index),
		oneofBit:   -1,
		oneofIndex: -1,
		number:     fd.Number(),
		kind:       fd.Kind(),
		wire:       wireType(fd.Kind()),
		name:       string(fd.Name()),
		jsonName:   fd.JSONName(),
		extension:  fd.IsExtension(),
		implicit:   !fd.HasPresence() && !fd.IsList() && !fd.ContainingMessage().IsMapEntry(),
		utf8:       fd.Kind() == protoreflect.StringKind && enforceUTF8(fd),
	}
	f.comma = "," + quotedName(f.jsonName) + ":"
	f.key = f.comma[1:]
	if m.codec.print.ProtoNames {
		f.comma = "," + quotedName(fd.TextName()) + ":"
	}
	if od := fd.ContainingOneof(); od != nil && !od.IsSynthetic() {
		f.oneofIndex = od.Index()
	}
	switch {
	case fd.IsMap():
		f.shape = shapeMap
	case fd.IsList() && fd.IsPacked():
		f.shape = shapePacked
	case fd.IsList():
		f.shape = shapeList
	}
	if sd := fd.Message(); sd != nil {
		f.sub = declare(sd)
		f.takesNull = f.sub.form == formValue
	}
	if ed := fd.Enum(); ed != nil {
		if enums[ed.FullName()] == nil {
			enums[ed.FullName()] = compileEnum(ed, m.codec.print)
		}
		f.enum = enums[ed.FullName()]
		f.takesNull = f.enum.null
	}
	f.omit = f.implicit || f.shape == shapeList || f.shape == shapePacked
	if m.codec.print.UnsetFields && !f.extension {
		f.omit = false
	}
	wire := f.wire
	if f.shape == shapePacked {
		wire = protowire.BytesType
	}
	f.tag = protowire.AppendTag(nil, f.number, wire)
	if f.kind == protoreflect.GroupKind {
		f.end = protowire.AppendTag(nil, f.number, protowire.EndGroupType)
	}
}

// enforceUTF8 reports whether strings of the field are refused on the wire if
// they are not UTF-8, which the syntax or a feature decides. In JSON they
// always are.
func enforceUTF8(fd protoreflect.FieldDescriptor) bool {
	switch fd.ParentFile().Syntax() {
	case protoreflect.Proto3:
		return true
	case protoreflect.Editions:
		e, ok := fd.(interface{ EnforceUTF8() bool })
		return ok && e.EnforceUTF8()
	}
	return false
}

func quotedName(name string) string {
	quoted, _ := appendString(nil, []byte(name))
	return string(quoted)
}

func compileEnum(ed protoreflect.EnumDescriptor, print Print) *enum {
	values := ed.Values()
	e := &enum{
		name:     ed.FullName(),
		byName:   make(map[string]int32, values.Len()),
		folded:   make(map[string]int32, values.Len()),
		byNumber: make(map[int32]string, values.Len()),
		names:    make(map[int32]string, values.Len()),
		null:     ed.FullName() == "google.protobuf.NullValue",
	}
	if values.Len() > 0 {
		e.first = int32(values.Get(0).Number())
	}
	ambiguous := map[string]bool{}
	for i := range values.Len() {
		v := values.Get(i)
		e.byName[string(v.Name())] = int32(v.Number())
		e.fold(string(v.Name()), int32(v.Number()), ambiguous)
		e.names[int32(v.Number())] = string(values.ByNumber(v.Number()).Name())
		name := strconv.Quote(e.names[int32(v.Number())])
		if print.EnumsAsNumbers {
			name = strconv.Itoa(int(v.Number()))
		}
		e.byNumber[int32(v.Number())] = name
		if n := int(v.Number()); n >= 0 && n < values.Len()+maxDense {
			for len(e.dense) <= n {
				e.dense = append(e.dense, "")
			}
			e.dense[n] = name
		}
	}
	return e
}

// link sets what a field needs from the table of another message.
func (m *Message) link() {
	for i := range m.fields {
		f := &m.fields[i]
		if f.shape == shapeMap {
			f.mapKey, f.mapValue = f.sub.field(1), f.sub.field(2)
		}
	}
}

// findDemanding marks the messages that have required fields in reach.
func (c *Codec) findDemanding() {
	for changed := true; changed; {
		changed = false
		for _, m := range c.messages {
			if m.demanding {
				continue
			}
			m.demanding = len(m.required) > 0
			for i := range m.fields {
				sub := m.fields[i].sub
				m.demanding = m.demanding || sub != nil && sub.demanding
			}
			changed = changed || m.demanding
		}
	}
}

// field is the field with this number, nil if there is none.
func (m *Message) field(number uint32) *Field {
	if int(number) < len(m.dense) {
		return m.dense[number]
	}
	return m.sparse[number]
}

// oneofName is the name of the oneof that f is a member of, for messages.
func (m *Message) oneofName(f *Field) string {
	return m.oneofNames[f.oneofIndex]
}

func wireType(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind:
		return protowire.BytesType
	case protoreflect.GroupKind:
		return protowire.StartGroupType
	}
	return protowire.VarintType
}
