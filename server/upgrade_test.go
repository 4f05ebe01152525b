package server_test

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/server"
)

// upgraded is a server of one connection that its handler has taken over. end lets
// the handler return; told gets what it wrote at last.
func upgraded(t *testing.T, grace time.Duration) (stop func(), end chan struct{}, told *bufio.Reader, served chan error) {
	end, served = make(chan struct{}), make(chan error, 1)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		_, _ = io.WriteString(conn, "hello\n")
		select {
		case <-r.Context().Done():
			_, _ = io.WriteString(conn, "going away\n")
		case <-end:
			_, _ = io.WriteString(conn, "ended\n")
		}
	})
	srv, err := server.Listen(t.Context(), []server.Listener{{Name: "a", Address: "127.0.0.1:0", Handler: handler}}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	ctx, stop := context.WithCancel(context.Background())
	go func() { served <- srv.Serve(ctx, grace) }()
	conn, err := net.Dial("tcp", srv.Address("a"))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")
	require.NoError(t, err)
	told = bufio.NewReader(conn)
	line, err := told.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "hello\n", line)
	return stop, end, told, served
}

// A connection that was taken over is a running request until its handler returns.
func TestDrainWaitsForUpgraded(t *testing.T) {
	stop, end, told, served := upgraded(t, time.Minute)
	stop()
	select {
	case err := <-served:
		t.Fatalf("drained with a connection in use: %v", err)
	case <-time.After(100 * time.Millisecond):
	}
	close(end)
	line, err := told.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "ended\n", line)
	require.NoError(t, <-served)
}

// After the grace its handler is told, and can say goodbye.
func TestDrainEndsUpgraded(t *testing.T) {
	stop, _, told, served := upgraded(t, 50*time.Millisecond)
	stop()
	line, err := told.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "going away\n", line)
	require.ErrorContains(t, <-served, "cut off")
}
