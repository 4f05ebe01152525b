package retry_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/retry"
)

// careless is an upstream that does by chance what transports may do: it reads a
// part of the body or all of it, answers or fails before it has, and goes on reading
// after that on another goroutine.
type careless struct {
	t    testing.TB
	rand *rand.Rand
	want []byte
	// left are the goroutines that still read.
	left sync.WaitGroup
	// sent is how often the request was sent, unsafe how often when an attempt
	// before may have been worked on.
	sent, unsafe int
	worked       bool
	whole        bool
}

func (*careless) Close() error            { return nil }
func (*careless) Origin() upstream.Origin { return upstream.Origin{} }

func (c *careless) Send(r *http.Request, _ *upstream.Tried) (*http.Response, error) {
	c.sent++
	if c.worked {
		c.unsafe++
	}
	// Of each attempt every byte is the one of the request, and once.
	read, p := 0, make([]byte, 1+c.rand.IntN(700))
	some := func(most int) error {
		for read < most {
			n, err := r.Body.Read(p)
			if !bytes.Equal(p[:n], c.want[read:read+n]) {
				c.t.Errorf("at %d: what is sent is not what was asked for", read)
			}
			read += n
			if err != nil {
				return err
			}
		}
		return nil
	}
	if c.rand.IntN(3) == 0 {
		err := some(len(c.want) + 1)
		c.whole = read == len(c.want)
		if !errors.Is(err, io.EOF) || !c.whole {
			c.t.Errorf("of %d bytes %d were read: %v", len(c.want), read, err)
		}
		_ = r.Body.Close()
		return answer(200), nil
	}
	_ = some(c.rand.IntN(len(c.want) + 2))
	if c.rand.IntN(2) == 0 {
		_ = r.Body.Close()
	} else {
		most := c.rand.IntN(len(c.want) + 2)
		c.left.Go(func() {
			runtime.Gosched()
			_ = some(most)
			_ = r.Body.Close()
		})
	}
	switch c.rand.IntN(4) {
	case 0:
		return nil, &upstream.Error{Reason: rpc.UpstreamUnreachable, NotSent: true, Err: io.ErrClosedPipe}
	case 1:
		c.worked = true
		return nil, &upstream.Error{Reason: rpc.UpstreamUnreachable, Err: io.EOF}
	}
	c.worked = true
	return answer(503), nil
}

// TestCarelessUpstream: however an upstream fails, a request is not sent too often,
// one that is not safe never twice, and its body always whole and once; which is
// closed at the end, once.
func TestCarelessUpstream(t *testing.T) {
	cfg := quick()
	cfg.RequestBytes, cfg.Attempts, cfg.BudgetPercent = 2000, 4, 100
	for _, bound := range []bool{false, true} {
		if bound {
			cfg.PerTryTimeout = 1 << 40
		}
		p := retry.New(cfg)
		again, closed := 0, new(atomic.Int64)
		const rounds = 3000
		for seed := range uint64(rounds) {
			chance := rand.New(rand.NewPCG(seed, 6))
			want := []byte(strings.Repeat("what is asked for ", 200))[:chance.IntN(3000)]
			body, client := io.Pipe()
			go func() {
				for rest := want; len(rest) > 0; {
					n := min(len(rest), 1+int(seed)%911)
					if _, err := client.Write(rest[:n]); err != nil {
						return
					}
					rest = rest[n:]
				}
				_ = client.Close()
			}()
			method := "PUT"
			if seed%2 == 0 {
				method = "POST"
			}
			r := request(t, method, closing{body, closed})
			up := &careless{t: t, rand: chance, want: want}
			res, err := p.HTTP(up).Send(r, nil)
			if err == nil {
				require.NoError(t, res.Body.Close())
				require.Equal(t, res.StatusCode == 200, up.whole)
			}
			// The client leaves, and what still reads for it ends.
			_ = body.Close()
			up.left.Wait()
			require.LessOrEqual(t, up.sent, 4)
			if method == "POST" {
				require.Zero(t, up.unsafe, "seed %d", seed)
			}
			again += up.sent - 1
		}
		require.Greater(t, again, rounds/10, "the test must try something again")
		require.Eventually(t, func() bool { return closed.Load() == rounds }, 10*waitTick, waitTick/100)
	}
}

const waitTick = 1 << 30 // about a second

// closing counts how often it is closed.
type closing struct {
	*io.PipeReader
	closed *atomic.Int64
}

func (c closing) Close() error {
	c.closed.Add(1)
	return c.PipeReader.Close()
}

// TestCarelessCalls is the same for calls: and the client is told one whole answer,
// of one attempt, and its end once.
func TestCarelessCalls(t *testing.T) {
	cfg := quick()
	cfg.Attempts, cfg.BudgetPercent = 4, 100
	p := retry.New(cfg)
	again := 0
	for seed := range uint64(5000) {
		chance := rand.New(rand.NewPCG(seed, 7))
		method := []*rpc.Method{get, post, list}[seed%3]
		worked, unsafe, refused := false, 0, 0
		up := &fake{answer: func(n int, _ *rpc.Call, sink rpc.Sink) {
			if worked {
				unsafe++
			}
			name := string(rune('a' + n))
			if chance.IntN(3) == 0 {
				sink.Head(rpc.Header{{Name: "attempt", Value: name}})
			}
			for range chance.IntN(3) * chance.IntN(2) {
				if sink.Message(buffer(name)) != nil {
					refused++
				}
			}
			st := rpc.Status{}
			switch chance.IntN(4) {
			case 0:
				st = unavailable
				worked = true
			case 1:
				st = rpc.Status{Code: codes.Unavailable, Reason: rpc.UpstreamUnreachable, NotSent: true}
			case 2:
				st = rpc.Status{Code: codes.NotFound}
				worked = true
			}
			sink.End(st, rpc.Header{{Name: "attempt", Value: name}})
		}}
		got := do(t, p.RPC(up, method), method)
		last := got.trailer.Get("attempt")
		require.LessOrEqual(t, len(up.requests), 4)
		require.Equal(t, string(rune('a'+len(up.requests))), last, "the last attempt is the client's")
		for i, event := range got.events {
			switch {
			case i == len(got.events)-1:
				require.Equal(t, "end", event)
			case event == "head":
				require.Zero(t, i)
				require.Equal(t, last, got.head.Get("attempt"))
			default:
				require.Equal(t, "message "+last, event)
			}
		}
		for _, request := range up.requests {
			require.Equal(t, "hello", request)
		}
		if method == post {
			require.Zero(t, unsafe)
		}
		require.Zero(t, refused)
		again += len(up.requests) - 1
	}
	require.Greater(t, again, 500, "the test must try something again")
}
