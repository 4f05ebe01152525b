package gateway_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/gateway"
	"github.com/dragoman-gateway/dragoman/route"
)

// books has annotations.
const books = `syntax = "proto3";
package b.v1;
import "google/api/annotations.proto";
message Book { string name = 1; string id = 2; repeated string tags = 3; }
service Books {
  rpc Get(Book) returns (Book) { option (google.api.http) = {get: "/v1/{name}"}; }
  rpc Remove(Book) returns (Book) { option (google.api.http) = {delete: "/v1/{id}"}; }
  rpc List(Book) returns (Book);
}
service Other { rpc Do(Book) returns (Book); }
service Streams { rpc Watch(Book) returns (stream Book); rpc Load(stream Book) returns (Book); }
`

// compiled is a gateway with upstreams a and b that both have the books. No call
// is ever made.
func compiled(t *testing.T, text string) (*gateway.Gateway, error) {
	t.Helper()
	g := newGateway(t, `
upstreams:
- {name: a, grpc: {target: "127.0.0.1:1"}, descriptors: {proto: {roots: [protos]}}}
- {name: b, grpc: {target: "127.0.0.1:1"}, descriptors: {proto: {roots: [protos]}}}
`+text, map[string]string{"protos/books.proto": books}, io.Discard)
	return g, g.Resolve(t.Context())
}

// find is the one entry with that method and path, of the given protocol.
func find(t *testing.T, entries []*route.Entry, line string) *route.Entry {
	t.Helper()
	var found []*route.Entry
	for _, e := range entries {
		if fmt.Sprintf("%s %s %s", e.Protocol, e.Method, e.Template) == line {
			found = append(found, e)
		}
	}
	require.Len(t, found, 1, line)
	return found[0]
}

// TestOptionsOfEachListener: a route is compiled for the options that it has on a
// listener, and native gRPC has no filters.
func TestOptionsOfEachListener(t *testing.T) {
	g, err := compiled(t, `
listeners:
- {name: plain, address: ":1"}
- name: other
  address: ":2"
  transcode:
    parse: {trailing_slash: true, strict_verbs: true}
    http:
      {head: false, options: false, method_not_allowed: false, cors: {origins: ["https://app.example.com"]}, compression: {}}
routes:
- {name: r, transcode: {upstream: a}}
- {name: off, hosts: [off.test], transcode: {upstream: a, http: {cors: {}, compression: {disabled: true}}}}
`)
	require.NoError(t, err)
	plain, other := g.Entries("plain"), g.Entries("other")
	require.Len(t, other, len(plain))

	e := find(t, onHost(plain, ""), "rest GET /v1/{name}")
	require.Equal(t, route.Entry{}, manners(e))
	require.Nil(t, e.Preflight)
	e = find(t, onHost(other, ""), "rest GET /v1/{name}")
	require.Equal(t, route.Entry{
		TrailingSlash: true, StrictVerb: true, NoHEAD: true, NoOPTIONS: true, NoAllow: true, Filters: []string{"cors", "compress"},
	}, manners(e))
	require.NotNil(t, e.Inner)
	require.NotNil(t, e.Preflight)
	e = find(t, onHost(other, "off.test"), "rest GET /v1/{name}")
	require.Empty(t, e.Filters)
	require.Nil(t, e.Preflight)
	e = find(t, onHost(other, ""), "grpc POST /b.v1.Books/Get")
	require.Equal(t, route.Entry{NoOPTIONS: true, NoAllow: true}, manners(e))
	require.Nil(t, e.Preflight)
}

// manners is what options make of an entry.
func manners(e *route.Entry) route.Entry {
	return route.Entry{
		TrailingSlash: e.TrailingSlash, StrictVerb: e.StrictVerb,
		NoHEAD: e.NoHEAD, NoOPTIONS: e.NoOPTIONS, NoAllow: e.NoAllow, Filters: e.Filters,
	}
}

// onHost are the entries for one host alone.
func onHost(entries []*route.Entry, host string) []*route.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e *route.Entry) bool { return strings.Join(e.Hosts, ",") != host })
}

// TestPreflightKnowsAllMethodsOfAPath: rules with other variables are about the
// same path.
func TestPreflightKnowsAllMethodsOfAPath(t *testing.T) {
	g, err := compiled(t, `
routes:
- name: r
  transcode:
    upstream: a
    annotations: true
    http: {cors: {origins: ["https://app.example.com"]}}
    rules:
    - {selector: b.v1.Books.List, custom: {kind: LOCK, path: "/v1/{name=*}"}}
    - {selector: b.v1.Other.Do, post: "/v1/{name}:do"}
`)
	require.NoError(t, err)
	asks := func(path, method string) bool {
		e := find(t, g.Entries("default"), path)
		r := httptest.NewRequestWithContext(t.Context(), http.MethodOptions, "/v1/a", nil)
		r.Header.Set("Origin", "https://app.example.com")
		r.Header.Set("Access-Control-Request-Method", method)
		w := httptest.NewRecorder()
		e.Preflight.ServeHTTP(w, r)
		return w.Header().Get("Access-Control-Allow-Origin") != ""
	}
	for _, entry := range []string{"rest GET /v1/{name}", "rest DELETE /v1/{id}", "rest LOCK /v1/{name}"} {
		for _, method := range []string{"GET", "HEAD", "DELETE", "LOCK"} {
			require.True(t, asks(entry, method), "%s: %s", entry, method)
		}
		require.False(t, asks(entry, "POST"), entry)
	}
	require.True(t, asks("rest POST /v1/{name}:do", "POST"))
	require.False(t, asks("rest POST /v1/{name}:do", "GET"))
}

// TestNativeIsSharedByOneUpstream: what several routes say of a path without
// prefix is the same if they have one upstream, and a conflict if not.
func TestNativeIsSharedByOneUpstream(t *testing.T) {
	g, err := compiled(t, `
routes:
- {name: first, hosts: [x.test, y.test], transcode: {upstream: a, prefix: /a, methods: [b.v1.Other.Do]}}
- {name: second, hosts: [y.test, z.test], transcode: {upstream: a, prefix: /b, methods: [b.v1.Other.Do]}}
- {name: third, hosts: [x.test], transcode: {upstream: a, prefix: /c, methods: [b.v1.Other.Do]}}
- {name: any, transcode: {upstream: b, methods: [b.v1.Other.Do]}}
`)
	require.NoError(t, err)
	native := make(map[string]string)
	for _, e := range g.Entries("default") {
		if e.RPC == "b.v1.Other.Do" && e.Origin == "native" {
			native[e.Route] = strings.Join(e.Hosts, ",")
		}
	}
	require.Equal(t, map[string]string{"first": "x.test,y.test", "second": "z.test", "any": ""}, native)

	_, err = compiled(t, `
routes:
- {name: first, transcode: {upstream: a, prefix: /a, services: [b.v1.Other]}}
- {name: second, transcode: {upstream: b, prefix: /b, services: [b.v1.Other]}}
`)
	require.ErrorContains(t, err, `routes[1]: route "first": POST /b.v1.Other/Do for application/grpc (b.v1.Other.Do, native) and `+
		`route "second": POST /b.v1.Other/Do for application/grpc (b.v1.Other.Do, native) take the same requests`)
	require.Equal(t, 1, strings.Count(err.Error(), "\n")+1, "%v", err)
}

// TestWrongRules: what a route says of its methods is told at its place.
func TestWrongRules(t *testing.T) {
	for name, c := range map[string]struct{ route, want string }{
		"nothing is left": {
			`{upstream: a, exclude: ["*"]}`,
			`routes[0].transcode.exclude: it takes out every method that the route selects`,
		},
		"a service that is a method": {
			`{upstream: a, services: [b.v1.Books.Get]}`,
			`routes[0].transcode.services[0]: upstream "a" has no service "b.v1.Books.Get"; it is a method, which belongs into methods`,
		},
		"a service with all its methods": {
			`{upstream: a, services: ["b.v1.Books.*"]}`,
			`routes[0].transcode.services[0]: upstream "a" has no service that fits "b.v1.Books.*"; did you mean "b.v1.Books"?`,
		},
		"a package that is not there": {
			`{upstream: a, services: ["c.v1.*"]}`,
			`did you mean "b.v1.*"?`,
		},
		"nothing like it": {
			`{upstream: a, methods: [something.quite.different.V1.Get]}`,
			`the services of "a" are b.v1.Books, b.v1.Other`,
		},
		"a conflict of two rules of the configuration": {
			`{upstream: a, rules: [{selector: b.v1.Books.List, get: /x}, {selector: b.v1.Other.Do, get: /y, additional_bindings: [{get: /x}]}]}`,
			`routes[0].transcode.rules[1].additional_bindings[0]: route "r": GET /x (b.v1.Books.List, rules[0]) and route "r": GET /x (b.v1.Other.Do, rules[1] additional_bindings[0]) take the same requests`,
		},
		"a rule that is added to nothing": {
			`{upstream: a, rules: [{selector: b.v1.Books.Get, get: "/x/{name}", additive: true}]}`,
			`routes[0].transcode.rules[0].additive: there is nothing that the rule could be added to; write annotations: true into the route`,
		},
		"a response": {
			`{upstream: a, responses: [{selector: "*"}, {selector: b.v1.Books.Get, status_field: nope}]}`,
			`routes[0].transcode.responses[1]: b.v1.Books.Get: status_field "nope": `,
		},
		"a mask that no request has": {
			`{upstream: a, parse: {patch_mask: updte_mask}}`,
			`routes[0].transcode.parse.patch_mask: there is no method in the route whose request has a google.protobuf.FieldMask "updte_mask"`,
		},
		"a tag that no response has": {
			`{upstream: a, http: {etag: nme}}`,
			`routes[0].transcode.http.etag: there is no method in the route whose response has a field "nme"; did you mean "name"?`,
		},
		"an option that a message cannot fulfil": {
			`{upstream: a, http: {etag: tags}}`,
			`routes[0].transcode.http.etag: route "r": b.v1.Books.Get: etag "tags": field "tags" of b.v1.Book is repeated; it must be a scalar`,
		},
		"a rule behind a prefix": {
			`{upstream: a, prefix: /v1, annotations: true, rules: [{selector: b.v1.Books.Get, get: "/{nope}/{neither}"}]}`,
			"routes[0].transcode.rules[0]: b.v1.Books.Get: GET /v1/{nope}/{neither}: path variable \"nope\": b.v1.Book has no field \"nope\"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := compiled(t, "routes:\n- {name: r, transcode: "+c.route+"}\n")
			require.ErrorContains(t, err, c.want)
		})
	}
}

// TestWrongInheritedOption: an option is wrong where it is written.
func TestWrongInheritedOption(t *testing.T) {
	_, err := compiled(t, `
listeners:
- {name: l, address: ":0", transcode: {http: {etag: tags}}}
routes:
- {name: r, transcode: {upstream: a, methods: [b.v1.Books.Get]}}
`)
	require.ErrorContains(t, err, `listeners[0].transcode.http.etag: route "r": b.v1.Books.Get: etag "tags": `)
}

// TestWhatIsNotExposedMayBeWrong: a rule that does not count is not looked at.
func TestWhatIsNotExposedMayBeWrong(t *testing.T) {
	text := `
upstreams:
- {name: a, grpc: {target: "127.0.0.1:1"}, descriptors: {proto: {roots: [protos]}}}
routes:
- name: r
  transcode: {upstream: a, %s}
`
	wrong := map[string]string{"protos/books.proto": strings.Replace(books, "{name}", "{nope}", 1)}
	resolve := func(more string) error {
		return newGateway(t, fmt.Sprintf(text, more), maps.Clone(wrong), io.Discard).Resolve(t.Context())
	}
	require.ErrorContains(t, resolve(`services: ["*"]`), `routes[0]: route "r": b.v1.Books.Get: annotation GET /v1/{nope}: path variable "nope"`)
	require.NoError(t, resolve(`exclude: [b.v1.Books.Get]`))
	require.NoError(t, resolve(`annotations: false`))
	require.NoError(t, resolve(`annotations: true, rules: [{selector: b.v1.Books.Get, get: "/v1/{name}"}]`))
}
