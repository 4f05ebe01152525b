package balance

import (
	"container/list"
	"context"
	"fmt"
	"time"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// overloadedFor is what clients are told to wait for if there is no room. Nobody knows
// when there will be; it is the least that Retry-After can say.
const overloadedFor = time.Second

// queue has the requests that wait for a place, longest first: values are *waiter.
type queue struct{ list.List }

type waiter struct {
	tried []string
	// served is closed when there is a result. The lock of the [Set] guards it until
	// then.
	served chan struct{}
	e      *Endpoint
	err    error
}

// wait waits for a place. mu is held, and released.
func (s *Set) wait(ctx context.Context, tried []string) (*Endpoint, error) {
	if s.queue.Len() >= s.cfg.Waiting {
		s.mu.Unlock()
		return nil, s.overloaded(fmt.Errorf("upstream %q: %d requests are in flight, and %d wait already", s.cfg.Name, s.cfg.Requests, s.cfg.Waiting))
	}
	w := &waiter{tried: tried, served: make(chan struct{})}
	at := s.queue.PushBack(w)
	s.mu.Unlock()

	var expired <-chan time.Time
	if s.cfg.WaitTimeout > 0 {
		timer := time.NewTimer(s.cfg.WaitTimeout)
		defer timer.Stop()
		expired = timer.C
	}
	var err error
	select {
	case <-w.served:
		return w.e, w.err
	case <-ctx.Done():
		err = s.ended(ctx)
	case <-expired:
		err = s.overloaded(fmt.Errorf("upstream %q: no room for a request within %v", s.cfg.Name, s.cfg.WaitTimeout))
	}
	s.mu.Lock()
	select {
	case <-w.served:
		// Both at once: a place is better than none, unless there is nobody for it.
		s.mu.Unlock()
		if w.e != nil && ctx.Err() != nil {
			s.Done(w.e, Neutral)
			return nil, err
		}
		return w.e, w.err
	default:
		s.queue.Remove(at)
		s.mu.Unlock()
		return nil, err
	}
}

// admit has those who wait longest get what there is: places, or the error that there
// is no endpoint for them. mu is held.
func (s *Set) admit() {
	for first := s.queue.Front(); first != nil; first = s.queue.Front() {
		w := first.Value.(*waiter)
		w.e, w.err = s.take(w.tried)
		if w.e == nil && w.err == nil {
			return
		}
		s.queue.Remove(first)
		close(w.served)
	}
}

func (s *Set) overloaded(err error) error {
	return &upstream.Error{Reason: rpc.UpstreamOverloaded, NotSent: true, RetryAfter: overloadedFor, Err: err}
}

// ended is the error of a request whose context ended before it had an endpoint.
func (s *Set) ended(ctx context.Context) error {
	return &upstream.Error{Reason: upstream.Ended(ctx), NotSent: true,
		Err: fmt.Errorf("upstream %q: waiting for an endpoint: %w", s.cfg.Name, context.Cause(ctx))}
}

// allDown is the error if all endpoints are ejected. mu is held.
func (s *Set) allDown(now time.Time) error {
	after := s.due.Sub(now)
	if s.due.IsZero() || after <= 0 {
		// They are being probed.
		after = downTime
	}
	return &upstream.Error{Reason: rpc.UpstreamUnreachable, NotSent: true, RetryAfter: after,
		Err: fmt.Errorf("upstream %q: none of its endpoints (%d) works; all are left out until one is back", s.cfg.Name, len(s.all))}
}
