package reply_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rewrite"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// refuse answers with the reason and the message.
func refuse(w http.ResponseWriter, _ *http.Request, x *route.Exchange, err *rpc.Error) {
	x.Reason, x.Error, x.Failure = string(err.Reason), err.Cause, err
	w.Header().Set(rpc.ErrorHeader, string(err.Reason))
	w.WriteHeader(err.Reason.HTTPStatus())
	_, _ = io.WriteString(w, err.Message)
}

// gateway serves one entry of a route table on a socket, over HTTP/1.1 and h2c.
type gateway struct {
	*httptest.Server
	// outside are headers that are set before the handler.
	outside http.Header
	done    chan route.Exchange
	h2c     *http.Client
}

// serve has handler answer for all paths that a template takes.
func serve(t testing.TB, path string, handler route.Handler) *gateway {
	t.Helper()
	table, err := route.Compile([]*route.Entry{{Method: "*", Template: template(t, path), Handler: handler, Route: "r"}})
	require.NoError(t, err)
	g := &gateway{done: make(chan route.Exchange, 1), h2c: &http.Client{Transport: h2c(), CheckRedirect: stay}}
	g.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		x := &route.Exchange{Table: table, Code: -1}
		defer func() { g.done <- *x }()
		for k, v := range g.outside {
			w.Header()[k] = v
		}
		if table.Match(&route.Request{Host: r.Host, Method: r.Method, Path: route.EscapedPath(r)}, x) != route.Found {
			w.WriteHeader(http.StatusTeapot)
			return
		}
		x.Entry.Handler.Serve(w, r, x)
	}))
	g.Config.Protocols = new(http.Protocols)
	g.Config.Protocols.SetHTTP1(true)
	g.Config.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(g.Close)
	g.Start()
	t.Cleanup(g.h2c.CloseIdleConnections)
	return g
}

func template(t testing.TB, path string) *httprule.Template {
	t.Helper()
	template, err := httprule.Parse(path)
	require.NoError(t, err)
	return template
}

func h2c() *http.Transport {
	p := new(http.Protocols)
	p.SetUnencryptedHTTP2(true)
	return &http.Transport{Protocols: p}
}

func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// answer is one answer with its body.
type answer struct {
	*http.Response
	body string
	x    route.Exchange
}

// raw sends a request over a connection of HTTP/1.1 as it is written, with line
// breaks of one byte, and reads the answer.
func (g *gateway) raw(t testing.TB, request string) *answer {
	t.Helper()
	c, err := net.Dial("tcp", g.Listener.Addr().String())
	require.NoError(t, err)
	defer c.Close()
	require.NoError(t, c.SetDeadline(time.Now().Add(30*time.Second)))
	head, body, _ := strings.Cut(request, "\n\n")
	_, err = io.WriteString(c, strings.ReplaceAll(head, "\n", "\r\n")+"\r\n\r\n"+body)
	require.NoError(t, err)
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(bufio.NewReader(c), &http.Request{Method: method})
	require.NoError(t, err)
	return g.read(t, resp)
}

func (g *gateway) read(t testing.TB, resp *http.Response) *answer {
	t.Helper()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return &answer{resp, string(body), <-g.done}
}

// versions runs a test over HTTP/1.1 and h2c, each with a function that sends a
// request: "POST /path\nHost: h\nHeader: value\n\nbody".
func (g *gateway) versions(t *testing.T, test func(t *testing.T, do func(request string) *answer)) {
	t.Run("HTTP/1.1", func(t *testing.T) {
		test(t, func(request string) *answer {
			line, rest, _ := strings.Cut(request, "\n")
			head, body, _ := strings.Cut(rest, "\n\n")
			if body != "" {
				head += "\nTransfer-Encoding: chunked"
				body = chunk(body)
			}
			if !strings.Contains("\n"+head, "\nHost:") {
				head = "Host: h\n" + head
			}
			return g.raw(t, line+" HTTP/1.1\n"+strings.Trim(head, "\n")+"\n\n"+body)
		})
	})
	t.Run("h2c", func(t *testing.T) {
		test(t, func(request string) *answer {
			line, rest, _ := strings.Cut(request, "\n")
			head, body, _ := strings.Cut(rest, "\n\n")
			method, path, _ := strings.Cut(line, " ")
			var reader io.Reader
			if body != "" {
				reader = io.MultiReader(strings.NewReader(body))
			}
			r, err := http.NewRequest(method, g.URL+path, reader)
			require.NoError(t, err)
			r.Host = "h"
			for line := range strings.SplitSeq(head, "\n") {
				if name, value, ok := strings.Cut(line, ": "); ok && name == "Host" {
					r.Host = value
				} else if ok {
					r.Header.Add(name, value)
				}
			}
			resp, err := g.h2c.Do(r)
			require.NoError(t, err)
			require.Equal(t, 2, resp.ProtoMajor)
			return g.read(t, resp)
		})
	})
}

func chunk(body string) string {
	const digits = "0123456789abcdef"
	n := len(body)
	return string([]byte{digits[n>>12&15], digits[n>>8&15], digits[n>>4&15], digits[n&15]}) + "\r\n" + body + "\r\n0\r\n\r\n"
}

func rule(t testing.TB, spec rewrite.Spec, vars []string, matched string) *rewrite.Rule {
	t.Helper()
	r, err := rewrite.Compile(spec, vars, matched)
	require.NoError(t, err)
	return r
}
