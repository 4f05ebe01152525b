package plan

import (
	"bytes"
	"fmt"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// Paths. A template is a list of pieces: text that is there already, and variables.
// Each begins with a slash, so the path is all of them in a row.

// piece is a part of a path: a variable, or if that is nil, text.
type piece struct {
	text     string
	variable *variable
}

// variable is a path variable resolved to its field.
type variable struct {
	// name is its field path, book.name, pattern the segments as they are written,
	// shelves/*, and rule the whole rule.
	name, pattern, rule string
	parents             []*codec.Field
	field               *codec.Field
	segments            []segment
	// multi is set if a value may have several segments: then its slashes separate
	// them.
	multi bool
	// many is set if one of the segments is **.
	many bool
}

// segment is one segment of a variable's pattern.
type segment struct {
	kind httprule.SegmentKind
	// value is what a literal is in a value, text what it is in a path.
	value, text string
}

// obstacle is why a rule does not take a message: a variable, nil if it does take it,
// and what is wrong with its value.
type obstacle struct {
	variable *variable
	why      string
}

// What may be wrong with a value.
const (
	isEmpty     = "is empty"
	doesNotFit  = "does not fit the pattern"
	hasDots     = `has a segment "." or "..", which would lead to another path`
	beginsEmpty = "begins with a slash, which would lead to another host"
)

// path makes r's path, if the rule takes the message.
func (c *rule) path(r *Request, message []byte, limit int) (obstacle, error) {
	r.Path = r.Path[:0]
	for i := range c.pieces {
		v := c.pieces[i].variable
		if v == nil {
			r.Path = append(r.Path, c.pieces[i].text...)
			continue
		}
		ok, err := v.read(r, message)
		switch {
		case err != nil:
			return obstacle{}, err
		case !ok || len(r.text) == 0:
			return obstacle{v, isEmpty}, nil
		case len(r.text) > limit:
			return obstacle{}, tooLong(v, limit)
		}
		var why string
		if r.Path, why = v.appendPath(r.Path, r.text); why != "" {
			return obstacle{v, why}, nil
		}
		if len(r.Path) > limit {
			return obstacle{}, tooLong(v, limit)
		}
		// Readers of URLs take what follows two slashes for a host.
		if len(r.Path) > 1 && r.Path[1] == '/' {
			return obstacle{v, beginsEmpty}, nil
		}
	}
	return obstacle{}, nil
}

// read makes r.text the value of v, ok unless the field is absent.
func (v *variable) read(r *Request, message []byte) (ok bool, err error) {
	r.text, ok, err = codec.AppendURLText(r.text[:0], v.parents, v.field, message, &r.codec)
	if err != nil {
		return false, fromCodec(rpc.InvalidPath, "path", err)
	}
	return ok, nil
}

// appendPath appends the segments of a value, which is not empty. why says what is
// wrong with it, "" if nothing is.
func (v *variable) appendPath(dst, value []byte) (out []byte, why string) {
	if !v.multi {
		return v.segments[0].append(dst, value, &why), why
	}
	// How many segments ** takes.
	many := bytes.Count(value, slash) + 1 - len(v.segments)
	if v.many {
		many++
	}
	if many < 0 || many > 0 && !v.many {
		return dst, doesNotFit
	}
	for i := range v.segments {
		n := 1
		if v.segments[i].kind == httprule.Multi {
			n = many
		}
		for range n {
			var head []byte
			head, value, _ = bytes.Cut(value, slash)
			dst = v.segments[i].append(dst, head, &why)
		}
	}
	return dst, why
}

var slash = []byte{'/'}

// append appends a segment of a value, with a slash before it. If it may not be one,
// it sets why.
func (s *segment) append(dst, value []byte, why *string) []byte {
	dst = append(dst, '/')
	switch {
	case s.kind == httprule.Literal:
		if string(value) != s.value {
			*why = doesNotFit
		}
		return append(dst, s.text...)
	case s.kind == httprule.Single && len(value) == 0:
		*why = doesNotFit
	case dotted(value):
		// Escaped or not: that makes no difference to who resolves them, and some
		// unescape slashes before they do.
		*why = hasDots
	}
	return httprule.AppendValue(dst, value)
}

// dotted reports whether a value has a part between slashes that leads elsewhere.
func dotted(value []byte) bool {
	for more := true; more; {
		var part []byte
		part, value, more = bytes.Cut(value, slash)
		if string(part) == "." || string(part) == ".." {
			return true
		}
	}
	return false
}

// failure is the error for a message that no rule takes; o is the obstacle of the
// first.
func (o obstacle) failure(r *Request, message []byte) error {
	v := o.variable
	if o.why == isEmpty {
		return invalid(rpc.InvalidPath, v.name, "is empty, and has to be part of a path",
			fmt.Sprintf("field %q is empty, and %s has it in its path", v.name, v.rule))
	}
	if _, err := v.read(r, message); err != nil {
		return err
	}
	value := r.text
	if len(value) > maxShown {
		value = append(value[:maxShown:maxShown], "…"...)
	}
	why := o.why
	if why == doesNotFit {
		why += fmt.Sprintf(" %q", v.pattern)
	}
	return invalid(rpc.InvalidPath, v.name, fmt.Sprintf("%q %s", value, why),
		fmt.Sprintf("field %q: %q %s of %s", v.name, value, why, v.rule))
}

// maxShown is how many bytes of a value an error shows.
const maxShown = 100

func tooLong(v *variable, limit int) error {
	return invalid(rpc.RequestTooLarge, v.name, fmt.Sprintf("makes a path of more than %d bytes", limit),
		fmt.Sprintf("field %q makes a path of more than %d bytes in %s", v.name, limit, v.rule))
}
