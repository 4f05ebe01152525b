package e2e

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUpstreamKilledUnary kills the upstream under a unary call: one answer,
// 503, made by the gateway.
func TestUpstreamKilledUnary(t *testing.T) {
	s := startService(t)
	p := startGateway(t, s)
	answers := make(chan *http.Response, 1)
	errs := make(chan error, 1)
	go func() {
		res, err := http.Get("http://" + p.gateway + "/v1/wait/hello")
		answers <- res
		errs <- err
	}()
	<-s.arrived
	s.server.Stop()
	res, err := <-answers, <-errs
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusServiceUnavailable, res.StatusCode)
	require.Equal(t, "UPSTREAM_UNREACHABLE", res.Header.Get("X-Dragoman-Error"))
	var status struct {
		Code    int
		Details []map[string]any
	}
	require.NoError(t, json.NewDecoder(res.Body).Decode(&status))
	require.Equal(t, 14, status.Code)
	require.Len(t, status.Details, 1)
	require.Equal(t, "dragoman", status.Details[0]["domain"])
}

// TestUpstreamKilledStream kills it in the middle of a stream: what had come is
// whole, and the end is never a clean one.
func TestUpstreamKilledStream(t *testing.T) {
	s := startService(t)
	p := startGateway(t, s)
	for range 2 {
		s.proceed <- struct{}{}
	}
	res, err := http.Get("http://" + p.gateway + "/v1/count/3")
	require.NoError(t, err)
	defer res.Body.Close()
	require.Equal(t, http.StatusOK, res.StatusCode)
	begun := make([]byte, len(`["1","2"`))
	_, err = io.ReadFull(res.Body, begun)
	require.NoError(t, err)
	require.Equal(t, `["1","2"`, string(begun))
	s.server.Stop()
	rest, err := io.ReadAll(res.Body)
	require.Error(t, err, "a broken stream must not end cleanly; got %q", rest)
	require.True(t, errors.Is(err, io.ErrUnexpectedEOF), "%v", err)
	require.NotContains(t, string(rest), "]")
}

// TestStalledReaders offers 1 GiB in all to 100 clients that do not read: the
// gateway holds back the upstream instead of storing it, whatever the size of a
// message.
func TestStalledReaders(t *testing.T) {
	for _, tt := range []struct {
		path string
		size int
	}{{"flood", 16 << 10}, {"pour", 64 << 10}} {
		t.Run(fmt.Sprintf("%d KiB", tt.size>>10), func(t *testing.T) { stalledReaders(t, tt.path, tt.size) })
	}
}

func stalledReaders(t *testing.T, path string, size int) {
	const readers = 100
	each := 1 << 30 / readers / size
	s := startService(t)
	p := startGateway(t, s)

	// A first stream, read to the end, so that the buffers that any stream
	// needs are part of the base line.
	res, err := http.Get("http://" + p.gateway + fmt.Sprintf("/v1/%s/%d", path, each))
	require.NoError(t, err)
	n, err := io.Copy(io.Discard, res.Body)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Greater(t, n, int64(each*size))

	before := p.residentKiB(t)
	var conns []net.Conn
	for range readers {
		conn, err := net.Dial("tcp", p.gateway)
		require.NoError(t, err)
		defer conn.Close()
		conns = append(conns, conn)
		_, err = fmt.Fprintf(conn, "GET /v1/%s/%d HTTP/1.1\r\nHost: stalled\r\n\r\n", path, each)
		require.NoError(t, err)
	}
	// Each stream has begun when its status line is there; then nobody reads.
	for _, conn := range conns {
		line, err := bufio.NewReaderSize(conn, 16).ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, "200")
	}
	// The last reader reads on, to the end: by the time it has everything the
	// others have been offered all that flow control lets through.
	rest, err := io.CopyN(io.Discard, conns[readers-1], int64(each*size))
	require.NoError(t, err)
	require.Positive(t, rest)
	grown := p.residentKiB(t) - before
	t.Logf("resident: %d KiB before, %d KiB more with %d stalled readers", before, grown, readers)

	if !raceDetector { // which takes a multiple of the memory
		require.Less(t, grown, 32<<10)
	}
}
