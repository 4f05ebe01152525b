package coding

import (
	"errors"
	"io"
	"iter"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// Feeder undoes the coding of a body that is given to it piece by piece, instead of
// being read: what a piece says is there when the piece has been given. It works
// in a coroutine, because the libraries read. One goroutine at a time may use it,
// until it is released.
type Feeder struct {
	in    []byte
	ended bool
	err   error
	fault *rpc.Error
	next  func() ([]byte, bool)
	stop  func()
}

// fed is how much comes out at once.
const fed = 32 << 10

// NewFeeder is one for a body of this coding, which is not "". The limit is as for
// [NewInflater].
func NewFeeder(coding string, limit int) *Feeder {
	f := new(Feeder)
	f.next, f.stop = iter.Pull(func(yield func([]byte) bool) {
		in := NewInflater(&feed{f, yield}, coding, limit, 1<<62)
		defer in.Release()
		buf := make([]byte, fed)
		for f.err == nil {
			var n int
			n, f.err = in.Read(buf)
			if n > 0 && !yield(buf[:n]) {
				return
			}
		}
		f.fault = in.Fault(nil, f.err)
	})
	return f
}

// errReleased ends the reading of a body that nobody wants any more.
var errReleased = errors.New("the body is not wanted any more")

// feed is what the coroutine reads.
type feed struct {
	*Feeder
	yield func([]byte) bool
}

// Read implements [io.Reader]. When it has nothing, it goes back to who feeds.
func (f *feed) Read(p []byte) (int, error) {
	for len(f.in) == 0 {
		if f.ended {
			return 0, io.EOF
		}
		if !f.yield(nil) {
			return 0, errReleased
		}
	}
	n := copy(p, f.in)
	f.in = f.in[n:]
	return n, nil
}

// Feed gives a piece of the body, and calls sink with what it says, in parts that
// are valid until sink returns. If end is set there are no more. An error of sink
// ends it; what else is wrong is fault, an [rpc.InvalidBody] or [rpc.RequestTooLarge].
// After an error it is not called again.
func (f *Feeder) Feed(piece []byte, end bool, sink func([]byte) error) (fault *rpc.Error, err error) {
	f.in, f.ended = piece, end
	for {
		out, ok := f.next()
		if !ok {
			return f.fault, nil
		}
		if len(out) == 0 {
			return nil, nil
		}
		if err := sink(out); err != nil {
			return nil, err
		}
	}
}

// Release gives the memory back.
func (f *Feeder) Release() { f.stop() }
