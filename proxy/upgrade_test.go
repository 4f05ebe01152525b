package proxy_test

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// tunnelled is an upstream that upgrades to a protocol called "echo" and serves it.
func tunnelled(t *testing.T, serve func(net.Conn, *bufio.Reader)) *plain {
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "echo" {
			w.WriteHeader(http.StatusUpgradeRequired)
			return
		}
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("Upgrade", "echo")
		w.Header().Set("X-Answer", "yes")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_ = rw.Flush()
		serve(conn, rw.Reader)
	})
}

const handshake = "GET /x HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: echo\r\n\r\n"

func switched(t *testing.T, address, early string) (net.Conn, *bufio.Reader) {
	conn, in := dial(t, address)
	_, err := io.WriteString(conn, handshake+early)
	require.NoError(t, err)
	res, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, res.StatusCode)
	require.Equal(t, "echo", res.Header.Get("Upgrade"))
	require.Equal(t, "yes", res.Header.Get("X-Answer"))
	return conn, in
}

func TestUpgrade(t *testing.T) {
	up := tunnelled(t, func(conn net.Conn, in *bufio.Reader) {
		_, _ = io.Copy(conn, in)
		// The client has ended its side, and still gets this.
		_, _ = io.WriteString(conn, "bye")
	})
	s := serve(t, to(up))
	conn, in := switched(t, s.address, "early")
	buf := make([]byte, 9)
	_, err := io.ReadFull(in, buf[:5])
	require.NoError(t, err)
	_, err = io.WriteString(conn, "more")
	require.NoError(t, err)
	_, err = io.ReadFull(in, buf[5:])
	require.NoError(t, err)
	require.Equal(t, "earlymore", string(buf))
	require.NoError(t, conn.(*net.TCPConn).CloseWrite())
	rest, err := io.ReadAll(in)
	require.NoError(t, err)
	require.Equal(t, "bye", string(rest))
	x := s.last(t)
	require.EqualValues(t, 9, x.RequestBytes)
	require.EqualValues(t, 12, x.ResponseBytes)
	require.Nil(t, x.Failure)
}

// The upstream may end its side first.
func TestUpgradeUpstreamEnds(t *testing.T) {
	got := make(chan string, 1)
	up := tunnelled(t, func(conn net.Conn, in *bufio.Reader) {
		_ = conn.(*net.TCPConn).CloseWrite()
		text, _ := io.ReadAll(in)
		got <- string(text)
	})
	s := serve(t, to(up))
	conn, in := switched(t, s.address, "")
	_, err := in.ReadByte()
	require.Equal(t, io.EOF, err)
	_, err = io.WriteString(conn, "last words")
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Equal(t, "last words", <-got)
	s.last(t)
}

func TestUpgradeIdle(t *testing.T) {
	up := tunnelled(t, func(_ net.Conn, in *bufio.Reader) { _, _ = in.ReadByte() })
	o := to(up)
	o.IdleTimeout = 100 * time.Millisecond
	s := serve(t, o)
	_, in := switched(t, s.address, "")
	_, err := in.ReadByte()
	require.Error(t, err)
	require.Equal(t, string(rpc.DeadlineExceeded), s.last(t).Reason)
}

func TestUpgradeReset(t *testing.T) {
	up := tunnelled(t, func(conn net.Conn, _ *bufio.Reader) { _ = conn.(*net.TCPConn).SetLinger(0) })
	s := serve(t, to(up))
	_, in := switched(t, s.address, "")
	_, err := in.ReadByte()
	require.Error(t, err)
	s.last(t)
}

// The end of the gateway ends connections that were taken over.
func TestUpgradeDrain(t *testing.T) {
	up := tunnelled(t, func(_ net.Conn, in *bufio.Reader) { _, _ = in.ReadByte() })
	ended := make(chan struct{})
	t.Run("serving", func(t *testing.T) {
		s := serveFor(t, to(up), 10*time.Millisecond)
		_, in := switched(t, s.address, "")
		go func() {
			_, _ = in.ReadByte()
			close(ended)
		}()
	})
	<-ended
}

func TestUpgradeRefused(t *testing.T) {
	up := tunnelled(t, nil)
	s := serve(t, to(up))
	for name, head := range map[string]string{
		"by the upstream": "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n",
		"to HTTP/2":       "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n",
		"without option":  "GET / HTTP/1.1\r\nHost: a\r\nUpgrade: echo\r\n\r\n",
		"with a body":     "POST / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\nContent-Length: 1\r\n\r\nx",
	} {
		conn, in := dial(t, s.address)
		_, err := io.WriteString(conn, head)
		require.NoError(t, err)
		res, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusUpgradeRequired, res.StatusCode, name)
	}
	// One that nobody has asked for, and another one than that.
	for upgrade, head := range map[string]string{"echo": "GET / HTTP/1.1\r\nHost: a\r\n\r\n", "other": handshake} {
		ln := raw(t)
		go func() {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			defer conn.Close()
			_, _ = conn.Read(make([]byte, 4096))
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: "+upgrade+"\r\n\r\n")
			_, _ = io.Copy(io.Discard, conn)
		}()
		conn, in := dial(t, serve(t, to(newPlain(t, ln.Addr().String()))).address)
		_, err := io.WriteString(conn, head)
		require.NoError(t, err)
		res, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusBadGateway, res.StatusCode)
	}
}

func TestWebSocket(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
		if err != nil {
			return
		}
		kind, message, err := conn.Read(r.Context())
		if err == nil {
			_ = conn.Write(r.Context(), kind, message)
		}
		_ = conn.Close(websocket.StatusNormalClosure, "done")
	})
	s := serve(t, to(up))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, _, err := websocket.Dial(ctx, "ws://"+s.address+"/", nil)
	require.NoError(t, err)
	require.NoError(t, conn.Write(ctx, websocket.MessageText, []byte("hello")))
	_, message, err := conn.Read(ctx)
	require.NoError(t, err)
	require.Equal(t, "hello", string(message))
	_, _, err = conn.Read(ctx)
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
	s.last(t)
}
