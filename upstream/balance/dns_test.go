package balance_test

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/dns/dnsmessage"
)

// nameServer answers questions for addresses, over UDP on loopback or over pipes.
type nameServer struct {
	t testing.TB

	mu sync.Mutex
	// zone has the addresses of names, which end with a dot.
	zone map[string][]netip.Addr
	// code is what is answered in place of addresses, if it is an error.
	code dnsmessage.RCode
	// silent says that nothing is answered, and mute of which name.
	silent bool
	mute   string
	// asked counts questions for IPv4 addresses: there is one in each lookup.
	asked int
	conn  net.PacketConn
}

func newNameServer(t testing.TB) *nameServer {
	return &nameServer{t: t, zone: make(map[string][]netip.Addr)}
}

// set changes what a name resolves to.
func (s *nameServer) set(name string, addresses ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zone[name] = nil
	for _, a := range addresses {
		s.zone[name] = append(s.zone[name], netip.MustParseAddr(a))
	}
}

func (s *nameServer) fail(code dnsmessage.RCode) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.code = code
}

func (s *nameServer) hush(silent bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = silent
}

func (s *nameServer) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// answer is the answer to one message; nil if there is none.
func (s *nameServer) answer(message []byte) []byte {
	var parser dnsmessage.Parser
	header, err := parser.Start(message)
	if err != nil {
		return nil
	}
	question, err := parser.Question()
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if question.Type == dnsmessage.TypeA {
		s.asked++
	}
	if s.silent || question.Name.String() == s.mute {
		return nil
	}
	addresses, exists := s.zone[question.Name.String()]
	code := s.code
	if code == dnsmessage.RCodeSuccess && !exists {
		code = dnsmessage.RCodeNameError
	}
	b := dnsmessage.NewBuilder(nil, dnsmessage.Header{
		ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true, RCode: code,
	})
	b.EnableCompression()
	must := func(err error) {
		if err != nil {
			s.t.Error(err)
		}
	}
	must(b.StartQuestions())
	must(b.Question(question))
	must(b.StartAnswers())
	rr := dnsmessage.ResourceHeader{Name: question.Name, Class: question.Class, TTL: 1}
	for _, a := range addresses {
		switch {
		case code != dnsmessage.RCodeSuccess:
		case a.Is4() && question.Type == dnsmessage.TypeA:
			must(b.AResource(rr, dnsmessage.AResource{A: a.As4()}))
		case a.Is6() && question.Type == dnsmessage.TypeAAAA:
			must(b.AAAAResource(rr, dnsmessage.AAAAResource{AAAA: a.As16()}))
		}
	}
	out, err := b.Finish()
	must(err)
	return out
}

// listen serves over UDP, at the address that it had before, if it had one.
func (s *nameServer) listen() {
	address := "127.0.0.1:0"
	if s.conn != nil {
		address = s.conn.LocalAddr().String()
	}
	conn, err := net.ListenPacket("udp", address)
	require.NoError(s.t, err)
	s.conn = conn
	var serving sync.WaitGroup
	serving.Go(func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if out := s.answer(buf[:n]); out != nil {
				_, _ = conn.WriteTo(out, from)
			}
		}
	})
	s.t.Cleanup(func() {
		conn.Close()
		serving.Wait()
	})
}

// resolver asks this server, over UDP.
func (s *nameServer) resolver() *net.Resolver {
	address := s.conn.LocalAddr().String()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", address)
	}}
}

// pipes asks this server without sockets, for virtual time: a stream has messages with
// their lengths in front.
func (s *nameServer) pipes() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			defer there.Close()
			for {
				var length [2]byte
				if _, err := io.ReadFull(there, length[:]); err != nil {
					return
				}
				message := make([]byte, binary.BigEndian.Uint16(length[:]))
				if _, err := io.ReadFull(there, message); err != nil {
					return
				}
				if out := s.answer(message); out != nil {
					if _, err := there.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...)); err != nil {
						return
					}
				}
			}
		}()
		return here, nil
	}}
}
