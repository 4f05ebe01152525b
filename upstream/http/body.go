package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"

	"github.com/dragoman-gateway/dragoman/upstream/balance"
)

// requestBody remembers whether it was the client's part of an exchange that failed,
// for which no endpoint is to blame.
type requestBody struct {
	io.ReadCloser
	failed atomic.Bool
}

func (b *requestBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err != nil && err != io.EOF {
		b.failed.Store(true)
	}
	return n, err
}

// Read reads the answer's body.
func (x *exchange) Read(p []byte) (int, error) {
	n, err := x.body.Read(p)
	if err != nil {
		x.finish(x.bodyOutcome(err))
	}
	return n, err
}

// Close ends the answer, read or not.
func (x *exchange) Close() error {
	err := x.body.Close()
	x.finish(x.outcome)
	return err
}

// bodyOutcome is what the end of the answer's body says of the endpoint.
func (x *exchange) bodyOutcome(err error) balance.Outcome {
	switch {
	case err == io.EOF: //nolint:errorlint // that alone is the end
		return x.outcome
	case x.ctx.Err() != nil:
		if timedOut(x.ctx) {
			return balance.Failed
		}
		return balance.Neutral
	case x.request.failed.Load():
		return balance.Neutral
	default:
		return balance.Failed
	}
}

// timedOut says whether ctx, which has ended, did so because time was up.
func timedOut(ctx context.Context) bool {
	return errors.Is(ctx.Err(), context.DeadlineExceeded) || errors.Is(context.Cause(ctx), context.DeadlineExceeded)
}

// upgraded is the connection of an exchange that has switched the protocol.
type upgraded struct {
	io.ReadWriteCloser
	x *exchange
}

// Close ends the connection.
func (u *upgraded) Close() error {
	err := u.ReadWriteCloser.Close()
	u.x.finish(balance.OK)
	return err
}

// CloseWrite ends what is sent, where the connection can.
func (u *upgraded) CloseWrite() error {
	if half, ok := u.ReadWriteCloser.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return fmt.Errorf("half of a connection: %w", errors.ErrUnsupported)
}

// once keeps the transport from sending a request twice that may have been worked on
// and is not safe to repeat. By itself it would, if there is no body or GetBody has it
// again: over HTTP/1.1 with an Idempotency-Key, about which the service may know
// nothing, and over HTTP/2 after a reset with PROTOCOL_ERROR.
func once(r *http.Request, http2 bool) {
	switch r.Method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return
	}
	r.GetBody = nil
	if hasBody(r) {
		return
	}
	if http2 {
		r.Body = noBody{}
		return
	}
	for _, name := range [...]string{"Idempotency-Key", "X-Idempotency-Key"} {
		if _, ok := r.Header[name]; !ok {
			continue
		}
		// The name is the same for every service, and not for the transport.
		r.Header = r.Header.Clone()
		r.Header[lower[name]] = r.Header[name]
		delete(r.Header, name)
	}
}

var lower = map[string]string{"Idempotency-Key": "idempotency-key", "X-Idempotency-Key": "x-idempotency-key"}

// noBody is an empty body that the transport does not know for one.
type noBody struct{}

func (noBody) Read([]byte) (int, error) { return 0, io.EOF }
func (noBody) Close() error             { return nil }
