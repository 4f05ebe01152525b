package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// Compile resolves one rule of a method with the given messages, whose tables c
// has. The error holds everything that is wrong with the rule, each naming the
// field and the message type; which rule it is, the caller knows.
func Compile(c *codec.Codec, input, output protoreflect.MessageDescriptor, b *httprule.Binding, o Options) (*Plan, error) {
	p := &Plan{
		input:      c.Message(input.FullName()),
		descriptor: input,
		options:    o,
		base:       tree{{oneof: -1}},
		parse: codec.Parse{
			IgnoreUnknown: o.UnknownFields != Reject,
			Record:        o.UnknownFields == Report,
			FoldEnums:     o.FoldEnums,
			BoundWins:     o.PathWins,
		},
	}
	if p.input == nil {
		return nil, fmt.Errorf("the schema has no message %s", input.FullName())
	}
	cc := &compiler{plan: p}
	cc.reserve()
	cc.path(b)
	cc.body(b.Body)
	cc.patchMask(b)
	cc.forms(c, output, b.ResponseBody)
	if len(cc.problems) > 0 {
		return nil, errors.Join(cc.problems...)
	}
	return p, nil
}

type compiler struct {
	plan     *Plan
	problems []error
}

func (c *compiler) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf(format, args...))
}

// path resolves the variables of the template.
func (c *compiler) path(b *httprule.Binding) {
	var watched [][]*codec.Field
	for i := range b.Template.Variables {
		v := &b.Template.Variables[i]
		if chain := c.chain(v); chain != nil {
			last := len(chain) - 1
			c.plan.variables = append(c.plan.variables, variable{
				name: strings.Join(v.Path, "."), parents: chain[:last:last], field: chain[last], slashes: b.Escapes.Slashes(v.Multi),
			})
			watched = append(watched, chain)
		}
	}
	if len(watched) > 0 && len(c.problems) == 0 {
		c.plan.watch = codec.NewWatch(c.plan.input, watched)
	}
}

// chain resolves one variable to the fields that lead to its value, nil after a
// problem. Variables are spelled with the names of the .proto file.
func (c *compiler) chain(v *httprule.Variable) []*codec.Field {
	name := strings.Join(v.Path, ".")
	message, descriptor, at := c.plan.input, c.plan.descriptor, int32(0)
	var chain []*codec.Field
	for i, part := range v.Path {
		field, fd := lookUp(message, descriptor, part)
		if field == nil {
			c.problem("path variable %q: %s", name, missing(descriptor, part))
			return nil
		}
		last := i == len(v.Path)-1
		if last && (field.Map() || field.Repeated() || !field.BindableText()) {
			c.problem("path variable %q: field %q of %s is %s; a path variable must be a scalar, an enum or a message whose JSON form is a scalar",
				name, part, descriptor.FullName(), sortOf(fd))
			return nil
		}
		if !last {
			if why := closed(field); why != "" {
				c.problem("path variable %q: field %q of %s is %s, and has no fields of its own to bind",
					name, part, descriptor.FullName(), why)
				return nil
			}
		}
		child, clash := c.plan.base.enter(at, field)
		if clash != 0 {
			c.problem("path variable %q: field %q of %s and %q are members of one oneof; only one can be set",
				name, part, descriptor.FullName(), c.plan.base[clash].field.Name())
			return nil
		}
		if last {
			c.plan.base[child].origin = fromPath
		}
		chain = append(chain, field)
		message, descriptor, at = field.Message(), fd.Message(), child
	}
	return chain
}

func (c *compiler) body(name string) {
	switch name {
	case "":
		return
	case "*":
		c.plan.mode = wholeBody
		c.plan.rawBody = c.httpBody(`body "*"`, c.plan.descriptor, nil)
		c.fileData()
		return
	}
	c.plan.mode = fieldBody
	md := c.plan.descriptor
	field, fd := lookUp(c.plan.input, md, name)
	if field == nil {
		c.problem("body %q: %s", name, missing(md, name))
		return
	}
	c.plan.body = field
	child, clash := c.plan.base.enter(0, field)
	switch {
	case clash != 0:
		c.problem("body %q: field %q of %s and %q, which the path binds, are members of one oneof; only one can be set",
			name, name, md.FullName(), c.plan.base[clash].field.Name())
	case c.plan.base[child].origin == fromPath:
		c.problem("body %q: field %q of %s is bound by the path already", name, name, md.FullName())
	default:
		c.plan.base[child].origin = fromBody
		c.plan.bodyNode = child
		c.plan.rawBody = c.httpBody(fmt.Sprintf("body %q", name), md, fd)
		c.fileData()
	}
}

// fileData refuses a path that binds the data of a google.api.HttpBody which is the
// body: both would be the same field.
func (c *compiler) fileData() {
	p := c.plan
	if p.rawBody == nil {
		return
	}
	var chain []*codec.Field
	if p.body != nil {
		chain = append(chain, p.body)
	}
	for i := range p.variables {
		if v := &p.variables[i]; v.field.Number() == dataNumber && slices.Equal(v.parents, chain) {
			c.problem("path variable %q: the body is the data of this %s already", v.name, httpBodyName)
		}
	}
}

// httpBody is [newHTTPBody] for a body that a problem calls so.
func (c *compiler) httpBody(what string, md protoreflect.MessageDescriptor, fd protoreflect.FieldDescriptor) *httpBody {
	if c.plan.options.JSONFiles {
		return nil
	}
	h, err := newHTTPBody(md, fd)
	if err != nil {
		c.problem("%s: %w", what, err)
	}
	return h
}

// forms finds the tables of answers, and how their bodies travel.
func (c *compiler) forms(base *codec.Codec, output protoreflect.MessageDescriptor, body string) {
	p := c.plan
	if p.options.Output != nil {
		base = p.options.Output
	}
	var err error
	if p.usual, err = newForm(base, output, body); err == nil && p.options.Numbers != nil {
		p.numbers, err = newForm(p.options.Numbers, output, body)
	}
	if err != nil {
		c.problems = append(c.problems, err)
		return
	}
	what, fd := "answer", protoreflect.FieldDescriptor(nil)
	if body != "" {
		what = fmt.Sprintf("response_body %q", body)
		fd = output.Fields().ByName(protoreflect.Name(body))
	}
	p.rawAnswer = c.httpBody(what, output, fd)
}

// lookUp finds a field by its name in the .proto file. The codec finds JSON
// names too, which may belong to another field.
func lookUp(m *codec.Message, md protoreflect.MessageDescriptor, name string) (*codec.Field, protoreflect.FieldDescriptor) {
	fd := md.Fields().ByName(protoreflect.Name(name))
	if fd == nil {
		return nil, nil
	}
	for _, spelling := range [...]string{name, fd.JSONName()} {
		if f := m.FieldByName([]byte(spelling)); f != nil && f.Number() == fd.Number() {
			return f, fd
		}
	}
	return nil, nil
}

func missing(md protoreflect.MessageDescriptor, name string) string {
	text := fmt.Sprintf("%s has no field %q", md.FullName(), name)
	if fd := md.Fields().ByJSONName(name); fd != nil {
		return text + fmt.Sprintf("; write %q, its name in the .proto file", fd.Name())
	}
	if near := nearest(md, name); near != "" {
		text += fmt.Sprintf("; did you mean %q?", md.Fields().ByJSONName(near).Name())
	}
	return text
}

// sortOf says what sort of field fd is, for an error.
func sortOf(fd protoreflect.FieldDescriptor) string {
	switch {
	case fd.IsMap():
		return "a map"
	case fd.IsList():
		return "repeated"
	case fd.Message() != nil:
		return "of type " + string(fd.Message().FullName())
	}
	return "of kind " + fd.Kind().String()
}
