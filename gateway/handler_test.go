package gateway

import (
	"bufio"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

// oneConn is a listener with a single connection.
type oneConn struct {
	conns chan net.Conn
}

func (l oneConn) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l oneConn) Close() error   { return nil }
func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// TestRefusedBodyStalls promises a body to a path without a route, and never
// sends it: the answer comes all the same, and the connection ends.
func TestRefusedBodyStalls(t *testing.T) {
	for name, framing := range map[string]string{"length": "Content-Length: 5", "chunked": "Transfer-Encoding: chunked"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table, err := route.Compile(nil)
				require.NoError(t, err)
				g := &Gateway{options: Options{Protocols: []transcoder.Protocol{rest.New()}}, log: slog.New(slog.DiscardHandler)}
				g.snapshot.Store(&Snapshot{tables: []*route.Table{table}, absent: make([][]*config.Route, 1), settings: []*transcoder.Settings{{}}})
				client, conn := net.Pipe()
				l := oneConn{make(chan net.Conn, 1)}
				l.conns <- conn
				srv := &http.Server{Handler: &handler{gateway: g}}
				go func() { _ = srv.Serve(l) }()

				start := time.Now()
				_, err = io.WriteString(client, "POST /nowhere HTTP/1.1\r\nHost: x\r\n"+framing+"\r\n\r\n")
				require.NoError(t, err)
				in := bufio.NewReader(client)
				res, err := http.ReadResponse(in, nil)
				require.NoError(t, err)
				_, err = io.Copy(io.Discard, res.Body)
				require.NoError(t, err)
				require.Equal(t, http.StatusNotFound, res.StatusCode)
				require.Equal(t, unreadTimeout, time.Since(start))
				_, err = in.ReadByte()
				require.ErrorIs(t, err, io.EOF)
				close(l.conns)
				require.NoError(t, srv.Close())
			})
		})
	}
}
