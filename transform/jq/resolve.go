package jq

import (
	"github.com/itchyny/gojq"
)

// resolve checks every name in a program, puts the values of environment variables
// and of parameters into it, and the definitions of functions of ours that it calls
// before it. After it the tree has names that are not in the text, which begin with
// [reserved].
func resolve(src string, query *gojq.Query, c Config) error {
	r := &resolver{src: src, env: c.Env, params: c.Params, variables: c.variables(), uses: make(map[string]bool)}
	r.words, _ = scan(src)
	switch {
	case len(query.Imports) > 0 && query.Imports[0].IncludePath != "":
		r.fail(r.find("include"), "include is not available", noModules)
	case len(query.Imports) > 0:
		r.fail(r.find("import"), "import is not available", noModules)
	case query.Meta != nil:
		r.fail(r.find("module"), "a program is no module", "take the line away")
	}
	r.query(query)
	if r.err == nil && query.Term == nil && query.Right == nil {
		r.fail(len(src), "there is no program, or only definitions", "end it with what it gives; . is its input")
	}
	if r.err != nil {
		return r.err
	}
	return define(query, r.uses)
}
