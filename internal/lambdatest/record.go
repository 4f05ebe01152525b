package lambdatest

import (
	"net/http"
	"slices"
	"sync"
)

// Call is a request that reached the service.
type Call struct {
	// Operation is Invoke or InvokeWithResponseStream.
	Operation string
	// Function is the name in the path, as it was sent; Qualifier is that of the
	// query.
	Function, Qualifier string
	// Type is that of the invocation: RequestResponse, Event or DryRun.
	Type    string
	Header  http.Header
	Payload []byte
	// Refused is the type of the service's error, empty if a function was called.
	Refused string
}

// check says whether the request is a dry run of nothing: whoever makes it wants to know
// whether the function could be called.
func (c *Call) check() bool { return c.Type == dryRun && len(c.Payload) == 0 }

// Calls are the requests so far, in the order in which they arrived, without the
// [Service.Checks]. A call that has been answered is among them, and so may be one that
// has not.
func (s *Service) Calls() []Call {
	return slices.DeleteFunc(s.log.all(), func(c Call) bool { return c.check() })
}

// Checks are the dry runs without a payload so far. They come when a gateway likes, and
// faults leave them alone.
func (s *Service) Checks() []Call {
	return slices.DeleteFunc(s.log.all(), func(c Call) bool { return !c.check() })
}

type recorder struct {
	mu    sync.Mutex
	calls []Call
}

func (r *recorder) all() []Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

func (r *recorder) add(c Call) (entry int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, c)
	return len(r.calls) - 1
}

func (r *recorder) refused(entry int, kind string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[entry].Refused = kind
}
