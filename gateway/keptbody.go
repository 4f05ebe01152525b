package gateway

import (
	"io"
	"net/http"
	"sync"
)

// keptBody is a body that keeps what is read of it, up to a limit, so that it can be
// had again from its beginning. Whoever reads it may do so on another goroutine than
// that of the answer, and for longer than that takes.
type keptBody struct {
	io.ReadCloser
	limit int

	mu   sync.Mutex
	kept []byte
	// lost says that the body cannot be had from its beginning any more, reading that
	// somebody waits for more of it, ended that its first reader gets nothing more.
	lost, reading, ended bool
}

// keep begins with body, whose length is negative if nobody knows it. It keeps nothing
// of one that is too long.
func (b *keptBody) keep(body io.ReadCloser, limit int, length int64) {
	b.ReadCloser = body
	if length <= int64(limit) {
		b.limit = limit
	}
}

// Read implements [io.Reader].
func (b *keptBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	ended := b.ended
	b.reading = !ended
	b.mu.Unlock()
	if ended {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := b.ReadCloser.Read(p)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reading = false
	switch {
	case b.lost:
	case len(b.kept)+n > b.limit:
		b.lost, b.kept = true, nil
	default:
		b.kept = append(b.kept, p[:n]...)
	}
	return n, err
}

// Close ends the reading. It closes the body itself only where that is what somebody
// waits for who reads it, or if nobody can have it again: whoever answers in the end
// needs it, and the server closes it.
func (b *keptBody) Close() error {
	b.mu.Lock()
	b.ended = true
	if b.reading {
		b.lost, b.kept = true, nil
	}
	lost := b.lost
	b.mu.Unlock()
	if lost {
		return b.ReadCloser.Close()
	}
	return nil
}

// forget keeps nothing any more.
func (b *keptBody) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lost, b.kept = true, nil
}

// again is the body from its beginning; false if it cannot be had. Who has read it so
// far gets nothing more.
func (b *keptBody) again() (io.ReadCloser, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lost || b.reading {
		return nil, false
	}
	b.ended = true
	if len(b.kept) == 0 {
		return b.ReadCloser, true
	}
	return &replayed{ReadCloser: b.ReadCloser, kept: b.kept}, true
}

// replayed is a body of which the beginning is read again.
type replayed struct {
	io.ReadCloser
	kept []byte
}

// Read implements [io.Reader].
func (b *replayed) Read(p []byte) (int, error) {
	if len(b.kept) == 0 {
		return b.ReadCloser.Read(p)
	}
	n := copy(p, b.kept)
	b.kept = b.kept[n:]
	return n, nil
}
