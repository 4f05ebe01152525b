package lambda_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/types/known/structpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/lambda"
)

func TestMain(m *testing.M) {
	// Servers of tests take half a second to end connections that a client broke off.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("net/http.(*conn).closeWriteAndWait"))
}

// config is the configuration of a function of s.
func config(s *lambdatest.Service, function string) *configpb.AWSLambdaUpstream {
	return &configpb.AWSLambdaUpstream{
		Function: function, Region: s.Region, Endpoint: s.URL,
		Credentials: &configpb.AWSCredentials{StsEndpoint: s.STSURL, Static: &configpb.AWSStaticCredentials{
			AccessKeyId: s.Credentials.AccessKeyID, SecretAccessKey: s.Credentials.SecretAccessKey,
		}},
	}
}

func start(t testing.TB, cfg *configpb.AWSLambdaUpstream) upstream.HTTP {
	t.Helper()
	up, err := lambda.New(cfg, upstream.Env{Name: "function", Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, up.Close()) })
	return routed{up.(*lambda.Upstream)}
}

// routed is an upstream with a route for every request: what that says is in the
// request's context.
type routed struct{ *lambda.Upstream }

type routeKey struct{}

func (u routed) Send(r *http.Request, tried *upstream.Tried) (*http.Response, error) {
	options, _ := r.Context().Value(routeKey{}).(*configpb.LambdaCall)
	if options == nil {
		return u.Upstream.Send(r, tried)
	}
	bound, err := u.With(options)
	if err != nil {
		return nil, err
	}
	return bound.Send(r, tried)
}

// asked is what a gateway says of a request in these tests, and what its route says.
type asked struct {
	*upstream.About
	options *configpb.LambdaCall
}

func about(options *configpb.LambdaCall) *asked {
	return &asked{&upstream.About{
		Scheme: "https", Host: "api.example.com", Client: "192.0.2.7", Route: "books",
		Resource: "/v1/books/{id}", Vars: []upstream.Var{{Name: "id", Text: "a b"}},
		RequestID: "5f3b1c9e-0000-4000-8000-000000000001", Time: time.Unix(1700000000, 0),
	}, options}
}

type reader struct{ io.Reader } // without a length

func request(t testing.TB, method, target, body string, a *asked) *http.Request {
	t.Helper()
	ctx := t.Context()
	if a != nil {
		ctx = context.WithValue(upstream.WithAbout(ctx, a.About), routeKey{}, a.options)
	}
	var in io.Reader
	if body != "" {
		in = reader{strings.NewReader(body)}
	}
	r, err := http.NewRequestWithContext(ctx, method, "https://api.example.com"+target, in)
	require.NoError(t, err)
	return r
}

// answer sends r and reads the whole answer.
func answer(t testing.TB, up upstream.HTTP, r *http.Request) (*http.Response, string) {
	t.Helper()
	resp, err := up.Send(r, nil)
	require.NoError(t, err)
	body, err := io.ReadAll(resp.Body)
	closed := resp.Body.Close()
	require.NoError(t, err)
	require.NoError(t, closed)
	return resp, string(body)
}

// failure sends r, which fails.
func failure(t testing.TB, up upstream.HTTP, r *http.Request) *upstream.Error {
	t.Helper()
	resp, err := up.Send(r, nil)
	if resp != nil {
		_ = resp.Body.Close()
	}
	var failed *upstream.Error
	require.ErrorAs(t, err, &failed)
	return failed
}

// TestRaw is A-30: the body is the event, and what the function returns the answer.
func TestRaw(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	cfg := config(s, "echo")
	cfg.Event = "raw"
	up := start(t, cfg)
	require.Equal(t, upstream.Origin{Scheme: "https", Forwarded: upstream.XForwarded, Aware: true, Whole: true}, up.Origin())

	const body = `{"key1":"value1","key2":"value2"}`
	resp, text := answer(t, up, request(t, "POST", "/", body, about(nil)))
	require.Equal(t, http.StatusOK, resp.StatusCode)
	require.Equal(t, body, text)
	require.EqualValues(t, len(body), resp.ContentLength)
	require.Equal(t, "application/json", resp.Header.Get("Content-Type"))

	_, text = answer(t, up, request(t, "GET", "/", "", nil))
	require.Equal(t, `{}`, text)

	failed := failure(t, up, request(t, "POST", "/", "no JSON", nil))
	require.Equal(t, rpc.InvalidBody, failed.Reason)
	require.True(t, failed.NotSent)
	require.Equal(t, "echo", failed.Endpoint)
	calls := s.Calls()
	require.Len(t, calls, 2, "what is no event is not sent")
	require.Equal(t, "RequestResponse", calls[0].Type)
}

// TestEvents is: real handlers decode the events with the types of
// aws-lambda-go, and answer in the same format.
func TestEvents(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	up := start(t, config(s, "http"))
	for name, format := range map[string]string{
		"api_gateway_v1": "1.0", "api_gateway_v2": "2.0", "": "2.0", "alb": "alb", "alb_multi": "alb-multi",
	} {
		t.Run(name, func(t *testing.T) {
			r := request(t, "PUT", "/v1/books/a%20b?status=207&x=1", `{"title":"ä"}`, about(&configpb.LambdaCall{Event: name}))
			r.Header.Set("Content-Type", "application/json")
			r.Header.Set("X-Tag", "blue")
			resp, text := answer(t, up, r)
			require.Equal(t, http.StatusMultiStatus, resp.StatusCode)
			require.Equal(t, "207 Multi-Status", resp.Status)
			require.Equal(t, "application/json", resp.Header.Get("Content-Type"))
			if format == "alb" {
				require.Len(t, resp.Header["Set-Cookie"], 1, "all that the format can carry")
			} else {
				require.Equal(t, []string{"a=1; Path=/", "b=2"}, resp.Header["Set-Cookie"])
			}
			var seen struct {
				Format, Method, Path, Body, Source string
				Query                              map[string][]string
				Headers, PathParameters            map[string]string
			}
			require.NoError(t, json.Unmarshal([]byte(text), &seen))
			require.Equal(t, format, seen.Format)
			require.Equal(t, "PUT", seen.Method)
			require.Equal(t, "/v1/books/a%20b", seen.Path)
			require.Equal(t, `{"title":"ä"}`, seen.Body)
			require.Equal(t, []string{"1"}, seen.Query["x"])
			tag := "x-tag"
			if name == "api_gateway_v1" {
				tag = "X-Tag"
			}
			require.Equal(t, "blue", seen.Headers[tag])
			if !strings.HasPrefix(name, "alb") {
				require.Equal(t, map[string]string{"id": "a b"}, seen.PathParameters)
				require.Equal(t, "192.0.2.7", seen.Source)
			}
		})
	}
	t.Run("http", func(t *testing.T) {
		up := start(t, config(s, "echo"))
		r := request(t, "POST", "/v1/books/7?a=1&a=2", "text", about(&configpb.LambdaCall{Event: "http"}))
		r.Header["X-Tag"] = []string{"blue", "green"}
		_, text := answer(t, up, r)
		var event map[string]any
		require.NoError(t, json.Unmarshal([]byte(text), &event))
		require.Equal(t, "POST", event["httpMethod"])
		require.Equal(t, "/v1/books/7", event["path"])
		require.Equal(t, "a=1&a=2", event["queryString"])
		require.Equal(t, map[string]any{"a": []any{"1", "2"}}, event["multiValueQueryStringParameters"])
		require.Equal(t, []any{"blue", "green"}, event["multiValueHeaders"].(map[string]any)["x-tag"])
		require.Equal(t, "text", event["body"])
	})
	t.Run("binary", func(t *testing.T) {
		all := make([]byte, 256)
		for i := range all {
			all[i] = byte(i)
		}
		resp, text := answer(t, up, request(t, "POST", "/?binary=1", string(all), about(nil)))
		require.Equal(t, "application/octet-stream", resp.Header.Get("Content-Type"))
		require.Equal(t, string(all), text)
		resp, text = answer(t, up, request(t, "HEAD", "/?binary=1", "", about(nil)))
		require.EqualValues(t, 256, resp.ContentLength)
		require.Empty(t, text)
	})
	t.Run("no about", func(t *testing.T) {
		_, text := answer(t, up, request(t, "GET", "/a", "", nil))
		require.Contains(t, text, `"path":"/a"`)
	})
	t.Run("host and path", func(t *testing.T) {
		// Who sends the request may leave it to the upstream: then it is the client's.
		up := start(t, config(s, "echo"))
		r := request(t, "GET", "/", "", about(&configpb.LambdaCall{Event: "http"}))
		r.Host = ""
		_, text := answer(t, up, r)
		require.Contains(t, text, `"host":"api.example.com"`)
		r.Host, r.URL.Path, r.URL.RawPath = "rewritten.example.com", "/a/b", "/a%2Fb%"
		_, text = answer(t, up, r)
		require.Contains(t, text, `"path":"/a%2Fb%"`, "as it is to be sent")
		require.Contains(t, text, `"host":"rewritten.example.com"`)
	})
}

// TestUnwrap is A-32 and the table of A-34, with what real functions return.
func TestUnwrap(t *testing.T) {
	const given = `{"body":"gloo edge is inserting this body","headers":{"test-header-key":"test-header-value"},"statusCode":201}`
	for _, tc := range []struct {
		name, event, returned string
		status                int
		header                http.Header
		body                  string
	}{
		{name: "API Gateway 1.0", event: "api_gateway_v1", returned: given, status: 201, header: http.Header{"Test-Header-Key": {"test-header-value"}}, body: "gloo edge is inserting this body"},
		{name: "load balancer", event: "alb", returned: given, status: 201, header: http.Header{"Test-Header-Key": {"test-header-value"}}, body: "gloo edge is inserting this body"},
		{name: "no status", event: "api_gateway_v1", returned: `{"body":"a"}`, status: 200, body: "a"},
		{name: "no body", event: "api_gateway_v1", returned: `{"statusCode":202}`, status: 202, body: "{}"},
		{name: "base64", event: "api_gateway_v1", returned: `{"body":"AAEC","isBase64Encoded":true}`, status: 200, body: "\x00\x01\x02"},
		{name: "cookies", event: "api_gateway_v1", returned: `{"body":"","multiValueHeaders":{"Set-Cookie":["a=1","b=2"]}}`, status: 200, header: http.Header{"Set-Cookie": {"a=1", "b=2"}}},
		{name: "number and null", event: "api_gateway_v1", returned: `{"body":"","headers":{"x-n":7,"x-null":null}}`, status: 200, header: http.Header{"X-N": {"7"}, "X-Null": nil}},
		{name: "plain JSON in 2.0", event: "api_gateway_v2", returned: `[1]`, status: 200, header: http.Header{"Content-Type": {"application/json"}}, body: "[1]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			up := startReturning(t, tc.event, tc.returned)
			resp, text := answer(t, up, request(t, "POST", "/", "", about(nil)))
			require.Equal(t, tc.status, resp.StatusCode)
			require.Equal(t, tc.body, text)
			for name, values := range tc.header {
				require.Equal(t, values, resp.Header[name], name)
			}
		})
	}
	t.Run("no JSON", func(t *testing.T) {
		up := startReturning(t, "api_gateway_v1", "<html>")
		failed := failure(t, up, request(t, "POST", "/", "", about(nil)))
		require.Equal(t, rpc.UpstreamProtocol, failed.Reason)
		require.False(t, failed.NotSent)
	})
}

// startReturning starts an upstream of a function that returns a text.
func startReturning(t *testing.T, event, text string) upstream.HTTP {
	t.Helper()
	s := lambdatest.Start(t, lambdatest.Options{Functions: []lambdatest.Function{{Name: "returns", Environment: []string{"RETURNS=" + text}}}})
	cfg := config(s, "returns")
	cfg.Event = event
	return start(t, cfg)
}

// TestAsync is A-37.
func TestAsync(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	cfg := config(s, "echo")
	cfg.Invocation, cfg.ClientContext = "async", &structpb.Struct{}
	up := start(t, cfg)
	require.True(t, up.Origin().Silent)
	resp, text := answer(t, up, request(t, "POST", "/", "x", about(nil)))
	require.Equal(t, http.StatusAccepted, resp.StatusCode)
	require.Empty(t, text)
	require.Empty(t, resp.Header.Get("Content-Type"))
	require.Equal(t, "Event", s.Calls()[0].Type)
	require.Empty(t, s.Calls()[0].Header["X-Amz-Client-Context"], "AWS takes it of calls that somebody waits for")
	s.Wait()
}

func TestDryRun(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	up := start(t, config(s, "exit"))
	resp, text := answer(t, up, request(t, "POST", "/", "x", about(&configpb.LambdaCall{Invocation: "dry_run"})))
	require.Equal(t, http.StatusNoContent, resp.StatusCode)
	require.Empty(t, text)
	require.Empty(t, resp.Header)
	require.Equal(t, "DryRun", s.Calls()[0].Type)
}
