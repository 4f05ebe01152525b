package rest_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/encoding/prototext"

	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

func TestRoutes(t *testing.T) {
	api, settings := newAPI(t), transcoder.DefaultSettings()
	for _, c := range []struct {
		name, rule string
		want       []string
		err        []string
	}{
		{"no rule", ``, []string{"POST /t.v1.T/R1: default mapping"}, nil},
		{"A62", `get: "/a" additional_bindings {delete: "/b"}`,
			[]string{"GET /a: annotation", "DELETE /b: annotation additional_bindings[0]", "POST /t.v1.T/R1: default mapping"}, nil},
		{"A62 has a rule", `post: "/t.v1.T/R1" body: "sub"`, []string{"POST /t.v1.T/R1: annotation"}, nil},
		{"A62 another method", `put: "/t.v1.T/R1" body: "*"`,
			[]string{"PUT /t.v1.T/R1: annotation", "POST /t.v1.T/R1: default mapping"}, nil},
		{"a unary method has no upgrades", `custom {kind: "WEBSOCKET" path: "/a"}`, []string{"POST /t.v1.T/R1: default mapping"},
			[]string{`t.v1.T.R1: annotation WEBSOCKET /a: method "WEBSOCKET" stands for an upgrade, which only a method with streaming takes`}},
		{"A54", `get: "/{nope}" additional_bindings {get: "/b"} additional_bindings {post: "/c" body: "nope"}`,
			[]string{"GET /b: annotation additional_bindings[0]", "POST /t.v1.T/R1: default mapping"},
			[]string{
				`t.v1.T.R1: annotation GET /{nope}: path variable "nope": t.v1.Req has no field "nope"`,
				`t.v1.T.R1: annotation additional_bindings[1] POST /c: body "nope": t.v1.Req has no field "nope"`,
			}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ep := api.endpoint(t, api.method(t, "R1"), nil, &settings)
			ep.Bindings = nil
			if c.rule != "" {
				rule := new(annotations.HttpRule)
				require.NoError(t, prototext.Unmarshal([]byte(c.rule), rule))
				var err error
				ep.Bindings, err = httprule.Bindings(rule)
				require.NoError(t, err)
				for i := range ep.Bindings {
					ep.Bindings[i].Origin = "annotation"
				}
			}
			routes, err := rest.New().Routes(ep)
			var got []string
			for _, r := range routes {
				require.NotNil(t, r.Handler)
				got = append(got, r.Method+" "+r.Template.String()+": "+r.Origin)
			}
			require.Equal(t, c.want, got)
			if c.err == nil {
				require.NoError(t, err)
			}
			for _, want := range c.err {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestSpeaks(t *testing.T) {
	for contentType, want := range map[string]bool{
		"": true, "application/json": true, "text/html": true, "application/x-www-form-urlencoded": true,
		"application/grpc": false, "application/grpc+proto": false, "Application/GRPC-web": false,
	} {
		require.Equal(t, want, rest.New().Speaks(contentType), contentType)
	}
}
