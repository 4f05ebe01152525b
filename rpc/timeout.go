package rpc

import (
	"errors"
	"math"
	"strconv"
	"time"
)

var errTimeout = errors.New("want 1 to 8 digits and one of the units H M S m u n")

// ParseTimeout reads a grpc-timeout value (gRPC over HTTP/2, "Timeout"): one to
// eight digits and a unit. "0n" is an already passed deadline, not none. A
// value too large for a [time.Duration] is the largest one.
func ParseTimeout(s string) (time.Duration, error) {
	if len(s) < 2 || len(s) > 9 {
		return 0, errTimeout
	}
	var unit time.Duration
	switch s[len(s)-1] {
	case 'H':
		unit = time.Hour
	case 'M':
		unit = time.Minute
	case 'S':
		unit = time.Second
	case 'm':
		unit = time.Millisecond
	case 'u':
		unit = time.Microsecond
	case 'n':
		unit = time.Nanosecond
	default:
		return 0, errTimeout
	}
	var n int64
	for _, c := range []byte(s[:len(s)-1]) {
		if c < '0' || c > '9' {
			return 0, errTimeout
		}
		n = n*10 + int64(c-'0')
	}
	if n > math.MaxInt64/int64(unit) {
		return math.MaxInt64, nil
	}
	return time.Duration(n) * unit, nil
}

// AppendTimeout appends d as a grpc-timeout value, rounded up to the finest
// unit that fits in eight digits. A negative d is "0n".
func AppendTimeout(dst []byte, d time.Duration) []byte {
	const limit = 100_000_000
	if d < 0 {
		d = 0
	}
	for _, u := range [...]struct {
		unit time.Duration
		mark byte
	}{{time.Nanosecond, 'n'}, {time.Microsecond, 'u'}, {time.Millisecond, 'm'}, {time.Second, 'S'}, {time.Minute, 'M'}} {
		if n := divideUp(d, u.unit); n < limit {
			return append(strconv.AppendInt(dst, n, 10), u.mark)
		}
	}
	return append(strconv.AppendInt(dst, divideUp(d, time.Hour), 10), 'H')
}

// divideUp does not overflow: adding the unit first would, for long durations.
func divideUp(d, unit time.Duration) int64 {
	n := int64(d / unit)
	if d%unit > 0 {
		n++
	}
	return n
}
