package codec_test

import (
	"fmt"
	"math/rand/v2"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// A random file is grown in two steps: first the names of all its messages and
// enums, so that fields can refer to any of them, then the fields. Every choice
// keeps the file valid; one that protodesc refuses is a mistake in the generator
// and fails the test.

type fieldProto = descriptorpb.FieldDescriptorProto

// fileGen grows one file.
type fileGen struct {
	r        *rand.Rand
	file     *descriptorpb.FileDescriptorProto
	pkg      string
	messages []*messageGen
	enums    []*enumGen
}

type messageGen struct {
	name       string // full name with a leading dot
	desc       *descriptorpb.DescriptorProto
	extensible bool
}

type enumGen struct {
	name   string
	closed bool
	// zero is set if the first value's number is 0.
	zero bool
}

var fieldNames = []string{
	"a", "b_c", "fooBar", "foo_bar", "_x", "x_", "a__b", "F", "ABC_D", "list_2_d", "type", "value", "seconds", "class",
}

var jsonNames = []string{
	"plain", "a.b", "with space", "quo\"te", "back\\slash", "sla/sh", "日本", "😀", "\u2028", "tab\there", "$ref", "",
}

var wellKnownTypes = []string{
	".google.protobuf.Any", ".google.protobuf.Timestamp", ".google.protobuf.Duration", ".google.protobuf.FieldMask",
	".google.protobuf.Struct", ".google.protobuf.Value", ".google.protobuf.ListValue", ".google.protobuf.Empty",
	".google.protobuf.DoubleValue", ".google.protobuf.FloatValue", ".google.protobuf.Int64Value",
	".google.protobuf.UInt64Value", ".google.protobuf.Int32Value", ".google.protobuf.UInt32Value",
	".google.protobuf.BoolValue", ".google.protobuf.StringValue", ".google.protobuf.BytesValue",
}

// randomUniverse is a universe of one random file.
func randomUniverse(r *rand.Rand) (*universe, *descriptorpb.FileDescriptorProto, error) {
	g := &fileGen{r: r, pkg: "random"}
	g.file = &descriptorpb.FileDescriptorProto{
		Name: proto.String("random.proto"), Package: proto.String(g.pkg), Dependency: wellKnownFiles,
	}
	switch r.IntN(3) {
	case 0:
		g.file.Syntax = proto.String("proto2")
	case 1:
		g.file.Syntax = proto.String("proto3")
	default:
		g.file.Syntax = proto.String("editions")
		g.file.Edition = descriptorpb.Edition_EDITION_2023.Enum()
		if r.IntN(2) == 0 {
			g.file.Options = &descriptorpb.FileOptions{Features: g.fileFeatures()}
		}
	}
	g.grow()
	fd, err := protodesc.NewFile(g.file, protoregistry.GlobalFiles)
	if err != nil {
		return nil, g.file, err
	}
	u, err := newUniverse(fd)
	return u, g.file, err
}

func (g *fileGen) syntax() string { return g.file.GetSyntax() }

func (g *fileGen) one(in int) bool { return g.r.IntN(in) == 0 }

func (g *fileGen) fileFeatures() *descriptorpb.FeatureSet {
	f := new(descriptorpb.FeatureSet)
	if g.one(2) {
		f.MessageEncoding = descriptorpb.FeatureSet_DELIMITED.Enum()
	}
	if g.one(3) {
		f.RepeatedFieldEncoding = descriptorpb.FeatureSet_EXPANDED.Enum()
	}
	if g.one(3) {
		f.Utf8Validation = descriptorpb.FeatureSet_NONE.Enum()
	}
	return f
}

func (g *fileGen) grow() {
	for i := range 1 + g.r.IntN(3) {
		g.file.EnumType = append(g.file.EnumType, g.enum("."+g.pkg, fmt.Sprintf("E%d", i)))
	}
	for i := range 2 + g.r.IntN(4) {
		g.file.MessageType = append(g.file.MessageType, g.message("."+g.pkg, fmt.Sprintf("M%d", i), 0))
	}
	for _, m := range g.messages {
		g.fields(m)
	}
	if g.syntax() != "proto3" {
		for i := range g.r.IntN(6) {
			g.extension(i)
		}
	}
}

func (g *fileGen) enum(scope, name string) *descriptorpb.EnumDescriptorProto {
	e := &enumGen{name: scope + "." + name, closed: g.syntax() == "proto2"}
	desc := &descriptorpb.EnumDescriptorProto{Name: &name}
	if g.syntax() == "editions" && g.one(2) {
		e.closed = true
		desc.Options = &descriptorpb.EnumOptions{Features: &descriptorpb.FeatureSet{EnumType: descriptorpb.FeatureSet_CLOSED.Enum()}}
	}
	numbers := []int32{0, 1, 2, -1, 100, 2147483647, -2147483648}
	if e.closed && g.one(2) {
		numbers = numbers[1:]
	}
	e.zero = numbers[0] == 0
	for i, n := range numbers[:1+g.r.IntN(len(numbers))] {
		desc.Value = append(desc.Value, &descriptorpb.EnumValueDescriptorProto{
			Name: proto.String(fmt.Sprintf("%s_V%d", name, i)), Number: &n,
		})
	}
	if g.one(3) {
		if desc.Options == nil {
			desc.Options = new(descriptorpb.EnumOptions)
		}
		desc.Options.AllowAlias = proto.Bool(true)
		desc.Value = append(desc.Value, &descriptorpb.EnumValueDescriptorProto{
			Name: proto.String(name + "_alias"), Number: desc.Value[0].Number,
		})
	}
	g.enums = append(g.enums, e)
	return desc
}

func (g *fileGen) message(scope, name string, depth int) *descriptorpb.DescriptorProto {
	m := &messageGen{name: scope + "." + name, desc: &descriptorpb.DescriptorProto{Name: &name}}
	if g.syntax() != "proto3" && g.one(2) {
		m.extensible = true
		m.desc.ExtensionRange = []*descriptorpb.DescriptorProto_ExtensionRange{{Start: proto.Int32(10000), End: proto.Int32(20000)}}
	}
	g.messages = append(g.messages, m)
	if depth < 2 {
		for i := range g.r.IntN(3) {
			m.desc.NestedType = append(m.desc.NestedType, g.message(m.name, fmt.Sprintf("N%d", i), depth+1))
		}
		if g.one(3) {
			m.desc.EnumType = append(m.desc.EnumType, g.enum(m.name, "Inner"))
		}
	}
	return m.desc
}

func (g *fileGen) fields(m *messageGen) {
	n := g.r.IntN(14)
	if g.one(40) {
		n = 300 // more than the codec's small tables hold
	}
	oneof := int32(-1)
	var synthetic []*fieldProto
	for i := range n {
		f := &fieldProto{
			Name:   proto.String(fmt.Sprintf("%s%d", fieldNames[g.r.IntN(len(fieldNames))], i)),
			Number: proto.Int32(g.number(i, n)),
		}
		// Half of the fields after a oneof began stay in it.
		if oneof >= 0 && g.one(2) {
			oneof = -1
		}
		if oneof < 0 && g.one(6) {
			oneof = int32(len(m.desc.OneofDecl))
			m.desc.OneofDecl = append(m.desc.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String(fmt.Sprintf("choice%d", i))})
		}
		inOneof := oneof >= 0
		switch {
		case inOneof:
			f.OneofIndex = proto.Int32(oneof)
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
		case g.one(3):
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		case g.syntax() == "proto2" && g.one(8):
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_REQUIRED.Enum()
		default:
			f.Label = descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
			if g.syntax() == "proto3" && g.one(3) {
				f.Proto3Optional = proto.Bool(true)
				synthetic = append(synthetic, f)
			}
		}
		if f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED && g.one(3) {
			g.mapField(m, f, i)
		} else {
			g.typed(m.desc, m.name, f, i)
			g.features(f, inOneof)
		}
		if g.one(5) {
			// Half of the odd names are another field's name in the file.
			name := jsonNames[g.r.IntN(len(jsonNames))] + fmt.Sprint(i)
			if g.one(2) && i > 0 && f.GetType() != descriptorpb.FieldDescriptorProto_TYPE_GROUP {
				other := m.desc.Field[g.r.IntN(i)]
				if other.JsonName == nil && g.syntax() == "proto2" && other.GetType() != descriptorpb.FieldDescriptorProto_TYPE_GROUP {
					other.JsonName = proto.String(fmt.Sprintf("moved%d", i))
					name = other.GetName()
				}
			}
			f.JsonName = &name
		}
		m.desc.Field = append(m.desc.Field, f)
	}
	for _, f := range synthetic {
		f.OneofIndex = proto.Int32(int32(len(m.desc.OneofDecl)))
		m.desc.OneofDecl = append(m.desc.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: proto.String("_" + f.GetName())})
	}
	g.r.Shuffle(len(m.desc.Field), func(i, j int) {
		// Members of a oneof have to stay together.
		if m.desc.Field[i].OneofIndex == nil && m.desc.Field[j].OneofIndex == nil {
			m.desc.Field[i], m.desc.Field[j] = m.desc.Field[j], m.desc.Field[i]
		}
	})
}

// number is the number of the i-th field of n: small, around the ends of a tag's
// length, or large.
func (g *fileGen) number(i, n int) int32 {
	if n > 100 {
		return 1 + 3*int32(i)
	}
	switch g.r.IntN(5) {
	case 0:
		return 2040 + int32(i)
	case 1:
		return 536870911 - int32(i)
	case 2:
		return 100 + 3*int32(i)
	default:
		return 1 + int32(i)
	}
}

// typed gives f a type; groups nest a message in desc.
func (g *fileGen) typed(desc *descriptorpb.DescriptorProto, scope string, f *fieldProto, i int) {
	switch g.r.IntN(6) {
	case 0:
		f.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
		f.TypeName = proto.String(wellKnownTypes[g.r.IntN(len(wellKnownTypes))])
	case 1:
		f.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
		f.TypeName = proto.String(g.messages[g.r.IntN(len(g.messages))].name)
	case 2:
		f.Type = descriptorpb.FieldDescriptorProto_TYPE_ENUM.Enum()
		f.TypeName = proto.String(g.enums[g.r.IntN(len(g.enums))].name)
		if g.one(6) && g.syntax() != "proto2" {
			f.TypeName = proto.String(".google.protobuf.NullValue")
		}
	case 3:
		if g.syntax() == "proto2" && desc != nil {
			name := fmt.Sprintf("Group%d", i)
			f.Name = proto.String(fmt.Sprintf("group%d", i))
			f.Type = descriptorpb.FieldDescriptorProto_TYPE_GROUP.Enum()
			f.TypeName = proto.String(scope + "." + name)
			group := &messageGen{name: scope + "." + name, desc: &descriptorpb.DescriptorProto{Name: &name}}
			for j := range 1 + g.r.IntN(3) {
				member := &fieldProto{
					Name: proto.String(fmt.Sprintf("member%d", j)), Number: proto.Int32(int32(j) + 1),
					Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
				}
				g.scalar(member)
				group.desc.Field = append(group.desc.Field, member)
			}
			desc.NestedType = append(desc.NestedType, group.desc)
			return
		}
		g.scalar(f)
	default:
		g.scalar(f)
	}
}

var scalarTypes = []descriptorpb.FieldDescriptorProto_Type{
	descriptorpb.FieldDescriptorProto_TYPE_DOUBLE, descriptorpb.FieldDescriptorProto_TYPE_FLOAT,
	descriptorpb.FieldDescriptorProto_TYPE_INT64, descriptorpb.FieldDescriptorProto_TYPE_UINT64,
	descriptorpb.FieldDescriptorProto_TYPE_INT32, descriptorpb.FieldDescriptorProto_TYPE_FIXED64,
	descriptorpb.FieldDescriptorProto_TYPE_FIXED32, descriptorpb.FieldDescriptorProto_TYPE_BOOL,
	descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_BYTES,
	descriptorpb.FieldDescriptorProto_TYPE_UINT32, descriptorpb.FieldDescriptorProto_TYPE_SFIXED32,
	descriptorpb.FieldDescriptorProto_TYPE_SFIXED64, descriptorpb.FieldDescriptorProto_TYPE_SINT32,
	descriptorpb.FieldDescriptorProto_TYPE_SINT64,
}

func (g *fileGen) scalar(f *fieldProto) {
	f.Type = scalarTypes[g.r.IntN(len(scalarTypes))].Enum()
	if g.syntax() != "proto2" || f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED || !g.one(4) {
		return
	}
	// A default never shows in JSON: it must not be taken for "not set".
	switch f.GetType() {
	case descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_BYTES:
		f.DefaultValue = proto.String("default")
	case descriptorpb.FieldDescriptorProto_TYPE_BOOL:
		f.DefaultValue = proto.String("true")
	default:
		f.DefaultValue = proto.String("7")
	}
}

var mapKeyTypes = []descriptorpb.FieldDescriptorProto_Type{
	descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_BOOL,
	descriptorpb.FieldDescriptorProto_TYPE_INT32, descriptorpb.FieldDescriptorProto_TYPE_INT64,
	descriptorpb.FieldDescriptorProto_TYPE_UINT32, descriptorpb.FieldDescriptorProto_TYPE_UINT64,
	descriptorpb.FieldDescriptorProto_TYPE_SINT32, descriptorpb.FieldDescriptorProto_TYPE_SINT64,
	descriptorpb.FieldDescriptorProto_TYPE_FIXED32, descriptorpb.FieldDescriptorProto_TYPE_FIXED64,
	descriptorpb.FieldDescriptorProto_TYPE_SFIXED32, descriptorpb.FieldDescriptorProto_TYPE_SFIXED64,
}

// mapField makes f a map with an entry type in m.
func (g *fileGen) mapField(m *messageGen, f *fieldProto, i int) {
	f.Name = proto.String(fmt.Sprintf("map_%d", i))
	name := fmt.Sprintf("Map%dEntry", i)
	entry := &descriptorpb.DescriptorProto{Name: &name, Options: &descriptorpb.MessageOptions{MapEntry: proto.Bool(true)}}
	optional := descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum()
	key := &fieldProto{Name: proto.String("key"), Number: proto.Int32(1), Label: optional}
	key.Type = mapKeyTypes[g.r.IntN(len(mapKeyTypes))].Enum()
	value := &fieldProto{Name: proto.String("value"), Number: proto.Int32(2), Label: optional}
	g.typed(nil, "", value, i)
	value.DefaultValue = nil
	if e := g.enumNamed(value.GetTypeName()); e != nil && !e.zero {
		value.Type, value.TypeName = descriptorpb.FieldDescriptorProto_TYPE_BOOL.Enum(), nil
	}
	entry.Field = []*fieldProto{key, value}
	m.desc.NestedType = append(m.desc.NestedType, entry)
	f.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
	f.TypeName = proto.String(m.name + "." + name)
	if g.syntax() == "editions" && g.one(4) {
		f.Options = &descriptorpb.FieldOptions{Features: &descriptorpb.FeatureSet{Utf8Validation: descriptorpb.FeatureSet_NONE.Enum()}}
	}
}

// enumNamed is the file's enum with this name, nil for any other type.
func (g *fileGen) enumNamed(name string) *enumGen {
	for _, e := range g.enums {
		if e.name == name {
			return e
		}
	}
	return nil
}

// features sets what may be set on a field: packing in every syntax, the
// features of editions, each only where it is allowed.
func (g *fileGen) features(f *fieldProto, inOneof bool) {
	repeated := f.GetLabel() == descriptorpb.FieldDescriptorProto_LABEL_REPEATED
	packable := repeated
	switch f.GetType() {
	case descriptorpb.FieldDescriptorProto_TYPE_STRING, descriptorpb.FieldDescriptorProto_TYPE_BYTES,
		descriptorpb.FieldDescriptorProto_TYPE_MESSAGE, descriptorpb.FieldDescriptorProto_TYPE_GROUP:
		packable = false
	}
	if g.syntax() != "editions" {
		if packable && g.one(2) {
			f.Options = &descriptorpb.FieldOptions{Packed: proto.Bool(g.one(2))}
		}
		return
	}
	set := new(descriptorpb.FeatureSet)
	if packable && g.one(2) {
		set.RepeatedFieldEncoding = descriptorpb.FeatureSet_EXPANDED.Enum()
	}
	message := f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_MESSAGE
	if message && g.one(3) {
		set.MessageEncoding = descriptorpb.FeatureSet_DELIMITED.Enum()
	} else if message && g.one(3) {
		set.MessageEncoding = descriptorpb.FeatureSet_LENGTH_PREFIXED.Enum()
	}
	if f.GetType() == descriptorpb.FieldDescriptorProto_TYPE_STRING && g.one(3) {
		set.Utf8Validation = descriptorpb.FeatureSet_NONE.Enum()
	}
	if !repeated && !inOneof && f.Extendee == nil {
		e := g.enumNamed(f.GetTypeName())
		switch closed := e != nil && e.closed; {
		case g.one(10):
			set.FieldPresence = descriptorpb.FeatureSet_LEGACY_REQUIRED.Enum()
		case !message && !closed && g.one(3):
			set.FieldPresence = descriptorpb.FeatureSet_IMPLICIT.Enum()
		}
	}
	if proto.Size(set) > 0 {
		f.Options = &descriptorpb.FieldOptions{Features: set}
	}
}

// extension adds the i-th extension, to the file or inside a message.
func (g *fileGen) extension(i int) {
	var extensible []*messageGen
	for _, m := range g.messages {
		if m.extensible {
			extensible = append(extensible, m)
		}
	}
	if len(extensible) == 0 {
		return
	}
	f := &fieldProto{
		Name: proto.String(fmt.Sprintf("ext%d", i)), Number: proto.Int32(10000 + 7*int32(i)),
		Label:    descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		Extendee: proto.String(extensible[g.r.IntN(len(extensible))].name),
	}
	if g.one(3) {
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	}
	g.typed(nil, "", f, i)
	g.features(f, false)
	if g.one(2) {
		scope := g.messages[g.r.IntN(len(g.messages))]
		scope.desc.Extension = append(scope.desc.Extension, f)
		return
	}
	g.file.Extension = append(g.file.Extension, f)
}

// messageByName is the descriptor of a random universe's message.
func randomMessage(r *rand.Rand, u *universe) protoreflect.MessageDescriptor {
	for {
		md := u.messages[r.IntN(len(u.messages))]
		// Well-known types at the top level are worth some runs only.
		if md.ParentFile().Package() == "google.protobuf" && r.IntN(8) != 0 {
			continue
		}
		return md
	}
}
