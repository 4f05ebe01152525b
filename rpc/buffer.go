package rpc

import "sync"

// Only buffers between these sizes go back to the pool: one large message must
// not pin its memory for ever, and a small buffer is not worth keeping.
const (
	minPooledBytes = 1 << 10
	maxPooledBytes = 256 << 10
)

var buffers = sync.Pool{New: func() any { return &Buffer{B: make([]byte, 0, 2048)} }}

// Buffer is a byte slice with one owner. Whoever holds it may append to B and
// must either pass it on or call [Buffer.Release] exactly once; after that B
// may not be touched.
type Buffer struct {
	B []byte
}

// NewBuffer takes an empty buffer from the pool.
func NewBuffer() *Buffer {
	b := buffers.Get().(*Buffer)
	b.B = b.B[:0]
	return b
}

// Release gives the buffer back. Nil is allowed.
func (b *Buffer) Release() {
	if b == nil || cap(b.B) < minPooledBytes || cap(b.B) > maxPooledBytes {
		return
	}
	buffers.Put(b)
}
