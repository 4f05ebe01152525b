package codec

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Bytes reports whether the field is of type bytes, or a list of them.
func (f *Field) Bytes() bool { return f.shape != shapeMap && f.kind == protoreflect.BytesKind }

// AppendNestedRaw appends f with the content raw, taken as it is, inside the
// singular message fields parents, the outermost first: of a field of type bytes
// that is its value, of a message its serialized form, which is not looked at. A
// repeated field gets one element. On failure it returns dst as it was and an
// *[Error].
func AppendNestedRaw(dst []byte, parents []*Field, f *Field, raw []byte, s *Scratch) ([]byte, error) {
	if !f.Bytes() && (f.shape == shapeMap || f.sub == nil) {
		return dst, &Error{Kind: KindType, Message: fmt.Sprintf("%s is neither bytes nor a message", f.jsonName)}
	}
	out, err := openParents(dst, parents, s)
	if err != nil {
		return dst, err
	}
	start := len(out)
	out = append(out, f.tag...)
	if f.kind == protoreflect.GroupKind {
		out = append(append(out, raw...), f.end...)
	} else {
		out = append(protowire.AppendVarint(out, uint64(len(raw))), raw...)
	}
	return closeParents(out, start, parents), nil
}
