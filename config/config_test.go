package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

func TestPlanOfEveryField(t *testing.T) {
	f, err := Load("testdata/full.yaml", environment)
	require.NoError(t, err)
	require.Equal(t, "testdata", f.Dir())
	plan, err := Link(f)
	require.NoError(t, err)

	require.Same(t, f, plan.File)
	require.Equal(t, ":9999", plan.AdminAddress)
	public := &Listener{
		Path: "listeners[0]", Name: "public", Address: "[::1]:8443",
		TLS:         &TLSFiles{Cert: "tls.crt", Key: "tls.key"},
		HeaderBytes: 16 << 10, HeaderTimeout: 2 * time.Second, IdleTimeout: 90 * time.Second, MaxStreams: 250,
		Options: defaultOptions(),
	}
	inner := &Listener{
		Path: "listeners[1]", Name: "inner", Address: "127.0.0.1:0",
		HeaderBytes: 64 << 10, HeaderTimeout: 10 * time.Second, IdleTimeout: 5 * time.Minute, MaxStreams: 100,
		Options: defaultOptions(),
	}
	require.Empty(t, cmp.Diff([]*Listener{public, inner}, plan.Listeners, protocmp.Transform()))

	library := &Upstream{
		Path: "upstreams[0]", Name: "library",
		Kind: &configpb.GRPCUpstream{
			Target: "dns:///library:9090", Authority: "library.internal",
			Tls:       &configpb.ClientTLS{Ca: "ca.pem", Cert: "client.crt", Key: "client.key", ServerName: "library.internal"},
			Keepalive: &configpb.Keepalive{Time: durationpb.New(30 * time.Second), Timeout: durationpb.New(500 * time.Millisecond)},
		},
		KindPath: "upstreams[0].grpc",
		Source: &configpb.ReflectionSource{
			Target: "unix:/run/library.sock", Authority: "reflection.internal",
			Tls:      &configpb.ClientTLS{InsecureSkipVerify: true},
			Metadata: map[string]string{"authorization": "Bearer none"},
		},
		SourcePath: "upstreams[0].descriptors.reflection",
	}
	archive := &Upstream{
		Path: "upstreams[1]", Name: "archive",
		Kind: &configpb.GRPCUpstream{Target: "archive:9090"}, KindPath: "upstreams[1].grpc",
		Source:     &configpb.ProtoSource{Roots: []string{"proto", "third_party"}, Files: []string{"archive/**/*.proto"}},
		SourcePath: "upstreams[1].descriptors.proto",
	}
	image := &Upstream{
		Path: "upstreams[2]", Name: "image",
		Kind: &configpb.GRPCUpstream{Target: "[fd00::1]:9090"}, KindPath: "upstreams[2].grpc",
		Source: &configpb.ImageSource{Path: "image.binpb"}, SourcePath: "upstreams[2].descriptors.image",
	}
	plain := &Upstream{
		Path: "upstreams[3]", Name: "plain",
		Kind: &configpb.GRPCUpstream{Target: "plain:9090"}, KindPath: "upstreams[3].grpc",
		Source: &configpb.ReflectionSource{}, SourcePath: "upstreams[3].descriptors",
	}
	require.Empty(t, cmp.Diff([]*Upstream{library, archive, image, plain}, plan.Upstreams, protocmp.Transform()))

	defaults := Transcode{
		Upstream:     archive,
		UnaryTimeout: 15 * time.Second, MaxRequestBytes: 4 << 20, MaxMessageBytes: 4 << 20,
		MaxJSONBytes: 64 << 20, MaxDepth: 100, MaxQueryParameters: 1000, AutoMapping: true, Annotations: true,
	}
	unbounded := defaults
	unbounded.UnaryTimeout, unbounded.MaxMessageBytes = 0, 16<<20
	all := []*Listener{public, inner}
	ignoring := defaultOptions()
	ignoring.Parse.IgnoredQuery = []string{"utm_source"}
	inherited := []*Options{defaultOptions(), defaultOptions()}
	require.Empty(t, cmp.Diff([]*Route{
		{
			Path: "routes[0]", Name: "books", Hosts: []string{"api.example.com", "*.example.org"},
			Listeners: []*Listener{inner},
			Transcode: &Transcode{
				Upstream: library, UnaryTimeout: 2 * time.Second, StreamTimeout: time.Hour,
				MaxRequestBytes: 32 << 20, MaxMessageBytes: 8 << 20, MaxJSONBytes: 128 << 20,
				MaxDepth: 32, MaxQueryParameters: 0, AutoMapping: true, Annotations: true,
				RequestHeaders:  HeaderList{Allow: []string{"x-request-id", "x-tenant-*"}, Deny: []string{"cookie"}},
				ResponseHeaders: HeaderList{Deny: []string{"server"}},
			},
			Options: []*Options{ignoring},
		},
		{Path: "routes[1]", Name: "all", Index: 1, Listeners: all, Transcode: &defaults, Options: inherited},
		{Path: "routes[2]", Name: "unbounded", Hosts: []string{"unbounded"}, Index: 2, Listeners: all, Transcode: &unbounded, Options: inherited},
	}, plan.Routes, protocmp.Transform()))

	require.False(t, plan.Routes[0].On(plan.Listeners[0]))
	require.True(t, plan.Routes[0].On(plan.Listeners[1]))
	require.Equal(t, 8<<20, plan.MaxMessageBytes(plan.Upstreams[0]))
	require.Equal(t, 16<<20, plan.MaxMessageBytes(plan.Upstreams[1]), "the most generous route counts")
	require.Equal(t, 4<<20, plan.MaxMessageBytes(plan.Upstreams[2]), "no route leads there")
}

func TestEmptyConfiguration(t *testing.T) {
	for _, in := range []string{"", "# nothing\n", "{}", "---\n", "listeners:\nroutes:\nadmin:\n", "null"} {
		f, err := Parse("empty.yaml", []byte(in), nil)
		require.NoError(t, err, "%q", in)
		plan, err := Link(f)
		require.NoError(t, err, "%q", in)
		require.Equal(t, "127.0.0.1:9901", plan.AdminAddress)
		require.Len(t, plan.Listeners, 1)
		require.Equal(t, "default", plan.Listeners[0].Name)
		require.Equal(t, ":8080", plan.Listeners[0].Address)
		require.Empty(t, plan.Upstreams)
		require.Empty(t, plan.Routes)
	}
}

// The same configuration in other notations: JSON with tabs and camelCase, and
// YAML with aliases.
func TestNotations(t *testing.T) {
	want := &configpb.Config{
		Upstreams: []*configpb.Upstream{
			{Name: "a", Kind: &configpb.Upstream_Grpc{Grpc: &configpb.GRPCUpstream{Target: "a:1", Tls: &configpb.ClientTLS{ServerName: "s"}}}},
			{Name: "b", Kind: &configpb.Upstream_Grpc{Grpc: &configpb.GRPCUpstream{Target: "b:1", Tls: &configpb.ClientTLS{ServerName: "s"}}}},
		},
		Routes: []*configpb.Route{{Name: "r", Action: &configpb.Route_Transcode{Transcode: &configpb.TranscodeRoute{
			Upstream: "a", StreamTimeout: durationpb.New(90 * time.Second),
			Parse: &configpb.ParseOptions{IgnoredQuery: []string{"1", "true"}},
		}}}},
	}
	for _, in := range []string{
		"{\n\t\"upstreams\": [\n\t\t{\"name\": \"a\", \"grpc\": {\"target\": \"a:1\", \"tls\": {\"serverName\": \"s\"}}},\n" +
			"\t\t{\"name\": \"b\", \"grpc\": {\"target\": \"b:1\", \"tls\": {\"server_name\": \"s\"}}}\n\t],\n" +
			"\t\"routes\": [{\"name\": \"r\", \"transcode\": {\"upstream\": \"a\", \"streamTimeout\": \"90s\", \"parse\": {\"ignoredQuery\": [\"1\", \"true\"]}, \"timeout\": null}}]\n}",
		"upstreams:\n- name: a\n  grpc: { target: 'a:1', tls: &tls { server_name: s } }\n- name: b\n  grpc: { target: 'b:1', tls: *tls }\n" +
			"routes:\n- name: r\n  transcode:\n    upstream: a\n    stream_timeout: 1m30s\n    parse: { ignored_query: [1, true] }\n",
		"\ufeffupstreams:\r\n- {name: a, grpc: {target: 'a:1', tls: {server_name: s}}}\r\n- {name: b, grpc: {target: 'b:1', tls: {server_name: s}}}\r\n" +
			"routes: [{name: r, transcode: {upstream: a, stream_timeout: 90s, parse: {ignored_query: ['1', 'true']}}}]\r\n",
	} {
		f, err := Parse("c", []byte(in), nil)
		require.NoError(t, err)
		require.Empty(t, cmp.Diff(want, f.Message, protocmp.Transform()))
	}
}

// The parts of the design's example that exist.
func TestDesignExample(t *testing.T) {
	f, err := Parse("dragoman.yaml", []byte(`
listeners:
- name: public
  address: ":8080"               # HTTP/1.1, h2c and gRPC on one port; with tls: HTTP/1.1, h2, gRPC

upstreams:
- name: library
  grpc: { target: "dns:///library:9090" }
  descriptors: { reflection: {} }            # or proto: {roots: [proto], files: [...]}, or image: {path: image.binpb}
- name: legacy
  http: { url: "http://legacy:8000" }

routes:
- name: books
  hosts: [api.example.com]
  transcode: { upstream: library }           # every google.api.http rule of every service, and native gRPC
- name: everything-else
  match: [{ path: "/**" }]
  forward: { upstream: legacy }
`), nil)
	require.NoError(t, err)
	plan, err := Link(f)
	require.NoError(t, err)
	require.Same(t, plan.Upstreams[0], plan.Routes[0].Upstream())
	require.Same(t, plan.Upstreams[1], plan.Routes[1].Upstream())
	require.Nil(t, plan.Upstreams[1].Source, "it has no descriptors")
}

func TestEnvironmentFillsValuesOfEveryType(t *testing.T) {
	f, err := Parse("c.yaml", []byte(`
upstreams:
- name: ${NAME}
  grpc:
    target: ${NOWHERE:-localhost}:${PORT}
    tls:
      insecure_skip_verify: ${FLAG}
      server_name: "${FLAG}"
    keepalive: { time: "${EMPTY:-30s}", timeout: "${NOWHERE:-1s}" }
  descriptors:
    reflection:
      metadata:
        secret: "${SECRET}"
        escaped: $${NAME} and $5
        none: "${EMPTY}"
        default: "${NOWHERE:-a:-b}"
routes:
- name: r
  transcode: { upstream: library, limits: { message_bytes: "${BYTES}" } }
`), environment)
	require.NoError(t, err)
	up := f.Message.GetUpstreams()[0]
	require.Equal(t, "library", up.GetName())
	require.Equal(t, "localhost:9090", up.GetGrpc().GetTarget())
	require.True(t, up.GetGrpc().GetTls().GetInsecureSkipVerify())
	require.Equal(t, "true", up.GetGrpc().GetTls().GetServerName())
	require.Equal(t, 30*time.Second, up.GetGrpc().GetKeepalive().GetTime().AsDuration())
	require.Equal(t, time.Second, up.GetGrpc().GetKeepalive().GetTimeout().AsDuration())
	require.Equal(t, map[string]string{
		"secret": "hunter2 and more", "escaped": "${NAME} and $5", "none": "", "default": "a:-b",
	}, up.GetDescriptors().GetReflection().GetMetadata())
	require.EqualValues(t, 8<<20, f.Message.GetRoutes()[0].GetTranscode().GetLimits().GetMessageBytes())
}

// An object of any names and values is written as such; what the environment gives is
// text in it.
func TestObjects(t *testing.T) {
	f, err := Parse("c.yaml", []byte(`
upstreams:
- name: a
  aws_lambda:
    function: f
    client_context:
      custom: { tenant: blue, "1": 2.5, list: [1, null, { on: true }], port: "${PORT}", empty: "${EMPTY}" }
      nothing:
routes:
- name: r
  match: [{ prefix: / }]
  forward: { upstream: a, lambda: { client_context: } }
- name: s
  match: [{ prefix: /s }]
  forward: { upstream: a, lambda: { client_context: {} } }
`), environment)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff(map[string]any{
		"custom": map[string]any{
			"tenant": "blue", "1": 2.5, "list": []any{1.0, nil, map[string]any{"on": true}}, "port": "9090", "empty": "",
		},
		"nothing": nil,
	}, f.Message.GetUpstreams()[0].GetAwsLambda().GetClientContext().AsMap()))
	routes := f.Message.GetRoutes()
	require.Nil(t, routes[0].GetForward().GetLambda().GetClientContext(), "what has no value is not set")
	require.NotNil(t, routes[1].GetForward().GetLambda().GetClientContext())
}

// Later passes must not print what came from the environment either.
func TestProblemsOfLaterPassesDoNotShowSecrets(t *testing.T) {
	f, err := Parse("c.yaml", []byte("upstreams: [{name: a, grpc: {target: 'a:1', authority: '${T}'}}]"),
		func(string) (string, bool) { return "s3cr3t.internal", true })
	require.NoError(t, err)
	require.Equal(t, `c.yaml:1:56: upstreams[0].grpc.authority: no host "${T}" (${T})`,
		f.Problem("upstreams[0].grpc.authority", "no host %q (%s)", "s3cr3t.internal", "s3cr3t.internal").String())
}

func TestFromMessage(t *testing.T) {
	f, err := FromMessage("command line", &configpb.Config{
		Upstreams: []*configpb.Upstream{{Name: "localhost:50051", Kind: &configpb.Upstream_Grpc{Grpc: &configpb.GRPCUpstream{Target: "localhost:50051"}}}},
		Routes:    []*configpb.Route{{Name: "[::1]:50051", Action: &configpb.Route_Transcode{Transcode: &configpb.TranscodeRoute{Upstream: "localhost:50051"}}}},
	})
	require.NoError(t, err)
	_, err = Link(f)
	require.NoError(t, err)
	require.Equal(t, "command line: upstreams[0].grpc: refused", f.Problem("upstreams[0].grpc", "refused").String())

	f, err = FromMessage("command line", &configpb.Config{
		Admin:     &configpb.Admin{Address: "9901"},
		Upstreams: []*configpb.Upstream{{Name: "a", Kind: &configpb.Upstream_Grpc{Grpc: &configpb.GRPCUpstream{Target: "http://localhost"}}}, {Name: "b"}},
	})
	require.Nil(t, f)
	require.EqualError(t, err, `command line: upstreams[0].grpc.target: "http://localhost" must not be a URL: leave out http:// or https:// and anything behind the port, and add tls: {} if the upstream speaks TLS
command line: upstreams[1]: wants grpc, http, aws_lambda, google_function or azure_function
command line: admin.address: "9901" must be HOST:PORT, [IPv6]:PORT or :PORT with a port from 0 to 65535, for example 127.0.0.1:9901`)

	_, err = FromMessage("command line", nil)
	require.Error(t, err)
}

func TestBounds(t *testing.T) {
	_, err := Parse("big.yaml", bytes.Repeat([]byte(" "), MaxBytes+1), nil)
	require.EqualError(t, err, "big.yaml:1:1: the file is larger than 8 MiB")

	path := filepath.Join(t.TempDir(), "big.yaml")
	require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("#"), MaxBytes+2), 0o600))
	_, err = Load(path, nil)
	require.ErrorContains(t, err, "larger than 8 MiB")

	var bomb strings.Builder
	bomb.WriteString("routes:\n- hosts: &h0 [" + strings.Repeat("x,", 1000) + "]\n")
	for range 2000 {
		bomb.WriteString("- hosts: *h0\n")
	}
	_, err = Parse("bomb.yaml", []byte(bomb.String()), nil)
	require.ErrorContains(t, err, "the file has more than 1048576 values, with aliases resolved")

	env := func(string) (string, bool) { return strings.Repeat("x", MaxBytes/4), true }
	_, err = Parse("env.yaml", []byte(`routes: [{hosts: ["${A}", "${A}", "${A}", "${A}", "${A}", "${A}"]}]`), env)
	require.ErrorContains(t, err, "the environment makes the configuration larger than 8 MiB")
}

func TestLoadOfAFileThatIsNotThere(t *testing.T) {
	_, err := Load(filepath.Join(t.TempDir(), "none.yaml"), nil)
	require.ErrorIs(t, err, os.ErrNotExist)
}

// Every input gives either a file that links or reports its problems at places
// inside the input.
func FuzzParse(f *testing.F) {
	for _, pattern := range []string{"testdata/*.yaml", "testdata/reports/*"} {
		seeds, err := filepath.Glob(pattern)
		require.NoError(f, err)
		for _, seed := range seeds {
			data, err := os.ReadFile(seed)
			require.NoError(f, err)
			f.Add(data)
		}
	}
	f.Add([]byte("a\rb: \u2028\u0085c: [\r- 5"))
	f.Add([]byte("\xff\xfea\x00:\x00 \x00b\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := Parse("fuzz.yaml", data, environment)
		if err == nil {
			_, err = Link(file)
		}
		if err == nil {
			return
		}
		var report Report
		require.ErrorAs(t, err, &report)
		require.NotEmpty(t, report)
		// YAML has line breaks of its own: CR, NEL, LS and PS; every byte may
		// be one at most, and the line behind the last one is the end.
		for _, p := range report {
			require.GreaterOrEqual(t, p.Line, 0)
			require.LessOrEqual(t, p.Line, len(data)+1)
			require.NotEmpty(t, p.Message)
		}
	})
}
