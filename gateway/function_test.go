package gateway_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/dragoman-gateway/dragoman/builtin"
	"github.com/dragoman-gateway/dragoman/config"
	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
)

// Methods whose messages every JSON value is one of.
const functions = `syntax = "proto3";
package functions.v1;
import "google/protobuf/empty.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/wrappers.proto";
service Functions {
  rpc Upper(google.protobuf.StringValue) returns (google.protobuf.StringValue);
  rpc Describe(google.protobuf.Struct) returns (google.protobuf.Struct);
  rpc Start(google.protobuf.Struct) returns (google.protobuf.Empty);
  rpc Watch(google.protobuf.Struct) returns (stream google.protobuf.StringValue);
}
`

// functionUpstream is an upstream of a function of s with those methods.
func functionUpstream(s *lambdatest.Service, name, function string) string {
	return fmt.Sprintf(`
- name: %s
  aws_lambda:
    function: %s
    region: %s
    endpoint: %q
    credentials: {static: {access_key_id: %s, secret_access_key: %s}}
  descriptors: {proto: {roots: [.], files: [functions.proto]}}
`, name, function, s.Region, s.URL, s.Credentials.AccessKeyID, s.Credentials.SecretAccessKey)
}

// serveFunctions starts a gateway, and gives its URL and a connection for gRPC.
func serveFunctions(t *testing.T, text string) (string, *grpc.ClientConn) {
	t.Helper()
	g := newGateway(t, text, map[string]string{"functions.proto": functions}, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	web, _ := serveBoth(t, g)
	conn, err := grpc.NewClient(strings.TrimPrefix(web.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	return web.URL, conn
}

// TestTranscodeRoutesSayHowFunctionsAreCalled: the upstream is another function, with
// events of API Gateway; each route has its own, behind gRPC.
func TestTranscodeRoutesSayHowFunctionsAreCalled(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{Functions: []lambdatest.Function{
		{Name: "upper"}, {Name: "stream"}, {Name: "context", Versions: []string{"1"}, Aliases: map[string]string{"live": "1"}},
	}})
	route := func(method, lambda string) string {
		return fmt.Sprintf("- {name: %s, match: [{grpc: {service: functions.v1.Functions, method: %s}}], transcode: {upstream: fn, methods: [functions.v1.Functions.%s], lambda: %s}}\n", strings.ToLower(method), method, method, lambda)
	}
	url, conn := serveFunctions(t, "upstreams:"+functionUpstream(s, "fn", "upper")+"routes:\n"+
		route("Upper", "{event: raw}")+
		route("Describe", "{function: context, qualifier: live, event: raw, client_context: {custom: {tenant: blue}}}")+
		route("Start", "{function: context, event: raw, invocation: async}")+
		route("Watch", "{function: stream, event: raw, invocation: stream}")+
		"- {name: check, match: [{grpc: {service: functions.v1.Functions, method: Start}, headers: [{name: only-check, exact: \"1\"}]}], transcode: {upstream: fn, methods: [functions.v1.Functions.Start], lambda: {event: raw, invocation: dry_run}}}\n")
	ctx := t.Context()

	upper := new(wrapperspb.StringValue)
	require.NoError(t, conn.Invoke(ctx, "/functions.v1.Functions/Upper", wrapperspb.String("abc"), upper))
	require.Equal(t, "ABC", upper.GetValue())

	in, err := structpb.NewStruct(map[string]any{"a": "b"})
	require.NoError(t, err)
	described := new(structpb.Struct)
	traced := metadata.AppendToOutgoingContext(ctx, "x-amzn-trace-id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
	require.NoError(t, conn.Invoke(traced, "/functions.v1.Functions/Describe", in, described))
	got := described.AsMap()
	require.Equal(t, "context", got["name"])
	require.Equal(t, "1", got["version"])
	require.Equal(t, map[string]any{"a": "b"}, got["event"], "the message and nothing else")
	require.Equal(t, map[string]any{"tenant": "blue"}, got["custom"])
	require.Equal(t, "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1", got["trace"])

	// Nobody waits for the function: there is no message but the empty one.
	var header metadata.MD
	require.NoError(t, conn.Invoke(ctx, "/functions.v1.Functions/Start", in, new(emptypb.Empty), grpc.Header(&header)))
	require.NoError(t, conn.Invoke(metadata.AppendToOutgoingContext(ctx, "only-check", "1"), "/functions.v1.Functions/Start", in, new(emptypb.Empty)))
	s.Wait()
	types := make(map[string]string)
	for _, call := range s.Calls() {
		types[call.Type] = string(call.Payload)
	}
	require.JSONEq(t, `{"a":"b"}`, types["Event"])
	require.JSONEq(t, `{"a":"b"}`, types["DryRun"])

	script, err := structpb.NewStruct(map[string]any{
		"headers": map[string]any{"Content-Type": "application/x-ndjson"},
		"steps":   []any{map[string]any{"write": "\"one\"\n"}, map[string]any{"write": "\"two\"\n"}},
	})
	require.NoError(t, err)
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/functions.v1.Functions/Watch")
	require.NoError(t, err)
	require.NoError(t, stream.SendMsg(script))
	require.NoError(t, stream.CloseSend())
	var all []string
	for {
		m := new(wrapperspb.StringValue)
		if err := stream.RecvMsg(m); err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		all = append(all, m.GetValue())
	}
	require.Equal(t, []string{"one", "two"}, all)

	// The same methods over HTTP.
	code, body := post(t, url+"/functions.v1.Functions/Upper", `"abc"`)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, `"ABC"`, body)
	code, body = post(t, url+"/functions.v1.Functions/Start", `{"a":"b"}`)
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, `{}`, body)
}

func post(t *testing.T, url, body string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	require.NoError(t, err)
	r.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return res.StatusCode, string(text)
}

// TestMissingFunctionIsAnErrorOfItsRouteAlone: a function that nobody has, or a
// qualifier of none, stops neither the gateway nor the other routes of its upstream.
func TestMissingFunctionIsAnErrorOfItsRouteAlone(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{Functions: []lambdatest.Function{{Name: "upper"}}})
	url, conn := serveFunctions(t, "upstreams:"+functionUpstream(s, "fn", "upper")+`routes:
- {name: there, match: [{path: /there}], forward: {upstream: fn, lambda: {event: raw}}}
- {name: deleted, match: [{path: /deleted}], forward: {upstream: fn, lambda: {function: gone, event: raw}}}
- {name: unqualified, match: [{path: /unqualified}], forward: {upstream: fn, lambda: {qualifier: gone, event: raw}}}
- {name: calls, transcode: {upstream: fn, lambda: {function: gone, event: raw}}}
`)
	for range 2 {
		for path, want := range map[string]int{"/there": 200, "/deleted": 502, "/unqualified": 502} {
			code, body := post(t, url+path, `"abc"`)
			require.Equal(t, want, code, "%s: %s", path, body)
			if want != 200 {
				require.Contains(t, body, "UPSTREAM_PROTOCOL")
				require.NotContains(t, body, "arn:", "what AWS says is for the log")
			}
		}
		err := conn.Invoke(t.Context(), "/functions.v1.Functions/Upper", wrapperspb.String("abc"), new(wrapperspb.StringValue))
		require.Equal(t, codes.Internal, status.Code(err))
		require.NotContains(t, err.Error(), "arn:")
	}
}

// TestWrongOptionsOfRoutes are told where they are written, all at once.
func TestWrongOptionsOfRoutes(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "dragoman.yaml")
	require.NoError(t, os.WriteFile(filepath.Join(dir, "functions.proto"), []byte(functions), 0o600))
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `upstreams:
- {name: fn, aws_lambda: {function: f, region: eu-west-1}, descriptors: {proto: {roots: [.], files: [functions.proto]}}}
routes:
- {name: a, match: [{path: /a}], forward: {upstream: fn, lambda: {client_context: {a: %s}}}}
- name: b
  transcode:
    upstream: fn
    lambda: {function: "a:1", qualifier: "2"}
`, strings.Repeat("x", 3000)), 0o600))
	file, err := config.Load(path, os.LookupEnv)
	require.NoError(t, err)
	plan, err := config.Link(file)
	require.NoError(t, err)
	_, err = builtin.Gateway(plan, slog.New(slog.DiscardHandler), nil)
	require.ErrorContains(t, err, `:4:58: routes[0].forward.lambda: upstream "fn": client_context has 4012 bytes in base64, and the service takes 3583`)
	require.ErrorContains(t, err, `:8:5: routes[1].transcode.lambda: upstream "fn": function has the qualifier "1", and qualifier is "2": leave one out`)
}
