package balance_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/balance"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// newSet is a set that ends with the test.
func newSet(t testing.TB, cfg balance.Config) *balance.Set {
	t.Helper()
	cfg.Name = "books"
	set, err := balance.New(cfg)
	require.NoError(t, err)
	t.Cleanup(set.Close)
	return set
}

// addresses are n targets, in order.
func addresses(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("192.0.2.%d:8080", 100+i)
	}
	return list
}

// pick is a choice that must come at once.
func pick(t testing.TB, set *balance.Set, tried ...string) *balance.Endpoint {
	t.Helper()
	list := upstream.Tried(tried)
	e, err := set.Pick(t.Context(), &list)
	require.NoError(t, err)
	require.Contains(t, list, e.Address(), "the endpoint must be among those tried")
	return e
}

// serve is n requests, one after the other, that end alike. It counts them by address.
func serve(t testing.TB, set *balance.Set, n int, outcome balance.Outcome) map[string]int {
	t.Helper()
	counts := make(map[string]int)
	for range n {
		e := pick(t, set)
		counts[e.Address()]++
		set.Done(e, outcome)
	}
	return counts
}

// refused is the error of a choice that must fail.
func refused(t testing.TB, set *balance.Set, ctx context.Context, reason rpc.Reason) *upstream.Error {
	t.Helper()
	e, err := set.Pick(ctx, nil)
	require.Nil(t, e)
	return refusal(t, err, reason)
}

func refusal(t testing.TB, err error, reason rpc.Reason) *upstream.Error {
	t.Helper()
	var refused *upstream.Error
	require.True(t, errors.As(err, &refused), "%T: %v", err, err)
	require.Equal(t, reason, refused.Reason, "%v", err)
	require.True(t, refused.NotSent)
	require.Empty(t, refused.Endpoint)
	return refused
}

func TestEndpointsTakeTurns(t *testing.T) {
	for n := 1; n <= 12; n++ {
		for _, least := range []bool{false, n <= 8} {
			targets := addresses(n)
			set := newSet(t, balance.Config{Targets: targets, LeastRequest: least})
			want := make(map[string]int)
			for _, target := range targets {
				want[target] = 20
			}
			require.Equal(t, want, serve(t, set, 20*n, balance.OK), "%d endpoints, least request %v", n, least)
		}
	}
}

func TestTargetsOfAllSorts(t *testing.T) {
	targets := []string{"192.0.2.1:80", "[2001:db8::1]:80", "unix:/run/books.sock", "192.0.2.1:80", "[::ffff:192.0.2.1]:80"}
	set := newSet(t, balance.Config{Targets: targets})
	require.Equal(t, map[string]int{targets[0]: 10, targets[1]: 10, targets[2]: 10}, serve(t, set, 30, balance.OK))
}

func TestTriedEndpointsAreAvoided(t *testing.T) {
	targets := addresses(12)
	for _, n := range []int{2, 3, 12} {
		for _, least := range []bool{false, true} {
			set := newSet(t, balance.Config{Targets: targets[:n], LeastRequest: least})
			for range 50 {
				var tried upstream.Tried
				for range n {
					e, err := set.Pick(t.Context(), &tried)
					require.NoError(t, err)
					set.Done(e, balance.OK)
				}
				require.ElementsMatch(t, targets[:n], tried, "each must have been tried once")
				// There is no other, so it may be any of them, and is not added again.
				e, err := set.Pick(t.Context(), &tried)
				require.NoError(t, err)
				set.Done(e, balance.OK)
				require.Len(t, tried, n)
			}
		}
	}
}

func TestRetriesDoNotUpsetTurns(t *testing.T) {
	targets := addresses(3)
	set := newSet(t, balance.Config{Targets: targets})
	counts := make(map[string]int)
	for range 100 {
		e := pick(t, set, targets[0])
		counts[e.Address()]++
		set.Done(e, balance.OK)
	}
	require.Equal(t, map[string]int{targets[1]: 50, targets[2]: 50}, counts)
}

func TestLeastRequestEvensOut(t *testing.T) {
	// Few: exactly, whatever order requests end in.
	targets := addresses(5)
	set := newSet(t, balance.Config{Targets: targets, LeastRequest: true})
	var held []*balance.Endpoint
	for range 500 {
		if len(held) > 0 && rand.N(3) == 0 {
			i := rand.N(len(held))
			set.Done(held[i], balance.OK)
			held = slices.Delete(held, i, i+1)
			continue
		}
		_, _, before := set.Load()
		e := pick(t, set)
		require.Equal(t, slices.Min(slices.Collect(maps.Values(before))), before[e.Address()], "%v", before)
		held = append(held, e)
	}

	// Many: two choices keep the highest near the mean.
	set = newSet(t, balance.Config{Targets: addresses(100), LeastRequest: true})
	for range 2000 {
		pick(t, set)
	}
	_, _, by := set.Load()
	require.Less(t, slices.Max(slices.Collect(maps.Values(by))), 26, "random choices of one would come to 30 and more")
}

func TestSlowEndpointGetsLess(t *testing.T) {
	for _, n := range []int{4, 20} {
		targets := addresses(n)
		set := newSet(t, balance.Config{Targets: targets, LeastRequest: true})
		slow := 0
		for range 100 * n {
			e := pick(t, set)
			if e.Address() == targets[0] {
				slow++ // and never ends
				continue
			}
			set.Done(e, balance.OK)
		}
		require.Less(t, slow, 5, "%d endpoints", n)
	}
}

// No place is lost, whatever happens at once: run it with -race.
func TestPlacesComeBack(t *testing.T) {
	const places, waiting = 20, 10
	targets := addresses(5)
	for _, least := range []bool{false, true} {
		set := newSet(t, balance.Config{
			Targets: targets, LeastRequest: least, Requests: places, Waiting: waiting,
			Ejection: balance.Ejection{Failures: 2, BaseTime: 1, MaxTime: 1},
		})
		var all sync.WaitGroup
		for worker := range 60 {
			all.Go(func() {
				random := rand.New(rand.NewPCG(uint64(worker), 1))
				for range 500 {
					ctx, cancel := context.WithCancel(t.Context())
					if random.IntN(3) == 0 {
						// Some give up while they wait.
						go cancel()
					}
					e, err := set.Pick(ctx, &upstream.Tried{targets[random.IntN(len(targets))]})
					if err == nil {
						if random.IntN(4) == 0 {
							set.Answered(e)
						}
						if total, queued, _ := set.Load(); total > places || queued > waiting {
							t.Errorf("%d requests in flight and %d waiting", total, queued)
						}
						set.Done(e, balance.Outcome(random.IntN(4)))
					}
					cancel()
				}
			})
		}
		all.Wait()
		total, queued, by := set.Load()
		require.Zero(t, total)
		require.Zero(t, queued)
		for address, n := range by {
			require.Zero(t, n, address)
		}
	}
}

func TestNewTellsWhatIsWrong(t *testing.T) {
	_, err := balance.New(balance.Config{})
	require.EqualError(t, err, "no targets: name at least one host:port or unix:path")
	_, err = balance.New(balance.Config{Targets: []string{"192.0.2.1:80", "books"}})
	require.EqualError(t, err, `target "books": not host:port; an IPv6 address goes in brackets, as in [::1]:8080`)
}

func TestPickDoesNotAllocate(t *testing.T) {
	for _, least := range []bool{false, true} {
		for _, n := range []int{3, 20} {
			set := newSet(t, balance.Config{Targets: addresses(n), LeastRequest: least, Requests: 10})
			tried := make(upstream.Tried, 0, 2)
			ctx := t.Context()
			allocations := testing.AllocsPerRun(1000, func() {
				tried = tried[:0]
				for range cap(tried) {
					e, err := set.Pick(ctx, &tried)
					if err != nil {
						t.Fatal(err)
					}
					set.Done(e, balance.OK)
				}
			})
			require.Zero(t, allocations, "%d endpoints, least request %v", n, least)
		}
	}
}

func BenchmarkPick(b *testing.B) {
	for _, n := range []int{1, 3, 100} {
		for _, least := range []bool{false, true} {
			set := newSet(b, balance.Config{Targets: addresses(n), LeastRequest: least, Requests: 1 << 20})
			name := fmt.Sprintf("endpoints=%d/least=%v", n, least)
			b.Run(name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					e, err := set.Pick(b.Context(), nil)
					if err != nil {
						b.Fatal(err)
					}
					set.Done(e, balance.OK)
				}
			})
			b.Run(name+"/parallel", func(b *testing.B) {
				b.ReportAllocs()
				b.RunParallel(func(pb *testing.PB) {
					for pb.Next() {
						e, err := set.Pick(b.Context(), nil)
						if err != nil {
							b.Error(err)
							return
						}
						set.Done(e, balance.OK)
					}
				})
			})
		}
	}
}
