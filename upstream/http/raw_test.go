package http_test

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// raw is the address of a server that does with its connections what it is told to.
// Each is closed when script returns.
func raw(t testing.TB, script func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	rawOn(t, l, script)
	return l.Addr().String()
}

func rawOn(t testing.TB, l net.Listener, script func(net.Conn)) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	var conns []net.Conn
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			mu.Lock()
			conns = append(conns, conn)
			mu.Unlock()
			wg.Go(func() {
				defer conn.Close()
				script(conn)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		mu.Lock()
		for _, c := range conns {
			_ = c.Close()
		}
		mu.Unlock()
		wg.Wait()
	})
}

// rawStream is one request at an HTTP/2 server that says exactly what it is told to.
type rawStream struct {
	t      testing.TB
	fr     *http2.Framer
	id     uint32
	header map[string]string
}

// rawHTTP2 is the address of a server of clear text HTTP/2 that answers each request
// with script, once its head is there.
func rawHTTP2(t testing.TB, script func(*rawStream)) string {
	t.Helper()
	return raw(t, func(conn net.Conn) {
		if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
			return
		}
		fr := http2.NewFramer(conn, conn)
		fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		if fr.WriteSettings() != nil {
			return
		}
		for {
			frame, err := fr.ReadFrame()
			if err != nil {
				return
			}
			switch frame := frame.(type) {
			case *http2.SettingsFrame:
				if !frame.IsAck() {
					_ = fr.WriteSettingsAck()
				}
			case *http2.PingFrame:
				if !frame.IsAck() {
					_ = fr.WritePing(true, frame.Data)
				}
			case *http2.MetaHeadersFrame:
				s := &rawStream{t: t, fr: fr, id: frame.StreamID, header: make(map[string]string)}
				for _, f := range frame.Fields {
					s.header[f.Name] = f.Value
				}
				script(s)
			}
		}
	})
}

func (s *rawStream) head(end bool, pairs ...string) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for i := 0; i < len(pairs); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	_ = s.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: s.id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
}

func (s *rawStream) answer(status, body string) {
	s.head(false, ":status", status)
	_ = s.fr.WriteData(s.id, true, []byte(body))
}

func (s *rawStream) reset(code http2.ErrCode) { _ = s.fr.WriteRSTStream(s.id, code) }
