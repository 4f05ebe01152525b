package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/balance"
)

// fail ends an exchange without an answer, because of err of the transport.
func (x *exchange) fail(err error) error {
	if x.ctx.Err() != nil {
		return x.interrupted()
	}
	if x.request.failed.Load() {
		return x.end(&upstream.Error{Reason: rpc.InvalidRequest, Err: fmt.Errorf("the body of the request: %w", err)}, balance.Neutral)
	}
	failure, outcome := classify(err)
	return x.end(failure, outcome)
}

// interrupted ends an exchange whose context has ended.
func (x *exchange) interrupted() error {
	cause := context.Cause(x.ctx)
	switch {
	case errors.Is(cause, errConnections):
		return x.end(&upstream.Error{Reason: rpc.UpstreamOverloaded, NotSent: x.waiting.Load(), RetryAfter: time.Second, Err: cause}, balance.Neutral)
	case errors.Is(cause, errUnwilling):
		return x.end(&upstream.Error{Reason: rpc.UpstreamUnreachable, Err: cause}, balance.Failed)
	case timedOut(x.ctx):
		return x.end(&upstream.Error{Reason: rpc.DeadlineExceeded, Err: cause}, balance.Failed)
	default:
		return x.end(&upstream.Error{Reason: rpc.ClientClosed, Err: cause}, balance.Neutral)
	}
}

// isConnect reports whether an error of an exchange is that there was no connection.
func isConnect(err error) bool {
	var connect connectError
	return errors.As(err, &connect)
}

func (x *exchange) end(failure *upstream.Error, outcome balance.Outcome) error {
	failure.Endpoint = x.endpoint.Address()
	x.finish(outcome)
	return failure
}

// classify says what an error of the transport means. Much of it has no type, so its
// text is looked at; a text that is not known is a broken answer, and never says that
// nothing was sent.
func classify(err error) (*upstream.Error, balance.Outcome) {
	var (
		connect connectError
		stream  streamError
		text    = err.Error()
	)
	switch {
	case errors.As(err, &connect):
		return &upstream.Error{Reason: rpc.UpstreamUnreachable, NotSent: true, Err: err}, balance.Unreachable
	case hasAnyPrefix(text, "net/http: invalid ", "net/http: can't write control character", "http2: invalid "):
		// The request itself, before it was written.
		return &upstream.Error{Reason: rpc.Internal, NotSent: true, Err: err}, balance.Neutral
	case text == "http2: request header list larger than peer's advertised limit":
		return &upstream.Error{Reason: rpc.RequestTooLarge, NotSent: true, Err: err}, balance.Neutral
	case strings.HasPrefix(text, unseen):
		// The transport would have sent it again, had it the body once more. It does
		// so for a reset with PROTOCOL_ERROR too, which says nothing of the kind.
		return &upstream.Error{Reason: rpc.UpstreamUnreachable, NotSent: !strings.Contains(text, "PROTOCOL_ERROR"), Err: err}, balance.Failed
	case errors.As(err, &stream):
		return stream.classify(err), balance.Failed
	case lost(err, text):
		return &upstream.Error{Reason: rpc.UpstreamUnreachable, Err: err}, balance.Failed
	default:
		return &upstream.Error{Reason: rpc.UpstreamProtocol, Err: err}, balance.Failed
	}
}

// unseen is how an error begins of a stream that the upstream has refused, or left
// behind when it went away, and of which a part of the body is gone.
const unseen = "http2: Transport: cannot retry err ["

// lost says whether err is the end of a connection.
func lost(err error, text string) bool {
	var (
		op    *net.OpError
		errno syscall.Errno
	)
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &op) || errors.As(err, &errno) ||
		hasAnyPrefix(text, "http: server closed idle connection", "http2: client connection lost", "http2: client connection force closed",
			"http2: client conn", "http2: server sent GOAWAY", "http2: Transport received GOAWAY", "http2: Transport received Server's graceful shutdown GOAWAY")
}

func hasAnyPrefix(s string, prefixes ...string) bool {
	for _, prefix := range prefixes {
		if strings.HasPrefix(s, prefix) {
			return true
		}
	}
	return false
}

// streamError is the end of a stream of HTTP/2, by either side. net/http gives its own
// type to whoever asks for one with these fields.
type streamError struct {
	StreamID uint32
	Code     uint32
	Cause    error
}

func (e streamError) Error() string { return fmt.Sprintf("stream %d: error %d", e.StreamID, e.Code) }

// Codes of RFC 9113 section 7.
const (
	protocolError    = 0x1
	flowControlError = 0x3
	frameSizeError   = 0x6
	refusedStream    = 0x7
	compressionError = 0x9
)

func (e streamError) classify(err error) *upstream.Error {
	switch e.Code {
	case refusedStream:
		return &upstream.Error{Reason: rpc.UpstreamUnreachable, NotSent: true, Err: err}
	case protocolError, flowControlError, frameSizeError, compressionError:
		return &upstream.Error{Reason: rpc.UpstreamProtocol, Err: err}
	default:
		return &upstream.Error{Reason: rpc.UpstreamUnreachable, Err: err}
	}
}
