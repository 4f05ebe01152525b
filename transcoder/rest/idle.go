package rest

import (
	"sync"
	"sync/atomic"
	"time"
)

// idleness tells when no message has travelled for too long. A nil one never
// does, and costs nothing.
type idleness struct {
	limit   time.Duration
	expired func()
	began   time.Time
	// last is when a message travelled, counted from began.
	last atomic.Int64

	mu    sync.Mutex // guards the rest
	timer *time.Timer
	over  bool
}

// newIdleness is nil if limit is zero. expired is called at most once, on a
// goroutine of its own, and not after end has returned.
func newIdleness(limit time.Duration, expired func()) *idleness {
	if limit <= 0 {
		return nil
	}
	i := &idleness{limit: limit, expired: expired, began: time.Now()}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.timer = time.AfterFunc(limit, i.look)
	return i
}

// travelled says that a message has travelled, in whatever direction. Any
// goroutine may call it.
func (i *idleness) travelled() {
	if i != nil {
		i.last.Store(int64(time.Since(i.began)))
	}
}

// look waits for what is left of the limit, or tells that nothing is.
func (i *idleness) look() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.over {
		return
	}
	idle := time.Since(i.began) - time.Duration(i.last.Load())
	if idle < i.limit {
		i.timer.Reset(i.limit - idle)
		return
	}
	i.over = true
	i.expired()
}

// end stops looking.
func (i *idleness) end() {
	if i == nil {
		return
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.over = true
	i.timer.Stop()
}
