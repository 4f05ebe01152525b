package transform

import (
	"encoding/json"
	"math/big"
	"reflect"

	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// content is a body, as bytes or as the value that programs work on. It becomes one
// or the other only where that is asked for.
type content struct {
	// raw is the body as it came; nothing if there is none. It counts unless changed
	// is set.
	raw []byte
	// value is what was decoded, with what want asks for, or what a program gave.
	value            any
	kind             body.Kind
	decoded, changed bool
	// typed and taken are the content type and what the configuration says, from which
	// kind comes.
	typed string
	taken body.As
	// writer is the program that gave the value.
	writer *program
	want   jq.Paths
	limits body.Limits
	// messages says that it is JSON whatever a content type says, curl that it is what
	// curl -d sends as a form without being one.
	messages, curl bool
	// broken is why raw cannot be looked at.
	broken error
}

// get is the value of the body for a program. The error is one of package body.
func (c *content) get(as body.As, contentType string) (any, error) {
	as = c.as(as, contentType)
	if c.changed {
		return c.again(as, contentType)
	}
	if c.broken != nil {
		return nil, c.broken
	}
	if len(c.raw) == 0 {
		return nil, nil
	}
	if c.decoded && as == c.taken && (as != body.Auto || contentType == c.typed) {
		return c.value, nil
	}
	kind, err := body.KindOf(contentType, as, c.raw)
	if err != nil {
		return nil, err
	}
	if c.decoded && kind == c.kind {
		return c.value, nil
	}
	value, err := body.Decode(kind, contentType, c.raw, c.want, c.limits)
	if err != nil {
		return nil, err
	}
	c.value, c.kind, c.decoded, c.typed, c.taken = value, kind, true, contentType, as
	return value, nil
}

// as is what the body is taken for where the configuration leaves it to the content
// type.
func (c *content) as(as body.As, contentType string) body.As {
	if as != body.Auto || !c.messages && !c.curl {
		return as
	}
	if c.messages {
		return body.AsJSON
	}
	if kind, err := body.KindOf(contentType, as, nil); err == nil && kind == body.Form {
		return body.AsJSON
	}
	return as
}

// again is a value that a program gave for one that may want it in another form:
// what it would be sent as is read anew.
func (c *content) again(as body.As, contentType string) (any, error) {
	if as == c.taken || c.value == nil {
		return c.value, nil
	}
	text, typed, err := body.Append(nil, c.kind, c.typed, c.value, c.limits)
	if err != nil {
		return nil, err
	}
	if typed == "" {
		typed = contentType
	}
	kind, err := body.KindOf(typed, as, text)
	if err != nil {
		return nil, err
	}
	value, err := body.Decode(kind, typed, text, jq.Paths{All: true}, c.limits)
	if err != nil {
		return nil, err
	}
	c.value, c.kind, c.typed, c.taken = value, kind, typed, as
	return value, nil
}

// set makes v, which a program gave, the body. One that is what it was stays as it
// came.
func (c *content) set(v any, as body.As, contentType string, by *program) {
	if c.decoded && !c.changed && same(v, c.value) {
		return
	}
	as = c.as(as, contentType)
	if as != body.Auto || as != c.taken || !c.decoded && !c.changed || contentType != c.typed {
		c.kind = body.KindFor(contentType, as, v)
	}
	c.value, c.typed, c.taken, c.changed, c.writer = v, contentType, as, true, by
}

// same reports whether a value is the same one, without looking into it.
func same(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, ok := b.(map[string]any)
		return ok && reflect.ValueOf(a).UnsafePointer() == reflect.ValueOf(b).UnsafePointer()
	case []any:
		b, ok := b.([]any)
		return ok && len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
	case nil, bool, string, int, float64, json.Number, *big.Int:
		switch b.(type) {
		case nil, bool, string, int, float64, json.Number, *big.Int:
			return a == b
		}
	}
	return false
}

// append appends the body as a program has made it, and gives its content type if
// that is another one than it was.
func (c *content) append(dst []byte) (out []byte, contentType string, err error) {
	if !c.changed {
		return append(dst, c.raw...), "", nil
	}
	if c.value == nil {
		return dst, "", nil
	}
	return body.Append(dst, c.kind, c.typed, c.value, c.limits)
}

// contentTypeOf is the content type of a head; empty if it has none.
func contentTypeOf(h map[string][]string) string {
	if values := h["Content-Type"]; len(values) > 0 {
		return values[0]
	}
	return ""
}
