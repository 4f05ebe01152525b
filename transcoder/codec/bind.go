package codec

import (
	"encoding/binary"
	"fmt"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Values given as text, in a path or a query. The grammar is that of JSON
// without the quotes, and stricter where a URL invites doubt: there is one
// spelling of true, and no number has a plus sign, a fraction or an exponent
// if its type has none. A field mask may also spell its paths as the .proto
// file does.

// BindableText reports whether [Field.AppendText] can serve the field: its
// value, or its element's, is a scalar, an enum or a well-known type whose
// JSON form is a scalar.
func (f *Field) BindableText() bool {
	if f.shape == shapeMap {
		return false
	}
	if f.sub == nil {
		return true
	}
	switch f.sub.form {
	case formTimestamp, formDuration, formFieldMask, formWrapper:
		return true
	}
	return false
}

// AppendText appends the field with one value given as text, as a path or a
// query has it: serialized, tag included, even if it is zero. A repeated field
// gets one element. Of [Scratch.Parse], FoldEnums applies. On failure it
// returns dst as it was and an *[Error] without a path, since only the caller
// knows what the client called the field.
func (f *Field) AppendText(dst, text []byte, s *Scratch) ([]byte, error) {
	if !f.BindableText() {
		return dst, &Error{Kind: KindType, Message: fmt.Sprintf("%s has no form as text", f.jsonName)}
	}
	out, err := f.appendText(dst, text, s.Parse.FoldEnums)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// appendText appends f, which is bindable, always with its tag. fold is
// [Parse].FoldEnums.
func (f *Field) appendText(dst, s []byte, fold bool) ([]byte, error) {
	dst = protowire.AppendTag(dst, f.number, f.wire)
	switch f.kind {
	case protoreflect.StringKind:
		if !utf8.Valid(s) {
			return dst, textError(KindUTF8, s, "is not valid UTF-8")
		}
		dst = appendVarint(dst, uint64(len(s)))
		return append(dst, s...), nil
	case protoreflect.BytesKind, protoreflect.MessageKind, protoreflect.GroupKind:
		group := f.kind == protoreflect.GroupKind
		if !group {
			dst = append(dst, 0)
		}
		start := len(dst)
		dst, err := f.appendContent(dst, s)
		if err != nil {
			return dst, err
		}
		if group {
			return append(dst, f.end...), nil
		}
		return closeLength(dst, start), nil
	}
	v, err := f.textNumber(s, fold)
	switch f.wire {
	case protowire.Fixed32Type:
		dst = binary.LittleEndian.AppendUint32(dst, uint32(v))
	case protowire.Fixed64Type:
		dst = binary.LittleEndian.AppendUint64(dst, v)
	default:
		dst = appendVarint(dst, v)
	}
	return dst, err
}

// appendContent appends what follows the length of a bytes field or a message.
func (f *Field) appendContent(dst, s []byte) ([]byte, error) {
	if f.kind == protoreflect.BytesKind {
		out, err := decodeBase64(dst, s)
		if err != nil {
			return dst, textError(KindBase64, s, "is not base64")
		}
		return out, nil
	}
	if f.sub.form == formWrapper {
		value := f.sub.field(1)
		start := len(dst)
		dst, err := value.appendText(dst, s, false) // no enum
		if err == nil && (value.wire == protowire.BytesType && len(dst) == start+2 ||
			value.wire != protowire.BytesType && isZero(value, dst[start:])) {
			dst = dst[:start] // a zero in a wrapper is not written
		}
		return dst, err
	}
	out, verdict := appendStringForm(dst, f.sub.form, s, true)
	switch verdict {
	case textBad:
		return dst, textError(KindType, s, "is not "+textForms[f.sub.form])
	case textRange:
		return dst, textError(KindRange, s, "is out of the range of a "+string(f.sub.name))
	}
	return out, nil
}

var textForms = map[form]string{
	formTimestamp: "a time such as 2006-01-02T15:04:05.5Z",
	formDuration:  "a duration in seconds such as 1.5s",
	formFieldMask: "a list of field paths such as title,author.givenName",
}

// textNumber is the value on the wire of a number, bool or enum.
func (f *Field) textNumber(s []byte, fold bool) (v uint64, err error) {
	switch f.kind {
	case protoreflect.BoolKind:
		switch string(s) {
		case "true":
			return 1, nil
		case "false":
			return 0, nil
		}
		return 0, textError(KindType, s, "is not a bool, expected true or false")
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		if v, ok := namedFloat(f.kind, s); ok {
			return v, nil
		}
		d, n := scanNumber(s)
		if n == 0 || n != len(s) {
			return 0, textError(KindType, s, "is not a number, expected digits, NaN, Infinity or -Infinity")
		}
		v, ok := encodeFloat(f.kind, s, d)
		if !ok {
			return 0, textError(KindRange, s, "is out of the range of a "+f.kind.String())
		}
		return v, nil
	case protoreflect.EnumKind:
		if n, ok := f.enum.byName[string(s)]; ok {
			return uint64(int64(n)), nil
		}
		if fold {
			if n, ok := f.enum.foldedNumber(s); ok {
				return uint64(int64(n)), nil
			}
		}
	}
	d, n := scanNumber(s)
	if n == 0 || n != len(s) || !d.whole {
		if f.enum != nil {
			known := make([]string, 0, len(f.enum.byName))
			for name := range f.enum.byName {
				known = append(known, name)
			}
			return 0, textError(KindEnum, s, "is no value of the enum "+string(f.enum.name)+suggest(string(s), known))
		}
		return 0, textError(KindType, s, "is not an integer")
	}
	magnitude, _, fits := integer(s, d)
	v, ok := encodeInteger(f.kind, d.negative, magnitude)
	if !ok || !fits {
		return 0, textError(KindRange, s, "is out of the range of "+f.kind.String())
	}
	return v, nil
}

func textError(kind Kind, s []byte, what string) error {
	return &Error{Kind: kind, Message: fmt.Sprintf("%q %s", clip(s), what)}
}
