package transform_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/proxy"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// direct is an upstream of one address.
type direct struct {
	*http.Transport
	address string
}

var _ upstream.HTTP = direct{}

func (u direct) Send(r *http.Request, _ *upstream.Tried) (*http.Response, error) {
	target := *r.URL
	target.Scheme, target.Host = "http", u.address
	r.URL = &target
	res, err := u.RoundTrip(r)
	if err != nil {
		return nil, &upstream.Error{Reason: rpc.UpstreamUnreachable, Err: err}
	}
	return res, nil
}

func (direct) Origin() upstream.Origin { return upstream.Origin{} }
func (u direct) Close() error          { u.CloseIdleConnections(); return nil }

// proxied is the gateway's own forwarding in front of a server.
func proxied(t testing.TB, h2c bool, service http.HandlerFunc) handler {
	t.Helper()
	server := httptest.NewUnstartedServer(service)
	u := direct{Transport: &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}}
	u.Protocols.SetHTTP1(!h2c)
	u.Protocols.SetUnencryptedHTTP2(h2c)
	if h2c {
		server.Config.Protocols = u.Protocols
	}
	server.Start()
	u.address = strings.TrimPrefix(server.URL, "http://")
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = u.Close() })
	h := proxy.New(proxy.Options{Name: "up", Upstream: u, Timeout: time.Minute, IdleTimeout: time.Minute, Refuse: refuse})
	return h.Serve
}

// Both directions of an exchange are reshaped while both are open.
func TestProxiedStreams(t *testing.T) {
	planes(t, func(t *testing.T, http2, h2c bool) {
		g := serve(t, setup{http2: http2, entry: forwarded(t), specs: []spec{{request: `.headers["x-n"] = .body.n | .body.n += 1`, response: `.headers["x-n"] = $request.body.n | .body.n *= 10`}},
			next: proxied(t, h2c, func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).EnableFullDuplex()
				w.Header().Set("Content-Type", "text/event-stream")
				w.Header().Set("Trailer", "X-End")
				in := bufio.NewReader(r.Body)
				for {
					line, err := in.ReadString('\n')
					if err != nil {
						break
					}
					_, _ = fmt.Fprintf(w, "id: %s\ndata: %s\n", r.Header.Get("X-N"), line)
					w.(http.Flusher).Flush()
				}
				w.Header().Set("X-End", "over")
			})})
		in, out := io.Pipe()
		r, err := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/v1/a", in)
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/x-ndjson")
		begun := make(chan struct{})
		go func() {
			_, _ = io.WriteString(out, "{\"n\":1}\n")
			close(begun)
		}()
		resp, err := g.Client().Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		<-begun
		require.Equal(t, "2", resp.Header.Get("X-N"))
		body := bufio.NewReader(resp.Body)
		for i := range 50 {
			want := fmt.Sprintf("id: 1\ndata: {\"n\":%d}\n\n", 10*(i+2))
			got := make([]byte, len(want))
			_, err := io.ReadFull(body, got)
			require.NoError(t, err)
			require.Equal(t, want, string(got))
			_, err = fmt.Fprintf(out, "{\"n\":%d}\n", i+2)
			require.NoError(t, err)
		}
		require.NoError(t, out.Close())
		rest := all(t, body)
		require.Equal(t, "id: 1\ndata: {\"n\":520}\n\n", rest)
		require.Equal(t, "over", resp.Trailer.Get("X-End"))
	})
}

func TestProxiedFaults(t *testing.T) {
	planes(t, func(t *testing.T, http2, h2c bool) {
		g := serve(t, setup{http2: http2, entry: forwarded(t), specs: []spec{{request: `.body.n += 1`, response: `.body.n += 1`}}, next: proxied(t, h2c, func(w http.ResponseWriter, r *http.Request) {
			data, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			w.Header().Set("Content-Type", "application/x-ndjson")
			_, _ = w.Write(data)
		})})
		// A wrong line of the request.
		a := g.do(t, "POST /v1/a\n"+ndjson+"\n\n{\"n\":1}\n{no\n")
		require.Equal(t, "400 INVALID_BODY", fmt.Sprint(a.StatusCode, " ", a.Header.Get("X-Dragoman-Error")), a.body)
		require.Equal(t, "INVALID_BODY", g.exchange(t).Reason)
		// One of the answer, behind a good one.
		g2 := serve(t, setup{http2: http2, entry: forwarded(t), specs: []spec{{response: `.body.n += 1`}}, next: proxied(t, h2c, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/x-ndjson")
			_, _ = io.WriteString(w, "{\"n\":1}\n{no\n{\"n\":3}\n")
		})})
		a = g2.do(t, "GET /v1/a")
		require.Equal(t, "{\"n\":2}\n", a.body)
		require.Error(t, a.err)
		require.Equal(t, "UPSTREAM_PROTOCOL", g2.exchange(t).Reason)
	})
}

// Trailers of a request stay behind a body that was taken in whole.
func TestProxiedTrailersOfRequests(t *testing.T) {
	g := serve(t, setup{entry: forwarded(t), specs: []spec{{request: `.body.n += 1`}}, next: proxied(t, false, func(w http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		_, _ = io.WriteString(w, string(data)+r.Trailer.Get("X-Sum"))
	})})
	r, err := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/v1/a", struct{ io.Reader }{strings.NewReader(`{"n":1}`)})
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	r.Trailer = http.Header{"X-Sum": {"7"}}
	require.Equal(t, `{"n":2}7`, g.send(t, r).body)
}

// An upgrade goes through both.
func TestProxiedUpgrades(t *testing.T) {
	g := serve(t, setup{entry: forwarded(t), specs: []spec{{request: `.headers["x-req"] = "1"`, response: `.headers["x-status"] = .status`}, {response: `.body.a = 1`}}, next: proxied(t, false, func(w http.ResponseWriter, r *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Got: " + r.Header.Get("X-Req") + "\r\n\r\n")
		_ = rw.Flush()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString(line)
		_ = rw.Flush()
	})})
	conn, err := net.Dial("tcp", g.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /v1/a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n")
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, 101, resp.StatusCode)
	require.Equal(t, "1 101", resp.Header.Get("X-Got")+" "+resp.Header.Get("X-Status"))
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "hello\n", line)
}
