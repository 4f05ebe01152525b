package proxy

import (
	"sync"
	"sync/atomic"
	"time"
)

// phase is what an exchange waits for.
type phase uint8

const (
	// sending: the request's body is on its way.
	sending phase = iota
	// waiting: the request has been read to its end, the answer has not begun.
	waiting
	// answering: the answer's body is on its way, or both directions of an upgraded
	// connection.
	answering
)

// watch bounds how long an exchange waits, with one timer for all of its phases. The
// zero watch bounds nothing.
type watch struct {
	// timeout bounds the phase waiting, idle the silence in the others; zero is no
	// bound.
	timeout, idle time.Duration
	start         time.Time
	// last is when something travelled, in nanoseconds since start.
	last atomic.Int64

	mu      sync.Mutex // guards the rest; held while expire runs
	timer   *time.Timer
	phase   phase
	since   time.Duration
	expire  func()
	stopped bool
	// late says that the time was over, in the phase.
	late bool
}

// begin begins to watch. expire is called once if a time is over, on a goroutine of
// its own; it must not wait.
func (w *watch) begin(p phase, expire func()) {
	w.phase, w.expire = p, expire
	if w.timeout <= 0 && w.idle <= 0 {
		return
	}
	w.start = time.Now()
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.step(), w.look)
}

// step is the longest that the timer may wait: whatever the phase becomes meanwhile,
// nothing ends earlier.
func (w *watch) step() time.Duration {
	if w.timeout <= 0 || w.idle > 0 && w.idle < w.timeout {
		return w.idle
	}
	return w.timeout
}

// touch says that something travelled. It is safe for any goroutine.
func (w *watch) touch() {
	if w.idle > 0 {
		w.last.Store(int64(time.Since(w.start)))
	}
}

// enter changes the phase. It never goes back.
func (w *watch) enter(p phase) {
	if w.timer == nil {
		return
	}
	now := time.Since(w.start)
	w.last.Store(int64(now))
	w.mu.Lock()
	defer w.mu.Unlock()
	if p > w.phase && !w.stopped {
		w.phase, w.since = p, now
	}
}

// look expires, or waits on.
func (w *watch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	bound, since := w.idle, time.Duration(w.last.Load())
	if w.phase == waiting {
		bound, since = w.timeout, w.since
	}
	left := w.step()
	if bound > 0 {
		left = min(left, bound-(time.Since(w.start)-since))
	}
	if left > 0 {
		w.timer.Reset(left)
		return
	}
	w.late, w.stopped = true, true
	w.expire()
}

// stop ends the watching. After it expire neither runs nor will. It may be called more
// than once.
func (w *watch) stop() {
	if w.timer == nil {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.timer.Stop()
}

// expired reports whether a time was over, and in which phase.
func (w *watch) expired() (phase, bool) {
	if w.timer == nil {
		return 0, false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.phase, w.late
}
