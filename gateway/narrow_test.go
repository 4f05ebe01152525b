package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/metadata"

	libraryv1 "github.com/dragoman-gateway/dragoman/gen/library/v1"
)

// TestConditionsOfTranscodeRoutes has conditions choose between services with the same
// methods, whichever way these are called.
func TestConditionsOfTranscodeRoutes(t *testing.T) {
	target, stable := startNoting(t)
	canaryTarget, canary := startNoting(t)
	oneTarget, one := startNoting(t)
	g := newGateway(t, fmt.Sprintf(`
upstreams:
- {name: stable, grpc: {target: %q}}
- {name: canary, grpc: {target: %q}}
- {name: one, grpc: {target: %q}}
routes:
- {name: stable, transcode: {upstream: stable}}
- name: canary
  match:
  - headers: [{name: x-canary, exact: "1"}]
  - query: [{name: page_size, regex: "[0-9]"}]
  transcode: {upstream: canary}
- name: one
  match: [{grpc: {service: library.v1.Library, method: GetShelf}, headers: [{name: x-canary}, {name: x-one}]}]
  transcode: {upstream: one}
`, target, canaryTarget, oneTarget), nil, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	srv, _ := serveBoth(t, g)
	took := func(what string, by *seen) {
		t.Helper()
		for name, each := range map[string]*seen{"stable": stable, "canary": canary, "one": one} {
			if md := each.take(); each == by {
				require.NotNil(t, md, "%s: %s has it", what, name)
			} else {
				require.Nil(t, md, "%s: %s has it", what, name)
			}
		}
	}
	tests := []struct {
		name, path string
		header     http.Header
		by         *seen
	}{
		{"nothing", "/v1/shelves/1", nil, stable},
		{"another value", "/v1/shelves/1", http.Header{"X-Canary": {"2"}}, stable},
		{"two values", "/v1/shelves/1", http.Header{"X-Canary": {"1", "1"}}, stable},
		{"a header", "/v1/shelves/1", http.Header{"X-Canary": {"1"}}, canary},
		{"a parameter", "/v1/books?page_size=3", nil, canary},
		{"another parameter", "/v1/books?page_size=30", nil, stable},
		{"a method", "/v1/shelves/1", http.Header{"X-Canary": {"1"}, "X-One": {"1"}}, one},
		{"another method", "/v1/shelves", http.Header{"X-Canary": {"1"}, "X-One": {"1"}}, canary},
	}
	for _, test := range tests {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+test.path, nil)
		require.NoError(t, err)
		if test.header != nil {
			r.Header = test.header
		}
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		require.NoError(t, err)
		_ = res.Body.Close()
		require.Equal(t, http.StatusOK, res.StatusCode, test.name)
		took(test.name, test.by)
	}

	client := libraryv1.NewLibraryClient(dialGRPC(t, srv))
	for _, test := range []struct {
		pairs []string
		by    *seen
	}{
		{nil, stable},
		{[]string{"x-canary", "2"}, stable},
		{[]string{"x-canary", "1"}, canary},
		{[]string{"x-canary", "1", "x-one", "1"}, one},
	} {
		ctx := metadata.AppendToOutgoingContext(t.Context(), test.pairs...)
		_, err := client.GetShelf(ctx, &libraryv1.GetShelfRequest{Name: "shelves/1"})
		require.NoError(t, err)
		took(fmt.Sprintf("gRPC %q", test.pairs), test.by)
		stream, err := client.StreamBooks(ctx, &libraryv1.StreamBooksRequest{Parent: "shelves/1"})
		require.NoError(t, err)
		for err == nil {
			_, err = stream.Recv()
		}
		require.ErrorIs(t, err, io.EOF)
		by := test.by
		if by == one {
			by = canary
		}
		took(fmt.Sprintf("a stream of gRPC %q", test.pairs), by)
	}

	for _, test := range []struct {
		header http.Header
		by     *seen
	}{
		{nil, stable},
		{http.Header{"X-Canary": {"1"}}, canary},
	} {
		conn, _, err := websocket.Dial(t.Context(), srv.URL+"/v1/books:ask", &websocket.DialOptions{HTTPHeader: test.header})
		require.NoError(t, err)
		require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte("{}")))
		_, _, err = conn.Read(t.Context())
		require.NoError(t, err)
		_ = conn.CloseNow()
		took(fmt.Sprintf("a WebSocket %q", test.header), test.by)
	}
}
