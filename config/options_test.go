package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// TestOptionsAreInherited: what a route sets wins, field by field; lists and
// messages as a whole.
func TestOptionsAreInherited(t *testing.T) {
	f, err := Parse("d.yaml", []byte(`
listeners:
- name: plain
  address: ":1"
- name: strict
  address: ":2"
  transcode:
    print: { pretty: true, proto_names: true }
    parse: { unknown_fields: report, ignored_query: [a, b], trailing_slash: true, patch_mask: "*" }
    errors: { shape: problem, localized: false }
    http:
      head: false
      etag: "*"
      cors: { origins: ["https://a.example.com"], credentials: true }
      compression: { encodings: [gzip] }
    validate: true
- name: plain-too
  address: ":3"
upstreams:
- name: u
  grpc: { target: "u:1" }
routes:
- name: inherits
  transcode: { upstream: u }
- name: sets
  hosts: [h]
  listeners: [strict]
  transcode:
    upstream: u
    print: { pretty: false, unset_fields: true }
    parse: { ignored_query: [c], path_escapes: keep, patch_mask: "" }
    errors: { shape: google }
    http: { cors: {}, compression: { disabled: true }, etag: "" }
    validate: false
`), nil)
	require.NoError(t, err)
	plan, err := Link(f)
	require.NoError(t, err)

	strict := &Options{
		Print: &configpb.PrintOptions{Pretty: proto.Bool(true), ProtoNames: proto.Bool(true)},
		Parse: &configpb.ParseOptions{
			UnknownFields: "report", UnknownQuery: "reject", IgnoredQuery: []string{"a", "b"},
			TrailingSlash: proto.Bool(true), PathEscapes: "standard", BoundFields: "reject", PatchMask: proto.String("*"),
		},
		Errors: &configpb.ErrorOptions{Shape: "problem", Localized: proto.Bool(false), WwwAuthenticate: "Bearer"},
		HTTP: &configpb.HTTPOptions{
			Head: proto.Bool(false), Options: proto.Bool(true), MethodNotAllowed: proto.Bool(true),
			TimeoutHeader: "X-Server-Timeout", Etag: proto.String("*"),
			Cors:        &configpb.CORS{Origins: []string{"https://a.example.com"}, Credentials: true},
			Compression: &configpb.Compression{Encodings: []string{"gzip"}},
		},
		Validate: true,
	}
	same := func(want, got *Options) {
		t.Helper()
		if want.Stream == nil {
			want.Stream, want.Files = defaultOptions().Stream, defaultOptions().Files
		}
		require.Empty(t, cmp.Diff(want, got, protocmp.Transform()))
	}
	same(defaultOptions(), plan.Listeners[0].Options)
	same(strict, plan.Listeners[1].Options)

	inherits := plan.Routes[0].Options
	require.Len(t, inherits, 3)
	same(defaultOptions(), inherits[0])
	same(strict, inherits[1])
	require.Same(t, inherits[0], inherits[2], "equal options are compiled once")

	sets := proto.CloneOf(strict.Parse)
	sets.IgnoredQuery, sets.PathEscapes, sets.PatchMask = []string{"c"}, "keep", proto.String("")
	manners := proto.CloneOf(strict.HTTP)
	manners.Cors, manners.Compression, manners.Etag = &configpb.CORS{}, &configpb.Compression{Disabled: true}, proto.String("")
	require.Len(t, plan.Routes[1].Options, 1)
	same(&Options{
		Print:  &configpb.PrintOptions{Pretty: proto.Bool(false), ProtoNames: proto.Bool(true), UnsetFields: proto.Bool(true)},
		Parse:  sets,
		Errors: &configpb.ErrorOptions{Shape: "google", Localized: proto.Bool(false), WwwAuthenticate: "Bearer"},
		HTTP:   manners,
	}, plan.Routes[1].Options[0])
	same(strict, plan.Listeners[1].Options)
}
