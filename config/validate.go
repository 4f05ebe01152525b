package config

import (
	"errors"
	"fmt"
	"slices"
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
		if p, targets := f.violation(violation); !known.explains(targets) {
			report = append(report, p)
		}
	}
	return report
}

// explains reports whether a violation of the fields at targets may follow from
// a problem that the report has: one with such a field, a part of it or what it
// is a part of, or a misspelling of it.
func (r Report) explains(targets []string) bool {
	for _, p := range r {
		at := p.Path
		if p.meant != "" {
			at = p.meant
		}
		for _, t := range targets {
			if at == t || isWithin(at, t) || isWithin(t, at) {
				return true
			}
		}
	}
	return false
}

// about reports whether the report has a problem with the field at path.
func (r Report) about(path string) bool {
	return slices.ContainsFunc(r, func(p Problem) bool { return p.Path == path })
}

// isWithin reports whether the field at path is a part of the one at parent.
func isWithin(path, parent string) bool {
	rest, ok := strings.CutPrefix(path, parent)
	return ok && (parent == "" || strings.HasPrefix(rest, ".") || strings.HasPrefix(rest, "["))
}

// violation is the problem, and the fields that it is about.
func (f *File) violation(v *protovalidate.Violation) (Problem, []string) {
	path := protovalidate.FieldPathString(v.Proto.GetField())
	if isOneof(v) {
		// A oneof's own name is not something that the operator writes.
		path = parentPath(path)
		names := f.members(v)
		targets := make([]string, len(names))
		for i, name := range names {
			targets[i] = fieldPath(path, name)
		}
		return f.Problem(path, "wants %s", choice(names)), targets
	}
	message, advice := strings.TrimPrefix(v.Proto.GetMessage(), "value "), ""
	id := v.Proto.GetRuleId()
	switch id {
	case "string.in":
		message, advice = oneOf(v)
	case "repeated.unique":
		message = "must not have one value twice"
	}
	switch value := f.shown(path, v); {
	case id == "required":
	case id == "string.min_len" && value == `""`:
		message, advice = "is empty", "remove it, or write a value"
	case value == `""`:
		message = "is empty or missing, " + message
	case value != "":
		message = value + " " + message
	}
	p := f.Problem(path, "%s", message)
	p.Advice = advice
	return p, []string{path}
}

// oneOf says which words a field may have, and which one is meant. The empty word
// of an option that is not set is not for the operator.
func oneOf(v *protovalidate.Violation) (message, advice string) {
	list := v.RuleValue.List()
	var words []string
	for i := range list.Len() {
		if word := list.Get(i).String(); word != "" {
			words = append(words, word)
		}
	}
	if meant := nearestName(v.FieldValue.String(), words); meant != "" {
		advice = fmt.Sprintf("did you mean %q?", meant)
	}
	return "must be " + choice(words), advice
}

// shown is the offending value as the operator wrote it; empty for what is not
// one value, and for the values of maps, which may be secrets.
func (f *File) shown(path string, v *protovalidate.Violation) string {
	if strings.HasSuffix(path, `"]`) {
		return ""
	}
	if text := f.places[path].text; text != "" {
		return fmt.Sprintf("%q", text)
	}
	if !v.FieldValue.IsValid() {
		return ""
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

// isOneof reports whether v is about a oneof, whose path element has a name and
// no number.
func isOneof(v *protovalidate.Violation) bool {
	elements := v.Proto.GetField().GetElements()
	return len(elements) > 0 && elements[len(elements)-1].GetFieldNumber() == 0
}

// members are the names of the fields of the oneof that v is about.
func (f *File) members(v *protovalidate.Violation) []string {
	elements := v.Proto.GetField().GetElements()
	last := len(elements) - 1
	md := f.Message.ProtoReflect().Descriptor()
	for _, e := range elements[:last] {
		md = md.Fields().ByNumber(protoreflect.FieldNumber(e.GetFieldNumber())).Message()
	}
	fields := md.Oneofs().ByName(protoreflect.Name(elements[last].GetFieldName())).Fields()
	names := make([]string, fields.Len())
	for i := range names {
		names[i] = string(fields.Get(i).Name())
	}
	return names
}

// choice is a list in words: a, b or c.
func choice(names []string) string {
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
