package lambda_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/structpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// with is up as a route that says options sees it.
func with(t testing.TB, up upstream.HTTP, options *configpb.LambdaCall) upstream.HTTP {
	t.Helper()
	bound, err := up.(upstream.Tunable).With(options)
	require.NoError(t, err)
	return bound
}

// TestWith: each route calls the function of its own, in its own way; what it leaves out
// is as the upstream says.
func TestWith(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{Functions: []lambdatest.Function{
		{Name: "context", Versions: []string{"1"}, Aliases: map[string]string{"live": "1"}}, {Name: "upper"},
	}})
	cfg := config(s, "context")
	cfg.Qualifier = "live"
	cfg.ClientContext = object(t, map[string]any{"custom": map[string]any{"of": "upstream"}})
	up := start(t, cfg)
	require.False(t, up.Origin().Whole)

	raw := with(t, up, &configpb.LambdaCall{Event: "raw"})
	require.True(t, raw.Origin().Whole)
	require.False(t, with(t, up, &configpb.LambdaCall{Event: "alb"}).Origin().Whole)
	r := request(t, "POST", "/", `{"a":1}`, nil)
	r.Header.Set("X-Amzn-Trace-Id", "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")
	_, text := answer(t, raw, r)
	require.Contains(t, text, `"trace":"Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"`)
	require.Contains(t, text, `"event":{"a":1}`)
	require.Contains(t, text, `"version":"1"`)
	require.Contains(t, text, `"custom":{"of":"upstream"}`)

	own := with(t, up, &configpb.LambdaCall{
		Event: "raw", Qualifier: "$LATEST", ClientContext: object(t, map[string]any{"custom": map[string]any{"of": "route"}}),
	})
	_, text = answer(t, own, request(t, "POST", "/", `{}`, nil))
	require.Contains(t, text, `"version":"$LATEST"`)
	require.Contains(t, text, `"custom":{"of":"route"}`)

	other := with(t, up, &configpb.LambdaCall{Event: "raw", Function: "upper:$LATEST"})
	require.NoError(t, raw.Close(), "it owns nothing")
	_, text = answer(t, other, request(t, "POST", "/", `"abc"`, nil))
	require.Equal(t, `"ABC"`, text)
}

func object(t testing.TB, fields map[string]any) *structpb.Struct {
	t.Helper()
	out, err := structpb.NewStruct(fields)
	require.NoError(t, err)
	return out
}

func TestWithRefuses(t *testing.T) {
	up := start(t, &configpb.AWSLambdaUpstream{Function: "f", Region: "eu-west-1"})
	for _, tc := range []struct {
		options proto.Message
		want    string
	}{
		{&configpb.LambdaCall{Function: "a:b:c"}, "function: write a name, as thumbnails or thumbnails:live, or an ARN"},
		{&configpb.LambdaCall{Function: "a:1", Qualifier: "2"}, `function has the qualifier "1", and qualifier is "2": leave one out`},
		{&configpb.LambdaCall{ClientContext: object(t, map[string]any{"a": strings.Repeat("x", 3000)})}, "client_context has 4012 bytes in base64, and the service takes 3583"},
		{&configpb.HTTPUpstream{}, "a function of AWS Lambda is called as *configpb.LambdaCall says, and not as *configpb.HTTPUpstream"},
	} {
		_, err := up.(upstream.Tunable).With(tc.options)
		require.ErrorContains(t, err, tc.want)
	}
}
