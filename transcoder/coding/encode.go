package coding

import (
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// Encoder codes a body, in the goroutine that calls it. Close ends the body, and
// Flush sends on what there is of it; neither does that to the writer behind.
type Encoder struct {
	encoder
	pool *sync.Pool
}

// encoder is what both libraries have.
type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(io.Writer)
}

var (
	_ encoder = (*gzip.Writer)(nil)
	_ encoder = (*zstd.Encoder)(nil)
)

// The levels are those that gain most for their time with JSON of some 30 KB; an
// encoder holds about 1 MiB for gzip, and 0.6 MiB at most for zstd.
var (
	gzipEncoders = sync.Pool{New: func() any {
		w, err := gzip.NewWriterLevel(nil, gzipLevel)
		return must(w, err)
	}}
	zstdEncoders = sync.Pool{New: func() any {
		w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(encoderWindow),
			zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
		return must(w, err)
	}}
)

const (
	gzipLevel = 5
	// encoderWindow is how far back repetition is seen. Clients hold as much.
	encoderWindow = 128 << 10
)

// must is w: an error would mean that the options above are wrong.
func must(w encoder, err error) *Encoder {
	if err != nil {
		panic(err)
	}
	return &Encoder{encoder: w}
}

// NewEncoder is one that writes to w in a coding that [Of] names, not "".
func NewEncoder(w io.Writer, coding string) *Encoder {
	pool := &zstdEncoders
	if coding == "gzip" {
		pool = &gzipEncoders
	}
	e := pool.Get().(*Encoder)
	e.pool = pool
	e.Reset(w)
	return e
}

// Release gives the memory back, whether the body has ended or not.
func (e *Encoder) Release() {
	e.Reset(nil)
	e.pool.Put(e)
}

// Append appends data in a coding that [Of] names, not "".
func Append(dst, data []byte, coding string) []byte {
	out := appender(dst)
	e := NewEncoder(&out, coding)
	defer e.Release()
	// Memory takes everything.
	_, _ = e.Write(data)
	_ = e.Close()
	return out
}

type appender []byte

func (a *appender) Write(p []byte) (int, error) {
	*a = append(*a, p...)
	return len(p), nil
}
