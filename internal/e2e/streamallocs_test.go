package e2e

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// streamForms are the ways in which an answer with many messages travels.
var streamForms = []struct{ name, accept string }{
	{"array", "application/json"},
	{"NDJSON", "application/x-ndjson"},
	{"SSE", "text/event-stream"},
}

// floodReader reads whole streams of small messages on one connection.
type floodReader struct {
	conn net.Conn
	in   *bufio.Reader
	body bytes.Buffer
}

// openFlood runs the gateway in this process in front of a service in another.
func openFlood(t testing.TB) *floodReader {
	t.Helper()
	address := inProcess(t, inRole(t, "flood"), &configpb.Descriptors{Source: &configpb.Descriptors_Image{Image: &configpb.ImageSource{Path: image(t)}}})
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return &floodReader{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}
}

func (f *floodReader) read(t testing.TB, messages int, accept string) {
	t.Helper()
	_, err := fmt.Fprintf(f.conn, "GET /v1/flood/%d HTTP/1.1\r\nHost: localhost\r\nAccept: %s\r\n\r\n", messages, accept)
	require.NoError(t, err)
	res, err := http.ReadResponse(f.in, nil)
	require.NoError(t, err)
	f.body.Reset()
	_, err = io.Copy(&f.body, res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, messages, bytes.Count(f.body.Bytes(), []byte("eA==")), "messages")
}

// TestStreamAllocations holds a message of a stream, through the whole gateway, to
// its budget: what is allocated for a long stream beyond a short one. All of it is
// grpc-go's and net/http's; that the gateway's own parts allocate nothing, their
// packages' tests say.
func TestStreamAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("under the race detector, pools forget on purpose")
	}
	const short, long, runs, budget = 1000, 11_000, 3, 5.0
	f := openFlood(t)
	for _, form := range streamForms {
		t.Run(form.name, func(t *testing.T) {
			allocated := func(messages int) uint64 {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				for range runs {
					f.read(t, messages, form.accept)
				}
				runtime.ReadMemStats(&after)
				return (after.Mallocs - before.Mallocs) / runs
			}
			allocated(long) // pools and buffers grow
			each := (float64(allocated(long)) - float64(allocated(short))) / (long - short)
			t.Logf("%.2f allocations a message", each)
			require.LessOrEqual(t, each, budget)
		})
	}
}

// BenchmarkStream is one message of a stream of 1,000 of 100 bytes.
func BenchmarkStream(b *testing.B) {
	f := openFlood(b)
	for _, form := range streamForms {
		b.Run(form.name, func(b *testing.B) {
			b.ReportAllocs()
			for n := 0; n < b.N; n += 1000 {
				f.read(b, 1000, form.accept)
			}
		})
	}
}
