package rest

import (
	"bufio"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// hijacker is a response whose connection becomes a socket.
type hijacker struct {
	http.ResponseWriter
	socket *socket
}

var _ http.Hijacker = hijacker{}

// Hijack implements [http.Hijacker].
func (h hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(h.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	h.socket.Conn, h.socket.opened = conn, time.Now()
	// The reader is put over the socket by who asked for it.
	buffered.Writer.Reset(h.socket)
	return h.socket, buffered, nil
}

// socket is the connection of a session. It knows when it last heard of the
// client, and holds small frames back while more of them are ready.
type socket struct {
	net.Conn
	opened time.Time
	// heard is when the last bytes were read, in nanoseconds after opened.
	heard atomic.Int64

	mu sync.Mutex // guards the rest
	// holding says that what is written may wait in held.
	holding bool
	held    []byte
}

// Read implements [net.Conn].
func (s *socket) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	if n > 0 {
		s.hear()
	}
	return n, err
}

// closeFrame is the first byte of a close frame (RFC 6455, section 5.2): FIN and
// opcode 8.
const closeFrame = 0x88

// hear notes that the client lives.
func (s *socket) hear() { s.heard.Store(int64(time.Since(s.opened))) }

// quiet is how long nothing has been heard of the client.
func (s *socket) quiet() time.Duration { return time.Since(s.opened) - time.Duration(s.heard.Load()) }

// Write implements [net.Conn].
func (s *socket) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) == 0 && !s.holding {
		return s.Conn.Write(p)
	}
	s.held = append(s.held, p...)
	// Nothing follows the answer to a client's close frame. What only looks like one,
	// a piece of a large message, loses nothing by it.
	if s.holding && len(s.held) < flushAt && (len(p) == 0 || p[0] != closeFrame) {
		return len(p), nil
	}
	if err := s.flush(); err != nil {
		return 0, err
	}
	return len(p), nil
}

// hold says whether what is written from now on may wait for what follows it. The
// last that is written must not.
func (s *socket) hold(on bool) {
	s.mu.Lock()
	s.holding = on
	s.mu.Unlock()
}

// release sends what was held back.
func (s *socket) release() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holding = false
	return s.flush()
}

// flush sends what is held. mu is held.
func (s *socket) flush() error {
	if len(s.held) == 0 {
		return nil
	}
	_, err := s.Conn.Write(s.held)
	s.held = trimmed(s.held, maxIdle)
	return err
}
