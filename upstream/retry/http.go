package retry

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// HTTP is up, with requests tried again as the policy says.
//
// The context of a request must end, and end reading of the answer's body, as
// that of a server's request does: an answer that is not passed on is read to its
// end in the background, if it is short.
func (p *Policy) HTTP(up upstream.HTTP) upstream.HTTP {
	if !p.does() {
		return up
	}
	return &requests{HTTP: up, policy: p}
}

// requests is an upstream whose requests are tried again.
type requests struct {
	upstream.HTTP
	policy *Policy
}

// Describe implements [upstream.Describer].
func (u *requests) Describe() []string {
	if up, ok := u.HTTP.(upstream.Describer); ok {
		return up.Describe()
	}
	return nil
}

// Send implements [upstream.HTTP].
func (u *requests) Send(r *http.Request, tried *upstream.Tried) (*http.Response, error) {
	u.policy.budget.request()
	if tried == nil {
		pooled := trieds.Get().(*upstream.Tried)
		defer func() {
			clear(*pooled)
			*pooled = (*pooled)[:0]
			trieds.Put(pooled)
		}()
		tried = pooled
	}
	if r.Body == nil || r.Body == http.NoBody {
		return u.send(r, nil, tried)
	}
	body := newSource(r.Body, r.ContentLength, u.policy.cfg.RequestBytes)
	defer body.finish()
	return u.send(r, body, tried)
}

var trieds = sync.Pool{New: func() any { return new(upstream.Tried) }}

// send sends r until there is an answer for the client. body is nil if r has none.
func (u *requests) send(r *http.Request, body *source, tried *upstream.Tried) (*http.Response, error) {
	p, ctx := u.policy, r.Context()
	var replay *replay
	if body != nil {
		replay = body.next()
	}
	for attempts := 1; ; attempts++ {
		res, err := u.attempt(r, replay, tried)
		if err != nil && replay != nil {
			_ = replay.Close()
		}
		failed, asked := p.failed(r, res, err)
		if !failed || ctx.Err() != nil || body != nil && !body.replayable() {
			return res, err
		}
		deadline, _ := ctx.Deadline()
		wait, again := p.again(attempts, asked, deadline)
		if !again {
			return res, err
		}
		if body != nil {
			// The attempt may have read on until now.
			next := body.next()
			if next == nil {
				return res, err
			}
			replay = next
		}
		if res != nil {
			drop(res.Body, res.ContentLength)
		}
		if !sleep(ctx, wait) {
			if replay != nil {
				_ = replay.Close()
			}
			return nil, gone(ctx)
		}
	}
}

// attempt sends r once, with body if it is not nil.
func (u *requests) attempt(r *http.Request, body *replay, tried *upstream.Tried) (*http.Response, error) {
	bound := u.policy.cfg.PerTryTimeout
	if bound > 0 {
		return u.bounded(r, body, tried, bound)
	}
	if body != nil {
		r = with(new(http.Request), r, body)
	}
	return u.HTTP.Send(r, tried)
}

// with makes once what r is, with another body.
func with(once, r *http.Request, body *replay) *http.Request {
	*once = *r
	once.Body, once.GetBody = body, nil
	return once
}

// bounded is attempt with a bound to the time until the head of the answer.
func (u *requests) bounded(r *http.Request, body *replay, tried *upstream.Tried, bound time.Duration) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	// The cause is what a deadline would be, so that the upstream takes it for the
	// service's failure and not for a client that has left.
	timer := time.AfterFunc(bound, func() { cancel(context.DeadlineExceeded) })
	once := r.WithContext(ctx)
	if body != nil {
		with(once, once, body)
	}
	res, err := u.HTTP.Send(once, tried)
	if timer.Stop() {
		if err != nil {
			cancel(nil)
			return nil, err
		}
		res.Body = release(res.Body, cancel)
		return res, nil
	}
	if r.Context().Err() != nil {
		if err == nil {
			res.Body = release(res.Body, cancel)
		}
		return res, err
	}
	late := &upstream.Error{Reason: rpc.DeadlineExceeded, Err: errors.New("no answer within the per_try_timeout of " + bound.String())}
	if err == nil {
		_ = res.Body.Close()
	}
	if known := (*upstream.Error)(nil); errors.As(err, &known) {
		late.NotSent, late.Endpoint = known.NotSent, known.Endpoint
	}
	return nil, late
}

// failed reports whether what came is a failure that r may be sent again for, and
// for how long the upstream asks to wait.
func (p *Policy) failed(r *http.Request, res *http.Response, err error) (bool, time.Duration) {
	if err == nil {
		if !Idempotent(r.Method) || !p.on.status(res.StatusCode) && !p.on.code(grpcStatus(res)) {
			return false, 0
		}
		return true, retryAfter(res.Header, time.Now())
	}
	known := (*upstream.Error)(nil)
	if !errors.As(err, &known) || !known.NotSent && !Idempotent(r.Method) {
		return false, 0
	}
	return p.on.failure(known.Reason, known.NotSent), known.RetryAfter
}

// failure reports whether a failure with a reason of the gateway is tried again.
func (c *conditions) failure(reason rpc.Reason, notSent bool) bool {
	switch reason {
	case rpc.ClientClosed, rpc.UpstreamOverloaded:
		return false
	case rpc.UpstreamUnreachable:
		if c.reset && !notSent {
			return true
		}
	case rpc.DeadlineExceeded:
		if c.timeout {
			return true
		}
	}
	return c.connect && notSent || c.status(reason.HTTPStatus())
}

// Idempotent reports whether requests of a method of HTTP may be sent twice (RFC 9110,
// 9.2.2).
func Idempotent(method string) bool {
	switch method {
	case "", http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodTrace, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// grpcStatus is the status of a gRPC answer that is trailers only, otherwise OK.
func grpcStatus(res *http.Response) codes.Code {
	if !strings.HasPrefix(res.Header.Get("Content-Type"), "application/grpc") {
		return codes.OK
	}
	code, err := strconv.ParseUint(res.Header.Get("Grpc-Status"), 10, 8)
	if err != nil {
		return codes.OK
	}
	return codes.Code(code)
}

// drained is how much of an answer is read that nobody wants, so that its connection
// can be used again.
const drained = 4 << 10

// drop lets go of the body of an answer.
func drop(body io.ReadCloser, length int64) {
	if body == http.NoBody || length == 0 || length > drained {
		_ = body.Close()
		return
	}
	// It may be slow, and the next attempt should not wait for it.
	go func() {
		_, _ = io.CopyN(io.Discard, body, drained+1)
		_ = body.Close()
	}()
}

// gone is the error for a request whose context has ended.
func gone(ctx context.Context) error {
	return &upstream.Error{Reason: upstream.Ended(ctx), NotSent: true, Err: context.Cause(ctx)}
}

// release is body, with a context that ends when it is closed. The body of an
// upgraded connection can still be written to.
func release(body io.ReadCloser, cancel context.CancelCauseFunc) io.ReadCloser {
	if rw, ok := body.(io.ReadWriteCloser); ok {
		return &upgradedBody{ReadWriteCloser: rw, cancel: cancel}
	}
	return &answerBody{ReadCloser: body, cancel: cancel}
}

type answerBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (b *answerBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

type upgradedBody struct {
	io.ReadWriteCloser
	cancel context.CancelCauseFunc
}

func (b *upgradedBody) Close() error {
	err := b.ReadWriteCloser.Close()
	b.cancel(nil)
	return err
}
