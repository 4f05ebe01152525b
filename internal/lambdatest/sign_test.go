package lambdatest_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
)

func TestCredentials(t *testing.T) {
	all := lambdatest.Credentials{AccessKeyID: "ALL", SecretAccessKey: "s1", Principal: "arn:aws:iam::123456789012:user/all"}
	some := lambdatest.Credentials{AccessKeyID: "SOME", SecretAccessKey: "s2", Principal: "arn:aws:iam::123456789012:user/some", Functions: []string{"echo"}}
	brief := lambdatest.Credentials{AccessKeyID: "BRIEF", SecretAccessKey: "s3", SessionToken: "t3", Expires: time.Now().Add(time.Hour)}
	past := lambdatest.Credentials{AccessKeyID: "PAST", SecretAccessKey: "s4", SessionToken: "t4", Expires: time.Now().Add(-time.Second)}
	s := lambdatest.Start(t, lambdatest.Options{Credentials: []lambdatest.Credentials{all, some, brief, past}})
	require.Equal(t, all, s.Credentials)
	with := func(c lambdatest.Credentials, change func(*lambdatest.Credentials)) lambdatest.Credentials {
		change(&c)
		return c
	}
	call := func(c lambdatest.Credentials, function string, options ...func(*lambda.Options)) error {
		options = append(options, func(o *lambda.Options) { o.Credentials = static(c) })
		_, err := client(t, s, options...).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &function, Payload: []byte(`"a"`)})
		return err
	}
	for _, c := range []lambdatest.Credentials{all, some, brief} {
		require.NoError(t, call(c, "echo"), c.AccessKeyID)
	}
	require.NoError(t, call(all, "upper"))
	for _, tc := range []struct {
		name       string
		c          lambdatest.Credentials
		function   string
		kind, text string
	}{
		{"wrong secret", with(all, func(c *lambdatest.Credentials) { c.SecretAccessKey = "s0" }), "echo", "InvalidSignatureException", "does not match"},
		{"unknown key", with(all, func(c *lambdatest.Credentials) { c.AccessKeyID = "NOBODY" }), "echo", "UnrecognizedClientException", "token included in the request is invalid"},
		{"wrong token", with(brief, func(c *lambdatest.Credentials) { c.SessionToken = "t0" }), "echo", "UnrecognizedClientException", "token included in the request is invalid"},
		{"no token", with(brief, func(c *lambdatest.Credentials) { c.SessionToken = "" }), "echo", "UnrecognizedClientException", "token included in the request is invalid"},
		{"expired", past, "echo", "ExpiredTokenException", "expired"},
		{"not allowed", some, "upper", "AccessDeniedException", some.Principal + " is not authorized to perform: lambda:InvokeFunction on resource: arn:aws:lambda:us-east-1:123456789012:function:upper"},
		{"not allowed and not there", some, "no", "AccessDeniedException", "not authorized"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			wantError(t, call(tc.c, tc.function), http.StatusForbidden, tc.kind, tc.text)
		})
	}
	wantError(t, call(all, "echo", func(o *lambda.Options) { o.Region = "eu-west-1" }), http.StatusForbidden, "InvalidSignatureException", "valid region")
	anonymous := func(o *lambda.Options) { o.Credentials = aws.AnonymousCredentials{} }
	_, err := client(t, s, anonymous).Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("echo")})
	wantError(t, err, http.StatusForbidden, "MissingAuthenticationTokenException", "Missing")

	s.Expire("")
	wantError(t, call(brief, "echo"), http.StatusForbidden, "ExpiredTokenException", "expired")
	require.NoError(t, call(all, "echo"), "no session, no end")
	s.Expire("ALL")
	wantError(t, call(all, "echo"), http.StatusForbidden, "ExpiredTokenException", "expired")
}

// tamper changes requests after they have been signed.
type tamper func(*http.Request)

func (f tamper) Do(r *http.Request) (*http.Response, error) {
	f(r)
	return http.DefaultClient.Do(r)
}

func TestTampered(t *testing.T) {
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	s := lambdatest.Start(t, lambdatest.Options{})
	call := func(f tamper) error {
		c := client(t, s, func(o *lambda.Options) { o.HTTPClient = f })
		out, err := c.Invoke(t.Context(), &lambda.InvokeInput{
			FunctionName: aws.String("arn:aws:lambda:us-east-1:123456789012:function:echo"), Qualifier: aws.String("$LATEST"), Payload: []byte(`[1]`), ClientContext: aws.String("e30="),
		})
		if err == nil {
			require.Equal(t, `[1]`, string(out.Payload))
		}
		return err
	}
	for name, f := range map[string]tamper{
		"nothing":    func(*http.Request) {},
		"trace":      func(r *http.Request) { r.Header.Set("X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793") },
		"user agent": func(r *http.Request) { r.Header.Set("User-Agent", "other") },
		"unsigned":   func(r *http.Request) { r.Header.Set("X-Other", "other") },
	} {
		require.NoError(t, call(f), name)
	}
	for name, f := range map[string]tamper{
		"payload": func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(`[2]`)) },
		"path": func(r *http.Request) {
			r.URL.Path = strings.Replace(r.URL.Path, "echo", "upper", 1)
			r.URL.RawPath = ""
		},
		"query":   func(r *http.Request) { r.URL.RawQuery = "Qualifier=1" },
		"host":    func(r *http.Request) { r.Host = "localhost" },
		"signed":  func(r *http.Request) { r.Header.Set("X-Amz-Client-Context", "e30K") },
		"removed": func(r *http.Request) { r.Header.Del("X-Amz-Client-Context") },
		"added":   func(r *http.Request) { r.Header.Set("X-Amz-Log-Type", "Tail") },
		"signature": func(r *http.Request) {
			a := r.Header.Get("Authorization")
			last := "0"
			if strings.HasSuffix(a, last) {
				last = "1"
			}
			r.Header.Set("Authorization", a[:len(a)-1]+last)
		},
	} {
		wantError(t, call(f), http.StatusForbidden, "InvalidSignatureException", "")
		_ = name
	}
	wantError(t, call(func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }), http.StatusForbidden, "IncompleteSignatureException", "Credential")
}

func TestSignedByHand(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	body := []byte(`[1]`)
	send := func(method, path, service string, date time.Time) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, bytes.NewReader(body))
		require.NoError(t, err)
		sum := sha256.Sum256(body)
		require.NoError(t, v4.NewSigner().SignHTTP(t.Context(), aws.Credentials{AccessKeyID: s.Credentials.AccessKeyID, SecretAccessKey: s.Credentials.SecretAccessKey},
			r, hex.EncodeToString(sum[:]), service, s.Region, date))
		resp, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	const path = "/2015-03-31/functions/echo/invocations"
	require.Equal(t, http.StatusOK, send("POST", path, "lambda", time.Now()).StatusCode)
	for _, tc := range []struct {
		method, path, service string
		off                   time.Duration
		status                int
		kind                  string
	}{
		{"POST", path, "lambda", -6 * time.Minute, 403, "InvalidSignatureException"},
		{"POST", path, "lambda", 6 * time.Minute, 403, "InvalidSignatureException"},
		{"POST", path, "execute-api", 0, 403, "InvalidSignatureException"},
		{"GET", path, "lambda", 0, 404, "UnknownOperationException"},
		{"POST", "/2015-03-31/functions/a/b/invocations", "lambda", 0, 404, "UnknownOperationException"},
		{"POST", "/2015-03-31/functions/", "lambda", 0, 404, "UnknownOperationException"},
	} {
		resp := send(tc.method, tc.path, tc.service, time.Now().Add(tc.off))
		require.Equal(t, tc.status, resp.StatusCode)
		require.Equal(t, tc.kind, resp.Header.Get("X-Amzn-ErrorType"))
		require.NotEmpty(t, resp.Header.Get("X-Amzn-RequestId"))
	}
}
