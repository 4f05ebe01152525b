package balance

import (
	"math/rand/v2"
	"slices"
	"time"
)

// exact is up to how many endpoints the one with the fewest requests is looked for
// among all. Of more, the better of two random ones is nearly as good, and costs the
// same for any number.
const exact = 8

// choose is the endpoint of a request that has been with those in tried; nil if all
// are ejected, and none of them is to be probed. mu is held.
//
// A probe comes first, or it would never come under a policy that avoids the endpoint.
// But for a request that has failed already: that one should not fail again.
func (s *Set) choose(now time.Time, tried []string) *Endpoint {
	if len(tried) == 0 {
		if m := s.toProbe(now, nil); m != nil {
			return s.probe(m)
		}
		if len(s.avail) > 0 {
			return s.turn(nil).current
		}
		return nil
	}
	if m := s.turn(tried); m != nil {
		return m.current
	}
	if m := s.toProbe(now, tried); m != nil {
		return s.probe(m)
	}
	return s.choose(now, nil)
}

// turn chooses one that is neither ejected nor in tried; nil if there is none.
func (s *Set) turn(tried []string) *member {
	n := uint(len(s.avail))
	if n == 0 {
		return nil
	}
	if !s.cfg.LeastRequest {
		i, ok := s.untried(s.next%n, tried)
		if !ok {
			return nil
		}
		s.next = i + 1
		return s.avail[i]
	}
	if n > exact {
		i, ok := s.untried(rand.UintN(n), tried)
		if !ok {
			return nil
		}
		// Of the others, so that it is a choice.
		j, _ := s.untried((i+1+rand.UintN(n-1))%n, tried)
		return less(s.avail[i], s.avail[j])
	}
	// Those alike take turns.
	var best *member
	for i := range n {
		m := s.avail[(s.next+i)%n]
		if (best == nil || m.inFlight < best.inFlight) && !slices.Contains(tried, m.address) {
			best = m
		}
	}
	s.next++
	return best
}

// untried is the first from i on in avail that is not in tried.
func (s *Set) untried(i uint, tried []string) (uint, bool) {
	n := uint(len(s.avail))
	for range n {
		if !slices.Contains(tried, s.avail[i].address) {
			return i, true
		}
		if i++; i == n {
			i = 0
		}
	}
	return 0, false
}

func less(a, b *member) *member {
	if b.inFlight < a.inFlight {
		return b
	}
	return a
}
