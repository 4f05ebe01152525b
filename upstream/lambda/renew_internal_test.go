package lambda

import (
	"context"
	"log/slog"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"
)

// issuer hands out credentials that live for a time, and takes a second for it.
type issuer struct {
	life   time.Duration
	serial int
}

func (i *issuer) Retrieve(context.Context) (aws.Credentials, error) {
	time.Sleep(time.Second) // in virtual time
	i.serial++
	return aws.Credentials{AccessKeyID: strconv.Itoa(i.serial), SecretAccessKey: "secret", CanExpire: true, Expires: time.Now().Add(i.life)}, nil
}

// TestCache asks for credentials all the time: they are there, and none has expired.
func TestCache(t *testing.T) {
	for _, life := range []time.Duration{time.Minute, 15 * time.Minute, time.Hour, 12 * time.Hour} {
		t.Run(life.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				from := &issuer{life: life}
				ctx, end := context.WithCancel(t.Context())
				c := newCache(ctx, from, slog.New(slog.DiscardHandler))
				_, err := c.Retrieve(t.Context())
				require.NoError(t, err)
				const lives = 10
				for began := time.Now(); time.Since(began) < lives*life; time.Sleep(life / 500) {
					asked := time.Now()
					keys, err := c.Retrieve(t.Context())
					require.NoError(t, err)
					require.Equal(t, asked, time.Now(), "nobody waits")
					require.True(t, keys.Expires.After(asked))
				}
				synctest.Wait()
				require.GreaterOrEqual(t, from.serial, lives)
				require.LessOrEqual(t, from.serial, lives*3/2, "not more often than for a third of a life")
				end()
				c.wait()
			})
		})
	}
}
