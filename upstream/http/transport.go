package http

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

const (
	// continueTimeout is how long a request with `Expect: 100-continue` waits for an
	// upstream that may never have heard of it.
	continueTimeout = time.Second
	// streamWindow is what an upstream may send ahead of an answer that nobody reads,
	// and connectionWindow ahead of all that share a connection of HTTP/2.
	streamWindow     = 64 << 10
	connectionWindow = 1 << 20
	// A connection of HTTP/2 that is silent for pingTime is pinged, and is dead without
	// an answer within pingTimeout. All requests share it, so no other sign of life may
	// come for long.
	pingTime    = 15 * time.Second
	pingTimeout = 5 * time.Second
	// writeTimeout is how long such a connection may take nothing of what is written.
	writeTimeout = 30 * time.Second
)

// alive finds out that the other end of a quiet connection is gone.
var alive = net.KeepAliveConfig{Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3}

func newTransport(cfg *configpb.HTTPUpstream, d *dialer, protocols http.Protocols) *http.Transport {
	requests := maxRequests
	if limits := cfg.GetLimits(); limits != nil && limits.Requests != nil {
		requests = int(limits.GetRequests())
	}
	t := &http.Transport{
		// Not the proxy that the environment names: which way requests go is
		// the configuration's to say.
		Proxy:                  nil,
		DialContext:            d.dial,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    requests, // there are never more at once
		MaxConnsPerHost:        int(cfg.GetLimits().GetConnections()),
		IdleConnTimeout:        duration(cfg.GetIdleTimeout(), idleTimeout),
		ExpectContinueTimeout:  continueTimeout,
		MaxResponseHeaderBytes: int64(cmp.Or(cfg.GetHeaderBytes(), headerBytes)),
		Protocols:              &protocols,
		HTTP2: &http.HTTP2Config{
			MaxReceiveBufferPerStream:     streamWindow,
			MaxReceiveBufferPerConnection: connectionWindow,
			SendPingTimeout:               pingTime,
			PingTimeout:                   pingTimeout,
			WriteByteTimeout:              writeTimeout,
		},
	}
	if !protocols.HTTP1() {
		t.MaxConnsPerHost = 0
	}
	if d.tls != nil {
		t.DialTLSContext = d.secured(protocols)
	}
	return t
}

// dialer makes connections to endpoints.
type dialer struct {
	net     net.Dialer
	timeout time.Duration
	tls     *tls.Config // nil is clear text
	// sockets are the paths of unix sockets, by what stands for them as an address.
	sockets map[string]string
	http2   *atomic.Bool
}

func newDialer(cfg *configpb.HTTPUpstream, secure *tls.Config, http2 *atomic.Bool) *dialer {
	return &dialer{
		net:     net.Dialer{KeepAliveConfig: alive},
		timeout: duration(cfg.GetConnectTimeout(), connectTimeout),
		tls:     secure,
		sockets: make(map[string]string),
		http2:   http2,
	}
}

// connectError is why there is no connection: nothing of a request was sent.
type connectError struct{ error }

func (e connectError) Unwrap() error { return e.error }

func (d *dialer) dial(ctx context.Context, _, address string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.timeout)
	defer cancel()
	c, err := d.connect(ctx, address)
	if tcp, ok := c.(*net.TCPConn); ok {
		return &conn{tcp}, nil
	}
	return c, err
}

// conn is a connection in clear text. Left to itself, net would make a buffer for each
// body that is sent.
type conn struct{ *net.TCPConn }

const bufferSize = 32 << 10

var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// ReadFrom implements [io.ReaderFrom].
func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	return io.CopyBuffer(writer{c.TCPConn}, r, buf[:])
}

// writer hides everything but Write.
type writer struct{ w io.Writer }

func (w writer) Write(p []byte) (int, error) { return w.w.Write(p) }

func (d *dialer) connect(ctx context.Context, address string) (net.Conn, error) {
	network := "tcp"
	if path, ok := d.sockets[address]; ok {
		network, address = "unix", path
	}
	conn, err := d.net.DialContext(ctx, network, address)
	if err != nil {
		return nil, connectError{err}
	}
	return conn, nil
}

var errNoHTTP2 = errors.New("the upstream does not offer HTTP/2")

// secured makes the function that dials for protocols. The handshake is done here, and
// not left to the transport, because it is part of connecting: the same time bounds
// both, and what goes wrong in it has sent nothing.
func (d *dialer) secured(protocols http.Protocols) func(context.Context, string, string) (net.Conn, error) {
	config := d.tls.Clone()
	if protocols.HTTP2() {
		config.NextProtos = append(config.NextProtos, "h2")
	}
	if protocols.HTTP1() {
		config.NextProtos = append(config.NextProtos, "http/1.1")
	}
	return func(ctx context.Context, _, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, d.timeout)
		defer cancel()
		plain, err := d.connect(ctx, address)
		if err != nil {
			return nil, err
		}
		conn := tls.Client(plain, config)
		if err := conn.HandshakeContext(ctx); err != nil {
			_ = plain.Close()
			return nil, connectError{err}
		}
		http2 := conn.ConnectionState().NegotiatedProtocol == "h2"
		if !http2 && !protocols.HTTP1() {
			_ = plain.Close()
			return nil, connectError{errNoHTTP2}
		}
		if protocols.HTTP2() {
			d.http2.Store(http2)
		}
		return conn, nil
	}
}

func duration(d *durationpb.Duration, otherwise time.Duration) time.Duration {
	if d == nil {
		return otherwise
	}
	return d.AsDuration()
}
