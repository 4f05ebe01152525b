package http_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// nobody is an address on which nobody listens.
func nobody(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// closing is a body that counts how often it is closed.
type closing struct {
	io.Reader
	closed int
}

func (c *closing) Close() error {
	c.closed++
	return nil
}

func TestAnotherEndpointWhereNobodyListens(t *testing.T) {
	got := make(chan string, 100)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
	})}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { _ = srv.Close() })

	up := newUpstream(t, &configpb.HTTPUpstream{
		Url: "http://legacy", Endpoints: []string{nobody(t), nobody(t), l.Addr().String()},
		Ejection: &configpb.Ejection{Failures: new(uint32)},
	})
	for range 6 {
		body := &closing{Reader: strings.NewReader("once")}
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x/", body)
		require.NoError(t, err)
		r.ContentLength = 4
		resp, err := up.Send(r, nil)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		require.Equal(t, "once", <-got)
		require.Positive(t, body.closed)
	}
	tried := upstream.Tried{}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://x/", nil)
	require.NoError(t, err)
	resp, err := up.Send(r, &tried)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	require.Contains(t, tried, l.Addr().String())
}

func TestNobodyListensAnywhere(t *testing.T) {
	up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://legacy", Endpoints: []string{nobody(t), nobody(t)}, Ejection: &configpb.Ejection{Failures: new(uint32)}})
	body := &closing{Reader: strings.NewReader("once")}
	r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, "http://x/", body)
	require.NoError(t, err)
	_, err = up.Send(r, nil)
	var failure *upstream.Error
	require.ErrorAs(t, err, &failure)
	require.True(t, failure.NotSent)
	require.Equal(t, rpc.UpstreamUnreachable, failure.Reason)
	require.Equal(t, 1, body.closed)
}
