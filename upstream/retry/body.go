package retry

import (
	"errors"
	"io"
	"sync"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// source is the body of a request that may be sent more than once. Each attempt has
// a [replay] of it, which reads what is kept and then from the body itself, keeping
// what comes.
//
// A transport may answer, or fail, while it still reads the body, and let go of it
// later on another goroutine. So an attempt may begin while the one before it is in
// the middle of a Read that waits for the client. That Read is not waited for: what
// it brings is kept as well, whatever the bound, and the new attempt reads it from
// there.
type source struct {
	body io.ReadCloser
	// reading is held while body is read.
	reading sync.Mutex

	mu sync.Mutex // guards the rest; never held while body is read
	// room is how many bytes more may be kept.
	room int
	// kept is all that was read, unless more is set; nil before the first byte.
	kept *rpc.Buffer
	// more says that something was read that is not kept.
	more bool
	// err is what reading ended with, io.EOF as well.
	err     error
	current *replay
	// over says that there will be no further attempt.
	over bool
	// closed says that body has been closed.
	closed bool
	// reads is how many Reads of any attempt are under way, open how many attempts
	// are not closed.
	reads, open int
}

var errClosed = errors.New("the body of an attempt is closed")

// next is the body for another attempt, nil if there cannot be one: what was read is
// not all kept, or reading it failed. The attempt before it reads no more.
func (s *source) next() *replay {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.whole() {
		return nil
	}
	if s.current != nil && !s.current.closed {
		s.current.closed = true
		s.open--
	}
	s.open++
	s.current = &replay{source: s}
	return s.current
}

// replayable reports whether next would give a body now.
func (s *source) replayable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.whole()
}

func (s *source) whole() bool { return !s.more && (s.err == nil || s.err == io.EOF) }

// finish says that there will be no further attempt. As soon as the last one has
// closed its body the source is closed.
func (s *source) finish() {
	s.mu.Lock()
	s.over = true
	s.settle()
}

// settle closes and frees what nobody needs any more, and unlocks.
func (s *source) settle() {
	var kept *rpc.Buffer
	if s.over && s.open == 0 && s.reads == 0 {
		kept, s.kept = s.kept, nil
	}
	shut := s.over && !s.closed && s.current.closed
	s.closed = s.closed || shut
	waiting := s.reads > 0
	s.mu.Unlock()
	kept.Release()
	switch {
	case shut && waiting:
		// A server's body cannot be closed before its Read is back, and whoever
		// finishes has an answer to give.
		go func() { _ = s.body.Close() }()
	case shut:
		_ = s.body.Close()
	}
}

// replay is the body of one attempt.
type replay struct {
	source *source
	// at is how much of the body has been read; it belongs to the reader.
	at int
	// closed is guarded by the source.
	closed bool
}

// Read implements [io.Reader].
func (r *replay) Read(p []byte) (int, error) {
	s := r.source
	s.mu.Lock()
	if n, err := r.readKept(p); n > 0 || err != nil || len(p) == 0 {
		s.mu.Unlock()
		return n, err
	}
	s.reads++
	s.mu.Unlock()

	s.reading.Lock()
	s.mu.Lock()
	// The attempt before this one may have been reading until now.
	n, err := r.readKept(p)
	if n == 0 && err == nil {
		s.mu.Unlock()
		n, err = s.body.Read(p)
		s.mu.Lock()
		r.keep(p[:n], err)
	}
	s.reading.Unlock()
	s.reads--
	s.settle()
	return n, err
}

// readKept reads what is kept and was not read by this attempt.
func (r *replay) readKept(p []byte) (int, error) {
	s := r.source
	switch {
	case r.closed || s.current != r:
		return 0, errClosed
	case !s.more && s.kept != nil && r.at < len(s.kept.B):
		n := copy(p, s.kept.B[r.at:])
		r.at += n
		return n, nil
	}
	return 0, s.err
}

// keep keeps what was read, with the error that came with it.
func (r *replay) keep(p []byte, err error) {
	s := r.source
	s.err = err
	r.at += len(p)
	if s.more || len(p) == 0 {
		return
	}
	s.room -= len(p)
	if s.room < 0 && s.current == r {
		s.more = true
		s.kept.Release()
		s.kept = nil
		return
	}
	if s.kept == nil {
		s.kept = rpc.NewBufferFor(len(p))
	}
	s.kept.B = append(s.kept.B, p...)
}

// Close implements [io.Closer].
func (r *replay) Close() error {
	s := r.source
	s.mu.Lock()
	if !r.closed {
		r.closed = true
		s.open--
	}
	s.settle()
	return nil
}
