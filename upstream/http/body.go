package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/balance"
)

// requestBody remembers whether it was the client's part of an exchange that failed,
// for which no endpoint is to blame. Until it is read it stays open, as the transport
// closes it too where there is no connection, and another endpoint may take it.
type requestBody struct {
	io.ReadCloser
	failed atomic.Bool

	mu sync.Mutex
	// begun says that it is read, or will not be by another, closed that the transport
	// has closed it before that.
	begun, closed bool
}

// begin reports whether the body may be read.
func (b *requestBody) begin() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.begun = true
	return !b.closed
}

// isRead reports whether somebody has begun to read.
func (b *requestBody) isRead() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.begun
}

// Close implements [io.Closer].
func (b *requestBody) Close() error {
	b.mu.Lock()
	b.closed = true
	begun := b.begun
	b.mu.Unlock()
	if begun {
		return b.ReadCloser.Close()
	}
	return nil
}

// settle ends the waiting for another endpoint: what the transport has closed is
// closed, and after a failure it is in any case.
func (b *requestBody) settle(failed bool) {
	if b.ReadCloser == nil {
		return
	}
	b.mu.Lock()
	waits := b.closed && !b.begun
	b.begun = true
	b.mu.Unlock()
	if waits || failed {
		_ = b.ReadCloser.Close()
	}
}

func (b *requestBody) Read(p []byte) (int, error) {
	if !b.begin() {
		return 0, http.ErrBodyReadAfterClose
	}
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
func timedOut(ctx context.Context) bool { return upstream.Ended(ctx) == rpc.DeadlineExceeded }

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
