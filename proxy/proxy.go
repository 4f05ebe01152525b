// Package proxy forwards HTTP exchanges to upstreams of the HTTP plane.
//
// A request goes on as it came: its method, its escaped path (rewritten, if the route
// says so) and its query, its header without what is about the connection, its body as
// it comes. So does the answer. Neither body is ever held, but for requests of up to 4 KiB
// that tell their length, which are sent when they have come: each side is read as fast as
// the other one takes it, both at the same time, over HTTP/1.1 too.
//
// What the gateway has decided on is what the upstream sees. Each connection has a
// framing of its own, made of what net/http has understood; paths that servers read in
// different ways are refused ([CheckPath]), and so are headers that some of them would
// take for others.
//
// An answer that was cut is never a clean end: once its head is out, the connection, or
// the stream of HTTP/2, is aborted.
//
// Not passed on are trailers of requests that were not announced, and extended CONNECT
// (RFC 8441).
package proxy

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/dragoman-gateway/dragoman/header"
	"github.com/dragoman-gateway/dragoman/rewrite"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// Options say how exchanges are forwarded to one upstream.
type Options struct {
	// Name is the upstream's, for logs and errors.
	Name     string
	Upstream upstream.HTTP
	// Rewrite changes path and host; nil changes nothing.
	Rewrite *rewrite.Rule
	// Headers are the last changes of requests, and of answers; nil leaves those to the
	// entry.
	Headers *header.Edits
	// Timeout bounds the wait for the head of the answer, from the end of the request
	// on; IdleTimeout how long nothing may travel in either body, and in upgraded
	// connections. Zero is no bound.
	Timeout, IdleTimeout time.Duration
	// AllowPaths are let through although servers read them in different ways.
	AllowPaths Paths
	// MaxRequestBytes bounds the body of a request; zero is no bound.
	MaxRequestBytes int64
	// Refuse answers with an error that the gateway made. It must be given.
	Refuse func(w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error)
}

// handler forwards exchanges to one upstream.
type handler struct {
	Options
	origin upstream.Origin
}

var _ route.Handler = (*handler)(nil)

// New makes a handler.
func New(o Options) route.Handler { return &handler{Options: o, origin: o.Upstream.Origin()} }

// Serve implements [route.Handler]. It panics with [http.ErrAbortHandler] if an answer
// cannot be completed whose head was sent.
func (h *handler) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
	x.Upstream = h.Name
	if h.Headers != nil {
		x.Edits = h.Headers
	}
	// It outlives the exchange where the library goes on with the request.
	f := &forwarding{handler: h, w: w, r: r, x: x, upgrades: upgradesOf(r)}
	ctx := f.open()
	defer f.cancel(nil)
	out, err := f.request(ctx)
	if err != nil {
		route.LeaveBody(w, r)
		f.refuse(err)
		return
	}
	f.forward(out)
}

// refuse answers with an error of the gateway.
func (f *forwarding) refuse(err *rpc.Error) {
	f.note(err)
	f.handler.Refuse(f.w, f.r, f.x, err)
}

// note notes an error of the gateway that ends the exchange.
func (f *forwarding) note(err *rpc.Error) {
	f.x.Failure, f.x.Reason, f.x.Error = err, string(err.Reason), err.Cause
}

// errGone is for the log: nobody reads the answer.
var errGone = rpc.Errorf(rpc.ClientClosed, "the client closed the request")

// failed is the error of a request that has no answer because of cause.
func (f *forwarding) failed(cause error) *rpc.Error {
	if err := f.in.fault(); err != nil {
		return err
	}
	if err := f.late(cause); err != nil {
		return err
	}
	if f.r.Context().Err() != nil && !f.in.lost.Load() {
		return errGone
	}
	out := &rpc.Error{Reason: reasonOf(cause), Cause: cause}
	var failed *upstream.Error
	if errors.As(cause, &failed) {
		out.Message = failed.Message
		for name, values := range failed.Header {
			f.w.Header()[name] = values
		}
		if failed.RetryAfter > 0 {
			seconds := (failed.RetryAfter + time.Second - 1) / time.Second
			f.w.Header()["Retry-After"] = []string{strconv.FormatInt(int64(seconds), 10)}
		}
	}
	if out.Message == "" {
		out.Message = upstream.Told(out.Reason)
	}
	if out.Message == "" {
		out.Message = "the upstream did not answer"
	}
	return out
}

// reasonOf is what an error of the upstream means for the answer.
func reasonOf(cause error) rpc.Reason {
	var failed *upstream.Error
	if !errors.As(cause, &failed) {
		return rpc.UpstreamUnreachable
	}
	switch failed.Reason {
	case rpc.InvalidRequest, rpc.ClientClosed:
		// It blames the request, whose body was read as long as it was asked for.
		return rpc.UpstreamUnreachable
	default:
		return failed.Reason
	}
}

// late is the error of an exchange that took too long, nil if it did not.
func (f *forwarding) late(cause error) *rpc.Error {
	phase, late := f.watch.expired()
	if !late {
		return nil
	}
	out := rpc.Errorf(rpc.DeadlineExceeded, "nothing travelled in either direction for %v, the idle_timeout of this path", f.handler.IdleTimeout)
	if phase == waiting {
		out = rpc.Errorf(rpc.DeadlineExceeded, "the upstream did not begin to answer within %v", f.handler.Timeout)
	}
	out.Cause = cause
	return out
}
