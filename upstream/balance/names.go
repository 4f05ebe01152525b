package balance

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

const (
	// lookupTimeout bounds one lookup. The first server of a resolver may be dead, and
	// it is given up after 5 s.
	lookupTimeout = 15 * time.Second
	// retryTime is when a name is looked up again of which nothing is known.
	retryTime = time.Second
)

var errClosed = errors.New("the upstream is closed")

// names is what the targets of a [Set] resolve to.
type names struct {
	// fixed are the addresses that need no lookup.
	fixed []string
	// Those that do: the lock of the [Set] guards what they resolved to.
	list []*name

	// started says that lookups have begun, or that there are none to begin.
	started bool
	// known is closed when there is an address, or when all names have been looked up
	// once and there is none. The lock of the [Set] guards the closing.
	known chan struct{}
	// err is why the last lookup failed.
	err     error
	stop    context.CancelFunc
	running sync.WaitGroup
}

type name struct {
	target
	// asked says that a lookup has ended.
	asked bool
	// addresses are those of the last lookup that found any.
	addresses []string
	// failing says that the last lookup did not, and that the log was told.
	failing bool
}

func (n *names) add(t target) {
	switch {
	case t.address != "":
		n.fixed = append(n.fixed, t.address)
	case !slices.ContainsFunc(n.list, func(has *name) bool { return has.target == t }):
		n.list = append(n.list, &name{target: t})
	}
	n.started = len(n.list) == 0
}

// settle lets those go on who wait for an address.
func (n *names) settle() {
	select {
	case <-n.known:
	default:
		close(n.known)
	}
}

// addresses are all that is known, each once and in order.
func (n *names) addresses() []string {
	all := slices.Clone(n.fixed)
	for _, one := range n.list {
		all = append(all, one.addresses...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// lookUp begins with the lookups. mu is held.
func (s *Set) lookUp() {
	s.names.started = true
	var ctx context.Context
	ctx, s.names.stop = context.WithCancel(context.Background())
	for _, n := range s.names.list {
		s.names.running.Go(func() { s.follow(ctx, n) })
	}
}

// awaitNames waits until an endpoint is known.
func (s *Set) awaitNames(ctx context.Context) error {
	select {
	case <-s.names.known:
	case <-ctx.Done():
		return s.ended(ctx)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.all) > 0 {
		return nil
	}
	return &upstream.Error{Reason: rpc.UpstreamUnreachable, NotSent: true, RetryAfter: retryTime,
		Err: fmt.Errorf("upstream %q: no address is known: %w", s.cfg.Name, s.names.err)}
}

// follow looks a name up again and again, until ctx ends.
func (s *Set) follow(ctx context.Context, n *name) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		addresses, err := s.resolve(ctx, n.target)
		if ctx.Err() == nil {
			timer.Reset(s.learn(n, addresses, err))
		}
	}
}

func (s *Set) resolve(ctx context.Context, t target) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := s.cfg.Resolver.LookupNetIP(ctx, "ip", t.name)
	if err == nil && len(found) == 0 {
		err = errors.New("it has no address")
	}
	if err != nil {
		return nil, fmt.Errorf("looking up %q: %w", t.name, err)
	}
	addresses := make([]string, len(found))
	for i, a := range found {
		addresses[i] = join(a, t.port)
	}
	slices.Sort(addresses)
	return slices.Compact(addresses), nil
}

// learn takes in what a lookup found, and says when to look again.
func (s *Set) learn(n *name, addresses []string, err error) time.Duration {
	s.mu.Lock()
	known, failed := len(n.addresses) > 0, n.failing
	n.asked = true
	n.failing = err != nil
	var added, removed []string
	if err != nil {
		s.names.err = err
	} else if !slices.Equal(addresses, n.addresses) {
		n.addresses = addresses
		added, removed = s.arrange(time.Now(), s.names.addresses())
		s.admit()
	}
	kept := len(n.addresses)
	waiting := slices.ContainsFunc(s.names.list, func(n *name) bool { return !n.asked })
	if len(s.all) > 0 || !waiting {
		s.names.settle()
	}
	s.mu.Unlock()

	switch {
	case err != nil && !failed:
		s.log.Warn("name not resolved; what is known of it is kept", "name", n.name, "error", err, "kept", kept)
	case err == nil && failed:
		s.log.Info("name resolved again", "name", n.name)
	}
	if known && len(added)+len(removed) > 0 {
		s.log.Info("endpoints changed", "name", n.name, "added", added, "removed", removed)
	}
	if kept == 0 {
		return min(retryTime, s.cfg.Refresh)
	}
	return s.cfg.Refresh - rand.N(s.cfg.Refresh/5+1)
}

// arrange makes the endpoints those at the addresses, which are sorted. Those that are
// there already stay as they are. mu is held.
func (s *Set) arrange(now time.Time, addresses []string) (added, removed []string) {
	had := make(map[string]*member, len(s.all))
	for _, m := range s.all {
		had[m.address] = m
	}
	all := make([]*member, len(addresses))
	for i, address := range addresses {
		m := had[address]
		if m == nil {
			m = newMember(address)
			added = append(added, address)
		}
		all[i] = m
		delete(had, address)
	}
	for _, m := range s.all {
		if had[m.address] != nil {
			m.gone = true
			removed = append(removed, m.address)
		}
	}
	s.all = all
	s.refigure()
	s.spare(now)
	return added, removed
}

// spare brings endpoints back that were ejected for bad answers when there were more
// to take their place. mu is held.
func (s *Set) spare(now time.Time) {
	for len(s.all)-len(s.avail) > s.cfg.Ejection.most(len(s.all)) {
		var first *member
		for _, m := range s.all {
			if m.ejected && !m.down && (first == nil || m.until.Before(first.until)) {
				first = m
			}
		}
		if first == nil {
			return
		}
		s.restore(first, now)
	}
}
