package retry_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/retry"
)

// scripted answers as it is told, and notes when it was asked.
type scripted struct {
	answer func(n int, r *http.Request) (*http.Response, error)
	asked  []time.Time
}

func (s *scripted) Close() error            { return nil }
func (s *scripted) Origin() upstream.Origin { return upstream.Origin{} }
func (s *scripted) Send(r *http.Request, _ *upstream.Tried) (*http.Response, error) {
	s.asked = append(s.asked, time.Now())
	return s.answer(len(s.asked), r)
}

// waits are the times between the attempts.
func (s *scripted) waits() []time.Duration {
	var waits []time.Duration
	for i := 1; i < len(s.asked); i++ {
		waits = append(waits, s.asked[i].Sub(s.asked[i-1]))
	}
	return waits
}

func answer(status int, pairs ...string) *http.Response {
	res := &http.Response{StatusCode: status, Header: http.Header{}, Body: http.NoBody}
	for i := 0; i < len(pairs); i += 2 {
		res.Header.Set(pairs[i], pairs[i+1])
	}
	return res
}

func always(res *http.Response) *scripted {
	return &scripted{answer: func(int, *http.Request) (*http.Response, error) { return res, nil }}
}

// TestBackoff: each wait is between half of a doubling time and all of it, and they
// are not all alike.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := retry.Defaults()
		cfg.Attempts, cfg.BudgetPercent = 6, 100
		cfg.Backoff, cfg.MaxBackoff = 100*time.Millisecond, 500*time.Millisecond
		different := map[time.Duration]bool{}
		for range 20 {
			up := always(answer(503))
			p := retry.New(cfg)
			spend(p, 10)
			_, err := p.HTTP(up).Send(request(t, "GET", nil), nil)
			require.NoError(t, err)
			waits := up.waits()
			require.Len(t, waits, 5)
			for i, most := range []time.Duration{cfg.Backoff, 2 * cfg.Backoff, 4 * cfg.Backoff, cfg.MaxBackoff, cfg.MaxBackoff} {
				require.GreaterOrEqual(t, waits[i], most/2, "%d", i)
				require.LessOrEqual(t, waits[i], most, "%d", i)
			}
			different[waits[4]] = true
		}
		require.Greater(t, len(different), 10)
	})
}

// spend sends requests that are answered well, for the budget.
func spend(p *retry.Policy, n int) {
	up := p.HTTP(always(answer(200)))
	r, _ := http.NewRequest("GET", "/", nil)
	for range n {
		_, _ = up.Send(r, nil)
	}
}

// TestRetryAfter: an upstream that asks for time gets it, if there is any.
func TestRetryAfter(t *testing.T) {
	seconds := func(text string) func() string { return func() string { return text } }
	date := func(in time.Duration) func() string {
		return func() string { return time.Now().Add(in).UTC().Format(http.TimeFormat) }
	}
	const backoff = time.Second
	for _, test := range []struct {
		name     string
		header   func() string
		deadline time.Duration
		want     time.Duration // -1 for none
	}{
		{name: "seconds", header: seconds("7"), deadline: 10 * time.Second, want: 7 * time.Second},
		{name: "seconds without a deadline", header: seconds("60"), want: time.Minute},
		{name: "date", header: date(7 * time.Second), deadline: 10 * time.Second, want: 7 * time.Second},
		{name: "after the deadline", header: seconds("11"), deadline: 10 * time.Second, want: -1},
		{name: "date after the deadline", header: date(11 * time.Second), deadline: 10 * time.Second, want: -1},
		{name: "too long", header: seconds("61"), want: -1},
		{name: "too long a date", header: date(2 * time.Minute), want: -1},
		{name: "more than fits", header: seconds("99999999999999999999999"), want: -1},
		{name: "at once is after the back-off", header: seconds("0"), want: backoff},
		{name: "past", header: date(-time.Hour), want: backoff},
		{name: "nonsense", header: seconds("soon"), want: backoff},
		{name: "back-off after the deadline", header: seconds("0"), deadline: backoff / 2, want: -1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cfg := retry.Defaults()
				cfg.Attempts, cfg.Backoff, cfg.MaxBackoff = 2, backoff, backoff
				r := request(t, "GET", nil)
				if test.deadline > 0 {
					ctx, cancel := context.WithTimeout(r.Context(), test.deadline)
					defer cancel()
					r = r.WithContext(ctx)
				}
				first := answer(503, "Retry-After", test.header())
				up := always(first)
				start := time.Now()
				res, err := retry.New(cfg).HTTP(up).Send(r, nil)
				require.NoError(t, err)
				require.Same(t, first, res)
				switch waits := up.waits(); test.want {
				case -1:
					require.Empty(t, waits)
					require.Zero(t, time.Since(start), "the client has it at once")
				case backoff:
					require.Len(t, waits, 1)
					require.LessOrEqual(t, waits[0], backoff)
					require.GreaterOrEqual(t, waits[0], backoff/2)
				default:
					require.Equal(t, []time.Duration{test.want}, waits)
				}
			})
		})
	}
}

// TestBudget: an upstream that is down gets three attempts more in ten seconds, or a
// fifth of the requests.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.Attempts = 2
		p := retry.New(cfg)
		sent := func(requests int) int {
			up := always(answer(503))
			for range requests {
				_, err := p.HTTP(up).Send(request(t, "GET", nil), nil)
				require.NoError(t, err)
			}
			return len(up.asked) - requests
		}
		require.Equal(t, 1, sent(1))
		require.Equal(t, 1, sent(1))
		require.Equal(t, 1, sent(1))
		require.Zero(t, sent(12), "three of fifteen are all that there are")
		require.Equal(t, 17, sent(85), "a fifth of a hundred, with what there was before")
		require.Zero(t, sent(1))
		time.Sleep(5 * time.Second)
		require.Equal(t, 20, sent(100), "a fifth of what came since")
		time.Sleep(5 * time.Second)
		require.Zero(t, sent(1), "the second half of the window is still there")
		time.Sleep(4 * time.Second)
		require.Zero(t, sent(1), "and so it is in its tenth second")
		time.Sleep(time.Second)
		require.Equal(t, 3, sent(10))
		time.Sleep(time.Hour)
		require.Equal(t, 3, sent(10))
	})
}

// TestBudgetIsOfTheRoute: requests and calls share one, and requests that cannot be
// tried again count as well.
func TestBudgetIsOfTheRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := quick()
		cfg.Attempts, cfg.BudgetPercent = 10, 50
		p := retry.New(cfg)
		for range 17 {
			_, err := p.HTTP(always(answer(503))).Send(request(t, "POST", nil), nil)
			require.NoError(t, err)
		}
		up := &fake{answer: func(_ int, _ *rpc.Call, sink rpc.Sink) { sink.End(unavailable, nil) }}
		do(t, p.RPC(up, get), get)
		require.Len(t, up.requests, 10)
		web := always(answer(503))
		_, err := p.HTTP(web).Send(request(t, "GET", nil), nil)
		require.NoError(t, err)
		require.Len(t, web.asked, 1, "half of nineteen are spent")
	})
}

// TestErrors: which errors of an upstream are tried again.
func TestErrors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, test := range []struct {
			name string
			on   []string
			err  error
			// get and post are how often each is sent.
			get, post int
		}{
			{name: "not sent", err: &upstream.Error{Reason: rpc.UpstreamUnreachable, NotSent: true}, get: 2, post: 2},
			{name: "lost", err: &upstream.Error{Reason: rpc.UpstreamUnreachable}, get: 2, post: 1},
			{name: "lost, and only connections count", on: []string{"connect_failure"}, err: &upstream.Error{Reason: rpc.UpstreamUnreachable}, get: 1, post: 1},
			{name: "not sent, and only resets count", on: []string{"reset"}, err: &upstream.Error{Reason: rpc.UpstreamUnreachable, NotSent: true}, get: 1, post: 1},
			{name: "not sent is a 503 for the client", on: []string{"503"}, err: &upstream.Error{Reason: rpc.UpstreamUnreachable, NotSent: true}, get: 2, post: 2},
			{name: "held back by a limit", on: []string{"connect_failure", "5xx"}, err: &upstream.Error{Reason: rpc.UpstreamOverloaded, NotSent: true, RetryAfter: time.Second}, get: 1, post: 1},
			{name: "late", err: &upstream.Error{Reason: rpc.DeadlineExceeded}, get: 2, post: 1},
			{name: "late before it was sent", err: &upstream.Error{Reason: rpc.DeadlineExceeded, NotSent: true}, get: 2, post: 2},
			{name: "broken", err: &upstream.Error{Reason: rpc.UpstreamProtocol}, get: 1, post: 1},
			{name: "broken is a 502 for the client", on: []string{"gateway_error"}, err: &upstream.Error{Reason: rpc.UpstreamProtocol}, get: 2, post: 1},
			{name: "given up", on: []string{"499"}, err: &upstream.Error{Reason: rpc.ClientClosed, NotSent: true}, get: 1, post: 1},
			{name: "waits for too long", err: &upstream.Error{Reason: rpc.UpstreamUnreachable, NotSent: true, RetryAfter: time.Hour}, get: 1, post: 1},
			{name: "of another kind", err: errors.New("what?"), get: 1, post: 1},
		} {
			for method, want := range map[string]int{"GET": test.get, "POST": test.post} {
				cfg := quick()
				cfg.Attempts = 2
				if test.on != nil {
					cfg.On = test.on
				}
				up := &scripted{answer: func(int, *http.Request) (*http.Response, error) { return nil, test.err }}
				_, err := retry.New(cfg).HTTP(up).Send(request(t, method, nil), nil)
				require.ErrorIs(t, err, test.err)
				require.Len(t, up.asked, want, "%s: %s", test.name, method)
			}
		}
	})
}

func TestNewPanics(t *testing.T) {
	for _, text := range []string{"OK", "399", "600", "unavailable", "", "5XX"} {
		require.PanicsWithValue(t, `retry: no failure is called "`+text+`"`, func() { retry.New(retry.Config{On: []string{text}}) })
	}
}
