package rest_test

import (
	"context"
	"net"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

// memory is a server whose connections are in this process's memory, so that its
// time can be virtual.
type memory struct {
	conns chan net.Conn
	ctx   context.Context
}

var _ net.Listener = memory{}

// newMemory serves the first rule of a method that has this HTTP method, or
// [transcoder.MethodWebSocket].
func (a *api) newMemory(t *testing.T, name protoreflect.Name, method string, up rpc.Upstream, set func(*transcoder.Settings)) memory {
	t.Helper()
	settings := transcoder.DefaultSettings()
	if set != nil {
		set(&settings)
	}
	routes, err := rest.New().Routes(a.endpoint(t, a.method(t, name), up, &settings))
	require.NoError(t, err)
	var h route.Handler
	for i := len(routes) - 1; i >= 0; i-- {
		if routes[i].Method == method {
			h = routes[i].Handler
		}
	}
	return serveInMemory(t, func(w http.ResponseWriter, r *http.Request) { h.Serve(w, r, &route.Exchange{Path: r.URL.Path}) })
}

func serveInMemory(t *testing.T, h http.HandlerFunc) memory {
	ctx, cancel := context.WithCancel(t.Context())
	m := memory{make(chan net.Conn), ctx}
	s := &http.Server{Protocols: new(http.Protocols), Handler: h}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
	go func() { _ = s.Serve(m) }()
	t.Cleanup(func() {
		cancel()
		_ = s.Close()
	})
	return m
}

// dial opens a connection.
func (m memory) dial(t *testing.T) net.Conn {
	client, server := net.Pipe()
	m.conns <- server
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// client is one that speaks this version of HTTP.
func (m memory) client(t *testing.T, version int) *http.Client {
	transport := &http.Transport{
		Protocols:   new(http.Protocols),
		DialContext: func(context.Context, string, string) (net.Conn, error) { return m.dial(t), nil },
	}
	transport.Protocols.SetHTTP1(version == 1)
	transport.Protocols.SetUnencryptedHTTP2(version == 2)
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// Accept implements [net.Listener].
func (m memory) Accept() (net.Conn, error) {
	select {
	case c := <-m.conns:
		return c, nil
	case <-m.ctx.Done():
		return nil, net.ErrClosed
	}
}

// Close implements [net.Listener].
func (memory) Close() error { return nil }

// Addr implements [net.Listener].
func (memory) Addr() net.Addr { return &net.IPAddr{} }
