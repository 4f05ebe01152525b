package reply_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/reply"
	"github.com/dragoman-gateway/dragoman/rewrite"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
)

func redirect(t testing.TB, o reply.Redirect) route.Handler {
	t.Helper()
	o.Refuse = refuse
	h, err := reply.NewRedirect(o)
	require.NoError(t, err)
	return h
}

func TestRedirect(t *testing.T) {
	prefix := "/new/"
	for _, test := range []struct {
		name     string
		redirect reply.Redirect
		path     string
		spec     *rewrite.Spec
		vars     []string
		matched  string
		host     string
		target   string
		status   int
		want     string
	}{
		{name: "host", spec: &rewrite.Spec{Host: "new.example.com"}, host: "old:8080", target: "/a/b?c=d&e", want: "http://new.example.com/a/b?c=d&e"},
		{name: "https", redirect: reply.Redirect{Scheme: "https"}, host: "h:8080", target: "/x", want: "https://h/x"},
		{name: "https to a port", redirect: reply.Redirect{Scheme: "https", Port: 8443}, host: "h:8080", target: "/x", want: "https://h:8443/x"},
		{name: "https to its own port", redirect: reply.Redirect{Scheme: "https", Port: 443}, host: "h", target: "/x", want: "https://h/x"},
		{name: "https to the port of http", redirect: reply.Redirect{Scheme: "https", Port: 80}, host: "h", target: "/x", want: "https://h:80/x"},
		{name: "port", redirect: reply.Redirect{Port: 81}, host: "h:8080", target: "/x", want: "http://h:81/x"},
		{name: "port of the host", spec: &rewrite.Spec{Host: "new:82"}, host: "h:8080", target: "/x", want: "http://new:82/x"},
		{name: "scheme and port of the host", redirect: reply.Redirect{Scheme: "https"}, spec: &rewrite.Spec{Host: "new:82"}, host: "h:8080", target: "/x", want: "https://new:82/x"},
		{name: "port over the port of the host", redirect: reply.Redirect{Port: 81}, spec: &rewrite.Spec{Host: "new:82"}, host: "h:8080", target: "/x", want: "http://new:81/x"},
		{name: "port stays", spec: &rewrite.Spec{Path: "/y"}, host: "h:8080", target: "/x", want: "http://h:8080/y"},
		{name: "own port goes", spec: &rewrite.Spec{Path: "/y"}, host: "h:80", target: "/x", want: "http://h/y"},
		{name: "address", redirect: reply.Redirect{Scheme: "https"}, host: "[::1]:8080", target: "/x", want: "https://[::1]/x"},
		{name: "address without a port", redirect: reply.Redirect{Port: 81}, host: "[::1]", target: "/x", want: "http://[::1]:81/x"},
		{name: "prefix", spec: &rewrite.Spec{Prefix: &prefix}, matched: "/old", path: "/old/**", host: "h", target: "/old/a%2Fb/?q=%0d%0a", want: "http://h/new/a%2Fb/?q=%0d%0a"},
		{name: "variables", spec: &rewrite.Spec{Path: "/v2/{id}", Host: "{id}.example.com"}, path: "/v1/{id}", vars: []string{"id"}, host: "h", target: "/v1/a-b", want: "http://a-b.example.com/v2/a-b"},
		{name: "regex", spec: &rewrite.Spec{Regex: &rewrite.Regex{Pattern: "^/old", Substitution: "/new"}}, host: "h", target: "/old%20/b", want: "http://h/new%20/b"},
		{name: "no query", redirect: reply.Redirect{Port: 81, StripQuery: true}, host: "h", target: "/x?a=b", want: "http://h:81/x"},
		{name: "308", redirect: reply.Redirect{Scheme: "https", Status: 308}, host: "h", target: "/", status: 308, want: "https://h/"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.spec != nil {
				test.redirect.Rewrite = rule(t, *test.spec, test.vars, test.matched)
			}
			if test.path == "" {
				test.path = "/**"
			}
			if test.status == 0 {
				test.status = 301
			}
			g := serve(t, test.path, redirect(t, test.redirect))
			g.versions(t, func(t *testing.T, do func(string) *answer) {
				for _, method := range []string{"GET", "HEAD", "POST"} {
					a := do(method + " " + test.target + "\nHost: " + test.host)
					require.Equal(t, test.status, a.StatusCode)
					require.Equal(t, []string{test.want}, a.Header["Location"])
					require.Empty(t, a.body)
					require.Equal(t, "0", a.Header.Get("Content-Length"))
					require.NotContains(t, a.Header, "Content-Type")
					require.Equal(t, -1, a.x.Code)
				}
			})
		})
	}
}

func TestRedirectRefuses(t *testing.T) {
	g := serve(t, "/v1/{id=**}", redirect(t, reply.Redirect{Rewrite: rule(t, rewrite.Spec{Path: "/{id}"}, []string{"id"}, "")}))
	g.versions(t, func(t *testing.T, do func(string) *answer) {
		for target, want := range map[string]string{
			"/v1/%2e%2e":       `"."`,
			"/v1//evil.com":    "two slashes",
			"/v1/a%0d%0aX:%20": "control",
			"/v1/a%00":         "control",
		} {
			a := do("GET " + target)
			require.Equal(t, 400, a.StatusCode, target)
			require.Contains(t, a.body, want)
			require.Equal(t, string(rpc.InvalidPath), a.Header.Get(rpc.ErrorHeader))
			require.NotContains(t, a.Header, "Location")
		}
	})
	a := g.raw(t, "GET /v1/a HTTP/1.1\nHost: a:b:c\n\n")
	require.Equal(t, 400, a.StatusCode)
	require.Equal(t, string(rpc.InvalidRequest), a.Header.Get(rpc.ErrorHeader))
	a = g.raw(t, "GET /v1/a HTTP/1.0\n\n")
	require.Equal(t, 400, a.StatusCode)
	require.Contains(t, a.body, "no host")
}

// A host of variables leads nowhere but to where the operator has said.
func TestRedirectHostOfVariables(t *testing.T) {
	g := serve(t, "/v1/{id}", redirect(t, reply.Redirect{Rewrite: rule(t, rewrite.Spec{Host: "{id}.example.com"}, []string{"id"}, "")}))
	g.versions(t, func(t *testing.T, do func(string) *answer) {
		for _, id := range []string{"evil.com%2F", "evil.com%23", "evil.com:80", "a@evil.com", "a%0d%0ab", "a.b"} {
			a := do("GET /v1/" + id)
			require.Equal(t, 400, a.StatusCode, id)
			require.NotContains(t, a.Header, "Location")
		}
	})
}

// Bytes that clients may send and that no URL may have do not reach the header.
func TestRedirectEscapes(t *testing.T) {
	g := serve(t, "/**", redirect(t, reply.Redirect{Scheme: "https"}))
	a := g.raw(t, "GET /a\"<\xc3\xa9>|?q=\"<\xc3\xa9>#|\\ HTTP/1.1\nHost: h\n\n")
	require.Equal(t, "https://h/a%22%3C%C3%A9%3E%7C?q=%22%3C%C3%A9%3E%23%7C%5C", a.Header.Get("Location"))
}

func TestRedirectOverTLS(t *testing.T) {
	h := redirect(t, reply.Redirect{Rewrite: rule(t, rewrite.Spec{Host: "new"}, nil, "")})
	r := httptest.NewRequest("GET", "https://h:444/x", nil)
	r.TLS = new(tls.ConnectionState)
	w := httptest.NewRecorder()
	h.Serve(w, r, &route.Exchange{Path: "/x"})
	require.Equal(t, "https://new/x", w.Header().Get("Location"))
}

// A client that has promised a body and does not send it gets its answer.
func TestBodyIsLeft(t *testing.T) {
	respond, err := reply.NewRespond(reply.Respond{Body: []byte("hello")})
	require.NoError(t, err)
	for name, h := range map[string]route.Handler{"redirect": redirect(t, reply.Redirect{Scheme: "https"}), "respond": respond} {
		t.Run(name, func(t *testing.T) {
			g := serve(t, "/**", h)
			for _, length := range []string{"Content-Length: 5", "Transfer-Encoding: chunked"} {
				a := g.raw(t, "POST / HTTP/1.1\nHost: h\n"+length+"\n\n")
				require.Less(t, a.StatusCode, 400)
				require.True(t, a.Close, "what comes late must not be taken for a request")
			}
		})
	}
}

func TestNewRedirectErrors(t *testing.T) {
	for _, test := range []struct {
		in   reply.Redirect
		want string
	}{
		{reply.Redirect{Status: 300}, "status 300"},
		{reply.Redirect{Status: 200}, "want 301, 302, 303, 307 or 308"},
		{reply.Redirect{Scheme: "ftp"}, `scheme "ftp"`},
		{reply.Redirect{Port: 65536}, "port 65536"},
		{reply.Redirect{Port: -1}, "port -1"},
	} {
		_, err := reply.NewRedirect(test.in)
		require.ErrorContains(t, err, test.want)
	}
}

// Whatever a request is, the place it is sent to is one URL on the host that was
// meant, and one line.
func FuzzRedirect(f *testing.F) {
	f.Add("/v1/a?b=c", "h:8080")
	f.Add("/v1//evil.com/%2e%2e?\"#é\r\nX: y", "[::1]")
	f.Add("//evil.com", "a@b")
	keep := redirect(f, reply.Redirect{Scheme: "https"})
	move := redirect(f, reply.Redirect{Rewrite: rule(f, rewrite.Spec{Host: "new.example.com", Regex: &rewrite.Regex{Pattern: "^/v1", Substitution: ""}}, nil, "")})
	f.Fuzz(func(t *testing.T, target, host string) {
		path, query, _ := strings.Cut(target, "?")
		for h, want := range map[route.Handler]string{keep: host, move: "new.example.com"} {
			r := &http.Request{Method: "GET", Host: host, URL: &url.URL{RawQuery: query}, ProtoMajor: 2}
			w := httptest.NewRecorder()
			h.Serve(w, r, &route.Exchange{Path: path})
			if w.Code == http.StatusBadRequest {
				require.Empty(t, w.Header().Get("Location"))
				continue
			}
			location := w.Header().Get("Location")
			require.NotContains(t, location, " ")
			u, err := url.Parse(location)
			require.NoError(t, err)
			if u.Port() == "" {
				want = strings.TrimSuffix(want, ":"+portOf(want))
			}
			require.Equal(t, want, u.Host)
			require.Equal(t, "", u.Fragment)
			require.Nil(t, u.User)
			require.True(t, strings.HasPrefix(u.EscapedPath(), "/"))
		}
	})
}

func portOf(host string) string {
	return (&url.URL{Host: host}).Port()
}
