package httprule

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
)

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
	// one of its fields. A rule may also write "*" for the whole.
	ResponseBody string
	// Index is 0 for the rule itself and n for additional_bindings[n-1].
	Index int
	// Escapes is what becomes of %2F in the path variables. [Bindings] leaves it
	// [Standard].
	Escapes Escapes
	// Origin says where the rule came from, for people: annotation, or its place
	// in a configuration. [Bindings] leaves it empty.
	Origin string
}

// From is Origin with the place of an additional binding in it: annotation
// additional_bindings[0].
func (b *Binding) From() string {
	if b.Index == 0 {
		return b.Origin
	}
	return fmt.Sprintf("%s additional_bindings[%d]", b.Origin, b.Index-1)
}

// Escapes is what becomes of an escaped slash in a path variable.
type Escapes uint8

const (
	// Standard decodes %2F in a variable of one segment and keeps it in one of
	// several, as google/api/http.proto says.
	Standard Escapes = iota
	// DecodeSlashes decodes it everywhere, like fully_decode_reserved_expansion.
	DecodeSlashes
	// KeepSlashes decodes it nowhere.
	KeepSlashes
	// RejectSlashes refuses it.
	RejectSlashes
)

// Bindings reads a rule and its additional_bindings, in order. The selector is
// ignored. Whether a body or a variable names a field is not checked here. An
// error joins everything that is wrong, each with its place in the rule
// (additional_bindings[0]: body: ...), and comes together with the bindings
// that are right. A malformed template is a [*ParseError] in it.
func Bindings(rule *annotations.HttpRule) ([]Binding, error) {
	var out []Binding
	var problems []error
	add := func(rule *annotations.HttpRule, index int, place string) {
		b, errs := binding(rule)
		for _, err := range errs {
			problems = append(problems, fmt.Errorf("%s%w", place, err))
		}
		if len(errs) == 0 {
			b.Index = index
			out = append(out, b)
		}
	}
	add(rule, 0, "")
	for i, extra := range rule.GetAdditionalBindings() {
		place := fmt.Sprintf("additional_bindings[%d]: ", i)
		if len(extra.GetAdditionalBindings()) > 0 {
			problems = append(problems, errors.New(place+
				"additional_bindings: want none inside of others; list them all in the rule itself"))
		}
		add(extra, i+1, place)
	}
	return out, errors.Join(problems...)
}

// binding reads one rule without its additional_bindings.
func binding(rule *annotations.HttpRule) (Binding, []error) {
	var problems []error
	method, path, err := pattern(rule)
	if err != nil {
		problems = append(problems, err)
	}
	b := Binding{Method: method, Body: rule.GetBody(), ResponseBody: rule.GetResponseBody()}
	if path != nil {
		if b.Template, err = Parse(*path); err != nil {
			problems = append(problems, err)
		}
	}
	if err := bodyField("body", b.Body); err != nil {
		problems = append(problems, err)
	}
	if err := bodyField("response_body", b.ResponseBody); err != nil {
		problems = append(problems, err)
	}
	if b.ResponseBody == "*" {
		b.ResponseBody = ""
	}
	return b, problems
}

// pattern is the method and the template of a rule; path is nil if it has none.
func pattern(rule *annotations.HttpRule) (method string, path *string, err error) {
	switch p := rule.GetPattern().(type) {
	case *annotations.HttpRule_Get:
		return "GET", &p.Get, nil
	case *annotations.HttpRule_Put:
		return "PUT", &p.Put, nil
	case *annotations.HttpRule_Post:
		return "POST", &p.Post, nil
	case *annotations.HttpRule_Delete:
		return "DELETE", &p.Delete, nil
	case *annotations.HttpRule_Patch:
		return "PATCH", &p.Patch, nil
	case *annotations.HttpRule_Custom:
		kind, path := p.Custom.GetKind(), p.Custom.GetPath()
		if !isToken(kind) {
			err = fmt.Errorf(`custom: kind %q: want an HTTP method, or "*" for any`, kind)
		}
		return kind, &path, err
	}
	return "", nil, errors.New("no pattern: want one of get, put, post, delete, patch and custom")
}

// bodyField checks the form of body and response_body.
func bodyField(option, name string) error {
	p := parser{in: name}
	switch {
	case name == "" || name == "*" || p.name() == name:
		return nil
	case strings.Contains(name, "."):
		return fmt.Errorf("%s: %q: want a field of the message itself, not of a message inside it", option, name)
	}
	return fmt.Errorf(`%s: %q: want "*" or the name of a field`, option, name)
}

// isToken reports whether s is a token of RFC 9110 section 5.6.2, as every
// HTTP method is.
func isToken(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isLetter(c) && !isDigit(c) && strings.IndexByte("!#$%&'*+-.^`|~", c) < 0 {
			return false
		}
	}
	return s != ""
}
