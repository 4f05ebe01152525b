package jq

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/itchyny/gojq"
)

// What is written in a program and can never work should be told when the program
// is loaded, and not by the first request that gets there.

// constantArguments checks what stands in the call of a function, where it is no
// computed value: regular expressions, networks, encodings, cookies.
func (r *resolver) constantArguments(at int, f *gojq.Func) {
	args := make([]any, len(f.Args))
	known := make([]bool, len(f.Args))
	for i, q := range f.Args {
		args[i], known[i] = constant(q)
	}
	all := !slices.Contains(known, false)
	var err error
	switch f.Name {
	case "test", "match", "capture", "scan", "splits", "sub", "gsub", "split":
		err = checkRegexp(f.Name, args, known)
	case "ip_in":
		if all {
			err = failure(ipIn("0.0.0.0", args))
		}
	case "sha256", "hmac_sha256", "set_cookie", "random":
		if all {
			err = failure(libraryFunction(f.Name).call("", args))
		}
	}
	if err != nil {
		advice := ""
		if errors.As(err, new(*regexpError)) {
			advice = "regular expressions are those of RE2: no look-around, no back-references"
		}
		r.fail(at, err.Error(), advice)
	}
}

func failure(v any) error {
	err, _ := v.(error)
	return err
}

func libraryFunction(name string) *function {
	return &library[slices.IndexFunc(library, func(f function) bool { return f.name == name })]
}

// regexpError is a regular expression that cannot be compiled.
type regexpError struct {
	function, text string
	err            error
}

func (e *regexpError) Error() string {
	return fmt.Sprintf("%s: %q is no regular expression: %v", e.function, e.text, e.err)
}

// checkRegexp checks the expression in the first argument, and the flags if there
// are any. split with one argument takes text.
func checkRegexp(function string, args []any, known []bool) error {
	if function == "split" && len(args) == 1 {
		return nil
	}
	flags := 1
	if function == "sub" || function == "gsub" {
		flags = 2 // behind what comes in its place
	}
	if text, ok := args[0].(string); ok && known[0] {
		_, err := regexp.Compile(text)
		var wrong *syntax.Error
		if errors.As(err, &wrong) {
			err = fmt.Errorf("%s: %q", wrong.Code, wrong.Expr)
		}
		if err != nil {
			return &regexpError{function, text, err}
		}
	}
	if flags < len(args) && known[flags] {
		text, ok := args[flags].(string)
		if bad := strings.Trim(text, "gim"); bad != "" || !ok && args[flags] != nil {
			return fmt.Errorf("%s: the flags are %s; there are g, i and m", function, show(args[flags]))
		}
	}
	return nil
}

// constant is the value of a query that is written out: a string without queries in
// it, a number, null, true, false, and arrays and objects of these.
func constant(q *gojq.Query) (any, bool) {
	if q == nil || q.Term == nil || len(q.FuncDefs) > 0 || len(q.Term.SuffixList) > 0 {
		return nil, false
	}
	switch t := q.Term; t.Type {
	case gojq.TermTypeNull:
		return nil, true
	case gojq.TermTypeTrue, gojq.TermTypeFalse:
		return t.Type == gojq.TermTypeTrue, true
	case gojq.TermTypeString:
		return t.Str.Str, t.Str.Queries == nil
	case gojq.TermTypeNumber:
		return json.Number(t.Number), true
	case gojq.TermTypeArray:
		return elements(t.Array.Query, []any{})
	case gojq.TermTypeObject:
		return members(t.Object.KeyVals)
	case gojq.TermTypeQuery:
		return constant(t.Query)
	}
	return nil, false
}

// elements are constants with commas between them, behind those that there are.
func elements(q *gojq.Query, before []any) ([]any, bool) {
	if q == nil {
		return before, true
	}
	if q.Term == nil && q.Op == gojq.OpComma && len(q.FuncDefs) == 0 {
		left, ok := elements(q.Left, before)
		if !ok {
			return nil, false
		}
		return elements(q.Right, left)
	}
	v, ok := constant(q)
	return append(before, v), ok
}

func members(keyVals []*gojq.ObjectKeyVal) (map[string]any, bool) {
	object := make(map[string]any, len(keyVals))
	for _, kv := range keyVals {
		key := kv.Key
		if kv.KeyString != nil && kv.KeyString.Queries == nil {
			key = kv.KeyString.Str
		}
		v, ok := constant(kv.Val)
		if !ok || kv.KeyQuery != nil || kv.KeyString != nil && kv.KeyString.Queries != nil || strings.HasPrefix(kv.Key, "$") {
			return nil, false
		}
		object[key] = v
	}
	return object, true
}
