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
	// kept is all that was read, unless more is set, in pieces that are full but for
	// the last one.
	kept []*rpc.Buffer
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

	// first and pieces spare allocations: most requests have one attempt, and few
	// pieces.
	first  replay
	pieces [6]*rpc.Buffer
}

// maxPiece bounds one piece of what is kept.
const maxPiece = 32 << 10

// newSource is the source of a body of some length, negative or zero if that is not
// known, of which so much may be kept.
func newSource(body io.ReadCloser, length int64, room int) *source {
	s := &source{body: body, room: room}
	s.kept = s.pieces[:0]
	if length > int64(room) {
		s.room = 0 // it is not worth beginning
	}
	return s
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
	if s.current == nil {
		s.current = &s.first
	} else {
		s.current = new(replay)
	}
	s.current.source = s
	return s.current
}

// replayable reports whether next would give a body now.
func (s *source) replayable() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.whole()
}

func (s *source) whole() bool { return !s.more && (s.err == nil || errors.Is(s.err, io.EOF)) }

// finish says that there will be no further attempt. As soon as the last one has
// closed its body the source is closed.
func (s *source) finish() {
	s.mu.Lock()
	s.over = true
	s.settle()
}

// settle closes and frees what nobody needs any more, and unlocks.
func (s *source) settle() {
	if s.over && s.open == 0 && s.reads == 0 {
		s.free()
	}
	shut := s.over && !s.closed && s.current.closed
	s.closed = s.closed || shut
	waiting := s.reads > 0
	s.mu.Unlock()
	switch {
	case shut && waiting:
		// A server's body cannot be closed before its Read is back, and whoever
		// finishes has an answer to give.
		go func() { _ = s.body.Close() }()
	case shut:
		_ = s.body.Close()
	}
}

// free gives back what is kept.
func (s *source) free() {
	for i, piece := range s.kept {
		piece.Release()
		s.kept[i] = nil
	}
	s.kept = s.kept[:0]
}

// replay is the body of one attempt.
type replay struct {
	source *source
	// piece and at are how far it has been read, in what is kept.
	piece, at int
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
	case r.closed:
		return 0, errClosed
	case s.more:
		return 0, s.err
	}
	for ; r.piece < len(s.kept); r.piece, r.at = r.piece+1, 0 {
		rest := s.kept[r.piece].B[r.at:]
		if n := copy(p, rest); n > 0 {
			r.at += n
			return n, nil
		}
		if r.piece == len(s.kept)-1 {
			break // it may grow
		}
	}
	return 0, s.err
}

// keep keeps what was read, with the error that came with it.
func (r *replay) keep(p []byte, err error) {
	s := r.source
	s.err = err
	if s.more || len(p) == 0 {
		return
	}
	s.room -= len(p)
	if s.room < 0 && s.current == r {
		s.more = true
		s.free()
		return
	}
	s.keep(p)
	if s.current == r {
		r.piece = len(s.kept) - 1
		r.at = len(s.kept[r.piece].B)
	}
}

func (s *source) keep(p []byte) {
	for len(p) > 0 {
		size := 0
		if last := len(s.kept) - 1; last >= 0 {
			piece := s.kept[last]
			n := min(cap(piece.B)-len(piece.B), len(p))
			piece.B = append(piece.B, p[:n]...)
			if p = p[n:]; len(p) == 0 {
				return
			}
			size = 2 * cap(piece.B)
		}
		s.kept = append(s.kept, rpc.NewBufferFor(min(max(size, len(p)), maxPiece)))
	}
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
