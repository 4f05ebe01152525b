package httprule

import "fmt"

// ParseError says where and why a template is not one.
type ParseError struct {
	Template string
	// Offset is in bytes; len(Template) is its end.
	Offset int
	// Message says what was expected, and what was found.
	Message string
}

func (e *ParseError) Error() string {
	return fmt.Sprintf("template %q, offset %d: %s", e.Template, e.Offset, e.Message)
}

// Parse reads a path template. Every error is a [*ParseError].
func Parse(s string) (*Template, error) {
	return nil, &ParseError{Template: s, Message: "not a template"}
}

// String is the template in canonical form: it parses to an equal one.
func (t *Template) String() string { return "/" }
