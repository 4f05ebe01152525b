// Package coding undoes the content codings of bodies, gzip and zstd (RFC 9110,
// section 8.4), within limits, and does them again.
//
// A compressed body is inflated while it is read, so that one that inflates to
// more than is allowed is refused after that many bytes, whatever it would have
// become. What is held besides is the window of the compression: 32 KiB for gzip,
// and for zstd as much as the client says, within bounds.
//
// To undo gzip is the standard library's: it takes a body that ends within the name in
// its header for cut short, which the faster one takes for the end.
package coding

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/klauspost/compress/zstd"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// zstdWindow is the window that every zstd body may ask for: RFC 9659 has
// clients keep below it.
const zstdWindow = 8 << 20

// Accepted is the value of Accept-Encoding for a client that used another coding
// (RFC 9110, section 15.5.16). Nobody changes it.
var Accepted = []string{"gzip, zstd"}

// Of is the one coding of a body: gzip, zstd, or "" for none. Any other, or two,
// are an error of the reason [rpc.UnsupportedMediaType].
func Of(h http.Header) (string, *rpc.Error) {
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

// Read appends the body of r, of this coding, to dst, and says how many bytes of it
// have travelled. More than limit bytes are an error of the reason
// [rpc.RequestTooLarge]; dst then has what came before, and at most one byte more.
func Read(dst []byte, r *http.Request, coding string, limit int) (body []byte, travelled int64, err *rpc.Error) {
	// Compression makes hardly anything larger: what is goes on inflating to
	// nothing.
	most := int64(limit)
	if coding != "" {
		most += int64(limit)/64 + 1<<10
	}
	if r.ContentLength > most {
		return dst, 0, TooLarge(limit)
	}
	if coding == "" {
		if n := int(r.ContentLength); n > 0 {
			dst = slices.Grow(dst, min(n+1, firstRead))
		}
		start := len(dst)
		dst, fault := fill(dst, r.Body, limit)
		if fault != nil {
			err = Unreadable(r, limit, fault)
		}
		return dst, int64(len(dst) - start), err
	}
	in := NewInflater(r.Body, coding, limit, most)
	defer in.Release()
	dst, fault := fill(dst, in, limit)
	return dst, in.source.n, in.Fault(r, fault)
}

// firstRead is how much room a body gets before anything of it has come: what a
// Content-Length promises costs nothing to promise.
const firstRead = 64 << 10

// Inflate appends what data, of this coding, inflates to. The error is nil, an
// [rpc.InvalidBody], or an [rpc.RequestTooLarge] if it is more than limit bytes.
func Inflate(dst, data []byte, coding string, limit int) ([]byte, *rpc.Error) {
	in := NewInflater(bytes.NewReader(data), coding, limit, int64(len(data)))
	defer in.Release()
	dst, fault := fill(dst, in, limit)
	return dst, in.Fault(nil, fault)
}

// fill appends body to its end, at most limit bytes of it.
func fill(dst []byte, body io.Reader, limit int) ([]byte, error) {
	limit += len(dst)
	for {
		if len(dst) == cap(dst) {
			dst = slices.Grow(dst, max(len(dst), 4<<10))
		}
		// One byte more than allowed shows that there is more.
		n, err := body.Read(dst[len(dst):min(cap(dst), limit+1)])
		dst = dst[:len(dst)+n]
		switch {
		case len(dst) > limit:
			return dst, errTooLong
		case err == io.EOF:
			return dst, nil
		case err != nil:
			return dst, err
		}
	}
}

// TooLarge is the error of a body that has more than limit bytes.
func TooLarge(limit int) *rpc.Error {
	return rpc.Errorf(rpc.RequestTooLarge, "the body is larger than %d bytes", limit)
}

// Unreadable is the error of r's body, of which at most limit bytes were wanted,
// if reading it stopped with err before its end.
func Unreadable(r *http.Request, limit int, err error) *rpc.Error {
	if errors.Is(err, errTooLong) {
		return TooLarge(limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return rpc.Errorf(rpc.DeadlineExceeded, "the deadline passed before the request was complete")
	}
	if r != nil && r.Context().Err() != nil || errors.Is(err, io.ErrUnexpectedEOF) {
		return &rpc.Error{Reason: rpc.ClientClosed, Message: "the body was cut short", Cause: err}
	}
	var most *http.MaxBytesError
	if errors.As(err, &most) {
		return TooLarge(int(most.Limit))
	}
	return &rpc.Error{Reason: rpc.InvalidRequest, Message: "the body cannot be read", Cause: err}
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

// Inflater reads a body and undoes its coding. It waits for nothing before it is
// read. One goroutine at a time may use it, until it is released.
type Inflater struct {
	source source
	coding string
	limit  int
	buffer *bufio.Reader
	gzip   *gzip.Reader
	zstd   *zstd.Decoder
	// decoded is one of these two, once the body has begun.
	decoded io.Reader
}

// inflaters are let go of by the garbage collector when nobody uses them, and
// their windows with them.
var inflaters = sync.Pool{New: func() any { return new(Inflater) }}

// NewInflater is one for a body of this coding, which is not "". What it inflates
// to is wanted in pieces of limit bytes at most, which a window need not be larger
// than; of the body itself at most this many bytes are read.
func NewInflater(body io.Reader, coding string, limit int, most int64) *Inflater {
	in := inflaters.Get().(*Inflater)
	in.source, in.coding, in.limit = source{body: body, most: most}, coding, limit
	return in
}

// Read implements [io.Reader]. What an error means is for [Inflater.Fault] to say.
func (in *Inflater) Read(p []byte) (int, error) {
	if in.decoded == nil {
		if err := in.start(); err != nil {
			return 0, err
		}
	}
	return in.decoded.Read(p)
}

// start makes in.decoded what in.source inflates to. The error may be io.EOF.
func (in *Inflater) start() error {
	if in.buffer == nil {
		in.buffer = bufio.NewReader(&in.source)
	} else {
		in.buffer.Reset(&in.source)
	}
	if _, err := in.buffer.Peek(1); err != nil {
		return err
	}
	if in.coding == "gzip" {
		if in.gzip == nil {
			in.gzip = new(gzip.Reader)
		}
		if err := in.gzip.Reset(in.buffer); err != nil {
			return err
		}
		in.decoded = in.gzip
		return nil
	}
	if in.zstd == nil {
		var err error
		// One that works in this goroutine, and leaves none behind.
		in.zstd, err = zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true))
		if err != nil {
			return err
		}
	}
	// Compressed at once, a body's window is itself.
	window := uint64(max(zstdWindow, in.limit))
	if err := in.zstd.ResetWithOptions(in.buffer, zstd.WithDecoderMaxWindow(window), zstd.WithDecoderMaxMemory(window)); err != nil {
		return err
	}
	in.decoded = in.zstd
	return nil
}

// Fault is what became of a body, of r if that is not nil, that was read until this
// error: nil if that is its end. One that is larger than wanted was not read
// further.
func (in *Inflater) Fault(r *http.Request, err error) *rpc.Error {
	switch {
	case in.source.err != nil && !errors.Is(in.source.err, io.EOF):
		// However the decoder took it.
		return Unreadable(r, in.limit, in.source.err)
	case errors.Is(err, errTooLong), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return TooLarge(in.limit)
	case err == nil || errors.Is(err, io.EOF):
		return nil
	}
	out := &rpc.Error{Reason: rpc.InvalidBody, Cause: err}
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		out.Message = "the body is not whole: its " + in.coding + " ends too early"
	case errors.Is(err, zstd.ErrWindowSizeExceeded):
		out.Message = "the window of the body's zstd is too large: compress it with one of 8 MiB at most"
	default:
		out.Message = "the body is not what its content-encoding says: not valid " + in.coding
	}
	return out
}

// Release gives the memory back.
func (in *Inflater) Release() {
	in.source, in.decoded = source{}, nil
	if in.zstd != nil {
		// It cannot fail without a reader.
		_ = in.zstd.Reset(nil)
	}
	inflaters.Put(in)
}
