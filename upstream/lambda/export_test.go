package lambda

import "time"

// Advance puts the clock that credentials expire by ahead of the system's.
func (u *Upstream) Advance(by time.Duration) {
	for _, k := range u.keys {
		k.mu.Lock()
		k.now = func() time.Time { return time.Now().Add(by) }
		k.mu.Unlock()
	}
}
