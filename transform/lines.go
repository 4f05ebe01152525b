package transform

import (
	"bytes"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/coding"
	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/frame"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

// lines is the body of a request that is forwarded and is NDJSON. The first line is
// read before the handler is called, because the head waits for what programs make
// of it; the others when the handler reads, which may be in another goroutine, and
// go on after it has returned.
type lines struct {
	splitter frame.Splitter
	source   inlet
	// inflater undoes the coding, encoder does it again; nil if there is none.
	inflater *coding.Inflater
	encoder  *coding.Encoder
	limit    int
	// held[at:] is what has come and is not a whole line; out[sent:] is for who reads.
	held, out []byte
	at, sent  int
	// piece is the first line; it stays where it is until the second is looked for.
	piece frame.Piece
	// ended says that nothing comes any more, err is how the body ends.
	ended bool
	err   error

	// mu guards what handler and reader share. k is nil when the handler has
	// returned; failed is why no more lines come, for so many steps.
	mu     sync.Mutex
	k      *run
	failed *rpc.Error
	outer  int
}

var _ io.ReadCloser = (*lines)(nil)

// inlet is the body of a request. It counts, and keeps what it gives as long as that
// may be wanted once more.
type inlet struct {
	io.ReadCloser
	n    atomic.Int64
	keep bool
	kept []byte
	most int
}

// Read implements [io.Reader].
func (b *inlet) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	if b.keep {
		if b.kept = append(b.kept, p[:n]...); len(b.kept) > b.most {
			return n, &http.MaxBytesError{Limit: int64(b.most)}
		}
	}
	return n, err
}

// loadLines reads the first message of the request.
func (k *run) loadLines(name string) *rpc.Error {
	limit := k.chain.options.MaxRequestBytes
	s := &lines{k: k, limit: limit, source: inlet{ReadCloser: k.came.Body, keep: !k.chain.phases[view.Request].writes, most: 2*limit + 1<<10}}
	s.splitter.Reset(frame.Lines)
	if name != "" {
		// It may be of any length: what is large is bounded as it comes out.
		s.inflater = coding.NewInflater(&s.source, name, limit, 1<<62)
	}
	k.lines = s
	k.in = k.x.RequestBytes
	if err := s.first(k.came); err != nil {
		return err
	}
	b := &k.req.body
	b.raw, b.messages = s.piece.Message, true
	return nil
}

// first reads up to the first message, if there is one.
func (s *lines) first(r *http.Request) *rpc.Error {
	for {
		p, n, err := s.next()
		switch {
		case err != nil:
			return err
		case n > 0 && p.IsMessage:
			s.piece = p
			return nil
		case n > 0:
			if s.out = append(s.out, p.Raw...); len(s.out) > s.limit {
				return coding.TooLarge(s.limit)
			}
			continue
		case s.ended:
			return nil
		}
		if fault, err := s.fill(r); fault != nil {
			return fault
		} else if err != nil {
			return coding.Unreadable(r, s.limit, err)
		}
	}
}

// next is the next piece, of n bytes; n is 0 if there is no whole one.
func (s *lines) next() (p frame.Piece, n int, err *rpc.Error) {
	rest := s.held[s.at:]
	p, n = s.splitter.Next(rest, s.ended)
	if n > s.limit || n == 0 && len(rest) > s.limit {
		return p, n, coding.TooLarge(s.limit)
	}
	s.at += n
	return p, n, nil
}

// fill reads more. What was wrong with the coding is a fault.
func (s *lines) fill(r *http.Request) (fault *rpc.Error, err error) {
	s.held = append(s.held[:0], s.held[s.at:]...)
	s.at = 0
	s.held = slices.Grow(s.held, 4<<10)
	var in io.Reader = &s.source
	if s.inflater != nil {
		in = s.inflater
	}
	n, err := in.Read(s.held[len(s.held):cap(s.held)])
	s.held = s.held[:len(s.held)+n]
	if err == nil {
		return nil, nil
	}
	if s.inflater != nil {
		fault = s.inflater.Fault(r, err)
		// Nobody else reads, and nobody will again.
		s.inflater.Release()
		s.inflater = nil
		if fault != nil {
			return fault, err
		}
	}
	if errors.Is(err, io.EOF) {
		s.ended = true
		return nil, nil
	}
	return nil, err
}

// depart makes k.r a request with the lines as its body, when all programs have seen
// the first.
func (s *lines) depart() *rpc.Error {
	k := s.k
	c := &k.req.body
	k.changeHeader()
	delete(k.r.Header, "Expect") // it has come
	if k.chain.sentBody.Any() {
		k.many.on = true
		// What cannot be read is nothing to see.
		k.many.sent, _ = k.sentMessage(c)
	}
	if !k.chain.phases[view.Request].writes {
		s.source.keep = false
		k.r.Body = passed{io.MultiReader(bytes.NewReader(s.source.kept), &s.source), &s.source}
		return nil
	}
	if name := codingOf(k.r.Header); name != "" {
		s.encoder = coding.NewEncoder((*sendings)(&s.out), name)
	}
	blank := s.out
	s.out = nil
	if len(blank) > 0 {
		s.send(blank)
	}
	if s.piece.IsMessage {
		text := s.piece.Raw
		if c.changed {
			line, err := c.line(nil, frame.Lines)
			if err != nil {
				return err
			}
			text = s.splitter.Append(nil, s.piece, line)
		}
		s.send(text)
	}
	// Programs over other lines see the head as it is now, whatever becomes of it.
	k.req.head.Header = maps.Clone(k.r.Header)
	unpin(k.r.Header)
	k.r.ContentLength, k.r.TransferEncoding, k.r.Body = -1, nil, s
	return nil
}

// passed is a body that goes on as it came.
type passed struct {
	io.Reader
	io.Closer
}

// sendings is what an encoder writes to.
type sendings []byte

func (s *sendings) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

// send makes text ready to be read.
func (s *lines) send(text []byte) {
	if s.encoder == nil {
		s.out = append(s.out, text...)
		return
	}
	// Memory takes everything.
	_, _ = s.encoder.Write(text)
	_ = s.encoder.Flush()
}

// Read implements [io.Reader]. Its error, if not [io.EOF], breaks the request off.
func (s *lines) Read(p []byte) (int, error) {
	for s.sent == len(s.out) {
		if s.err != nil {
			return 0, s.err
		}
		s.out, s.sent = trimmed(s.out), 0
		s.err = s.more()
	}
	n := copy(p, s.out[s.sent:])
	s.sent += n
	return n, nil
}

// more makes the next lines ready that are there, and waits for some if none is.
func (s *lines) more() error {
	for len(s.out) < maxGathered {
		p, n, err := s.next()
		if err != nil {
			return s.fail(err, -1)
		}
		if n > 0 {
			if err := s.line(p); err != nil {
				return err
			}
			continue
		}
		switch {
		case s.ended:
			if s.encoder != nil {
				_ = s.encoder.Close()
				s.encoder.Release()
				s.encoder = nil
			}
			return io.EOF
		case len(s.out) > 0:
			return nil
		}
		if fault, err := s.fill(nil); fault != nil {
			return s.fail(fault, -1)
		} else if err != nil {
			return err
		}
	}
	return nil
}

// line makes one more line ready, as programs make it.
func (s *lines) line(p frame.Piece) error {
	if !p.IsMessage {
		s.send(p.Raw)
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.k
	if k == nil {
		return errAnswered
	}
	l := &k.req
	defer k.give(l)
	l.body = content{raw: p.Message, limits: l.body.limits, want: k.chain.phases[view.Request].want, messages: true}
	i, err := k.later(view.Request, l)
	if err != nil {
		return s.failLocked(err, outside(i, err))
	}
	if !l.body.changed {
		s.send(p.Raw)
		return nil
	}
	text, err := l.body.line(nil, frame.Lines)
	if err != nil {
		return s.failLocked(err, i)
	}
	s.send(s.splitter.Append(nil, p, text))
	return nil
}

// fail notes why there are no more lines; an outer below 0 stands for all steps.
func (s *lines) fail(err *rpc.Error, outer int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.failLocked(err, outer)
}

func (s *lines) failLocked(err *rpc.Error, outer int) error {
	if s.k != nil && outer < 0 {
		outer = len(s.k.chain.steps)
	}
	s.failed, s.outer = err, outer
	return err
}

// failure is why the request has been broken off, if it has been; it is told once.
func (s *lines) failure() (err *rpc.Error, outer int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	err, s.failed = s.failed, nil
	return err, s.outer
}

// leave is called when the handler has returned. What still reads gets no more
// lines.
func (s *lines) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.k = nil
}

// Close implements [io.Closer].
func (s *lines) Close() error { return s.source.Close() }

// waitFor bounds how long a request may take to come; zero is for ever.
func (k *run) waitFor(t time.Duration) {
	var until time.Time
	if t > 0 {
		until = time.Now().Add(t)
	}
	// Not every ResponseWriter can do it: then the connection's own limits do.
	_ = http.NewResponseController(k.w).SetReadDeadline(until)
}

// isLines reports whether the body of the request is one in each line.
func (k *run) isLines() bool { return k.shape.forward && body.Lines(contentTypeOf(k.came.Header)) }
