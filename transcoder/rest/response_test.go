package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

// What comes first of metadata, field, no_content, status and 200 decides.
func TestStatusPrecedence(t *testing.T) {
	a := newAPI(t)
	all := transcoder.Response{Status: 202, NoContent: true, StatusField: "i32", StatusMetadata: "x-status"}
	for _, c := range []struct {
		name          string
		response      *transcoder.Response
		message       string
		head, trailer string
		want          int
	}{
		{"nothing", nil, `i32: 404`, "404", "404", 200},
		{"nothing chosen", &transcoder.Response{}, `i32: 404`, "404", "", 200},
		{"status", &transcoder.Response{Status: 201}, `i32: 404`, "404", "", 201},
		{"not an Empty", &transcoder.Response{NoContent: true}, ``, "", "", 200},
		{"status before 200", &all, ``, "", "", 202},
		{"field before status", &all, `i32: 410`, "", "", 410},
		{"metadata before field", &all, `i32: 410`, "203", "", 203},
		{"trailer", &all, `i32: 410`, "", "404", 404},
		{"header before trailer", &all, `i32: 410`, "203", "404", 203},
		{"lowest", &all, ``, "200", "", 200},
		{"highest", &all, ``, "599", "", 599},
		{"too low", &all, ``, "199", "", 502},
		{"too high", &all, ``, "600", "", 502},
		{"too long", &all, ``, "0200", "", 502},
		{"no number", &all, ``, "2x0", "", 502},
		{"field too low", &all, `i32: -1`, "", "", 502},
		{"field too high", &all, `i32: 600`, "", "", 502},
	} {
		t.Run(c.name, func(t *testing.T) {
			wire := a.wire(t, "Req", c.message)
			up := local(func(_ context.Context, call *rpc.Call, sink rpc.Sink) {
				call.Request.Release()
				answer := rpc.NewBuffer()
				answer.B = append(answer.B, wire...)
				var head, trailer rpc.Header
				if c.head != "" {
					head = rpc.Header{{Name: "x-status", Value: c.head}}
				}
				if c.trailer != "" {
					trailer = rpc.Header{{Name: "x-status", Value: c.trailer}}
				}
				sink.Head(head)
				_ = sink.Message(answer)
				sink.End(rpc.Status{}, trailer)
			})
			settings := transcoder.DefaultSettings()
			ep := a.endpoint(t, a.method(t, "R1"), up, &settings)
			ep.Response = c.response
			routes, err := rest.New().Routes(ep)
			require.NoError(t, err)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				routes[0].Handler.Serve(w, r, &route.Exchange{Path: "/v1/things/a", Captures: []route.Span{{Start: 11, End: 12}}})
			}))
			defer server.Close()
			resp, err := http.Get(server.URL + "/v1/things/a")
			require.NoError(t, err)
			require.NoError(t, resp.Body.Close())
			require.Equal(t, c.want, resp.StatusCode)
			if c.response != nil && c.response.StatusMetadata != "" {
				require.Empty(t, resp.Header["X-Status"], "it is not for the client")
			}
			if c.want == 502 {
				require.Equal(t, string(rpc.UpstreamProtocol), resp.Header.Get(rpc.ErrorHeader))
			}
		})
	}
}

// Everything that is wrong with a method's answers is told once, whatever the
// number of its rules, and the routes are there all the same.
func TestWrongResponse(t *testing.T) {
	a := newAPI(t)
	for _, c := range []struct {
		name, method string
		response     transcoder.Response
		etag         string
		want         string
	}{
		{"fields", "R8", transcoder.Response{Location: "/{nam}", StatusField: "sub"}, "rs",
			`t.v1.T.R8: location "/{nam}": variable "nam": t.v1.Req has no field "nam"; did you mean "name"?` + "\n" +
				`t.v1.T.R8: status_field "sub": field "sub" of t.v1.Req is of type t.v1.Sub; it must be an integer or an enum` + "\n" +
				`t.v1.T.R8: etag "rs": field "rs" of t.v1.Req is repeated; it must be a scalar, an enum or a message whose JSON form is a scalar`},
		{"stream", "R14", transcoder.Response{Status: 204, Location: "/{name}", StatusField: "i32"}, "rs",
			"t.v1.T.R14: status 204: the answer is a stream, which is a body; a status with one is wanted\n" +
				`t.v1.T.R14: location "/{name}": the answer is a stream, whose header is sent before its messages` + "\n" +
				`t.v1.T.R14: status_field "i32": the answer is a stream, whose header is sent before its messages`},
	} {
		t.Run(c.name, func(t *testing.T) {
			settings := transcoder.DefaultSettings()
			settings.ETag = c.etag
			ep := a.endpoint(t, a.method(t, protoreflect.Name(c.method)), nil, &settings)
			ep.Response = &c.response
			routes, err := rest.New().Routes(ep)
			require.EqualError(t, err, c.want)
			require.NotEmpty(t, routes)
		})
	}
}

// An explanation says what becomes of the answer.
func TestExplainAnswer(t *testing.T) {
	a := newAPI(t)
	settings := transcoder.DefaultSettings()
	settings.Partial, settings.ETag = true, "*"
	ep := a.endpoint(t, a.method(t, "R1"), nil, &settings)
	ep.Response = &transcoder.Response{Status: 201, Location: "/{name}", StatusField: "i32", StatusMetadata: "x-status"}
	routes, err := rest.New().Routes(ep)
	require.NoError(t, err)
	explain := func(query string) *transcoder.Explanation {
		x := &route.Exchange{Path: "/v1/things/a", Captures: []route.Span{{Start: 11, End: 12}}}
		return routes[0].Handler.(transcoder.Explainer).Explain(httptest.NewRequest("GET", "/v1/things/a"+query, nil), x)
	}
	require.Equal(t, []string{
		"cut the answer to the fields that are asked for",
		"render the message as JSON",
		"make Location of the message",
		"give an answer 200 its ETag, and answer 304 to who has it",
		`answer the status in metadata "x-status", or that in field "i32", or 201`,
	}, explain("?fields=name").Stages[2:])
	require.NotContains(t, explain("").Stages, "cut the answer to the fields that are asked for")
	refused := explain("?fields=nope").Refused
	require.NotNil(t, refused)
	require.Equal(t, rpc.InvalidQuery, refused.Reason)
}
