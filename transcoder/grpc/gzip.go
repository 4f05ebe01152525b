package grpc

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
	"sync"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// encodings is the answer to an encoding that is not known: grpc-accept-encoding.
const encodings = "gzip,identity"

// compressAbove is the size from which on an answer is worth compressing.
const compressAbove = 256

var (
	inflaters sync.Pool // of *gzip.Reader
	deflaters = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}
)

// inflate decompresses a message of at most limit bytes. Memory grows with what
// has come out.
func inflate(compressed []byte, limit int) (*rpc.Buffer, error) {
	src := bytes.NewReader(compressed)
	z, _ := inflaters.Get().(*gzip.Reader)
	var err error
	if z == nil {
		z, err = gzip.NewReader(src)
	} else {
		err = z.Reset(src)
	}
	if err != nil {
		return nil, rpc.Errorf(rpc.InvalidRequest, "the message is not gzip: %v", err)
	}
	defer inflaters.Put(z)
	msg := rpc.NewBuffer()
	for {
		if len(msg.B) == cap(msg.B) {
			msg.B = grow(msg.B, len(msg.B)+512)[:len(msg.B)]
		}
		n, err := z.Read(msg.B[len(msg.B):min(cap(msg.B), limit+1)])
		msg.B = msg.B[:len(msg.B)+n]
		if len(msg.B) > limit {
			msg.Release()
			return nil, rpc.Errorf(rpc.RequestTooLarge, "the message is larger than the limit of %d bytes after decompression", limit)
		}
		if err == io.EOF {
			return msg, nil
		}
		if err != nil {
			msg.Release()
			return nil, rpc.Errorf(rpc.InvalidRequest, "the message cannot be decompressed: %v", err)
		}
	}
}

// deflate compresses msg, or returns nil if that does not make it smaller.
func deflate(msg *rpc.Buffer) *rpc.Buffer {
	if len(msg.B) < compressAbove {
		return nil
	}
	out := rpc.NewBuffer()
	w := appender{out}
	z := deflaters.Get().(*gzip.Writer)
	z.Reset(w)
	_, err := z.Write(msg.B)
	if err == nil {
		err = z.Close()
	}
	deflaters.Put(z)
	if err != nil || len(out.B) >= len(msg.B) {
		out.Release()
		return nil
	}
	return out
}

type appender struct{ *rpc.Buffer }

func (a appender) Write(p []byte) (int, error) {
	a.B = append(a.B, p...)
	return len(p), nil
}

// requestEncoding reads grpc-encoding: whether messages may be compressed.
func requestEncoding(values []string) (compressed bool, err *rpc.Error) {
	if len(values) == 0 {
		return false, nil
	}
	switch values[0] {
	case "gzip":
		return true, nil
	case "identity", "":
		return false, nil
	}
	return false, rpc.Errorf(rpc.UnsupportedEncoding, "grpc-encoding %q is not known: use gzip or identity", values[0])
}

// accepts reports whether a grpc-accept-encoding names gzip.
func accepts(values []string) bool {
	for _, list := range values {
		for one := range strings.SplitSeq(list, ",") {
			if strings.TrimSpace(one) == "gzip" {
				return true
			}
		}
	}
	return false
}
