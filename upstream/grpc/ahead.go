package grpc

import (
	"context"
	"sync/atomic"

	"google.golang.org/grpc/mem"
)

// sendAhead is how much memory the request messages of one stream may have that
// grpc-go has taken and not sent; a larger message is taken when there is no other.
//
// Left to itself, grpc-go takes 64 KiB more than the upstream's window lets through,
// and keeps up to 256 KiB of what it has sent until the upstream says something, to
// send it again to another one. It counts lengths: of short messages, whose buffers
// are longer, that would be many times as much memory.
const sendAhead = 32 << 10

// ahead counts the memory of the messages that grpc-go has of one stream.
type ahead struct {
	bytes atomic.Int64
	// room holds one token: that something was freed since take last looked.
	room chan struct{}
	// settled says that the stream will not be sent again; it belongs to take.
	settled bool
}

// take waits until there is room for a message of size bytes of memory, and counts
// it until it is freed. It is false if done is first. Only one goroutine may take at
// a time. What settle does must free the messages that were sent: it is called once,
// before the first wait, which would have no end if they were kept.
func (a *ahead) take(done context.Context, size int, settle func()) bool {
	if mem.IsBelowBufferPoolingThreshold(size) {
		return true // grpc-go would not say when it is free
	}
	for {
		held := a.bytes.Load()
		if held == 0 || held+int64(size) <= sendAhead {
			a.bytes.Add(int64(size))
			return true
		}
		if !a.settled {
			a.settled = true
			settle()
			continue
		}
		select {
		case <-a.room:
		case <-done.Done():
			return false
		}
	}
}

// free says that size bytes are not held any more. It may be called from any
// goroutine.
func (a *ahead) free(size int) {
	a.bytes.Add(-int64(size))
	select {
	case a.room <- struct{}{}:
	default:
	}
}
