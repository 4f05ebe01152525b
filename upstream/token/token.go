// Package token keeps the token that an upstream is called with. Requests use the one
// that there is; shortly before it expires the next one is fetched, in the background.
//
// The package knows no issuer: who has a [Source] has a token. It is complete.
package token

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

const (
	// mostEarly is how long before it expires a token is renewed that lives long;
	// another when a quarter of its life is left.
	mostEarly = 5 * time.Minute
	// mostSlack is how long before it expires a token is used no more: clocks differ,
	// and requests take time to arrive.
	mostSlack = 10 * time.Second
	// fetchTimeout bounds one fetch, and pause is how long after one that failed there
	// is no other.
	fetchTimeout = 15 * time.Second
	pause        = time.Second
	// maxToken is how many bytes a token may have: more than servers take in a header.
	maxToken = 16 << 10
)

// Token is a text that is good until it expires.
type Token struct {
	Text    string
	Expires time.Time
}

// Source fetches a new token. Errors must not have secrets in them.
type Source func(context.Context) (Token, error)

// Error is why there is no token, in the words of the source.
type Error struct{ Err error }

func (e *Error) Error() string { return "no token: " + e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// NewTransport makes the connections to who issues tokens. It uses no proxy, as nothing
// of the gateway does: those that the environment names would get to see requests to the
// metadata server of a machine.
func NewTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.Proxy = nil
	return t
}

// Failure is the error of a request for which [Cache.Get] has returned err.
func Failure(ctx context.Context, err error) *upstream.Error {
	if failed := new(Error); errors.As(err, &failed) {
		return &upstream.Error{Reason: rpc.UpstreamDenied, NotSent: true, Err: err}
	}
	return &upstream.Error{Reason: upstream.Ended(ctx), NotSent: true, Err: err}
}

// Cache keeps the token of one source. It is safe for any goroutine.
type Cache struct {
	source Source
	log    *slog.Logger
	// ctx is that of fetches, which no request ends.
	ctx     context.Context // it is the life of what runs in the background
	end     context.CancelFunc
	running sync.WaitGroup

	// mu guards what follows.
	mu    sync.Mutex
	token Token
	// renewAt is when token is to be renewed, and until how long it may be used.
	renewAt, until time.Time
	// fetch is what runs; nil if nothing does. Before again there is no other one,
	// because of err.
	fetch  *fetch
	again  time.Time
	err    error
	closed bool
}

// fetch is one attempt to get a token. What is in it is set when done is closed.
type fetch struct {
	done chan struct{}
	text string
	err  error
}

// New is a cache without a token: the first request fetches one. A nil log is none.
func New(source Source, log *slog.Logger) *Cache {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	c := &Cache{source: source, log: log}
	c.ctx, c.end = context.WithCancel(context.Background())
	return c
}

// Close ends the fetch that runs, if one does. After that Get fails.
func (c *Cache) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.end()
	c.running.Wait()
}

// Get is a token that has not expired. Only if there is none it waits for one to be
// fetched, and no longer than until ctx ends: then the error is that of ctx. All others
// are an [*Error].
func (c *Cache) Get(ctx context.Context) (string, error) {
	now := time.Now()
	c.mu.Lock()
	text, valid := c.token.Text, c.token.Text != "" && now.Before(c.until)
	if valid && now.Before(c.renewAt) {
		c.mu.Unlock()
		return text, nil
	}
	if c.fetch == nil && !c.closed && !now.Before(c.again) {
		f := &fetch{done: make(chan struct{})}
		c.fetch = f
		c.running.Go(func() { c.renew(f) })
	}
	f, err := c.fetch, c.err
	if c.closed {
		err = errClosed
	}
	c.mu.Unlock()
	switch {
	case valid:
		return text, nil
	case f == nil:
		return "", &Error{err}
	}
	select {
	case <-f.done:
		if f.err != nil {
			return "", &Error{f.err}
		}
		return f.text, nil
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for a token: %w", context.Cause(ctx))
	}
}

var (
	errClosed  = errors.New("the upstream is closed")
	errEmpty   = errors.New("the issuer gave none")
	errExpired = errors.New("it had expired when it came")
	errText    = errors.New("it is not the text of a token")
)

// renew fetches a token.
func (c *Cache) renew(f *fetch) {
	ctx, cancel := context.WithTimeout(c.ctx, fetchTimeout)
	defer cancel()
	token, err := c.source(ctx)
	now := time.Now()
	if err == nil {
		err = check(token, now)
	}
	c.mu.Lock()
	c.fetch = nil
	failed, left := c.err != nil, c.until.Sub(now)
	if c.err = err; err != nil {
		c.again = now.Add(pause)
	} else {
		c.keep(token, now)
	}
	c.mu.Unlock()
	if f.text, f.err = token.Text, err; err == nil && failed {
		c.log.Info("token renewed")
	} else if err != nil && !failed && c.ctx.Err() == nil {
		c.log.Warn("no new token", "err", err, "valid_for", max(0, left).Round(time.Second))
	}
	close(f.done)
}

// check says what is wrong with a token that the source gave.
func check(token Token, now time.Time) error {
	switch {
	case token.Text == "":
		return errEmpty
	case !now.Before(token.Expires):
		return errExpired
	case len(token.Text) > maxToken:
		return errText
	}
	for i := range len(token.Text) {
		// It goes into a header, and nothing but tokens do (RFC 6750, section 2.1).
		if b := token.Text[i]; b <= ' ' || b >= 0x7f {
			return errText
		}
	}
	return nil
}

// keep stores a token. mu is held.
func (c *Cache) keep(token Token, now time.Time) {
	life := token.Expires.Sub(now)
	early := min(mostEarly, life/4)
	// Not all gateways that started together renew together. An issuer may give the
	// token again that it gave before: then the next time comes in a part of what is
	// left, and that it expires is still noticed in time.
	early += time.Duration(rand.Float64() * float64(early) / 5) // no secret
	c.token, c.again = token, time.Time{}
	c.renewAt, c.until = token.Expires.Add(-early), token.Expires.Add(-min(mostSlack, life/20))
}

// ExpiryOf is when a JSON Web Token says that it expires (RFC 7519, section 4.1.4); zero
// if it does not say so, or is none. Nothing else of it is looked at: it is for whom it
// is sent to, to verify it.
func ExpiryOf(text string) time.Time {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || len(text) > maxToken {
		return time.Time{}
	}
	data, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return time.Time{}
	}
	var claims struct {
		Expires float64 `json:"exp"`
	}
	if json.Unmarshal(data, &claims) != nil || claims.Expires <= 0 || claims.Expires > 1<<40 {
		return time.Time{}
	}
	return time.Unix(int64(claims.Expires), 0)
}
