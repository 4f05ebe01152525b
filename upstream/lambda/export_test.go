package lambda

import "time"

// Advance puts the clock that credentials expire by ahead of the system's.
func (u *Upstream) Advance(by time.Duration) {
	for _, k := range u.keys {
		k.Cache.Advance(by)
	}
}
