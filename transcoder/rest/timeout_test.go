package rest_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/transcoder"
)

// TestStreamTimeout: a stream that is busy ends at its limit all the same, and
// every form says that this was not the end. Before the first message it is an
// error like any other.
func TestStreamTimeout(t *testing.T) {
	limit := func(s *transcoder.Settings) { s.StreamTimeout = 150 * time.Millisecond }
	busy := func(_ []byte, stream grpc.ServerStream) error {
		for {
			if err := send(stream, []byte{}); err != nil {
				return err
			}
			select {
			case <-stream.Context().Done():
				return status.FromContextError(stream.Context().Err()).Err()
			case <-time.After(10 * time.Millisecond):
			}
		}
	}
	silent := func(_ []byte, stream grpc.ServerStream) error {
		<-stream.Context().Done()
		return status.FromContextError(stream.Context().Err()).Err()
	}
	for _, two := range [][]any{{}, {http2{}}} {
		for _, tt := range []struct{ accept, begun, end string }{
			{accept: asArray, begun: "[{},"},
			{accept: asLines, begun: "{}\n", end: `{"error":{"code":4,`},
			{accept: asEvents, begun: "data: {}\n\n", end: "event: error\ndata: {\"error\":{\"code\":4,"},
		} {
			t.Run(fmt.Sprintf("HTTP/%d %s", 1+len(two), tt.accept), func(t *testing.T) {
				g := newGateway(t, append([]any{limit, busy}, two...)...)
				got := g.do(t, "GET /v1/stream/n", "", tt.accept)
				require.Equal(t, http.StatusOK, got.StatusCode)
				require.True(t, strings.HasPrefix(got.body, tt.begun), "%q", got.body)
				if tt.end == "" {
					require.Error(t, got.err, "the array is cut")
					require.NotContains(t, got.body, "]")
				} else {
					require.NoError(t, got.err)
					require.Contains(t, got.body, tt.end)
				}
				require.Equal(t, int(codes.DeadlineExceeded), (<-g.exchanges).Code)

				g = newGateway(t, append([]any{limit, silent}, two...)...)
				got = g.do(t, "GET /v1/stream/n", "", tt.accept)
				require.NoError(t, got.err)
				require.Equal(t, http.StatusGatewayTimeout, got.StatusCode, got.body)
				require.Equal(t, int(codes.DeadlineExceeded), (<-g.exchanges).Code)
			})
		}
	}
}
