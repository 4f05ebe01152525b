package http_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// inMemory is a request whose body is in memory.
func inMemory(t testing.TB, method, path, body string) *http.Request {
	t.Helper()
	r := request(t, method, path, io.NopCloser(strings.NewReader(body)))
	r.ContentLength = int64(len(body))
	r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(body)), nil }
	return r
}

// A body in memory goes in one write with the head.
func TestInMemoryAtOnce(t *testing.T) {
	first := make(chan string, 1)
	address := raw(t, func(conn net.Conn) {
		buf := make([]byte, 64<<10)
		n, _ := conn.Read(buf)
		first <- string(buf[:n])
		_, _ = io.WriteString(conn, "HTTP/1.1 204 No Content\r\n\r\n")
	})
	up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + address})
	res, err := up.Send(inMemory(t, http.MethodPost, "/books", strings.Repeat("x", 2000)), nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.True(t, strings.HasSuffix(<-first, "\r\n\r\n"+strings.Repeat("x", 2000)))
}

// That the transport could send such a body again does not mean that it goes on and on.
func TestInMemoryRefused(t *testing.T) {
	for method, most := range map[string]int{http.MethodPut: 3, http.MethodPost: 1} {
		requests := make(chan struct{}, 1000)
		address := rawHTTP2(t, func(s *rawStream) {
			requests <- struct{}{}
			s.reset(http2.ErrCodeRefusedStream)
		})
		up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + address, Version: "http2"})
		_, err := up.Send(inMemory(t, method, "/books", "text"), nil)
		require.Error(t, err)
		require.NotEmpty(t, requests)
		require.LessOrEqual(t, len(requests), most, method)
	}
}

// What is sent from a stream arrives as it is, and no buffer is made for each.
func TestStreamedBody(t *testing.T) {
	if raceDetector {
		t.Skip("with the race detector pools forget what they have")
	}
	server := serve(t, func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	up := newUpstream(t, &configpb.HTTPUpstream{Url: server.URL})
	body := bytes.Repeat([]byte("x"), 100<<10)
	send := func(times int) {
		for range times {
			r := request(t, http.MethodPost, "/books", io.NopCloser(bytes.NewReader(body)))
			r.ContentLength = int64(len(body))
			exchange(t, r, func(r *http.Request) (*http.Response, error) { return up.Send(r, nil) })
		}
	}
	send(10)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const times = 100
	send(times)
	runtime.ReadMemStats(&after)
	n := (after.TotalAlloc - before.TotalAlloc) / times
	t.Logf("%d bytes a request", n)
	require.Less(t, n, uint64(24<<10))
}
