package rpc_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// TestIdle: it expires exactly so long after the last touch, once.
func TestIdle(t *testing.T) {
	for _, test := range []struct {
		name    string
		touches []time.Duration // since the start
		want    time.Duration
	}{
		{"untouched", nil, 10 * time.Second},
		{"touched at once", []time.Duration{0}, 10 * time.Second},
		{"touched", []time.Duration{time.Second, 4 * time.Second}, 14 * time.Second},
		{"touched late", []time.Duration{9 * time.Second, 18 * time.Second, 27 * time.Second}, 37 * time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var expired []time.Duration
				idle := rpc.StartIdle(10*time.Second, func(err *rpc.Error) {
					require.Equal(t, rpc.DeadlineExceeded, err.Reason)
					expired = append(expired, time.Since(start))
				})
				for _, at := range test.touches {
					time.Sleep(at - time.Since(start))
					require.False(t, idle.Expired())
					idle.Touch()
				}
				time.Sleep(time.Hour)
				idle.Touch()
				time.Sleep(time.Hour)
				require.True(t, idle.Expired())
				idle.Stop() // after which expired can be read
				require.Equal(t, []time.Duration{test.want}, expired)
				require.True(t, idle.Expired(), "it stays expired")
			})
		})
	}
}

// TestIdleStop: after Stop nothing happens, and what happens is waited for.
func TestIdleStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idle := rpc.StartIdle(time.Second, func(*rpc.Error) { t.Error("expired") })
		time.Sleep(time.Second - 1)
		idle.Stop()
		idle.Stop()
		time.Sleep(time.Hour)
		require.False(t, idle.Expired())
	})
	// A mutex that waits stops the clock of a bubble: so in real time.
	running, ended := make(chan struct{}), false
	idle := rpc.StartIdle(time.Millisecond, func(*rpc.Error) {
		close(running)
		time.Sleep(20 * time.Millisecond)
		ended = true
	})
	<-running
	idle.Stop()
	require.True(t, ended)
}

// TestIdleNever: none is one that never expires.
func TestIdleNever(t *testing.T) {
	idle := rpc.StartIdle(0, func(*rpc.Error) { t.Error("expired") })
	require.Nil(t, idle)
	idle.Touch()
	st := rpc.Errorf(rpc.ClientClosed, "gone").Status()
	idle.Explain(&st)
	require.Equal(t, rpc.ClientClosed, st.Reason)
	require.False(t, idle.Expired())
	idle.Stop()
}

// TestIdleExplain: a call that was cancelled because of it says so, and one that
// ended for another reason keeps that.
func TestIdleExplain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		idle := rpc.StartIdle(time.Minute, func(*rpc.Error) {})
		cancelled := rpc.Errorf(rpc.ClientClosed, "gone").Status()
		st := cancelled
		idle.Explain(&st)
		require.Equal(t, rpc.ClientClosed, st.Reason, "not expired")
		time.Sleep(time.Hour)
		idle.Explain(&st)
		require.Equal(t, rpc.DeadlineExceeded, st.Reason)
		require.Equal(t, codes.DeadlineExceeded, st.Code)
		require.Contains(t, st.Message, "for 1m0s, the idle_timeout")
		own := rpc.Status{Code: codes.DataLoss, Message: "of the upstream"}
		idle.Explain(&own)
		require.Equal(t, codes.DataLoss, own.Code)
	})
}

func TestIdleAllocations(t *testing.T) {
	idle := rpc.StartIdle(time.Hour, func(*rpc.Error) {})
	defer idle.Stop()
	require.Zero(t, testing.AllocsPerRun(100, idle.Touch))
}
