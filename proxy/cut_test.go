package proxy_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// cutting is an upstream whose answers end with err after a few bytes.
type cutting struct{ err error }

func (c cutting) Send(r *http.Request, _ *upstream.Tried) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, ContentLength: -1, Request: r,
		Body: &cut{left: []byte("begun"), err: c.err},
	}, nil
}
func (cutting) Origin() upstream.Origin { return upstream.Origin{} }
func (cutting) Close() error            { return nil }

type cut struct {
	left []byte
	err  error
}

func (c *cut) Read(p []byte) (int, error) {
	if len(c.left) == 0 {
		return 0, c.err
	}
	n := copy(p, c.left)
	c.left = c.left[n:]
	return n, nil
}
func (*cut) Close() error { return nil }

// Why an answer ended early is noted as its upstream knows it; the client sees that it
// is not whole.
func TestCut(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want rpc.Reason
	}{
		{io.ErrUnexpectedEOF, rpc.UpstreamUnreachable},
		{&upstream.Error{Reason: rpc.FunctionFailed, Err: io.EOF}, rpc.FunctionFailed},
		{&upstream.Error{Reason: rpc.InvalidRequest, Err: io.EOF}, rpc.UpstreamUnreachable},
	} {
		s := serve(t, to(cutting{tt.err}))
		resp, err := http.Get("http://" + s.address)
		require.NoError(t, err)
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, resp.Body.Close())
		require.ErrorIs(t, err, io.ErrUnexpectedEOF)
		require.Equal(t, "begun", string(body))
		x := s.last(t)
		require.Equal(t, string(tt.want), x.Reason)
		require.ErrorIs(t, x.Error, tt.err)
	}
}
