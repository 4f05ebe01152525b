// Package validate checks serialized messages against the buf.validate rules of
// their descriptors.
//
// [Compile] turns the standard rules of a message, and of all messages below it,
// into tables; [Rules.Check] walks the wire bytes along them, so that no message
// object is made. Rules in CEL are the exception: they are left to the programs
// that [Options.CEL] makes, which run only where a message that has such rules
// occurs. So are predefined rules, which are extensions of the standard ones and
// in CEL too.
//
// The referee is protovalidate: the same rules are broken by the same fields, and
// identifiers and messages are its own, in the words of validate.proto. Two things
// differ. Fields are named as in JSON; and a value that is not UTF-8 breaks the rule
// bytes.pattern like any other that does not match, where protovalidate gives up
// on the message.
//
// The package is pure: it knows no connection, no goroutine and no clock but the
// one it is given.
package validate

import (
	"errors"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Options are what [Compile] needs besides descriptors.
type Options struct {
	// MaxDepth bounds the nesting of messages. One that has rules, or rules below
	// it, deeper than that cannot be checked: [ErrDepth]. Zero is 100.
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
	// Field is the path of the field by JSON names: book.tags[2], labels["a"]. It
	// is empty for a rule of the root message. A oneof has the name that it has
	// in the descriptor.
	Field string
	// Rule is the rule's identifier: string.min_len.
	Rule string
	// Message says what the rule wants: must be at least 3 characters. A rule in
	// CEL may have none of its own, and is then quoted.
	Message string
}

// maxViolations is how many are told of one message: the client mends a few, and a
// long list of wrong elements must not become a longer answer.
const maxViolations = 100

// ErrDepth says that a message which has rules nests deeper than [Options.MaxDepth].
// It is not passed over: upstreams take messages of native gRPC that are deeper
// than what is translated.
var ErrDepth = errors.New("it nests deeper than the limit for messages")

// defaultDepth is [Options.MaxDepth] if it is not set.
const defaultDepth = 100

// Rules are the rules of one message type and of all below it, compiled. They
// are immutable and safe for any goroutine.
type Rules struct {
	root     *message
	maxDepth int
	now      func() time.Time
}

// Check appends a violation to dst for each rule that the serialized message
// breaks, at most 100, and allocates nothing if there is none. What is checked is
// what a parser would make of the bytes: of several values of a field the last
// one, of sub-messages in several parts their union.
//
// The error is about bytes that are no message, about their nesting, or about a rule in CEL that has no
// result for this message; what dst has then is of no use.
func (r *Rules) Check(dst []Violation, wire []byte, s *Scratch) ([]Violation, error) {
	s.begin(r, dst, len(wire))
	err := s.message(r.root, wire, r.maxDepth)
	dst = s.violations
	s.end()
	return dst, err
}
