package lambda

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/balance"
	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

// Send implements [upstream.HTTP]: one call of the function. The body of r is read
// whole before, and closed. There is one endpoint, and so nothing to avoid: tried stays
// as it is.
func (f *function) Send(r *http.Request, _ *upstream.Tried) (*http.Response, error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	resp, failure := f.send(r)
	if failure != nil {
		return nil, failure
	}
	return resp, nil
}

func (f *function) send(r *http.Request) (*http.Response, *upstream.Error) {
	x := &exchange{function: f, r: r, ctx: r.Context()}
	// First the body: a client that sends slowly takes no place from others.
	if x.attempt.payload, x.failure = payload(r, upstream.AboutOf(r.Context()), &f.call); x.failure != nil {
		return nil, x.end(x.failure)
	}
	if x.failure = x.take(); x.failure != nil {
		return nil, x.end(x.failure)
	}
	x.attempt.trace = r.Header.Get("X-Amzn-Trace-Id")
	if f.invocation == stream {
		return x.stream()
	}
	return x.invoke()
}

// exchange is a call and its answer.
type exchange struct {
	*function
	r       *http.Request
	ctx     context.Context // that of the request
	failure *upstream.Error
	attempt attempt
	// place is that of the call until it ends; nil is none.
	place *balance.Endpoint
}

// take takes a place.
func (x *exchange) take() *upstream.Error {
	place, err := x.places.Pick(x.ctx, nil)
	if err != nil {
		return asError(err)
	}
	x.place = place
	x.up.calls.Add(1)
	return nil
}

// release gives the place back, once.
func (x *exchange) release() {
	if x.place == nil {
		return
	}
	x.places.Done(x.place, balance.OK)
	x.place = nil
	x.up.calls.Done()
}

// end ends an exchange that has no answer.
func (x *exchange) end(failure *upstream.Error) *upstream.Error {
	x.release()
	failure.Endpoint = x.call.function
	return failure
}

// options are those of calls of the function.
func (f *function) options(o *lambda.Options) {
	if f.region != "" {
		o.Region = f.region
	}
}

// invoke calls the function, and waits for what it returns if that is asked for.
func (x *exchange) invoke() (*http.Response, *upstream.Error) {
	c := &x.call
	in := &lambda.InvokeInput{FunctionName: &c.function, Payload: x.attempt.payload}
	if c.qualifier != "" {
		in.Qualifier = &c.qualifier
	}
	switch c.invocation {
	case async:
		in.InvocationType = types.InvocationTypeEvent
	case dryRun:
		in.InvocationType = types.InvocationTypeDryRun
	default:
		in.ClientContext = c.clientContext
	}
	x.attempt.limit = int64(x.up.responseBytes)
	out, err := x.up.client.Invoke(withAttempt(x.ctx, &x.attempt), in, x.options)
	if err != nil {
		return nil, x.end(x.failed(err))
	}
	answer := event.Response{Status: http.StatusOK, Header: make(http.Header)}
	switch {
	case c.invocation == async:
		answer.Status = http.StatusAccepted
	case c.invocation == dryRun:
		answer.Status = http.StatusNoContent
	case out.FunctionError != nil:
		return nil, x.end(x.up.functionFailed(*out.FunctionError, out.Payload))
	default:
		if err := event.Unwrap(c.format, out.Payload, &answer); err != nil {
			return nil, x.end(&upstream.Error{Reason: rpc.UpstreamProtocol, Err: err})
		}
	}
	x.release()
	return whole(x.r, &answer), nil
}

// whole is an answer that is all there.
func whole(r *http.Request, answer *event.Response) *http.Response {
	resp := response(r, answer)
	if answer.Status == http.StatusNoContent {
		return resp // and no length either (RFC 9110, section 8.6)
	}
	n := len(answer.Body)
	resp.ContentLength = int64(n)
	switch bodiless := isBodiless(r, answer); {
	case bodiless && n == 0:
		// It need not be what a GET would have got.
		return resp
	case !bodiless && n > 0:
		resp.Body = io.NopCloser(bytes.NewReader(answer.Body))
	}
	resp.Header["Content-Length"] = []string{strconv.Itoa(n)}
	return resp
}

// isBodiless says whether an answer has no body, whatever the function has made of it
// (RFC 9112, section 6.3).
func isBodiless(r *http.Request, answer *event.Response) bool {
	return r.Method == http.MethodHead || answer.Status == http.StatusNoContent || answer.Status == http.StatusNotModified
}

// response is an answer without its body.
func response(r *http.Request, answer *event.Response) *http.Response {
	return &http.Response{
		Status: strconv.Itoa(answer.Status) + " " + http.StatusText(answer.Status), StatusCode: answer.Status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: answer.Header, Body: http.NoBody, Request: r,
	}
}

// stream calls the function and waits for the head of what it streams.
func (x *exchange) stream() (*http.Response, *upstream.Error) {
	c := &x.call
	in := &lambda.InvokeWithResponseStreamInput{FunctionName: &c.function, Payload: x.attempt.payload, ClientContext: c.clientContext}
	if c.qualifier != "" {
		in.Qualifier = &c.qualifier
	}
	out, err := x.up.client.InvokeWithResponseStream(withAttempt(x.ctx, &x.attempt), in, x.options, decodeAlone)
	if err != nil {
		return nil, x.end(x.failed(err))
	}
	s := &streamed{x: x, events: out.GetStream()}
	answer, failure := s.head(x.attempt.contentType)
	if failure != nil {
		_ = s.events.Close()
		return nil, x.end(failure)
	}
	if isBodiless(x.r, answer) {
		s.bodiless, s.chunk = true, nil
	}
	resp := response(x.r, answer)
	resp.ContentLength = -1
	resp.Body = s
	return resp, nil
}
