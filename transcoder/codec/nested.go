package codec

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Single values inside parents, and the two sorts of values that a query may
// have beside scalars: entries of maps, and the types that stand for JSON.

// AppendNested appends f with a value given as text, as [Field.AppendText]
// does, inside the singular message fields parents, the outermost first.
func AppendNested(dst []byte, parents []*Field, f *Field, text []byte, s *Scratch) ([]byte, error) {
	out, err := openParents(dst, parents, s)
	if err != nil {
		return dst, err
	}
	start := len(out)
	if out, err = f.AppendText(out, text, s); err != nil {
		return dst, err
	}
	return closeParents(out, start, parents), nil
}

// AppendNestedEntry is [Field.AppendEntry] inside the singular message fields
// parents, the outermost first.
func AppendNestedEntry(dst []byte, parents []*Field, f *Field, key, text []byte, s *Scratch) ([]byte, error) {
	out, err := openParents(dst, parents, s)
	if err != nil {
		return dst, err
	}
	start := len(out)
	if out, err = f.AppendEntry(out, key, text, s); err != nil {
		return dst, err
	}
	return closeParents(out, start, parents), nil
}

// AppendNestedJSON is [Field.AppendJSONText] inside the singular message fields
// parents, the outermost first.
func AppendNestedJSON(dst []byte, parents []*Field, f *Field, json []byte, s *Scratch) ([]byte, error) {
	out, err := openParents(dst, parents, s)
	if err != nil {
		return dst, err
	}
	start := len(out)
	if out, err = f.appendJSONText(out, json, s, len(parents)); err != nil {
		return dst, err
	}
	return closeParents(out, start, parents), nil
}

// openParents appends the tags of the parents, with a byte for each length.
func openParents(dst []byte, parents []*Field, s *Scratch) ([]byte, error) {
	if len(parents)+1 > s.maxDepth() {
		return dst, &Error{Kind: KindDepth, Message: fmt.Sprintf("messages nest deeper than the limit of %d", s.maxDepth())}
	}
	out := dst
	for _, parent := range parents {
		if parent.sub == nil || parent.shape != shapeOne {
			return dst, notSingle(parent)
		}
		out = append(out, parent.tag...)
		if parent.kind != protoreflect.GroupKind {
			out = append(out, 0)
		}
	}
	return out, nil
}

func notSingle(parent *Field) error {
	return &Error{Kind: KindType, Message: fmt.Sprintf("%s is not a single message", parent.jsonName)}
}

// closeParents ends the parents whose content begins at start, from the
// innermost out: end tags go to the end, and lengths that need more than the
// byte that was kept move what follows.
func closeParents(out []byte, start int, parents []*Field) []byte {
	for i := len(parents) - 1; i >= 0; i-- {
		parent := parents[i]
		if parent.kind == protoreflect.GroupKind {
			out = append(out, parent.end...)
			start -= len(parent.tag)
			continue
		}
		out = closeLength(out, start)
		start -= 1 + len(parent.tag)
	}
	return out
}

// closeLength writes the length of what was appended from start on into the
// byte before it, moving it if the length needs more.
func closeLength(out []byte, start int) []byte {
	n := len(out) - start
	extra := protowire.SizeVarint(uint64(n)) - 1
	for range extra {
		out = append(out, 0)
	}
	copy(out[start+extra:], out[start:start+n])
	protowire.AppendVarint(out[:start-1], uint64(n))
	return out
}

// MapText reports whether [Field.AppendEntry] can serve the field: it is a map
// whose values are as [Field.BindableText] says.
func (f *Field) MapText() bool { return f.shape == shapeMap && f.mapValue.BindableText() }

// AppendEntry appends one entry of a map, key and value given as text in the
// grammar of [Field.AppendText]: serialized, with f's tag, even if both are
// zero. Of entries with the same key the last one counts; to refuse a second
// one is left to the caller. On failure it returns dst as it was and an *[Error]
// without a path, whose message says so if it is about the key.
func (f *Field) AppendEntry(dst, key, text []byte, s *Scratch) ([]byte, error) {
	if !f.MapText() {
		return dst, &Error{Kind: KindType, Message: fmt.Sprintf("%s is no map whose values have a form as text", f.jsonName)}
	}
	if s.maxDepth() < 2 { // an entry is a message
		return dst, &Error{Kind: KindDepth, Message: fmt.Sprintf("messages nest deeper than the limit of %d", s.maxDepth())}
	}
	out := append(append(dst, f.tag...), 0)
	start := len(out)
	out, err := f.mapKey.appendText(out, key, false)
	if err != nil {
		if e, ok := err.(*Error); ok {
			e.Message = "the key " + e.Message
		}
		return dst, err
	}
	if out, err = f.mapValue.appendText(out, text, s.Parse.FoldEnums); err != nil {
		return dst, err
	}
	return closeLength(out, start), nil
}

// JSONText reports whether [Field.AppendJSONText] can serve the field: it is a
// google.protobuf.Struct, Value or ListValue, or a list of them.
func (f *Field) JSONText() bool {
	if f.shape == shapeMap || f.sub == nil {
		return false
	}
	switch f.sub.form {
	case formStruct, formValue, formListValue:
		return true
	}
	return false
}

// AppendJSONText appends the field with a value that is given as JSON text,
// where other values are given as plain text: serialized, tag included. A
// repeated field gets one element. A Struct takes an object and a ListValue an
// array; a Value takes any JSON, and so a string only in quotes. On failure it
// returns dst as it was and an *[Error] whose path begins below the field.
func (f *Field) AppendJSONText(dst, json []byte, s *Scratch) ([]byte, error) {
	return f.appendJSONText(dst, json, s, 0)
}

func (f *Field) appendJSONText(dst, json []byte, s *Scratch, parents int) ([]byte, error) {
	if !f.JSONText() {
		return dst, &Error{Kind: KindType, Message: fmt.Sprintf("%s is no google.protobuf.Struct, Value or ListValue", f.jsonName)}
	}
	p := s.another(dst, json)
	p.depth -= 1 + parents
	i := p.space(0)
	if i == len(json) {
		i = p.syntax(i, "a value")
	} else {
		i = p.value(f, i, nil)
	}
	out, err := p.end(dst, i, s)
	if e, ok := err.(*Error); ok && e != nil && e.Kind == KindSyntax {
		e.Message = fmt.Sprintf("%q is not JSON: %s", clip(json), e.Message)
		if f.sub.form == formValue {
			e.Message += ` (a string is given in quotes)`
		}
	}
	return out, err
}
