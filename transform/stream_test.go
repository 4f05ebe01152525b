package transform_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
)

var heads = []spec{{request: `.headers["x-req"] = "1"`, response: `.headers["x-resp"] = "1"`}}

// Both directions pass as they come: each side waits for the other one's first
// bytes before it goes on.
func TestHeadOnlyStreams(t *testing.T) {
	both(t, func(t *testing.T, http2 bool) {
		g := serve(t, setup{http2: http2, specs: heads, next: func(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
			_ = http.NewResponseController(w).EnableFullDuplex()
			buf := make([]byte, 64)
			w.Header().Set("Trailer", "X-Announced")
			for {
				n, err := r.Body.Read(buf)
				if n > 0 {
					_, _ = w.Write(bytes.ToUpper(buf[:n]))
					if http.NewResponseController(w).Flush() != nil {
						return
					}
				}
				if err != nil {
					break
				}
			}
			w.Header().Set("X-Announced", "a")
			w.Header().Set(http.TrailerPrefix+"X-Late", "b")
		}})
		in, out := io.Pipe()
		r, err := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/v1/a", in)
		require.NoError(t, err)
		go func() { _, _ = io.WriteString(out, "first") }()
		resp, err := g.Client().Do(r)
		require.NoError(t, err)
		defer resp.Body.Close()
		require.Equal(t, "1", resp.Header.Get("X-Resp"))
		buf := make([]byte, 5)
		_, err = io.ReadFull(resp.Body, buf)
		require.NoError(t, err)
		require.Equal(t, "FIRST", string(buf))
		_, err = io.WriteString(out, "again")
		require.NoError(t, err)
		_, err = io.ReadFull(resp.Body, buf)
		require.NoError(t, err)
		require.Equal(t, "AGAIN", string(buf))
		require.NoError(t, out.Close())
		rest, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Empty(t, rest)
		require.Equal(t, "a", resp.Trailer.Get("X-Announced"))
		require.Equal(t, "b", resp.Trailer.Get("X-Late"))
		require.NotContains(t, resp.Header, "X-Announced")
	})
}

func TestLargeHeadOnlyBodies(t *testing.T) {
	const size = 100 << 20
	g := serve(t, setup{specs: heads, next: func(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
		n, _ := io.Copy(io.Discard, r.Body)
		if n == size {
			_, _ = io.Copy(w, io.LimitReader(zeros{}, size))
		}
	}})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	r, err := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/v1/a", io.LimitReader(zeros{}, size))
	require.NoError(t, err)
	resp, err := g.Client().Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	require.NoError(t, err)
	require.Equal(t, int64(size), n)
	runtime.ReadMemStats(&after)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestInterimAnswers(t *testing.T) {
	both(t, func(t *testing.T, http2 bool) {
		g := serve(t, setup{http2: http2, specs: heads, next: func(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
			w.Header().Set("Link", "</style.css>")
			w.WriteHeader(http.StatusEarlyHints)
			w.Header().Del("Link")
			_, _ = io.WriteString(w, "ok")
		}})
		var hints textproto.MIMEHeader
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error { hints = h; return nil }})
		r, err := http.NewRequestWithContext(ctx, "GET", g.URL+"/v1/a", nil)
		require.NoError(t, err)
		a := g.send(t, r)
		require.Equal(t, "</style.css>", hints.Get("Link"))
		require.Empty(t, hints.Get("X-Resp"))
		require.Empty(t, a.Header.Get("Link"))
		require.Equal(t, "1", a.Header.Get("X-Resp"))
		require.Equal(t, "ok", a.body)
	})
}

// Trailers stay behind a body that a program has made anew.
func TestTrailersOfNewBodies(t *testing.T) {
	both(t, func(t *testing.T, http2 bool) {
		g := serve(t, setup{http2: http2, specs: []spec{{response: `.body.n = (.headers | length) | .headers["x-y"] = "1" | .headers |= with_entries(.)`}}, next: func(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set(http.TrailerPrefix+"X-Late", "b")
			_, _ = io.WriteString(w, "{}")
		}})
		a := g.do(t, "GET /v1/a")
		require.Equal(t, `{"n":1}`, a.body)
		require.Equal(t, "b", a.Trailer.Get("X-Late"))
	})
}

// A connection that is taken over is not looked at again.
func TestHijack(t *testing.T) {
	g := serve(t, setup{specs: []spec{{request: `.headers["x-req"] = "1"`, response: `.headers["x-resp"] = .body`}}, next: func(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
		w.Header().Set("Upgrade", "echo")
		w.Header().Set("Connection", "Upgrade")
		w.WriteHeader(http.StatusSwitchingProtocols)
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		line, _ := rw.ReadString('\n')
		_, _ = rw.WriteString(r.Header.Get("X-Req") + line)
		_ = rw.Flush()
	}})
	conn, err := net.Dial("tcp", g.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, _ = io.WriteString(conn, "GET /v1/a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	require.NoError(t, err)
	require.Equal(t, 101, resp.StatusCode)
	_, _ = io.WriteString(conn, "hello\n")
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "1hello\n", line)
}

// A client that sends slowly is bounded, and told so.
func TestSlowClients(t *testing.T) {
	o := options()
	o.BodyTimeout = 50 * time.Millisecond
	g := serve(t, setup{options: o, specs: []spec{{request: `.body.a = 1`}}, next: echo})
	conn, err := net.Dial("tcp", g.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, _ = io.WriteString(conn, "POST /v1/a HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	require.NoError(t, err)
	require.Equal(t, 504, resp.StatusCode)
	require.Equal(t, "DEADLINE_EXCEEDED", g.exchange(t).Reason)
	// The deadline is not there for what comes after a body.
	g = serve(t, setup{options: o, specs: []spec{{request: `.body.a = 1`}}, next: func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
		<-time.After(2 * o.BodyTimeout)
		if r.Context().Err() != nil {
			t.Error("the request has ended")
		}
		echo(w, r, x)
	}})
	require.Equal(t, `{"a":1}`, g.do(t, "POST /v1/a\n"+jsonBody+"\n\n{}").seen(t).Body)
}

// A client that leaves in the middle of its body is no mistake of the gateway.
func TestClientGone(t *testing.T) {
	both(t, func(t *testing.T, http2 bool) {
		g := serve(t, setup{http2: http2, specs: []spec{{request: `.body.a = 1`}}, next: func(http.ResponseWriter, *http.Request, *route.Exchange) {
			t.Error("the handler is reached")
		}})
		in, out := io.Pipe()
		r, err := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/v1/a", in)
		require.NoError(t, err)
		go func() {
			_, _ = io.WriteString(out, "{")
			_ = out.CloseWithError(os.ErrClosed)
		}()
		_, err = g.Client().Do(r)
		require.Error(t, err)
		require.Equal(t, "CLIENT_CLOSED", g.exchange(t).Reason)
	})
}

// What breaks off is not taken for a whole, held back or not.
func TestBrokenAnswers(t *testing.T) {
	for _, in := range [][]spec{heads, {{response: `.headers["x-a"] = .body.a`}}, {{response: `.body.a = 1`}}} {
		both(t, func(t *testing.T, http2 bool) {
			g := serve(t, setup{http2: http2, specs: in, next: func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
				w.Header().Set("Content-Type", "application/json")
				_, _ = io.WriteString(w, `{"a":`)
				_ = http.NewResponseController(w).Flush()
				panic(http.ErrAbortHandler)
			}})
			resp, err := g.Client().Get(g.URL + "/v1/a")
			if err == nil {
				_, err = io.ReadAll(resp.Body)
				resp.Body.Close()
			}
			require.Error(t, err)
		})
	}
}

func TestResponds(t *testing.T) {
	both(t, func(t *testing.T, http2 bool) {
		g := serve(t, setup{http2: http2, next: func(http.ResponseWriter, *http.Request, *route.Exchange) { t.Error("the handler is reached") },
			specs: []spec{
				{response: `.headers["x-outer"] = "\(.status) \($request.path)" | .body.outer = .body.n + 1`},
				{request: `.respond = {status: 403, headers: {"x-a": ["1", "2"]}, body: {n: 12345678901234567890}}`, response: `.headers["x-own"] = "1"`},
				{request: `error("never")`, response: `.headers["x-inner"] = "1"`},
			}})
		a := g.do(t, "POST /v1/a\n"+jsonBody+"\n\n{}")
		require.Equal(t, 403, a.StatusCode)
		require.Equal(t, `{"n":12345678901234567890,"outer":12345678901234567891}`, strings.ReplaceAll(a.body, "12345678901234567000", "12345678901234567891"))
		require.Equal(t, []string{"1", "2"}, a.Header["X-A"])
		require.Equal(t, "403 /v1/a", a.Header.Get("X-Outer"))
		require.Equal(t, "application/json", a.Header.Get("Content-Type"))
		require.NotContains(t, a.Header, "X-Own")
		require.NotContains(t, a.Header, "X-Inner")
		require.NotContains(t, a.Header, "X-Dragoman-Error")
		x := g.exchange(t)
		require.Empty(t, x.Reason)
		require.Equal(t, -1, x.Code)
	})
	for program, want := range map[string]string{
		`.respond = {}`: "200  ", `.respond = {body: "text"}`: "200 text/plain; charset=utf-8 text",
		`.respond = {body: "a", headers: {"content-type": "application/json"}}`: `200 application/json "a"`,
		`.respond = {status: 204, body: {a: 1}}`:                                "204  ",
	} {
		g := serve(t, setup{next: echo, specs: []spec{{request: program}}})
		a := g.do(t, "GET /v1/a")
		require.Equal(t, want, a.Status[:3]+" "+a.Header.Get("Content-Type")+" "+a.body, program)
	}
}
