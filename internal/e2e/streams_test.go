package e2e

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// openStream sends a request on a connection of its own and returns when the head
// of the answer is there.
func openStream(t testing.TB, p *process, path, accept string) (net.Conn, *http.Response) {
	t.Helper()
	conn, err := net.Dial("tcp", p.gateway)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(5*patience)))
	_, err = fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n\r\n", path, accept)
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReaderSize(conn, 16), nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	return conn, res
}

// manyStreams is less than the 1,000 of make soak: filling the sockets of so many,
// some MiB each, takes a minute or more of two cores. Smaller buffers for the
// clients' sockets make that no shorter, and shares unequal: TCP is slow to say that
// a window smaller than a segment of the loopback is open again. File descriptors
// are no reason: Go raises its soft limit to the hard one.
var manyStreams = flag.Int("e2e.streams", 100, "streams at once in TestManyStreams")

// TestManyStreams runs many streams at once, nine of ten of which nobody reads:
// the others get their shares, and the memory is that of so many streams, whatever
// went through them. All of them share one connection to the upstream.
func TestManyStreams(t *testing.T) {
	// What one reads at least has to be more than the sockets hold, some 4 MiB,
	// which a reader gets without anybody's help.
	streams, each := *manyStreams, int64(24<<20)
	s := startService(t)
	p := startGateway(t, s)
	before := p.residentKiB(t)

	var bodies []io.Reader
	for n := range streams {
		_, res := openStream(t, p, "/v1/flood/1000000", streamForms[n%len(streamForms)].accept)
		if n%10 == 0 { // nobody reads the others
			bodies = append(bodies, res.Body)
		}
	}
	// All read as fast as they can until they have so much on average.
	total, limit := new(atomic.Int64), each*int64(len(bodies))
	got := make([]int64, len(bodies))
	errs := make([]error, len(bodies))
	var readers sync.WaitGroup
	for i, body := range bodies {
		readers.Go(func() {
			buf := make([]byte, 16<<10)
			for total.Load() < limit {
				n, err := body.Read(buf)
				got[i] += int64(n)
				total.Add(int64(n))
				if err != nil {
					errs[i] = err
					return
				}
			}
		})
	}
	readers.Wait()
	grown := p.residentKiB(t) - before
	for _, err := range errs {
		require.NoError(t, err)
	}
	mean := limit / int64(len(got))
	t.Logf("%d streams: KiB read by each: mean %d, least %d, most %d; resident: %d KiB more, %d a stream",
		streams, mean>>10, slices.Min(got)>>10, slices.Max(got)>>10, grown, grown/streams)
	require.GreaterOrEqual(t, slices.Min(got), mean/4, "a stream starves")
	require.LessOrEqual(t, slices.Max(got), mean*4, "a stream takes too much")
	if !raceDetector {
		require.Less(t, grown, streams*320, "KiB")
	}
}

// TestSlowReaderStopsUpstream: a client that reads nothing lets the upstream send
// no more than what windows and sockets hold, in every form.
func TestSlowReaderStopsUpstream(t *testing.T) {
	for _, form := range streamForms {
		t.Run(form.name, func(t *testing.T) {
			s := startService(t)
			p := startGateway(t, s)
			conn, _ := openStream(t, p, "/v1/flood/1000000", form.accept)
			stalled := s.sent.stalls(t)
			require.Less(t, stalled, int64(16<<20), "bytes on the way to a client that does not read")
			// It was held back, not given up: reading goes on where it was.
			_, err := io.CopyN(io.Discard, conn, 2*stalled)
			require.NoError(t, err)
			require.Greater(t, s.sent.Load(), stalled)
			// And it is given up with the client.
			require.NoError(t, conn.Close())
			select {
			case <-s.left:
			case <-time.After(patience):
				t.Fatal("the upstream was not told that the client had left")
			}
		})
	}
}

// counter counts the bytes that a service has sent.
type counter struct{ atomic.Int64 }

// stalls waits until the counter stands still, and returns it.
func (c *counter) stalls(t testing.TB) int64 {
	t.Helper()
	before := int64(-1)
	require.Eventually(t, func() bool {
		now := c.Load()
		stands := now == before && now > 0
		before = now
		return stands
	}, patience, 300*time.Millisecond)
	return before
}

// TestUpstreamKilledForms kills the upstream in the middle of a stream: each form
// says in its own way that this is not the end.
func TestUpstreamKilledForms(t *testing.T) {
	for _, tt := range []struct {
		accept, begun, rest string
		cut                 bool
	}{
		{accept: "application/json", begun: `["1","2"`, cut: true},
		{accept: "application/x-ndjson", begun: "\"1\"\n\"2\"\n", rest: `{"error":{"code":14,`},
		{accept: "text/event-stream", begun: "data: \"1\"\n\ndata: \"2\"\n\n", rest: `event: error` + "\ndata: " + `{"error":{"code":14,`},
	} {
		t.Run(tt.accept, func(t *testing.T) {
			s := startService(t)
			p := startGateway(t, s)
			for range 2 {
				s.proceed <- struct{}{}
			}
			_, res := openStream(t, p, "/v1/count/3", tt.accept)
			begun := make([]byte, len(tt.begun))
			_, err := io.ReadFull(res.Body, begun)
			require.NoError(t, err, "%q", begun)
			require.Equal(t, tt.begun, string(begun))
			s.server.Stop()
			rest, err := io.ReadAll(res.Body)
			if tt.cut {
				require.ErrorIs(t, err, io.ErrUnexpectedEOF)
				require.Empty(t, rest)
				return
			}
			require.NoError(t, err)
			require.True(t, bytes.HasPrefix(rest, []byte(tt.rest)), "%q", rest)
			require.Contains(t, string(rest), "UPSTREAM_UNREACHABLE")
		})
	}
}
