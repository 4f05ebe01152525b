package http_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// requestLines is the address of a server that answers every request over HTTP/1.1
// with the line it began with, as it came.
func requestLines(t testing.TB) string {
	t.Helper()
	return raw(t, func(conn net.Conn) {
		in := bufio.NewReader(conn)
		for {
			line, err := in.ReadString('\n')
			if err != nil {
				return
			}
			for {
				header, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if header == "\r\n" {
					break
				}
			}
			line = strings.TrimSuffix(line, "\r\n")
			fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(line), line)
		}
	})
}

// overHTTP2 is a server of clear text HTTP/2 that answers with the path it was sent.
func overHTTP2(t testing.TB) string {
	t.Helper()
	return rawHTTP2(t, func(s *rawStream) { s.answer("200", s.header[":path"]) })
}

// target is the URL of a path that is to be sent as it is.
func target(t testing.TB, path, query string) *url.URL {
	t.Helper()
	decoded, err := url.PathUnescape(path)
	require.NoError(t, err)
	return &url.URL{Path: decoded, RawPath: path, RawQuery: query}
}

func TestPathsAreSentAsTheyAre(t *testing.T) {
	http1 := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + requestLines(t)})
	http2 := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + overHTTP2(t), Version: "http2"})
	for _, test := range []struct{ path, query, want string }{
		{"/", "", "/"},
		{"/a", "b=c", "/a?b=c"},
		{"/a", "b=%zz&c=|{}\"", "/a?b=%zz&c=|{}\""},
		{"/a%2Fb", "", "/a%2Fb"},
		{"/a%2fb", "", "/a%2fb"},
		{"/%61", "", "/%61"},
		{"/a%2Fb{c}", "", "/a%2Fb{c}"},
		{"/a%2F|\"<>^`\\", "", "/a%2F|\"<>^`\\"},
		{"/a%00b", "", "/a%00b"},
		{"/a;b=c,d", "", "/a;b=c,d"},
		{"/a/../b/./c", "", "/a/../b/./c"},
		{"/a//b", "", "/a//b"},
		{"/a:verb", "", "/a:verb"},
		{"/%E2%82%AC", "", "/%E2%82%AC"},
		// These would be read as a host, so what must not stand there is escaped.
		{"//evil.example.com/a%2Fb", "", "//evil.example.com/a%2Fb"},
		{"//evil.example.com/a%2Fb{", "q", "//evil.example.com/a%2Fb%7B?q"},
		// No request line has these.
		{"/a b HTTP/1.1\r\nX: y", "", "/a%20b%20HTTP/1.1%0D%0AX:%20y"},
		{"/a?b#c", "", "/a%3Fb%23c"},
		{"/\u20ac%2F", "", "/%E2%82%AC%2F"},
	} {
		t.Run(test.path, func(t *testing.T) {
			for version, up := range map[string]upstream.HTTP{"GET %s HTTP/1.1": http1, "%s": http2} {
				r := request(t, http.MethodGet, "/", nil)
				r.URL = target(t, test.path, test.query)
				want := strings.Replace(version, "%s", test.want, 1)
				require.Equal(t, want, send(t, up, r).body)
				// Another attempt of the same request.
				r.Body = nil
				require.Equal(t, want, send(t, up, r).body)
			}
		})
	}
}

func TestPathsThatAreNone(t *testing.T) {
	up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://192.0.2.1"})
	for _, path := range []string{"a", "*", "//%zz"} {
		r := request(t, http.MethodGet, "/", nil)
		r.URL = &url.URL{Path: path, RawPath: path}
		got := refusal(t, up, r)
		require.Equal(t, "INVALID_PATH", string(got.Reason), path)
		require.True(t, got.NotSent)
		require.Empty(t, got.Endpoint, "no endpoint was asked")
	}
}

// FuzzPath says that whatever is asked for, one request line is sent, whose path
// decodes to the same.
func FuzzPath(f *testing.F) {
	for _, seed := range []string{"/", "//", "///a%2F", "/a b", "/%", "/\r\n", "/a%2F{", "//h{\x00", "/\xff"} {
		f.Add(seed)
	}
	address := requestLines(f)
	up := newUpstream(f, &configpb.HTTPUpstream{Url: "http://" + address})
	f.Fuzz(func(t *testing.T, path string) {
		r := request(t, http.MethodGet, "/", nil)
		ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
		defer cancel()
		r = r.WithContext(ctx)
		r.URL = &url.URL{RawPath: path}
		if path == "" {
			return
		}
		resp, err := up.Send(r, nil)
		if err != nil {
			require.ErrorContains(t, err, "INVALID_PATH")
			return
		}
		defer resp.Body.Close()
		line, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		sent, ok := strings.CutPrefix(string(line), "GET ")
		require.True(t, ok, "%q", line)
		sent, ok = strings.CutSuffix(sent, " HTTP/1.1")
		require.True(t, ok, "%q", line)
		require.NotContains(t, sent, " ")
		require.True(t, strings.HasPrefix(sent, "/"), "%q", line)
		want, err := url.PathUnescape(path)
		if err != nil {
			return
		}
		got, err := url.PathUnescape(sent)
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}
