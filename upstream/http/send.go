package http

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/balance"
)

var (
	errNoUpgrade   = errors.New("the upstream speaks HTTP/2 only, which has no upgrades")
	errNotAsked    = errors.New("the upstream switches the protocol without being asked to")
	errConnections = errors.New("all connections to the endpoint are in use")
	errUnwilling   = errors.New("the upstream refuses the request again and again")
)

// mostDials is how many endpoints a request tries to connect to.
const mostDials = 3

// Send implements [upstream.HTTP]. It does not change r, but for a header without
// User-Agent, which is given an empty one that is not sent. It closes the body of r,
// also if it fails. A body with GetBody is in memory: reading it never fails.
//
// A context that ends because of [context.DeadlineExceeded], or with that as its cause,
// counts as a failure of the endpoint; one that ends otherwise does not.
//
// An endpoint that there is no connection to is no answer: the next one is tried, up to
// three in all. So a name with an address on which nobody listens, as localhost has
// for many a service, costs nothing but the attempt.
func (u *Upstream) Send(r *http.Request, tried *upstream.Tried) (*http.Response, error) {
	transport := u.transport
	upgrade := r.Header.Get("Upgrade") != ""
	if upgrade {
		if transport = u.upgrades; transport == nil {
			closeBody(r)
			return nil, &upstream.Error{Reason: rpc.UpstreamProtocol, NotSent: true, Err: errNoUpgrade}
		}
	}
	var refused error
	for dials := 1; ; dials++ {
		x := &exchange{up: u, ctx: r.Context(), out: *r, url: *r.URL}
		if err := setTarget(&x.url); err != nil {
			closeBody(r)
			return nil, &upstream.Error{Reason: rpc.InvalidPath, NotSent: true, Err: err}
		}
		if refused != nil && r.GetBody != nil {
			// Something of it may have gone to a connection that was lost.
			body, err := r.GetBody()
			if err != nil {
				return nil, refused
			}
			x.out.Body = body
		}
		before := 0
		if tried != nil {
			before = len(*tried)
		}
		var err error
		if x.endpoint, err = u.set.Pick(x.ctx, tried); err != nil {
			closeBody(r)
			return nil, cmp.Or(refused, err)
		}
		u.calls.Add(1)
		if refused != nil && len(*tried) == before {
			// There is no other one.
			x.finish(balance.Neutral)
			closeBody(r)
			return nil, refused
		}
		resp, err := u.try(x, transport, upgrade)
		if err == nil || dials == mostDials || !isConnect(err) || x.request.isRead() || r.Context().Err() != nil {
			x.request.settle(err != nil)
			return resp, err
		}
		refused = err
		if tried == nil {
			tried = &upstream.Tried{x.endpoint.Address()}
		}
	}
}

// try sends the request of x.
func (u *Upstream) try(x *exchange, transport *http.Transport, upgrade bool) (*http.Response, error) {
	http2 := u.http2.Load() && !upgrade
	x.prepare(http2)
	out := &x.out
	if x.endpoint.Probe() || u.connectionWait > 0 || http2 && (!hasBody(out) || out.GetBody != nil) {
		out = x.watched(out)
	}
	resp, err := transport.RoundTrip(out)
	if err != nil {
		return nil, x.fail(err)
	}
	return x.answer(resp, upgrade)
}

// prepare makes out a request to the endpoint.
func (x *exchange) prepare(http2 bool) {
	u, r := x.up, &x.out
	r.URL = &x.url
	r.URL.Scheme = u.origin.Scheme
	r.URL.Host = x.endpoint.Address()
	if socket, ok := u.sockets[r.URL.Host]; ok {
		r.URL.Host = socket
	}
	if r.Host == "" {
		r.Host = cmp.Or(u.origin.Host, u.host)
	}
	if r.Header == nil {
		r.Header = make(http.Header)
	}
	if _, ok := r.Header["User-Agent"]; !ok {
		r.Header["User-Agent"] = nil // or the transport gives its own
	}
	if hasBody(r) && r.GetBody == nil {
		x.request.ReadCloser = r.Body
		r.Body = &x.request
	}
	once(r, http2)
}

func hasBody(r *http.Request) bool { return r.Body != nil && r.Body != http.NoBody }

// mostConnections is how many connections a request over HTTP/2 tries that is refused
// on them unseen. The transport would go on, with pauses that add up to a minute; one
// more, at once, is for connections that the upstream has given up meanwhile.
const mostConnections = 2

// watched is r such that the set is told of the connection that a probe gets, that it
// does not wait for one for ever, and that it does not go on and on.
func (x *exchange) watched(r *http.Request) *http.Request {
	ctx, cancel := context.WithCancelCause(x.ctx)
	x.ctx, x.cancel = ctx, cancel
	var expires *time.Timer
	if x.up.connectionWait > 0 {
		x.waiting.Store(true)
		expires = time.AfterFunc(x.up.connectionWait, func() { cancel(errConnections) })
	}
	var connections atomic.Int32
	return r.WithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if expires != nil {
			expires.Stop()
			x.waiting.Store(false)
		}
		if x.endpoint.Probe() && !info.Reused {
			x.up.set.Connected(x.endpoint)
		}
		if connections.Add(1) > mostConnections {
			cancel(errUnwilling)
		}
	}}))
}

// answer makes resp one that gives back the place of its request when it ends.
func (x *exchange) answer(resp *http.Response, upgrade bool) (*http.Response, error) {
	x.outcome = balance.OK
	switch resp.StatusCode {
	case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		x.outcome = balance.Failed
	case http.StatusSwitchingProtocols:
		conn, ok := resp.Body.(io.ReadWriteCloser)
		if !upgrade || !ok {
			_ = resp.Body.Close()
			return nil, x.end(&upstream.Error{Reason: rpc.UpstreamProtocol, Err: errNotAsked}, balance.Failed)
		}
		resp.Body = &upgraded{ReadWriteCloser: conn, x: x}
		x.answered()
		return resp, nil
	}
	x.answered()
	if resp.Body == http.NoBody {
		x.finish(x.outcome)
		return resp, nil
	}
	x.body = resp.Body
	resp.Body = x
	return resp, nil
}

func (x *exchange) answered() {
	if x.outcome == balance.OK && x.endpoint.Probe() {
		x.up.set.Answered(x.endpoint)
	}
}

// exchange is a request and its answer: it has a place until the answer ends. As an
// [io.ReadCloser] it is the body of the answer.
type exchange struct {
	up       *Upstream
	endpoint *balance.Endpoint
	ctx      context.Context
	// out is the request as it is sent, with url. It is a copy, because the transport may
	// still look at it when another attempt has begun.
	out http.Request
	url url.URL
	// cancel ends ctx; nil if that is the caller's.
	cancel context.CancelCauseFunc
	// waiting says that the request has no connection yet, as far as is watched.
	waiting atomic.Bool
	request requestBody
	body    io.ReadCloser
	outcome balance.Outcome // unless the body fails
	ended   atomic.Bool
}

// finish gives the place back. Only the first call counts.
func (x *exchange) finish(outcome balance.Outcome) {
	if x.ended.Swap(true) {
		return
	}
	if x.cancel != nil {
		x.cancel(nil)
	}
	x.up.set.Done(x.endpoint, outcome)
	x.up.calls.Done()
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}
