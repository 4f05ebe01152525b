package codec

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestCivil goes through every day that a Timestamp can be on.
func TestCivil(t *testing.T) {
	day := time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := int64(minTimestampSeconds / 86400); n <= maxTimestampSeconds/86400; n++ {
		y, m, d := day.Date()
		if got := daysFromCivil(y, int(m), d); got != n {
			t.Fatalf("daysFromCivil(%v) = %d, want %d", day, got, n)
		}
		if gy, gm, gd := civilFromDays(n); gy != y || gm != int(m) || gd != d {
			t.Fatalf("civilFromDays(%d) = %d-%d-%d, want %v", n, gy, gm, gd, day)
		}
		day = day.AddDate(0, 0, 1)
	}
}

// TestPlainTimestamp checks that the short way never disagrees with package
// time about what it takes.
func TestPlainTimestamp(t *testing.T) {
	for _, s := range []string{
		"1970-01-01T00:00:00Z", "2024-02-29T23:59:59.999999999Z", "2020-01-02T03:04:05+01:00", "0001-01-01T00:00:00-23:59",
		"9999-12-31T23:59:59.1Z", "2023-02-29T00:00:00Z", "2023-13-01T00:00:00Z", "2023-00-01T00:00:00Z", "2023-01-32T00:00:00Z",
		"2023-01-01T24:00:00Z", "2023-01-01T00:60:00Z", "2023-01-01T00:00:60Z", "2023-01-01T00:00:00", "2023-01-01t00:00:00Z",
		"2023-01-01T00:00:00z", "2023-01-01 00:00:00Z", "2023-01-01T00:00:00.Z", "2023-01-01T00:00:00.0000000000Z",
		"2023-01-01T00:00:00+24:00", "2023-01-01T00:00:00+0100", "2023-1-01T00:00:00Z", "+023-01-01T00:00:00Z", "2023-01-01T5:04:05Z",
		"2023-01-01T00:00:00,5Z", "2023-01-01T00:00:00ZZ", "",
	} {
		seconds, nanos, ok := plainTimestamp([]byte(s))
		if !ok {
			continue
		}
		want, err := time.Parse(time.RFC3339Nano, s)
		require.NoError(t, err, s)
		require.Equal(t, want.Unix(), seconds, s)
		require.Equal(t, int32(want.Nanosecond()), nanos, s)
	}
	_, _, ok := plainTimestamp([]byte("2020-01-02T03:04:05.25+01:00"))
	require.True(t, ok, "the usual spellings must not go the long way")
}

func TestParseDuration(t *testing.T) {
	for _, test := range []struct {
		in      string
		seconds int64
		nanos   int32
		want    verdict
	}{
		{"1s", 1, 0, textGood},
		{"-1.5s", -1, -500_000_000, textGood},
		{"+.25s", 0, 250_000_000, textGood},
		{"1.s", 1, 0, textGood},
		{"0.000000001s", 0, 1, textGood},
		{"315576000000.999999999s", maxDurationSeconds, maxNanos, textGood},
		{"315576000001s", 0, 0, textRange},
		{"-99999999999999999999s", 0, 0, textRange},
		{"1.0000000000s", 0, 0, textBad},
		{"01s", 0, 0, textBad},
		{"1", 0, 0, textBad},
		{"s", 0, 0, textBad},
		{"-s", 0, 0, textBad},
		{"1h30m", 0, 0, textBad},
		{"1e3s", 0, 0, textBad},
		{" 1s", 0, 0, textBad},
		{"--1s", 0, 0, textBad},
	} {
		seconds, nanos, v := parseDuration([]byte(test.in))
		require.Equal(t, test.want, v, test.in)
		require.Equal(t, test.seconds, seconds, test.in)
		require.Equal(t, test.nanos, nanos, test.in)
	}
}

func TestAppendMask(t *testing.T) {
	for _, test := range []struct {
		in    string
		snake bool
		want  string
		v     verdict
	}{
		{"", false, "", textGood},
		{" \t", false, "", textGood},
		{"fooBar", false, "\x0a\x07foo_bar", textGood},
		{"a,b.cD", false, "\x0a\x01a\x0a\x05b.c_d", textGood},
		{"foo_bar", false, "", textBad},
		{"foo_bar", true, "\x0a\x07foo_bar", textGood},
		{"foo_bar,fooBar", true, "\x0a\x07foo_bar\x0a\x07foo_bar", textGood},
		{"fooBar.baz_qux", true, "", textBad},
		{"line_1", true, "\x0a\x06line_1", textGood},
		{"line_1", false, "", textBad},
		{"foo_Bar", true, "", textBad},
		{"foo__bar_", true, "\x0a\x09foo__bar_", textGood},
		{"a,", true, "", textBad},
		{",a", true, "", textBad},
		{"a..b", true, "", textBad},
		{"1a", true, "", textBad},
		{`"a"`, true, "", textBad},
		{"a b", true, "", textBad},
	} {
		got, v := appendMask(nil, []byte(test.in), test.snake)
		require.Equal(t, test.v, v, "%q", test.in)
		if v == textGood {
			require.Equal(t, test.want, string(got), "%q", test.in)
		}
	}
}
