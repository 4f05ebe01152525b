package gateway_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"

	libraryv1 "github.com/dragoman-gateway/dragoman/gen/library/v1"
	"github.com/dragoman-gateway/dragoman/internal/demo"
)

// What the library's descriptors say of two methods, and what may be done twice.
const retried = `syntax = "proto3";
package library.v1;
import "google/api/annotations.proto";
service Library {
  rpc GetShelf(GetShelfRequest) returns (Shelf) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/{name=shelves/*}"};
  }
  rpc CreateShelf(CreateShelfRequest) returns (Shelf) {
    option (google.api.http) = {post: "/v1/shelves" body: "shelf"};
  }
}
message Shelf { string name = 1; string theme = 2; }
message GetShelfRequest { string name = 1; }
message CreateShelfRequest { Shelf shelf = 1; }
`

// TestRetryOfTranscodeRoutes has a service fail a few times: over REST and native gRPC
// the call is sent again if its method may be.
func TestRetryOfTranscodeRoutes(t *testing.T) {
	var left, calls atomic.Int32
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		calls.Add(1)
		if left.Add(-1) >= 0 {
			return nil, status.Error(codes.Unavailable, "not now")
		}
		return next(ctx, req)
	}))
	demo.Register(srv)
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(srv.Stop)
	g := newGateway(t, fmt.Sprintf(`
upstreams:
- name: library
  grpc: {target: %q}
  descriptors: {proto: {roots: [.], files: [retried.proto]}}
routes:
- {name: library, transcode: {upstream: library}, retry: {attempts: 3, backoff: 1ms, budget_percent: 100}}
`, ln.Addr()), map[string]string{"retried.proto": retried}, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	web, _ := serveBoth(t, g)
	conn, err := grpc.NewClient(strings.TrimPrefix(web.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	native := libraryv1.NewLibraryClient(conn)

	send := func(method, path, body string) int {
		r, err := http.NewRequestWithContext(t.Context(), method, web.URL+path, strings.NewReader(body))
		require.NoError(t, err)
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode
	}
	begin := func(failures int32) { left.Store(failures); calls.Store(0) }

	// The budget is a part of the requests so far.
	begin(0)
	for range 10 {
		require.Equal(t, http.StatusOK, send(http.MethodGet, "/v1/shelves/1", ""))
	}
	begin(2)
	require.Equal(t, http.StatusOK, send(http.MethodGet, "/v1/shelves/1", ""))
	require.EqualValues(t, 3, calls.Load())

	begin(3)
	require.Equal(t, http.StatusServiceUnavailable, send(http.MethodGet, "/v1/shelves/1", ""))
	require.EqualValues(t, 3, calls.Load(), "no more than attempts")

	begin(1)
	_, err = native.GetShelf(t.Context(), &libraryv1.GetShelfRequest{Name: "shelves/1"})
	require.NoError(t, err)
	require.EqualValues(t, 2, calls.Load())

	// Nobody says that this may be done twice.
	begin(1)
	require.Equal(t, http.StatusServiceUnavailable, send(http.MethodPost, "/v1/shelves", `{"theme": "sea"}`))
	require.EqualValues(t, 1, calls.Load())
}
