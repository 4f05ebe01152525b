package config

import (
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

const actions = `
listeners:
- name: public
  address: ":8080"
  trusted_proxies: [10.1.2.3/8, "::1"]
  headers: {response: {remove: [server]}}
upstreams:
- {name: a, http: {url: "http://a:1"}}
- {name: b, http: {url: "http://b:1"}, headers: {request: {remove: [cookie]}}}
upstream_groups:
- name: both
  upstreams: [{upstream: a, weight: 9, headers: {response: {remove: [via]}}}, {upstream: b}]
routes:
- name: plain
  hosts: ["*"]
  match: [{prefix: /}]
  forward: {upstream: a}
- name: full
  match: [{path: "/v/{id}", methods: [GET]}, {exact: /v}]
  forward:
    group: both
    rewrite: {path: "/w/{id}"}
    timeout: 1s
    idle_timeout: 0s
    allow_paths: [escaped_slash]
    limits: {request_bytes: 10Mi}
  retry: {on: [5xx], attempts: 2, per_try_timeout: 100ms, backoff: 1s, budget_percent: 0, request_bytes: 0}
  fall_through: {on: ["404"], request_bytes: 1Ki}
- {name: retried, match: [{prefix: /r}], forward: {upstream: a}, retry: {}, fall_through: {on: [UNIMPLEMENTED]}}
- {name: away, match: [{prefix: /old}], redirect: {prefix: /new}}
- {name: said, match: [{prefix: /said}], respond: {body_jq: .method}}
`

func TestPlanOfActions(t *testing.T) {
	f, err := Parse("c.yaml", []byte(actions), nil)
	require.NoError(t, err)
	plan, err := Link(f)
	require.NoError(t, err)

	require.Equal(t, []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}, plan.Listeners[0].TrustedProxies)
	require.Equal(t, "listeners[0].headers", plan.Listeners[0].Headers.Path)
	a, b := plan.Upstreams[0], plan.Upstreams[1]
	require.Equal(t, []string{"cookie"}, b.Headers.Rule.GetRequest().GetRemove())
	options := []*Options{defaultOptions()}
	options[0].Headers = plan.Listeners[0].Headers
	all := plan.Listeners
	require.Empty(t, cmp.Diff([]*Route{
		{
			Path: "routes[0]", Name: "plain", Listeners: all, Options: options,
			Match: []Match{{"routes[0].match[0]", &configpb.Match{Prefix: "/"}}},
			Forward: &Forward{
				Path: "routes[0].forward", Timeout: 15 * time.Second, IdleTimeout: 5 * time.Minute,
				Destinations: []Destination{{Path: "routes[0].forward.upstream", Upstream: a, Weight: 1}},
			},
		},
		{
			Path: "routes[1]", Name: "full", Index: 1, Listeners: all, Options: options,
			Match: []Match{
				{"routes[1].match[0]", &configpb.Match{Path: "/v/{id}", Methods: []string{"GET"}}},
				{"routes[1].match[1]", &configpb.Match{Exact: "/v"}},
			},
			Forward: &Forward{
				Path: "routes[1].forward", Timeout: time.Second, AllowPaths: []string{"escaped_slash"}, MaxRequestBytes: 10 << 20,
				Rewrite: &configpb.Rewrite{Path: "/w/{id}"},
				Destinations: []Destination{
					{
						Path: "upstream_groups[0].upstreams[0].upstream", Upstream: a, Weight: 9,
						Headers: Headers{"upstream_groups[0].upstreams[0].headers", &configpb.Headers{Response: &configpb.HeaderEdits{Remove: []string{"via"}}}},
					},
					{Path: "upstream_groups[0].upstreams[1].upstream", Upstream: b, Weight: 1},
				},
			},
			Retry:       &Retry{Path: "routes[1].retry", On: []string{"5xx"}, Attempts: 2, PerTry: 100 * time.Millisecond, Backoff: time.Second, MaxBackoff: 10 * time.Second},
			FallThrough: &FallThrough{Path: "routes[1].fall_through", On: []string{"404"}, MaxRequestBytes: 1 << 10},
		},
		{
			Path: "routes[2]", Name: "retried", Index: 2, Listeners: all, Options: options,
			Match: []Match{{"routes[2].match[0]", &configpb.Match{Prefix: "/r"}}},
			Forward: &Forward{
				Path: "routes[2].forward", Timeout: 15 * time.Second, IdleTimeout: 5 * time.Minute,
				Destinations: []Destination{{Path: "routes[2].forward.upstream", Upstream: a, Weight: 1}},
			},
			Retry: &Retry{
				Path: "routes[2].retry", On: []string{"connect_failure", "reset", "timeout", "503", "UNAVAILABLE"}, Attempts: 3,
				Backoff: 25 * time.Millisecond, MaxBackoff: 250 * time.Millisecond, BudgetPercent: 20, MaxRequestBytes: 64 << 10,
			},
			FallThrough: &FallThrough{Path: "routes[2].fall_through", On: []string{"UNIMPLEMENTED"}, MaxRequestBytes: 64 << 10},
		},
		{
			Path: "routes[3]", Name: "away", Index: 3, Listeners: all, Options: options,
			Match:    []Match{{"routes[3].match[0]", &configpb.Match{Prefix: "/old"}}},
			Redirect: &Redirect{"routes[3].redirect", &configpb.RedirectRoute{Prefix: proto.String("/new")}},
		},
		{
			Path: "routes[4]", Name: "said", Index: 4, Listeners: all, Options: options,
			Match:   []Match{{"routes[4].match[0]", &configpb.Match{Prefix: "/said"}}},
			Respond: &Respond{"routes[4].respond", &configpb.RespondRoute{BodyJq: ".method"}, &ProgramText{Path: "routes[4].respond.body_jq", Text: ".method"}},
		},
	}, plan.Routes, protocmp.Transform(), cmpopts.EquateComparable(netip.Prefix{})))
}
