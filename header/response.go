package header

import (
	"errors"
	"net/http"

	"github.com/dragoman-gateway/dragoman/route"
)

// EditHead implements [route.HeadEdits]. r is the request as it came from the client.
//
// An expression that fails leaves its header as it is, and all others are changed: the
// answer is there, and to replace it by an error would take something from the client
// that the upstream has done.
func (e *Edits) EditHead(h http.Header, status int, r *http.Request, x *route.Exchange) error {
	if e == nil || !e.response.any() {
		return nil
	}
	var results []result
	var failures []error
	if e.response.expressions > 0 {
		results = make([]result, 0, e.response.expressions)
		head := e.response.look(r, x)
		for i := range e.response.values {
			v := &e.response.values[i]
			if v.expression == nil {
				continue
			}
			out, err := v.run(r.Context(), &head, h, status)
			if err != nil && err.Cause != nil {
				failures = append(failures, err.Cause)
			} else if err != nil {
				failures = append(failures, err)
			}
			results = append(results, out)
		}
	}
	e.response.apply(h, results, speaksGRPC(r, x))
	if r.Context().Err() != nil {
		// Nobody is there any more to get the answer.
		return nil
	}
	return errors.Join(failures...)
}
