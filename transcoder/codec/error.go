package codec

import "strconv"

// Kind says what sort of mistake an [Error] reports.
type Kind uint8

const (
	// KindSyntax is text that is not JSON. The error has a position.
	KindSyntax Kind = iota + 1
	// KindType is a JSON value of the wrong type for its field, or text that does
	// not spell a value of the field's type.
	KindType
	// KindUnknownField is a name that the message has no field for.
	KindUnknownField
	// KindRange is a number that the field's type cannot hold.
	KindRange
	// KindEnum is a name that the enum does not have.
	KindEnum
	// KindBase64 is a bytes value that is not base64.
	KindBase64
	// KindUTF8 is a string that is not valid UTF-8, or half a surrogate pair.
	KindUTF8
	// KindDuplicate is a field or map key that is given twice.
	KindDuplicate
	// KindOneof is a second member of a oneof.
	KindOneof
	// KindDepth is nesting deeper than [Scratch.MaxDepth].
	KindDepth
	// KindBound is a value that contradicts what the path has bound.
	KindBound
	// KindRequired is a required field that is missing.
	KindRequired
	// KindUnknownType is a google.protobuf.Any whose type the schema lacks.
	KindUnknownType
	// KindWire is malformed wire data.
	KindWire
	// KindUnprintable is a value that has no JSON form, such as a Timestamp out of
	// range.
	KindUnprintable
	// KindTooLarge is JSON output longer than [Scratch.MaxJSON], a field mask much
	// longer than its body, or the text of a [Mask] beyond its limits.
	KindTooLarge
)

var kindNames = [...]string{
	KindSyntax: "syntax", KindType: "type", KindUnknownField: "unknown field", KindRange: "range", KindEnum: "enum",
	KindBase64: "base64", KindUTF8: "UTF-8", KindDuplicate: "duplicate", KindOneof: "oneof", KindDepth: "depth",
	KindBound: "bound", KindRequired: "required", KindUnknownType: "unknown type", KindWire: "wire",
	KindUnprintable: "unprintable", KindTooLarge: "too large",
}

// String is the kind's name in lower case.
func (k Kind) String() string {
	if int(k) < len(kindNames) && kindNames[k] != "" {
		return kindNames[k]
	}
	return "kind " + strconv.Itoa(int(k))
}

// Error is the one error type of this package.
type Error struct {
	Kind Kind
	// Path is the place in the message: of JSON input as the client wrote it,
	// such as book.tags[2] or labels["k"]; otherwise by JSON names. It is empty
	// at the top level.
	Path string
	// Offset is the place in the input in bytes, from 0. Line and Column count
	// from 1, columns in characters; both are 0 where the input is neither JSON
	// nor the text of a [Mask].
	Offset, Line, Column int
	// Message is complete in itself: it names the value and what was expected
	// instead, but neither the path nor the position.
	Message string
}

// Error is the path, the message and the position, as far as they are known.
func (e *Error) Error() string {
	s := e.Message
	if e.Path != "" {
		s = e.Path + ": " + s
	}
	if e.Line > 0 {
		s += " (line " + strconv.Itoa(e.Line) + ", column " + strconv.Itoa(e.Column) +
			", byte " + strconv.Itoa(e.Offset) + ")"
	}
	return s
}
