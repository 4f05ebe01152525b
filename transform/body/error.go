package body

import (
	"fmt"
	"strconv"
)

// SyntaxError is why a body is not what it is read as.
type SyntaxError struct {
	// Offset is the place in the body in bytes, from 0; negative if unknown.
	Offset int
	// Message is complete but for the place.
	Message string
}

func (e *SyntaxError) Error() string {
	if e.Offset < 0 {
		return e.Message
	}
	return e.Message + " at byte " + strconv.Itoa(e.Offset)
}

// The names of limits in a [LimitError].
const (
	LimitBytes  = "bytes"
	LimitDepth  = "depth"
	LimitMemory = "memory"
	LimitParts  = "parts"
)

// LimitError is a body beyond one of [Limits].
type LimitError struct {
	// Limit is the name of the limit, one of the constants.
	Limit string
	// Max is the limit.
	Max int
	// Offset is the place in a body that is read at which it was met.
	Offset int
}

func (e *LimitError) Error() string {
	switch e.Limit {
	case LimitDepth:
		return fmt.Sprintf("the body nests deeper than the limit of %d", e.Max)
	case LimitMemory:
		return fmt.Sprintf("the values of the body take more memory than the limit of %d bytes", e.Max)
	case LimitParts:
		return fmt.Sprintf("the body has more parts than the limit of %d", e.Max)
	default:
		return fmt.Sprintf("the body is longer than the limit of %d bytes", e.Max)
	}
}

// ValueError is a value that cannot be written as the body that it is to be.
type ValueError struct{ Message string }

func (e *ValueError) Error() string { return e.Message }

// KindError is a body that cannot be read without being told how.
type KindError struct {
	// ContentType is that of the body; empty if it has none.
	ContentType string
}

func (e *KindError) Error() string {
	const advice = "cannot be read: say body_as: JSON, TEXT or BYTES"
	if e.ContentType == "" {
		return "a body that has no content type and does not begin as JSON " + advice
	}
	return fmt.Sprintf("a body of the content type %q %s", e.ContentType, advice)
}
