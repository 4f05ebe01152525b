package proxy

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// inlet is the body of a request as an upstream reads it, on goroutines that it does
// not tell anybody of, and perhaps longer than the exchange lasts. Nothing of the
// exchange is touched after finish.
type inlet struct {
	f    *forwarding
	body io.Reader
	// most bounds the body, n is what was read of it; zero is no bound.
	most, n int64

	mu sync.Mutex // held while the body is read
	// closed says that nothing more is to be read, whole that all of it has been,
	// and lost that reading was ended because the upstream was gone.
	closed, whole, lost atomic.Bool
	// err is what ended the body before its end, if the upstream was not it.
	err error
	// trailer gets the trailers that the client has announced.
	trailer http.Header

	gate sync.Mutex // guards over
	// over says that the exchange has ended, and its connection is somebody else's.
	over bool
}

var (
	errClosed   = errors.New("the request has ended")
	errTooLarge = errors.New("the body is too large")
)

// Read implements [io.Reader].
func (in *inlet) Read(p []byte) (int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed.Load() {
		return 0, errClosed
	}
	if in.n == 0 {
		in.f.proceed()
	}
	if in.most > 0 && int64(len(p)) > in.most-in.n+1 {
		p = p[:in.most-in.n+1]
	}
	n, err := in.body.Read(p)
	in.n += int64(n)
	in.f.watch.touch()
	switch {
	case in.most > 0 && in.n > in.most:
		in.err = errTooLarge
		return 0, errTooLarge
	case err == io.EOF:
		in.takeTrailer()
		in.whole.Store(true)
		in.f.watch.enter(waiting)
	case err != nil && !in.closed.Load():
		in.err = err
	}
	return n, err
}

// takeTrailer fills in the trailers that were announced.
func (in *inlet) takeTrailer() {
	for name := range in.trailer {
		in.trailer[name] = in.f.r.Trailer[name]
		if len(in.trailer[name]) == 0 {
			delete(in.trailer, name)
		}
	}
}

// Close implements [io.Closer]: nobody wants more of the body. It does not wait for a
// read, and makes one end soon.
func (in *inlet) Close() error {
	in.closed.Store(true)
	if in.mu.TryLock() {
		in.mu.Unlock()
		return nil
	}
	if in.f.r.ProtoMajor >= 2 {
		in.interrupt(0)
		return nil
	}
	// Over HTTP/1 the end of a read is that of the exchange, whose answer may be under
	// way. If there is none, the upstream waits for this read to say why.
	time.AfterFunc(closing, in.abandon)
	return nil
}

// closing is how long a read may outlive the wish for it without an answer.
const closing = 100 * time.Millisecond

// abandon ends a read because there is no upstream any more that could answer. It does
// nothing if there is an answer, or no read.
func (in *inlet) abandon() {
	if in.f.headed.Load() {
		return
	}
	if in.mu.TryLock() {
		in.mu.Unlock()
		return
	}
	in.closed.Store(true)
	in.lost.Store(true)
	in.interrupt(0)
}

// interrupt makes a read that is waiting end: over HTTP/1 when more comes, or after
// some time; over HTTP/2 at once. It does nothing after the exchange has ended.
func (in *inlet) interrupt(after time.Duration) {
	in.gate.Lock()
	defer in.gate.Unlock()
	if in.over {
		return
	}
	if in.f.r.ProtoMajor >= 2 {
		_ = in.f.r.Body.Close()
		return
	}
	_ = http.NewResponseController(in.f.w).SetReadDeadline(time.Now().Add(after))
}

// finish ends the reading for good, and returns how much was read. Over HTTP/1.1 a
// client that got an answer, as far as a handler can send one, is given time to see it:
// net/http reads some of the rest behind its end.
func (in *inlet) finish(answered bool) int64 {
	in.closed.Store(true)
	if in.body == nil {
		return 0
	}
	linger := time.Duration(0)
	if answered {
		linger = route.Linger
	}
	if in.mu.TryLock() {
		if !in.whole.Load() {
			in.interrupt(linger)
		}
	} else {
		if answered && in.f.r.ProtoMajor < 2 {
			// Who waits for the answer before it goes on has it now.
			_ = http.NewResponseController(in.f.w).Flush()
		}
		in.interrupt(linger)
		in.mu.Lock()
	}
	in.gate.Lock()
	in.over = true
	in.gate.Unlock()
	defer in.mu.Unlock()
	return in.n
}

// fault is the error of a body that could not be read on, or was too large; nil if it
// was neither.
func (in *inlet) fault() *rpc.Error {
	if in.body == nil {
		return nil
	}
	if !in.mu.TryLock() {
		// It is being read on: it has no error.
		return nil
	}
	err := in.err
	in.mu.Unlock()
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errTooLarge):
		return tooLarge(in.most)
	}
	if _, late := in.f.watch.expired(); late {
		return nil
	}
	if in.f.r.Context().Err() != nil || errors.Is(err, io.ErrUnexpectedEOF) {
		return &rpc.Error{Reason: rpc.ClientClosed, Message: "the body was cut short", Cause: err}
	}
	return &rpc.Error{Reason: rpc.InvalidRequest, Message: "the body cannot be read", Cause: err}
}

func tooLarge(most int64) *rpc.Error {
	return rpc.Errorf(rpc.RequestTooLarge, "the body is larger than %d bytes", most)
}
