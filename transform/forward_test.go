package transform_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/http/httputil"
	"net/textproto"
	"net/url"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform"
)

// forwarded is an entry that forwards bodies.
func forwarded(t testing.TB) *route.Entry {
	e := entry(t)
	e.Forward = true
	return e
}

// to forwards to a server over a socket.
func to(t testing.TB, h2c bool, upstream http.HandlerFunc) handler {
	t.Helper()
	server := httptest.NewUnstartedServer(upstream)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	transport := &http.Transport{DisableCompression: true, Protocols: new(http.Protocols)}
	if h2c {
		server.Config.Protocols = new(http.Protocols)
		server.Config.Protocols.SetUnencryptedHTTP2(true)
		transport.Protocols.SetUnencryptedHTTP2(true)
	} else {
		transport.Protocols.SetHTTP1(true)
	}
	server.Start()
	t.Cleanup(server.Close)
	t.Cleanup(transport.CloseIdleConnections)
	u, err := url.Parse(server.URL)
	require.NoError(t, err)
	return func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		proxy := &httputil.ReverseProxy{
			Transport: transport, FlushInterval: -1, ErrorLog: log.New(io.Discard, "", 0),
			Rewrite: func(p *httputil.ProxyRequest) { p.SetURL(u) },
			ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
				refuse(w, r, x, &rpc.Error{Reason: rpc.UpstreamUnreachable, Message: "no answer", Cause: err})
			},
		}
		proxy.ServeHTTP(w, r)
	}
}

// planes runs a test over each protocol on either side.
func planes(t *testing.T, test func(t *testing.T, http2, h2c bool)) {
	for _, http2 := range []bool{false, true} {
		for _, h2c := range []bool{false, true} {
			t.Run(fmt.Sprintf("http2=%v,h2c=%v", http2, h2c), func(t *testing.T) { test(t, http2, h2c) })
		}
	}
}

// coded is text in a coding.
func coded(t testing.TB, name, text string) string {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	switch name {
	case "":
		return text
	case "gzip":
		w = gzip.NewWriter(&out)
	case "zstd":
		w, _ = zstd.NewWriter(&out)
	}
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.String()
}

// plain reads what is in a coding.
func plain(t testing.TB, name string, r io.Reader) io.Reader {
	t.Helper()
	switch name {
	case "gzip":
		z, err := gzip.NewReader(r)
		require.NoError(t, err)
		return z
	case "zstd":
		z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
		require.NoError(t, err)
		t.Cleanup(z.Close)
		return z
	}
	require.Empty(t, name)
	return r
}

func all(t testing.TB, r io.Reader) string {
	t.Helper()
	data, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(data)
}

const (
	eventStream = "Content-Type: text/event-stream"
	ndjson      = "Content-Type: application/x-ndjson"
)

// Each message of an answer is there while the upstream holds the next one back, with
// what came before it and in its coding.
func TestForwardedStreams(t *testing.T) {
	count := spec{response: `.headers["x-first"] = .body.n | .body.n += 1`}
	for _, form := range []struct {
		name, typed string
		in, out     [3]string
		tail        string
	}{
		{name: "events", typed: "text/event-stream; charset=utf-8",
			in:  [3]string{": hi\n\nid: 1\ndata: {\"n\":\ndata: 1}\n\n", "data:{\"n\":2}\r\n\r\n", "event: x\n\ndata: {\"n\":3}\n\n"},
			out: [3]string{": hi\n\nid: 1\ndata: {\"n\":2}\n\n", "data: {\"n\":3}\n\n", "event: x\n\ndata: {\"n\":4}\n\n"}},
		{name: "lines", typed: "application/x-ndjson",
			in:  [3]string{"\n{\"n\":1}\n", "{\"n\":2}\r\n", " {\"n\" : 3}"},
			out: [3]string{"\n{\"n\":2}\n", "{\"n\":3}\r\n", "{\"n\":4}"}},
	} {
		for _, name := range []string{"", "gzip", "zstd"} {
			t.Run(form.name+name, func(t *testing.T) {
				planes(t, func(t *testing.T, http2, h2c bool) {
					next := make(chan struct{})
					g := serve(t, setup{http2: http2, entry: forwarded(t), specs: []spec{count}, next: to(t, h2c, func(w http.ResponseWriter, r *http.Request) {
						w.Header().Set("Content-Type", form.typed)
						w.Header().Set("ETag", `"a"`)
						w.Header().Set("Accept-Ranges", "bytes")
						w.Header().Set("Trailer", "X-End")
						var out io.Writer = w
						flush := func() error { return nil }
						switch name {
						case "gzip":
							z := gzip.NewWriter(w)
							out, flush = z, z.Flush
							defer z.Close()
						case "zstd":
							z, _ := zstd.NewWriter(w)
							out, flush = z, z.Flush
							defer z.Close()
						}
						if name != "" {
							w.Header().Set("Content-Encoding", name)
						}
						for _, in := range form.in {
							_, _ = io.WriteString(out, in)
							_ = flush()
							w.(http.Flusher).Flush()
							<-next
						}
						w.Header().Set("X-End", "over")
					})})
					r, err := http.NewRequestWithContext(t.Context(), "GET", g.URL+"/v1/a", nil)
					require.NoError(t, err)
					if name != "" {
						r.Header.Set("Accept-Encoding", name)
					}
					resp, err := g.Client().Do(r)
					require.NoError(t, err)
					defer resp.Body.Close()
					require.Equal(t, "1", resp.Header.Get("X-First"))
					require.Equal(t, name, resp.Header.Get("Content-Encoding"))
					require.Equal(t, `W/"a"`, resp.Header.Get("ETag"))
					require.NotContains(t, resp.Header, "Accept-Ranges")
					body := plain(t, name, resp.Body)
					for i, want := range form.out {
						if i == 2 && form.name == "lines" {
							// It has no end yet.
							next <- struct{}{}
						}
						got := make([]byte, len(want))
						_, err := io.ReadFull(body, got)
						require.NoError(t, err)
						require.Equal(t, want, string(got))
						if i < 2 || form.name != "lines" {
							next <- struct{}{}
						}
					}
					require.Empty(t, all(t, body))
					_, _ = io.Copy(io.Discard, resp.Body)
					require.Equal(t, "over", resp.Trailer.Get("X-End"))
				})
			})
		}
	}
}

// Lines of a request go on while the client holds the next one back, and the head
// waits for the first.
func TestForwardedLines(t *testing.T) {
	for _, name := range []string{"", "gzip", "zstd"} {
		planes(t, func(t *testing.T, http2, h2c bool) {
			o, again := options(), handler(nil)
			o.Rematch = func(*http.Request, *route.Exchange) (route.Handler, *rpc.Error) { return again, nil }
			g := serve(t, setup{http2: http2, entry: forwarded(t), options: o, specs: []spec{
				{request: `.headers["x-first"] = .body.n | .path = "/v1/\(.body.n)" | .body.n += 1`, response: `.headers["x-sent"] = $request.body.n`},
			}, next: func(http.ResponseWriter, *http.Request, *route.Exchange) { t.Error("the path is another one") }})
			again = to(t, h2c, func(w http.ResponseWriter, r *http.Request) {
				_ = http.NewResponseController(w).EnableFullDuplex()
				if name != r.Header.Get("Content-Encoding") || r.ContentLength != -1 || r.URL.Path != "/v1/1" || r.Header.Get("X-First") != "1" || r.Header.Get("Content-Digest") != "" {
					w.WriteHeader(599)
					return
				}
				body := bufio.NewReader(plain(t, name, r.Body))
				for {
					line, err := body.ReadString('\n')
					_, _ = io.WriteString(w, line)
					w.(http.Flusher).Flush()
					if err != nil {
						return
					}
				}
			})
			in, out := io.Pipe()
			r, err := http.NewRequestWithContext(t.Context(), "POST", g.URL+"/v1/a", in)
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/jsonl")
			r.Header.Set("Content-Digest", "sha-256=:x:")
			var to io.Writer = out
			flush, end := func() error { return nil }, out.Close
			switch name {
			case "gzip":
				z := gzip.NewWriter(out)
				to, flush, end = z, z.Flush, func() error { return joined(z.Close(), out.Close()) }
			case "zstd":
				z, _ := zstd.NewWriter(out)
				to, flush, end = z, z.Flush, func() error { return joined(z.Close(), out.Close()) }
			}
			if name != "" {
				r.Header.Set("Content-Encoding", name)
			}
			write := func(text string) {
				_, _ = io.WriteString(to, text)
				_ = flush()
			}
			begun := make(chan struct{})
			go func() {
				write("\n{\"n\":1}\n")
				close(begun)
			}()
			resp, err := g.Client().Do(r)
			require.NoError(t, err)
			defer resp.Body.Close()
			require.Equal(t, 200, resp.StatusCode)
			require.Equal(t, "2", resp.Header.Get("X-Sent"))
			<-begun
			body := bufio.NewReader(resp.Body)
			for _, step := range []struct{ send, want string }{{"", "\n"}, {"", "{\"n\":2}\n"}, {"{\"n\":2}\r\n{\"n\"", "{\"n\":3}\r\n"}, {":3}\n", "{\"n\":4}\n"}} {
				if step.send != "" {
					write(step.send)
				}
				line, err := body.ReadString('\n')
				require.NoError(t, err)
				require.Equal(t, step.want, line)
			}
			go func() {
				write(`{"n":4}`)
				_ = end()
			}()
			require.Equal(t, `{"n":5}`, all(t, body))
			require.Positive(t, g.exchange(t).RequestBytes)
		})
	}
}

func joined(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// What only the first message is looked at for passes as it is, coded or not.
func TestForwardedLinesAsTheyCame(t *testing.T) {
	const text = "{\"n\" : 1}\n\nno JSON\n{\"n\":2}"
	for _, name := range []string{"", "gzip", "zstd"} {
		body := coded(t, name, text)
		g := serve(t, setup{entry: forwarded(t), specs: []spec{{request: `.headers["x-n"] = .body.n`, response: `.headers["x-n"] = .body.n`}},
			next: to(t, false, func(w http.ResponseWriter, r *http.Request) {
				w.Header()["Content-Encoding"] = r.Header["Content-Encoding"]
				w.Header().Set("Content-Type", "application/x-ndjson")
				w.Header().Set("X-Got", r.Header.Get("X-N")+" "+fmt.Sprint(r.ContentLength))
				w.Header().Set("Content-Digest", "sha-256=:x:")
				w.Header().Set("Content-Length", fmt.Sprint(r.ContentLength))
				_, _ = io.Copy(w, r.Body)
			})})
		a := g.do(t, "POST /v1/a\nAccept-Encoding: gzip, zstd\n"+ndjson+"\nContent-Encoding: "+name+"\n\n"+body)
		require.Equal(t, 200, a.StatusCode, a.body)
		require.Equal(t, body, a.body)
		require.Equal(t, name, a.Header.Get("Content-Encoding"))
		require.Equal(t, "1", a.Header.Get("X-N"))
		require.Equal(t, fmt.Sprint("1 ", len(body)), a.Header.Get("X-Got"))
		require.Equal(t, "sha-256=:x:", a.Header.Get("Content-Digest"))
		require.Equal(t, fmt.Sprint(len(body)), a.Header.Get("Content-Length"))
		require.Equal(t, int64(len(body)), g.exchange(t).RequestBytes)
	}
}

// Whole bodies go on in the coding that they came in, and untouched ones to the byte.
func TestForwardedCodings(t *testing.T) {
	for _, name := range []string{"", "gzip", "zstd"} {
		next := to(t, false, func(w http.ResponseWriter, r *http.Request) {
			w.Header()["Content-Encoding"] = r.Header["Content-Encoding"]
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Digest", r.Header.Get("Content-Digest"))
			w.Header().Set("Content-Digest", "sha-256=:y:")
			w.Header().Set("Etag", `"y"`)
			w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
			_, _ = io.Copy(w, r.Body)
		})
		body := coded(t, name, `{"n": 1}`)
		ask := "POST /v1/a\nAccept-Encoding: gzip, zstd\nContent-Digest: sha-256=:x:\n" + jsonBody + "\nContent-Encoding: " + name + "\n\n" + body
		a := serve(t, setup{entry: forwarded(t), specs: []spec{{request: `.headers["x-n"] = .body.n`, response: `.headers["x-n"] = .body.n`}}, next: next}).do(t, ask)
		require.Equal(t, 200, a.StatusCode, a.body)
		require.Equal(t, body, a.body)
		require.Equal(t, "1", a.Header.Get("X-N"))
		require.Equal(t, fmt.Sprint(len(body)), a.Header.Get("X-Length"))
		require.Equal(t, "sha-256=:x:", a.Header.Get("X-Digest"))
		require.Equal(t, "sha-256=:y:", a.Header.Get("Content-Digest"))
		require.Equal(t, `"y"`, a.Header.Get("Etag"))

		a = serve(t, setup{entry: forwarded(t), specs: []spec{{request: `.body.a = .body.n`, response: `.body.b = .body.a`}}, next: next}).do(t, ask)
		require.Equal(t, `{"a":1,"b":1,"n":1}`, all(t, plain(t, a.Header.Get("Content-Encoding"), strings.NewReader(a.body))))
		require.Equal(t, name, a.Header.Get("Content-Encoding"))
		require.Equal(t, fmt.Sprint(len(a.body)), a.Header.Get("Content-Length"))
		require.Empty(t, a.Header.Get("X-Digest"))
		require.NotContains(t, a.Header, "Content-Digest")
		require.Equal(t, `W/"y"`, a.Header.Get("Etag"))

		// A program may want it without.
		a = serve(t, setup{entry: forwarded(t), specs: []spec{{request: `.headers["content-encoding"] = null | .headers["x-n"] = .body.n`, response: `.headers["x-n"] = .body.n`}}, next: next}).do(t, ask)
		require.Equal(t, `{"n": 1}`, a.body)
		require.NotContains(t, a.Header, "Content-Encoding")
	}
}

// A form is a form, whatever the route says of transcoded ones.
func TestForwardedForms(t *testing.T) {
	o := options()
	o.FormBodies = false
	g := serve(t, setup{entry: forwarded(t), options: o, specs: []spec{{request: `.body.b = .body.a`}}, next: to(t, false, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})})
	require.Equal(t, "a=1&b=1", g.do(t, "POST /v1/a\nContent-Type: application/x-www-form-urlencoded\n\na=1").body)
}

// The upstream is asked for what programs can look at.
func TestForwardedAsks(t *testing.T) {
	for _, c := range []struct{ program, accept, want string }{
		{`.body.a = 1`, "gzip, br;q=0.9, zstd;q=0.5", "gzip, zstd;q=0.5"},
		{`.body.a = 1`, "br", "identity"},
		{`.body.a = 1`, "br, *;q=0.5", "gzip;q=0.5, zstd;q=0.5"},
		{`.body.a = 1`, "gzip, *", "gzip, zstd"},
		{`.body.a = 1`, "identity;q=0.5, *;q=0", "identity;q=0.5, *;q=0"},
		{`.body.a = 1`, "GZip", "GZip"},
		{`.body.a = 1`, "", ""},
		{`.headers["x-a"] = "1"`, "br, *", "br, *"},
	} {
		g := serve(t, setup{entry: forwarded(t), specs: []spec{{response: c.program}}, next: to(t, false, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("X-Accept", r.Header.Get("Accept-Encoding"))
			w.Header().Set("X-Range", r.Header.Get("Range")+r.Header.Get("If-Range"))
			_, _ = io.WriteString(w, "{}")
		})})
		request := "GET /v1/a\nRange: bytes=0-1\nIf-Range: \"a\"\n"
		if c.accept != "" {
			request += "Accept-Encoding: " + c.accept
		}
		a := g.do(t, request)
		require.Equal(t, c.want, a.Header.Get("X-Accept"), c.accept)
		require.Equal(t, c.program == `.body.a = 1`, a.Header.Get("X-Range") == "")
	}
}

// A part of a body is no body for programs.
func TestForwardedParts(t *testing.T) {
	for _, c := range []struct {
		spec   spec
		status int
	}{
		{spec{response: `.headers["x-a"] = "1"`}, 206},
		{spec{response: `.headers["x-a"] = .body.a`}, 502}, {spec{response: `{body: {a: 1}}`}, 502},
		{spec{response: `{body: {a: 1}}`, skip: true}, 206}, {spec{response: `.body.a = 1`, when: `false`}, 206},
	} {
		g := serve(t, setup{entry: forwarded(t), specs: []spec{c.spec}, next: to(t, false, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Range", "bytes 0-3/10")
			w.WriteHeader(206)
			_, _ = io.WriteString(w, `{"a"`)
		})})
		a := g.do(t, "GET /v1/a")
		require.Equal(t, c.status, a.StatusCode, c.spec)
		if c.status == 206 {
			require.Equal(t, `{"a"`, a.body)
		} else {
			require.Equal(t, "UPSTREAM_PROTOCOL", a.Header.Get("X-Dragoman-Error"))
		}
	}
}

// HEAD stays HEAD, and programs over bodies are left out.
func TestForwardedHead(t *testing.T) {
	g := serve(t, setup{entry: forwarded(t), specs: []spec{{response: `.headers["x-a"] = "1"`}, {response: `.body.a = 1 | .headers["x-b"] = "1"`}}, next: to(t, false, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Method", r.Method)
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", "10")
		w.Header().Set("Etag", `"a"`)
		if r.Header.Get("If-None-Match") != "" {
			w.WriteHeader(304)
		}
	})})
	a := g.do(t, "HEAD /v1/a")
	require.Equal(t, "HEAD", a.Header.Get("X-Method"))
	require.Equal(t, "1", a.Header.Get("X-A"))
	require.NotContains(t, a.Header, "X-B")
	require.NotContains(t, a.Header, "Content-Length")
	require.Equal(t, `W/"a"`, a.Header.Get("Etag"))
	a = g.do(t, "GET /v1/a\nIf-None-Match: W/\"a\"")
	require.Equal(t, 304, a.StatusCode)
	require.Equal(t, `W/"a"`, a.Header.Get("Etag"))
}

// What is wrong with the first message is told; later the answer is cut off behind
// what was right.
func TestForwardedFaults(t *testing.T) {
	large := `{"n":"` + strings.Repeat("x", limit) + `"}`
	for _, c := range []struct{ name, typed, good, bad, reason string }{
		{"events", eventStream, "data: {\"n\":1}\n\n", "data: {no\n\n", "UPSTREAM_PROTOCOL"},
		{"large events", eventStream, "data: {\"n\":1}\n\n", "data: " + large + "\n\n", "UPSTREAM_MESSAGE_TOO_LARGE"},
		{"an event without end", eventStream, "data: {\"n\":1}\n\n", "data: {\"n\":", "UPSTREAM_PROTOCOL"},
		{"lines", ndjson, "{\"n\":1}\n", "{no\n", "UPSTREAM_PROTOCOL"},
		{"large lines", ndjson, "{\"n\":1}\n", large + "\n", "UPSTREAM_MESSAGE_TOO_LARGE"},
		{"programs", ndjson, "{\"n\":1}\n", "{\"n\":{}}\n", "PROGRAM_FAILED"},
	} {
		t.Run(c.name, func(t *testing.T) {
			planes(t, func(t *testing.T, http2, h2c bool) {
				var parts []string
				g := serve(t, setup{http2: http2, entry: forwarded(t), specs: []spec{{response: `.body.n += 1`}}, next: to(t, h2c, func(w http.ResponseWriter, r *http.Request) {
					typed := strings.TrimPrefix(c.typed, "Content-Type: ")
					w.Header().Set("Content-Type", typed)
					for _, part := range parts {
						_, _ = io.WriteString(w, part)
						w.(http.Flusher).Flush()
					}
				})})
				parts = []string{c.bad}
				a := g.do(t, "GET /v1/a")
				require.Equal(t, c.reason, a.Header.Get("X-Dragoman-Error"), a.body)
				require.NoError(t, a.err)
				require.Equal(t, c.reason, g.exchange(t).Reason)
				for _, parts = range [][]string{{c.good, c.bad}, {c.good + c.bad}} {
					a = g.do(t, "GET /v1/a")
					require.Equal(t, 200, a.StatusCode)
					require.Error(t, a.err)
					require.Equal(t, strings.Replace(c.good, "1", "2", 1), a.body)
					x := g.exchange(t)
					require.Equal(t, c.reason, x.Reason)
					require.Error(t, x.Error)
				}
			})
		})
	}
}

// An upstream that breaks off is not taken for one that has ended.
func TestForwardedCutStreams(t *testing.T) {
	planes(t, func(t *testing.T, http2, h2c bool) {
		for _, typed := range []string{"text/event-stream", "application/x-ndjson"} {
			g := serve(t, setup{http2: http2, entry: forwarded(t), specs: []spec{{response: `.body.n += 1`}}, next: to(t, h2c, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", typed)
				if typed == "text/event-stream" {
					_, _ = io.WriteString(w, "data: {\"n\":1}\n\ndata: {\"n\":2}\n")
				} else {
					_, _ = io.WriteString(w, "{\"n\":1}\n{\"n\":2}")
				}
				w.(http.Flusher).Flush()
				panic(http.ErrAbortHandler)
			})})
			a := g.do(t, "GET /v1/a")
			require.Equal(t, 200, a.StatusCode)
			require.Error(t, a.err)
			require.NotContains(t, a.body, "3", "half a message is none")
			require.NotContains(t, a.body, `:2}`+"\n"+`data`, "nor is it passed on unchanged")
		}
	})
}

// Messages that cannot be read are left alone where that is asked for.
func TestForwardedSkips(t *testing.T) {
	g := serve(t, setup{entry: forwarded(t), specs: []spec{{request: `.body.n += 1`, response: `.body.n += 1`, skip: true}}, next: to(t, false, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		body, _ := io.ReadAll(r.Body)
		for line := range strings.Lines(string(body)) {
			_, _ = io.WriteString(w, "data: "+line+"\n")
		}
	})})
	a := g.do(t, "POST /v1/a\n"+ndjson+"\n\n[DONE\n{\"n\":1}\n[DONE\n")
	require.Equal(t, "data: [DONE\n\ndata: {\"n\":3}\n\ndata: [DONE\n\n", a.body)
}

// A wrong line of a request is told to the client, before and after the head has
// gone to the upstream.
func TestForwardedLineFaults(t *testing.T) {
	planes(t, func(t *testing.T, http2, h2c bool) {
		ended := make(chan error, 10)
		g := serve(t, setup{http2: http2, entry: forwarded(t), specs: []spec{{error: `.headers["x-shaped"] = .error.reason`}, {request: `.body.n += 1`}}, next: to(t, h2c, func(w http.ResponseWriter, r *http.Request) {
			_, err := io.ReadAll(r.Body)
			ended <- err
		})})
		for body, want := range map[string]string{
			"{no\n": "400 INVALID_BODY", "{\"n\":1}\n{no\n": "400 INVALID_BODY", "{\"n\":1}\n{\"n\":{}}": "500 PROGRAM_FAILED",
			"{\"n\":1}\n\"" + strings.Repeat("x", limit) + "\"\n": "413 REQUEST_TOO_LARGE",
		} {
			a := g.do(t, "POST /v1/a\n"+ndjson+"\n\n"+body)
			require.Equal(t, want, fmt.Sprint(a.StatusCode, " ", a.Header.Get("X-Shaped")), a.body)
			if strings.HasPrefix(body, "{\"n\"") {
				require.Error(t, <-ended, "the upstream is not told that this is all")
			}
		}
	})
}

// A stream without messages has a head all the same.
func TestForwardedEmptyStreams(t *testing.T) {
	for body, typed := range map[string]string{"": "text/event-stream", ": nothing\n\n": "text/event-stream", "\n": "application/x-ndjson"} {
		for _, response := range []string{`.headers["x-n"] = (.body | type) | .body = 1`, `.headers["x-n"] = (.body | type)`} {
			g := serve(t, setup{entry: forwarded(t), specs: []spec{{request: `.headers["x-n"] = (.body | type) | .body.n = 1`, response: response}}, next: to(t, false, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", typed)
				w.Header().Set("X-Got", r.Header.Get("X-N")+all(t, r.Body))
				_, _ = io.WriteString(w, body)
			})})
			a := g.do(t, "POST /v1/a\n"+ndjson+"\n\n \n")
			require.Equal(t, "null", a.Header.Get("X-N"))
			require.Equal(t, "null", a.Header.Get("X-Got"))
			require.Equal(t, body, a.body)
		}
	}
}

// Texts may have line breaks where the form has a place for them.
func TestForwardedTexts(t *testing.T) {
	for typed, want := range map[string]string{"text/event-stream": "data: a\ndata: event: b\ndata: \ndata: c\n\n", "application/x-ndjson": "PROGRAM_FAILED"} {
		g := serve(t, setup{entry: forwarded(t), specs: []spec{{response: `.body = .body + "\nevent: b\r\rc"`, as: "TEXT"}}, next: to(t, false, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", typed)
			if typed == "text/event-stream" {
				_, _ = io.WriteString(w, "data: a\n\n")
			} else {
				_, _ = io.WriteString(w, "a\n")
			}
		})})
		a := g.do(t, "GET /v1/a")
		require.Equal(t, want, a.Header.Get("X-Dragoman-Error")+map[bool]string{true: a.body}[a.StatusCode == 200])
	}
}

// What cannot be inflated is no messages.
func TestForwardedUnknownCodings(t *testing.T) {
	for _, c := range []struct {
		coding string
		skip   bool
		status int
	}{{"br", false, 502}, {"br", true, 200}, {"gzip", false, 502}} {
		g := serve(t, setup{entry: forwarded(t), specs: []spec{{response: `{body: 1}`, skip: c.skip}, {response: `.body.n += 1`, skip: c.skip}}, next: to(t, false, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.Header().Set("Content-Encoding", c.coding)
			_, _ = io.WriteString(w, "whatever it may be")
		})})
		a := g.do(t, "GET /v1/a")
		require.Equal(t, c.status, a.StatusCode)
		if c.skip {
			require.Equal(t, "whatever it may be", a.body)
			require.Equal(t, "br", a.Header.Get("Content-Encoding"))
		}
	}
}

// Programs before the choice of the route see the messages of what is forwarded.
func TestForwardedBehindAnEarlyChain(t *testing.T) {
	hold := make(chan struct{})
	c := chainOf(t, spec{response: `.body.n += 1`})
	next := to(t, false, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"n\":1}\n\n")
		w.(http.Flusher).Flush()
		<-hold
	})
	h := c.Wrap(nil, next)
	g := serve(t, setup{entry: forwarded(t), next: h.Serve})
	resp, err := g.Client().Get(g.URL + "/v1/a")
	require.NoError(t, err)
	defer resp.Body.Close()
	want := "data: {\"n\":2}\n\n"
	got := make([]byte, len(want))
	_, err = io.ReadFull(resp.Body, got)
	require.NoError(t, err)
	require.Equal(t, want, string(got))
	close(hold)
	require.Empty(t, all(t, resp.Body))
}

// Interim answers and trailers pass beside a body that is reshaped.
func TestForwardedInterimAnswers(t *testing.T) {
	planes(t, func(t *testing.T, http2, h2c bool) {
		g := serve(t, setup{http2: http2, entry: forwarded(t), specs: []spec{{response: `.body.n += 1`}}, next: to(t, h2c, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Link", "</a>")
			w.WriteHeader(103)
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set(http.TrailerPrefix+"X-Late", "b")
			_, _ = io.WriteString(w, `{"n":1}`)
		})})
		var hints textproto.MIMEHeader
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got1xxResponse: func(_ int, h textproto.MIMEHeader) error { hints = h; return nil }})
		r, err := http.NewRequestWithContext(ctx, "GET", g.URL+"/v1/a", nil)
		require.NoError(t, err)
		a := g.send(t, r)
		require.Equal(t, "</a>", hints.Get("Link"))
		require.Equal(t, `{"n":2}`, a.body)
		require.Equal(t, "b", a.Trailer.Get("X-Late"))
	})
}

// Upgrades pass with programs over their head alone.
func TestForwardedUpgrades(t *testing.T) {
	for program, want := range map[string]int{
		`.headers["x-a"] = "1" | .headers["x-status"] = .status`: 101, `.body.a = 1`: 101, `.status = 403`: 403, `.status = "x"`: 500,
	} {
		g := serve(t, setup{entry: forwarded(t), specs: []spec{{response: program}}, next: func(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
			w.Header().Set("Upgrade", "echo")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(http.StatusSwitchingProtocols)
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				return
			}
			defer conn.Close()
			line, _ := rw.ReadString('\n')
			_, _ = rw.WriteString(line)
			_ = rw.Flush()
		}})
		conn, err := net.Dial("tcp", g.Listener.Addr().String())
		require.NoError(t, err)
		defer conn.Close()
		_, _ = io.WriteString(conn, "GET /v1/a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello\n")
		in := bufio.NewReader(conn)
		resp, err := http.ReadResponse(in, nil)
		require.NoError(t, err)
		require.Equal(t, want, resp.StatusCode, program)
		if want != 101 {
			require.NotContains(t, resp.Header, "Upgrade")
			rest, _ := io.ReadAll(in)
			require.False(t, strings.HasSuffix(string(rest), "hello\n"), "the connection is not the handler's")
			continue
		}
		if strings.Contains(program, "x-a") {
			require.Equal(t, "101", resp.Header.Get("X-Status"))
		}
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "hello\n", line)
	}
}

// Who reads on after the handler has returned, as transports do, gets what is its own,
// and no more programs run.
func TestForwardedBodiesOutliveTheirHandler(t *testing.T) {
	bodies := make(chan io.Reader, 2)
	g := serve(t, setup{entry: forwarded(t), specs: []spec{{request: `.body.n += 1`}}, next: func(_ http.ResponseWriter, r *http.Request, _ *route.Exchange) {
		bodies <- r.Body
	}})
	g.do(t, "POST /v1/a\n"+jsonBody+"\n\n{\"n\":1}")
	first := <-bodies
	for range 5 {
		g.do(t, "POST /v1/a\n"+jsonBody+"\n\n{\"n\":7}")
		<-bodies
	}
	require.Equal(t, `{"n":2}`, all(t, first))

	g.do(t, "POST /v1/a\n"+ndjson+"\n\n{\"n\":1}\n{\"n\":2}\n")
	_ = g.exchange(t)
	got, err := io.ReadAll(<-bodies)
	require.Error(t, err)
	require.Equal(t, "{\"n\":2}\n", string(got))
}

func chainOf(t testing.TB, in ...spec) *transform.Chain {
	t.Helper()
	c, err := transform.New(specs(t, in), options())
	require.NoError(t, err)
	return c
}
