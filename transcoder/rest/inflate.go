package rest

import (
	"bufio"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// A compressed body is inflated while it is read, so that one that inflates to
// more than is allowed is refused after that many bytes, whatever it would have
// become. What is held besides is the window of the compression: 32 KiB for gzip,
// and for zstd as much as the client says, within bounds.
//
// gzip is the standard library's: it takes a body that ends within the name in
// its header for cut short, which the faster one takes for the end.

// zstdWindow is the window that every zstd body may ask for: RFC 9659 has
// clients keep below it.
const zstdWindow = 8 << 20

// acceptedCodings are told to a client that used another one (RFC 9110,
// 15.5.16).
var acceptedCodings = []string{"gzip, zstd"}

// contentCoding is the one coding of a body: gzip, zstd, or "" for none.
func contentCoding(h http.Header) (string, *rpc.Error) {
	coding := ""
	for _, list := range h["Content-Encoding"] {
		for name := range strings.SplitSeq(list, ",") {
			name = strings.Trim(name, " \t")
			if name == "" || strings.EqualFold(name, "identity") {
				continue
			}
			if coding != "" {
				return "", rpc.Errorf(rpc.UnsupportedMediaType, "content-encoding %q is not supported: encode the body once", list)
			}
			switch {
			case strings.EqualFold(name, "gzip"), strings.EqualFold(name, "x-gzip"):
				coding = "gzip"
			case strings.EqualFold(name, "zstd"):
				coding = "zstd"
			default:
				return "", rpc.Errorf(rpc.UnsupportedMediaType, "content-encoding %q is not supported: send the JSON as it is, or by gzip or zstd", name)
			}
		}
	}
	return coding, nil
}

// readCompressed reads a body of this coding into k.body, at most limit bytes
// of what it inflates to.
func (k *work) readCompressed(r *http.Request, x *route.Exchange, coding string, limit int) *rpc.Error {
	// Compression makes hardly anything larger: what is goes on inflating to
	// nothing.
	most := int64(limit) + int64(limit)/64 + 1<<10
	if r.ContentLength > most {
		return tooLarge(limit)
	}
	in := inflaters.Get().(*inflater)
	defer in.release()
	in.source = source{body: r.Body, most: most}
	err := in.start(coding, limit)
	if err == nil {
		err = k.fill(in.decoded, limit)
	}
	x.RequestBytes += in.source.n
	return in.fault(r, coding, limit, err)
}

// fault is what became of a body that was read until this error: nil if that is
// its end. One that is larger than limit was not read further.
func (in *inflater) fault(r *http.Request, coding string, limit int, err error) *rpc.Error {
	switch {
	case in.source.err != nil && !errors.Is(in.source.err, io.EOF):
		// However the decoder took it.
		if errors.Is(in.source.err, errTooLong) {
			return tooLarge(limit)
		}
		return unreadable(r, in.source.err)
	case errors.Is(err, errTooLong), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return tooLarge(limit)
	case err == nil || errors.Is(err, io.EOF):
		return nil
	}
	out := &rpc.Error{Reason: rpc.InvalidBody, Cause: err}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		out.Message = "the body is not whole: its " + coding + " ends too early"
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		out.Message = "the window of the body's zstd is too large: compress it with one of 8 MiB at most"
	default:
		out.Message = "the body is not what its content-encoding says: not valid " + coding
	}
	return out
}

// errTooLong is the error of a body that goes on after its limit.
var errTooLong = errors.New("the body is too long")

// source reads a body as it travels. It remembers how the body ended, because
// decoders put ends of their own in place of it.
type source struct {
	body    io.Reader
	n, most int64
	err     error
}

func (s *source) Read(p []byte) (int, error) {
	n, err := s.body.Read(p)
	s.n += int64(n)
	if s.n > s.most {
		err = errTooLong
	}
	s.err = err
	return n, err
}

// inflater is the memory that inflating a body needs. It is reused.
type inflater struct {
	source source
	buffer *bufio.Reader
	gzip   *gzip.Reader
	zstd   *zstd.Decoder
	// decoded is one of these two.
	decoded io.Reader
}

// inflaters are let go of by the garbage collector when nobody uses them, and
// their windows with them.
var inflaters = sync.Pool{New: func() any { return new(inflater) }}

// start makes in.decoded what in.source inflates to. The error may be io.EOF.
func (in *inflater) start(coding string, limit int) error {
	if in.buffer == nil {
		in.buffer = bufio.NewReader(&in.source)
	} else {
		in.buffer.Reset(&in.source)
	}
	if _, err := in.buffer.Peek(1); err != nil {
		return err
	}
	if coding == "gzip" {
		if in.gzip == nil {
			in.gzip = new(gzip.Reader)
		}
		in.decoded = in.gzip
		return in.gzip.Reset(in.buffer)
	}
	if in.zstd == nil {
		var err error
		// One that works in this goroutine, and leaves none behind.
		in.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return err
		}
	}
	in.decoded = in.zstd
	// Compressed at once, a body's window is itself.
	window := uint64(max(zstdWindow, limit))
	return in.zstd.ResetWithOptions(in.buffer, zstd.WithDecoderMaxWindow(window), zstd.WithDecoderMaxMemory(window))
}

func (in *inflater) release() {
	in.source, in.decoded = source{}, nil
	if in.zstd != nil {
		// It cannot fail without a reader.
		_ = in.zstd.Reset(nil)
	}
	inflaters.Put(in)
}
