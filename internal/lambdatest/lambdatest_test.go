package lambdatest_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func static(c lambdatest.Credentials) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(c.AccessKeyID, c.SecretAccessKey, c.SessionToken)
}

// client is the SDK's own, that does not try again what a test provokes.
func client(t *testing.T, s *lambdatest.Service, options ...func(*lambda.Options)) *lambda.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	t.Cleanup(transport.CloseIdleConnections)
	o := lambda.Options{
		Region: s.Region, BaseEndpoint: &s.URL, Credentials: static(s.Credentials), Retryer: aws.NopRetryer{},
		HTTPClient: (*wholeBodies)(&http.Client{Transport: transport}),
	}
	return lambda.New(o, options...)
}

// wholeBodies sends requests of the SDK with bodies that net/http knows: the SDK closes its
// own when an answer begins, and net/http may then close the connection with the answer on
// it (upstream/lambda does likewise).
type wholeBodies http.Client

func (c *wholeBodies) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return (*http.Client)(c).Do(r)
}

func invoke(t *testing.T, c *lambda.Client, function, payload string) *lambda.InvokeOutput {
	t.Helper()
	out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, Payload: []byte(payload)})
	require.NoError(t, err, "%s(%s)", function, payload)
	return out
}

// wantError is the SDK's view of an error: its status, type and text.
func wantError(t *testing.T, err error, status int, kind, text string) {
	t.Helper()
	var resp *smithyhttp.ResponseError
	require.ErrorAs(t, err, &resp)
	require.Equal(t, status, resp.HTTPStatusCode(), err)
	var api smithy.APIError
	require.ErrorAs(t, err, &api)
	require.Equal(t, kind, api.ErrorCode())
	require.Contains(t, api.ErrorMessage(), text)
}

func TestInvoke(t *testing.T) {
	c := client(t, lambdatest.Start(t, lambdatest.Options{}))
	for _, tc := range []struct{ function, payload, want string }{
		{"echo", `{"key1":"value1","key2":[2]}`, `{"key1":"value1","key2":[2]}`},
		{"echo", "", "{}"},
		{"upper", `"abc"`, `"ABC"`},
		{"text", `{"text":"<no json>"}`, "<no json>"},
		{"bytes", `{}`, "one\ntwo\nthree\n"},
		{"stream", `{"status":201,"steps":[{"write":"x"}]}`, "{\"statusCode\":201}\x00\x00\x00\x00\x00\x00\x00\x00x"},
		{"big", `{"bytes":6}`, `"xxxx"`},
		{"sleep", `{"milliseconds":1}`, `"slept"`},
	} {
		t.Run(tc.function, func(t *testing.T) {
			out := invoke(t, c, tc.function, tc.payload)
			require.Equal(t, tc.want, string(out.Payload))
			require.EqualValues(t, http.StatusOK, out.StatusCode)
			require.Nil(t, out.FunctionError)
			require.Equal(t, "$LATEST", *out.ExecutedVersion)
		})
	}
}

func TestFunctionErrors(t *testing.T) {
	c := client(t, lambdatest.Start(t, lambdatest.Options{Functions: []lambdatest.Function{
		{Name: "fail"}, {Name: "panic"}, {Name: "exit"}, {Name: "bytes"}, {Name: "big"}, {Name: "none", Handler: "no-such"},
		{Name: "hang", Handler: "sleep", Timeout: 100 * time.Millisecond, Concurrency: 1},
	}}))
	for _, tc := range []struct{ function, payload, kind, message string }{
		{"fail", `{"message":"sorry"}`, "errorString", "sorry"},
		{"fail", `{"type":"Acme.Gone","message":"sorry"}`, "Acme.Gone", "sorry"},
		{"panic", `7`, "string", "cannot go on after 7"},
		{"exit", `{"code":3}`, "Runtime.ExitError", "Runtime exited with error: exit status 3"},
		{"none", `{}`, "Runtime.ExitError", "exit status 1"},
		{"hang", `{"milliseconds":600000}`, "Sandbox.Timedout", "Task timed out after 0.10 seconds"},
		{"bytes", `{"steps":[{"write":"a"},{"error":"half way"}]}`, "errorString", "half way"},
		{"bytes", `{"steps":[{"write":"a"},{"exit":4}]}`, "Runtime.ExitError", "exit status 4"},
		{"big", `{"bytes":6291557}`, "Function.ResponseSizeTooLarge", "(6291556 bytes)"},
	} {
		t.Run(tc.function+" "+tc.kind, func(t *testing.T) {
			// Twice: whatever it did to its process, there is another.
			for range 2 {
				out := invoke(t, c, tc.function, tc.payload)
				require.EqualValues(t, http.StatusOK, out.StatusCode)
				require.Equal(t, "Unhandled", aws.ToString(out.FunctionError))
				var e struct{ ErrorType, ErrorMessage string }
				require.NoError(t, json.Unmarshal(out.Payload, &e), "%s", out.Payload)
				require.Equal(t, tc.kind, e.ErrorType)
				require.Contains(t, e.ErrorMessage, tc.message)
			}
		})
	}
	require.Len(t, invoke(t, c, "big", `{"bytes":6291556}`).Payload, 6291556, "the largest answer")
	require.Equal(t, `"slept"`, string(invoke(t, c, "hang", `{}`).Payload), "a new process after one that was killed")
}

// told is what the handler context says.
type told struct {
	Event                                                 json.RawMessage
	RequestID, ARN, Trace, Name, Version, Region, Setting string
	Custom, Environment                                   map[string]string
	Process                                               int
	Remaining                                             int64
}

func TestRuntimeIsTold(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{Region: "eu-west-1", Functions: []lambdatest.Function{{
		Name: "context", Environment: []string{"SETTING=on"}, Timeout: time.Minute, Versions: []string{"1", "2"}, Aliases: map[string]string{"live": "2"},
	}}})
	const trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
	c := client(t, s, func(o *lambda.Options) {
		o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("X-Amzn-Trace-Id", trace))
	})
	call := func(in *lambda.InvokeInput) (got told, out *lambda.InvokeOutput) {
		out, err := c.Invoke(t.Context(), in)
		require.NoError(t, err)
		require.Nil(t, out.FunctionError, "%s", out.Payload)
		require.NoError(t, json.Unmarshal(out.Payload, &got))
		return got, out
	}
	client := base64.StdEncoding.EncodeToString([]byte("{\n\"custom\":{\"a\":\"ä\"},\"env\":{\"b\":\"c\"}}"))
	got, out := call(&lambda.InvokeInput{
		FunctionName: aws.String("context"), Qualifier: aws.String("live"), ClientContext: &client, Payload: []byte(`[1]`), LogType: types.LogTypeTail,
	})
	require.JSONEq(t, `[1]`, string(got.Event))
	require.Equal(t, "arn:aws:lambda:eu-west-1:123456789012:function:context:live", got.ARN)
	require.Equal(t, trace, got.Trace)
	require.Equal(t, map[string]string{"a": "ä"}, got.Custom)
	require.Equal(t, map[string]string{"b": "c"}, got.Environment)
	require.Equal(t, []string{"context", "2", "eu-west-1", "on"}, []string{got.Name, got.Version, got.Region, got.Setting})
	require.Positive(t, got.Remaining)
	require.LessOrEqual(t, got.Remaining, time.Minute.Milliseconds())
	require.Equal(t, "2", *out.ExecutedVersion)
	log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	require.NoError(t, err)
	require.Contains(t, string(log), "START RequestId: "+got.RequestID+" Version: 2\n")

	again, out := call(&lambda.InvokeInput{FunctionName: aws.String("context"), Qualifier: aws.String("2")})
	require.Equal(t, got.Process, again.Process, "a process takes one call after the other")
	require.NotEqual(t, got.RequestID, again.RequestID)
	require.Nil(t, out.LogResult)

	calls := s.Calls()
	require.Len(t, calls, 2)
	require.Equal(t, []string{"Invoke", "context", "live", "RequestResponse", `[1]`, ""},
		[]string{calls[0].Operation, calls[0].Function, calls[0].Qualifier, calls[0].Type, string(calls[0].Payload), calls[0].Refused})
	require.Equal(t, trace, calls[0].Header.Get("X-Amzn-Trace-Id"))
}

func TestNames(t *testing.T) {
	c := client(t, lambdatest.Start(t, lambdatest.Options{Functions: []lambdatest.Function{
		{Name: "f", Handler: "context", Versions: []string{"1"}, Aliases: map[string]string{"live": "1"}},
		{Name: "other", Account: "210987654321", Handler: "context"},
	}}))
	const arn = "arn:aws:lambda:us-east-1:123456789012:function:f"
	for _, tc := range []struct{ function, qualifier, arn, version string }{
		{"f", "", arn, "$LATEST"},
		{"f", "$LATEST", arn + ":$LATEST", "$LATEST"},
		{"f", "1", arn + ":1", "1"},
		{"f:live", "", arn + ":live", "1"},
		{"f:live", "live", arn + ":live", "1"},
		{"123456789012:function:f", "", arn, "$LATEST"},
		{"123456789012:function:f:1", "", arn + ":1", "1"},
		{arn, "", arn, "$LATEST"},
		{arn, "live", arn + ":live", "1"},
		{arn + ":$LATEST", "", arn + ":$LATEST", "$LATEST"},
		{"210987654321:function:other", "", "arn:aws:lambda:us-east-1:210987654321:function:other", "$LATEST"},
	} {
		t.Run(tc.function+"?"+tc.qualifier, func(t *testing.T) {
			in := &lambda.InvokeInput{FunctionName: &tc.function}
			if tc.qualifier != "" {
				in.Qualifier = &tc.qualifier
			}
			out, err := c.Invoke(t.Context(), in)
			require.NoError(t, err)
			require.Equal(t, tc.version, *out.ExecutedVersion)
			var got told
			require.NoError(t, json.Unmarshal(out.Payload, &got))
			require.Equal(t, tc.arn, got.ARN)
		})
	}
	for _, tc := range []struct {
		function, qualifier string
		status              int
		kind, text          string
	}{
		{"g", "", 404, "ResourceNotFoundException", "Function not found: arn:aws:lambda:us-east-1:123456789012:function:g"},
		{"f", "9", 404, "ResourceNotFoundException", "function:f:9"},
		{"210987654321:function:f", "", 404, "ResourceNotFoundException", "210987654321"},
		{"arn:aws:lambda:eu-west-1:123456789012:function:f", "", 404, "ResourceNotFoundException", "'eu-west-1' are not reachable in this region ('us-east-1')"},
		{"f:1", "live", 400, "InvalidParameterValueException", "does not match"},
		{"f!", "", 400, "ValidationException", "functionName"},
	} {
		t.Run("refused "+tc.function+"?"+tc.qualifier, func(t *testing.T) {
			in := &lambda.InvokeInput{FunctionName: &tc.function}
			if tc.qualifier != "" {
				in.Qualifier = &tc.qualifier
			}
			_, err := c.Invoke(t.Context(), in)
			wantError(t, err, tc.status, tc.kind, tc.text)
		})
	}
}

func TestEventAndDryRun(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{Functions: []lambdatest.Function{{Name: "wait", Concurrency: 1}, {Name: "exit"}}})
	c := client(t, s)
	g := newGate(t)
	payload := []byte(`{"url":"` + g.URL + `"}`)
	for range 3 {
		out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("wait"), InvocationType: types.InvocationTypeEvent, Payload: payload})
		require.NoError(t, err)
		require.EqualValues(t, http.StatusAccepted, out.StatusCode)
		require.Empty(t, out.Payload)
	}
	out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("exit"), InvocationType: types.InvocationTypeDryRun, Payload: payload})
	require.NoError(t, err)
	require.EqualValues(t, http.StatusNoContent, out.StatusCode)
	_, err = c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("no"), InvocationType: types.InvocationTypeDryRun})
	wantError(t, err, 404, "ResourceNotFoundException", "not found")
	_, err = c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("exit"), InvocationType: types.InvocationTypeEvent, Payload: []byte(`{"code":1}`)})
	require.NoError(t, err, "what becomes of it is not told")
	for range 3 {
		g.passOne(t) // one after the other: there is one process
	}
	s.Wait()
	require.Equal(t, 3, g.passed())
}

func TestConcurrency(t *testing.T) {
	c := client(t, lambdatest.Start(t, lambdatest.Options{Functions: []lambdatest.Function{
		{Name: "wait", Concurrency: 2}, {Name: "never", Handler: "echo", Concurrency: -1},
	}}))
	g := newGate(t)
	payload := `{"url":"` + g.URL + `"}`
	var calls sync.WaitGroup
	for range 2 {
		calls.Go(func() {
			out, err := c.Invoke(context.Background(), &lambda.InvokeInput{FunctionName: aws.String("wait"), Payload: []byte(payload)})
			if err != nil || string(out.Payload) != `"waited"` {
				t.Errorf("got %v, %v", out, err)
			}
		})
	}
	g.arrived(t, 2)
	for _, function := range []string{"wait", "never"} {
		_, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, Payload: []byte(payload)})
		wantError(t, err, 429, "TooManyRequestsException", "Rate Exceeded.")
		var many *types.TooManyRequestsException
		require.ErrorAs(t, err, &many)
		require.Equal(t, "1", aws.ToString(many.RetryAfterSeconds))
		require.Equal(t, types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded, many.Reason)
	}
	g.passOne(t)
	g.passOne(t)
	calls.Wait()
}

func TestLimits(t *testing.T) {
	c := client(t, lambdatest.Start(t, lambdatest.Options{MaxRequestBytes: 100, MaxEventBytes: 50}))
	text := func(n int) []byte { return []byte(`"` + strings.Repeat("x", n-2) + `"`) }
	for _, tc := range []struct {
		kind types.InvocationType
		max  int
	}{{types.InvocationTypeRequestResponse, 100}, {types.InvocationTypeEvent, 50}} {
		_, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("upper"), InvocationType: tc.kind, Payload: text(tc.max)})
		require.NoError(t, err)
		_, err = c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("upper"), InvocationType: tc.kind, Payload: text(tc.max + 1)})
		wantError(t, err, 413, "RequestTooLargeException", "must be smaller")
	}
	_, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("upper"), Payload: []byte(`abc`)})
	wantError(t, err, 400, "InvalidRequestContentException", "json")
	_, err = c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("upper"), ClientContext: aws.String("!")})
	wantError(t, err, 400, "InvalidRequestContentException", "Client context")
}

func TestFaults(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	c := client(t, s)
	call := func() error {
		_, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("echo")})
		return err
	}
	throttled, elsewhere := lambdatest.Throttled(7), lambdatest.Broken()
	throttled.Times = 2
	elsewhere.Function = "upper"
	s.Inject(elsewhere, throttled, lambdatest.Broken(), lambdatest.Fault{Reset: true})
	for range 2 {
		err := call()
		wantError(t, err, 429, "TooManyRequestsException", "Rate")
		var many *types.TooManyRequestsException
		require.ErrorAs(t, err, &many)
		require.Equal(t, "7", aws.ToString(many.RetryAfterSeconds))
	}
	wantError(t, call(), 500, "ServiceException", "Service encountered an error.")
	require.ErrorIs(t, call(), syscall.ECONNRESET)
	require.NoError(t, call())
	require.Equal(t, "ServiceException", s.Calls()[2].Refused)

	until := make(chan struct{})
	s.Inject(lambdatest.Fault{Until: until})
	slow := make(chan error, 1)
	go func() { slow <- call() }()
	require.NoError(t, call2(t, c, s, 6))
	select {
	case err := <-slow:
		require.Fail(t, "it was not held up", err)
	default:
	}
	close(until)
	require.NoError(t, <-slow)

	// What the SDK makes of all this by itself.
	c = client(t, s, func(o *lambda.Options) {
		o.Retryer = retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond })
	})
	broken := lambdatest.Broken()
	broken.Times = 2
	s.Inject(broken)
	require.NoError(t, call(), "the third attempt of three")
}

// call2 calls once n calls have arrived, so that it is not the one held up.
func call2(t *testing.T, c *lambda.Client, s *lambdatest.Service, n int) error {
	t.Helper()
	require.Eventually(t, func() bool { return len(s.Calls()) >= n }, time.Minute, time.Millisecond)
	_, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("echo")})
	return err
}
