// Package balance keeps the endpoints of an upstream: it finds them, chooses one for
// each request, leaves out those that fail, and bounds how many requests there are.
// It knows nothing of what is sent to them, so every kind of upstream that has
// endpoints can use it.
//
// A request has its endpoint from [Set.Pick] until [Set.Done]:
//
//	e, err := set.Pick(ctx, tried)
//	if err != nil {
//		return nil, err // an *upstream.Error, and nothing was sent
//	}
//	answer, err := send(e.Address(), request)
//	set.Done(e, balance.OK) // when the answer has been read, or has failed
//
// # Endpoints
//
// A target is an address or a name with a port, or a unix socket. Every address of a
// name is an endpoint, IPv4 and IPv6 alike. Names are looked up for the first time when
// there is a first request, which waits for it only if no endpoint is known yet, and
// from then on in the background until [Set.Close]. What a name last resolved to is
// kept when a lookup fails or finds nothing. An address that stays keeps its state; one
// that is gone has no new requests, and those that it has come to their end.
//
// # Failures
//
// An endpoint with so many failures in a row, [Ejection.Failures], is ejected: requests
// avoid it for a time. Then one request is its probe, while the others still avoid it:
// its success brings the endpoint back, its failure ejects it for twice as long. A
// request that was tried elsewhere already is a probe only if nothing else is left. What
// is left of requests from before an ejection counts no more.
//
// There are two ways to fail, and they count differently:
//
//   - [Failed]: the endpoint answers, but badly or late. It may be the requests' fault,
//     and an endpoint that answers badly is better than none. So such endpoints are
//     ejected only while there are others: at most [Ejection.MaxPercent] of them may be
//     out, and a single one is never ejected for this.
//   - [Unreachable]: there is no connection. That is no request's fault, and nothing is
//     lost by not trying. So such endpoints are ejected however many are left, and be it
//     the only one.
//
// When all are ejected, requests fail at once, without a connection and without a place
// in the queue, and so do those that wait. Then no endpoint is left out for longer than
// a second: after that one request probes it. So the service is back about a second
// after it listens again, and until then each endpoint costs one request a second. The
// first endpoint that comes back has the others probed at once, lest it bear the load of
// all for long.
//
// # Limits
//
// [Config.Requests] bounds the requests in flight on all endpoints together, and
// [Config.Waiting] those that wait for a place; who waits longest is served first.
// Connections are the kind's affair.
//
// Missing: weights, zones, active health checks, a slow start of endpoints that are new
// or come back.
package balance

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/upstream"
)

// Config says what a [Set] consists of.
type Config struct {
	// Name is that of the upstream, for messages and the log.
	Name string
	// Targets are where the upstream is, at least one: host:port, 192.0.2.1:80,
	// [2001:db8::1]:80 or unix:/run/books.sock. Addresses that are there twice count
	// once.
	Targets []string
	// LeastRequest chooses the endpoint with the fewest requests in flight: of all, or
	// where there are many, of two random ones. Otherwise they take turns.
	LeastRequest bool
	Ejection     Ejection
	// Requests is how many requests may be in flight; zero is no limit.
	Requests int
	// Waiting is how many more may wait until there is room; zero is none.
	Waiting int
	// WaitTimeout is how long they wait; zero is as long as their contexts say.
	WaitTimeout time.Duration
	// Resolver looks up names; nil is that of the system.
	Resolver *net.Resolver
	// Refresh is how long after a lookup a name is looked up again, at most: it happens
	// up to a fifth earlier, so that not all do so at once. The default is 10 s.
	Refresh time.Duration
	// Log is told of ejections and of what names resolve to, of each change once; nil is
	// no log.
	Log *slog.Logger
}

// Ejection says when endpoints are left out, and for how long.
type Ejection struct {
	// Failures is how many in a row eject an endpoint. Zero is the default, 5; less than
	// zero is never.
	Failures int
	// BaseTime is how long an endpoint is ejected at first; the default is 10 s. It is
	// doubled each time that the probe fails or that the endpoint is ejected again sooner
	// than the time it was out for.
	BaseTime time.Duration
	// MaxTime bounds that; the default is 5 minutes.
	MaxTime time.Duration
	// MaxPercent is how many of the endpoints may be ejected because of [Failed]
	// requests, but one always may if there are at least two. The default is 50.
	MaxPercent int
}

// Outcome is how a request went, as far as its endpoint is concerned.
type Outcome uint8

// The outcomes.
const (
	// Neutral says nothing of the endpoint: the client gave up.
	Neutral Outcome = iota
	// OK is an answer that shows a working endpoint, be it that the request was wrong.
	OK
	// Failed is a bad answer, one that was cut off, or none in time.
	Failed
	// Unreachable is no connection.
	Unreachable
)

// Endpoint is one endpoint, as requests get it from [Set.Pick]. After an ejection there
// is another Endpoint for the same address, so what is kept for longer than a request is
// kept by the address.
type Endpoint struct {
	of *member
	// probe says that there is this one request only.
	probe bool
}

// Address is what to dial: IP:PORT with IPv6 in brackets, or unix:PATH.
func (e *Endpoint) Address() string { return e.of.address }

// Probe says that the request decides whether an ejected endpoint comes back: others
// wait for what [Set.Connected] and [Set.Answered] are told.
func (e *Endpoint) Probe() bool { return e.probe }

// Set is the endpoints of one upstream. It is safe for any goroutine.
type Set struct {
	cfg Config
	log *slog.Logger

	// mu guards what follows. It is held for a choice, never while anything waits or
	// is written.
	mu sync.Mutex
	// all are the endpoints, by address; those of avail are not ejected.
	all, avail []*member
	// next is whose turn it is in avail, modulo its length.
	next uint
	// due is when the first of the ejected endpoints may be probed; it matters only if
	// there is one.
	due      time.Time
	inFlight int
	queue    queue

	names names
}

// member is an endpoint. The lock of its [Set] guards it.
type member struct {
	address  string
	inFlight int
	// current is what requests get while the endpoint is not ejected.
	current *Endpoint
	health
	// gone says that its name no longer resolves to it.
	gone bool
}

func newMember(address string) *member {
	m := &member{address: address}
	m.current = &Endpoint{of: m}
	return m
}

// New checks cfg and makes a set of endpoints. It looks nothing up.
func New(cfg Config) (*Set, error) {
	if len(cfg.Targets) == 0 {
		return nil, errors.New("no targets: name at least one host:port or unix:path")
	}
	cfg.Ejection.setDefaults()
	if cfg.Refresh <= 0 {
		cfg.Refresh = 10 * time.Second
	}
	if cfg.Resolver == nil {
		cfg.Resolver = net.DefaultResolver
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	// Gateways that start together had better not begin with the same endpoint.
	s := &Set{cfg: cfg, log: cfg.Log.With("upstream", cfg.Name), next: uint(rand.Uint32())}
	for _, text := range cfg.Targets {
		t, err := parseTarget(text)
		if err != nil {
			return nil, fmt.Errorf("target %q: %w", text, err)
		}
		s.names.add(t)
	}
	s.names.known = make(chan struct{})
	s.arrange(time.Now(), s.names.addresses())
	return s, nil
}

// Close ends the lookups. Requests may still be running, and end as they would.
func (s *Set) Close() {
	s.mu.Lock()
	if s.names.started = true; s.names.err == nil {
		s.names.err = errClosed
	}
	s.names.settle()
	stop := s.names.stop
	s.mu.Unlock()
	if stop != nil {
		stop()
		s.names.running.Wait()
	}
}

// Pick chooses an endpoint and takes a place on it, which [Set.Done] must give back. It
// is none of tried while there are others, and is added to it; tried may be nil.
//
// The error is an [*upstream.Error] with NotSent: UPSTREAM_OVERLOADED if there is no
// room, UPSTREAM_UNREACHABLE if no endpoint is left or known, DEADLINE_EXCEEDED or
// CLIENT_CLOSED if ctx ended.
func (s *Set) Pick(ctx context.Context, tried *upstream.Tried) (*Endpoint, error) {
	if ctx.Err() != nil {
		return nil, s.ended(ctx)
	}
	var avoid []string
	if tried != nil {
		avoid = *tried
	}
	s.mu.Lock()
	if !s.names.started {
		s.lookUp()
	}
	if len(s.all) == 0 {
		s.mu.Unlock()
		if err := s.awaitNames(ctx); err != nil {
			return nil, err
		}
		s.mu.Lock()
	}
	e, err := s.take(avoid)
	if e != nil || err != nil {
		s.mu.Unlock()
	} else {
		e, err = s.wait(ctx, avoid)
	}
	if err != nil {
		return nil, err
	}
	if tried != nil && !slices.Contains(avoid, e.of.address) {
		*tried = append(avoid, e.of.address)
	}
	return e, nil
}

// Done gives back the place that [Set.Pick] took, and says how the request went. It must
// be called once for each endpoint picked.
func (s *Set) Done(e *Endpoint, outcome Outcome) {
	s.mu.Lock()
	e.of.inFlight--
	s.inFlight--
	change := s.count(e, outcome)
	s.admit()
	s.mu.Unlock()
	s.tell(change)
}

// Connected says that there is a connection for e. If e was unreachable before, this is
// what others wait for: it is back. It matters only if [Endpoint.Probe], and comes
// before Done.
func (s *Set) Connected(e *Endpoint) { s.proved(e, true) }

// Answered says that a good answer has begun, which may take long to end. If e was
// ejected, it is back. It matters only if [Endpoint.Probe], and comes before Done.
func (s *Set) Answered(e *Endpoint) { s.proved(e, false) }

// take chooses an endpoint and takes a place on it. It gives nothing at all if the
// request has to wait for one. mu is held.
func (s *Set) take(tried []string) (*Endpoint, error) {
	var now time.Time
	if len(s.avail) < len(s.all) {
		now = time.Now()
	}
	if s.cfg.Requests > 0 && s.inFlight >= s.cfg.Requests {
		if len(s.avail) > 0 {
			return nil, nil
		}
		return nil, s.allDown(now)
	}
	e := s.choose(now, tried)
	if e == nil {
		return nil, s.allDown(now)
	}
	e.of.inFlight++
	s.inFlight++
	return e, nil
}
