// Package filter is the contract of what stands around the handler of a route:
// each filter decides whether and how an exchange proceeds. One kind lives in
// one package below this one and registers a factory for its configuration
// message; the gateway knows only this contract.
package filter

import (
	"net/http"

	"github.com/dragoman-gateway/dragoman/kind"
	"github.com/dragoman-gateway/dragoman/route"
)

// Filter is one configured filter. It is immutable and safe for any goroutine.
type Filter interface {
	// Name is the short name that `dragoman explain` shows: cors.
	Name() string
	// Wrap puts the filter around the handler of one entry.
	Wrap(next route.Handler) route.Handler
}

// Preflighter is a filter that answers CORS preflight requests, before anything
// else is done with them.
type Preflighter interface {
	// Preflight answers for an entry; methods are those that its path takes.
	Preflight(methods []string) http.Handler
}

// Env is what a kind may use besides its own configuration message.
type Env struct {
	// Route is the route's name in the configuration, for messages.
	Route string
}

// Kinds maps the configuration message of each kind to its factory.
type Kinds = kind.Registry[Env, Filter]
