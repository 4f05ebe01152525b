package proxy_test

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// counted is a body that counts what was read of it.
type counted struct {
	io.Reader
	n *atomic.Int64
}

func (c counted) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// TestLargeBodies passes 100 MB both ways at once, and asks for no more memory on the way
// than a small part of that, all buffers of client and upstream included.
func TestLargeBodies(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates, too")
	}
	const size = 100 << 20
	pairs(t, func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain) {
		up := backend(t, func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			_, _ = io.Copy(w, r.Body)
		})
		for _, known := range []bool{true, false} {
			s := serve(t, to(up))
			r := request(t, "POST", "http://"+s.address+"/", io.LimitReader(zeros{}, size))
			if known {
				r.ContentLength = size
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			res, err := client(t, version).Do(r)
			require.NoError(t, err)
			n, err := io.Copy(io.Discard, res.Body)
			require.NoError(t, err)
			require.EqualValues(t, size, n)
			runtime.ReadMemStats(&after)
			x := s.last(t)
			require.EqualValues(t, size, x.RequestBytes)
			asked := after.TotalAlloc - before.TotalAlloc
			require.Less(t, asked, uint64(size/4), "bytes that memory was asked for")
			t.Logf("known length %v: %d KiB", known, asked>>10)
		}
	})
}

// TestStalledUpstream has an upstream that takes nothing stop the client.
func TestStalledUpstream(t *testing.T) {
	pairs(t, func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain) {
		arrived, goOn := make(chan struct{}, 1), make(chan struct{})
		up := backend(t, func(w http.ResponseWriter, r *http.Request) {
			arrived <- struct{}{}
			<-goOn
			n, _ := io.Copy(io.Discard, r.Body)
			_, _ = fmt.Fprint(w, n)
		})
		s := serve(t, to(up))
		var sent atomic.Int64
		const size = 64 << 20
		answered := make(chan string, 1)
		go func() {
			res, err := client(t, version).Do(request(t, "POST", "http://"+s.address+"/", counted{io.LimitReader(zeros{}, size), &sent}))
			if err != nil {
				answered <- err.Error()
				return
			}
			text, _ := io.ReadAll(res.Body)
			_ = res.Body.Close()
			answered <- string(text)
		}()
		<-arrived
		// It stands still when it has not moved for a while.
		for last := int64(-1); last != sent.Load(); <-time.After(100 * time.Millisecond) {
			last = sent.Load()
		}
		require.Less(t, sent.Load(), int64(size/2), "what the kernel and the windows hold")
		close(goOn)
		require.Equal(t, fmt.Sprint(size), <-answered)
	})
}
