package lambda_test

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/lambda"
)

// check is what up finds out of a route that says options.
func check(t *testing.T, up upstream.HTTP, options *configpb.LambdaCall) (callee string, err error) {
	t.Helper()
	checked := with(t, up, options).(upstream.Checked)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	err = checked.Check(ctx)
	require.NoError(t, ctx.Err())
	return checked.Callee(), err
}

// TestCheckTellsWhatAWSSays: who may not call, or calls what is not there, is told in
// AWS's words, and what to do about it. Nothing runs for that.
func TestCheckTellsWhatAWSSays(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{
		Functions: []lambdatest.Function{{Name: "echo", Versions: []string{"1"}}, {Name: "upper"}},
		Credentials: []lambdatest.Credentials{
			{AccessKeyID: "AKIDECHO", SecretAccessKey: "secret", Principal: "arn:aws:iam::123456789012:user/gateway", Functions: []string{"echo", "gone"}},
		},
	})
	up := start(t, config(s, "echo"))
	for _, tc := range []struct {
		function, qualifier, callee string
		want                        []string
	}{
		{"", "", "echo", nil},
		{"", "1", "echo:1", nil},
		{"", "2", "echo:2", []string{`function "echo:2" in us-east-1: AWS says ResourceNotFoundException "Function not found: arn:aws:lambda:us-east-1:123456789012:function:echo:2"`, "; create it, or name another"}},
		{"gone", "", "gone", []string{`function "gone" in us-east-1: AWS says ResourceNotFoundException`, "; create it, or name another"}},
		{"upper", "", "upper", []string{
			`function "upper" in us-east-1: AWS says AccessDeniedException "User: arn:aws:iam::123456789012:user/gateway is not authorized to perform: lambda:InvokeFunction on resource: arn:aws:lambda:us-east-1:123456789012:function:upper`,
			"; let who is named there call the function (lambda:InvokeFunction), or give other credentials",
		}},
	} {
		callee, err := check(t, up, &configpb.LambdaCall{Function: tc.function, Qualifier: tc.qualifier})
		require.Equal(t, tc.callee, callee)
		if tc.want == nil {
			require.NoError(t, err)
		}
		for _, want := range tc.want {
			require.ErrorContains(t, err, want)
		}
	}
	require.Empty(t, s.Calls())
	require.Len(t, s.Checks(), 5)
	require.Equal(t, "1", s.Checks()[1].Qualifier)

	cfg := config(s, "echo")
	cfg.Credentials.Static.SecretAccessKey = "another"
	require.ErrorContains(t, start(t, cfg).(upstream.Checked).Check(t.Context()), "; give other credentials")

	cfg.Credentials.AssumeRoles = []*configpb.AWSRole{{RoleArn: gatewayRole}}
	require.ErrorContains(t, start(t, cfg).(upstream.Checked).Check(t.Context()), `function "echo" in us-east-1: no credentials: `)
}

// TestCheckOfWhatCannotTell: emulators that know no dry runs, services that are not there
// or hang. None of it is worth a warning, nor is the end of the check.
func TestCheckOfWhatCannotTell(t *testing.T) {
	answers := func(status int, kind, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			if kind != "" {
				w.Header().Set("X-Amzn-ErrorType", kind)
			}
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	var give func() // up
	for name, handler := range map[string]http.HandlerFunc{
		"it is called":             answers(200, "", `{"statusCode":200}`),
		"another status":           answers(204, "", ""),
		"not implemented":          answers(501, "NotImplemented", `{"Type":"LocalService"}`),
		"an error without a name":  answers(500, "", "Unhandled InvocationType: DryRun"),
		"an invalid parameter":     answers(400, "InvalidParameterValueException", `{"Message":"DryRun"}`),
		"no such path":             answers(404, "", "404 page not found"),
		"too many calls":           answers(429, "TooManyRequestsException", `{}`),
		"more than anybody wants":  answers(500, "", string(bytes.Repeat([]byte("x"), 1<<20))),
		"no answer":                func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
		"no answer, and no end":    func(_ http.ResponseWriter, r *http.Request) { give(); <-r.Context().Done() },
		"redirected":               answers(302, "", ""),
		"a function that has died": answers(200, "", `{"errorMessage":"no event"}`),
	} {
		t.Run(name, func(t *testing.T) {
			service := httptest.NewServer(handler)
			defer service.Close()
			var log bytes.Buffer
			up, err := lambda.New(&configpb.AWSLambdaUpstream{
				Function: "echo", Region: "eu-west-1", Endpoint: service.URL,
				Credentials: &configpb.AWSCredentials{Static: &configpb.AWSStaticCredentials{AccessKeyId: "AKIDEXAMPLE", SecretAccessKey: "secret"}},
			}, upstream.Env{Name: "function", Log: slog.New(slog.NewTextHandler(&log, nil))})
			require.NoError(t, err)
			defer func() { require.NoError(t, up.Close()) }()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			give = cancel
			require.NoError(t, up.(upstream.Checked).Check(ctx))
			require.Empty(t, log.String(), "what is above debug")
		})
	}
}
