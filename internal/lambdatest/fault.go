package lambdatest

import (
	"context"
	"net"
	"net/http"
	"sync"
	"time"
)

// Fault is what shall go wrong with one call or several. Those of STS have
// [Service.FailSTS].
type Fault struct {
	// Function is the name of whose calls; any if empty.
	Function string
	// Times is with how many calls; zero means one.
	Times int

	// Delay and Until hold the call up before the function sees it: for a time,
	// and until the channel is closed.
	Delay time.Duration
	Until <-chan struct{}

	// Status, Type and Message are an error that is answered instead of calling,
	// if Status is not zero; RetryAfter, in seconds, goes with it.
	Status        int
	Type, Message string
	RetryAfter    int

	// Reset ends the connection, by a TCP reset: instead of an answer, or after
	// ResetAfter chunks of a stream.
	Reset      bool
	ResetAfter int
}

// Throttled is a fault that the service answers with when it has too many calls.
func Throttled(retryAfter int) Fault {
	return Fault{Status: http.StatusTooManyRequests, Type: typeTooMany, Message: "Rate Exceeded.", RetryAfter: retryAfter}
}

// Broken is a fault that is the service's own.
func Broken() Fault {
	return Fault{Status: http.StatusInternalServerError, Type: typeService, Message: "Service encountered an error."}
}

// Inject makes the next calls go wrong, in the order given.
func (s *Service) Inject(list ...Fault) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	for _, f := range list {
		f.Times = max(1, f.Times)
		s.faults.list = append(s.faults.list, f)
	}
}

// Forgive takes back what was injected and has not happened, and says with how many
// calls that is.
func (s *Service) Forgive() (left int) {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	for _, f := range s.faults.list {
		left += f.Times
	}
	s.faults.list = nil
	return left
}

type faults struct {
	mu   sync.Mutex
	list []Fault
}

// next takes the fault of a call; the zero value is none.
func (f *faults) next(function string) Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.list {
		if fault := f.list[i]; fault.Function == "" || fault.Function == function {
			if f.list[i].Times--; f.list[i].Times == 0 {
				f.list = append(f.list[:i:i], f.list[i+1:]...)
			}
			return fault
		}
	}
	return Fault{}
}

// hold waits as the fault says, at most until the request or the service ends.
func (s *Service) hold(ctx context.Context, f Fault) {
	if f.Delay > 0 {
		timer := time.NewTimer(f.Delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		case <-s.ctx.Done():
		}
	}
	if f.Until != nil {
		select {
		case <-f.Until:
		case <-ctx.Done():
		case <-s.ctx.Done():
		}
	}
}

func (f Fault) error() *apiError {
	if f.Status == 0 {
		return nil
	}
	return &apiError{status: f.Status, kind: f.Type, message: f.Message, retryAfter: f.RetryAfter}
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, c)
}

// reset ends the connection of a request at once. Nothing may be written after.
func reset(r *http.Request) {
	if c, ok := r.Context().Value(connKey{}).(*net.TCPConn); ok {
		_ = c.SetLinger(0) // it only makes the end less rude
		_ = c.Close()
	}
}
