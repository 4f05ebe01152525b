package token_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/upstream/token"
)

// TestManyLives asks all the time, for many lives: there is always one, none has expired,
// and nobody waits.
func TestManyLives(t *testing.T) {
	for _, life := range []time.Duration{time.Minute, 15 * time.Minute, time.Hour, 12 * time.Hour} {
		t.Run(life.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fetches := 0
				c := token.NewCache("pass", func(context.Context) (time.Time, time.Time, error) {
					time.Sleep(time.Second)
					fetches++
					expires := time.Now().Add(life)
					return expires, expires, nil
				}, nil)
				defer c.Close()
				_, err := c.Get(t.Context())
				require.NoError(t, err)
				const lives = 10
				for began := time.Now(); time.Since(began) < lives*life; time.Sleep(life / 500) {
					asked := time.Now()
					expires, err := c.Get(t.Context())
					require.NoError(t, err)
					require.Equal(t, asked, time.Now(), "nobody waits")
					require.True(t, expires.After(asked))
				}
				synctest.Wait()
				require.GreaterOrEqual(t, fetches, lives)
				require.LessOrEqual(t, fetches, lives*3/2, "not more often than for a third of a life")
			})
		})
	}
}

// TestSlack: what is about to expire is used no more, for it has a way to go.
func TestSlack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: time.Hour}
		c := token.New(i.fetch, nil)
		defer c.Close()
		require.Equal(t, "t1", get(t, c))
		i.takes = time.Second
		time.Sleep(time.Hour - 10*time.Second)
		require.Equal(t, "t2", get(t, c))
	})
}

// TestForever: what does not expire is fetched once, and rejecting it changes nothing.
func TestForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetches := 0
		c := token.NewCache("pass", func(context.Context) (int, time.Time, error) {
			fetches++
			return fetches, time.Time{}, nil
		}, nil)
		defer c.Close()
		for range 5 {
			n, err := c.Get(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, n)
			time.Sleep(1000 * time.Hour)
			c.Reject()
		}
	})
}

// TestReject: what was taken for expired is used no more, and not given up at once if it
// has just come.
func TestReject(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		i := &issuer{life: time.Hour}
		c := token.New(i.fetch, nil)
		defer c.Close()
		c.Reject()
		require.Equal(t, "t1", get(t, c))
		time.Sleep(time.Second - 1)
		c.Reject()
		require.Equal(t, "t1", get(t, c))
		time.Sleep(time.Nanosecond)
		c.Reject()
		require.Equal(t, "t2", get(t, c))
		c.Advance(time.Hour - 5*time.Second)
		require.Equal(t, "t3", get(t, c))
	})
}

// TestErrorsNameWhatIsKept, and so does the log, once for as long as it fails.
func TestErrorsNameWhatIsKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		i := &issuer{life: time.Hour}
		c := token.NewCache("pass", func(ctx context.Context) (token.Token, time.Time, error) {
			tok, err := i.fetch(ctx)
			return tok, tok.Expires, err
		}, slog.New(slog.NewTextHandler(&log, nil)))
		defer c.Close()
		i.down.Store(true)
		for range 3 {
			_, err := c.Get(t.Context())
			require.EqualError(t, err, "no pass: issuer is down")
			time.Sleep(time.Second)
		}
		require.Equal(t, 1, strings.Count(log.String(), `msg="no new pass" err="issuer is down" valid_for=0s`), log.String())
		i.down.Store(false)
		_, err := c.Get(t.Context())
		require.NoError(t, err)
		synctest.Wait()
		require.Equal(t, 2, strings.Count(log.String(), "msg="), log.String())
		require.Contains(t, log.String(), `msg="pass renewed"`)
		i.life, i.takes = -time.Second, time.Minute
		c.Advance(24 * time.Hour)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err = c.Get(ctx)
		require.EqualError(t, err, "no pass yet: context deadline exceeded")
	})
}

// TestClose: what is fetched then is given up at once, which is no news.
func TestClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		c := token.New((&issuer{takes: time.Hour}).fetch, slog.New(slog.NewTextHandler(&log, nil)))
		go func() { _, _ = c.Get(t.Context()) }()
		synctest.Wait()
		began := time.Now()
		c.Close()
		require.Equal(t, began, time.Now())
		require.Empty(t, log.String())
	})
}
