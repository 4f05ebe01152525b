package balance_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream/balance"
)

// hit is one request to an address, which it must get. Others are tried already.
func hit(t *testing.T, set *balance.Set, address string, outcome balance.Outcome, others ...string) {
	t.Helper()
	e := pick(t, set, others...)
	require.Equal(t, address, e.Address())
	set.Done(e, outcome)
}

// ejectFirst has the first of the addresses fail until it is ejected.
func ejectFirst(t *testing.T, set *balance.Set, all []string, outcome balance.Outcome, failures int) {
	t.Helper()
	for range failures {
		hit(t, set, all[0], outcome, all[1:]...)
	}
	bad, down := set.Ejected()
	require.Equal(t, []string{all[0]}, append(bad, down...))
}

// probe is a request that must be one.
func probe(t *testing.T, set *balance.Set, address string) *balance.Endpoint {
	t.Helper()
	e := pick(t, set)
	require.True(t, e.Probe(), "%s is no probe", e.Address())
	require.Equal(t, address, e.Address())
	return e
}

func TestFailingEndpointIsEjectedAndProbed(t *testing.T) {
	for _, outcome := range []balance.Outcome{balance.Failed, balance.Unreachable} {
		synctest.Test(t, func(t *testing.T) {
			all := addresses(3)
			set := newSet(t, balance.Config{Targets: all})
			// A success in between, and what says nothing, are no failures in a row.
			for range 4 {
				hit(t, set, all[0], outcome, all[1:]...)
			}
			hit(t, set, all[0], balance.OK, all[1:]...)
			for range 4 {
				hit(t, set, all[0], outcome, all[1:]...)
				hit(t, set, all[0], balance.Neutral, all[1:]...)
			}
			bad, down := set.Ejected()
			require.Empty(t, append(bad, down...))
			ejectFirst(t, set, all, outcome, 1)

			// The others have its part alike.
			require.Equal(t, map[string]int{all[1]: 50, all[2]: 50}, serve(t, set, 100, balance.OK))
			time.Sleep(10*time.Second - 1)
			require.Equal(t, map[string]int{all[1]: 50, all[2]: 50}, serve(t, set, 100, balance.OK))

			// One request probes it, and nobody else comes near until that is known.
			time.Sleep(time.Nanosecond)
			first := probe(t, set, all[0])
			time.Sleep(time.Hour)
			require.Equal(t, map[string]int{all[1]: 50, all[2]: 50}, serve(t, set, 100, balance.OK))
			set.Done(first, outcome)

			// It fails, so it is out for twice as long.
			require.Zero(t, serve(t, set, 100, balance.OK)[all[0]])
			time.Sleep(20*time.Second - 1)
			require.Zero(t, serve(t, set, 100, balance.OK)[all[0]])
			time.Sleep(time.Nanosecond)
			// A client that gives up tells nothing: the next request is the probe.
			set.Done(probe(t, set, all[0]), balance.Neutral)
			set.Done(probe(t, set, all[0]), balance.OK)
			require.Equal(t, map[string]int{all[0]: 33, all[1]: 33, all[2]: 33}, serve(t, set, 99, balance.OK))
			// It begins anew with what it may fail.
			for range 4 {
				hit(t, set, all[0], outcome, all[1:]...)
			}
			bad, down = set.Ejected()
			require.Empty(t, append(bad, down...))
		})
	}
}

func TestEjectionsGrowLongerAndAreForgiven(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := addresses(2)
		set := newSet(t, balance.Config{Targets: all, Ejection: balance.Ejection{Failures: 1, BaseTime: 3 * time.Second, MaxTime: 20 * time.Second}})
		// out is how long an endpoint is, that is ejected now.
		out := func(want time.Duration) {
			t.Helper()
			require.Zero(t, serve(t, set, 10, balance.OK)[all[0]])
			time.Sleep(want - 1)
			require.Zero(t, serve(t, set, 10, balance.OK)[all[0]])
			time.Sleep(time.Nanosecond)
		}
		ejectFirst(t, set, all, balance.Failed, 1)
		for _, want := range []time.Duration{3 * time.Second, 6 * time.Second, 12 * time.Second, 20 * time.Second, 20 * time.Second} {
			out(want)
			set.Done(probe(t, set, all[0]), balance.Failed)
		}
		out(20 * time.Second)
		set.Done(probe(t, set, all[0]), balance.OK)
		// It fails again before it has worked for long.
		time.Sleep(20*time.Second - 1)
		ejectFirst(t, set, all, balance.Failed, 1)
		out(20 * time.Second)
		set.Done(probe(t, set, all[0]), balance.OK)
		// And now it has.
		time.Sleep(20 * time.Second)
		ejectFirst(t, set, all, balance.Failed, 1)
		out(3 * time.Second)
		set.Done(probe(t, set, all[0]), balance.OK)
	})
}

func TestLongAnswersBringBackBeforeTheyEnd(t *testing.T) {
	for _, test := range []struct {
		name    string
		outcome balance.Outcome
		tell    func(*balance.Set, *balance.Endpoint)
		back    bool
	}{
		{"answered after bad answers", balance.Failed, (*balance.Set).Answered, true},
		{"answered after no connection", balance.Unreachable, (*balance.Set).Answered, true},
		{"connected after no connection", balance.Unreachable, (*balance.Set).Connected, true},
		{"connected after bad answers", balance.Failed, (*balance.Set).Connected, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				all := addresses(2)
				set := newSet(t, balance.Config{Targets: all, Ejection: balance.Ejection{Failures: 2}})
				// It matters for probes only.
				e := pick(t, set, all[1])
				test.tell(set, e)
				require.False(t, e.Probe())
				set.Done(e, balance.OK)
				ejectFirst(t, set, all, test.outcome, 2)
				time.Sleep(10 * time.Second)
				long := probe(t, set, all[0])
				test.tell(set, long)
				test.tell(set, long)
				if !test.back {
					require.Zero(t, serve(t, set, 10, balance.OK)[all[0]])
					set.Done(long, balance.OK)
				} else {
					require.Equal(t, 5, serve(t, set, 10, balance.OK)[all[0]])
					// How it ends belongs to the time before.
					set.Done(long, balance.Failed)
					hit(t, set, all[0], balance.Failed, all[1])
				}
				require.Equal(t, 5, serve(t, set, 10, balance.OK)[all[0]])
			})
		})
	}
}

// What was sent before an ejection says nothing of what came after.
func TestOldRequestsCountNoMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := addresses(2)
		set := newSet(t, balance.Config{Targets: all, Ejection: balance.Ejection{Failures: 2}})
		var old []*balance.Endpoint
		for range 6 {
			old = append(old, pick(t, set, all[1]))
		}
		set.Done(old[0], balance.Failed)
		set.Done(old[1], balance.Failed)
		set.Done(old[2], balance.OK)
		set.Done(old[3], balance.Failed)
		require.Zero(t, serve(t, set, 10, balance.OK)[all[0]], "a late success does not bring it back")
		time.Sleep(10 * time.Second)
		set.Done(probe(t, set, all[0]), balance.OK)
		set.Done(old[4], balance.Failed)
		set.Done(old[5], balance.Failed)
		require.Equal(t, 5, serve(t, set, 10, balance.OK)[all[0]])
		total, _, _ := set.Load()
		require.Zero(t, total)
	})
}

func TestRetriesAreNoProbesIfTheyNeedNotBe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := addresses(3)
		set := newSet(t, balance.Config{Targets: all, Ejection: balance.Ejection{Failures: 1}})
		ejectFirst(t, set, all, balance.Failed, 1)
		time.Sleep(10 * time.Second)
		hit(t, set, all[2], balance.OK, all[1])
		// Of two that may be probed, the one that is new to it is better than one it knows.
		e := pick(t, set, all[1], all[2])
		require.True(t, e.Probe())
		require.Equal(t, all[0], e.Address())
		set.Done(e, balance.OK)
	})
	synctest.Test(t, func(t *testing.T) {
		all := addresses(2)
		set := newSet(t, balance.Config{Targets: all, Ejection: balance.Ejection{Failures: 1}})
		for i := range all {
			hit(t, set, all[i], balance.Unreachable, all[1-i])
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(time.Second)
		// The first has waited longest, but it is known to the request.
		e := pick(t, set, all[0])
		require.True(t, e.Probe())
		require.Equal(t, all[1], e.Address())
		set.Done(e, balance.Neutral)
	})
}

func TestBadAnswersEjectOnlySoMany(t *testing.T) {
	for _, test := range []struct{ endpoints, percent, want int }{
		{1, 0, 0}, {1, 100, 0}, {2, 0, 1}, {2, 10, 1}, {3, 0, 1}, {4, 0, 2}, {9, 0, 4}, {10, 30, 3}, {3, 1000, 3},
	} {
		synctest.Test(t, func(t *testing.T) {
			all := addresses(test.endpoints)
			set := newSet(t, balance.Config{Targets: all, Ejection: balance.Ejection{MaxPercent: test.percent}})
			for range 20 * test.endpoints {
				e, err := set.Pick(t.Context(), nil)
				if err != nil {
					refusal(t, err, rpc.UpstreamUnreachable)
					break
				}
				set.Done(e, balance.Failed)
			}
			bad, down := set.Ejected()
			require.Empty(t, down)
			require.Len(t, bad, test.want, "%+v", test)
			// The rest is used, however badly it answers, and is ejected once there is room.
			if test.want > 0 && test.want < test.endpoints {
				time.Sleep(10 * time.Second)
				set.Done(probe(t, set, bad[0]), balance.OK)
				for range 10 * test.endpoints {
					e := pick(t, set)
					if e.Address() == bad[0] {
						set.Done(e, balance.OK)
						continue
					}
					set.Done(e, balance.Failed)
				}
				again, _ := set.Ejected()
				require.Len(t, again, test.want)
				require.NotContains(t, again, bad[0])
			}
		})
	}
}

func TestOnlyEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := addresses(1)
		set := newSet(t, balance.Config{Targets: all})
		serve(t, set, 1000, balance.Failed)
		// Bad answers in between are answers.
		serve(t, set, 4, balance.Unreachable)
		serve(t, set, 1, balance.Failed)
		serve(t, set, 4, balance.Unreachable)
		serve(t, set, 1, balance.OK)

		serve(t, set, 5, balance.Unreachable)
		for range 100 {
			err := refused(t, set, t.Context(), rpc.UpstreamUnreachable)
			require.Equal(t, time.Second, err.RetryAfter)
			require.EqualError(t, err, `UPSTREAM_UNREACHABLE: upstream "books": none of its endpoints (1) works; all are left out until one is back`)
		}
		// However long it lasts, there is one probe a second.
		for range 1000 {
			time.Sleep(600 * time.Millisecond)
			require.Equal(t, 400*time.Millisecond, refused(t, set, t.Context(), rpc.UpstreamUnreachable).RetryAfter)
			time.Sleep(400 * time.Millisecond)
			e := probe(t, set, all[0])
			require.Equal(t, time.Second, refused(t, set, t.Context(), rpc.UpstreamUnreachable).RetryAfter)
			set.Done(e, balance.Unreachable)
			refused(t, set, t.Context(), rpc.UpstreamUnreachable)
		}
		// A bad answer is one, and there is nobody who gives better ones.
		time.Sleep(time.Second)
		set.Done(probe(t, set, all[0]), balance.Failed)
		serve(t, set, 1000, balance.Failed)
	})
}

func TestAllDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := addresses(3)
		set := newSet(t, balance.Config{Targets: all})
		require.Equal(t, map[string]int{all[0]: 5, all[1]: 5, all[2]: 5}, serve(t, set, 15, balance.Unreachable),
			"more may be out than bad answers put out")
		// Ten minutes: by now each of them would be out for minutes on its own.
		for range 600 {
			refused(t, set, t.Context(), rpc.UpstreamUnreachable)
			time.Sleep(time.Second)
			require.Len(t, serve(t, set, 3, balance.Unreachable), 3, "each is probed once a second")
		}
		refused(t, set, t.Context(), rpc.UpstreamUnreachable)
		// As soon as one is back, so are the others that work.
		time.Sleep(time.Second)
		first := pick(t, set)
		set.Done(first, balance.OK)
		for range 2 {
			e := pick(t, set)
			require.True(t, e.Probe())
			outcome := balance.OK
			if e.Address() == all[2] {
				outcome = balance.Unreachable
			}
			set.Done(e, outcome)
		}
		require.Equal(t, map[string]int{all[0]: 50, all[1]: 50}, serve(t, set, 100, balance.OK))
		// What is left out now begins anew.
		time.Sleep(10 * time.Second)
		set.Done(probe(t, set, all[2]), balance.OK)
	})
}

func TestRetryAfterIsWhenTheNextMayBeProbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := addresses(2)
		set := newSet(t, balance.Config{Targets: all, Ejection: balance.Ejection{Failures: 1}})
		hit(t, set, all[0], balance.Unreachable, all[1])
		time.Sleep(300 * time.Millisecond)
		hit(t, set, all[1], balance.Unreachable)
		require.Equal(t, 700*time.Millisecond, refused(t, set, t.Context(), rpc.UpstreamUnreachable).RetryAfter)
		time.Sleep(700 * time.Millisecond)
		first := probe(t, set, all[0])
		require.Equal(t, 300*time.Millisecond, refused(t, set, t.Context(), rpc.UpstreamUnreachable).RetryAfter)
		set.Done(first, balance.Unreachable)
	})
}

// Probes before their time do not make an ejection longer, or an outage of all would
// leave each of them out for long when it fails next.
func TestOutageOfAllDoesNotCountForEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := addresses(2)
		set := newSet(t, balance.Config{Targets: all})
		serve(t, set, 10, balance.Unreachable)
		for range 9 {
			time.Sleep(time.Second)
			serve(t, set, 2, balance.Unreachable)
		}
		// 9.5 s after they were ejected, for 10 s.
		time.Sleep(500 * time.Millisecond)
		refused(t, set, t.Context(), rpc.UpstreamUnreachable)
		time.Sleep(499 * time.Millisecond)
		refused(t, set, t.Context(), rpc.UpstreamUnreachable)
		time.Sleep(1 * time.Millisecond)
		first := pick(t, set)
		set.Done(first, balance.OK)
		set.Done(pick(t, set), balance.OK)
		again := []string{first.Address(), all[0]}
		if again[0] == all[0] {
			again[1] = all[1]
		}
		ejectFirst(t, set, again, balance.Unreachable, 5)
		time.Sleep(20*time.Second - 1)
		require.Len(t, serve(t, set, 10, balance.OK), 1)
		time.Sleep(time.Nanosecond)
		set.Done(probe(t, set, again[0]), balance.OK)
	})
}

// What a probe shows is what counts: bad answers in place of none, and the other way
// round.
func TestProbeTellsWhatIsWrongNow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := addresses(2)
		set := newSet(t, balance.Config{Targets: all, Ejection: balance.Ejection{Failures: 1, MaxTime: 10 * time.Second}})
		ejectFirst(t, set, all, balance.Unreachable, 1)
		for range 3 {
			time.Sleep(10 * time.Second)
			set.Done(probe(t, set, all[0]), balance.Failed)
			bad, down := set.Ejected()
			require.Equal(t, all[:1], bad)
			require.Empty(t, down)
			time.Sleep(10 * time.Second)
			set.Done(probe(t, set, all[0]), balance.Unreachable)
			bad, down = set.Ejected()
			require.Empty(t, bad)
			require.Equal(t, all[:1], down)
		}
	})
}

// One that answers badly is better than none at all.
func TestBadAnswersAreBetterThanNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := addresses(2)
		set := newSet(t, balance.Config{Targets: all})
		ejectFirst(t, set, all, balance.Failed, 5)
		for range 5 {
			hit(t, set, all[1], balance.Unreachable)
		}
		refused(t, set, t.Context(), rpc.UpstreamUnreachable)
		time.Sleep(time.Second)
		for range 2 {
			e := pick(t, set)
			require.True(t, e.Probe())
			if e.Address() == all[0] {
				set.Done(e, balance.Failed)
			} else {
				set.Done(e, balance.Unreachable)
			}
		}
		bad, down := set.Ejected()
		require.Empty(t, bad)
		require.Equal(t, []string{all[1]}, down)
	})
}

func TestEjectionOff(t *testing.T) {
	set := newSet(t, balance.Config{Targets: addresses(2), Ejection: balance.Ejection{Failures: -1}})
	require.Len(t, serve(t, set, 1000, balance.Unreachable), 2)
}
