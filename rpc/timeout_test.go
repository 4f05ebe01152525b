package rpc_test

import (
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
)

func TestParseTimeout(t *testing.T) {
	for _, test := range []struct {
		in   string
		want time.Duration
	}{
		{"0n", 0},
		{"1n", time.Nanosecond},
		{"2u", 2 * time.Microsecond},
		{"3m", 3 * time.Millisecond},
		{"4S", 4 * time.Second},
		{"5M", 5 * time.Minute},
		{"6H", 6 * time.Hour},
		{"00000001S", time.Second},
		{"99999999n", 99999999},
		{"2562047H", 2562047 * time.Hour},
		{"2562048H", math.MaxInt64},
		{"99999999H", math.MaxInt64},
	} {
		got, err := rpc.ParseTimeout(test.in)
		require.NoError(t, err, test.in)
		require.Equal(t, test.want, got, test.in)
	}
	for _, in := range []string{"", "1", "S", "-1S", "+1S", "1s", "1h", "1X", "123456789S", "1.5S", " 1S", "1S ", "1 S", "0x1S", "١S"} {
		_, err := rpc.ParseTimeout(in)
		require.Error(t, err, "%q", in)
	}
}

func TestAppendTimeout(t *testing.T) {
	for _, test := range []struct {
		in   time.Duration
		want string
	}{
		{-1, "0n"},
		{0, "0n"},
		{99_999_999, "99999999n"},
		{100_000_000, "100000u"},
		{100_000_001, "100001u"},
		{15 * time.Second, "15000000u"},
		{time.Hour, "3600000m"},
		{1000 * time.Hour, "3600000S"},
		{100_000 * time.Hour, "6000000M"},
		{2_000_000 * time.Hour, "2000000H"},
		{math.MaxInt64, "2562048H"},
		{math.MaxInt64 - 1, "2562048H"},
	} {
		require.Equal(t, test.want, string(rpc.AppendTimeout(nil, test.in)), "%d", test.in)
	}
	require.Equal(t, "x1n", string(rpc.AppendTimeout([]byte("x"), 1)), "it appends")
}

// FuzzTimeout: what is read is written as something that is read as no less, and
// as no more than the unit's rounding.
func FuzzTimeout(f *testing.F) {
	for _, s := range []string{"0n", "1S", "99999999H", "2562047H", "-1S", "123456789S", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := rpc.ParseTimeout(s)
		if err != nil {
			return
		}
		require.GreaterOrEqual(t, d, time.Duration(0))
		wire := string(rpc.AppendTimeout(nil, d))
		again, err := rpc.ParseTimeout(wire)
		require.NoError(t, err, wire)
		require.GreaterOrEqual(t, again, d, wire)
		require.LessOrEqual(t, float64(again-d), float64(d)*1e-5+1, wire)
	})
}
