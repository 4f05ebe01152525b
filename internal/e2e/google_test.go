package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
	"github.com/dragoman-gateway/dragoman/internal/googletest"
)

const functionProto = `
syntax = "proto3";
package function.v1;
import "google/api/annotations.proto";
import "google/protobuf/wrappers.proto";
service Function {
  // Seen answers the header of that name.
  rpc Seen(google.protobuf.StringValue) returns (google.protobuf.StringValue) {
    option (google.api.http) = {get: "/v1/seen/{value}"};
  }
  // Count streams numbers.
  rpc Count(google.protobuf.Int32Value) returns (stream google.protobuf.Int32Value) {
    option (google.api.http) = {get: "/v1/count/{value}"};
  }
}
`

// TestFunctionOfGoogleBehindGRPC calls a function behind a front door that wants tokens,
// as gRPC methods: its answers, what it sees of the caller, and what becomes of it when
// there is no token.
func TestFunctionOfGoogleBehindGRPC(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/seen/{name}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(r.Header.Get(r.PathValue("name")))
	})
	mux.HandleFunc("GET /v1/count/{n}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		var n int
		_, _ = fmt.Sscan(r.PathValue("n"), &n)
		for i := range n {
			_, _ = fmt.Fprintf(w, "data: %d\n\n", i)
		}
	})
	google := googletest.Start(t)
	door := googletest.StartDoor(t, google, "/function", mux)
	key := google.KeyFile(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "function.proto"), []byte(functionProto), 0o600))
	dial := func(audience string) *grpc.ClientConn {
		path := filepath.Join(dir, "dragoman.yaml")
		require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
listeners: [{ name: public, address: "127.0.0.1:0" }]
upstreams:
- name: function
  google_function: { url: %q, audience: %q, credentials: { file: %q } }
  descriptors: { proto: { roots: [.] } }
routes: [{ name: function, transcode: { upstream: function } }]
`, door.URL, audience, key), 0o600))
		cc, err := grpc.NewClient(gatewaytest.Start(t, path, nil).Address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		t.Cleanup(func() { _ = cc.Close() })
		return cc
	}
	cc := dial("")
	seen := func(name string, md ...string) (string, error) {
		var out wrapperspb.StringValue
		err := cc.Invoke(metadata.AppendToOutgoingContext(t.Context(), md...), "/function.v1.Function/Seen", wrapperspb.String(name), &out)
		return out.GetValue(), err
	}

	google.Down.Store(true)
	_, err := seen("host")
	require.Equal(t, codes.Internal, status.Code(err), "%v", err)
	details := status.Convert(err).Details()
	require.Len(t, details, 1)
	require.Equal(t, "UPSTREAM_DENIED", details[0].(*errdetails.ErrorInfo).GetReason())
	require.NotContains(t, err.Error(), "access_denied", "the client is not told why")
	google.Down.Store(false)
	require.Eventually(t, func() bool { _, err := seen("host"); return err == nil }, 30*time.Second, 50*time.Millisecond)

	forged := []string{"authorization", "Bearer of-the-client", "x-forwarded-authorization", "forged", "x-serverless-authorization", "Bearer forged"}
	for name, want := range map[string]string{
		"x-test-caller": googletest.Robot, "x-forwarded-authorization": "Bearer of-the-client", "x-serverless-authorization": "",
	} {
		got, err := seen(name, forged...)
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	stream, err := cc.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/function.v1.Function/Count")
	require.NoError(t, err)
	require.NoError(t, stream.SendMsg(wrapperspb.Int32(3)))
	require.NoError(t, stream.CloseSend())
	for i := range 3 {
		var out wrapperspb.Int32Value
		require.NoError(t, stream.RecvMsg(&out))
		require.EqualValues(t, i, out.GetValue())
	}
	require.ErrorIs(t, stream.RecvMsg(new(wrapperspb.Int32Value)), io.EOF)
	require.EqualValues(t, 1, google.Issued.Load(), "one token for all calls")

	// A token that the front door does not take is what it says: 401.
	cc = dial("https://another.example.com")
	_, err = seen("host")
	require.Equal(t, codes.Unauthenticated, status.Code(err), "%v", err)
}
