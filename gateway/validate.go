package gateway

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/transcoder/validate"
)

// CEL compiles the rules in CEL of one message type; see [validate.Options].
type CEL = func(protoreflect.MessageDescriptor) (validate.Program, error)

// checkedInput is a message type with the depth to which it is checked.
type checkedInput struct {
	name  protoreflect.FullName
	depth int
}

// compiledRules are the rules of a message type, or why they cannot be.
type compiledRules struct {
	rules *validate.Rules
	err   error
}

// validate is the rules that requests of a method must follow; nil if there are
// none or the route does not check them. They are compiled once for each upstream
// and type of message.
func (c *compiler) validate(rt *config.Route, o *config.Options, up *upstreamState, md protoreflect.MethodDescriptor) (*validate.Rules, error) {
	if !o.Validate {
		return nil, nil
	}
	key := checkedInput{md.Input().FullName(), rt.Transcode.MaxDepth}
	known, ok := up.rules[key]
	if !ok {
		if up.cel == nil && c.gateway.options.CEL != nil {
			up.cel = c.gateway.options.CEL()
		}
		known.rules, known.err = validate.Compile(md.Input(), validate.Options{MaxDepth: key.depth, CEL: up.cel})
		if up.rules == nil {
			up.rules = make(map[checkedInput]compiledRules)
		}
		up.rules[key] = known
	}
	var errs []error
	for _, err := range unjoin(known.err) {
		errs = append(errs, fmt.Errorf("%s: %w", md.FullName(), err))
	}
	return known.rules, errors.Join(errs...)
}
