package compress_test

import (
	"bytes"
	"compress/gzip"

	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"

	"github.com/dragoman-gateway/dragoman/filter"
	"github.com/dragoman-gateway/dragoman/filter/compress"
	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/route"
)

type handler func(w http.ResponseWriter, r *http.Request, x *route.Exchange)

func (h handler) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) { h(w, r, x) }

// gateway runs the filter around a handler.
type gateway struct{ *httptest.Server }

func serve(t testing.TB, cfg *configpb.Compression, http2 bool, next handler) *gateway {
	t.Helper()
	if cfg == nil {
		cfg = &configpb.Compression{}
	}
	f, err := compress.New(cfg, filter.Env{Route: "r"})
	require.NoError(t, err)
	require.Equal(t, "compress", f.Name())
	wrapped := f.Wrap(next)
	g := &gateway{httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wrapped.Serve(w, r, &route.Exchange{})
	}))}
	if http2 {
		g.EnableHTTP2 = true
		g.StartTLS()
	} else {
		g.Start()
	}
	g.Client().Transport.(*http.Transport).DisableCompression = true
	t.Cleanup(g.Close)
	return g
}

// answer is a response that has been read to its end. body is as it travelled,
// err how it ended.
type answer struct {
	*http.Response
	body []byte
	err  error
}

// do sends a request: "GET", and header lines.
func (g *gateway) do(t testing.TB, method string, headers ...string) answer {
	t.Helper()
	resp := g.start(t, method, headers...)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	return answer{resp, body, err}
}

func (g *gateway) start(t testing.TB, method string, headers ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, g.URL, nil)
	require.NoError(t, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	resp, err := g.Client().Do(r)
	require.NoError(t, err)
	return resp
}

// decoder inflates what travelled.
func decoder(t testing.TB, encoding string, body io.Reader) io.Reader {
	t.Helper()
	switch encoding {
	case "gzip":
		r, err := gzip.NewReader(body)
		require.NoError(t, err)
		return r
	case "zstd":
		r, err := zstd.NewReader(body, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(128<<10))
		require.NoError(t, err)
		return r
	}
	return body
}

func (a answer) text(t testing.TB) string {
	t.Helper()
	b, err := io.ReadAll(decoder(t, a.Header.Get("Content-Encoding"), bytes.NewReader(a.body)))
	require.NoError(t, err)
	return string(b)
}

// books is JSON of at least n bytes.
func books(n int) []byte {
	b := []byte{'['}
	for i := 0; len(b) < n; i++ {
		if i > 0 {
			b = append(b, ',')
		}
		b = fmt.Appendf(b, `{"name":"shelves/%d/books/%d","author":"Author Number %x","title":"The %x of %d","createTime":"2026-11-%02dT10:%02d:00Z","pageCount":%d}`,
			i%7, i*7919%1000, i*2654435761%100000, i*40503, i, i%28+1, i%60, i*31%900)
	}
	return append(b, ']')
}

// unary answers as rest does.
func unary(body []byte, headers ...string) handler {
	return func(w http.ResponseWriter, r *http.Request, _ *route.Exchange) {
		w.Header().Set("Content-Type", "application/json")
		for _, h := range headers {
			name, value, _ := strings.Cut(h, ": ")
			w.Header().Set(name, value)
		}
		if len(body) > 2000 || r.Method == http.MethodHead {
			w.Header().Set("Content-Length", fmt.Sprint(len(body)))
		}
		w.WriteHeader(http.StatusOK)
		if r.Method != http.MethodHead {
			_, _ = w.Write(body)
		}
	}
}

func TestAccept(t *testing.T) {
	both, gz := &configpb.Compression{}, &configpb.Compression{Encodings: []string{"gzip"}}
	first := &configpb.Compression{Encodings: []string{"gzip", "zstd"}}
	for _, c := range []struct {
		cfg    *configpb.Compression
		accept string
		want   string
	}{
		{both, "gzip, deflate, br, zstd", "zstd"},
		{first, "gzip, deflate, br, zstd", "gzip"},
		{gz, "gzip, deflate, br, zstd", "gzip"},
		{gz, "zstd", ""},
		{both, "gzip", "gzip"},
		{both, "X-GZIP", "gzip"},
		{both, "gzip;q=1.0, zstd;q=0.9", "gzip"},
		{both, "gzip;q=0.001", "gzip"},
		{both, "gzip;q=0, zstd ; Q=0.000", ""},
		{both, "br", ""},
		{both, "*", "zstd"},
		{both, "zstd;q=0, *;q=0.1", "gzip"},
		{both, "*;q=0", ""},
		{both, "identity", ""},
		{both, "identity, gzip;q=0.5", ""},
		{both, "identity;q=0.5, gzip", "gzip"},
		{both, "gzip;q=2, zstd;q=x", ""},
		{both, "gzip;q=0.1234, zstd;q=1.001", ""},
		{both, "gzip;level=9", ""},
		{both, ",,", ""},
		{both, "", ""},
		{&configpb.Compression{Disabled: true}, "gzip", ""},
	} {
		t.Run(fmt.Sprint(c.cfg.GetEncodings(), c.accept), func(t *testing.T) {
			body := books(3000)
			g := serve(t, c.cfg, false, unary(body))
			a := g.do(t, "GET", "Accept-Encoding: "+c.accept)
			require.Equal(t, c.want, a.Header.Get("Content-Encoding"))
			require.Equal(t, string(body), a.text(t))
			if !c.cfg.GetDisabled() {
				require.Equal(t, "Accept-Encoding", a.Header.Get("Vary"))
			}
			if c.want == "" {
				require.EqualValues(t, len(body), a.ContentLength)
			}
		})
	}
	t.Run("several lines", func(t *testing.T) {
		a := serve(t, both, false, unary(books(3000))).do(t, "GET", "Accept-Encoding: br", "Accept-Encoding: gzip")
		require.Equal(t, "gzip", a.Header.Get("Content-Encoding"))
	})
}

func TestWhat(t *testing.T) {
	body := books(3000)
	status := func(n int) handler {
		return func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(n)
		}
	}
	tiny := &configpb.Compression{MinBytes: proto.Uint32(0)}
	for _, c := range []struct {
		name string
		cfg  *configpb.Compression
		next handler
		want string
	}{
		{"JSON", nil, unary(body), "gzip"},
		{"problem", nil, unary(body, "Content-Type: application/problem+json"), "gzip"},
		{"text", nil, unary(body, "Content-Type: Text/Plain; charset=utf-8"), "gzip"},
		{"events", nil, unary(body, "Content-Type: text/event-stream"), "gzip"},
		{"lines", nil, unary(body, "Content-Type: application/x-ndjson"), "gzip"},
		{"drawing", nil, unary(body, "Content-Type: image/svg+xml"), "gzip"},
		{"picture", nil, unary(body, "Content-Type: image/png"), ""},
		{"gRPC", nil, unary(body, "Content-Type: application/grpc"), ""},
		{"unknown", nil, unary(body, "Content-Type: application/octet-stream"), ""},
		{"no type", nil, unary(body, "Content-Type: "), ""},
		{"encoded", nil, unary(body, "Content-Encoding: br"), "br"},
		{"no-transform", nil, unary(body, "Cache-Control: public, No-Transform"), ""},
		{"a part", nil, unary(body, "Content-Range: bytes 0-2999/4000"), ""},
		{"below the limit", nil, unary(books(900)[:1023]), ""},
		{"at the limit", nil, unary(books(1100)[:1024]), "gzip"},
		{"above the limit, its length told", nil, unary(body[:2001]), "gzip"},
		{"below a larger limit, its length told", &configpb.Compression{MinBytes: proto.Uint32(4096)}, unary(body), ""},
		{"no limit", tiny, unary([]byte("{}")), "gzip"},
		{"nothing", tiny, unary(nil), ""},
		{"nothing, its length told", tiny, unary(nil, "Content-Length: 0"), ""},
		{"204", tiny, status(204), ""},
		{"304", tiny, status(304), ""},
		{"error", nil, func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusNotFound)
			for _, b := range body {
				_, _ = w.Write([]byte{b})
			}
		}, "gzip"},
		{"headers alone", nil, func(http.ResponseWriter, *http.Request, *route.Exchange) {}, ""},
	} {
		for _, two := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %t", c.name, two), func(t *testing.T) {
				g := serve(t, c.cfg, two, c.next)
				plain := g.do(t, "GET")
				a := g.do(t, "GET", "Accept-Encoding: gzip")
				require.NoError(t, a.err)
				require.Equal(t, plain.StatusCode, a.StatusCode)
				require.Equal(t, c.want, a.Header.Get("Content-Encoding"))
				if c.want == "gzip" {
					require.Equal(t, string(plain.body), a.text(t))
					require.NotEqual(t, plain.ContentLength, a.ContentLength)
				} else {
					require.Equal(t, string(plain.body), string(a.body))
					require.Equal(t, plain.ContentLength, a.ContentLength)
				}
				require.Equal(t, plain.Header.Get("Content-Type"), a.Header.Get("Content-Type"))
				require.Equal(t, "Accept-Encoding", a.Header.Get("Vary"))

				if len(a.body) == 0 || c.name == "error" {
					return // these handlers know no HEAD
				}
				head := g.do(t, "HEAD", "Accept-Encoding: gzip")
				require.Empty(t, head.body)
				for _, name := range []string{"Content-Encoding", "Content-Type", "Vary", "Etag"} {
					require.Equal(t, a.Header.Get(name), head.Header.Get(name), name)
				}
				if c.want != "gzip" {
					require.Equal(t, a.ContentLength, head.ContentLength)
				}
			})
		}
	}
	t.Run("a client that takes nothing else", func(t *testing.T) {
		g := serve(t, nil, false, unary([]byte("{}")))
		for _, accept := range []string{"gzip, identity;q=0", "gzip, *;q=0"} {
			a := g.do(t, "GET", "Accept-Encoding: "+accept)
			require.Equal(t, "gzip", a.Header.Get("Content-Encoding"))
			require.Equal(t, "{}", a.text(t))
		}
	})
}

func TestETag(t *testing.T) {
	body := books(3000)
	const etag = `"33a6"`
	var ifMatch string
	g := serve(t, nil, false, func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
		ifMatch = r.Header.Get("If-Match")
		w.Header().Set("Etag", etag)
		if known := r.Header.Get("If-None-Match"); known == "*" || strings.Contains(known, etag) {
			w.WriteHeader(http.StatusNotModified)
			return
		}
		unary(body)(w, r, x)
	})
	for _, c := range []struct {
		name, accept, known string
		status              int
		want                string
	}{
		{"plain", "identity", "", 200, `"33a6"`},
		{"gzip", "gzip", "", 200, `"33a6-gzip"`},
		{"zstd", "zstd", "", 200, `"33a6-zstd"`},
		{"plain again", "identity", `"33a6"`, 304, `"33a6"`},
		{"gzip again", "gzip", `"33a6-gzip"`, 304, `"33a6-gzip"`},
		{"zstd again", "gzip, zstd", `"33a6-zstd"`, 304, `"33a6-zstd"`},
		{"made weak by a cache", "gzip", `W/"33a6-gzip"`, 304, `"33a6-gzip"`},
		{"one of many", "gzip", `"1", "33a6-gzip", "2-gzip"`, 304, `"33a6-gzip"`},
		{"known by the plain form", "gzip", `"33a6"`, 304, `"33a6"`},
		{"any", "gzip", "*", 304, `"33a6"`},
		{"another coding's", "gzip", `"33a6-zstd"`, 200, `"33a6-gzip"`},
		{"no longer compressed", "identity", `"33a6-gzip"`, 200, `"33a6"`},
		{"another", "gzip", `"33a7-gzip"`, 200, `"33a6-gzip"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			headers := []string{"Accept-Encoding: " + c.accept, `If-Match: "33a6-zstd", "33a6-gzip", "33a6"`}
			if c.known != "" {
				headers = append(headers, "If-None-Match: "+c.known)
			}
			a := g.do(t, "GET", headers...)
			require.Equal(t, c.status, a.StatusCode)
			require.Equal(t, c.want, a.Header.Get("Etag"))
			require.Equal(t, "Accept-Encoding", a.Header.Get("Vary"))
			require.Equal(t, `"33a6", "33a6", "33a6"`, ifMatch)
		})
	}
	t.Run("weak", func(t *testing.T) {
		a := serve(t, nil, false, unary(body, `Etag: W/"1"`)).do(t, "GET", "Accept-Encoding: gzip")
		require.Equal(t, `W/"1"`, a.Header.Get("Etag"))
	})
}

// stream writes elements and flushes, as rest does, and goes on when told to.
func stream(more <-chan struct{}, end error, elements ...string) handler {
	return func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusOK)
		control := http.NewResponseController(w)
		if err := control.SetWriteDeadline(time.Now().Add(time.Hour)); err != nil {
			panic(err)
		}
		for _, e := range elements {
			_, err := io.WriteString(w, e)
			if err := errors.Join(err, control.Flush()); err != nil {
				panic(http.ErrAbortHandler)
			}
			if more != nil {
				<-more
			}
		}
		if end != nil {
			panic(end)
		}
	}
}

// Each element arrives when it was flushed, and not only when the next one is.
func TestStreamFlushes(t *testing.T) {
	for _, encoding := range []string{"gzip", "zstd"} {
		for _, two := range []bool{false, true} {
			t.Run(fmt.Sprint(encoding, two), func(t *testing.T) {
				more := make(chan struct{})
				g := serve(t, nil, two, stream(more, nil, `[1`, `,2`, `]`))
				resp := g.start(t, "GET", "Accept-Encoding: "+encoding)
				defer resp.Body.Close()
				require.Equal(t, encoding, resp.Header.Get("Content-Encoding"))
				r := decoder(t, encoding, resp.Body)
				for _, want := range []string{`[1`, `,2`, `]`} {
					got := make([]byte, len(want))
					_, err := io.ReadFull(r, got)
					require.NoError(t, err)
					require.Equal(t, want, string(got))
					more <- struct{}{}
				}
				_, err := r.Read(make([]byte, 1))
				require.Equal(t, io.EOF, err)
			})
		}
	}
}

// A stream that breaks off has neither HTTP's end nor the encoding's, and the
// encoder that it had serves the next answer.
func TestStreamBreaks(t *testing.T) {
	for _, encoding := range []string{"gzip", "zstd"} {
		for _, two := range []bool{false, true} {
			t.Run(fmt.Sprint(encoding, two), func(t *testing.T) {
				g := serve(t, nil, two, stream(nil, http.ErrAbortHandler, `[1`, `,2`))
				for range 3 {
					a := g.do(t, "GET", "Accept-Encoding: "+encoding)
					require.Error(t, a.err, "HTTP")
					got, err := io.ReadAll(decoder(t, encoding, bytes.NewReader(a.body)))
					require.ErrorIs(t, err, io.ErrUnexpectedEOF, encoding)
					require.Equal(t, "[1,2", string(got))
				}
				whole := serve(t, nil, two, unary(books(200_000))).do(t, "GET", "Accept-Encoding: "+encoding)
				require.NoError(t, whole.err)
				require.Equal(t, string(books(200_000)), whole.text(t))
			})
		}
	}
}

// What a handler has not sent before it panics is not sent, so that somebody else
// can answer.
func TestPanicBeforeTheHead(t *testing.T) {
	f, err := compress.New(&configpb.Compression{}, filter.Env{})
	require.NoError(t, err)
	wrapped := f.Wrap(handler(func(w http.ResponseWriter, r *http.Request, x *route.Exchange) {
		unary(books(500))(w, r, x)
		panic("mistake")
	}))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			require.Equal(t, "mistake", recover())
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, "{}")
		}()
		wrapped.Serve(w, r, &route.Exchange{})
	}))
	defer server.Close()
	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL, nil)
	require.NoError(t, err)
	resp, err := server.Client().Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusInternalServerError, resp.StatusCode)
	require.Equal(t, "{}", string(got))
}

// A handler that writes to a client that does not read learns of its deadline.
func TestWriteDeadline(t *testing.T) {
	ended := make(chan error, 1)
	noise := make([]byte, 1<<20)
	for i, v := 0, uint32(1); i < len(noise); i++ {
		v = v*1664525 + 1013904223
		noise[i] = byte(v >> 24)
	}
	g := serve(t, nil, false, func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) {
		w.Header().Set("Content-Type", "text/plain")
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
		for {
			_, err := w.Write(noise)
			if err := errors.Join(err, control.Flush()); err != nil {
				ended <- err
				panic(http.ErrAbortHandler)
			}
		}
	})
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", g.Listener.Addr().String())
	require.NoError(t, err)
	defer conn.Close()
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n")
	require.NoError(t, err)
	require.Error(t, <-ended)
}

// Trailers come after the end of the encoding, and after an answer that was held
// to its end.
func TestTrailers(t *testing.T) {
	for _, two := range []bool{false, true} {
		for _, size := range []int{10, 1500, 3000} {
			g := serve(t, nil, two, func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set(http.TrailerPrefix+"X-T", "1")
				_, _ = w.Write(books(size))
			})
			a := g.do(t, "GET", "Accept-Encoding: gzip")
			require.NoError(t, a.err)
			require.Equal(t, string(books(size)), a.text(t))
			require.Equal(t, "1", a.Trailer.Get("X-T"), "%d bytes, HTTP/2 %t", size, two)
		}
	}
}

func TestUnknownEncoding(t *testing.T) {
	_, err := compress.New(&configpb.Compression{Encodings: []string{"br"}}, filter.Env{})
	require.ErrorContains(t, err, `"br"`)
}

func TestBooks(t *testing.T) { require.True(t, json.Valid(books(30_000))) }
