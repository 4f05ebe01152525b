package config

import (
	"errors"
	"fmt"
	"strings"
	"sync"

	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/reflect/protoreflect"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// validator compiles the schema's rules when they are first needed. The rules
// are part of the program, so an error is a mistake in it.
var validator = sync.OnceValues(func() (protovalidate.Validator, error) {
	return protovalidate.New(protovalidate.WithMessages(&configpb.Config{}))
})

// validate reports the violations of the schema's rules, but for those of fields
// that known already has a problem with.
func (f *File) validate(known Report) Report {
	v, err := validator()
	if err != nil {
		panic(fmt.Sprintf("config: rules of the schema: %v", err))
	}
	err = v.Validate(f.Message)
	var invalid *protovalidate.ValidationError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &invalid):
		return Report{f.Problem("", "%v", err)}
	}
	var report Report
	for _, violation := range invalid.Violations {
		p := f.violation(violation)
		if !follows(p.Path, known) {
			report = append(report, p)
		}
	}
	return report
}

// follows reports whether a violation at path may be due to one of the problems
// in known: one with the field itself or with a part of it, or a mistyped name
// beside it, for which the field was not set.
func follows(path string, known Report) bool {
	for _, k := range known {
		if k.Path == path || isWithin(k.Path, path) {
			return true
		}
		if k.Message == unknownField && parentPath(k.Path) == parentPath(path) {
			return true
		}
	}
	return false
}

// isWithin reports whether the field at path is a part of the one at parent.
func isWithin(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && (parent == "" || strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "["))
}

func (f *File) violation(v *protovalidate.Violation) Problem {
	path := protovalidate.FieldPathString(v.Proto.GetField())
	message := strings.TrimPrefix(v.Proto.GetMessage(), "value ")
	if oneof := f.oneof(v); oneof != nil {
		// A oneof's own name is not something that the operator writes.
		return f.Problem(parentPath(path), "one of %s must be given", memberNames(oneof))
	}
	switch value := f.shown(path, v); {
	case value == `""`:
		message = "is empty or missing: " + message
	case value != "":
		message = value + " " + message
	}
	return f.Problem(path, "%s", message)
}

// shown is the offending value as the operator wrote it; empty for what is not
// one scalar, and for the values of maps, which may be secrets.
func (f *File) shown(path string, v *protovalidate.Violation) string {
	if v.FieldDescriptor == nil || v.FieldDescriptor.IsMap() || strings.HasSuffix(path, `"]`) || !v.FieldValue.IsValid() {
		return ""
	}
	if v.Proto.GetRuleId() == "required" {
		return ""
	}
	if at, ok := f.places[path]; ok && at.text != "" {
		return fmt.Sprintf("%q", at.text)
	}
	switch value := v.FieldValue.Interface().(type) {
	case string:
		return fmt.Sprintf("%q", value)
	case protoreflect.Message, protoreflect.List, protoreflect.Map:
		return ""
	default:
		return fmt.Sprint(value)
	}
}

// oneof is the oneof that v is about, nil if it is about a field.
func (f *File) oneof(v *protovalidate.Violation) protoreflect.OneofDescriptor {
	elements := v.Proto.GetField().GetElements()
	if len(elements) == 0 || elements[len(elements)-1].GetFieldNumber() != 0 {
		return nil
	}
	md := f.Message.ProtoReflect().Descriptor()
	for _, e := range elements[:len(elements)-1] {
		field := md.Fields().ByNumber(protoreflect.FieldNumber(e.GetFieldNumber()))
		if field == nil || field.Message() == nil {
			return nil
		}
		md = field.Message()
	}
	return md.Oneofs().ByName(protoreflect.Name(elements[len(elements)-1].GetFieldName()))
}

func memberNames(oneof protoreflect.OneofDescriptor) string {
	names := make([]string, oneof.Fields().Len())
	for i := range names {
		names[i] = string(oneof.Fields().Get(i).Name())
	}
	return strings.Join(names, ", ")
}
