package rpc_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/rpc"
)

func message(n int) *rpc.Buffer { return &rpc.Buffer{B: make([]byte, n)} }

func next(t *testing.T, q *rpc.Queue) rpc.Event {
	t.Helper()
	ev, err := q.Next(t.Context())
	require.NoError(t, err)
	return ev
}

func TestQueueOrder(t *testing.T) {
	q := rpc.NewQueue(1 << 10)
	require.False(t, q.Ready())
	q.Head(rpc.Header{{Name: "a", Value: "1"}})
	for n := range 3 {
		require.NoError(t, q.Message(message(n)))
	}
	q.End(rpc.Status{Code: codes.Aborted}, rpc.Header{{Name: "b", Value: "2"}})

	require.True(t, q.Ready())
	ev := next(t, q)
	require.Equal(t, rpc.HeadEvent, ev.Kind)
	require.Equal(t, "1", ev.Header.Get("a"))
	for n := range 3 {
		ev = next(t, q)
		require.Equal(t, rpc.MessageEvent, ev.Kind)
		require.Len(t, ev.Message.B, n)
		ev.Message.Release()
	}
	ev = next(t, q)
	require.Equal(t, rpc.EndEvent, ev.Kind)
	require.Equal(t, codes.Aborted, ev.Status.Code)
	require.Equal(t, "2", ev.Header.Get("b"))
	require.False(t, q.Ready())
}

// TestQueueBound: the teller waits while the queue is full, and one message that
// is larger than the queue goes through alone.
func TestQueueBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := rpc.NewQueue(1000)
		told := 0
		go func() {
			for _, n := range []int{400, 400, 400, 5000, 1} {
				_ = q.Message(message(n))
				told++
			}
			q.End(rpc.Status{}, nil)
		}()
		for _, step := range []struct{ told, size int }{
			{2, 400}, // the third fills it, and its teller waits
			{2, 400}, // as long as the first is in the taker's hands
			{3, 400}, // so does that of the large one, for longer
			{3, 5000},
			{3, 1}, // nothing gets in behind it until the taker comes back
		} {
			synctest.Wait()
			require.Equal(t, step.told, told)
			ev := next(t, q)
			require.Len(t, ev.Message.B, step.size)
			ev.Message.Release()
		}
		synctest.Wait()
		require.Equal(t, rpc.EndEvent, next(t, q).Kind)
	})
}

// TestQueueInHand: what the taker has not come back from counts, so that a stream
// whose downstream is stalled holds one large message and not two.
func TestQueueInHand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := rpc.NewQueue(1000)
		told := 0
		go func() {
			for q.Message(message(2000)) == nil {
				told++
			}
		}()
		for n := range 5 {
			synctest.Wait()
			require.Equal(t, max(n-1, 0), told, "the teller waits with one in the queue or in hand")
			next(t, q).Message.Release()
			require.False(t, q.Ready())
		}
		q.Abort()
		synctest.Wait()
	})
}

// TestQueueEmptyMessages: messages of no bytes are bounded too.
func TestQueueEmptyMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := rpc.NewQueue(64 << 10)
		told := 0
		go func() {
			for q.Message(message(0)) == nil {
				told++
			}
		}()
		synctest.Wait()
		require.Greater(t, told, 100)
		require.Less(t, told, 2000)
		q.Abort()
		synctest.Wait()
	})
}

// TestQueueCapacity: what counts is what a buffer holds on to, and a large buffer
// with little in it is not queued behind others.
func TestQueueCapacity(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct{ capacity, least, most int }{
			{2 << 10, 25, 40},
			{60 << 10, 600, 1000},
		} {
			q := rpc.NewQueue(64 << 10)
			told := 0
			go func() {
				for q.Message(&rpc.Buffer{B: make([]byte, 10, test.capacity)}) == nil {
					told++
				}
			}()
			synctest.Wait()
			if test.capacity > 8<<10 { // the first is let in as it is
				for range 2 { // and counts until the taker comes back
					ev := next(t, q)
					require.Len(t, ev.Message.B, 10)
					synctest.Wait()
				}
			}
			require.GreaterOrEqual(t, told, test.least)
			require.LessOrEqual(t, told, test.most)
			q.Abort()
			synctest.Wait()
		}
	})
}

// TestQueueAbort: a waiting teller and further messages are refused, and only the
// end still comes.
func TestQueueAbort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := rpc.NewQueue(1000)
		require.NoError(t, q.Message(message(400)))
		refused := make(chan error, 1)
		go func() { refused <- q.Message(message(800)) }()
		synctest.Wait()
		q.Abort()
		q.Abort()
		require.ErrorIs(t, <-refused, rpc.ErrAborted)
		require.ErrorIs(t, q.Message(message(1)), rpc.ErrAborted)
		require.False(t, q.Ready())
		q.Head(nil)
		q.End(rpc.Status{Code: codes.Canceled}, nil)
		ev := next(t, q)
		require.Equal(t, rpc.EndEvent, ev.Kind)
		require.Equal(t, codes.Canceled, ev.Status.Code)
	})
	q := rpc.NewQueue(100)
	require.NoError(t, q.Message(message(1)))
	q.End(rpc.Status{Code: codes.Canceled}, nil)
	q.Abort()
	require.Equal(t, rpc.EndEvent, next(t, q).Kind, "an end that waits is kept")
}

func TestQueueContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := rpc.NewQueue(1).Next(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

// TestQueueConcurrent: nothing is lost or turned round between two goroutines.
func TestQueueConcurrent(t *testing.T) {
	const messages = 10_000
	q := rpc.NewQueue(1 << 10)
	go func() {
		for n := range messages {
			if q.Message(message(n%300)) != nil {
				return
			}
		}
		q.End(rpc.Status{}, nil)
	}()
	for n := range messages {
		ev := next(t, q)
		require.Equal(t, rpc.MessageEvent, ev.Kind)
		require.Len(t, ev.Message.B, n%300)
		ev.Message.Release()
	}
	require.Equal(t, rpc.EndEvent, next(t, q).Kind)
}

// TestBuffer: neither what grew large nor what is tiny stays in the pool, and nil can be
// released.
func TestBuffer(t *testing.T) {
	(*rpc.Buffer)(nil).Release()
	for _, n := range []int{1, 1 << 20, 1, 1 << 20} {
		message(n).Release()
		b := rpc.NewBuffer()
		require.Empty(t, b.B)
		require.GreaterOrEqual(t, cap(b.B), 1<<10)
		require.LessOrEqual(t, cap(b.B), 64<<10)
	}
}

// later is an upstream without Doer.
type later struct{}

func (later) Start(_ context.Context, call *rpc.Call, sink rpc.Sink) rpc.Stream {
	go func() {
		sink.Head(nil)
		_ = sink.Message(call.Request)
		sink.End(rpc.Status{Message: "done"}, nil)
	}()
	return nil
}

// TestRun waits for an upstream that has no goroutine to borrow.
func TestRun(t *testing.T) {
	q := rpc.NewQueue(1 << 10)
	rpc.Run(t.Context(), later{}, &rpc.Call{Request: message(3)}, q)
	require.Equal(t, rpc.HeadEvent, next(t, q).Kind)
	require.Len(t, next(t, q).Message.B, 3)
	require.Equal(t, "done", next(t, q).Status.Message)
}

// TestQueueNudge: a nudge wakes up who waits, and comes after what is there.
func TestQueueNudge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := rpc.NewQueue(1000)
		got := make(chan rpc.EventKind)
		go func() {
			for {
				ev, err := q.Next(t.Context())
				if err != nil {
					return
				}
				got <- ev.Kind
				if ev.Kind == rpc.EndEvent {
					return
				}
			}
		}()
		synctest.Wait()
		q.Nudge()
		require.Equal(t, rpc.NudgeEvent, <-got)
		q.Head(nil)
		synctest.Wait() // it waits for the test to take the head
		q.Nudge()
		q.Nudge()
		require.NoError(t, q.Message(message(1)))
		require.Equal(t, rpc.HeadEvent, <-got)
		require.Equal(t, rpc.MessageEvent, <-got)
		require.Equal(t, rpc.NudgeEvent, <-got)
		q.Abort()
		q.Nudge()
		require.Equal(t, rpc.NudgeEvent, <-got)
		q.End(rpc.Status{}, nil)
		require.Equal(t, rpc.EndEvent, <-got)
	})
}
