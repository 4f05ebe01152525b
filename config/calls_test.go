package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/structpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// TestCallsOfRoutes: what a route says of calls is one thing, whether it forwards or
// transcodes; an object in it is any, and the environment fills in texts.
func TestCallsOfRoutes(t *testing.T) {
	file, err := Parse("calls.yaml", []byte(`
listeners: [{name: public, address: ":8080"}]
upstreams:
- name: fn
  aws_lambda:
    function: fn
    client_context: {custom: {tenant: "${TENANT}", tiers: [1, gold, null], on: true}, fields: {}}
  descriptors: {image: {path: image.binpb}}
routes:
- {name: a, match: [{prefix: /a}], forward: {upstream: fn, lambda: {event: raw, client_context: }}}
- {name: b, transcode: {upstream: fn, lambda: {invocation: stream, client_context: {}}}}
- {name: c, transcode: {upstream: fn}}
`), func(string) (string, bool) { return "12", true })
	require.NoError(t, err)
	plan, err := Link(file)
	require.NoError(t, err)
	want, err := structpb.NewStruct(map[string]any{
		"custom": map[string]any{"tenant": "12", "tiers": []any{1, "gold", nil}, "on": true}, "fields": map[string]any{},
	})
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(want, plan.Upstreams[0].Kind.(*configpb.AWSLambdaUpstream).GetClientContext(), protocmp.Transform()))
	var calls []*Calls
	for _, rt := range plan.Routes {
		calls = append(calls, rt.Calls)
	}
	require.Empty(t, cmp.Diff([]*Calls{
		{"routes[0].forward.lambda", &configpb.LambdaCall{Event: "raw"}},
		{"routes[1].transcode.lambda", &configpb.LambdaCall{Invocation: "stream", ClientContext: &structpb.Struct{}}},
		nil,
	}, calls, protocmp.Transform()))
}
