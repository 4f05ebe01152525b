package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	// mostEarly is how long before it expires something is renewed that lives long;
	// another when a quarter of its life is left.
	mostEarly = 5 * time.Minute
	// mostSlack is how long before it expires something is used no more: clocks differ,
	// and requests take time to arrive.
	mostSlack = 10 * time.Second
	// fetchTimeout bounds one fetch, and pause is how long after one that failed there
	// is no other.
	fetchTimeout = 15 * time.Second
	pause        = time.Second
)

// Error is why there is none of what a [Cache] keeps, in the words of who gives it.
type Error struct {
	what string
	Err  error
}

func (e *Error) Error() string { return "no " + e.what + ": " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// Cache keeps what requests to an upstream need and what expires, of one source.
// Requests use what there is; shortly before it expires the next is fetched, in the
// background. It is safe for any goroutine.
type Cache[T any] struct {
	what  string
	fetch func(context.Context) (T, time.Time, error)
	log   *slog.Logger
	// ctx is that of fetches, which no request ends.
	ctx     context.Context // it is the life of what runs in the background
	end     context.CancelFunc
	running sync.WaitGroup

	// mu guards what follows.
	mu    sync.Mutex
	value T
	// got is when value came, renewAt when it is to be renewed, and until how long it
	// may be used; before the first one all are zero. forever says that it does not
	// expire.
	got, renewAt, until time.Time
	forever             bool
	// attempt is what runs; nil if nothing does. Before again there is no other one,
	// because of err.
	attempt *attempt[T]
	again   time.Time
	err     error
	closed  bool
	// ahead is how far the clock of c is ahead of the system's.
	ahead time.Duration
}

// attempt is one fetch. What is in it is set when done is closed.
type attempt[T any] struct {
	done  chan struct{}
	value T
	err   error
}

// NewCache is a cache with nothing in it: the first request has fetch called, which
// says when what it gives expires, zero if it does not. Errors of fetch must not have
// secrets in them. what is kept is named for people, as "token". A nil log is none.
func NewCache[T any](what string, fetch func(context.Context) (T, time.Time, error), log *slog.Logger) *Cache[T] {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Cache[T]{what: what, fetch: fetch, log: log}
	c.ctx, c.end = context.WithCancel(context.Background())
	return c
}

// Close ends the fetch that runs, if one does. After that Get fails.
func (c *Cache[T]) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.running.Wait()
}

// Get is what has not expired. Only if there is nothing it waits for the next to be
// fetched, and no longer than until ctx ends: then the error is that of ctx. All others
// are an [*Error].
func (c *Cache[T]) Get(ctx context.Context) (T, error) {
	var none T
	c.mu.Lock()
	now := c.now()
	value, valid := c.value, c.forever || now.Before(c.until)
	if valid && (c.forever || now.Before(c.renewAt)) {
		c.mu.Unlock()
		return value, nil
	}
	if c.attempt == nil && !c.closed && !now.Before(c.again) {
		a := &attempt[T]{done: make(chan struct{})}
		c.attempt = a
		c.running.Go(func() { c.renew(a) })
	}
	a, err := c.attempt, c.err
	if c.closed {
		err = errClosed
	}
	c.mu.Unlock()
	switch {
	case valid:
		return value, nil
	case a == nil:
		return none, &Error{c.what, err}
	}
	select {
	case <-a.done:
		if a.err != nil {
			return none, &Error{c.what, a.err}
		}
		return a.value, nil
	case <-ctx.Done():
		return none, fmt.Errorf("no %s yet: %w", c.what, context.Cause(ctx))
	}
}

// Reject says that what was got is taken for expired, whatever it says itself. It is
// used no more, unless it is so new that another would be no better.
func (c *Cache[T]) Reject() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.now(); !c.forever && now.Sub(c.got) >= pause {
		c.until = now
	}
}

// Advance puts the clock of c ahead of the system's. It is for tests of upstreams that
// cannot wait.
func (c *Cache[T]) Advance(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead = by
}

// now is the time. mu is held.
func (c *Cache[T]) now() time.Time { return time.Now().Add(c.ahead) }

var (
	errClosed  = errors.New("the upstream is closed")
	errExpired = errors.New("it had expired when it came")
)

// renew fetches the next.
func (c *Cache[T]) renew(a *attempt[T]) {
	ctx, cancel := context.WithTimeout(c.ctx, fetchTimeout)
	defer cancel()
	value, expires, err := c.fetch(ctx)
	c.mu.Lock()
	now := c.now()
	if err == nil && !expires.IsZero() && !now.Before(expires) {
		err = errExpired
	}
	c.attempt = nil
	failed, left := c.err != nil, c.until.Sub(now)
	if c.err = err; err != nil {
		c.again = now.Add(pause)
	} else {
		c.keep(value, expires, now)
	}
	c.mu.Unlock()
	if a.value, a.err = value, err; err == nil && failed {
		c.log.Info(c.what + " renewed")
	} else if err != nil && !failed && c.ctx.Err() == nil {
		c.log.Warn("no new "+c.what, "err", err, "valid_for", max(0, left).Round(time.Second))
	}
	close(a.done)
}

// keep stores what has come. mu is held.
func (c *Cache[T]) keep(value T, expires, now time.Time) {
	c.value, c.forever, c.got, c.again = value, expires.IsZero(), now, time.Time{}
	life := expires.Sub(now)
	early := min(mostEarly, life/4)
	// Not all gateways that started together renew together. An issuer may give again
	// what it gave before: then the next time comes in a part of what is left, and that
	// it expires is still noticed in time.
	early += time.Duration(rand.Float64() * float64(early) / 5) // no secret
	c.renewAt, c.until = expires.Add(-early), expires.Add(-min(mostSlack, life/20))
}
