package lambda

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	// mostEarly is how long before they expire credentials are renewed, of those that
	// live long; others when a quarter of their life is left.
	mostEarly = 5 * time.Minute
	// mostSlack is how long before they expire credentials are used no more: clocks
	// differ, and requests take time to arrive.
	mostSlack = 10 * time.Second
	// renewTimeout bounds a renewal, and renewPause is how long after one that failed
	// there is no other.
	renewTimeout = 15 * time.Second
	renewPause   = time.Second
)

// cache keeps credentials. It differs from that of the SDK in who waits: they are
// renewed early and in the background, while requests use those that there are. Only
// before the first ones, and if renewing has failed until the last ones expired,
// requests wait. Credentials that have expired are never used.
type cache struct {
	source aws.CredentialsProvider
	log    *slog.Logger
	// ctx is that of renewals, which no request ends.
	ctx     context.Context // it is the life of what runs in the background
	running sync.WaitGroup

	// mu guards what follows.
	mu sync.Mutex
	// now is the time: that of the system, except in tests.
	now  func() time.Time
	keys aws.Credentials
	// got is when keys were got, renewAt when they are to be renewed, and until how long
	// they may be used: for ever if CanExpire is not set.
	got, renewAt, until time.Time
	// renewal is what runs; nil if nothing does. Before again there is no other one,
	// because of err.
	renewal *renewal
	again   time.Time
	err     error
}

// renewal is one attempt to get credentials. What is in it is set when done is closed.
type renewal struct {
	done chan struct{}
	keys aws.Credentials
	err  error
}

// credentialsError is why there are no credentials.
type credentialsError struct{ error }

func (e credentialsError) Unwrap() error { return e.error }

func newCache(ctx context.Context, source aws.CredentialsProvider, log *slog.Logger) *cache {
	return &cache{source: source, log: log, ctx: ctx, now: time.Now}
}

// wait waits for what runs in the background. The context has ended.
func (c *cache) wait() {
	// Whoever holds mu may still begin a renewal.
	c.mu.Lock()
	c.again, c.err = c.now().Add(24*time.Hour), context.Cause(c.ctx)
	c.mu.Unlock()
	c.running.Wait()
}

// Retrieve implements [aws.CredentialsProvider].
func (c *cache) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c.mu.Lock()
	now := c.now()
	valid := c.keys.HasKeys() && (!c.keys.CanExpire || now.Before(c.until))
	if valid && (!c.keys.CanExpire || now.Before(c.renewAt)) {
		defer c.mu.Unlock()
		return c.keys, nil
	}
	if c.renewal == nil && !now.Before(c.again) {
		r := &renewal{done: make(chan struct{})}
		c.renewal = r
		c.running.Go(func() { c.renew(r) })
	}
	keys, r, err := c.keys, c.renewal, c.err
	c.mu.Unlock()
	switch {
	case valid:
		return keys, nil
	case r == nil:
		return aws.Credentials{}, credentialsError{err}
	}
	select {
	case <-r.done:
		if r.err != nil {
			return aws.Credentials{}, credentialsError{r.err}
		}
		return r.keys, nil
	case <-ctx.Done():
		return aws.Credentials{}, credentialsError{fmt.Errorf("waiting for credentials: %w", context.Cause(ctx))}
	}
}

var (
	errNoKeys  = errors.New("no credentials were found")
	errExpired = errors.New("the credentials had expired when they came")
)

// renew gets credentials.
func (c *cache) renew(r *renewal) {
	ctx, cancel := context.WithTimeout(c.ctx, renewTimeout)
	defer cancel()
	keys, err := c.source.Retrieve(ctx)
	c.mu.Lock()
	now := c.now()
	switch {
	case err != nil:
	case !keys.HasKeys():
		err = errNoKeys
	case keys.CanExpire && !now.Before(keys.Expires):
		err = errExpired
	}
	c.renewal = nil
	failed := c.err != nil
	left := c.until.Sub(now)
	if c.err = err; err != nil {
		c.again = now.Add(renewPause)
	} else {
		c.keep(keys, now)
	}
	c.mu.Unlock()
	if r.keys, r.err = keys, err; err == nil && failed {
		c.log.Info("credentials renewed")
	} else if err != nil && !failed && c.ctx.Err() == nil {
		c.log.Warn("no new credentials", "err", err, "valid_for", max(0, left).Round(time.Second))
	}
	close(r.done)
}

// keep stores credentials. mu is held.
func (c *cache) keep(keys aws.Credentials, now time.Time) {
	life := keys.Expires.Sub(now)
	early := min(mostEarly, life/4)
	// Not all gateways that started together renew together.
	early += time.Duration(rand.Float64() * float64(early) / 5) // no secret
	c.keys, c.got, c.again = keys, now, time.Time{}
	c.renewAt, c.until = keys.Expires.Add(-early), keys.Expires.Add(-min(mostSlack, life/20))
}

// reject says that the service takes the credentials for expired. They are used no more,
// unless they are so new that others would be no better.
func (c *cache) reject() {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.keys.CanExpire && now.Sub(c.got) >= renewPause {
		c.until = now
	}
}
