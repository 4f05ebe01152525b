package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/gateway"
	libraryv1 "github.com/dragoman-gateway/dragoman/gen/library/v1"
	"github.com/dragoman-gateway/dragoman/header"
	"github.com/dragoman-gateway/dragoman/internal/demo"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// seen is the metadata of the last call that a service has had.
type seen struct {
	mu sync.Mutex
	md metadata.MD
}

func (s *seen) note(ctx context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.md, _ = metadata.FromIncomingContext(ctx)
}

// take gives it, once.
func (s *seen) take() metadata.MD {
	s.mu.Lock()
	defer s.mu.Unlock()
	md := s.md
	s.md = nil
	return md
}

// startNoting starts a library that notes what it is called with.
func startNoting(t *testing.T) (target string, calls *seen) {
	t.Helper()
	calls = new(seen)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := grpc.NewServer(
		grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			calls.note(ctx)
			_ = grpc.SetHeader(ctx, metadata.Pairs("x-served", "upstream", "x-secret", "1"))
			return next(ctx, req)
		}),
		grpc.StreamInterceptor(func(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			if strings.HasPrefix(info.FullMethod, "/library.") {
				calls.note(ss.Context())
				_ = ss.SetHeader(metadata.Pairs("x-served", "upstream", "x-secret", "1"))
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
	return ln.Addr().String(), calls
}

func expression(t *testing.T, src string, variables ...string) *jq.Program {
	t.Helper()
	p, err := jq.Compile(src, jq.Config{Name: "an expression", Variables: variables, Limits: jq.DefaultLimits})
	require.NoError(t, err)
	return p
}

// edited serves a library with edits, over HTTP/1.1 and over HTTP/2 without TLS.
func edited(t *testing.T, target string, access io.Writer, listener, entry *header.Spec) (srv *httptest.Server, h2 *http.Transport) {
	t.Helper()
	g := newGateway(t, fmt.Sprintf(`
upstreams:
- {name: library, grpc: {target: %q}}
- {name: down, grpc: {target: %q}}
routes:
- {name: library, hosts: ["127.0.0.1"], transcode: {upstream: library, stream: {form: sse}}}
- {name: down, hosts: [down.test], transcode: {upstream: down}}
`, target, freeAddress(t)), nil, access)
	require.NoError(t, g.Start(t.Context()))
	early, err := header.Merge(listener)
	require.NoError(t, err)
	merged, err := header.Merge(listener, entry)
	require.NoError(t, err)
	g.SetEdits(early, merged)
	return serveBoth(t, g)
}

func serveBoth(t *testing.T, g *gateway.Gateway) (*httptest.Server, *http.Transport) {
	srv := httptest.NewUnstartedServer(g.Handler("default"))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	srv.Start()
	t.Cleanup(srv.Close)
	h2 := &http.Transport{Protocols: new(http.Protocols)}
	h2.Protocols.SetUnencryptedHTTP2(true)
	t.Cleanup(h2.CloseIdleConnections)
	return srv, h2
}

// TestHeaderEdits asks for every sort of answer, over both versions of HTTP: what the
// route says counts where there is one, and what the listener says where there is none
// (B-10).
func TestHeaderEdits(t *testing.T) {
	target, calls := startNoting(t)
	alphabet := header.List{
		Set:    []header.Value{{Name: "X-Route-Table", Text: "alphabet"}},
		Append: []header.Value{{Name: "vary", Text: "x-tenant"}},
		Remove: []string{"date"},
	}
	srv, h2 := edited(t, target, io.Discard,
		&header.Spec{
			Request: header.List{
				Set:    []header.Value{{Name: "x-env", Text: "all"}, {Name: "x-tenant", Program: expression(t, `.headers["x-user"]`)}},
				Remove: []string{"x-internal-*"},
			},
			Response: alphabet,
		},
		&header.Spec{
			Request: header.List{Set: []header.Value{{Name: "x-env", Text: "route"}}, Append: []header.Value{{Name: "x-list", Text: "b"}}},
			Response: header.List{
				Set: []header.Value{
					{Name: "x-route-table", Text: "a"},
					{Name: "x-echo", Program: expression(t, `[.status, $request.headers["x-user"], .headers["x-served"]] | map(select(.))`, "request")},
				},
				Remove: []string{"X-Secret"},
			},
		})
	for version, tr := range map[string]*http.Transport{"HTTP/1.1": {}, "HTTP/2": h2} {
		t.Cleanup(tr.CloseIdleConnections)
		for _, test := range []struct {
			name, method, path, host string
			accept                   string
			status                   int
			table                    string
			echo                     []string
			called                   bool
		}{
			{"an answer", "GET", "/v1/shelves", "", "", 200, "a", []string{"200", "me", "upstream"}, true},
			{"HEAD", "HEAD", "/v1/shelves", "", "", 200, "a", []string{"200", "me", "upstream"}, true},
			{"a stream", "GET", "/v1/shelves/1/books:stream", "", "text/event-stream", 200, "a", []string{"200", "me", "upstream"}, true},
			{"a file", "GET", "/v1/shelves/1/books:export", "", "", 200, "a", []string{"200", "me", "upstream"}, true},
			{"an error of the upstream", "GET", "/v1/shelves/77", "", "", 404, "a", []string{"404", "me", "upstream"}, true},
			{"an error of the gateway", "GET", "/v1/shelves?nothing=1", "", "", 400, "a", []string{"400", "me"}, false},
			{"no route", "GET", "/nothing", "", "", 404, "alphabet", nil, false},
			{"no method", "PUT", "/v1/shelves", "", "", 405, "alphabet", nil, false},
			{"OPTIONS", "OPTIONS", "/v1/shelves", "", "", 204, "alphabet", nil, false},
			{"no descriptors", "GET", "/v1/shelves", "down.test", "", 503, "alphabet", nil, false},
		} {
			t.Run(version+" "+test.name, func(t *testing.T) {
				calls.take()
				r, err := http.NewRequestWithContext(t.Context(), test.method, srv.URL+test.path, nil)
				require.NoError(t, err)
				r.Host = test.host
				r.Header = http.Header{"X-User": {"me"}, "X-List": {"a"}, "X-Internal-Role": {"admin"}, "X-Env": {"mine", "too"}}
				if test.accept != "" {
					r.Header.Set("Accept", test.accept)
				}
				res, err := tr.RoundTrip(r)
				require.NoError(t, err)
				defer res.Body.Close()
				body, err := io.ReadAll(res.Body)
				require.NoError(t, err)
				require.Equal(t, version[:6], res.Proto[:6])
				require.Equal(t, test.status, res.StatusCode, string(body))
				require.Equal(t, []string{test.table}, res.Header["X-Route-Table"])
				require.Contains(t, res.Header["Vary"], "x-tenant")
				require.NotContains(t, res.Header, "Date")
				require.Equal(t, test.echo, res.Header["X-Echo"])
				md := calls.take()
				if !test.called {
					require.Nil(t, md)
					return
				}
				require.NotContains(t, res.Header, "X-Secret")
				require.Equal(t, []string{"upstream"}, res.Header["X-Served"])
				require.Equal(t, []string{"route"}, md["x-env"])
				require.Equal(t, []string{"me"}, md["x-tenant"])
				require.Equal(t, []string{"a", "b"}, md["x-list"])
				require.NotContains(t, md, "x-internal-role")
			})
		}
	}
}

// TestHeaderEditsOfGRPC: calls of native gRPC have the same edits, whatever their end.
func TestHeaderEditsOfGRPC(t *testing.T) {
	target, calls := startNoting(t)
	srv, _ := edited(t, target, io.Discard,
		&header.Spec{Response: header.List{Set: []header.Value{{Name: "x-route-table", Text: "alphabet"}}}},
		&header.Spec{
			Request: header.List{
				Set:    []header.Value{{Name: "x-env", Text: "route"}, {Name: "content-type", Text: "text/plain"}},
				Remove: []string{"x-internal-*", "g*"},
			},
			Response: header.List{
				Set:    []header.Value{{Name: "x-route-table", Text: "a"}, {Name: "content-type", Text: "text/plain"}},
				Remove: []string{"x-s*", "g*"},
			},
		})
	conn, err := grpc.NewClient(strings.TrimPrefix(srv.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	defer conn.Close()
	client := libraryv1.NewLibraryClient(conn)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x-internal-role", "admin", "x-env", "mine")
	check := func(head, trailer metadata.MD) {
		t.Helper()
		require.Equal(t, []string{"a"}, head["x-route-table"])
		require.Equal(t, []string{"application/grpc"}, head["content-type"])
		require.NotContains(t, head, "x-secret")
		require.NotContains(t, trailer, "x-route-table")
		md := calls.take()
		require.Equal(t, []string{"route"}, md["x-env"])
		require.NotContains(t, md, "x-internal-role")
	}
	var head, trailer metadata.MD
	_, err = client.GetShelf(ctx, &libraryv1.GetShelfRequest{Name: "shelves/1"}, grpc.Header(&head), grpc.Trailer(&trailer))
	require.NoError(t, err)
	check(head, trailer)

	stream, err := client.StreamBooks(ctx, &libraryv1.StreamBooksRequest{Parent: "shelves/1"})
	require.NoError(t, err)
	for err == nil {
		_, err = stream.Recv()
	}
	require.ErrorIs(t, err, io.EOF)
	head, err = stream.Header()
	require.NoError(t, err)
	check(head, stream.Trailer())

	_, err = client.GetShelf(ctx, &libraryv1.GetShelfRequest{Name: "shelves/77"}, grpc.Header(&head), grpc.Trailer(&trailer))
	require.Equal(t, codes.NotFound, status.Code(err))
	check(head, trailer)

	// What has no route is answered with trailers alone, which are the head.
	err = conn.Invoke(ctx, "/library.v1.Library/Nothing", &libraryv1.GetShelfRequest{}, new(libraryv1.Shelf), grpc.Header(&head), grpc.Trailer(&trailer))
	require.Equal(t, codes.Unimplemented, status.Code(err))
	require.Contains(t, append(head["x-route-table"], trailer["x-route-table"]...), "alphabet")
}

// TestHeaderEditsOfWebSockets: the answer to an upgrade has them too.
func TestHeaderEditsOfWebSockets(t *testing.T) {
	target, calls := startNoting(t)
	srv, _ := edited(t, target, io.Discard, nil, &header.Spec{
		Request: header.List{Set: []header.Value{{Name: "x-env", Text: "route"}}},
		Response: header.List{
			Set:    []header.Value{{Name: "x-route-table", Program: expression(t, ".status", "request")}},
			Remove: []string{"s*", "u*", "c*"},
		},
	})
	conn, res, err := websocket.Dial(t.Context(), srv.URL+"/library.v1.Library/Ask", nil)
	require.NoError(t, err)
	defer conn.CloseNow()
	require.Equal(t, []string{"101"}, res.Header["X-Route-Table"])
	require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte(`{"title":"no such book"}`)))
	_, _, err = conn.Read(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"route"}, calls.take()["x-env"])
}

// TestHeaderExpressionsThatFail: a request ends there, an answer goes out with what
// there is, and the log has why.
func TestHeaderExpressionsThatFail(t *testing.T) {
	target, calls := startNoting(t)
	var log syncBuffer
	srv, h2 := edited(t, target, &log, nil, &header.Spec{
		Request: header.List{Set: []header.Value{{Name: "x-a", Program: expression(t, `if .headers["x-fail"] then error("secret") else null end`)}}},
		Response: header.List{Set: []header.Value{
			{Name: "x-b", Program: expression(t, `error("hidden")`, "request")}, {Name: "x-served", Program: expression(t, `{}`, "request")}, {Name: "x-c", Text: "c"},
		}},
	})
	for _, tr := range []*http.Transport{{}, h2} {
		for _, fail := range []bool{true, false} {
			calls.take()
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/v1/shelves", nil)
			require.NoError(t, err)
			if fail {
				r.Header.Set("X-Fail", "1")
			}
			res, err := tr.RoundTrip(r)
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.Equal(t, []string{"c"}, res.Header["X-C"])
			require.NotContains(t, res.Header, "X-B")
			if fail {
				require.Equal(t, http.StatusInternalServerError, res.StatusCode)
				require.Equal(t, "PROGRAM_FAILED", res.Header.Get("X-Dragoman-Error"))
				require.Contains(t, string(body), "an expression failed")
				require.NotContains(t, string(body), "secret")
				require.Nil(t, calls.take())
			} else {
				require.Equal(t, http.StatusOK, res.StatusCode)
				require.Equal(t, []string{"upstream"}, res.Header["X-Served"])
			}
		}
		tr.CloseIdleConnections()
	}
	srv.Close() // the lines are written when the handlers are done
	require.Equal(t, 2, strings.Count(log.String(), `secret`))
	require.Equal(t, 4, strings.Count(log.String(), `"header_error":"an expression: error: hidden\nan expression: an object is neither text, number, boolean nor an array of these"`), log.String())
	require.NotContains(t, log.String(), "aborted")
}
