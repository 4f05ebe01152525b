package validate

import (
	"fmt"

	pv "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// ruleTypes knows the options that hold rules and nothing else: other options,
// however broken, do not stand in their way, and rules that a file of its own
// defines stay bytes.
var ruleTypes = func() *protoregistry.Types {
	types := new(protoregistry.Types)
	for _, x := range []protoreflect.ExtensionType{pv.E_Message, pv.E_Oneof, pv.E_Field} {
		if err := types.RegisterExtension(x); err != nil {
			panic(err)
		}
	}
	return types
}()

// readOption writes the options of d into own, which is empty, and gives the
// extension x of them; it is the zero value if there is none. The option may be an
// unknown field, a value of a dynamic type or what this program links: on the wire
// they are all the same.
func readOption[T proto.Message](d protoreflect.Descriptor, own proto.Message, x protoreflect.ExtensionType) (T, error) {
	var none T
	opts := d.Options()
	if opts == nil || !opts.ProtoReflect().IsValid() {
		return none, nil
	}
	raw, err := proto.MarshalOptions{AllowPartial: true}.Marshal(opts)
	if err != nil || len(raw) == 0 {
		return none, err
	}
	if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: ruleTypes}).Unmarshal(raw, own); err != nil {
		return none, fmt.Errorf("rules cannot be read: %w", err)
	}
	if !proto.HasExtension(own, x) {
		return none, nil
	}
	rules, _ := proto.GetExtension(own, x).(T)
	return rules, nil
}

func messageRules(md protoreflect.MessageDescriptor) (*pv.MessageRules, error) {
	return readOption[*pv.MessageRules](md, new(descriptorpb.MessageOptions), pv.E_Message)
}

func oneofRules(od protoreflect.OneofDescriptor) (*pv.OneofRules, error) {
	return readOption[*pv.OneofRules](od, new(descriptorpb.OneofOptions), pv.E_Oneof)
}

func fieldRules(fd protoreflect.FieldDescriptor) (*pv.FieldRules, error) {
	return readOption[*pv.FieldRules](fd, new(descriptorpb.FieldOptions), pv.E_Field)
}

// theType is the oneof of FieldRules that holds the rules of one type.
var theType = (*pv.FieldRules)(nil).ProtoReflect().Descriptor().Oneofs().ByName("type")

// typed are the rules of one type in r, string or repeated, with their name; nil
// if there are none.
func typed(r *pv.FieldRules) (protoreflect.Message, string) {
	if r == nil {
		return nil, ""
	}
	fd := r.ProtoReflect().WhichOneof(theType)
	if fd == nil {
		return nil, ""
	}
	return r.ProtoReflect().Get(fd).Message(), string(fd.Name())
}

// wantsCEL reports whether r has rules in CEL, for the field itself or for its
// items, keys and values, and which.
func wantsCEL(r *pv.FieldRules) (rule string, wants bool) {
	if r == nil || r.GetIgnore() == pv.Ignore_IGNORE_ALWAYS {
		return "", false
	}
	switch {
	case len(r.GetCel()) > 0:
		return "cel " + fmt.Sprintf("%q", r.GetCel()[0].GetId()), true
	case len(r.GetCelExpression()) > 0:
		return "cel_expression " + fmt.Sprintf("%q", r.GetCelExpression()[0]), true
	}
	if rules, name := typed(r); rules != nil && len(rules.GetUnknown()) > 0 {
		return "a rule of " + name + " that buf/validate/validate.proto does not have", true
	}
	for _, below := range []*pv.FieldRules{r.GetRepeated().GetItems(), r.GetMap().GetKeys(), r.GetMap().GetValues()} {
		if rule, wants := wantsCEL(below); wants {
			return rule, true
		}
	}
	return "", false
}

// NeedsCEL reports whether a field has rules that only a [Program] can check. A
// field whose rules cannot be read has none.
func NeedsCEL(fd protoreflect.FieldDescriptor) bool {
	rules, err := fieldRules(fd)
	if err != nil {
		return false
	}
	_, needs := wantsCEL(rules)
	return needs
}
