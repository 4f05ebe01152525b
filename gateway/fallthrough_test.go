package gateway_test

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	libraryv1 "github.com/dragoman-gateway/dragoman/gen/library/v1"
	"github.com/dragoman-gateway/dragoman/internal/demo"
)

// startMoving starts a library that answers as the header x-new of a call says:
// "unimplemented", "missing" (NOT_FOUND), either with "head " in front for an answer
// that has a head before, or "first" for a message before it is unimplemented.
func startMoving(t *testing.T) (target string) {
	t.Helper()
	says := func(ctx context.Context, head func(metadata.MD) error) error {
		md, _ := metadata.FromIncomingContext(ctx)
		answer, headed := strings.CutPrefix(strings.Join(md["x-new"], ""), "head ")
		if headed {
			if err := head(metadata.Pairs("x-leak", "library")); err != nil {
				return err
			}
		}
		switch answer {
		case "unimplemented":
			return status.Error(codes.Unimplemented, "not yet")
		case "missing":
			return status.Error(codes.NotFound, "not here")
		}
		return nil
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := grpc.NewServer(
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			if err := says(ctx, func(md metadata.MD) error { return grpc.SendHeader(ctx, md) }); err != nil {
				return nil, err
			}
			return next(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if !strings.HasPrefix(info.FullMethod, "/library.") {
				return next(srv, ss)
			}
			if err := says(ss.Context(), ss.SetHeader); err != nil {
				return err
			}
			md, _ := metadata.FromIncomingContext(ss.Context())
			switch strings.Join(md["x-new"], "") {
			case "first":
				if err := ss.SendMsg(&libraryv1.Book{Title: "a first one"}); err != nil {
					return err
				}
				return status.Error(codes.Unimplemented, "no more")
			case "last":
				for ss.RecvMsg(new(libraryv1.ImportBooksRequest)) == nil {
				}
				return status.Error(codes.Unimplemented, "not yet")
			}
			return next(srv, ss)
		}),
	)
	demo.Register(srv)
	served := make(chan struct{})
	go func() {
		defer close(served)
		_ = srv.Serve(ln)
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-served
	})
	return ln.Addr().String()
}

// old is a REST service that tells what it was asked, or answers with the status of
// the header x-NAME.
type old struct {
	name string
	srv  *httptest.Server

	mu   sync.Mutex
	last *http.Request
}

func startOld(t *testing.T, name string) *old {
	t.Helper()
	o := &old{name: name}
	o.srv = httptest.NewServer(o)
	t.Cleanup(o.srv.Close)
	return o
}

func (o *old) take() *http.Request {
	o.mu.Lock()
	defer o.mu.Unlock()
	r := o.last
	o.last = nil
	return r
}

func (o *old) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body []byte
	if r.Header.Get("X-Early") != o.name {
		body, _ = io.ReadAll(r.Body)
	}
	o.mu.Lock()
	o.last = r
	o.mu.Unlock()
	w.Header().Set("X-Served", o.name)
	switch answer := r.Header.Get("X-" + o.name); answer {
	case "":
	case "404", "410":
		w.Header().Set("X-Leak", o.name)
		w.Header().Set("Set-Cookie", "of="+o.name)
		w.WriteHeader(map[string]int{"404": 404, "410": 410}[answer])
		_, _ = fmt.Fprintf(w, "%s: not here", o.name)
		return
	case "long":
		w.WriteHeader(404)
		for range 64 {
			_, _ = w.Write(make([]byte, 64<<10))
		}
		return
	case "cut":
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(404)
		_, _ = io.WriteString(w, "not")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = fmt.Fprintf(w, "%s %s %s %s", o.name, r.Method, r.URL.RequestURI(), body)
}

// moving is an API of three services, the newest first.
type moving struct {
	*httptest.Server
	h2             *http.Transport
	legacy, oldest *old
	log            *syncBuffer
}

func startMovingAPI(t *testing.T) *moving {
	t.Helper()
	m := &moving{legacy: startOld(t, "Legacy"), oldest: startOld(t, "Oldest"), log: new(syncBuffer)}
	g := newGateway(t, fmt.Sprintf(`
listeners: [{name: default, address: "127.0.0.1:0", trusted_proxies: [127.0.0.1]}]
upstreams:
- {name: library, grpc: {target: %q}}
- {name: legacy, http: {url: %q}}
- {name: oldest, http: {url: %q}}
routes:
- name: library
  transcode: {upstream: library, http: {cors: {origins: ["https://app.test"]}}}
  transform: [{request: '.headers["x-program"] = "library"', response: '.headers["x-program"] = "library"'}]
  headers: {request: {set: [{name: x-edit, value: library}]}, response: {set: [{name: x-route, value: library}]}}
  fall_through: {on: [UNIMPLEMENTED, "404"], request_bytes: 1000}
- name: legacy
  match: [{prefix: /v1}, {prefix: /library.v1.Library}]
  forward: {upstream: legacy}
  headers: {response: {set: [{name: x-legacy-route, value: legacy}]}}
  fall_through: {on: ["404"], request_bytes: 1000}
- name: oldest
  match: [{path: "/{version}/{rest=**}"}]
  forward: {upstream: oldest, rewrite: {path: "/old/{version}/of/{rest}"}, compression: {min_bytes: 1}}
`, startMoving(t), m.legacy.srv.URL, m.oldest.srv.URL), nil, m.log)
	require.NoError(t, g.Start(t.Context()))
	m.Server, m.h2 = serveBoth(t, g)
	return m
}

// line is what the access log says of the one request since it had so many bytes.
func (m *moving) line(t *testing.T, before int) map[string]any {
	t.Helper()
	require.Eventually(t, func() bool { return len(m.log.String()) > before }, 5*time.Second, time.Millisecond, "a line of the access log")
	var out map[string]any
	require.NoError(t, json.Unmarshal([]byte(m.log.String()[before:]), &out))
	return out
}

// chunked hides how long a body is.
type chunked struct{ io.Reader }

// TestFallThrough sends requests to an API that has moved in part, over both versions
// of HTTP.
func TestFallThrough(t *testing.T) {
	m := startMovingAPI(t)
	big := `{"theme": "` + strings.Repeat("x", 1000) + `"}`
	tests := []struct {
		name, method, path, body string
		headers                  string // NAME=VALUE, several with commas
		unknown                  bool   // nobody is told how long the body is
		status                   int
		served                   string // who answers: library, Legacy, Oldest
		want                     string // the answer, "~" in front for a part of it
	}{
		{"answered", "GET", "/v1/shelves", "", "", false, 200, "library", "~Poetry"},
		{"unimplemented", "GET", "/v1/books?page_size=1", "", "X-New=unimplemented", false, 200, "Legacy", "Legacy GET /v1/books?page_size=1 "},
		{"unimplemented behind a head", "GET", "/v1/shelves", "", "X-New=head unimplemented", false, 200, "Legacy", "Legacy GET /v1/shelves "},
		{"HEAD", "HEAD", "/v1/shelves", "", "X-New=unimplemented", false, 200, "Legacy", ""},
		{"not found", "DELETE", "/v1/shelves/77", "", "", false, 200, "Legacy", "Legacy DELETE /v1/shelves/77 "},
		{"a stream", "GET", "/v1/shelves/1/books:stream", "", "X-New=unimplemented", false, 200, "Legacy", "Legacy GET /v1/shelves/1/books:stream "},
		{"a stream that has begun", "GET", "/v1/shelves/1/books:stream", "", "X-New=first", false, 200, "library", ""},
		{"a file", "GET", "/v1/shelves/1/books:export", "", "X-New=unimplemented", false, 200, "Legacy", "Legacy GET /v1/shelves/1/books:export "},
		{"a body", "POST", "/v1/shelves", `{"theme": "Maps"}`, "X-New=unimplemented", false, 200, "Legacy", `Legacy POST /v1/shelves {"theme": "Maps"}`},
		{"a body of unknown length", "POST", "/v1/shelves", `{"theme": "Maps"}`, "X-New=unimplemented", true, 200, "Legacy", `Legacy POST /v1/shelves {"theme": "Maps"}`},
		{"too much of a body", "POST", "/v1/shelves", big, "X-New=unimplemented", false, 501, "library", "~not yet"},
		{"too much of unknown length", "POST", "/v1/shelves", big, "X-New=unimplemented", true, 501, "library", "~not yet"},
		{"a collected stream", "POST", "/v1/shelves/1/books:import", `[{"title": "a"}]`, "X-New=last", false, 200, "Legacy", `Legacy POST /v1/shelves/1/books:import [{"title": "a"}]`},
		{"three", "POST", "/v1/shelves", `{"theme": "Maps"}`, "X-New=unimplemented,X-Legacy=404", false, 200, "Oldest", `Oldest POST /old/v1/of/shelves {"theme": "Maps"}`},
		{"three, of which the second reads nothing", "POST", "/v1/shelves", `{"theme": "Maps"}`, "X-New=unimplemented,X-Legacy=404,X-Early=Legacy", false, 200, "Oldest", `Oldest POST /old/v1/of/shelves {"theme": "Maps"}`},
		{"nobody left", "GET", "/v1/shelves", "", "X-New=unimplemented,X-Legacy=404,X-Oldest=404", false, 404, "Oldest", "Oldest: not here"},
		{"another status", "GET", "/v1/shelves", "", "X-New=unimplemented,X-Legacy=410", false, 410, "Legacy", "Legacy: not here"},
		{"from the second on", "PUT", "/v1/other", "something", "X-Legacy=404", false, 200, "Oldest", "Oldest PUT /old/v1/of/other something"},
		{"a long answer", "PUT", "/v1/other", "something", "X-Legacy=long", false, 200, "Oldest", "Oldest PUT /old/v1/of/other something"},
		{"a cut answer", "PUT", "/v1/other", "something", "X-Legacy=cut", false, 200, "Oldest", "Oldest PUT /old/v1/of/other something"},
		{"more than is kept, unread", "PUT", "/v1/other", big, "X-Legacy=404", false, 404, "Legacy", "Legacy: not here"},
		{"a mistake of the client", "GET", "/v1/shelves?nothing=1", "", "", false, 400, "library", "~nothing"},
	}
	for version, tr := range map[string]*http.Transport{"HTTP/1.1": {}, "HTTP/2": m.h2} {
		t.Cleanup(tr.CloseIdleConnections)
		for _, test := range tests {
			t.Run(version+" "+test.name, func(t *testing.T) {
				m.legacy.take()
				m.oldest.take()
				before := len(m.log.String())
				var body io.Reader
				if test.body != "" {
					body = strings.NewReader(test.body)
				}
				if test.unknown {
					body = chunked{body}
				}
				r, err := http.NewRequestWithContext(t.Context(), test.method, m.URL+test.path, body)
				require.NoError(t, err)
				r.Header.Set("Origin", "https://app.test")
				r.Header.Set("Accept-Encoding", "gzip")
				r.Header.Set("X-Forwarded-For", "203.0.113.9")
				for pair := range strings.SplitSeq(test.headers, ",") {
					if name, value, ok := strings.Cut(pair, "="); ok {
						r.Header.Set(name, value)
					}
				}
				res, err := tr.RoundTrip(r)
				require.NoError(t, err)
				defer res.Body.Close()
				if res.Header.Get("Content-Encoding") == "gzip" {
					require.Equal(t, "Oldest", test.served, "only the last route compresses")
					res.Body = gunzip(t, res.Body)
				}
				got, err := io.ReadAll(res.Body)
				if err != nil && test.headers != "X-New=first" {
					require.NoError(t, err)
				}
				require.Equal(t, test.status, res.StatusCode, string(got))
				if part, ok := strings.CutPrefix(test.want, "~"); ok {
					require.Contains(t, string(got), part)
				} else if test.want != "" {
					require.Equal(t, test.want, string(got))
				}
				require.Equal(t, version[:6], res.Proto[:6])

				line := m.line(t, before)
				require.EqualValues(t, test.status, line["status"])
				require.Equal(t, "203.0.113.9", line["remote"])
				require.Equal(t, strings.ToLower(test.served), line["upstream"])
				require.Equal(t, strings.ToLower(test.served), line["route"])
				if test.served == "library" {
					require.Equal(t, "library", res.Header.Get("X-Route"))
					require.Equal(t, "https://app.test", res.Header.Get("Access-Control-Allow-Origin"))
					require.Nil(t, m.legacy.take())
					require.Nil(t, m.oldest.take())
					return
				}
				for _, name := range []string{"X-Route", "X-Program", "Access-Control-Allow-Origin", "X-Dragoman-Error"} {
					require.Empty(t, res.Header.Values(name), "%s of the first answer", name)
				}
				require.Equal(t, []string{test.served}, res.Header.Values("X-Served"))
				if test.status == 200 {
					require.Empty(t, res.Header.Values("X-Leak"))
					require.Empty(t, res.Header.Values("Set-Cookie"))
				}
				require.Equal(t, test.served == "Legacy", res.Header.Get("X-Legacy-Route") != "")
				require.NotContains(t, line, "grpc_status")
				require.NotContains(t, line, "reason")
				require.EqualValues(t, len(test.body), line["bytes_in"])
				last := m.legacy
				if test.served == "Oldest" {
					last = m.oldest
				}
				asked := last.take()
				require.NotContains(t, asked.Header, "X-Program", "what programs of another route did")
				require.NotContains(t, asked.Header, "X-Edit")
				require.Equal(t, "203.0.113.9, 127.0.0.1", asked.Header.Get("X-Forwarded-For"))
			})
		}
	}
}

// TestFallThroughWhileSending keeps the first answer for a client that is still
// sending: what it has sent so far may be all there is for a long time.
func TestFallThroughWhileSending(t *testing.T) {
	m := startMovingAPI(t)
	for version, tr := range map[string]*http.Transport{"HTTP/1.1": {}, "HTTP/2": m.h2} {
		t.Run(version, func(t *testing.T) {
			t.Cleanup(tr.CloseIdleConnections)
			m.legacy.take()
			read, write := io.Pipe()
			defer write.Close()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, m.URL+"/v1/shelves/1/books:import", read)
			require.NoError(t, err)
			r.Header.Set("Content-Type", "application/x-ndjson")
			r.Header.Set("X-New", "unimplemented")
			go func() { _, _ = io.WriteString(write, "{\"title\": \"a\"}\n") }()
			res, err := tr.RoundTrip(r)
			require.NoError(t, err)
			defer res.Body.Close()
			require.Equal(t, http.StatusNotImplemented, res.StatusCode)
			_, err = io.ReadAll(res.Body)
			require.NoError(t, err)
			require.Nil(t, m.legacy.take())
		})
	}
}

// TestFallThroughOfTheGateway: what the gateway itself answers is nobody's "not here".
func TestFallThroughOfTheGateway(t *testing.T) {
	oldest := startOld(t, "Oldest")
	hung := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.ReadAll(r.Body)
		<-r.Context().Done()
	}))
	t.Cleanup(hung.Close)
	g := newGateway(t, fmt.Sprintf(`
upstreams:
- {name: gone, grpc: {target: %q}, descriptors: {proto: {roots: [.]}}}
- {name: down, http: {url: "http://%s"}}
- {name: hung, http: {url: %q}}
- {name: oldest, http: {url: %q}}
routes:
- name: gone
  transcode: {upstream: gone}
  fall_through: &all {on: [UNAVAILABLE, DEADLINE_EXCEEDED, INVALID_ARGUMENT, "400", "404", "405", "413", "415", "502", "503", "504"]}
- {name: down, match: [{prefix: /down}], forward: {upstream: down}, fall_through: *all}
- {name: hung, match: [{prefix: /hung}], forward: {upstream: hung, timeout: 50ms, limits: {request_bytes: 3}}, fall_through: *all}
- {name: oldest, match: [{prefix: /}], forward: {upstream: oldest}}
`, freeAddress(t), freeAddress(t), hung.URL, oldest.srv.URL), map[string]string{"gone.proto": `
syntax = "proto3";
package gone.v1;
message Thing { string name = 1; }
service Gone { rpc Get(Thing) returns (Thing); }
`}, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	srv, h2 := serveBoth(t, g)
	for _, test := range []struct {
		path, body string
		status     int
	}{
		{"/gone.v1.Gone/Get", "{}", 503},
		{"/gone.v1.Gone/Get", "nothing", 400},
		{"/down", "{}", 503},
		{"/hung", "{}", 504},
		{"/hung", "more", 413},
		{"/hung/%2e%2e", "{}", 400},
	} {
		res, err := h2.RoundTrip(request(t, http.MethodPost, srv.URL+test.path, test.body))
		require.NoError(t, err)
		_ = res.Body.Close()
		require.Equal(t, test.status, res.StatusCode, test.path)
		require.NotEmpty(t, res.Header.Get("X-Dragoman-Error"))
		require.Nil(t, oldest.take(), test.path)
	}
	conn := dialGRPC(t, srv)
	err := conn.Invoke(t.Context(), "/gone.v1.Gone/Get", new(libraryv1.Shelf), new(libraryv1.Shelf))
	require.Equal(t, codes.Unavailable, status.Code(err))
	require.Nil(t, oldest.take())
}

func request(t *testing.T, method, url, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	return r
}

func dialGRPC(t *testing.T, srv *httptest.Server) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(strings.TrimPrefix(srv.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// TestFallThroughOfGRPC calls a library that has moved in part, as native gRPC: to
// another upstream that speaks it, by a narrower route, and then to one that is
// forwarded to.
func TestFallThroughOfGRPC(t *testing.T) {
	second, calls := startNoting(t)
	third, last := startNoting(t)
	var log syncBuffer
	g := newGateway(t, fmt.Sprintf(`
upstreams:
- {name: new, grpc: {target: %q}}
- {name: second, grpc: {target: %q}}
- {name: third, http: {url: "http://%s", version: http2}}
routes:
- name: new
  match: [{headers: [{name: x-new}]}]
  transcode: {upstream: new}
  fall_through: {on: [UNIMPLEMENTED], request_bytes: 1000}
- name: second
  match: [{headers: [{name: x-skip, invert: true, present: true}]}]
  transcode: {upstream: second}
- name: third
  match: [{grpc: {service: library.v1.Library}}]
  forward: {upstream: third}
`, startMoving(t), second, third), nil, &log)
	require.NoError(t, g.Start(t.Context()))
	srv, _ := serveBoth(t, g)
	client := libraryv1.NewLibraryClient(dialGRPC(t, srv))

	for _, skip := range []bool{false, true} {
		by := calls
		with := func(pairs ...string) context.Context {
			if skip {
				pairs = append(pairs, "x-skip", "1")
			}
			return metadata.AppendToOutgoingContext(t.Context(), pairs...)
		}
		if skip {
			by = last
		}
		for _, answer := range []string{"unimplemented", "head unimplemented"} {
			by.take()
			var head, trailer metadata.MD
			shelf, err := client.GetShelf(with("x-new", answer), &libraryv1.GetShelfRequest{Name: "shelves/1"}, grpc.Header(&head), grpc.Trailer(&trailer))
			require.NoError(t, err, answer)
			require.Equal(t, "shelves/1", shelf.GetName())
			require.Equal(t, []string{"upstream"}, head["x-served"])
			require.NotContains(t, head, "x-leak")
			require.NotNil(t, by.take())
		}
		stream, err := client.StreamBooks(with("x-new", "unimplemented"), &libraryv1.StreamBooksRequest{Parent: "shelves/1"})
		require.NoError(t, err)
		n := 0
		for ; err == nil; n++ {
			_, err = stream.Recv()
		}
		require.ErrorIs(t, err, io.EOF)
		require.Greater(t, n, 1)
		require.NotNil(t, by.take())
		_, err = client.GetShelf(with("x-new", "missing"), &libraryv1.GetShelfRequest{Name: "shelves/1"})
		require.Equal(t, codes.NotFound, status.Code(err), "that status was not named")
		_, err = client.CreateShelf(with("x-new", "unimplemented"), &libraryv1.CreateShelfRequest{Shelf: &libraryv1.Shelf{Theme: strings.Repeat("x", 1000)}})
		require.Equal(t, codes.Unimplemented, status.Code(err), "more than is kept")
		require.Nil(t, by.take())

		// A client stream that is whole goes on, one that is not has its answer.
		upload, err := client.ImportBooks(with("x-new", "last"))
		require.NoError(t, err)
		_, err = upload.CloseAndRecv()
		require.NoError(t, err)
		require.NotNil(t, by.take())
		upload, err = client.ImportBooks(with("x-new", "unimplemented"))
		require.NoError(t, err)
		require.Equal(t, codes.Unimplemented, status.Code(upload.RecvMsg(new(libraryv1.ImportBooksResponse))))
		require.Nil(t, by.take())
	}
	stream, err := client.StreamBooks(metadata.AppendToOutgoingContext(t.Context(), "x-new", "first"), &libraryv1.StreamBooksRequest{Parent: "shelves/1"})
	require.NoError(t, err)
	_, err = stream.Recv()
	require.NoError(t, err)
	_, err = stream.Recv()
	require.Equal(t, codes.Unimplemented, status.Code(err), "it has begun")
	require.Nil(t, calls.take())
}

// TestFallThroughOfUpgrades: an upgrade that one route refuses is for the next, as an
// upgrade or as any GET.
func TestFallThroughOfUpgrades(t *testing.T) {
	legacy := startOld(t, "Legacy")
	chat := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer conn.CloseNow()
		kind, frame, err := conn.Read(r.Context())
		if err != nil {
			return
		}
		_ = conn.Write(r.Context(), kind, append([]byte("chat: "), frame...))
		_ = conn.Close(websocket.StatusNormalClosure, "")
	}))
	t.Cleanup(chat.Close)
	g := newGateway(t, fmt.Sprintf(`
upstreams:
- {name: library, grpc: {target: %q}}
- {name: legacy, http: {url: %q}}
- {name: chat, http: {url: %q}}
routes:
- name: legacy
  hosts: ["127.0.0.1"]
  match: [{prefix: /}]
  forward: {upstream: legacy}
  fall_through: {on: ["404"]}
- {name: library, transcode: {upstream: library}}
- {name: chat, match: [{prefix: /}], forward: {upstream: chat}}
`, startLibrary(t, "127.0.0.1:0"), legacy.srv.URL, chat.URL), nil, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	srv := serve(t, g)
	for path, want := range map[string]string{"/chat": "chat: {}", "/v1/books:ask": `{"nothing":{}}`} {
		conn, _, err := websocket.Dial(t.Context(), srv.URL+path, &websocket.DialOptions{HTTPHeader: http.Header{"X-Legacy": {"404"}}})
		require.NoError(t, err, path)
		require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte("{}")))
		_, frame, err := conn.Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, string(frame))
		_ = conn.CloseNow()
		require.NotNil(t, legacy.take(), path)
	}
}

func gunzip(t *testing.T, r io.Reader) io.ReadCloser {
	t.Helper()
	out, err := gzip.NewReader(r)
	require.NoError(t, err)
	return out
}
