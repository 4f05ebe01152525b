package grpc

import (
	"encoding/binary"
	"io"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// A message is framed as one byte of flags, four of length (big endian), and the
// message (gRPC over HTTP/2, "Length-Prefixed-Message").
const (
	prefixBytes    = 5
	flagCompressed = 1
)

// frameReader reads the messages of one request. Nothing it allocates is larger
// than what has arrived, times two, or than the limit.
type frameReader struct {
	body io.Reader
	// limit bounds a message, as it came and after decompression.
	limit int
	// gzip says that grpc-encoding allows compressed messages.
	gzip bool
	// read counts the bytes taken from body.
	read int64

	// ahead[start:end] was read and not used yet. Reading ahead spares the
	// transport one hand-over for each prefix.
	start, end int
	ahead      [4 << 10]byte
}

// reset makes the reader ready for another body.
func (f *frameReader) reset(body io.Reader, limit int, gzip bool) {
	f.body, f.limit, f.gzip = body, limit, gzip
	f.start, f.end, f.read = 0, 0, 0
}

// next returns the next message, decompressed. After the last one the error is
// [io.EOF]. Other errors are *[rpc.Error], or those of the body itself, which mean
// that the downstream is gone.
func (f *frameReader) next() (*rpc.Buffer, error) {
	for f.end-f.start < prefixBytes {
		if err := f.fill(); err != nil {
			if err == io.EOF && f.end > f.start {
				return nil, cut()
			}
			return nil, err
		}
	}
	flags := f.ahead[f.start]
	length := binary.BigEndian.Uint32(f.ahead[f.start+1 : f.start+prefixBytes])
	switch {
	case flags > flagCompressed:
		return nil, rpc.Errorf(rpc.InvalidRequest, "message frame: the flags are %#02x, and only 00 and 01 are known", flags)
	case flags == flagCompressed && !f.gzip:
		return nil, rpc.Errorf(rpc.InvalidRequest, "message frame: the message is flagged as compressed, but there is no grpc-encoding")
	case int64(length) > int64(f.limit):
		return nil, rpc.Errorf(rpc.RequestTooLarge, "the message has %d bytes, and the limit is %d", length, f.limit)
	}
	f.start += prefixBytes
	msg, err := f.message(int(length))
	if err != nil || flags != flagCompressed {
		return msg, err
	}
	defer msg.Release()
	return inflate(msg.B, f.limit)
}

// message reads n bytes.
func (f *frameReader) message(n int) (*rpc.Buffer, error) {
	msg := rpc.NewBufferFor(n)
	have := min(n, f.end-f.start)
	msg.B = append(msg.B, f.ahead[f.start:f.start+have]...)
	f.start += have
	for len(msg.B) < n {
		// The length is only a promise: memory follows what has arrived.
		room := min(n-len(msg.B), max(len(msg.B), cap(msg.B)-len(msg.B), 32<<10))
		at := len(msg.B)
		msg.B = grow(msg.B, room)
		got, err := f.body.Read(msg.B[at : at+room])
		f.read += int64(got)
		msg.B = msg.B[:at+got]
		if err != nil && len(msg.B) < n {
			msg.Release()
			if err == io.EOF {
				return nil, cut()
			}
			return nil, err
		}
	}
	return msg, nil
}

// grow returns b with room for n more bytes.
func grow(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b[:len(b)+n]
	}
	bigger := make([]byte, len(b)+n)
	copy(bigger, b)
	return bigger
}

func (f *frameReader) fill() error {
	if f.start > 0 {
		f.end = copy(f.ahead[:], f.ahead[f.start:f.end])
		f.start = 0
	}
	n, err := f.body.Read(f.ahead[f.end:])
	f.end += n
	f.read += int64(n)
	if n > 0 {
		return nil // an error will come again
	}
	return err
}

func cut() *rpc.Error {
	return rpc.Errorf(rpc.InvalidRequest, "message frame: the request ends inside of a message")
}

// only reads the one message of a method without client streaming. That there is
// no other is known when the request has ended.
func (f *frameReader) only() (*rpc.Buffer, error) {
	msg, err := f.next()
	if err == io.EOF {
		return nil, rpc.Errorf(rpc.MethodUnimplemented, "the method takes one request message, and none came")
	}
	if err != nil {
		return nil, err
	}
	switch second, err := f.next(); {
	case err == io.EOF:
		return msg, nil
	case err != nil:
		msg.Release()
		return nil, err
	default:
		msg.Release()
		second.Release()
		return nil, rpc.Errorf(rpc.MethodUnimplemented, "the method takes one request message, and more came")
	}
}
