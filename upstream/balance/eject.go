package balance

import (
	"log/slog"
	"slices"
	"time"
)

// downTime is after how long an ejected endpoint may be probed if none is left.
const downTime = time.Second

func (e *Ejection) setDefaults() {
	if e.Failures == 0 {
		e.Failures = 5
	}
	if e.BaseTime <= 0 {
		e.BaseTime = 10 * time.Second
	}
	if e.MaxTime <= 0 {
		e.MaxTime = 5 * time.Minute
	}
	e.MaxTime = max(e.MaxTime, e.BaseTime)
	if e.MaxPercent <= 0 {
		e.MaxPercent = 50
	}
	e.MaxPercent = min(e.MaxPercent, 100)
}

// most is how many of n endpoints may be out when one is ejected for bad answers.
func (e *Ejection) most(n int) int {
	if n < 2 {
		return 0
	}
	return max(1, n*e.MaxPercent/100)
}

// after is how long an endpoint is out that was so for last before; zero if it was not.
func (e *Ejection) after(last time.Duration) time.Duration {
	if last == 0 {
		return e.BaseTime
	}
	if last > e.MaxTime/2 {
		return e.MaxTime
	}
	return 2 * last
}

// health is what is known of how an endpoint works.
type health struct {
	// failures in a row, of either way, and without a connection.
	failures, unreachable int

	ejected bool
	// down says that it was ejected because it is unreachable.
	down bool
	// until is when it may be probed, and probed when it last failed.
	until, failed time.Time
	// period is how long the last ejection was; zero if there is none that matters.
	period time.Duration
	// back is when the last ejection ended.
	back time.Time
	// probing is what the request has that probes it, if there is one.
	probing *Endpoint
}

// dueAt is when an ejected endpoint may be probed.
func (h *health) dueAt(noneLeft bool) time.Time {
	if soon := h.failed.Add(downTime); noneLeft && soon.Before(h.until) {
		return soon
	}
	return h.until
}

// probe makes a request the probe of m. mu is held.
func (s *Set) probe(m *member) *Endpoint {
	m.probing = &Endpoint{of: m, probe: true}
	s.refigure()
	return m.probing
}

// toProbe is the ejected endpoint, not in tried, that has waited longest for its probe.
func (s *Set) toProbe(now time.Time, tried []string) *member {
	if len(s.avail) == len(s.all) || now.Before(s.due) {
		return nil
	}
	var first *member
	var due time.Time
	for _, m := range s.all {
		if !m.ejected || m.probing != nil || slices.Contains(tried, m.address) {
			continue
		}
		at := m.dueAt(len(s.avail) == 0)
		if !at.After(now) && (first == nil || at.Before(due)) {
			first, due = m, at
		}
	}
	return first
}

// change is what happened to an endpoint, for the log.
type change struct {
	of     *member
	back   bool
	down   bool
	period time.Duration
	left   int
}

func (s *Set) tell(c change) {
	switch {
	case c.of == nil:
	case c.back:
		s.log.Info("endpoint is back", "endpoint", c.of.address)
	default:
		why := "failures"
		if c.down {
			why = "unreachable"
		}
		s.log.Warn("endpoint ejected", "endpoint", c.of.address, "cause", why,
			slog.Duration("for", c.period), slog.Int("left", c.left))
	}
}

// count has the outcome of a request count for its endpoint. mu is held.
func (s *Set) count(e *Endpoint, outcome Outcome) change {
	m := e.of
	switch {
	case m.gone:
		return change{}
	case e == m.probing:
		return s.probed(m, outcome)
	case m.ejected || e != m.current:
		// It began before an ejection, which it could only repeat.
		return change{}
	}
	switch outcome {
	case Neutral:
		return change{}
	case OK:
		m.failures, m.unreachable = 0, 0
		return change{}
	case Failed:
		m.failures++
		m.unreachable = 0
	case Unreachable:
		m.failures++
		m.unreachable++
	}
	limit := s.cfg.Ejection.Failures
	if limit < 0 || m.failures < limit {
		return change{}
	}
	m.down = m.unreachable >= limit
	if out := len(s.all) - len(s.avail); !m.down && out+1 > s.cfg.Ejection.most(len(s.all)) {
		return change{}
	}
	now := time.Now()
	if now.Sub(m.back) >= m.period {
		// It has worked for long enough to be forgiven.
		m.period = 0
	}
	m.ejected = true
	m.eject(now, s.cfg.Ejection.after(m.period))
	s.refigure()
	return change{of: m, down: m.down, period: m.period, left: len(s.avail)}
}

func (m *member) eject(now time.Time, period time.Duration) {
	m.period = period
	m.until, m.failed = now.Add(period), now
}

// probed has the outcome of a probe decide. mu is held.
func (s *Set) probed(m *member, outcome Outcome) change {
	m.probing = nil
	// If not, one that answers badly is better than none.
	bearable := len(s.all)-len(s.avail) <= s.cfg.Ejection.most(len(s.all))
	now := time.Now()
	switch {
	case outcome == Neutral:
		// The next request is the probe.
	case outcome == OK || outcome == Failed && !bearable:
		return s.restore(m, now)
	default:
		m.down = outcome == Unreachable
		m.failed = now
		// A probe before its time is because none is left, not because this one is
		// worse than it was.
		if !now.Before(m.until) {
			m.eject(now, s.cfg.Ejection.after(m.period))
		}
	}
	s.refigure()
	return change{}
}

// proved ends a probe well, before the request has ended.
func (s *Set) proved(e *Endpoint, connected bool) {
	if !e.probe {
		return
	}
	s.mu.Lock()
	var c change
	if m := e.of; m.probing == e && !m.gone && (m.down || !connected) {
		c = s.probed(m, OK)
	}
	s.mu.Unlock()
	s.tell(c)
}

// restore ends an ejection. mu is held.
func (s *Set) restore(m *member, now time.Time) change {
	if len(s.avail) == 0 {
		// What kept them from all endpoints may be over for the others as well.
		for _, other := range s.all {
			if other != m {
				other.until, other.period = now, 0
			}
		}
	}
	m.ejected, m.down = false, false
	m.failures, m.unreachable = 0, 0
	m.back = now
	m.probing = nil
	m.current = &Endpoint{of: m}
	s.refigure()
	return change{of: m, back: true}
}

// refigure does what a change of endpoints or of their state asks for. mu is held.
func (s *Set) refigure() {
	s.avail = slices.DeleteFunc(slices.Clone(s.all), func(m *member) bool { return m.ejected })
	s.due = time.Time{}
	for _, m := range s.all {
		if !m.ejected || m.probing != nil {
			continue
		}
		if at := m.dueAt(len(s.avail) == 0); s.due.IsZero() || at.Before(s.due) {
			s.due = at
		}
	}
}
