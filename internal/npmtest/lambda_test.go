//go:build unix

package npmtest

import (
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/structpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/lambda"
)

// offline is a running serverless-offline.
type offline struct {
	// api is the Lambda API, http and alb are the fronts of functions.
	api, http, alb string
	// heard gets what the function tell was called with.
	heard <-chan string
}

func startOffline(t *testing.T) *offline {
	t.Helper()
	dir := install(t, "lambda")
	sink, heard := listen(t)
	addresses := freePorts(t, 3)
	port := func(i int) string { return strconv.Itoa(addresses[i].(*net.TCPAddr).Port) }
	node(t, dir, []string{"TEST_HEARD=" + sink, "SLS_TELEMETRY_DISABLED=1", "SLS_NOTIFICATIONS_MODE=off"}, addresses,
		filepath.Join("serverless", "bin", "serverless.js"), "offline", "start", "--host", "127.0.0.1",
		"--lambdaPort", port(0), "--httpPort", port(1), "--albPort", port(2), "--noPrependStageInUrl")
	at := func(i int) string { return "http://" + addresses[i].String() }
	return &offline{api: at(0), http: at(1), alb: at(2), heard: heard}
}

// TestLambda calls one serverless-offline in many ways: it takes long to start.
func TestLambda(t *testing.T) {
	o := startOffline(t)
	t.Run("invoke", func(t *testing.T) { testInvoke(t, o) })
	t.Run("errors", func(t *testing.T) { testErrors(t, o) })
	t.Run("gateway", func(t *testing.T) { testLambdaGateway(t, o) })
}

// function is an upstream of one function.
func function(t *testing.T, o *offline, name string, more *configpb.AWSLambdaUpstream) upstream.HTTP {
	t.Helper()
	cfg := more
	if cfg == nil {
		cfg = new(configpb.AWSLambdaUpstream)
	}
	cfg.Function, cfg.Region, cfg.Endpoint = name, "us-east-1", o.api
	cfg.Credentials = &configpb.AWSCredentials{Static: &configpb.AWSStaticCredentials{AccessKeyId: "AKIDEXAMPLE", SecretAccessKey: "example-secret"}}
	up, err := lambda.New(cfg, upstream.Env{Name: "function", Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, up.Close()) })
	return up.(upstream.HTTP)
}

func post(t *testing.T, body string) *http.Request {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "POST", "https://api.example.com/", strings.NewReader(body))
	require.NoError(t, err)
	return r
}

func answer(t *testing.T, up upstream.HTTP, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := up.Send(r, nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.NoError(t, resp.Body.Close())
	return resp, string(body)
}

func failure(t *testing.T, up upstream.HTTP, r *http.Request) *upstream.Error {
	t.Helper()
	resp, err := up.Send(r, nil)
	if resp != nil {
		_ = resp.Body.Close()
	}
	var failed *upstream.Error
	require.ErrorAs(t, err, &failed)
	return failed
}

func testInvoke(t *testing.T, o *offline) {
	t.Run("raw", func(t *testing.T) {
		up := function(t, o, "echo", &configpb.AWSLambdaUpstream{Event: "raw"})
		for body, want := range map[string]string{
			`{"title":"Bücher","tags":["a",1,null]}`: `{"title":"Bücher","tags":["a",1,null]}`,
			`["a",{"b":2}]`: `["a",{"b":2}]`,
			``:              `{}`,
		} {
			resp, text := answer(t, up, post(t, body))
			require.Equal(t, http.StatusOK, resp.StatusCode)
			require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
			require.JSONEq(t, want, text)
		}
	})
	t.Run("client context", func(t *testing.T) {
		custom := map[string]any{"custom": map[string]any{"tenant": "ä"}, "env": map[string]any{"locale": "de"}}
		object, err := structpb.NewStruct(custom)
		require.NoError(t, err)
		up := function(t, o, "context", &configpb.AWSLambdaUpstream{Event: "raw", ClientContext: object})
		_, text := answer(t, up, post(t, `{}`))
		var seen struct {
			ClientContext map[string]any
			FunctionName  string
			RequestID     string
		}
		decode(t, text, &seen)
		require.Equal(t, custom, seen.ClientContext)
		require.Equal(t, "context", seen.FunctionName)
		require.NotEmpty(t, seen.RequestID)
	})
	t.Run("async", func(t *testing.T) {
		up := function(t, o, "tell", &configpb.AWSLambdaUpstream{Event: "raw", Invocation: "async"})
		resp, text := answer(t, up, post(t, `{"id":"a1"}`))
		require.Equal(t, http.StatusAccepted, resp.StatusCode)
		require.Empty(t, text)
		require.JSONEq(t, `{"id":"a1"}`, hear(t, o.heard))
	})
	t.Run("body", func(t *testing.T) {
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		// In base64 the last one is just below the 6 MiB that a function takes.
		for name, body := range map[string]string{"text": "Bücher", "binary": string(all), "large": strings.Repeat(string(all), 17<<10)} {
			for _, format := range []string{"api_gateway_v1", "api_gateway_v2", "alb", "alb_multi", "http"} {
				up := function(t, o, "body", &configpb.AWSLambdaUpstream{Event: format})
				r := post(t, body)
				r.Header.Set("Content-Type", map[bool]string{true: "text/plain; charset=utf-8", false: "application/octet-stream"}[name == "text"])
				resp, text := answer(t, up, r)
				require.Equal(t, http.StatusOK, resp.StatusCode, "%s %s", format, name)
				require.True(t, text == body, "%s %s: another body comes back", format, name)
			}
		}
	})
}

func testErrors(t *testing.T, o *offline) {
	t.Run("function", func(t *testing.T) {
		for _, expose := range []bool{false, true} {
			failed := failure(t, function(t, o, "fails", &configpb.AWSLambdaUpstream{ExposeErrors: expose}), post(t, "x"))
			require.Equal(t, rpc.FunctionFailed, failed.Reason)
			require.False(t, failed.NotSent)
			// The class is RangeError, which is what the runtime of AWS would say.
			require.Equal(t, []string{"Error"}, failed.Header["X-Amz-Function-Error"])
			require.Equal(t, map[bool]string{true: "short and stout"}[expose], failed.Message)
			require.ErrorContains(t, failed.Err, "short and stout")
		}
	})
	t.Run("no function", func(t *testing.T) {
		failed := failure(t, function(t, o, "missing", nil), post(t, "x"))
		require.Equal(t, rpc.UpstreamProtocol, failed.Reason)
		require.True(t, failed.NotSent)
		require.ErrorContains(t, failed.Err, "there is no such function")
		require.ErrorContains(t, failed.Err, "Function not found: missing")
	})
	t.Run("refused", func(t *testing.T) {
		failed := failure(t, function(t, o, "echo", &configpb.AWSLambdaUpstream{Invocation: "dry_run"}), post(t, "x"))
		require.Equal(t, rpc.UpstreamProtocol, failed.Reason)
		require.ErrorContains(t, failed.Err, "InvalidParameterValueException")
	})
	t.Run("no stream", func(t *testing.T) {
		failed := failure(t, function(t, o, "echo", &configpb.AWSLambdaUpstream{Invocation: "stream"}), post(t, "x"))
		require.Equal(t, rpc.UpstreamProtocol, failed.Reason)
	})
}
