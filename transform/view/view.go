// Package view is what jq programs see of a request or an answer, and what they
// may change of it: values in, checked changes out. It reads and writes nothing
// itself, and nothing of a change counts if any of it is refused.
//
// A view is one object:
//
//	method, scheme, host    of the request
//	path                    as it came, escaped, without the query
//	query, headers          name → string, or an array of strings where there are
//	                        several; names of headers in lower case
//	body                    what the body is read as; null if there is none
//	vars                    what the path captured, name → text
//	client                  {address, names}: the IP address, and the names in its certificate
//	route                   the route's name, null before it is known
//	status                  of the answer, in views of answers; headers and body are its own
//	error                   {code, status, reason, message}, in views of errors
package view

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"golang.org/x/net/http/httpguts"

	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// Phase is when a program runs.
type Phase uint8

const (
	// Request is before the upstream gets the request.
	Request Phase = iota
	// Response is when the upstream has answered.
	Response
	// Error is when the gateway answers with an error of its own.
	Error
)

// Head is what there is to see of an exchange besides its body. The view copies
// nothing of it but what a program reads.
type Head struct {
	Method, Scheme, Host string
	// Path is escaped; RawQuery is what comes behind the question mark.
	Path, RawQuery string
	// Header is that of the request, or of the answer if Status is set, with names
	// in canonical form.
	Header http.Header
	Vars   []Var
	// Address is the client's IP address, Names are those in its certificate.
	Address string
	Names   []string
	// Route is empty before the route is known.
	Route  string
	Status int
	// Error is nil but for errors of the gateway.
	Error *Failure
	// RPC is set for a call of native gRPC, whose own headers are not in the view.
	RPC bool
}

// Var is a variable of the path, with its text.
type Var struct{ Name, Text string }

// Failure is an error that the gateway made.
type Failure struct {
	// Code is the gRPC code, Status its name: NOT_FOUND.
	Code                    int
	Status, Reason, Message string
}

// View is what one program sees, and may change, compiled from what it needs. It
// is immutable and safe for any goroutine.
type View struct {
	phase  Phase
	input  []member
	all    bool // the program looks at everything
	writes jq.Paths
	// headers and query are the names that are written there, if not all are.
	headers, query []name
	body           jq.Paths
	missing        []string // what the program reads and no view of the phase has
}

// member is one member of the object that a program reads.
type member struct {
	key   string
	paths jq.Paths
	names []name // of headers, if not all are read
}

// name is a name of a header as a program writes it, and what follows from it.
type name struct {
	key string
	// canonical and lower are as http.Header and as views have it.
	canonical, lower string
	// valid says that a header may have that name, hidden that none with it is for
	// programs.
	valid, hidden bool
}

func nameOf(key string) name {
	n := name{key: key, canonical: http.CanonicalHeaderKey(key), lower: strings.ToLower(key), valid: httpguts.ValidHeaderFieldName(key)}
	n.hidden = hidden(n.lower)
	return n
}

// keys are the members of a view, and the phases that have them.
var keys = map[string][]Phase{
	"method": nil, "scheme": nil, "host": nil, "path": nil, "query": nil, "headers": nil, "body": nil, "vars": nil,
	"client": nil, "route": nil, "status": {Response, Error}, "error": {Error},
}

// results are what a result may have besides.
var results = map[string][]Phase{"log": nil, "respond": {Request}}

func has(table map[string][]Phase, key string, phase Phase) bool {
	phases, ok := table[key]
	return ok && (phases == nil || slices.Contains(phases, phase))
}

// Compile makes the view for a program of which this is known. A key that no
// result may have is an error.
func Compile(needs *jq.Needs, phase Phase) (*View, error) {
	v := &View{phase: phase, all: needs.Input.All, writes: needs.Writes, body: needs.Input.At("body")}
	for _, key := range sortedKeys(needs.Writes.Keys) {
		if !has(keys, key, phase) && !has(results, key, phase) {
			return nil, unknownKey(key, phase)
		}
	}
	v.input = members(&needs.Input, phase)
	for _, key := range sortedKeys(needs.Input.Keys) {
		if !has(keys, key, phase) && !has(results, key, phase) {
			v.missing = append(v.missing, key)
		}
	}
	if !needs.Writes.All {
		v.headers = names(needs.Writes.Keys["headers"])
		for _, n := range v.headers {
			if lower := strings.ToLower(n.key); connection[lower] {
				return nil, fmt.Errorf("headers.%s %s", lower, advice(lower))
			}
		}
		v.query = names(needs.Writes.Keys["query"])
	}
	return v, nil
}

// Of makes the view that a program has of a request by a variable.
func Of(paths jq.Paths) *View {
	return &View{phase: Request, all: paths.All, input: members(&paths, Request), body: paths.At("body")}
}

func members(paths *jq.Paths, phase Phase) []member {
	var out []member
	for _, key := range sortedKeys(keys) {
		below := paths.At(key)
		if !has(keys, key, phase) || !below.Any() {
			continue
		}
		out = append(out, member{key: key, paths: below, names: names(below)})
	}
	return out
}

// names are the members of an object with names that a set has, nil if it may be
// any.
func names(paths jq.Paths) []name {
	if paths.All || paths.Elements != nil {
		return nil
	}
	var out []name
	for _, key := range sortedKeys(paths.Keys) {
		out = append(out, nameOf(key))
	}
	return out
}

func unknownKey(key string, phase Phase) error {
	what := map[Phase]string{Request: "request", Response: "response", Error: "error"}[phase]
	for _, table := range []map[string][]Phase{keys, results} {
		if _, ok := table[key]; ok {
			return fmt.Errorf("%q is nothing that a program for a %s may give", key, what)
		}
	}
	return fmt.Errorf("%q is no key of a view: the keys are %s", key, strings.Join(known(phase), ", "))
}

// known are the keys that the result of a program may have.
func known(phase Phase) []string {
	var out []string
	for _, table := range []map[string][]Phase{keys, results} {
		for key := range table {
			if has(table, key, phase) {
				out = append(out, key)
			}
		}
	}
	slices.Sort(out)
	return out
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	slices.Sort(out)
	return out
}

// Body is what the program reads of the body.
func (v *View) Body() jq.Paths { return v.body }

// WritesBody reports whether the program may give another body.
func (v *View) WritesBody() bool { return v.writes.All || v.writes.Keys["body"].Any() }

// WritesHead reports whether the program may change anything but the body.
func (v *View) WritesHead() bool {
	if v.writes.All {
		return true
	}
	for key := range v.writes.Keys {
		if key != "body" {
			return true
		}
	}
	return false
}

// Writes reports whether the program may give another value for a key.
func (v *View) Writes(key string) bool { return v.writes.All || v.writes.Keys[key].Any() }

// Warnings are what is likely to be a mistake, for the operator.
func (v *View) Warnings() []string {
	var out []string
	for _, key := range v.missing {
		var there []string
		for _, k := range sortedKeys(keys) {
			if has(keys, k, v.phase) {
				there = append(there, k)
			}
		}
		out = append(out, fmt.Sprintf("reads %q, which is no key of what the program sees: the keys are %s", key, strings.Join(there, ", ")))
	}
	for _, m := range v.input {
		if m.key != "headers" {
			continue
		}
		for _, n := range m.names {
			if lower := strings.ToLower(n.key); lower != n.key {
				out = append(out, fmt.Sprintf("headers.%s is always null: names of headers are in lower case, %s", n.key, lower))
			}
		}
	}
	return out
}
