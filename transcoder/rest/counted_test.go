package rest_test

import (
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// counted is a body of one text again and again.
type counted struct {
	text []byte
	left int
	at   int
	read atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n := 0
	for n < len(p) && c.left > 0 {
		m := copy(p[n:], c.text[c.at:])
		n += m
		if c.at += m; c.at == len(c.text) {
			c.at = 0
			c.left--
		}
	}
	c.read.Add(int64(n))
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// untilStalled waits until nobody reads any more, and requires that it was less
// than all.
func (c *counted) untilStalled(t *testing.T, all int64) {
	t.Helper()
	last := int64(-1)
	require.Eventually(t, func() bool {
		now := c.read.Load()
		same := now == last && now > 0
		last = now
		return same
	}, 20*time.Second, 300*time.Millisecond)
	require.Less(t, last, all/4)
}
