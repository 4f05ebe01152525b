package rest_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// gzipped is text as one gzip member with a name in its header.
func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Name, w.Comment, w.Extra = "body.json", "c", []byte("extra")
	_, err := io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// zstded is text as one zstd frame, made as a stream.
func zstded(t testing.TB, text string, opts ...zstd.EOption) string {
	t.Helper()
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, append(opts, zstd.WithEncoderConcurrency(1))...)
	require.NoError(t, err)
	_, err = io.WriteString(w, text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.String()
}

// atOnce is text as one zstd frame that tells its size in its header.
func atOnce(t testing.TB, text string) string {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	require.NoError(t, err)
	return string(w.EncodeAll([]byte(text), nil))
}

func TestC41(t *testing.T) {
	g := newGateway(t)
	const body = `{"i32":1}`
	skippable := "\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
	for _, c := range []struct{ name, encoding, body string }{
		{"gzip", "gzip", gzipped(t, body)},
		{"another name and case", "X-GZip", gzipped(t, body)},
		{"zstd", "zstd", zstded(t, body)},
		{"zstd at once", "zstd", atOnce(t, body)},
		{"gzip members", "gzip", gzipped(t, body[:3]) + gzipped(t, "") + gzipped(t, body[3:])},
		{"zstd frames", "zstd", skippable + zstded(t, body[:3]) + atOnce(t, body[3:]) + skippable},
		{"identity beside it", "identity, gzip,", gzipped(t, body)},
		{"zstd of the largest window", "zstd", zstded(t, body, zstd.WithWindowSize(8<<20))},
	} {
		t.Run(c.name, func(t *testing.T) {
			for range 2 { // the second one with the memory of the first
				a := g.do(t, "POST /v1/star/p", c.body, "Content-Encoding: "+c.encoding)
				require.Equal(t, 200, a.StatusCode, a.body)
				require.JSONEq(t, `{"name":"p","i32":1}`, a.body)
				require.EqualValues(t, len(c.body), (<-g.exchanges).RequestBytes)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		for _, encoding := range []string{"gzip", "zstd"} {
			r := g.request(t, "POST /v1/star/p", io.MultiReader(strings.NewReader("")), "Content-Encoding: "+encoding)
			require.Equal(t, 200, g.send(t, r).StatusCode)
		}
	})
	for _, encoding := range []string{"br", "deflate", "gzip, gzip", "zstd, gzip", "gzip\nContent-Encoding: zstd"} {
		t.Run(encoding, func(t *testing.T) {
			c := g.dial(t)
			write(t, c, "POST /v1/star/p HTTP/1.1\nHost: x\nContent-Encoding: %s\nContent-Length: 2\n\n{}", encoding)
			a := read(t, bufio.NewReader(c))
			require.Equal(t, 415, a.StatusCode, a.body)
			require.Equal(t, "gzip, zstd", a.Header.Get("Accept-Encoding"))
			require.Equal(t, string(rpc.UnsupportedMediaType), a.Header.Get(rpc.ErrorHeader))
		})
	}
}

// Nothing but a whole body is taken, wherever it ends.
func TestC41Damaged(t *testing.T) {
	g := newGateway(t)
	for encoding, whole := range map[string]string{"gzip": gzipped(t, `{"i32":1}`), "zstd": zstded(t, `{"i32":1}`)} {
		bad := map[string]string{
			"rubbish":   "{}",
			"more":      whole + "x",
			"more than": whole + strings.Repeat("x", 100),
			"zeros":     whole + "\x00",
			"twice":     whole + whole[:len(whole)-1],
			"changed":   whole[:len(whole)-1] + string([]byte{whole[len(whole)-1] ^ 1}),
		}
		for n := 1; n < len(whole); n++ {
			bad[fmt.Sprintf("%d bytes", n)] = whole[:n]
		}
		for name, body := range bad {
			t.Run(encoding+" "+name, func(t *testing.T) {
				a := g.do(t, "POST /v1/star/p", body, "Content-Encoding: "+encoding)
				require.Equal(t, 400, a.StatusCode, a.body)
				require.Equal(t, string(rpc.InvalidBody), a.Header.Get(rpc.ErrorHeader))
				require.Contains(t, a.status(t).Message, encoding)
			})
		}
	}
}

func TestC41Bombs(t *testing.T) {
	const limit = 64 << 10
	g := newGateway(t, func(s *transcoder.Settings) { s.MaxRequestBytes = limit })
	zeros := strings.Repeat("\x00", 64<<20)
	fits := `{"name":"p","i32":1` + strings.Repeat(" ", limit-20) + "}"
	header := func(window byte) string { return "\x28\xb5\x2f\xfd\x00" + string([]byte{window}) + "\x01\x00\x00" }
	for _, c := range []struct {
		name, encoding, body string
		want                 int
	}{
		{"gzip as long as it may be", "gzip", gzipped(t, fits), 200},
		{"zstd as long as it may be", "zstd", zstded(t, fits), 200},
		{"gzip a byte too long", "gzip", gzipped(t, fits+" "), 413},
		{"zstd a byte too long", "zstd", zstded(t, fits+" "), 413},
		{"gzip", "gzip", gzipped(t, zeros), 413},
		{"zstd", "zstd", zstded(t, zeros), 413},
		{"zstd at once", "zstd", atOnce(t, zeros), 413},
		{"gzip of nothing", "gzip", strings.Repeat(gzipped(t, ""), 100_000), 413},
		{"zstd of nothing", "zstd", strings.Repeat(header(0), 100_000), 413},
		{"a window of 8 MiB", "zstd", header(13 << 3), 200},
		{"a window of 9 MiB", "zstd", header(13<<3 | 1), 400},
		{"a window of 3.75 TiB", "zstd", header(0xff), 400},
		{"a size of 2^63", "zstd", "\x28\xb5\x2f\xfd\xe0\x00\x00\x00\x00\x00\x00\x00\x80\x01\x00\x00", 413},
	} {
		for _, length := range []string{"Content-Length", "chunked"} {
			t.Run(c.name+" "+length, func(t *testing.T) {
				var before, after runtime.MemStats
				r := g.request(t, "POST /v1/star/p", strings.NewReader(c.body), "Content-Encoding: "+c.encoding)
				if length == "chunked" {
					r.ContentLength = -1
				}
				runtime.ReadMemStats(&before)
				a := g.send(t, r)
				runtime.ReadMemStats(&after)
				require.Equal(t, c.want, a.StatusCode, a.body)
				require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(12<<20))
				require.LessOrEqual(t, (<-g.exchanges).RequestBytes, int64(limit+4<<10+limit/64))
			})
		}
	}
	t.Run("nobody wants it", func(t *testing.T) {
		a := g.do(t, "GET /v1/things/p", gzipped(t, strings.Repeat("\x00", 1<<20)), "Content-Encoding: gzip")
		require.Equal(t, 200, a.StatusCode, "it is not inflated")
	})
}

// A connection that breaks is not the client's compression, even where the
// compression could end.
func TestC41CutShort(t *testing.T) {
	for encoding, body := range map[string]string{"gzip": gzipped(t, "{}"), "zstd": zstded(t, "{}")} {
		for _, sent := range []string{body[:5], body} {
			g := newGateway(t)
			c := g.dial(t)
			write(t, c, "POST /v1/star/p HTTP/1.1\nHost: x\nContent-Encoding: %s\nContent-Length: 500\n\n", encoding)
			_, err := io.WriteString(c, sent)
			require.NoError(t, err)
			require.NoError(t, c.Close())
			require.Equal(t, string(rpc.ClientClosed), (<-g.exchanges).Reason)
		}
	}
}

func TestC41Stalls(t *testing.T) {
	for encoding, body := range map[string]string{"gzip": gzipped(t, "{}"), "zstd": zstded(t, "{}")} {
		for _, sent := range []string{"", body[:5], body} {
			g := newGateway(t, hurried)
			c := g.dial(t)
			write(t, c, "POST /v1/star/p HTTP/1.1\nHost: x\nContent-Encoding: %s\nContent-Length: 500\n\n", encoding)
			_, err := io.WriteString(c, sent)
			require.NoError(t, err)
			a := read(t, bufio.NewReader(c))
			require.Equal(t, http.StatusGatewayTimeout, a.StatusCode, a.body)
			<-g.exchanges
		}
	}
}
