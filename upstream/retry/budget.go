package retry

import (
	"sync"
	"sync/atomic"
	"time"
)

// budget bounds how many retries there are for the requests of the last ten
// seconds. It counts in buckets of one second, each one word: the second that it
// counts, and the requests and retries of it. A bucket is emptied by who is first
// in it to count in another second, so that nothing has to run by the clock, and a
// request costs one atomic operation.
type budget struct {
	start   time.Time
	percent uint64
	buckets [window]atomic.Uint64
	// mu makes looking and taking one step. Requests are counted without it.
	mu sync.Mutex
}

const (
	// window is how many seconds count.
	window = 10
	// least is how many retries there may be in any case.
	least = 3

	retryBits   = 20
	requestBits = 24
	secondBits  = 64 - retryBits - requestBits

	retryMask   = 1<<retryBits - 1
	requestMask = 1<<requestBits - 1
	secondMask  = 1<<secondBits - 1

	oneRetry   = uint64(1)
	oneRequest = uint64(1) << retryBits
)

// now is the second that counts; it is never the zero of an unused bucket.
func (b *budget) now() uint64 { return uint64(time.Since(b.start)/time.Second) + window }

// request counts a request.
func (b *budget) request() { b.add(b.now(), oneRequest) }

// add counts one of the two in the bucket of a second. A count that is full stays
// as it is.
func (b *budget) add(second, one uint64) {
	bucket := &b.buckets[second%window]
	for {
		old := bucket.Load()
		counts := old
		if old>>(retryBits+requestBits) != second&secondMask {
			counts = second & secondMask << (retryBits + requestBits)
		}
		full := one == oneRetry && counts&retryMask == retryMask ||
			one == oneRequest && counts>>retryBits&requestMask == requestMask
		if !full {
			counts += one
		}
		if counts == old || bucket.CompareAndSwap(old, counts) {
			return
		}
	}
}

// take counts a retry, if there may be one.
func (b *budget) take() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.now()
	var requests, retries uint64
	for second := now - window + 1; second <= now; second++ {
		counts := b.buckets[second%window].Load()
		if counts>>(retryBits+requestBits) == second&secondMask {
			requests += counts >> retryBits & requestMask
			retries += counts & retryMask
		}
	}
	if retries >= max(least, requests*b.percent/100) {
		return false
	}
	b.add(now, oneRetry)
	return true
}
