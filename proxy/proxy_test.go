package proxy_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/proxy"
)

// seen is a request as an upstream saw it.
type seen struct {
	Method, URI, Host string
	Header            http.Header
	Length            int64
	Body              string
	Trailer           http.Header
}

// mirror is an upstream that notes what it sees.
func mirror(t *testing.T, answer http.HandlerFunc) (*plain, chan seen) {
	got := make(chan seen, 100)
	return backend(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- seen{r.Method, r.RequestURI, r.Host, r.Header, r.ContentLength, string(body), r.Trailer}
		if answer != nil {
			answer(w, r)
		}
	}), got
}

func TestForward(t *testing.T) {
	for _, version := range versions {
		t.Run(version, func(t *testing.T) {
			up, got := mirror(t, func(w http.ResponseWriter, _ *http.Request) {
				h := w.Header()
				h.Set("Keep-Alive", "timeout=5")
				h.Set("X-Answer", "yes")
				h["X-Two"] = []string{"1", "2"}
				h["Content-Type"] = nil
				h.Set("Connection", "x-hop")
				h.Set("X-Hop", "hop")
				h.Set("X-Dragoman-Error", "MINE")
				w.WriteHeader(http.StatusTeapot)
				_, _ = io.WriteString(w, "<html>short and stout")
			})
			s := serve(t, to(up))
			r := request(t, "POST", "http://"+s.address+"/a/b%20c(d)!?x=%zz&y=a+b", strings.NewReader("hello"))
			r.Host = "example.com:1234"
			r.Header.Set("User-Agent", "")
			r.Header.Set("Te", "trailers")
			r.Header.Set("Authorization", "Bearer x")
			if version == "HTTP/1.1" {
				r.Header.Set("Connection", "x-private, keep-alive")
				r.Header.Set("Proxy-Connection", "keep-alive")
				r.Header.Set("Keep-Alive", "timeout=7")
				r.Header.Set("X-Private", "p")
				r.Header.Set("Upgrade", "h2c")
				r.Header.Set("Te", "gzip, trailers")
			}
			r.Header.Set("Proxy-Authorization", "secret")
			r.Header.Set("X-Forwarded-For", "6.6.6.6")
			res, body := do(t, client(t, version), r)
			require.Equal(t, http.StatusTeapot, res.StatusCode)
			require.Equal(t, "<html>short and stout", body)
			require.Equal(t, []string{"1", "2"}, res.Header["X-Two"])
			require.Equal(t, "yes", res.Header.Get("X-Answer"))
			for _, name := range []string{"Keep-Alive", "Content-Type", "X-Hop", "X-Dragoman-Error"} {
				require.NotContains(t, res.Header, name)
			}
			saw := <-got
			te := []string{"trailers"}
			require.Equal(t, seen{Method: "POST", URI: "/a/b%20c(d)!?x=%zz&y=a+b", Host: "example.com:1234", Length: 5, Body: "hello",
				Header: http.Header{"Authorization": {"Bearer x"}, "Content-Length": {"5"}, "Te": te}}, saw)
			x := s.last(t)
			require.Equal(t, "up", x.Upstream)
			require.EqualValues(t, 5, x.RequestBytes)
			require.Equal(t, -1, x.Code)
			require.Nil(t, x.Failure)
		})
	}
}

func TestBodies(t *testing.T) {
	up, got := mirror(t, nil)
	s := serve(t, to(up))
	for _, version := range versions {
		c := client(t, version)
		for _, method := range []string{"GET", "HEAD", "DELETE", "POST", "OPTIONS"} {
			res, _ := do(t, c, request(t, method, "http://"+s.address+"/", nil))
			require.Equal(t, 200, res.StatusCode)
			saw := <-got
			require.Equal(t, method, saw.Method)
			require.EqualValues(t, 0, saw.Length)
			require.NotContains(t, saw.Header, "Transfer-Encoding")
		}
		// A body of unknown length is one whatever the method.
		for _, method := range []string{"GET", "POST"} {
			_, _ = do(t, c, request(t, method, "http://"+s.address+"/", io.MultiReader(strings.NewReader("some"), strings.NewReader("thing"))))
			saw := <-got
			require.EqualValues(t, -1, saw.Length)
			require.Equal(t, "something", saw.Body)
		}
	}
}

func TestAnswersWithoutBody(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/204":
			w.WriteHeader(204)
		case "/304":
			w.Header().Set("Etag", `"x"`)
			w.WriteHeader(304)
		default:
			w.Header().Set("Content-Length", "12345")
			w.Header().Set("Content-Type", "text/x")
		}
	})
	s := serve(t, to(up))
	for _, version := range versions {
		c := client(t, version)
		res, body := do(t, c, request(t, "HEAD", "http://"+s.address+"/", nil))
		require.Equal(t, "12345", res.Header.Get("Content-Length"))
		require.Equal(t, "text/x", res.Header.Get("Content-Type"))
		require.Empty(t, body)
		res, _ = do(t, c, request(t, "GET", "http://"+s.address+"/204", nil))
		require.Equal(t, 204, res.StatusCode)
		res, _ = do(t, c, request(t, "GET", "http://"+s.address+"/304", nil))
		require.Equal(t, 304, res.StatusCode)
		require.Equal(t, `"x"`, res.Header.Get("Etag"))
	}
}

func TestPaths(t *testing.T) {
	up, got := mirror(t, nil)
	up.origin.BasePath, up.origin.Host = "/base", "inner.example"
	o := to(up)
	o.AllowPaths = proxy.EscapedSlash | proxy.EmptySegment | proxy.PathParameter
	s := serve(t, o)
	c := client(t, "HTTP/1.1")
	for in, want := range map[string]string{
		"/":               "/base/",
		"/a?":             "/base/a?",
		"/a%2fb/c":        "/base/a%2fb/c",
		"/a//b":           "/base/a//b",
		"/%E2%82%AC/%7e":  "/base/%E2%82%AC/%7e",
		"/a%2Fb\"c":       "/base/a%2Fb%22c",
		"/€":              "/base/%E2%82%AC",
		"/a;b=c:d@e,f(g)": "/base/a;b=c:d@e,f(g)",
		"/a?b=%2e%2e/&;=": "/base/a?b=%2e%2e/&;=",
	} {
		r := request(t, "GET", "http://"+s.address, nil)
		r.URL.Opaque = in
		res, _ := do(t, c, r)
		require.Equal(t, 200, res.StatusCode, in)
		saw := <-got
		require.Equal(t, want, saw.URI)
		require.Equal(t, "inner.example", saw.Host)
	}
}
