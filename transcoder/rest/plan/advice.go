package plan

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/internal/near"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// longestQuoted bounds how much of a client's text an error repeats.
const longestQuoted = 200

// badParameter is the error of one parameter of the query, or of a form.
func (s *Scratch) badParameter(name []byte, why string) error {
	shown := clip(name)
	return &Error{
		Place: s.place, Field: shown, Description: why,
		Message: fmt.Sprintf("%s parameter %q: %s", s.source(), shown, why),
	}
}

// source is where the parameters at hand are from, for an error.
func (s *Scratch) source() string {
	if s.place == InBody {
		return "form"
	}
	return "query"
}

// clash is the error of a parameter that sets a second member of a oneof; the
// first one is node other.
func (p *Plan) clash(name []byte, other int32, s *Scratch) error {
	first := s.tree[other].field
	return s.badParameter(name, fmt.Sprintf("only one field of a oneof can be set, and %q is set by %s",
		first.JSONName(), s.tree.setter(other)))
}

// unknownParameter is the error of a parameter whose part missing names no field
// of the message that s.chain leads to, nil if that is no mistake.
func (p *Plan) unknownParameter(name, missing []byte, s *Scratch) error {
	if p.unknown(s) != Reject {
		return nil
	}
	message, prefix := p.descriptor, ""
	for i, f := range s.chain {
		message = message.Fields().ByNumber(f.Number()).Message()
		if i > 0 || f != p.body { // a form names what is inside the body's field
			prefix += f.JSONName() + "."
		}
	}
	why := fmt.Sprintf("%s has no field %q", message.FullName(), clip(missing))
	if near := nearest(message, string(missing)); near != "" {
		why += fmt.Sprintf("; did you mean %q?", prefix+near)
	}
	return s.badParameter(name, why)
}

// advice names a field of a message that a parameter could set instead of the
// message itself, as in: book.title.
func (p *Plan) advice(name []byte, f *codec.Field) string {
	if f.Repeated() || ownJSON(string(f.Message().FullName())) {
		return ""
	}
	return "; set its fields one by one, as in " + clip(name) + ".field=value"
}

// nearest is the JSON name of the field whose name is most like the one that was
// given, "" if none is much like it.
func nearest(m protoreflect.MessageDescriptor, name string) string {
	if len(name) > 64 {
		return ""
	}
	best, least := "", 1+max(1, len(name)/3)
	for i := range m.Fields().Len() {
		f := m.Fields().Get(i)
		for _, spelling := range [...]string{f.JSONName(), string(f.Name())} {
			if d := near.Distance(name, spelling); d < least {
				best, least = f.JSONName(), d
			}
		}
	}
	return best
}

// clip makes text fit to be repeated in an error.
func clip(text []byte) string {
	end := ""
	if len(text) > longestQuoted {
		text, end = text[:longestQuoted], "…"
	}
	return strings.ToValidUTF8(string(text), "\uFFFD") + end
}
