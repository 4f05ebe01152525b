package proxy_test

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// watched tells of each request before it is sent.
type watched struct {
	*plain
	requests chan *http.Request
}

func (u *watched) Send(r *http.Request, tried *upstream.Tried) (*http.Response, error) {
	u.requests <- r
	return u.plain.Send(r, tried)
}

// echoed answers with the body when it has all of it.
func echoed(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		_, _ = w.Write(body)
	}
}

// What is taken in before it is sent are small bodies whose length is known, and whose
// client waits for nothing.
func TestSmallBody(t *testing.T) {
	for name, tt := range map[string]struct {
		size   int
		change func(*http.Request)
		whole  bool
	}{
		"one byte":     {size: 1, whole: true},
		"the largest":  {size: 4096, whole: true},
		"larger":       {size: 4097},
		"unknown":      {size: 100, change: func(r *http.Request) { r.ContentLength = -1 }},
		"with trailer": {size: 100, change: func(r *http.Request) { r.ContentLength, r.Trailer = -1, http.Header{"X-Sum": {"7"}} }},
		"expecting":    {size: 100, change: func(r *http.Request) { r.Header.Set("Expect", "100-continue") }},
	} {
		t.Run(name, func(t *testing.T) {
			pairs(t, func(t *testing.T, version string, backend func(testing.TB, http.HandlerFunc) *plain) {
				up := &watched{plain: backend(t, echoed), requests: make(chan *http.Request, 1)}
				s := serve(t, to(up))
				body := strings.Repeat("x", tt.size)
				r := request(t, "POST", "http://"+s.address+"/", strings.NewReader(body))
				if tt.change != nil {
					tt.change(r)
				}
				res, text := do(t, client(t, version), r)
				require.Equal(t, http.StatusOK, res.StatusCode)
				require.True(t, body == text, "the body comes back as it went")
				out := <-up.requests
				// Over HTTP/2 net/http tells a client to continue before anybody knows.
				whole := tt.whole || name == "expecting" && version == "HTTP/2.0"
				require.Equal(t, whole, out.GetBody != nil)
				x := s.last(t)
				require.EqualValues(t, tt.size, x.RequestBytes)
				require.Nil(t, x.Failure)
				if whole {
					again, err := out.GetBody()
					require.NoError(t, err)
					text, err := io.ReadAll(again)
					require.NoError(t, err)
					require.Equal(t, body, string(text))
				}
			})
		})
	}
}

// The upstream is not bothered with a small body that does not come.
func TestSmallBodyCut(t *testing.T) {
	up := &watched{plain: backend(t, echoed), requests: make(chan *http.Request, 1)}
	o := to(up)
	o.IdleTimeout = 100 * time.Millisecond
	s := serve(t, o)
	const part = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nshort"
	t.Run("ended", func(t *testing.T) {
		conn, _ := dial(t, s.address)
		_, err := io.WriteString(conn, part)
		require.NoError(t, err)
		require.NoError(t, conn.(*net.TCPConn).CloseWrite())
		require.Equal(t, string(rpc.ClientClosed), s.last(t).Reason)
	})
	t.Run("silent", func(t *testing.T) {
		conn, in := dial(t, s.address)
		_, err := io.WriteString(conn, part)
		require.NoError(t, err)
		res, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		defer res.Body.Close()
		require.Equal(t, http.StatusGatewayTimeout, res.StatusCode)
		require.True(t, res.Close, "what is left of the body would be taken for a request")
		require.Equal(t, string(rpc.DeadlineExceeded), s.last(t).Reason)
	})
	require.Empty(t, up.requests)
}
