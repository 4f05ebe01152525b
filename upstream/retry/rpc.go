package retry

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// RPC is up, with calls of m tried again as the policy says.
//
// The head of a unary call's answer is held until there is a message, or an end that
// is the client's.
func (p *Policy) RPC(up rpc.Upstream, m *rpc.Method) rpc.Upstream {
	if m.ClientStreaming || !p.does() || !m.Idempotent && !p.on.unsent() && p.cfg.PerTryTimeout == 0 {
		return up
	}
	return &calls{up: up, policy: p}
}

// unsent reports whether there is a failure for which something is tried again that
// is not safe to repeat.
func (c *conditions) unsent() bool {
	return c.failure(rpc.UpstreamUnreachable, true) || c.code(codes.Unavailable) ||
		c.failure(rpc.DeadlineExceeded, true) || c.code(codes.DeadlineExceeded)
}

// calls is an upstream whose calls are tried again.
type calls struct {
	up     rpc.Upstream
	policy *Policy
}

var (
	_ rpc.Upstream  = (*calls)(nil)
	_ rpc.Doer      = (*calls)(nil)
	_ rpc.Describer = (*calls)(nil)
)

// Describe implements [rpc.Describer].
func (u *calls) Describe(message []byte) ([]string, *rpc.Error) {
	if up, ok := u.up.(rpc.Describer); ok {
		return up.Describe(message)
	}
	return nil, nil
}

// Start implements [rpc.Upstream]. It starts one goroutine, which ends with the
// call.
func (u *calls) Start(ctx context.Context, call *rpc.Call, sink rpc.Sink) rpc.Stream {
	ctx, cancel := context.WithCancel(ctx)
	// The caller may change its call when Start is back.
	own := *call
	own.Header = slices.Clone(call.Header)
	go func() {
		defer cancel()
		u.Do(ctx, &own, sink)
	}()
	return started{cancel: cancel}
}

// started is the sending half of a call whose only message is sent already.
type started struct{ cancel context.CancelFunc }

var errSent = errors.New("the method has one request message, and it was sent")

// Send implements [rpc.Stream].
func (s started) Send(msg *rpc.Buffer) error {
	msg.Release()
	return errSent
}

// CloseSend implements [rpc.Stream].
func (s started) CloseSend() {}

// Cancel implements [rpc.Stream].
func (s started) Cancel() { s.cancel() }

// Do implements [rpc.Doer].
func (u *calls) Do(ctx context.Context, call *rpc.Call, sink rpc.Sink) {
	p := u.policy
	p.budget.request()
	t := tries.Get().(*try)
	defer t.release()
	t.sink, t.call, t.deadline = sink, *call, call.Deadline
	if p.cfg.Attempts > 1 && len(call.Request.B) <= p.cfg.RequestBytes {
		t.kept = rpc.NewBufferFor(len(call.Request.B))
		t.kept.B = append(t.kept.B, call.Request.B...)
	}
	for attempts := 1; ; attempts++ {
		u.attempt(ctx, t)
		if t.ended {
			return
		}
		wait, again := time.Duration(0), false
		if t.kept != nil && ctx.Err() == nil && t.failed(p) {
			deadline, _ := ctx.Deadline()
			wait, again = p.again(attempts, t.asked(), earlier(t.deadline, deadline))
		}
		if !again {
			t.pass()
			return
		}
		if !sleep(ctx, wait) {
			t.head, t.trailer = nil, nil
			t.status = ended(ctx)
			t.pass()
			return
		}
		t.call.Request = t.kept
		t.kept = nil
		if attempts+1 < p.cfg.Attempts {
			t.kept = rpc.NewBufferFor(len(t.call.Request.B))
			t.kept.B = append(t.kept.B, t.call.Request.B...)
		}
	}
}

// attempt runs the call once. t has its end, unless it was the client's.
func (u *calls) attempt(ctx context.Context, t *try) {
	t.head, t.headed, t.late, t.shrunk = nil, false, false, false
	t.call.Deadline = t.deadline
	bound := u.policy.cfg.PerTryTimeout
	if bound == 0 {
		rpc.Run(ctx, u.up, &t.call, t)
		return
	}
	if t.call.Method.Unary() {
		// The upstream is told of it, and can give up as well.
		t.call.Deadline = earlier(t.deadline, time.Now().Add(bound))
		t.shrunk = t.call.Deadline != t.deadline
		rpc.Run(ctx, u.up, &t.call, t)
		return
	}
	// A stream is bounded up to its head, and goes on for as long as it likes.
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t.timer = time.AfterFunc(bound, cancel)
	rpc.Run(ctx, u.up, &t.call, t)
	t.stop()
}

// try is a call, and the sink of each of its attempts.
type try struct {
	sink rpc.Sink
	// call is what the next attempt is made with, kept its request for the one after
	// that, or nil if there is none.
	call rpc.Call
	kept *rpc.Buffer
	// deadline is that of all attempts.
	deadline time.Time
	// shrunk says that this one has less time than that.
	shrunk bool
	// timer cancels an attempt that has no head yet; late says that it did.
	timer *time.Timer
	late  bool

	// begun says that the sink has been told something.
	begun bool
	// headed and head are a head that the sink was not told of.
	headed bool
	head   rpc.Header
	// ended says that the sink was told the end; status and trailer are an end that
	// it was not.
	ended   bool
	status  rpc.Status
	trailer rpc.Header
}

var tries = sync.Pool{New: func() any { return new(try) }}

func (t *try) release() {
	t.kept.Release()
	*t = try{}
	tries.Put(t)
}

// stop ends the bound of an attempt.
func (t *try) stop() {
	if t.timer != nil && !t.timer.Stop() {
		t.late = true
	}
	t.timer = nil
}

// Head implements [rpc.Sink].
func (t *try) Head(h rpc.Header) {
	t.stop()
	t.headed, t.head = true, h
	if t.call.Method.ServerStreaming && !t.late {
		t.begin()
	}
}

// Message implements [rpc.Sink].
func (t *try) Message(msg *rpc.Buffer) error {
	t.stop()
	if t.late && !t.begun {
		msg.Release()
		return context.DeadlineExceeded
	}
	t.begin()
	return t.sink.Message(msg)
}

// End implements [rpc.Sink].
func (t *try) End(st rpc.Status, trailer rpc.Header) {
	if !t.begun {
		t.stop()
	}
	if t.begun || st.Code == codes.OK && !t.late {
		t.begin()
		t.ended = true
		t.sink.End(st, trailer)
		return
	}
	t.status, t.trailer = st, trailer
}

// begin makes the answer the client's.
func (t *try) begin() {
	t.begun = true
	if t.headed {
		t.headed = false
		t.sink.Head(t.head)
	}
}

// pass makes a failure the client's.
func (t *try) pass() {
	if t.late {
		t.headed = false
		t.status, t.trailer = lateStatus(t.status.NotSent), nil
	}
	t.begin()
	t.ended = true
	t.sink.End(t.status, t.trailer)
}

// failed reports whether the attempt failed in a way that the call may be sent again
// for.
func (t *try) failed(p *Policy) bool {
	st := &t.status
	switch {
	case !st.NotSent && !t.call.Method.Idempotent:
		return false
	case t.late:
		return p.on.failure(rpc.DeadlineExceeded, st.NotSent)
	case st.Reason == rpc.ClientClosed || st.Reason == rpc.UpstreamOverloaded:
		return false
	case st.Reason != "":
		return p.on.failure(st.Reason, st.NotSent) || p.on.code(st.Code)
	case t.shrunk && st.Code == codes.DeadlineExceeded && p.on.timeout:
		return true
	}
	return p.on.code(st.Code) || p.on.status(st.HTTPStatus())
}

// asked is for how long the upstream asks to wait, negative for ever.
func (t *try) asked() time.Duration {
	if t.status.RetryAfter != 0 || t.status.Details == nil || t.status.Reason != "" {
		return t.status.RetryAfter
	}
	var st spb.Status
	if proto.Unmarshal(t.status.Details, &st) != nil {
		return 0
	}
	for _, detail := range st.Details {
		var info errdetails.RetryInfo
		if detail.MessageIs(&info) && detail.UnmarshalTo(&info) == nil {
			return max(info.RetryDelay.AsDuration(), 0)
		}
	}
	return 0
}

func lateStatus(notSent bool) rpc.Status {
	st := rpc.Errorf(rpc.DeadlineExceeded, "the upstream did not answer within the time of one attempt").Status()
	st.NotSent = notSent
	return st
}

// ended is the status of a call whose context ended between two attempts.
func ended(ctx context.Context) rpc.Status {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return rpc.Errorf(rpc.DeadlineExceeded, "the deadline passed before the upstream answered").Status()
	}
	return rpc.Errorf(rpc.ClientClosed, "the call was given up").Status()
}
