package proxy

import (
	"errors"
	"math/rand/v2"
	"net/http"

	"github.com/dragoman-gateway/dragoman/route"
)

// Share is a handler with its part of the requests.
type Share struct {
	// Name is that of the upstream, for people.
	Name    string
	Handler route.Handler
	// Weight is its part of the sum of all; zero is none.
	Weight int
}

// shared gives each request to one of several handlers.
type shared struct {
	names    []string
	handlers []route.Handler
	// until has for each the sum of the weights up to it.
	until []int64
}

var _ route.Handler = (*shared)(nil)

// Shared is a handler that gives each request to one of several, by chance and in
// proportion to their weights, of which there must be one that is not zero.
func Shared(shares []Share) (route.Handler, error) {
	h := new(shared)
	var sum int64
	for _, s := range shares {
		if s.Weight <= 0 {
			continue
		}
		sum += int64(s.Weight)
		h.names, h.handlers, h.until = append(h.names, s.Name), append(h.handlers, s.Handler), append(h.until, sum)
	}
	switch len(h.handlers) {
	case 0:
		return nil, errors.New("there is no upstream with a weight: want one that is more than 0")
	case 1:
		return h.handlers[0], nil
	}
	return h, nil
}

// Serve implements [route.Handler].
func (h *shared) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	last := len(h.until) - 1
	at := rand.Int64N(h.until[last])
	for i, until := range h.until[:last] {
		if at < until {
			h.handlers[i].Serve(w, r, x)
			return
		}
	}
	h.handlers[last].Serve(w, r, x)
}
