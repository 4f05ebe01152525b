package balance_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/balance"
)

// picked is the result of a choice made in the background.
type picked struct {
	*balance.Endpoint
	err   error
	after time.Duration
}

// pickLater picks in the background, and returns once that waits or is done.
func pickLater(ctx context.Context, set *balance.Set) <-chan picked {
	results := make(chan picked, 1)
	start := time.Now()
	go func() {
		e, err := set.Pick(ctx, nil)
		results <- picked{e, err, time.Since(start)}
	}()
	synctest.Wait()
	return results
}

func TestWithoutRoomRequestsAreRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := newSet(t, balance.Config{Targets: addresses(2), Requests: 2})
		first, second := pick(t, set), pick(t, set)
		require.NotEqual(t, first.Address(), second.Address(), "the limit is one of all endpoints together")
		err := refused(t, set, t.Context(), rpc.UpstreamOverloaded)
		require.EqualError(t, err, `UPSTREAM_OVERLOADED: upstream "books": 2 requests are in flight, and 0 wait already`)
		require.Equal(t, time.Second, err.RetryAfter)
		set.Done(first, balance.Neutral)
		set.Done(pick(t, set), balance.OK)
	})
}

func TestRequestsWaitInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := newSet(t, balance.Config{Targets: addresses(2), Requests: 1, Waiting: 2, WaitTimeout: time.Minute})
		running := pick(t, set)
		one := pickLater(t.Context(), set)
		two := pickLater(t.Context(), set)
		refused(t, set, t.Context(), rpc.UpstreamOverloaded)

		time.Sleep(3 * time.Second)
		set.Done(running, balance.OK)
		synctest.Wait()
		require.Empty(t, two, "who waits longest is first")
		got := <-one
		require.NoError(t, got.err)
		require.Equal(t, 3*time.Second, got.after)
		// One waits, so there is room for one more that does: but not in front.
		three := pickLater(t.Context(), set)
		set.Done(got.Endpoint, balance.OK)
		got = <-two
		require.NoError(t, got.err)
		synctest.Wait()
		require.Empty(t, three)
		set.Done(got.Endpoint, balance.OK)
		got = <-three
		require.NoError(t, got.err)
		set.Done(got.Endpoint, balance.OK)
		total, waiting, _ := set.Load()
		require.Zero(t, total)
		require.Zero(t, waiting)
	})
}

func TestWaitingEnds(t *testing.T) {
	cause := errors.New("the page was left")
	for _, test := range []struct {
		name    string
		timeout time.Duration
		ctx     func(context.Context) (context.Context, context.CancelFunc)
		reason  rpc.Reason
		after   time.Duration
		want    string
	}{
		{
			name: "after its time", timeout: 2 * time.Second, reason: rpc.UpstreamOverloaded, after: 2 * time.Second,
			want: `UPSTREAM_OVERLOADED: upstream "books": no room for a request within 2s`,
			ctx:  func(ctx context.Context) (context.Context, context.CancelFunc) { return context.WithCancel(ctx) },
		},
		{
			name: "with the deadline", timeout: 2 * time.Second, reason: rpc.DeadlineExceeded, after: time.Second,
			want: `DEADLINE_EXCEEDED: upstream "books": waiting for an endpoint: context deadline exceeded`,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				return context.WithTimeout(ctx, time.Second)
			},
		},
		{
			name: "with the client, and without a limit", reason: rpc.ClientClosed, after: time.Hour,
			want: `CLIENT_CLOSED: upstream "books": waiting for an endpoint: the page was left`,
			ctx: func(ctx context.Context) (context.Context, context.CancelFunc) {
				ctx, cancel := context.WithCancelCause(ctx)
				timer := time.AfterFunc(time.Hour, func() { cancel(cause) })
				return ctx, func() { timer.Stop(); cancel(nil) }
			},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set := newSet(t, balance.Config{Targets: addresses(1), Requests: 1, Waiting: 1, WaitTimeout: test.timeout})
				running := pick(t, set)
				ctx, cancel := test.ctx(t.Context())
				defer cancel()
				got := <-pickLater(ctx, set)
				require.EqualError(t, refusal(t, got.err, test.reason), test.want)
				require.Equal(t, test.after, got.after)
				// It does not take the place that comes free later.
				_, waiting, _ := set.Load()
				require.Zero(t, waiting)
				set.Done(running, balance.OK)
				set.Done(pick(t, set), balance.OK)
			})
		})
	}
}

func TestEndedRequestsGetNoPlace(t *testing.T) {
	set := newSet(t, balance.Config{Targets: addresses(1)})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, refused(t, set, ctx, rpc.ClientClosed), context.Canceled)
	total, _, _ := set.Load()
	require.Zero(t, total)
}

// Nobody waits for endpoints that are all down: the queue is emptied, and none joins it.
func TestAllDownEmptiesTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		set := newSet(t, balance.Config{Targets: addresses(1), Requests: 3, Waiting: 2, Ejection: balance.Ejection{Failures: 1}})
		running := []*balance.Endpoint{pick(t, set), pick(t, set), pick(t, set)}
		one, two := pickLater(t.Context(), set), pickLater(t.Context(), set)
		set.Done(running[0], balance.Unreachable)
		for _, result := range []<-chan picked{one, two} {
			got := <-result
			refusal(t, got.err, rpc.UpstreamUnreachable)
			require.Zero(t, got.after)
		}
		// Two hang still. A third request is the probe in its time, and all others are
		// refused at once.
		refused(t, set, t.Context(), rpc.UpstreamUnreachable)
		time.Sleep(time.Second)
		probe := pick(t, set)
		require.True(t, probe.Probe())
		// There is no room, and still no reason to wait.
		refused(t, set, t.Context(), rpc.UpstreamUnreachable)
		set.Done(probe, balance.OK)
		for _, e := range running[1:] {
			set.Done(e, balance.Unreachable)
		}
		set.Done(pick(t, set), balance.OK)
	})
}

// A request whose place comes as it gives up gives it back.
func TestPlaceAndEndAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 200 {
			set := newSet(t, balance.Config{Targets: addresses(1), Requests: 1, Waiting: 1})
			running := pick(t, set)
			ctx, cancel := context.WithCancel(t.Context())
			result := pickLater(ctx, set)
			go cancel()
			set.Done(running, balance.OK)
			got := <-result
			if got.err == nil {
				set.Done(got.Endpoint, balance.OK)
			} else {
				refusal(t, got.err, rpc.ClientClosed)
			}
			var tried upstream.Tried
			e, err := set.Pick(t.Context(), &tried)
			require.NoError(t, err)
			set.Done(e, balance.OK)
			cancel()
		}
	})
}
