package grpc_test

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

// rawStream is one call at an HTTP/2 server that says exactly what it is told to.
type rawStream struct {
	t    testing.TB
	conn net.Conn
	fr   *http2.Framer
	id   uint32
	// header is the request's head.
	header map[string]string
}

// serveRaw answers each call with script, once the request has ended.
func serveRaw(t testing.TB, script func(*rawStream)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
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
			wg.Go(func() { rawConn(t, conn, script) })
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
	return l.Addr().String()
}

func rawConn(t testing.TB, conn net.Conn, script func(*rawStream)) {
	defer conn.Close()
	if _, err := io.ReadFull(conn, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	fr := http2.NewFramer(conn, conn)
	fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if fr.WriteSettings() != nil {
		return
	}
	headers := map[uint32]map[string]string{}
	for {
		f, err := fr.ReadFrame()
		if err != nil {
			return
		}
		ended := false
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() && fr.WriteSettingsAck() != nil {
				return
			}
		case *http2.PingFrame:
			if !f.IsAck() && fr.WritePing(true, f.Data) != nil {
				return
			}
		case *http2.MetaHeadersFrame:
			h := map[string]string{}
			for _, field := range f.Fields {
				h[field.Name] = field.Value
			}
			headers[f.StreamID] = h
			ended = f.StreamEnded()
		case *http2.DataFrame:
			ended = f.StreamEnded()
		}
		if ended {
			id := f.Header().StreamID
			script(&rawStream{t: t, conn: conn, fr: fr, id: id, header: headers[id]})
		}
	}
}

// headers writes one block of name, value pairs.
func (s *rawStream) headers(end bool, pairs ...string) {
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for i := 0; i < len(pairs); i += 2 {
		_ = enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	_ = s.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: s.id, BlockFragment: block.Bytes(), EndHeaders: true, EndStream: end})
}

// head writes the head of a gRPC answer.
func (s *rawStream) head(pairs ...string) {
	s.headers(false, append([]string{":status", "200", "content-type", "application/grpc"}, pairs...)...)
}

// data writes bytes of the body.
func (s *rawStream) data(end bool, data ...byte) { _ = s.fr.WriteData(s.id, end, data) }

// frame writes one uncompressed message.
func (s *rawStream) frame(message string) {
	s.data(false, append([]byte{0, 0, 0, 0, byte(len(message))}, message...)...)
}

// trailers ends the answer.
func (s *rawStream) trailers(pairs ...string) { s.headers(true, pairs...) }
