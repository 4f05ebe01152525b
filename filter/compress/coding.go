package compress

import (
	"io"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// coding is one way to compress.
type coding struct {
	// alias is another name that clients may use.
	name, alias string
	// header is the value of Content-Encoding; nobody changes it.
	header []string
	// suffix tells entity tags of the compressed form from others.
	suffix   string
	encoders sync.Pool
}

// encoder is what both libraries have. It does its work in the goroutine that
// calls it.
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
	gzipCoding = &coding{
		name: "gzip", alias: "x-gzip", header: []string{"gzip"}, suffix: "-gzip",
		encoders: sync.Pool{New: func() any {
			w, err := gzip.NewWriterLevel(nil, gzipLevel)
			return must(w, err)
		}},
	}
	zstdCoding = &coding{
		name: "zstd", alias: "zstd", header: []string{"zstd"}, suffix: "-zstd",
		encoders: sync.Pool{New: func() any {
			w, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(zstdWindow),
				zstd.WithEncoderConcurrency(1), zstd.WithLowerEncoderMem(true), zstd.WithZeroFrames(true))
			return must(w, err)
		}},
	}
)

const (
	gzipLevel = 5
	// zstdWindow is how far back repetition is seen. Clients hold as much.
	zstdWindow = 128 << 10
)

// must is w: an error would mean that the options above are wrong.
func must(w encoder, err error) encoder {
	if err != nil {
		panic(err)
	}
	return w
}

// encoder is one that writes to w. It goes back with release.
func (c *coding) encoder(w io.Writer) encoder {
	e := c.encoders.Get().(encoder)
	e.Reset(w)
	return e
}

func (c *coding) release(e encoder) {
	e.Reset(nil)
	c.encoders.Put(e)
}
