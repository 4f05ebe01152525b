package httprule

import "google.golang.org/genproto/googleapis/api/annotations"

// Binding is one way to call a method over HTTP: a rule or one of its
// additional_bindings.
type Binding struct {
	// Method is the HTTP method in upper case, a custom kind as it is given,
	// or "*" for any.
	Method   string
	Template *Template
	// Body is "" for none, "*" for the whole request message, or the proto
	// name of one of its fields.
	Body string
	// ResponseBody is "" for the whole response message, or the proto name of
	// one of its fields.
	ResponseBody string
	// Index is 0 for the rule itself and n for additional_bindings[n-1].
	Index int
}

// Bindings reads a rule and its additional_bindings, in order. The selector is
// ignored. An error joins everything that is wrong, and comes together with
// the bindings that are right.
func Bindings(rule *annotations.HttpRule) ([]Binding, error) {
	return nil, nil
}
