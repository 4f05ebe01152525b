package plan

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// Value is one field of a message that is read from the message's wire form. It
// is immutable and safe for any goroutine.
type Value struct {
	parents []*codec.Field
	field   *codec.Field
}

// NewValue finds the field that a path of proto names, result.http_status, leads
// to in messages of this type. It must have a form as text, as path variables
// do, or be an integer or enum if number is set.
func NewValue(c *codec.Codec, md protoreflect.MessageDescriptor, path string, number bool) (*Value, error) {
	message := c.Message(md.FullName())
	if message == nil {
		return nil, fmt.Errorf("the schema has no message %s", md.FullName())
	}
	v := &Value{}
	parts := strings.Split(path, ".")
	for i, part := range parts {
		field, fd := lookUp(message, md, part)
		if field == nil {
			return nil, fmt.Errorf("%s", missing(md, part))
		}
		if i < len(parts)-1 {
			if why := closed(field); why != "" {
				return nil, fmt.Errorf("field %q of %s is %s, and has no fields of its own", part, md.FullName(), why)
			}
			v.parents = append(v.parents, field)
			message, md = field.Message(), fd.Message()
			continue
		}
		switch {
		case number && !field.Integer():
			return nil, fmt.Errorf("field %q of %s is %s; it must be an integer or an enum", part, md.FullName(), sortOf(fd))
		case field.Map() || field.Repeated() || !field.BindableText():
			return nil, fmt.Errorf("field %q of %s is %s; it must be a scalar, an enum or a message whose JSON form is a scalar",
				part, md.FullName(), sortOf(fd))
		}
		v.field = field
	}
	return v, nil
}

// AppendText appends the field's value in a serialized message as text. ok is
// false if there is none. The error is a *[codec.Error].
func (v *Value) AppendText(dst, wire []byte, s *Scratch) (out []byte, ok bool, err error) {
	return codec.AppendValueText(dst, v.parents, v.field, wire, &s.codec)
}

// Number is the value of an integer or enum, 0 if there is none. The error is a
// *[codec.Error].
func (v *Value) Number(wire []byte, s *Scratch) (int64, error) {
	n, _, err := codec.FieldNumberValue(v.parents, v.field, wire, &s.codec)
	return n, err
}
