package lambda_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/types/known/durationpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
)

func raw() *asked { return about(&configpb.LambdaCall{Event: "raw"}) }

func to(function, invocation string) *asked {
	return about(&configpb.LambdaCall{Function: function, Event: "raw", Invocation: invocation})
}

// TestFunctionErrors has functions that fail in every way, called so that somebody waits.
func TestFunctionErrors(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{Functions: []lambdatest.Function{
		{Name: "fail"}, {Name: "panic"}, {Name: "exit"}, {Name: "big"},
		{Name: "hang", Handler: "sleep", Timeout: 100 * time.Millisecond},
	}})
	for _, tc := range []struct {
		name, function, event string
		reason                rpc.Reason
		kind, message         string
	}{
		{"error", "fail", `{"message":"no such book"}`, rpc.FunctionFailed, "errorString", "no such book"},
		{"type", "fail", `{"type":"Book.Missing\r\n x","message":"a"}`, rpc.FunctionFailed, "Book.Missingx", "a"},
		{"panic", "panic", `{}`, rpc.FunctionFailed, "string", "cannot go on after {}"},
		{"exit", "exit", `{"code":3}`, rpc.FunctionFailed, "Runtime.ExitError", "exit status 3"},
		{"timeout", "hang", `{"milliseconds":60000}`, rpc.DeadlineExceeded, "Sandbox.Timedout", "Task timed out after 0.10 seconds"},
		{"too large for the service", "big", `{"bytes":7000000}`, rpc.FunctionFailed, "Function.ResponseSizeTooLarge", "exceeded maximum allowed payload size"},
	} {
		for _, invocation := range []string{"wait", "stream"} {
			if tc.function == "big" && invocation == "stream" {
				continue // it may be larger there
			}
			t.Run(tc.name+" "+invocation, func(t *testing.T) {
				cfg := config(s, "fail")
				up := start(t, cfg)
				failed := failure(t, up, request(t, "POST", "/", tc.event, to(tc.function, invocation)))
				require.Equal(t, tc.reason, failed.Reason, "%v", failed)
				require.Equal(t, http.Header{"X-Amz-Function-Error": {tc.kind}}, failed.Header)
				require.Empty(t, failed.Message, "what a function says is not for clients")
				require.False(t, failed.NotSent)
				require.Equal(t, tc.function, failed.Endpoint)
				require.ErrorContains(t, failed, tc.message)

				cfg.ExposeErrors = true
				failed = failure(t, start(t, cfg), request(t, "POST", "/", tc.event, to(tc.function, invocation)))
				require.Contains(t, failed.Message, tc.message)
			})
		}
	}
}

func TestRefused(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	up := start(t, config(s, "echo"))
	for _, tc := range []struct {
		name    string
		fault   lambdatest.Fault
		reason  rpc.Reason
		after   time.Duration
		notSent bool
	}{
		{"throttled", lambdatest.Throttled(7), rpc.FunctionThrottled, 7 * time.Second, true},
		{"throttled, and no word for how long", lambdatest.Throttled(0), rpc.FunctionThrottled, time.Second, true},
		{"throttled as other services say it", lambdatest.Fault{Status: 400, Type: "ThrottlingException"}, rpc.FunctionThrottled, time.Second, true},
		{"denied", lambdatest.Fault{Status: 403, Type: "AccessDeniedException", Message: "secret"}, rpc.UpstreamDenied, 0, true},
		{"signature", lambdatest.Fault{Status: 400, Type: "IncompleteSignatureException"}, rpc.UpstreamDenied, 0, true},
		{"too large", lambdatest.Fault{Status: 413, Type: "RequestTooLargeException"}, rpc.RequestTooLarge, 0, true},
		{"content", lambdatest.Fault{Status: 400, Type: "InvalidRequestContentException"}, rpc.InvalidBody, 0, true},
		{"parameter", lambdatest.Fault{Status: 400, Type: "InvalidParameterValueException"}, rpc.UpstreamProtocol, 0, true},
		{"unknown", lambdatest.Fault{Status: 404, Type: "ResourceNotFoundException"}, rpc.UpstreamProtocol, 0, true},
		{"too many of EC2's calls", lambdatest.Fault{Status: 502, Type: "EC2ThrottledException"}, rpc.FunctionThrottled, time.Second, true},
		{"files", lambdatest.Fault{Status: 410, Type: "EFSIOException"}, rpc.UpstreamUnreachable, 0, false},
		{"loop", lambdatest.Fault{Status: 400, Type: "RecursiveInvocationException"}, rpc.UpstreamProtocol, 0, true},
		{"slow request", lambdatest.Fault{Status: 408, Type: "RequestTimeoutException"}, rpc.UpstreamUnreachable, 0, true},
		{"elsewhere", lambdatest.Fault{Status: 403, Type: "Forbidden"}, rpc.UpstreamDenied, 0, true},
		{"gateway before the service", lambdatest.Fault{Status: 502, Type: "BadGateway"}, rpc.UpstreamUnreachable, 0, false},
		{"broken", lambdatest.Broken(), rpc.UpstreamUnreachable, 0, false},
		{"reset", lambdatest.Fault{Reset: true}, rpc.UpstreamUnreachable, 0, false},
	} {
		for _, invocation := range []string{"wait", "stream"} {
			t.Run(tc.name+" "+invocation, func(t *testing.T) {
				s.Inject(tc.fault)
				before := len(s.Calls())
				failed := failure(t, up, request(t, "POST", "/", "{}", to("", invocation)))
				require.Equal(t, tc.reason, failed.Reason, "%v", failed)
				require.Equal(t, tc.after, failed.RetryAfter)
				require.Equal(t, tc.notSent, failed.NotSent)
				require.NotContains(t, failed.Message, "secret")
				require.Len(t, s.Calls(), before+1, "the SDK tries once")
				if tc.fault.Message != "" {
					require.ErrorContains(t, failed, tc.fault.Message)
				}
			})
		}
	}
	// What stands in the way of a start (API reference, errors of Invoke): nothing has run.
	for code, status := range map[string]int{
		"CodeArtifactUserDeletedException": 409, "CodeArtifactUserFailedException": 409, "CodeArtifactUserPendingException": 409,
		"EC2AccessDeniedException": 502, "EC2UnexpectedException": 502, "ENILimitReachedException": 502, "ENINotReadyException": 502,
		"EFSMountConnectivityException": 408, "EFSMountFailureException": 403, "EFSMountTimeoutException": 408,
		"InvalidRuntimeException": 502, "InvalidSecurityGroupIDException": 502, "InvalidSubnetIDException": 502, "InvalidZipFileException": 502,
		"KMSAccessDeniedException": 502, "KMSDisabledException": 502, "KMSInvalidStateException": 502, "KMSNotFoundException": 502,
		"ResourceConflictException": 409, "ResourceNotReadyException": 502, "SubnetIPAddressLimitReachedException": 502,
		"S3FilesMountConnectivityException": 408, "S3FilesMountFailureException": 403, "S3FilesMountTimeoutException": 408,
		"SnapStartException": 400, "SnapStartNotReadyException": 409, "SnapStartRegenerationFailureException": 400, "SnapStartTimeoutException": 408,
	} {
		t.Run(code, func(t *testing.T) {
			s.Inject(lambdatest.Fault{Status: status, Type: code})
			failed := failure(t, up, request(t, "POST", "/", "{}", raw()))
			require.Equal(t, rpc.UpstreamUnreachable, failed.Reason, "%v", failed)
			require.True(t, failed.NotSent)
			require.ErrorContains(t, failed, "the function cannot be started: ")
		})
	}
	t.Run("function", func(t *testing.T) {
		failed := failure(t, up, request(t, "POST", "/", "{}", to("nowhere", "")))
		require.Equal(t, rpc.UpstreamProtocol, failed.Reason)
		require.ErrorContains(t, failed, "Function not found: arn:aws:lambda:us-east-1:123456789012:function:nowhere")
	})
	t.Run("wrong secret", func(t *testing.T) {
		cfg := config(s, "echo")
		cfg.Credentials.Static.SecretAccessKey = "another"
		failed := failure(t, start(t, cfg), request(t, "POST", "/", "{}", raw()))
		require.Equal(t, rpc.UpstreamDenied, failed.Reason)
		require.ErrorContains(t, failed, "does not match the signature")
	})
}

// TestSlow is a slow first answer, which the caller gives up.
func TestSlow(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	up := start(t, config(s, "echo"))
	for _, invocation := range []string{"wait", "stream"} {
		t.Run(invocation, func(t *testing.T) {
			for _, tc := range []struct {
				cause  error
				reason rpc.Reason
			}{{context.DeadlineExceeded, rpc.DeadlineExceeded}, {nil, rpc.ClientClosed}} {
				s.Inject(lambdatest.Fault{Until: make(chan struct{})})
				before := len(s.Calls())
				r := request(t, "POST", "/", "{}", to("", invocation))
				ctx, cancel := context.WithCancelCause(r.Context())
				go func() {
					for len(s.Calls()) == before {
						time.Sleep(time.Millisecond)
					}
					cancel(tc.cause)
				}()
				failed := failure(t, up, r.WithContext(ctx))
				require.Equal(t, tc.reason, failed.Reason)
				require.False(t, failed.NotSent)
			}
			// a later try succeeds.
			resp, _ := answer(t, up, request(t, "POST", "/", "{}", to("", invocation)))
			require.Equal(t, http.StatusOK, resp.StatusCode)
		})
	}
	t.Run("over before it begins", func(t *testing.T) {
		r := request(t, "POST", "/", "{}", raw())
		ctx, cancel := context.WithDeadline(r.Context(), time.Unix(1, 0))
		defer cancel()
		failed := failure(t, up, r.WithContext(ctx))
		require.Equal(t, rpc.DeadlineExceeded, failed.Reason)
		require.True(t, failed.NotSent)
	})
}

func TestUnreachable(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	nobody := httptest.NewServer(nil)
	nobody.Close()
	cfg := config(s, "echo")
	cfg.Endpoint = nobody.URL
	up := start(t, cfg)
	for range 3 {
		failed := failure(t, up, request(t, "POST", "/", "{}", raw()))
		require.Equal(t, rpc.UpstreamUnreachable, failed.Reason, "%v", failed)
		require.True(t, failed.NotSent)
	}
	// And one that does not speak HTTP.
	plain := httptest.NewTLSServer(nil)
	defer plain.Close()
	cfg.Endpoint = plain.URL
	failed := failure(t, start(t, cfg), request(t, "POST", "/", "{}", raw()))
	require.Equal(t, rpc.UpstreamUnreachable, failed.Reason, "certificates are verified")
	require.True(t, failed.NotSent)
	require.ErrorContains(t, failed, "certificate")
}

func TestRequestLimits(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	up := start(t, config(s, "big"))
	send := func(invocation, event string, body io.Reader, length int64) error {
		r := request(t, "POST", "/", "", about(&configpb.LambdaCall{Invocation: invocation, Event: event}))
		r.Body, r.ContentLength = io.NopCloser(body), length
		r.Header.Set("Content-Type", "application/octet-stream")
		resp, err := up.Send(r, nil)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	// {"bytes":2} and spaces make an event of a size.
	event := func(n int) io.Reader { return strings.NewReader(`{"bytes":2}` + strings.Repeat(" ", n-11)) }
	const most, mostAsync = 6 << 20, 1 << 20
	require.NoError(t, send("wait", "raw", event(most), -1))
	require.NoError(t, send("wait", "raw", event(most), most))
	require.NoError(t, send("async", "raw", event(mostAsync), -1))
	s.Wait()
	before := len(s.Calls())
	for _, err := range []error{
		send("wait", "raw", event(most+1), -1),
		send("wait", "raw", strings.NewReader("{}"), most+1),
		send("stream", "raw", event(most+1), -1),
		send("async", "raw", event(mostAsync+1), -1),
		// Base64 makes three bytes four.
		send("wait", "http", event(most*3/4), -1),
	} {
		var failed *upstream.Error
		require.ErrorAs(t, err, &failed)
		require.Equal(t, rpc.RequestTooLarge, failed.Reason)
		require.True(t, failed.NotSent)
	}
	require.Len(t, s.Calls(), before, "the service is not asked")

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	r := request(t, "POST", "/", "", raw()).WithContext(ended)
	r.Body = io.NopCloser(brokenReader{})
	require.Equal(t, rpc.ClientClosed, failure(t, up, r).Reason, "the client, and not its body, is at fault")

	err := send("wait", "raw", io.MultiReader(strings.NewReader("{"), brokenReader{}), -1)
	var failed *upstream.Error
	require.ErrorAs(t, err, &failed)
	require.Equal(t, rpc.InvalidRequest, failed.Reason)
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestResponseLimit(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	cfg := config(s, "big")
	size := uint32(2000)
	cfg.ResponseBytes = &size
	up := start(t, cfg)
	_, text := answer(t, up, request(t, "POST", "/", `{"bytes":2000}`, raw()))
	require.Len(t, text, 2000)
	failed := failure(t, up, request(t, "POST", "/", `{"bytes":2001}`, raw()))
	require.Equal(t, rpc.UpstreamTooLarge, failed.Reason, "%v", failed)
	// Errors of the service are longer than a small limit.
	s.Inject(lambdatest.Fault{Status: 403, Type: "AccessDeniedException", Message: strings.Repeat("x", 3000)})
	failed = failure(t, up, request(t, "POST", "/", `{}`, raw()))
	require.Equal(t, rpc.UpstreamDenied, failed.Reason)
	// Streams are not bounded, and their heads otherwise.
	failed = failure(t, up, request(t, "POST", "/", `{"headers":{"x":"`+strings.Repeat("x", 128<<10)+`"}}`, to("stream", "stream")))
	require.Equal(t, rpc.UpstreamProtocol, failed.Reason, "%v", failed)
	require.ErrorContains(t, failed, "the prelude of the function's stream has more than")
	_, text = answer(t, up, request(t, "POST", "/", `{"steps":[{"write":"12345678","times":1000}]}`, to("stream", "stream")))
	require.Len(t, text, 8000)

	// Whatever the service passes on, the gateway does by default.
	cfg.ResponseBytes = nil
	_, text = answer(t, start(t, cfg), request(t, "POST", "/", `{"bytes":6291556}`, raw()))
	require.Len(t, text, 6291556)
}

func TestPlaces(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	cfg := config(s, "echo")
	one, none := uint32(1), uint32(0)
	cfg.Limits = &configpb.UpstreamLimits{Requests: &one, Waiting: &none, WaitTimeout: durationpb.New(time.Minute)}
	up := start(t, cfg)
	release := make(chan struct{})
	s.Inject(lambdatest.Fault{Function: "echo", Until: release})
	done := make(chan error, 1)
	held := request(t, "POST", "/", "{}", raw())
	go func() {
		resp, err := up.Send(held, nil)
		if err == nil {
			err = resp.Body.Close()
		}
		done <- err
	}()
	require.Eventually(t, func() bool { return len(s.Calls()) == 1 }, time.Minute, time.Millisecond)
	failed := failure(t, up, request(t, "POST", "/", "{}", raw()))
	require.Equal(t, rpc.UpstreamOverloaded, failed.Reason)
	require.Equal(t, time.Second, failed.RetryAfter)
	require.True(t, failed.NotSent)
	require.Equal(t, "echo", failed.Endpoint)
	answer(t, up, request(t, "POST", "/", `"a"`, to("upper", ""))) // another function, another limit
	close(release)
	require.NoError(t, <-done)

	// A stream has its place until it is closed, and no longer.
	resp, err := up.Send(request(t, "POST", "/", `{}`, to("bytes", "stream")), nil)
	require.NoError(t, err)
	failed = failure(t, up, request(t, "POST", "/", "{}", to("bytes", "stream")))
	require.Equal(t, rpc.UpstreamOverloaded, failed.Reason)
	require.NoError(t, resp.Body.Close())
	require.NoError(t, resp.Body.Close())
	for range 3 {
		answer(t, up, request(t, "POST", "/", `{}`, to("bytes", "stream")))
	}
}
