package gateway

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// checkBodyFields warns of what the request programs of a route, and of its
// upstream, read of bodies that no method of the route can have. Programs of a
// listener are for other routes too.
func (c *compiler) checkBodyFields(rt *config.Route, exposure *exposure) {
	bodies := bodiesOf(exposure)
	for _, list := range [][]*config.Transform{rt.Transform, rt.Transcode.Upstream.Transform} {
		for _, t := range list {
			program := c.gateway.programs.specs[t].Request
			if program == nil || t.BodyAs == "TEXT" || t.BodyAs == "BYTES" {
				continue
			}
			body := program.Needs().Input.At("body")
			if !body.Any() {
				continue
			}
			for _, path := range strangers(body, bodies) {
				c.warn(t.Request, "reads body.%s, and no request of route %q has such a field", path, rt.Name)
			}
		}
	}
}

func (c *compiler) warn(text *config.ProgramText, format string, args ...any) {
	w := c.gateway.programs.at(text, 0, 0, fmt.Sprintf(format, args...))
	if !slices.Contains(c.warnings, w) {
		c.warnings = append(c.warnings, w)
	}
}

// bodiesOf are the messages that requests of a route have in their bodies, nil for
// one of which nothing is known.
func bodiesOf(exposure *exposure) []protoreflect.MessageDescriptor {
	var bodies []protoreflect.MessageDescriptor
	files := false
	add := func(md protoreflect.MessageDescriptor) {
		if md != nil && md.FullName() == "google.api.HttpBody" {
			// Programs for JSON are not about files.
			files = true
		} else if !slices.Contains(bodies, md) {
			bodies = append(bodies, md)
		}
	}
	for _, m := range exposure.methods {
		input := m.method.Input()
		// A native gRPC call is shown as its message.
		add(input)
		for _, b := range m.bindings {
			switch fd := field(input, b.Body); {
			case b.Body == "" || b.Body == "*":
			case fd == nil || fd.Message() == nil || fd.IsList() || fd.IsMap():
				add(nil)
			default:
				add(fd.Message())
			}
		}
	}
	if files && len(bodies) == 0 {
		return []protoreflect.MessageDescriptor{nil}
	}
	return bodies
}

// field is the field with a name of either sort; nil if there is none.
func field(md protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	if fd := md.Fields().ByName(protoreflect.Name(name)); fd != nil {
		return fd
	}
	return md.Fields().ByJSONName(name)
}

// strangers are the members in paths, as far down as they are, that none of the
// messages has, sorted.
func strangers(paths jq.Paths, messages []protoreflect.MessageDescriptor) []string {
	if paths.All || slices.ContainsFunc(messages, free) {
		return nil
	}
	var out []string
	for name, below := range paths.Keys {
		var next []protoreflect.MessageDescriptor
		found := false
		for _, md := range messages {
			fd := field(md, name)
			if fd == nil {
				continue
			}
			found = true
			if fd.IsMap() || fd.Message() == nil {
				next = append(next, nil)
				continue
			}
			next = append(next, fd.Message())
		}
		if !found {
			out = append(out, name)
			continue
		}
		if below.Elements != nil {
			below = *below.Elements
		}
		for _, path := range strangers(below, next) {
			out = append(out, name+"."+path)
		}
	}
	slices.Sort(out)
	return out
}

// free reports whether the JSON of a message may have any members. That of an Empty
// has none.
func free(md protoreflect.MessageDescriptor) bool {
	if md == nil {
		return true
	}
	switch name := md.FullName(); name {
	case "google.protobuf.Empty":
		return false
	case "google.api.HttpBody":
		return true
	default:
		return strings.HasPrefix(string(name), "google.protobuf.")
	}
}
