package jq

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dragoman-gateway/dragoman/internal/near"
)

// failCall is the mistake of calling a function that there is not, or not with so
// many arguments.
func (r *resolver) failCall(at int, name string, arguments int) {
	takes := r.takes(name)
	switch advice, ok := forbidden[name]; {
	case ok:
		r.fail(at, name+" is not available", advice)
	case len(takes) > 0:
		advice := fmt.Sprintf("%s takes %s", name, strings.Join(takes, ", or "))
		if arguments > 0 {
			advice += "; arguments are separated by ;"
		}
		r.fail(at, fmt.Sprintf("there is no function %s with %s", name, plural(arguments)), advice)
	default:
		r.fail(at, fmt.Sprintf("there is no function %q", name), r.otherName(at, name))
	}
}

// otherName is advice for a function that there is not.
func (r *resolver) otherName(at int, name string) string {
	if advice, ok := absent[name]; ok {
		return advice
	}
	// A name with a dash is a difference to jq: .x-total.
	if at > 1 && r.src[at-1] == '-' && isName(r.src[at-2]) {
		return `a name with a dash is written in quotes, as in .["x-name"]`
	}
	var known []string
	for _, sig := range slices.Concat(r.functions, builtins().names) {
		name, _, _ := strings.Cut(sig, "/")
		known = append(known, name)
	}
	return meant(name, known)
}

// takes tells the numbers of arguments that functions of this name have.
func (r *resolver) takes(name string) (takes []string) {
	for n := range 8 {
		if sig := signature(name, n); slices.Contains(r.functions, sig) || builtins().defined[sig] {
			takes = append(takes, plural(n))
		}
	}
	return takes
}

func plural(arguments int) string {
	switch arguments {
	case 0:
		return "no argument"
	case 1:
		return "1 argument"
	default:
		return fmt.Sprintf("%d arguments", arguments)
	}
}

// meant asks whether one of the known names was meant.
func meant(name string, known []string) string {
	if near := near.Name(name, known, max(1, len(name)/3)); near != "" {
		return fmt.Sprintf("did you mean %s?", near)
	}
	return ""
}
