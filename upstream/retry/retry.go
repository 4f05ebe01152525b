// Package retry sends a request, or a call, again that an upstream could not
// answer. A [Policy] is that of one route; it stands around what the route sends
// to: [Policy.HTTP] around upstreams of the HTTP plane, [Policy.RPC] around those
// that take calls.
//
// # What is sent again
//
// A failure must be one that [Config.On] names, and the request safe to repeat:
//
//   - the method is GET, HEAD, OPTIONS, TRACE, PUT or DELETE;
//   - or the gRPC method's descriptor says NO_SIDE_EFFECTS or IDEMPOTENT;
//   - or it certainly was not sent. A POST is tried again if nobody listens, or if
//     the service refused it unseen (REFUSED_STREAM, GOAWAY), and not if the
//     connection was lost.
//
// What the gateway itself held back because of a limit ([rpc.UpstreamOverloaded]) is
// never tried again: it was refused to take load away. Neither is a call of a method
// with a stream of requests, nor anything that the client has given up.
//
// A body is kept while it is sent, up to [Config.RequestBytes]. A request of which
// more than that has been read is not sent again; one that failed in the middle of
// its body is: with what was kept, and then the rest as it comes.
//
// # When it ends
//
// The first answer that is none of the failures is the client's, and so is the last
// failure as it came: after so many attempts, if the budget is used up, if what has
// to be waited for ends after the deadline, or if the upstream asks for a wait of
// more than a minute, or for no more attempts. No answer is taken back that has
// begun: of a server stream that is its head.
//
// # Waiting
//
// The wait before the second attempt is [Config.Backoff]; it doubles up to
// [Config.MaxBackoff], and half of it is left to chance. It is longer if the answer
// says so: Retry-After in seconds or as a date, for calls google.rpc.RetryInfo among
// the status details or the trailer grpc-retry-pushback-ms.
//
// # Budget
//
// Retries are bounded by a part of the requests of the last ten seconds: see
// [Config.BudgetPercent]. An upstream that is down gets so many requests more, and
// no multiple of them.
//
// The package is complete. It does not hedge: there is one attempt at a time.
package retry

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"google.golang.org/grpc/codes"
)

// Config is what a policy is made of, with all defaults in their places; see
// [Defaults].
type Config struct {
	// On are the failures: connect_failure, reset, timeout, gateway_error, 5xx, a
	// status from 400 to 599, or the name of a gRPC status in capitals.
	On []string
	// Attempts is how often a request is sent in all.
	Attempts int
	// PerTryTimeout bounds an attempt up to the head of its answer, that of a unary
	// call up to its end. Zero is no bound.
	PerTryTimeout time.Duration
	// Backoff is the wait before the second attempt, MaxBackoff before any.
	Backoff, MaxBackoff time.Duration
	// BudgetPercent is how many retries there may be for a hundred requests of the
	// last ten seconds. There may be three in that time in any case.
	BudgetPercent int
	// RequestBytes is how much of a body, or of a request message, is kept.
	RequestBytes int
}

// Defaults is what applies if a route does not say otherwise. A MaxBackoff that is
// not given is ten times the Backoff.
func Defaults() Config {
	return Config{
		On:            []string{"connect_failure", "reset", "timeout", "503", "UNAVAILABLE"},
		Attempts:      3,
		Backoff:       25 * time.Millisecond,
		MaxBackoff:    250 * time.Millisecond,
		BudgetPercent: 20,
		RequestBytes:  64 << 10,
	}
}

// Policy is how the requests of one route are tried again. It is safe for any
// goroutine, and all that it stands around share its budget. A nil Policy tries nothing
// again.
type Policy struct {
	cfg    Config
	on     conditions
	budget budget
}

// New makes a policy. It panics if cfg.On has what it does not know: configuration
// is checked before.
func New(cfg Config) *Policy {
	p := &Policy{cfg: cfg}
	for _, text := range cfg.On {
		if !p.on.add(text) {
			panic(fmt.Sprintf("retry: no failure is called %q", text))
		}
	}
	p.budget.percent = uint64(max(cfg.BudgetPercent, 0))
	p.budget.start = time.Now()
	return p
}

// does reports whether the policy makes any difference.
func (p *Policy) does() bool { return p != nil && (p.cfg.Attempts > 1 || p.cfg.PerTryTimeout > 0) }

// conditions is the set of failures that are tried again.
type conditions struct {
	connect, reset, timeout bool
	// statuses are those from firstStatus on.
	statuses [200]bool
	codes    [codes.Unauthenticated + 1]bool
}

const firstStatus = 400

func (c *conditions) add(text string) bool {
	switch text {
	case "connect_failure":
		c.connect = true
	case "reset":
		c.reset = true
	case "timeout":
		c.timeout = true
	case "gateway_error":
		for _, status := range []int{502, 503, 504} {
			c.statuses[status-firstStatus] = true
		}
	case "5xx":
		for i := 500; i < 600; i++ {
			c.statuses[i-firstStatus] = true
		}
	default:
		if i := slices.Index(codeNames[:], text); i > 0 {
			c.codes[i] = true
			return true
		}
		status, err := strconv.Atoi(text)
		if err != nil || status < firstStatus || status-firstStatus >= len(c.statuses) {
			return false
		}
		c.statuses[status-firstStatus] = true
	}
	return true
}

func (c *conditions) status(status int) bool {
	i := status - firstStatus
	return i >= 0 && i < len(c.statuses) && c.statuses[i]
}

func (c *conditions) code(code codes.Code) bool {
	return int(code) < len(c.codes) && c.codes[code]
}

// codeNames are the names of the gRPC statuses, by number.
var codeNames = [codes.Unauthenticated + 1]string{
	"OK", "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
	"PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
	"INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
}
