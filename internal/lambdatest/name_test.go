package lambdatest

import (
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What a name means is written as an ARN, and the ARN means the same.
func FuzzTarget(f *testing.F) {
	for _, seed := range []string{"f", "f:1", "123456789012:function:f", "arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST", "arn:aws-cn:lambda:cn-north-1:1:function:f", "::", "f:"} {
		f.Add(seed, "")
		f.Add(seed, "live")
	}
	s := &Service{Region: DefaultRegion, account: DefaultAccount}
	f.Fuzz(func(t *testing.T, text, qualifier string) {
		got, refused := s.parseTarget(text, qualifier)
		if refused != nil {
			require.NotEmpty(t, refused.message)
			return
		}
		require.Contains(t, text, got.function)
		if qualifier != "" {
			require.Equal(t, qualifier, got.qualifier)
		}
		if !namePattern.MatchString(s.arn(got)) || len(s.arn(got)) > 170 {
			return // a qualifier of the query is looked up, not parsed
		}
		again, refused := s.parseTarget(s.arn(got), "")
		require.Nil(t, refused)
		require.Equal(t, got, again)
	})
}

// Whatever a header says, it is no signature of somebody else's.
func FuzzAuthorization(f *testing.F) {
	f.Add("AWS4-HMAC-SHA256 Credential=K/20260102/us-east-1/lambda/aws4_request, SignedHeaders=host;x-amz-date, Signature="+strings.Repeat("0", 64), "20260102T030405Z", "")
	f.Add("AWS4-HMAC-SHA256 Credential=K/20260102/us-east-1/lambda/aws4_request, SignedHeaders=content-length;-;host, Signature="+strings.Repeat("a", 64), "20260102T030405Z", "t")
	k := newKeys([]Credentials{{AccessKeyID: "K", SecretAccessKey: newID()}})
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f.Fuzz(func(t *testing.T, authorization, date, token string) {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header = http.Header{"Authorization": {authorization}, "X-Amz-Date": {date}, "X-Amz-Security-Token": {token}}
		_, refused := k.verify(r, nil, "lambda", DefaultRegion, now)
		require.NotNil(t, refused)
		require.Equal(t, http.StatusForbidden, refused.status)
	})
}

// The program has all the handlers that the zero value of Options names.
func TestHandlers(t *testing.T) {
	program, err := build()
	require.NoError(t, err)
	for _, handler := range append(handlers, "no-such") {
		cmd := exec.Command(program)
		cmd.Env = []string{"_HANDLER=" + handler}
		out, err := cmd.CombinedOutput()
		require.Error(t, err, "there is no Runtime API")
		require.Equal(t, handler == "no-such", strings.Contains(string(out), "no handler"), "%s: %s", handler, out)
	}
}
