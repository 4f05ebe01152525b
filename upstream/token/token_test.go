package token_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream/token"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// issuer gives numbered tokens that live for life; it takes its time, and may be down.
type issuer struct {
	life, takes time.Duration
	down        atomic.Bool
	fetches     atomic.Int32
}

var errDown = errors.New("issuer is down")

func (i *issuer) fetch(ctx context.Context) (token.Token, error) {
	n := i.fetches.Add(1)
	select {
	case <-time.After(i.takes):
	case <-ctx.Done():
		return token.Token{}, ctx.Err()
	}
	if i.down.Load() {
		return token.Token{}, errDown
	}
	return token.Token{Text: fmt.Sprintf("t%d", n), Expires: time.Now().Add(i.life)}, nil
}

func get(t *testing.T, c *token.Cache[string]) string {
	t.Helper()
	text, err := c.Get(t.Context())
	require.NoError(t, err)
	return text
}

func TestOneFetchForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, takes: time.Second}
		c := token.New(i.fetch, nil)
		defer c.Close()
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				text, err := c.Get(t.Context())
				if err != nil || text != "t1" {
					t.Errorf("got %q, %v", text, err)
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, 1, i.fetches.Load())
	})
}

func TestRenewedAheadWithoutWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, takes: time.Second}
		c := token.New(i.fetch, nil)
		defer c.Close()
		require.Equal(t, "t1", get(t, c))
		time.Sleep(53 * time.Minute)
		require.Equal(t, "t1", get(t, c))
		synctest.Wait()
		require.EqualValues(t, 1, i.fetches.Load(), "renewed before it is time")
		time.Sleep(3 * time.Minute) // 4 minutes before it expires
		before := time.Now()
		for range 10 {
			require.Equal(t, "t1", get(t, c), "the old one serves while the new one is fetched")
		}
		require.Equal(t, before, time.Now(), "nobody waits")
		time.Sleep(2 * time.Second)
		require.Equal(t, "t2", get(t, c))
		require.EqualValues(t, 2, i.fetches.Load())
	})
}

func TestLastTokenServesUntilItExpires(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: time.Hour}
		c := token.New(i.fetch, nil)
		defer c.Close()
		require.Equal(t, "t1", get(t, c))
		i.down.Store(true)
		time.Sleep(59 * time.Minute)
		for range 5 {
			require.Equal(t, "t1", get(t, c))
			time.Sleep(2 * time.Second)
		}
		require.Greater(t, i.fetches.Load(), int32(2), "it goes on trying")
		time.Sleep(time.Minute)
		_, err := c.Get(t.Context())
		var failure *token.Error
		require.ErrorAs(t, err, &failure)
		require.ErrorIs(t, err, errDown)
		fetches := i.fetches.Load()
		_, err = c.Get(t.Context())
		require.ErrorIs(t, err, errDown)
		require.Equal(t, fetches, i.fetches.Load(), "there is a pause after a failure")
		i.down.Store(false)
		time.Sleep(2 * time.Second)
		require.NotEqual(t, "t1", get(t, c), "and then it comes back")
	})
}

func TestWaitsNoLongerThanItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, takes: 10 * time.Second}
		c := token.New(i.fetch, nil)
		defer c.Close()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := c.Get(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		var failure *token.Error
		require.NotErrorAs(t, err, &failure)
		require.Equal(t, time.Second, time.Since(start))
		require.Equal(t, "t1", get(t, c), "who comes next has what was begun")
	})
}

func TestHungIssuer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: time.Hour, takes: time.Hour}
		c := token.New(i.fetch, nil)
		_, err := c.Get(t.Context())
		require.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(2 * time.Second)
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.Get(t.Context())
			if err == nil {
				t.Error("a token of a closed cache")
			}
		})
		synctest.Wait()
		c.Close()
		wg.Wait()
		_, err = c.Get(t.Context())
		require.ErrorContains(t, err, "closed")
	})
}

func TestWhatIsNoToken(t *testing.T) {
	for name, tok := range map[string]token.Token{
		"empty":   {Expires: time.Now().Add(time.Hour)},
		"expired": {Text: "secret-a", Expires: time.Now().Add(-time.Second)},
		"no end":  {Text: "secret-a"},
		"line":    {Text: "secret-a\r\nX: y", Expires: time.Now().Add(time.Hour)},
		"long":    {Text: "secret-" + strings.Repeat("x", 1<<20), Expires: time.Now().Add(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			c := token.New(func(context.Context) (token.Token, error) { return tok, nil }, nil)
			defer c.Close()
			_, err := c.Get(t.Context())
			require.Error(t, err)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}

// TestFailure: without a token nothing is sent, whoever is to blame.
func TestFailure(t *testing.T) {
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for _, tc := range []struct {
		ctx    context.Context
		err    error
		reason rpc.Reason
	}{
		{t.Context(), fmt.Errorf("call: %w", &token.Error{Err: errDown}), rpc.UpstreamDenied},
		{ended, ended.Err(), rpc.ClientClosed},
	} {
		failed := token.Failure(tc.ctx, tc.err)
		require.Equal(t, tc.reason, failed.Reason)
		require.True(t, failed.NotSent)
		require.ErrorIs(t, failed, tc.err)
	}
}

func TestNoProxy(t *testing.T) { require.Nil(t, token.NewTransport().Proxy) }

func FuzzExpiryOf(f *testing.F) {
	f.Add("e30.eyJleHAiOjE3MDAwMDAwMDB9.c2ln")
	f.Add("e30.eyJleHAiOi0xfQ.x")
	f.Add("a.b.c")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		if at := token.ExpiryOf(text); !at.IsZero() && at.Unix() <= 0 {
			t.Errorf("ExpiryOf(%q) = %v", text, at)
		}
	})
}

func TestExpiryOf(t *testing.T) {
	require.Equal(t, time.Unix(1700000000, 0), token.ExpiryOf("e30.eyJleHAiOjE3MDAwMDAwMDB9.c2ln"))
	for _, none := range []string{"", "opaque", "a.b.c", "e30.e30.x", "e30.eyJleHAiOi0xfQ.x", "e30.eyJleHAiOjFlMzAwfQ.x"} {
		require.Zero(t, token.ExpiryOf(none), none)
	}
}
