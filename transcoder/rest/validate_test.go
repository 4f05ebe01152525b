package rest_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	transcodergrpc "github.com/dragoman-gateway/dragoman/transcoder/grpc"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
	"github.com/dragoman-gateway/dragoman/transcoder/validate"
)

// TestExplainRules: both protocols say that a message would be checked, and what
// is wrong with it.
func TestExplainRules(t *testing.T) {
	s := reports(t)
	c, err := codec.New(s)
	require.NoError(t, err)
	method := rpc.NewMethod(s.Services()[0].Methods().Get(0))
	rules, err := validate.Compile(method.Descriptor.Input(), validate.Options{})
	require.NoError(t, err)
	settings := transcoder.DefaultSettings()
	const stage = "check the buf.validate rules of codec.bench.Report"
	for _, p := range []transcoder.Protocol{rest.New(), transcodergrpc.New()} {
		explain := func(rules *validate.Rules, body string) *transcoder.Explanation {
			routes, err := p.Routes(&transcoder.Endpoint{Method: method, Codec: c, AutoMapping: true, Settings: &settings, Validate: rules})
			require.NoError(t, err)
			r := httptest.NewRequest("POST", method.Path, strings.NewReader(body))
			r.Header.Set("Content-Type", "application/json")
			return routes[0].Handler.(transcoder.Explainer).Explain(r, &route.Exchange{Path: method.Path})
		}
		right := explain(rules, report())
		require.Nil(t, right.Refused, p.Name())
		require.Contains(t, right.Stages, stage)
		require.NotContains(t, explain(nil, `{}`).Stages, stage)

		wrong := explain(rules, `{"notes": [{"writer": "nobody"}]}`)
		require.NotNil(t, wrong.Refused, p.Name())
		require.Equal(t, rpc.ValidationFailed, wrong.Refused.Reason)
		require.ElementsMatch(t, []rpc.Violation{
			{Field: "observer", Description: "value is required", Rule: "required"},
			{Field: "notes[0].writer", Description: "must be a valid email address", Rule: "string.email"},
		}, wrong.Refused.Violations)
	}
}
