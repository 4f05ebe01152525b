package gateway

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
	"github.com/dragoman-gateway/dragoman/transform"
)

// oneConn is a listener with a single connection.
type oneConn struct {
	conns chan net.Conn
}

func (l oneConn) Accept() (net.Conn, error) {
	if c, ok := <-l.conns; ok {
		return c, nil
	}
	return nil, net.ErrClosed
}

func (l oneConn) Close() error   { return nil }
func (l oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// serveTable makes a snapshot of one listener with nothing but a table.
func serveTable(t testing.TB, g *Gateway, table *route.Table, settings *transcoder.Settings) {
	refuse, err := transform.New(nil, transform.Options{Refuse: g.refuser(settings)})
	require.NoError(t, err)
	g.snapshot.Store(&Snapshot{
		tables: []*route.Table{table}, absent: make([][]*config.Route, 1), settings: []*transcoder.Settings{settings},
		before: make([]route.Handler, 1), refuse: []*transform.Chain{refuse}, edits: make([]route.HeadEdits, 1),
	})
}

// TestRefusedBodyStalls promises a body to a path without a route, and never
// sends it: the answer comes all the same, and the connection ends.
func TestRefusedBodyStalls(t *testing.T) {
	for name, framing := range map[string]string{"length": "Content-Length: 5", "chunked": "Transfer-Encoding: chunked"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table, err := route.Compile(nil)
				require.NoError(t, err)
				g := &Gateway{options: Options{Protocols: []transcoder.Protocol{rest.New()}}, log: slog.New(slog.DiscardHandler)}
				serveTable(t, g, table, &transcoder.Settings{})
				client, conn := net.Pipe()
				l := oneConn{make(chan net.Conn, 1)}
				l.conns <- conn
				srv := &http.Server{Handler: &handler{gateway: g}}
				go func() { _ = srv.Serve(l) }()

				start := time.Now()
				_, err = io.WriteString(client, "POST /nowhere HTTP/1.1\r\nHost: x\r\n"+framing+"\r\n\r\n")
				require.NoError(t, err)
				in := bufio.NewReader(client)
				res, err := http.ReadResponse(in, nil)
				require.NoError(t, err)
				_, err = io.Copy(io.Discard, res.Body)
				require.NoError(t, err)
				require.Equal(t, http.StatusNotFound, res.StatusCode)
				require.Equal(t, unreadTimeout, time.Since(start))
				_, err = in.ReadByte()
				require.ErrorIs(t, err, io.EOF)
				close(l.conns)
				require.NoError(t, srv.Close())
			})
		})
	}
}

// echo answers with the text that it is.
type echo string

func (e echo) Serve(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) {
	_, _ = io.WriteString(w, string(e))
}

func (e echo) ServeHTTP(w http.ResponseWriter, r *http.Request) { e.Serve(w, r, nil) }

// TestOptions asks what may be asked, and where that is not answered.
func TestOptions(t *testing.T) {
	template := func(s string) *httprule.Template {
		tm, err := httprule.Parse(s)
		require.NoError(t, err)
		return tm
	}
	table, err := route.Compile([]*route.Entry{
		{Method: "GET", Template: template("/a"), Handler: echo("a")},
		{Method: "POST", Template: template("/a"), Handler: echo("a"), Preflight: echo("may post a")},
		{Method: "GET", Template: template("/{x}/b"), Handler: echo("b"), Preflight: echo("may get b"), NoOPTIONS: true, NoHEAD: true},
		{Method: "OPTIONS", Template: template("/own"), Handler: echo("own")},
		{Method: "PUT", Template: template("/own"), Handler: echo("own"), Preflight: echo("may put own")},
		{Method: "GET", Template: template("/hidden"), Handler: echo("hidden"), NoAllow: true},
	})
	require.NoError(t, err)
	var log bytes.Buffer
	g := &Gateway{
		options: Options{Protocols: []transcoder.Protocol{rest.New()}},
		log:     slog.New(slog.DiscardHandler),
		access:  slog.New(slog.NewTextHandler(&log, nil)),
	}
	settings := transcoder.DefaultSettings()
	serveTable(t, g, table, &settings)

	const origin, asks = "Origin: https://x.test", "Access-Control-Request-Method: "
	for _, test := range []struct {
		name, method, path string
		header             []string
		status             int
		allow, body        string
	}{
		{"plain", "OPTIONS", "/a", nil, 204, "GET, HEAD, OPTIONS, POST", ""},
		{"off", "OPTIONS", "/x/b", nil, 405, "GET", "METHOD_NOT_ALLOWED"},
		{"HEAD off", "HEAD", "/x/b", nil, 405, "GET", ""},
		{"own", "OPTIONS", "/own", nil, 200, "", "own"},
		{"hidden", "OPTIONS", "/hidden", nil, 404, "", "NO_ROUTE"},
		{"405 hidden", "POST", "/hidden", nil, 404, "", "NO_ROUTE"},
		{"preflight", "OPTIONS", "/a", []string{origin, asks + "POST"}, 200, "", "may post a"},
		{"preflight where OPTIONS is off", "OPTIONS", "/x/b", []string{origin, asks + "GET"}, 200, "", "may get b"},
		{"preflight before an entry for OPTIONS", "OPTIONS", "/own", []string{origin, asks + "PUT"}, 200, "", "may put own"},
		{"preflight of an entry without", "OPTIONS", "/a", []string{origin, asks + "GET"}, 204, "GET, HEAD, OPTIONS, POST", ""},
		{"preflight of a method without an entry", "OPTIONS", "/own", []string{origin, asks + "PATCH"}, 200, "", "own"},
		{"preflight of nothing", "OPTIONS", "/none", []string{origin, asks + "GET"}, 404, "", "NO_ROUTE"},
		{"no origin", "OPTIONS", "/a", []string{asks + "POST"}, 204, "GET, HEAD, OPTIONS, POST", ""},
		{"no method", "OPTIONS", "/a", []string{origin}, 204, "GET, HEAD, OPTIONS, POST", ""},
		{"not OPTIONS", "GET", "/a", []string{origin, asks + "POST"}, 200, "", "a"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := httptest.NewRequest(test.method, test.path, nil)
			for _, line := range test.header {
				name, value, _ := strings.Cut(line, ": ")
				r.Header.Set(name, value)
			}
			w := httptest.NewRecorder()
			(&handler{gateway: g}).ServeHTTP(w, r)
			require.Equal(t, test.status, w.Code)
			require.Equal(t, test.allow, w.Header().Get("Allow"))
			if test.status == http.StatusOK {
				require.Equal(t, test.body, w.Body.String())
			} else {
				require.Contains(t, w.Body.String(), test.body)
			}
		})
	}
	require.Contains(t, log.String(), "status=200")
	require.Contains(t, log.String(), "bytes_out=10") // may post a
}
