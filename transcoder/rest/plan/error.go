package plan

import (
	"errors"
	"fmt"

	"github.com/dragoman-gateway/dragoman/transcoder/codec"
)

// Place is the part of a request that an [Error] is about.
type Place uint8

// The places. InMessage is a mistake of path, query and body together: a
// required field that none of them sets.
const (
	InPath Place = iota + 1
	InQuery
	InBody
	InMessage
	// InType is the media type of a file in a form, which is not allowed.
	InType
)

// Error is what is wrong with a request. Its text is safe to show to the client.
type Error struct {
	Place Place
	// Field is the field as the client wrote it: the name of a path variable or
	// of a query parameter, the JSON path in the body. It is empty if no field is
	// to blame.
	Field string
	// Description says what is wrong with the field, Message all of it, with the
	// place and, for JSON, line, column and byte offset.
	Description, Message string
}

func (e *Error) Error() string { return e.Message }

// errorf makes an error whose description is its message.
func errorf(place Place, field, format string, args ...any) *Error {
	text := fmt.Sprintf(format, args...)
	return &Error{Place: place, Field: field, Description: text, Message: text}
}

// fromCodec completes an error of the codec. name is the path variable or query
// parameter whose value it is about.
func fromCodec(place Place, name string, err error) error {
	var own *Error
	if errors.As(err, &own) {
		return own
	}
	var ce *codec.Error
	if !errors.As(err, &ce) {
		return errorf(place, name, "%v", err)
	}
	e := &Error{Place: place, Field: ce.Path, Description: ce.Message}
	switch place {
	case InPath:
		e.Field = name
		e.Message = fmt.Sprintf("path variable %q: %s", name, ce.Message)
	case InQuery:
		e.Field = name
		e.Message = fmt.Sprintf("query parameter %q: %s", name, ce.Message)
	case InBody:
		e.Message = "body: " + ce.Error()
		if name != "" { // of a form
			e.Field = name
			e.Message = fmt.Sprintf("form parameter %q: %s", name, ce.Message)
		}
	default:
		e.Message = ce.Error()
	}
	return e
}
