package transcoder

import (
	"errors"
	"fmt"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/validate"
)

// Check checks a serialized request message against the rules of its type; nil
// rules are none. The error is the client's: it has a violation for each rule
// that is broken.
func Check(rules *validate.Rules, wire []byte, s *validate.Scratch) *rpc.Error {
	if rules == nil {
		return nil
	}
	violations, err := rules.Check(nil, wire, s)
	if err != nil {
		out := &rpc.Error{Reason: rpc.ValidationFailed, Message: "the request cannot be checked against the rules of its message", Cause: err}
		if errors.Is(err, validate.ErrDepth) {
			out.Message += ": " + err.Error()
		}
		return out
	}
	if len(violations) == 0 {
		return nil
	}
	out := &rpc.Error{Reason: rpc.ValidationFailed, Violations: make([]rpc.Violation, len(violations))}
	for i, v := range violations {
		out.Violations[i] = rpc.Violation{Field: v.Field, Description: v.Message, Rule: v.Rule}
	}
	first := &violations[0]
	if out.Message = first.Message; first.Field != "" {
		out.Message = first.Field + ": " + first.Message
	}
	if len(violations) > 1 {
		out.Message += fmt.Sprintf(" (and %d more)", len(violations)-1)
	}
	return out
}
