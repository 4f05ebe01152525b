// Package validate checks serialized messages against the buf.validate rules of
// their descriptors.
//
// [Compile] turns the standard rules of a message, and of all messages below it,
// into tables; [Rules.Check] walks the wire bytes along them. Rules in CEL are
// the exception: they are left to the programs that [Options.CEL] makes, which
// run only where a message that has such rules occurs.
//
// The package is pure: it knows no connection, no goroutine and no clock but the
// one it is given.
package validate

import (
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Options are what [Compile] needs besides descriptors.
type Options struct {
	// MaxDepth bounds the nesting of messages; deeper ones are not looked at,
	// since translating them fails.
	MaxDepth int
	// CEL makes the program for the rules in CEL of a message and of its fields;
	// it is not called for messages below it. If it is nil, such rules are an
	// error.
	CEL func(md protoreflect.MessageDescriptor) (Program, error)
	// Now is the clock of rules such as timestamp.lt_now; nil is [time.Now].
	Now func() time.Time
}

// Program checks the rules in CEL of one message type. It is immutable and safe
// for any goroutine.
type Program interface {
	// Check appends the violations of one serialized message. Their fields are
	// relative to it.
	Check(dst []Violation, wire []byte) ([]Violation, error)
}

// Violation is one rule that a message breaks.
type Violation struct {
	// Field is the path of the field by JSON names: book.tags[2], labels["a"].
	// It is empty for a rule of the root message.
	Field string
	// Rule is the rule's identifier: string.min_len.
	Rule string
	// Message says what the rule wants: must be at least 3 characters.
	Message string
}

// Rules are the rules of one message type and of all below it, compiled. They
// are immutable and safe for any goroutine.
type Rules struct{}

// Compile reads the rules of md and of all messages below it. The result is nil
// if there are none.
func Compile(md protoreflect.MessageDescriptor, o Options) (*Rules, error) { return nil, nil }

// Scratch is the memory that checking needs. The zero value is ready, and one
// goroutine at a time may use it.
type Scratch struct{}

// Check appends what is wrong with the serialized message to dst.
func (r *Rules) Check(dst []Violation, wire []byte, s *Scratch) ([]Violation, error) { return dst, nil }
