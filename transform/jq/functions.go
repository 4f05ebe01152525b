package jq

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/itchyny/gojq"
)

// A function is one of ours, in Go. It is given values as the package comment has
// them, and gives such a value or an error. It does not change what it is given.
type function struct {
	name string
	// min and max are the fewest and most arguments.
	min, max int
	call     func(in any, args []any) any
	// alone says that it does not look at its input.
	alone bool
}

// library are the functions beyond those of jq. What one gives is at most a few
// times as long as what it is given. Names that begin with [reserved] are for
// definitions.
var library = []function{
	{name: "uuid", call: uuid, alone: true},
	{name: "random", max: 1, call: random, alone: true},
	{name: "sha256", max: 1, call: sha256sum},
	{name: "hmac_sha256", min: 1, max: 2, call: hmacSHA256},
	{name: "jwt_claims", call: jwtClaims},
	{name: "base64url", call: base64url},
	{name: "base64url_decode", call: base64urlDecode},
	{name: "urlencode", call: urlencode},
	{name: "urldecode", call: urldecode},
	{name: "ip_in", min: 1, max: 1, call: ipIn},
	{name: "set_cookie", min: 2, max: 3, call: setCookie, alone: true},
	{name: reserved + "cookie", min: 1, max: 1, call: cookieIn},
}

// definitions are functions of ours that are written in jq, so that it can be seen
// what they read: name/2 and the text.
func definitions() map[string]string {
	return map[string]string{
		"toarray/0": `def toarray: if type == "array" then . else [.] end;`,
		"cookie/1":  "def cookie($name): .headers.cookie | __cookie($name);",
	}
}

// define puts the definitions that are used before the program.
func define(query *gojq.Query, uses map[string]bool) error {
	texts := definitions()
	var defs []*gojq.FuncDef
	for _, sig := range slices.Sorted(maps.Keys(uses)) {
		if text, ok := texts[sig]; ok {
			parsed, err := gojq.Parse(text)
			if err != nil {
				return fmt.Errorf("definition of %s: %w", sig, err)
			}
			defs = append(defs, parsed.FuncDefs...)
		}
	}
	query.FuncDefs = append(defs, query.FuncDefs...)
	return nil
}

// builtins are the functions that a program may call without a definition, of jq's
// own and ours: name/2. What begins with _ is the engine's.
var builtins = sync.OnceValue(func() (b struct {
	names   []string
	defined map[string]bool
}) {
	query, err := gojq.Parse("builtins[]")
	if err != nil {
		panic(err)
	}
	code, err := gojq.Compile(query)
	if err != nil {
		panic(err)
	}
	b.defined = make(map[string]bool)
	add := func(sig string) {
		name, _, _ := strings.Cut(sig, "/")
		if _, ok := forbidden[name]; !ok && name != "env" && !strings.HasPrefix(name, "_") {
			b.names = append(b.names, sig)
			b.defined[sig] = true
		}
	}
	for iter := code.Run(nil); ; {
		sig, ok := iter.Next()
		if !ok {
			break
		}
		add(sig.(string))
	}
	for _, f := range library {
		for n := f.min; n <= f.max; n++ {
			add(signature(f.name, n))
		}
	}
	for sig := range definitions() {
		add(sig)
	}
	slices.Sort(b.names)
	return b
})
