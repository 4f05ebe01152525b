package rpc

import (
	"math/bits"
	"slices"
	"sync"
)

// Only buffers between these sizes go back to the pools: one large message must
// not pin its memory for ever, and a small buffer is not worth keeping.
const (
	minPooledBytes = 2 << 10
	maxPooledBytes = 256 << 10
	// maxNewBytes bounds what is allocated before anything is there to be held.
	maxNewBytes = 32 << 10
)

// buffers are kept by size, each twice the one before: a small message in a large
// buffer would be charged for all of it, by [Queue] and others.
var buffers [sizeClass + 1]sync.Pool

// sizeClass is the class of the largest buffers.
const sizeClass = 7

// class is that of buffers with n bytes at least, and less than twice as many.
func class(n int) int { return bits.Len(uint(n/minPooledBytes)) - 1 }

// Buffer is a byte slice with one owner. Whoever holds it may append to B and
// must either pass it on or call [Buffer.Release] exactly once; after that B
// may not be touched.
type Buffer struct {
	B []byte
}

// NewBuffer takes an empty buffer from the pool, for a message of a size that is
// not known, or small.
func NewBuffer() *Buffer { return NewBufferFor(minPooledBytes) }

// NewBufferFor takes an empty buffer for a message of about n bytes. It has less
// room than that if no other is at hand, and costs little where a length is only a
// promise; it never has twice as much, or 4 KiB.
func NewBufferFor(n int) *Buffer {
	n = max(n, minPooledBytes)
	// What a length is told of is often a little shorter: JSON, as wire.
	largest := min(class(n), sizeClass)
	for c := largest; c >= max(largest-2, 0); c-- {
		if b, _ := buffers[c].Get().(*Buffer); b != nil {
			b.B = b.B[:0]
			return b
		}
	}
	return &Buffer{B: slices.Grow([]byte(nil), min(n, maxNewBytes))}
}

// Release gives the buffer back. Nil is allowed.
func (b *Buffer) Release() {
	if b == nil || cap(b.B) < minPooledBytes || cap(b.B) > maxPooledBytes {
		return
	}
	buffers[class(cap(b.B))].Put(b)
}
