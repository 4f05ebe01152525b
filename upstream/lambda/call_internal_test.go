package lambda

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"
	"golang.org/x/net/http/httpguts"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

func TestParseFunction(t *testing.T) {
	const arn = "arn:aws:lambda:eu-west-1:123456789012:function:f"
	for _, tc := range []struct{ in, function, qualifier, region string }{
		{in: "f", function: "f"},
		{in: "f:live", function: "f", qualifier: "live"},
		{in: "function:f", function: "function:f"},
		{in: "123456789012:f", function: "123456789012:f"},
		{in: "123456789012:function:f:1", function: "123456789012:function:f", qualifier: "1"},
		{in: "eu-west-1:123456789012:function:f", function: "eu-west-1:123456789012:function:f", region: "eu-west-1"},
		{in: arn, function: arn, region: "eu-west-1"},
		{in: arn + ":$LATEST", function: arn, qualifier: "$LATEST", region: "eu-west-1"},
	} {
		function, qualifier, region, err := parseFunction(tc.in)
		require.NoError(t, err, tc.in)
		require.Equal(t, []string{tc.function, tc.qualifier, tc.region}, []string{function, qualifier, region}, tc.in)
	}
	for _, in := range []string{"", ":", "f:", "a:b:c", "arn:aws:lambda:x", arn + ":1:2"} {
		_, _, _, err := parseFunction(in)
		require.ErrorIs(t, err, errFunction, in)
	}
}

// TestQualifier: that of the route, else of the function that it names, else the upstream's.
func TestQualifier(t *testing.T) {
	for _, tc := range []struct{ function, qualifier, want string }{
		{"", "", "f:live"}, {"", "1", "f:1"}, {"g", "", "g:live"}, {"g:2", "", "g:2"}, {"g", "3", "g:3"},
	} {
		c, err := call{function: "f", qualifier: "live"}.with(&configpb.LambdaCall{Function: tc.function, Qualifier: tc.qualifier})
		require.NoError(t, err)
		require.Equal(t, tc.want, c.name())
	}
}

// TestNoKeys has a source that gives credentials without a key in them.
func TestNoKeys(t *testing.T) {
	u := &Upstream{log: slog.New(slog.DiscardHandler)}
	c := u.renewed(aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return aws.Credentials{}, nil }))
	defer c.Close()
	_, err := c.Retrieve(t.Context())
	require.ErrorIs(t, err, errNoKeys)
}

// FuzzFunctionFailed has functions say anything of their errors: the header can be sent.
func FuzzFunctionFailed(f *testing.F) {
	f.Add("Unhandled", []byte(`{"errorType":"A\r\nB","errorMessage":"b"}`))
	f.Add("", []byte(`no JSON`))
	f.Add("a", []byte(`{"errorMessage":"`+strings.Repeat("b", 4*maxMessage)+`"}`))
	f.Add("ä", []byte(`{"errorType":null}`))
	f.Fuzz(func(t *testing.T, kind string, details []byte) {
		failed := (&Upstream{exposeErrors: true}).functionFailed(kind, details)
		value := failed.Header[functionError][0]
		require.NotEmpty(t, value)
		require.LessOrEqual(t, len(value), maxType)
		require.True(t, httpguts.ValidHeaderFieldValue(value), "%q", value)
		require.LessOrEqual(t, len(failed.Message), 3*maxMessage)
	})
}
