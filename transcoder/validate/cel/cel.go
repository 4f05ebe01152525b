// Package cel checks the rules in CEL of messages, those that the tables of
// package validate cannot hold: cel and cel_expression of messages and fields, and
// predefined rules, which are extensions of the standard ones.
//
// It is protovalidate over messages that are made for the purpose, held to the one
// message type that a program is for: the standard rules of the message, and
// everything about messages below it, is the tables' business.
package cel

import (
	"errors"
	"fmt"
	"sync"

	pv "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/dragoman-gateway/dragoman/transcoder/validate"
)

// New makes a compiler for the messages of one schema, a [validate.Options.CEL].
// What all its programs share is made when the first one is. It is safe for any
// goroutine.
func New() func(protoreflect.MessageDescriptor) (validate.Program, error) {
	c := &compiler{types: new(protoregistry.Types), seen: make(map[string]bool)}
	return c.program
}

type compiler struct {
	mu        sync.Mutex
	validator protovalidate.Validator
	// types are the extensions that the files seen so far, and their imports,
	// define: predefined rules among them.
	types *protoregistry.Types
	seen  map[string]bool
}

// program compiles the rules in CEL of one message type. The error joins all
// problems.
func (c *compiler) program(md protoreflect.MessageDescriptor) (validate.Program, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.extensions(md.ParentFile()); err != nil {
		return nil, err
	}
	if c.validator == nil {
		var err error
		if c.validator, err = protovalidate.New(protovalidate.WithExtensionTypeResolver(c.types)); err != nil {
			return nil, err
		}
	}
	p := &program{md: md, validator: c.validator, types: c.types, fields: make(map[protoreflect.FieldNumber]bool)}
	// Rules are compiled when a message is checked first, one part after the other:
	// an empty message shows what is wrong with each.
	problems := []error{p.compiles(&filter{})}
	fields := md.Fields()
	for i := range fields.Len() {
		if fd := fields.Get(i); validate.NeedsCEL(fd) {
			p.fields[fd.Number()] = true
			if err := p.compiles(&filter{asked: true, fields: map[protoreflect.FieldNumber]bool{fd.Number(): true}}); err != nil {
				problems = append(problems, fmt.Errorf("field %q: %w", fd.Name(), err))
			}
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	return p, nil
}

// extensions notes what a file and its imports define.
func (c *compiler) extensions(file protoreflect.FileDescriptor) error {
	if c.seen[file.Path()] {
		return nil
	}
	c.seen[file.Path()] = true
	if err := c.define(file.Extensions(), file.Messages()); err != nil {
		return err
	}
	for i := range file.Imports().Len() {
		if err := c.extensions(file.Imports().Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) define(extensions protoreflect.ExtensionDescriptors, messages protoreflect.MessageDescriptors) error {
	for i := range extensions.Len() {
		if err := c.types.RegisterExtension(dynamicpb.NewExtensionType(extensions.Get(i))); err != nil {
			return err
		}
	}
	for i := range messages.Len() {
		if err := c.define(messages.Get(i).Extensions(), messages.Get(i).Messages()); err != nil {
			return err
		}
	}
	return nil
}

// program has the rules in CEL of one message type.
type program struct {
	md        protoreflect.MessageDescriptor
	validator protovalidate.Validator
	types     *protoregistry.Types
	// fields are those with rules in CEL.
	fields map[protoreflect.FieldNumber]bool
}

var _ validate.Program = (*program)(nil)

// compiles reports what is wrong with the rules that f lets through.
func (p *program) compiles(f *filter) error {
	empty := dynamicpb.NewMessage(p.md)
	f.root = empty
	err := p.validator.Validate(empty, protovalidate.WithFilter(f))
	var broken *protovalidate.CompilationError
	if errors.As(err, &broken) {
		return broken
	}
	// The empty message may break rules: that is another matter.
	return nil
}

// Check implements [validate.Program].
func (p *program) Check(dst []validate.Violation, wire []byte) ([]validate.Violation, error) {
	m := dynamicpb.NewMessage(p.md)
	if err := p.parse(m, wire); err != nil {
		return dst, err
	}
	err := p.validator.Validate(m, protovalidate.WithFilter(&filter{root: m, fields: p.fields}))
	var broken *protovalidate.ValidationError
	switch {
	case err == nil:
		return dst, nil
	case !errors.As(err, &broken):
		return dst, err
	}
	for _, v := range broken.Violations {
		if inCEL(v.Proto) {
			dst = append(dst, validate.Violation{Field: p.path(v.Proto.GetField()), Rule: v.Proto.GetRuleId(), Message: v.Proto.GetMessage()})
		}
	}
	return dst, nil
}

// parse reads a serialized message. Dynamic messages panic for some bytes: for a
// key of a map that comes twice, and with another type the second time.
func (p *program) parse(m *dynamicpb.Message, wire []byte) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("the message cannot be read: %v", r)
		}
	}()
	return proto.UnmarshalOptions{AllowPartial: true, Resolver: p.types}.Unmarshal(wire, m)
}

// inCEL reports whether a broken rule is one that the tables do not have.
func inCEL(v *pv.Violation) bool {
	elements := v.GetRule().GetElements()
	if len(elements) == 0 {
		return true // of the message itself
	}
	name := elements[len(elements)-1].GetFieldName()
	return name == "cel" || name == "cel_expression" || name[0] == '['
}

// path writes the path of a field by its JSON name.
func (p *program) path(path *pv.FieldPath) string {
	elements := path.GetElements()
	if len(elements) == 0 {
		return ""
	}
	named := proto.CloneOf(path)
	if fd := p.md.Fields().ByNumber(protoreflect.FieldNumber(elements[0].GetFieldNumber())); fd != nil {
		named.GetElements()[0].SetFieldName(fd.JSONName())
	}
	return protovalidate.FieldPathString(named)
}

// filter lets the rules of one message through that may be in CEL.
type filter struct {
	root   proto.Message
	fields map[protoreflect.FieldNumber]bool
	// asked says that the message's rules in CEL have been asked for. They are
	// first; the same question later is about its rules message.oneof.
	asked bool
}

// ShouldValidate implements [protovalidate.Filter].
func (f *filter) ShouldValidate(m protoreflect.Message, d protoreflect.Descriptor) bool {
	if m.Interface() != f.root {
		return false
	}
	switch d := d.(type) {
	case protoreflect.MessageDescriptor:
		first := !f.asked
		f.asked = true
		return first
	case protoreflect.FieldDescriptor:
		return f.fields[d.Number()]
	default:
		return false
	}
}
