package transcoder

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// Deadline is when the call must have ended, counted from now: the smallest of
// what the client asked for (grpc-timeout, or the header that s names, in seconds:
// 0.5) and of s for unary or streaming calls. Zero is none. A malformed timeout is an
// error, never "no deadline".
func Deadline(r *http.Request, s *Settings, unary bool, now time.Time) (time.Time, *rpc.Error) {
	limit, limited := s.StreamTimeout, s.StreamTimeout > 0
	if unary {
		limit, limited = s.UnaryTimeout, s.UnaryTimeout > 0
	}
	shrink := func(d time.Duration) {
		if !limited || d < limit {
			limit, limited = d, true
		}
	}
	if v, ok := r.Header["Grpc-Timeout"]; ok {
		d, err := rpc.ParseTimeout(v[0])
		if err != nil || len(v) > 1 {
			return time.Time{}, rpc.Errorf(rpc.InvalidRequest, "header \"grpc-timeout\": want one value of 1 to 8 digits and one of the units H M S m u n")
		}
		shrink(d)
	}
	if v, ok := r.Header[s.TimeoutHeader]; ok {
		d, ok := parseSeconds(v[0])
		if !ok || len(v) > 1 {
			return time.Time{}, rpc.Errorf(rpc.InvalidRequest, "header %q: want one number of seconds, like 0.5", strings.ToLower(s.TimeoutHeader))
		}
		shrink(d)
	}
	if !limited {
		return time.Time{}, nil
	}
	return now.Add(limit), nil
}

// ExplainDeadline says for people how long a call may take at most, and what says
// so; zero is no bound. It is for a request that [Deadline] has taken.
func ExplainDeadline(r *http.Request, s *Settings, unary bool) (limit time.Duration, from string) {
	const never = 1 << 62
	now := time.Unix(0, 0)
	limit = never
	for _, bound := range []struct {
		from    string
		headers []string
	}{{"the route", nil}, {"grpc-timeout", []string{"Grpc-Timeout"}}, {strings.ToLower(s.TimeoutHeader), []string{s.TimeoutHeader}}} {
		only := &http.Request{Header: http.Header{}}
		for _, name := range bound.headers {
			if v, ok := r.Header[name]; ok {
				only.Header[name] = v
			}
		}
		until, err := Deadline(only, s, unary, now)
		if err != nil || until.IsZero() {
			continue
		}
		if d := until.Sub(now); d < limit {
			limit, from = d, bound.from
		}
	}
	if from == "" {
		return 0, ""
	}
	return limit, from
}

// parseSeconds reads digits with at most one decimal point; no sign, exponent
// or name of a number.
func parseSeconds(s string) (time.Duration, bool) {
	const longest = 20
	if s == "" || len(s) > longest {
		return 0, false
	}
	for i := range len(s) {
		if (s[i] < '0' || s[i] > '9') && s[i] != '.' {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, false
	}
	// More than a hundred years is as good as that, and does not overflow.
	const most = 100 * 365 * 24 * 3600
	return time.Duration(min(f, most) * float64(time.Second)), true
}
