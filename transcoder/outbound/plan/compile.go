package plan

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// rule is one rule of a method, resolved.
type rule struct {
	input *codec.Message
	// method is the HTTP method, index the rule's place in [Options.Bindings].
	method string
	index  int
	pieces []piece
	mode   bodyMode
	// field is the field of `body: "field"`.
	field *codec.Field
	// raw is where the message has the google.api.HttpBody that is the body; nil for
	// a body that is JSON.
	raw *httpBody
	// rest is what a body "*" has of the message, nil for all of it.
	rest *codec.Mask
	// left is what goes into the query, nil if nothing does.
	left *codec.Mask
}

type bodyMode uint8

const (
	noBody bodyMode = iota
	wholeBody
	fieldBody
)

// compiler resolves one rule.
type compiler struct {
	input    *codec.Message
	problems []error
	// bound are the fields that the path has, then that of the body.
	bound [][]*codec.Field
}

func (c *compiler) problem(format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf(format, args...))
}

// whole is the rule of a method without rules.
func whole(input *codec.Message, fullMethod string) rule {
	return rule{
		input: input, method: "POST", index: -1, pieces: []piece{{text: fullMethod}},
		mode: wholeBody, raw: newHTTPBody(input),
	}
}

// rule resolves the binding with this index; name is what errors call it.
func (c *compiler) rule(b *httprule.Binding, index int, name string) rule {
	out := rule{input: c.input, method: method(b), index: index}
	c.path(&out, b.Template, name)
	switch b.Body {
	case "":
	case "*":
		out.mode = wholeBody
		// A well-known type cannot leave out a part of its form.
		if out.raw = newHTTPBody(c.input); out.raw == nil && len(c.bound) > 0 && c.input.Plain() {
			out.rest = c.input.Without(c.bound)
		}
		return out
	default:
		out.mode = fieldBody
		if out.field = c.lookUp(c.input, b.Body, fmt.Sprintf("body %q", b.Body)); out.field == nil {
			return out
		}
		if !out.field.Repeated() && !out.field.Map() {
			out.raw = newHTTPBody(out.field.Message(), out.field)
		}
		c.bound = append(c.bound, []*codec.Field{out.field})
	}
	if len(c.problems) == 0 {
		out.left = c.input.Without(c.bound)
		c.leftovers(c.input, nil, map[*codec.Message]bool{})
	}
	return out
}

// method is the HTTP method of a request; a rule that takes any has the usual one for
// its body.
func method(b *httprule.Binding) string {
	switch {
	case b.Method != "*":
		return b.Method
	case b.Body == "":
		return "GET"
	}
	return "POST"
}

// path makes the pieces of a template.
func (c *compiler) path(out *rule, t *httprule.Template, name string) {
	var text []byte
	variables := t.Variables
	for i := 0; i < len(t.Segments); i++ {
		if len(variables) > 0 && variables[0].Start == i {
			if len(text) > 0 {
				out.pieces = append(out.pieces, piece{text: string(text)})
				text = text[:0]
			}
			if v := c.variable(t, &variables[0], name); v != nil {
				out.pieces = append(out.pieces, piece{variable: v})
			}
			i = variables[0].End - 1
			variables = variables[1:]
			continue
		}
		if t.Segments[i].Kind != httprule.Literal {
			c.problem("a wildcard stands for no field, so nothing says what a request has there; name the field, as in {name=*}")
			continue
		}
		text = httprule.AppendLiteral(append(text, '/'), t.Segments[i].Literal)
	}
	if len(t.Segments) == 0 {
		text = append(text, '/')
	}
	if t.Verb != "" {
		text = httprule.AppendLiteral(append(text, ':'), t.Verb)
	}
	if len(text) > 0 {
		out.pieces = append(out.pieces, piece{text: string(text)})
	}
}

// variable resolves one variable, nil after a problem.
func (c *compiler) variable(t *httprule.Template, v *httprule.Variable, rule string) *variable {
	out := &variable{name: v.Name(), rule: rule, multi: v.Multi}
	what := fmt.Sprintf("path variable %q", out.name)
	message := c.input
	var chain []*codec.Field
	for i, part := range v.Path {
		f := c.lookUp(message, part, what)
		if f == nil {
			return nil
		}
		last := i == len(v.Path)-1
		switch {
		case last && (f.Repeated() || !f.BindableText()):
			c.problem("%s: field %q of %s is %s; a path variable must be a scalar, an enum or a message whose JSON form is a scalar",
				what, part, message.FullName(), sortOf(f))
			return nil
		case !last && !hasFields(f):
			c.problem("%s: field %q of %s is %s, and has no fields of its own", what, part, message.FullName(), sortOf(f))
			return nil
		}
		chain = append(chain, f)
		message = f.Message()
	}
	last := len(chain) - 1
	out.parents, out.field = chain[:last:last], chain[last]
	c.bound = append(c.bound, chain)
	for _, s := range t.Segments[v.Start:v.End] {
		value := s.Literal
		if v.Multi {
			// A slash that is not one between segments stays escaped in the value.
			value = strings.ReplaceAll(value, "/", "%2F")
		}
		out.segments = append(out.segments, segment{
			kind: s.Kind, value: value, text: string(httprule.AppendLiteral(nil, s.Literal)),
		})
		out.many = out.many || s.Kind == httprule.Multi
	}
	out.pattern = (&httprule.Template{Segments: t.Segments[v.Start:v.End]}).String()[1:]
	return out
}

// lookUp finds a field by its name in the .proto file, nil after a problem.
func (c *compiler) lookUp(m *codec.Message, name, what string) *codec.Field {
	fields := m.Descriptor().Fields()
	if fd := fields.ByName(protoreflect.Name(name)); fd != nil {
		return m.FieldByNumber(fd.Number())
	}
	hint := ""
	if fd := fields.ByJSONName(name); fd != nil {
		hint = fmt.Sprintf("; write %q, its name in the .proto file", fd.Name())
	}
	c.problem("%s: %s has no field %q%s", what, m.FullName(), name, hint)
	return nil
}

// leftovers finds what of m would have to go into the query and has no form there.
// chain leads to m, and seen has the types that were looked through whole.
func (c *compiler) leftovers(m *codec.Message, chain []*codec.Field, seen map[*codec.Message]bool) {
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := m.FieldByNumber(fields.Get(i).Number())
		here := append(chain[:len(chain):len(chain)], f)
		taken, through := c.takes(here)
		switch {
		case taken:
		case !hasFields(f) && !f.BindableText():
			c.problem("field %q is %s, which has no form in a query; put it into the body",
				fieldPath(here), sortOf(f))
		case !hasFields(f):
		case through:
			c.leftovers(f.Message(), here, seen)
		case !seen[f.Message()]:
			seen[f.Message()] = true
			c.leftovers(f.Message(), here, seen)
		}
	}
}

// hasFields reports whether f is a single message with fields of its own.
func hasFields(f *codec.Field) bool {
	return !f.Map() && !f.Repeated() && f.Message() != nil && f.Message().Plain()
}

// takes reports whether the path or the body has the field that a chain leads to,
// or a field through it.
func (c *compiler) takes(chain []*codec.Field) (taken, through bool) {
	for _, bound := range c.bound {
		n := min(len(bound), len(chain))
		if slices.Equal(bound[:n], chain[:n]) {
			taken = taken || len(bound) <= len(chain)
			through = through || len(bound) > len(chain)
		}
	}
	return taken, through
}

func fieldPath(chain []*codec.Field) string {
	names := make([]string, len(chain))
	for i, f := range chain {
		names[i] = f.Name()
	}
	return strings.Join(names, ".")
}

// sortOf says what sort of field f is, for an error.
func sortOf(f *codec.Field) string {
	switch {
	case f.Map():
		return "a map"
	case f.Repeated() && f.Message() != nil:
		return "a list of " + string(f.Message().FullName())
	case f.Repeated():
		return "repeated"
	case f.Message() != nil:
		return "of type " + string(f.Message().FullName())
	}
	return "a scalar"
}
