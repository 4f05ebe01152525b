package transcoder_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// TestE17 has the smallest of all bounds win.
func TestE17(t *testing.T) {
	now := time.Now()
	for _, test := range []struct {
		name          string
		headers       []string
		unary, stream time.Duration
		isUnary       bool
		want          time.Duration // -1 is none
	}{
		{"nothing", nil, 0, 0, true, -1},
		{"unary setting", nil, 15 * time.Second, time.Second, true, 15 * time.Second},
		{"stream setting", nil, 15 * time.Second, time.Second, false, time.Second},
		{"no stream setting", nil, 15 * time.Second, 0, false, -1},
		{"client alone", []string{"grpc-timeout", "2S"}, 0, 0, true, 2 * time.Second},
		{"client smaller", []string{"grpc-timeout", "2S"}, 15 * time.Second, 0, true, 2 * time.Second},
		{"capped", []string{"grpc-timeout", "1H"}, 15 * time.Second, 0, true, 15 * time.Second},
		{"already passed", []string{"grpc-timeout", "0n"}, 0, 0, true, 0},
		{"seconds", []string{"x-server-timeout", "0.5"}, 15 * time.Second, 0, true, 500 * time.Millisecond},
		{"both", []string{"x-server-timeout", "0.5", "grpc-timeout", "400m"}, 15 * time.Second, 0, true, 400 * time.Millisecond},
		{"both, other way", []string{"x-server-timeout", ".25", "grpc-timeout", "400m"}, 15 * time.Second, 0, true, 250 * time.Millisecond},
		{"capped seconds", []string{"x-server-timeout", "99999999999999999999"}, time.Second, 0, true, time.Second},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := transcoder.Deadline(request(test.headers...), &transcoder.Settings{
				UnaryTimeout: test.unary, StreamTimeout: test.stream, TimeoutHeader: "X-Server-Timeout",
			}, test.isUnary, now)
			require.Nil(t, err)
			if test.want < 0 {
				require.True(t, got.IsZero(), got)
				return
			}
			require.Equal(t, test.want, got.Sub(now))
		})
	}
}

// TestE18 is C7 too: a malformed timeout is never "no deadline".
func TestE18(t *testing.T) {
	settings := transcoder.DefaultSettings()
	for _, headers := range [][]string{
		{"grpc-timeout", ""}, {"grpc-timeout", "-1S"}, {"grpc-timeout", "123456789S"}, {"grpc-timeout", "1X"}, {"grpc-timeout", "5"},
		{"grpc-timeout", string(make([]byte, 1<<20))}, {"grpc-timeout", "1S", "grpc-timeout", "1H"},
		{"x-server-timeout", ""}, {"x-server-timeout", "-1"}, {"x-server-timeout", "1e9"}, {"x-server-timeout", "NaN"},
		{"x-server-timeout", "Inf"}, {"x-server-timeout", "1.2.3"}, {"x-server-timeout", "."}, {"x-server-timeout", "1", "x-server-timeout", "2"},
	} {
		_, err := transcoder.Deadline(request(headers...), &settings, true, time.Now())
		require.NotNil(t, err, "%.60q", headers)
		require.Equal(t, rpc.InvalidRequest, err.Reason)
	}
}

// TestTimeoutHeader has another header in place of x-server-timeout.
func TestTimeoutHeader(t *testing.T) {
	now := time.Now()
	settings := transcoder.DefaultSettings()
	settings.TimeoutHeader = "X-Wait"
	got, err := transcoder.Deadline(request("x-wait", "0.5", "x-server-timeout", "never", "grpc-timeout", "1S"), &settings, true, now)
	require.Nil(t, err)
	require.Equal(t, 500*time.Millisecond, got.Sub(now))
	_, err = transcoder.Deadline(request("x-wait", "soon"), &settings, true, now)
	require.NotNil(t, err)
	require.Equal(t, rpc.InvalidRequest, err.Reason)
	require.Contains(t, err.Message, `"x-wait"`)
}
