package gateway

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

// mark are edits that say by whom, how often and for which status they were made.
type mark string

func (m mark) EditHead(h http.Header, status int, r *http.Request, _ *route.Exchange) error {
	h.Add("Edited", string(m)+" "+strconv.Itoa(status)+" "+r.Header.Get("X-Client"))
	return nil
}

type serveFunc func(w http.ResponseWriter, r *http.Request, x *route.Exchange)

func (f serveFunc) Serve(w http.ResponseWriter, r *http.Request, x *route.Exchange) { f(w, r, x) }

// TestEditsOnce: the head is changed once, when its status is final, however it is
// written.
func TestEditsOnce(t *testing.T) {
	handlers := map[string]struct {
		serve serveFunc
		want  string
	}{
		"status":  {func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) { w.WriteHeader(204) }, "entry 204 c"},
		"body":    {func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) { _, _ = io.WriteString(w, "x") }, "entry 200 c"},
		"flush":   {func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) { w.(http.Flusher).Flush() }, "entry 200 c"},
		"nothing": {func(http.ResponseWriter, *http.Request, *route.Exchange) {}, "entry 200 c"},
		"everything": {func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) {
			w.WriteHeader(404)
			w.WriteHeader(500)
			_, _ = io.WriteString(w, "x")
			_ = http.NewResponseController(w).Flush()
			_, _ = io.WriteString(w, "y")
		}, "entry 404 c"},
		"interim": {func(w http.ResponseWriter, _ *http.Request, _ *route.Exchange) {
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(http.StatusEarlyHints)
			w.WriteHeader(201)
		}, "entry 201 c"},
		"choice": {func(w http.ResponseWriter, _ *http.Request, x *route.Exchange) {
			x.Edits = mark("choice")
			w.WriteHeader(200)
		}, "choice 200 c"},
		"panic": {func(http.ResponseWriter, *http.Request, *route.Exchange) { panic("x") }, "entry 500 c"},
	}
	var entries []*route.Entry
	for name, h := range handlers {
		template, err := httprule.Parse("/" + name)
		require.NoError(t, err)
		entries = append(entries, &route.Entry{Method: "GET", Template: template, Handler: h.serve, Edits: mark("entry")})
	}
	template, err := httprule.Parse("/plain")
	require.NoError(t, err)
	entries = append(entries, &route.Entry{Method: "GET", Template: template, Handler: echo("plain")})
	table, err := route.Compile(entries)
	require.NoError(t, err)
	g := &Gateway{options: Options{Protocols: []transcoder.Protocol{rest.New()}}, log: slog.New(slog.DiscardHandler), access: slog.New(slog.DiscardHandler)}
	settings := transcoder.DefaultSettings()
	serveTable(t, g, table, &settings)
	g.snapshot.Load().edits[0] = mark("listener")
	srv := httptest.NewUnstartedServer(&handler{gateway: g})
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	defer srv.Close()
	do := func(t *testing.T, client *http.Client, path string) []string {
		r, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(_ int, h textproto.MIMEHeader) error {
				require.NotContains(t, h, "Edited")
				return nil
			},
		}), http.MethodGet, srv.URL+path, nil)
		require.NoError(t, err)
		r.Header.Set("X-Client", "c")
		res, err := client.Do(r)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.Header["Edited"]
	}
	h2 := &http.Transport{Protocols: new(http.Protocols)}
	h2.Protocols.SetUnencryptedHTTP2(true)
	for version, tr := range map[string]*http.Transport{"HTTP/1.1": {}, "HTTP/2": h2} {
		defer tr.CloseIdleConnections()
		client := &http.Client{Transport: tr}
		for name, h := range handlers {
			t.Run(version+" "+name, func(t *testing.T) {
				require.Equal(t, []string{h.want}, do(t, client, "/"+name))
			})
		}
		require.Empty(t, do(t, client, "/plain"), "what is merged for an entry has the listener in it")
		require.Equal(t, []string{"listener 404 c"}, do(t, client, "/nowhere"))
	}
}
