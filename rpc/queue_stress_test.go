package rpc_test

import (
	"context"
	"math/rand/v2"
	"runtime"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// TestQueueStress runs tellers, takers and aborters of all habits against each
// other. In a bubble a wake-up that got lost is a deadlock, which fails at once.
// Messages are told their number by every byte, so that a buffer that is released
// twice shows as one with bytes of another.
func TestQueueStress(t *testing.T) {
	for seed := range uint64(500) {
		synctest.Test(t, func(t *testing.T) { stress(t, seed) })
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

// habits is who does what in one round.
type habits struct {
	messages int
	// abortAt is after how many events the taker aborts, if not negative; it then
	// leaves, or waits for the end.
	abortAt int
	leaves  bool
	// aborter says that somebody else aborts, at any time.
	aborter bool
}

func stress(t *testing.T, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 0))
	h := habits{messages: random.IntN(60), abortAt: -1}
	switch random.IntN(4) {
	case 0:
		h.abortAt, h.leaves = random.IntN(20), random.IntN(2) == 0
	case 1:
		h.aborter = true
	}
	q := rpc.NewQueue([]int{0, 1, 500, 4 << 10, 64 << 10}[random.IntN(5)])
	if h.aborter {
		pauses := random.IntN(200)
		go func() {
			pause(pauses)
			q.Abort()
		}()
	}
	told := make(chan int, 1)
	go func() { told <- tell(q, h.messages, rand.New(rand.NewPCG(seed, 1))) }()
	taken, ended := take(t, q, h, rand.New(rand.NewPCG(seed, 2)))

	accepted := <-told
	require.LessOrEqual(t, taken, accepted+1, "one may be taken whose teller was refused while it waited")
	if h.abortAt < 0 && !h.aborter {
		require.Equal(t, h.messages, accepted)
		require.Equal(t, h.messages, taken)
	}
	require.True(t, ended || h.leaves)
}

// tell tells a whole answer and returns how many of its messages were accepted.
func tell(q *rpc.Queue, messages int, random *rand.Rand) int {
	if random.IntN(2) == 0 {
		q.Head(nil)
	}
	accepted := 0
	for n := range messages {
		pause(random.IntN(3))
		msg := rpc.NewBuffer()
		for range random.IntN(300) {
			msg.B = append(msg.B, byte(n))
		}
		if q.Message(msg) != nil {
			break
		}
		accepted++
	}
	q.End(rpc.Status{Code: codes.DataLoss}, nil)
	return accepted
}

// take takes events until the end or until it leaves.
func take(t *testing.T, q *rpc.Queue, h habits, random *rand.Rand) (taken int, ended bool) {
	never, cancel := context.WithCancel(t.Context())
	cancel()
	for events := 0; ; events++ {
		if events == h.abortAt {
			q.Abort()
			if h.leaves {
				return taken, false
			}
		}
		pause(random.IntN(3))
		ctx := t.Context()
		if !h.aborter && q.Ready() {
			ctx = never // what is ready is not waited for
		}
		ev, err := q.Next(ctx)
		require.NoError(t, err)
		switch ev.Kind {
		case rpc.HeadEvent:
			require.Zero(t, events, "the head is not the first")
		case rpc.MessageEvent:
			for _, b := range ev.Message.B {
				require.Equal(t, byte(taken), b, "message %d", taken)
			}
			ev.Message.Release()
			taken++
		case rpc.EndEvent:
			require.Equal(t, codes.DataLoss, ev.Status.Code)
			require.False(t, q.Ready(), "something after the end")
			return taken, true
		}
	}
}

// pause lets others run.
func pause(times int) {
	for range times {
		runtime.Gosched()
	}
}
