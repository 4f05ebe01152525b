package lambda

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

// The service's limits of payloads (Lambda quotas; API reference, Invoke).
const (
	maxPayload      = 6 << 20
	maxAsyncPayload = 1 << 20
)

// firstRead is how much room a body has before anything of it has come.
const firstRead = 16 << 10

// payload is the event of a request.
func payload(r *http.Request, about *upstream.About, c *call) ([]byte, *upstream.Error) {
	limit := maxPayload
	if c.invocation == async {
		limit = maxAsyncPayload
	}
	body, failure := readBody(r, limit)
	if failure != nil {
		return nil, failure
	}
	in := request(r, about)
	in.Body = body
	text, err := event.Append(nil, c.format, &in)
	switch {
	case errors.Is(err, event.ErrNotJSON):
		return nil, &upstream.Error{Reason: rpc.InvalidBody, NotSent: true, Message: "the request body is not JSON", Err: err}
	case err != nil:
		return nil, &upstream.Error{Reason: rpc.Internal, NotSent: true, Err: err}
	case len(text) > limit:
		return nil, tooLarge(limit)
	}
	return text, nil
}

func tooLarge(limit int) *upstream.Error {
	return &upstream.Error{
		Reason: rpc.RequestTooLarge, NotSent: true, Message: "the request is larger than a function takes",
		Err: fmt.Errorf("the event would have more than %d bytes, the limit of the service", limit),
	}
}

// readBody reads the body of r.
func readBody(r *http.Request, limit int) ([]byte, *upstream.Error) {
	if r.Body == nil || r.Body == http.NoBody {
		return nil, nil
	}
	if r.ContentLength > int64(limit) {
		return nil, tooLarge(limit)
	}
	// The length is what the client says: room is for what has come.
	body := make([]byte, 0, min(max(r.ContentLength, 512), firstRead)+1)
	for {
		if len(body) == cap(body) {
			body = slices.Grow(body, len(body))
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		if body = body[:len(body)+n]; len(body) > limit {
			return nil, tooLarge(limit)
		}
		if errors.Is(err, io.EOF) {
			return body, nil
		}
		if err != nil {
			if r.Context().Err() != nil {
				return nil, interrupted(r.Context(), true)
			}
			return nil, &upstream.Error{Reason: rpc.InvalidRequest, NotSent: true, Err: fmt.Errorf("the body of the request: %w", err)}
		}
	}
}

// request is r as events know requests: path, query, header and host as they are to be
// sent, the rest as the client asked for.
func request(r *http.Request, about *upstream.About) event.Request {
	in := event.Request{
		Method: cmp.Or(r.Method, http.MethodGet), Path: cmp.Or(r.URL.EscapedPath(), "/"), RawQuery: r.URL.RawQuery,
		Host: r.Host, Header: r.Header,
	}
	if raw := r.URL.RawPath; raw != "" {
		// It may be escaped in a way that EscapedPath does not take for one of Path.
		in.Path = raw
	}
	if about == nil {
		in.Time = time.Now()
		return in
	}
	in.Host = cmp.Or(in.Host, about.Host)
	in.Scheme, in.Client, in.RequestID, in.Time = about.Scheme, about.Client, about.RequestID, about.Time
	in.Resource, in.Vars = resource(about)
	return in
}

// interrupted is the error of a request whose context has ended.
func interrupted(ctx context.Context, notSent bool) *upstream.Error {
	return &upstream.Error{Reason: upstream.Ended(ctx), NotSent: notSent, Err: context.Cause(ctx)}
}
