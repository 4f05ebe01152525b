package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Methods that a service of HTTP answers; each names the request that it becomes.
const resources = `syntax = "proto3";
package resources.v1;
import "google/api/annotations.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
service Resources {
  rpc Root(google.protobuf.Struct) returns (google.protobuf.StringValue) { option (google.api.http) = {post: "/" body: "*"}; }
  rpc Get(Name) returns (google.protobuf.StringValue) { option (google.api.http) = {get: "/v1/{name=things/*}" additional_bindings {delete: "/v1/all"}}; }
  rpc Put(Name) returns (google.protobuf.StringValue) { option (google.api.http) = {put: "/v1/{name=things/*}" body: "*"}; }
  rpc Mixed(Name) returns (google.protobuf.StringValue) { option (google.api.http) = {get: "/v2/{name=things/*}" additional_bindings {post: "/v2/all"}}; }
  rpc Any(Name) returns (google.protobuf.StringValue) { option (google.api.http) = {custom {kind: "*" path: "/v3/any"}}; }
  rpc None(Name) returns (google.protobuf.StringValue);
}
message Name { string name = 1; }
`

// service is a service of HTTP that answers with the request that it got. It answers the
// first ones of a test with 503, as one does that is not up yet.
type service struct {
	mu         sync.Mutex
	left, seen int
}

func (s *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen++
	if s.left--; s.left >= 0 {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = fmt.Fprintf(w, "%q", r.Method+" "+r.RequestURI)
}

func (s *service) begin(failures int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left, s.seen = failures, 0
}

// serveResources starts a gateway with one route to a service of HTTP.
func serveResources(t *testing.T, route string) (s *service, url string, conn *grpc.ClientConn) {
	t.Helper()
	s = new(service)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	g := newGateway(t, fmt.Sprintf("upstreams:\n- {name: up, http: {url: %q}, descriptors: {proto: {roots: [.], files: [resources.proto]}}}\nroutes:\n- %s\n",
		server.URL, route), map[string]string{"resources.proto": resources}, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	web, _ := serveBoth(t, g)
	conn, err := grpc.NewClient(strings.TrimPrefix(web.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return s, web.URL, conn
}

// TestPrefixIsForClients: the service gets the paths of the rules.
func TestPrefixIsForClients(t *testing.T) {
	for _, prefix := range []string{"/api", "/a%40b/c", "/things", "/v1"} {
		_, url, conn := serveResources(t, "{name: up, transcode: {upstream: up, prefix: "+prefix+"}}")
		for _, test := range []struct{ method, path, body, want string }{
			{"POST", prefix, "{}", "POST /"},
			{"GET", prefix + "/v1/things/1", "", "GET /v1/things/1"},
			{"POST", prefix + "/resources.v1.Resources/None", "{}", "POST /resources.v1.Resources/None"},
		} {
			r, err := http.NewRequestWithContext(t.Context(), test.method, url+test.path, strings.NewReader(test.body))
			require.NoError(t, err)
			res, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			body, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.NoError(t, res.Body.Close())
			require.JSONEq(t, `"`+test.want+`"`, string(body), prefix)
		}
		got := new(wrapperspb.StringValue)
		require.NoError(t, conn.Invoke(t.Context(), "/resources.v1.Resources/Root", &structpb.Struct{}, got))
		require.Equal(t, "POST /", got.GetValue())
	}
}

// TestRetryBehindMethods: a call is sent again if every request that its rules may make is
// one that may be sent twice.
func TestRetryBehindMethods(t *testing.T) {
	s, _, conn := serveResources(t, "{name: up, transcode: {upstream: up}, retry: {attempts: 3, backoff: 1ms, budget_percent: 100}}")
	name := wrapperspb.String("things/1") // its field is that of Name
	for method, want := range map[string]string{"Get": "GET /v1/things/1", "Put": "PUT /v1/things/1", "Mixed": "", "Any": "", "None": ""} {
		s.begin(1)
		got := new(wrapperspb.StringValue)
		err := conn.Invoke(t.Context(), "/resources.v1.Resources/"+method, name, got)
		if want == "" {
			require.Equal(t, codes.Unavailable, status.Code(err), method)
			require.Equal(t, 1, s.seen, method)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, want, got.GetValue())
		require.Equal(t, 2, s.seen)
	}
}
