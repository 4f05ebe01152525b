package balance_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/balance"
)

// One of three is bad, and nothing is retried: 100 requests a second for ten minutes,
// with errors that come at once and ones that take two seconds.
func TestOneOfThreeBad(t *testing.T) {
	for _, least := range []bool{false, true} {
		for _, takes := range []time.Duration{time.Millisecond, 2 * time.Second} {
			synctest.Test(t, func(t *testing.T) {
				all := addresses(3)
				set := newSet(t, balance.Config{Targets: all, LeastRequest: least})
				start := time.Now()
				begin, repaired := 5*time.Second, 5*time.Minute
				var bad, late int
				for time.Since(start) < 10*time.Minute {
					e := pick(t, set)
					since := time.Since(start)
					if e.Address() == all[0] && since < repaired {
						if since >= begin {
							bad++
						}
						time.AfterFunc(takes, func() { set.Done(e, balance.Failed) })
					} else {
						if e.Address() == all[0] {
							late++
						}
						time.AfterFunc(time.Millisecond, func() { set.Done(e, balance.OK) })
					}
					time.Sleep(10 * time.Millisecond)
				}
				sent := int((repaired - begin) / (10 * time.Millisecond))
				require.LessOrEqual(t, bad, sent/1000, "errors after 5 s: at most 1%% are allowed, and it is less than 0.1%%")
				require.Greater(t, late, 1000, "it must be back")
				synctest.Wait()
			})
		}
	}
}

// A plain model watches long random runs: who is out because of bad answers is never
// too many, ejected endpoints have one request at a time, and what is refused is refused
// because all are out.
func TestRandomRuns(t *testing.T) {
	for seed := range uint64(30) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			n := 1 + random.IntN(12)
			percent := 1 + random.IntN(100)
			most := max(1, n*percent/100)
			if n == 1 {
				most = 0
			}
			set := newSet(t, balance.Config{
				Targets: addresses(n), LeastRequest: seed%2 == 0,
				Ejection: balance.Ejection{Failures: 1 + random.IntN(3), BaseTime: time.Second, MaxTime: 8 * time.Second, MaxPercent: percent},
			})
			outcomes := []balance.Outcome{balance.Neutral, balance.OK, balance.Failed}
			onlyBad := seed%3 == 0
			if !onlyBad {
				outcomes = append(outcomes, balance.Unreachable)
			}
			type sent struct {
				*balance.Endpoint
				outcome balance.Outcome
			}
			var held []sent
			probing := make(map[string]bool)
			for range 2000 {
				switch random.IntN(5) {
				case 0, 1:
					bad, down := set.Ejected()
					e, err := set.Pick(t.Context(), nil)
					if err != nil {
						require.Len(t, append(bad, down...), n)
						refusal(t, err, rpc.UpstreamUnreachable)
						continue
					}
					if e.Probe() {
						require.Contains(t, append(bad, down...), e.Address())
						require.False(t, probing[e.Address()], "a second probe")
						probing[e.Address()] = true
					} else {
						require.NotContains(t, append(bad, down...), e.Address())
					}
					held = append(held, sent{e, outcomes[random.IntN(len(outcomes))]})
				case 2, 3:
					if len(held) == 0 {
						continue
					}
					i := random.IntN(len(held))
					one := held[i]
					held[i] = held[len(held)-1]
					held = held[:len(held)-1]
					before, _ := set.Ejected()
					set.Done(one.Endpoint, one.outcome)
					if one.Probe() {
						probing[one.Address()] = false
					}
					bad, down := set.Ejected()
					if len(bad) > len(before) {
						require.LessOrEqual(t, len(bad)+len(down), most)
					}
					if onlyBad {
						require.LessOrEqual(t, len(bad), most)
						require.Empty(t, down)
					}
				default:
					time.Sleep(time.Duration(random.Int64N(int64(700 * time.Millisecond))))
				}
			}
			for _, one := range held {
				set.Done(one.Endpoint, balance.OK)
			}
			total, waiting, by := set.Load()
			require.Zero(t, total)
			require.Zero(t, waiting)
			for address, n := range by {
				require.Zero(t, n, address)
			}
			// All come back when they work.
			for range 3 * n {
				time.Sleep(8 * time.Second)
				e, err := set.Pick(t.Context(), &upstream.Tried{})
				require.NoError(t, err)
				set.Done(e, balance.OK)
			}
			bad, down := set.Ejected()
			require.Empty(t, append(bad, down...))
		})
	}
}
