package balance_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/balance"
)

// newSet is a set that ends with the test.
func newSet(t testing.TB, cfg balance.Config) *balance.Set {
	t.Helper()
	cfg.Name = "books"
	set, err := balance.New(cfg)
	require.NoError(t, err)
	t.Cleanup(set.Close)
	return set
}

// pick is a choice that must come at once.
func pick(t testing.TB, set *balance.Set, tried ...string) *balance.Endpoint {
	t.Helper()
	list := upstream.Tried(tried)
	e, err := set.Pick(t.Context(), &list)
	require.NoError(t, err)
	require.Contains(t, list, e.Address())
	return e
}

// refusal is the error of a choice.
func refusal(t testing.TB, err error, reason rpc.Reason) *upstream.Error {
	t.Helper()
	require.Error(t, err)
	var refused *upstream.Error
	require.True(t, errors.As(err, &refused), "%T: %v", err, err)
	require.Equal(t, reason, refused.Reason, "%v", err)
	require.True(t, refused.NotSent)
	require.Empty(t, refused.Endpoint)
	return refused
}

func TestRoundRobinGivesAllTheSame(t *testing.T) {
	targets := []string{"192.0.2.1:80", "[2001:db8::1]:80", "unix:/run/books.sock"}
	set := newSet(t, balance.Config{Targets: targets})
	counts := make(map[string]int)
	for range 300 {
		e := pick(t, set)
		counts[e.Address()]++
		set.Done(e, balance.OK)
	}
	require.Equal(t, map[string]int{targets[0]: 100, targets[1]: 100, targets[2]: 100}, counts)
}

func TestTriedEndpointsAreAvoided(t *testing.T) {
	for _, least := range []bool{false, true} {
		set := newSet(t, balance.Config{Targets: []string{"192.0.2.1:80", "192.0.2.2:80"}, LeastRequest: least})
		for range 10 {
			e := pick(t, set, "192.0.2.1:80")
			require.Equal(t, "192.0.2.2:80", e.Address())
			set.Done(e, balance.OK)
			set.Done(pick(t, set, "192.0.2.1:80", "192.0.2.2:80"), balance.OK)
		}
	}
}
