package retry

import (
	"context"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// maxWait is the longest wait that an upstream may ask for. A client that has to
// wait for longer does so better by itself, without a request that is held.
const maxWait = time.Minute

// backoff is the wait after so many attempts: doubling, and half of it by chance, so
// that what failed at once does not come back at once.
func (p *Policy) backoff(attempts int) time.Duration {
	d := p.cfg.Backoff
	for i := 1; i < attempts && d < p.cfg.MaxBackoff; i++ {
		d *= 2
	}
	d = min(d, p.cfg.MaxBackoff)
	if d <= 1 {
		return d
	}
	return d/2 + rand.N(d/2+1)
}

// again reports whether there is to be another attempt after so many, and how long
// to wait for it. asked is what the upstream asks for, negative for never; deadline
// may be zero. What it says yes to is taken off the budget.
func (p *Policy) again(attempts int, asked time.Duration, deadline time.Time) (time.Duration, bool) {
	if attempts >= p.cfg.Attempts || asked < 0 || asked > maxWait {
		return 0, false
	}
	wait := max(p.backoff(attempts), asked)
	if !deadline.IsZero() && time.Until(deadline) <= wait {
		return 0, false
	}
	return wait, p.budget.take()
}

// sleep waits; it is false if ctx ends before.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return ctx.Err() == nil
	case <-ctx.Done():
		return false
	}
}

// earlier is the first of two deadlines, either of which may be zero for none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// retryAfter reads a Retry-After header (RFC 9110, 10.2.3): a number of seconds, or
// a date. Zero is one that says nothing, or nothing that is understood.
func retryAfter(h http.Header, now time.Time) time.Duration {
	text := h.Get("Retry-After")
	if text == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(text, 10, 64); err == nil {
		return time.Duration(min(seconds, uint64(maxWait/time.Second)+1)) * time.Second
	}
	if digits(text) {
		return maxWait + time.Second // more than fits
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(at.Sub(now), 0)
}

func digits(text string) bool {
	for _, c := range []byte(text) {
		if c < '0' || c > '9' {
			return false
		}
	}
	return true
}
