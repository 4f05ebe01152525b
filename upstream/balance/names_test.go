package balance_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream/balance"
)

// journal is a log to look at.
type journal struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.buf.Write(p)
}

// lines are what was logged since the last call, without times.
func (j *journal) lines() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	text := strings.TrimSuffix(j.buf.String(), "\n")
	j.buf.Reset()
	if text == "" {
		return nil
	}
	return strings.Split(text, "\n")
}

func (j *journal) logger() *slog.Logger {
	return slog.New(slog.NewTextHandler(j, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
}

// used are the addresses that requests get.
func used(t testing.TB, set *balance.Set) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(serve(t, set, 20, balance.OK)))
}

// becomes waits, over real sockets, until requests get these addresses.
func becomes(t testing.TB, set *balance.Set, want ...string) {
	t.Helper()
	require.Eventually(t, func() bool { return slices.Equal(want, used(t, set)) }, 20*time.Second, 5*time.Millisecond, "%v", want)
}

// passes waits until the server has been asked so many times more.
func (s *nameServer) passes(n int) {
	s.t.Helper()
	until := s.questions() + n
	require.Eventually(s.t, func() bool { return s.questions() >= until }, 20*time.Second, 5*time.Millisecond)
}

func TestNamesOverSockets(t *testing.T) {
	server := newNameServer(t)
	server.listen()
	server.set("books.test.", "192.0.2.2", "2001:db8::1", "192.0.2.1")
	var log journal
	set := newSet(t, balance.Config{
		Targets: []string{"books.test.:8080", "192.0.2.9:80"}, Resolver: server.resolver(), Refresh: 20 * time.Millisecond, Log: log.logger(),
	})
	require.Zero(t, server.questions(), "nobody has asked for the upstream yet")
	becomes(t, set, "192.0.2.1:8080", "192.0.2.2:8080", "192.0.2.9:80", "[2001:db8::1]:8080")
	require.Empty(t, log.lines())

	server.set("books.test.", "192.0.2.2", "192.0.2.3")
	last := []string{"192.0.2.2:8080", "192.0.2.3:8080", "192.0.2.9:80"}
	becomes(t, set, last...)
	require.Eventually(t, func() bool { return len(log.lines()) == 1 }, 20*time.Second, time.Millisecond)

	// Whatever goes wrong, the last good answer stays, and the log is told once.
	for _, test := range []struct {
		name   string
		begin  func()
		end    func()
		silent bool
	}{
		{"empty answer", func() { server.set("books.test.") }, nil, false},
		{"server failure", func() { server.fail(dnsmessage.RCodeServerFailure) }, func() { server.fail(dnsmessage.RCodeSuccess) }, false},
		{"no such name", func() { server.fail(dnsmessage.RCodeNameError) }, func() { server.fail(dnsmessage.RCodeSuccess) }, false},
		{"server down", func() { server.conn.Close() }, func() { server.listen() }, true},
	} {
		test.begin()
		if !test.silent {
			server.passes(4)
		}
		require.Eventually(t, func() bool {
			lines := log.lines()
			return len(lines) == 1 && strings.Contains(lines[0], "level=WARN")
		}, 20*time.Second, time.Millisecond, test.name)
		require.Equal(t, last, used(t, set), test.name)
		if test.end != nil {
			test.end()
		}
		server.set("books.test.", "192.0.2.2", "192.0.2.3")
		server.passes(2)
		require.Eventually(t, func() bool {
			lines := log.lines()
			return len(lines) == 1 && strings.Contains(lines[0], "resolved again")
		}, 20*time.Second, time.Millisecond, test.name)
		require.Equal(t, last, used(t, set), test.name)
	}
	// And it is still followed.
	server.set("books.test.", "2001:db8::2")
	becomes(t, set, "192.0.2.9:80", "[2001:db8::2]:8080")
}

func TestLookupsBeginWithRequestsAndEndWithClose(t *testing.T) {
	warmUp(t)
	synctest.Test(t, func(t *testing.T) {
		server := newNameServer(t)
		server.set("books.test.", "192.0.2.1")
		set := newSet(t, balance.Config{Targets: []string{"books.test.:80", "books.test.:80"}, Resolver: server.pipes()})
		time.Sleep(time.Hour)
		require.Zero(t, server.questions())

		require.Equal(t, "192.0.2.1:80", pick(t, set).Address())
		require.Equal(t, 1, server.questions())
		time.Sleep(1000 * time.Second)
		require.GreaterOrEqual(t, server.questions(), 100)
		require.LessOrEqual(t, server.questions(), 126)

		set.Close()
		count := server.questions()
		time.Sleep(time.Hour)
		require.Equal(t, count, server.questions())
		// Requests that are running may be tried again.
		pick(t, set)
		set.Close()
	})
}

func TestChangesAreUsedInTime(t *testing.T) {
	warmUp(t)
	synctest.Test(t, func(t *testing.T) {
		server := newNameServer(t)
		var log journal
		set := newSet(t, balance.Config{Targets: []string{"books.test.:80"}, Resolver: server.pipes(), Refresh: 5 * time.Second, Log: log.logger()})
		server.set("books.test.", "192.0.2.0")
		require.Equal(t, "192.0.2.0:80", pick(t, set).Address())
		for i := 1; i < 200; i++ {
			address := fmt.Sprintf("192.0.2.%d", i)
			server.set("books.test.", address)
			time.Sleep(5*time.Second + 1)
			require.Equal(t, address+":80", pick(t, set).Address())
			require.Equal(t, []string{fmt.Sprintf(
				"level=INFO msg=\"endpoints changed\" upstream=books name=books.test. added=[%s:80] removed=[192.0.2.%d:80]", address, i-1)}, log.lines())
		}
	})
}

// What stays keeps its requests and its ejection; what goes ends what it has.
func TestChangesKeepState(t *testing.T) {
	warmUp(t)
	synctest.Test(t, func(t *testing.T) {
		server := newNameServer(t)
		server.set("books.test.", "192.0.2.1", "192.0.2.2", "192.0.2.3")
		all := []string{"192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80"}
		var log journal
		set := newSet(t, balance.Config{
			Targets: []string{"books.test.:80"}, Resolver: server.pipes(), LeastRequest: true, Log: log.logger(),
			Requests: 7, Ejection: balance.Ejection{Failures: 1, BaseTime: time.Minute},
		})
		for range 3 {
			pick(t, set, all[0], all[2])
		}
		going := []*balance.Endpoint{pick(t, set, all[0], all[1]), pick(t, set, all[0], all[1])}
		ejectFirst(t, set, all, balance.Failed, 1)

		server.set("books.test.", "192.0.2.1", "192.0.2.2", "192.0.2.4")
		time.Sleep(10 * time.Second)
		_, _, by := set.Load()
		require.Equal(t, map[string]int{all[0]: 0, all[1]: 3, "192.0.2.4:80": 0}, by)
		require.Equal(t, map[string]int{"192.0.2.4:80": 20}, serve(t, set, 20, balance.OK), "the first is ejected still, and the second has most")
		// The limit has those of the one that is gone, too, until they end.
		held := []*balance.Endpoint{pick(t, set), pick(t, set)}
		refused(t, set, t.Context(), rpc.UpstreamOverloaded)
		require.Len(t, log.lines(), 2, "an ejection and a change")
		set.Done(going[0], balance.Failed)
		require.Empty(t, log.lines(), "what is gone is not ejected")
		set.Done(going[1], balance.OK)
		held = append(held, pick(t, set), pick(t, set))
		refused(t, set, t.Context(), rpc.UpstreamOverloaded)
		for _, e := range held {
			set.Done(e, balance.OK)
		}
		bad, _ := set.Ejected()
		require.Equal(t, all[:1], bad)
		time.Sleep(50 * time.Second)
		set.Done(probe(t, set, all[0]), balance.OK)
	})
}

// A probe of an endpoint that is gone, or that came back without it, decides nothing.
func TestChangesOvertakeProbes(t *testing.T) {
	warmUp(t)
	for _, gone := range []bool{true, false} {
		for _, outcome := range []balance.Outcome{balance.OK, balance.Failed} {
			synctest.Test(t, func(t *testing.T) {
				server := newNameServer(t)
				server.set("books.test.", "192.0.2.1", "192.0.2.2")
				all := []string{"192.0.2.1:80", "192.0.2.2:80"}
				var log journal
				set := newSet(t, balance.Config{
					Targets: []string{"books.test.:80"}, Resolver: server.pipes(), Log: log.logger(), Ejection: balance.Ejection{Failures: 1},
				})
				ejectFirst(t, set, all, balance.Failed, 1)
				time.Sleep(10 * time.Second)
				e := probe(t, set, all[0])
				if gone {
					server.set("books.test.", "192.0.2.2")
				} else {
					// The only one is not ejected for bad answers.
					server.set("books.test.", "192.0.2.1")
				}
				time.Sleep(10 * time.Second)
				require.Len(t, log.lines(), 2, "an ejection and a change")
				before := set.Generation()
				set.Answered(e)
				set.Done(e, outcome)
				require.True(t, slices.Equal(before, set.Generation()))
				require.Empty(t, log.lines())
				require.Len(t, serve(t, set, 10, balance.OK), 1)
			})
		}
	}
}

func TestUnreachableStaysSoWhenOthersGo(t *testing.T) {
	warmUp(t)
	synctest.Test(t, func(t *testing.T) {
		server := newNameServer(t)
		server.set("books.test.", "192.0.2.1", "192.0.2.2")
		set := newSet(t, balance.Config{
			Targets: []string{"books.test.:80"}, Resolver: server.pipes(), Requests: 1, Waiting: 1, Ejection: balance.Ejection{Failures: 1},
		})
		hit(t, set, "192.0.2.1:80", balance.Unreachable, "192.0.2.2:80")
		running := pick(t, set)
		waiting := pickLater(t.Context(), set)
		require.Empty(t, waiting)
		server.set("books.test.", "192.0.2.1")
		got := <-waiting
		refusal(t, got.err, rpc.UpstreamUnreachable)
		require.LessOrEqual(t, got.after, 10*time.Second)
		_, down := set.Ejected()
		require.Equal(t, []string{"192.0.2.1:80"}, down)
		set.Done(running, balance.OK)
		set.Done(probe(t, set, "192.0.2.1:80"), balance.OK)
	})
}

// Endpoints that were ejected while there were others are back when these are gone.
func TestEjectedEndpointsThatAreLeft(t *testing.T) {
	warmUp(t)
	synctest.Test(t, func(t *testing.T) {
		server := newNameServer(t)
		server.set("books.test.", "192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
		set := newSet(t, balance.Config{
			Targets: []string{"books.test.:80"}, Resolver: server.pipes(), Ejection: balance.Ejection{Failures: 1, BaseTime: time.Hour},
		})
		bad := []string{pick(t, set).Address(), pick(t, set).Address()}
		for i, address := range bad {
			others := slices.DeleteFunc([]string{"192.0.2.1:80", "192.0.2.2:80", "192.0.2.3:80", "192.0.2.4:80"}, func(a string) bool { return a == address })
			hit(t, set, address, balance.Failed, others...)
			got, _ := set.Ejected()
			require.Len(t, got, i+1)
		}
		// One of two may be out, and of one none.
		for i := len(bad); i > 0; i-- {
			var left []string
			for _, address := range bad[:i] {
				left = append(left, strings.TrimSuffix(address, ":80"))
			}
			server.set("books.test.", left...)
			time.Sleep(10 * time.Second)
			got, _ := set.Ejected()
			require.Len(t, got, i-1)
			serve(t, set, 10, balance.Neutral)
		}
	})
}

func TestFirstLookup(t *testing.T) {
	warmUp(t)
	// newBooks is a set of one name, and its server.
	newBooks := func(t *testing.T, log *journal) (*balance.Set, *nameServer) {
		server := newNameServer(t)
		return newSet(t, balance.Config{Targets: []string{"books.test.:80"}, Resolver: server.pipes(), Log: log.logger()}), server
	}
	t.Run("bounded by the request", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log journal
			set, server := newBooks(t, &log)
			server.hush(true)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			start := time.Now()
			refused(t, set, ctx, rpc.DeadlineExceeded)
			require.Equal(t, 2*time.Second, time.Since(start))
			// Whoever waits for longer waits for the same lookup, but not for ever.
			refused(t, set, t.Context(), rpc.UpstreamUnreachable)
			require.LessOrEqual(t, time.Since(start), 15*time.Second)
			synctest.Wait()
			require.Len(t, log.lines(), 1)
		})
	})
	t.Run("all wait for one", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log journal
			set, server := newBooks(t, &log)
			server.set("books.test.", "192.0.2.1")
			var all []<-chan picked
			for range 50 {
				all = append(all, pickLater(t.Context(), set))
			}
			for _, one := range all {
				got := <-one
				require.NoError(t, got.err)
				require.Equal(t, "192.0.2.1:80", got.Address())
			}
			require.Equal(t, 1, server.questions())
		})
	})
	t.Run("fails", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log journal
			set, server := newBooks(t, &log)
			err := refused(t, set, t.Context(), rpc.UpstreamUnreachable)
			require.Equal(t, time.Second, err.RetryAfter)
			require.ErrorContains(t, err, `UPSTREAM_UNREACHABLE: upstream "books": no address is known: looking up "books.test."`)
			var cause *net.DNSError
			require.ErrorAs(t, err, &cause)
			require.True(t, cause.IsNotFound)
			// Requests do not look it up: that happens once a second.
			for range 100 {
				refused(t, set, t.Context(), rpc.UpstreamUnreachable)
			}
			require.Equal(t, 1, server.questions())
			time.Sleep(10*time.Second + 1)
			require.Equal(t, 11, server.questions())
			require.Len(t, log.lines(), 1)
			server.set("books.test.", "192.0.2.1")
			time.Sleep(time.Second)
			require.Equal(t, "192.0.2.1:80", pick(t, set).Address())
			require.Equal(t, []string{`level=INFO msg="name resolved again" upstream=books name=books.test.`}, log.lines())
		})
	})
	t.Run("one of two names", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := newNameServer(t)
			server.set("books.test.", "192.0.2.1")
			set := newSet(t, balance.Config{Targets: []string{"authors.test.:80", "books.test.:80", "books.test.:81"}, Resolver: server.pipes()})
			require.Contains(t, []string{"192.0.2.1:80", "192.0.2.1:81"}, pick(t, set).Address())
			synctest.Wait()
			require.Equal(t, []string{"192.0.2.1:80", "192.0.2.1:81"}, used(t, set))
			server.set("authors.test.", "192.0.2.1", "192.0.2.2")
			time.Sleep(time.Second + 1)
			require.Equal(t, []string{"192.0.2.1:80", "192.0.2.1:81", "192.0.2.2:80"}, used(t, set))
		})
	})
	t.Run("one of two names hangs", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			server := newNameServer(t)
			server.set("books.test.", "192.0.2.1")
			server.mute = "authors.test."
			set := newSet(t, balance.Config{Targets: []string{"authors.test.:80", "books.test.:80"}, Resolver: server.pipes()})
			got := <-pickLater(t.Context(), set)
			require.NoError(t, got.err)
			require.Zero(t, got.after)
			set.Close()
			time.Sleep(time.Minute)
		})
	})
	t.Run("closed in its middle", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			var log journal
			set, server := newBooks(t, &log)
			server.hush(true)
			result := pickLater(t.Context(), set)
			set.Close()
			got := <-result
			require.ErrorContains(t, refusal(t, got.err, rpc.UpstreamUnreachable), "the upstream is closed")
			require.Empty(t, log.lines())
			// The library reads until its own deadline.
			time.Sleep(time.Minute)
		})
	})
	t.Run("closed before", func(t *testing.T) {
		var log journal
		set, server := newBooks(t, &log)
		set.Close()
		refused(t, set, t.Context(), rpc.UpstreamUnreachable)
		require.Zero(t, server.questions())
	})
}

func TestEjectionsAreLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log journal
		all := addresses(2)
		set := newSet(t, balance.Config{Targets: all, Log: log.logger()})
		serve(t, set, 10, balance.Unreachable)
		require.ElementsMatch(t, []string{
			`level=WARN msg="endpoint ejected" upstream=books endpoint=` + all[0] + ` cause=unreachable for=10s left=0`,
			`level=WARN msg="endpoint ejected" upstream=books endpoint=` + all[1] + ` cause=unreachable for=10s left=0`,
		}, left(log.lines()))
		for range 100 {
			time.Sleep(time.Second)
			serve(t, set, 2, balance.Unreachable)
		}
		require.Empty(t, log.lines())
		time.Sleep(time.Second)
		serve(t, set, 10, balance.OK)
		require.ElementsMatch(t, []string{
			`level=INFO msg="endpoint is back" upstream=books endpoint=` + all[0],
			`level=INFO msg="endpoint is back" upstream=books endpoint=` + all[1],
		}, log.lines())
	})
}

// left has the lines without how many endpoints are left: either may be the last.
func left(lines []string) []string {
	for i := range lines {
		lines[i] = strings.Replace(lines[i], "left=1", "left=0", 1)
	}
	return lines
}

// warmUp has the resolver of the library make what it keeps, outside of any bubble.
func warmUp(t *testing.T) {
	t.Helper()
	server := newNameServer(t)
	server.listen()
	server.set("books.test.", "192.0.2.1")
	_, err := server.resolver().LookupNetIP(t.Context(), "ip", "books.test.")
	require.NoError(t, err)
}
