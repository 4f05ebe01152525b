package rpc

import (
	"sync"
	"sync/atomic"
	"time"
)

// Idle ends a stream on which nothing travels: it calls a function once, as soon
// as [Idle.Touch] has not been called for some time. A nil Idle is one that never
// does, and all its methods may be called. Touch allocates nothing and takes no
// lock, so that every message can afford it.
//
//	idle := rpc.StartIdle(settings.Stream.IdleTimeout, func(*rpc.Error) { stream.Cancel() })
//	defer idle.Stop()
//	…
//	idle.Touch() // for each message, of either direction
//	…
//	idle.Explain(&status) // at the end
type Idle struct {
	after time.Duration
	start time.Time
	// last is when Touch was called, in nanoseconds since start.
	last atomic.Int64

	mu      sync.Mutex // guards the rest; held while expire runs
	timer   *time.Timer
	expire  func(*Error)
	stopped bool
	expired bool
}

// StartIdle begins to wait. If after is not positive it returns nil. expire is told
// what the stream ended with. It runs on a goroutine of its own and must not wait,
// nor call a method of the Idle.
func StartIdle(after time.Duration, expire func(*Error)) *Idle {
	if after <= 0 {
		return nil
	}
	i := &Idle{after: after, start: time.Now(), expire: expire}
	// The timer may fire before the field is set.
	i.mu.Lock()
	defer i.mu.Unlock()
	i.timer = time.AfterFunc(after, i.look)
	return i
}

// Touch says that something travelled. It is safe for any goroutine.
func (i *Idle) Touch() {
	if i != nil {
		i.last.Store(int64(time.Since(i.start)))
	}
}

// look expires, or waits for what is left since the last touch: the timer is set
// once for each period, not for each message.
func (i *Idle) look() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.stopped {
		return
	}
	if left := i.after - (time.Since(i.start) - time.Duration(i.last.Load())); left > 0 {
		i.timer.Reset(left)
		return
	}
	i.expired, i.stopped = true, true
	i.expire(i.err())
}

// Stop ends the waiting. After it expire neither runs nor will. It may be called
// more than once.
func (i *Idle) Stop() {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.stopped = true
	i.timer.Stop()
}

// Expired reports whether expire has been called.
func (i *Idle) Expired() bool {
	if i == nil {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.expired
}

func (i *Idle) err() *Error {
	return Errorf(DeadlineExceeded, "no message travelled in either direction for %v, the idle_timeout of streams on this path", i.after)
}

// Explain puts what expire was told in the place of a status that says no more than
// that the gateway itself cancelled the call, if that was because of expire.
func (i *Idle) Explain(st *Status) {
	if st.Reason == ClientClosed && i.Expired() {
		*st = i.err().Status()
	}
}
