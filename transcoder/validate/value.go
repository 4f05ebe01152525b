package validate

import (
	pv "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// place is where rules are, for errors.
type place struct {
	*compiler
	md    protoreflect.MessageDescriptor
	field string
}

// in is the place of rules for items, keys or values.
func (p place) in(part string) place {
	p.field += "." + part
	return p
}

func (p place) problem(format string, args ...any) {
	p.compiler.problem(p.md, "field %q: "+format, append([]any{p.field}, args...)...)
}

// expect gives the rules of one type, which must have this name; nil if there are
// none or others, which is a problem.
func (p place) expect(rules *pv.FieldRules, name string) protoreflect.Message {
	own, got := typed(rules)
	if own == nil {
		return nil
	}
	if got == name {
		return own
	}
	if name == "" {
		p.problem("rule %s: the field's type has no rules of its own but required and cel", got)
	} else {
		p.problem("rule %s: it is for fields of another type, and the rules of this one are %s", got, name)
	}
	return nil
}

// kindNames are the names of rules by the kind of the field.
var kindNames = map[protoreflect.Kind]string{
	protoreflect.FloatKind: "float", protoreflect.DoubleKind: "double",
	protoreflect.Int32Kind: "int32", protoreflect.Int64Kind: "int64",
	protoreflect.Uint32Kind: "uint32", protoreflect.Uint64Kind: "uint64",
	protoreflect.Sint32Kind: "sint32", protoreflect.Sint64Kind: "sint64",
	protoreflect.Fixed32Kind: "fixed32", protoreflect.Fixed64Kind: "fixed64",
	protoreflect.Sfixed32Kind: "sfixed32", protoreflect.Sfixed64Kind: "sfixed64",
	protoreflect.BoolKind: "bool", protoreflect.EnumKind: "enum",
	protoreflect.StringKind: "string", protoreflect.BytesKind: "bytes",
}

// wellKnown are the message types with rules of their own.
var wellKnown = map[protoreflect.FullName]struct {
	rules string
	class class
	// inner is the kind of a wrapper's value.
	inner protoreflect.Kind
}{
	"google.protobuf.Any":       {rules: "any", class: typeURL},
	"google.protobuf.Duration":  {rules: "duration", class: duration},
	"google.protobuf.FieldMask": {rules: "field_mask", class: mask},
	"google.protobuf.Timestamp": {rules: "timestamp", class: instant},

	"google.protobuf.BoolValue":   {"bool", wrapped, protoreflect.BoolKind},
	"google.protobuf.BytesValue":  {"bytes", wrapped, protoreflect.BytesKind},
	"google.protobuf.DoubleValue": {"double", wrapped, protoreflect.DoubleKind},
	"google.protobuf.FloatValue":  {"float", wrapped, protoreflect.FloatKind},
	"google.protobuf.Int32Value":  {"int32", wrapped, protoreflect.Int32Kind},
	"google.protobuf.Int64Value":  {"int64", wrapped, protoreflect.Int64Kind},
	"google.protobuf.StringValue": {"string", wrapped, protoreflect.StringKind},
	"google.protobuf.UInt32Value": {"uint32", wrapped, protoreflect.Uint32Kind},
	"google.protobuf.UInt64Value": {"uint64", wrapped, protoreflect.Uint64Kind},
}

// value compiles the rules of one value; nested ones are those of items, keys and
// values.
func (p place) value(fd protoreflect.FieldDescriptor, rules *pv.FieldRules, nested bool) value {
	v := value{kind: fd.Kind()}
	if ignoredBelow(rules) {
		rules = nil
	}
	v.skipZero = nested && rules.GetIgnore() == pv.Ignore_IGNORE_IF_ZERO_VALUE
	if !isMessage(fd) {
		name := kindNames[v.kind]
		if v.kind == protoreflect.StringKind || v.kind == protoreflect.BytesKind {
			v.class = text
		}
		v.checks = p.checks(p.expect(rules, name), name, fd)
		return v
	}
	if v.skipZero {
		v.md = fd.Message()
	}
	known := wellKnown[fd.Message().FullName()]
	own := p.expect(rules, known.rules)
	v.class = object
	if own == nil {
		return v
	}
	v.inner = known.inner
	if v.checks = p.checks(own, known.rules, fd); len(v.checks) > 0 {
		v.class = known.class
	}
	return v
}

// checks compiles rules of the type with this name.
func (p place) checks(rules protoreflect.Message, name string, fd protoreflect.FieldDescriptor) []check {
	if rules == nil {
		return nil
	}
	switch own := rules.Interface().(type) {
	case *pv.StringRules:
		return p.stringChecks(own)
	case *pv.BytesRules:
		return p.bytesChecks(own)
	case *pv.TimestampRules:
		return timestampChecks(own)
	case *pv.FieldMaskRules:
		return maskChecks(own)
	case *pv.AnyRules:
		return anyChecks(own)
	case *pv.EnumRules:
		checks := p.numberChecks(rules, name)
		if own.GetDefinedOnly() {
			checks = append(checks, definedOnly(fd.Enum()))
		}
		return checks
	default:
		return p.numberChecks(rules, name)
	}
}
