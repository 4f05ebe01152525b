package lambdatest_test

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// gate holds functions up until the test lets them pass.
type gate struct {
	*httptest.Server
	waiting chan chan struct{}

	mu   sync.Mutex
	held []chan struct{}
	done int
}

func newGate(t *testing.T) *gate {
	g := &gate{waiting: make(chan chan struct{}, 100)}
	g.Server = httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		pass := make(chan struct{})
		g.waiting <- pass
		select {
		case <-pass:
			g.mu.Lock()
			g.done++
			g.mu.Unlock()
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(g.Close)
	return g
}

// arrived waits for n functions in front of the gate.
func (g *gate) arrived(t *testing.T, n int) {
	t.Helper()
	for range n {
		select {
		case pass := <-g.waiting:
			g.held = append(g.held, pass)
		case <-time.After(time.Minute):
			require.FailNow(t, "no function came to the gate")
		}
	}
}

// passOne lets one function pass, the next that comes if there is none.
func (g *gate) passOne(t *testing.T) {
	t.Helper()
	if len(g.held) == 0 {
		g.arrived(t, 1)
	}
	close(g.held[0])
	g.held = g.held[1:]
}

func (g *gate) passed() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.done
}
