package transcoder

import (
	"fmt"
	"strings"
)

// OriginNative is the Origin of a route for native gRPC.
const OriginNative = "native"

// RuleError is what is wrong with one HTTP rule of an endpoint, or with an option
// that is about its messages. Protocols give it
// to the caller of Routes, which knows where the rule was written.
type RuleError struct {
	// RPC is the full name of the method.
	RPC string
	// Origin is that of the rule, as it would be in its [Route], or that of a
	// [Response].
	Origin string
	// Method and Path are the rule's own; a [Response] has neither.
	Method, Path string
	// Option, if set, is the option of the route that is wrong rather than a rule,
	// as in stream.id_field.
	Option string
	Err    error
}

// Error names the rule by everything that is set: RPC: ORIGIN METHOD PATH: ERR.
func (e *RuleError) Error() string {
	rule := strings.Join(strings.Fields(e.Origin+" "+e.Method+" "+e.Path), " ")
	if rule != "" {
		rule += ": "
	}
	return fmt.Sprintf("%s: %s%v", e.RPC, rule, e.Err)
}

// Unwrap gives what is wrong; it may be several errors, joined.
func (e *RuleError) Unwrap() error { return e.Err }
