package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// A client context is the user's own object, whose fields no schema knows.
func TestClientContext(t *testing.T) {
	const text = `
listeners: [{name: l, address: ":1"}]
upstreams:
- name: u
  aws_lambda: {function: f, region: us-east-1, client_context: {custom: {tenant: "${TENANT}", list: [1, null]}}}
routes: [{name: r, match: [{prefix: /}], forward: {upstream: u, lambda: {client_context: CONTEXT}}}]
`
	parse := func(context string) (*File, error) {
		return Parse("a.yaml", []byte(strings.Replace(text, "CONTEXT", context, 1)), func(string) (string, bool) { return "7", true })
	}
	f, err := parse("{client: {app: a}}")
	require.NoError(t, err)
	plan, err := Link(f)
	require.NoError(t, err)
	got := plan.Upstreams[0].Kind.(*configpb.AWSLambdaUpstream).GetClientContext().AsMap()
	require.Equal(t, map[string]any{"custom": map[string]any{"tenant": "7", "list": []any{1.0, nil}}}, got)

	for context, want := range map[string]string{
		"7":   "a.yaml:6:90: routes[0].forward.lambda.client_context: wants fields, not a single value",
		"[a]": "a.yaml:6:74: routes[0].forward.lambda.client_context: wants fields, not a list",
	} {
		_, err := parse(context)
		require.ErrorContains(t, err, want)
	}
}
