package balance

import "slices"

// ParseTarget is parseTarget, as what it has to dial or to look up.
func ParseTarget(text string) (address, name string, port uint16, err error) {
	t, err := parseTarget(text)
	return t.address, t.name, t.port, err
}

// Load is the requests in flight, on all and on each address, and those that wait.
func (s *Set) Load() (total, waiting int, by map[string]int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	by = make(map[string]int)
	for _, m := range s.all {
		by[m.address] = m.inFlight
	}
	return s.inFlight, s.queue.Len(), by
}

// Ejected are the addresses of ejected endpoints: those that answer badly, and those
// that are unreachable.
func (s *Set) Ejected() (bad, down []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.all {
		if m.ejected == slices.Contains(s.avail, m) {
			panic("an endpoint must be either ejected or available: " + m.address)
		}
		switch {
		case m.ejected && m.down:
			down = append(down, m.address)
		case m.ejected:
			bad = append(bad, m.address)
		}
	}
	return bad, down
}

// Generation changes when an endpoint comes back: what requests before had counts no
// more then.
func (s *Set) Generation() []*Endpoint {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*Endpoint
	for _, m := range s.all {
		all = append(all, m.current)
	}
	return all
}
