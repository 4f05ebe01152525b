package reply_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/reply"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transform"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

const (
	requestLimit = 8 << 10
	answerLimit  = 1 << 10
)

func respond(t testing.TB, o reply.Respond) route.Handler {
	t.Helper()
	h, err := reply.NewRespond(o)
	require.NoError(t, err)
	return h
}

func program(t testing.TB, src string, variables ...string) *jq.Program {
	t.Helper()
	p, err := jq.Compile(src, jq.Config{Name: `respond.body_jq of route "r"`, Variables: variables, Limits: jq.Limits{Time: 5 * time.Second, Memory: 1 << 20}})
	require.NoError(t, err, src)
	return p
}

// computed answers with the value of a program.
func computed(t testing.TB, src string, o reply.Respond) route.Handler {
	t.Helper()
	o.Program = program(t, src)
	o.Programs = transform.Options{MaxRequestBytes: requestLimit, MaxResponseBytes: answerLimit, FormBodies: true, Refuse: refuse}
	return respond(t, o)
}

func TestRespond(t *testing.T) {
	for _, test := range []struct {
		name        string
		respond     reply.Respond
		status      int
		contentType string
		body        string
		length      string
		header      http.Header
	}{
		{name: "text", respond: reply.Respond{Body: []byte("Hello, world!")}, status: 200, contentType: "text/plain; charset=utf-8", body: "Hello, world!", length: "13"},
		{name: "what looks like JSON", respond: reply.Respond{Body: []byte(`{"a":1}`)}, status: 200, contentType: "text/plain; charset=utf-8", body: `{"a":1}`, length: "7"},
		{name: "nothing", status: 200, length: "0"},
		{name: "status", respond: reply.Respond{Status: 503, Header: http.Header{"Retry-After": {"120"}}}, status: 503, length: "0", header: http.Header{"Retry-After": {"120"}}},
		{
			name:    "headers",
			respond: reply.Respond{Body: []byte("<p>"), Header: http.Header{"content-type": {"text/html"}, "x-a": {"1", "2"}, "vary": {"Accept"}}},
			status:  200, contentType: "text/html", body: "<p>", length: "3", header: http.Header{"X-A": {"1", "2"}, "Vary": {"Origin", "Accept"}},
		},
		{name: "no content", respond: reply.Respond{Status: 204, Header: http.Header{"X-A": {"1"}}}, status: 204, header: http.Header{"X-A": {"1"}}},
		{name: "not modified", respond: reply.Respond{Status: 304, Header: http.Header{"Etag": {`"a"`}}}, status: 304, header: http.Header{"Etag": {`"a"`}}},
		{name: "reset", respond: reply.Respond{Status: 205}, status: 205, length: "0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := serve(t, "/**", respond(t, test.respond))
			g.outside = http.Header{"Vary": {"Origin"}}
			g.versions(t, func(t *testing.T, do func(string) *answer) {
				for _, method := range []string{"GET", "HEAD", "POST"} {
					a := do(method + " /x")
					require.Equal(t, test.status, a.StatusCode)
					if method == "HEAD" {
						require.Empty(t, a.body)
					} else {
						require.Equal(t, test.body, a.body)
						require.Equal(t, test.length, a.Header.Get("Content-Length"))
					}
					if test.body != "" {
						require.Equal(t, test.length, a.Header.Get("Content-Length"), "also for HEAD")
					}
					require.Equal(t, test.contentType, a.Header.Get("Content-Type"))
					for name, values := range test.header {
						require.Equal(t, values, a.Header[name])
					}
					require.Equal(t, []string{"Origin"}, g.outside["Vary"])
					require.Equal(t, -1, a.x.Code)
				}
			})
		})
	}
}

const jsonType = "\nContent-Type: application/json\n\n"

func TestRespondWithAProgram(t *testing.T) {
	for _, test := range []struct {
		name    string
		src     string
		respond reply.Respond
		request string
		// want is the content type and the body, without a type that of JSON.
		contentType, want string
	}{
		{name: "object", src: `{hello: .query.name}`, request: "GET /v1/a?name=J%C3%B6", want: `{"hello":"Jö"}`},
		{name: "head", src: `[.method, .path, .host, .scheme, .vars.id, .route, .headers["x-a"], .client.address]`, request: "GET /v1/a%2Fb\nHost: h:1\nX-A: 1", want: `["GET","/v1/a%2Fb","h:1","http","a%2Fb","r","1","127.0.0.1"]`},
		{name: "string", src: `"Hello, \(.vars.id)!"`, request: "GET /v1/a", contentType: "text/plain; charset=utf-8", want: "Hello, a!"},
		{name: "empty string", src: `""`, request: "GET /v1/a", contentType: "text/plain; charset=utf-8"},
		{name: "number", src: `1 + 1`, request: "GET /v1/a", want: "2"},
		{name: "false", src: `false`, request: "GET /v1/a", want: "false"},
		{name: "null", src: `null`, request: "GET /v1/a"},
		{name: "null of a type", src: `null`, respond: reply.Respond{Header: http.Header{"Content-Type": {"application/json"}}}, request: "GET /v1/a"},
		{name: "string as HTML", src: `"<p>"`, respond: reply.Respond{Header: http.Header{"Content-Type": {"text/html"}}}, request: "GET /v1/a", contentType: "text/html", want: "<p>"},
		{name: "string as JSON", src: `"a"`, respond: reply.Respond{Header: http.Header{"Content-Type": {"application/problem+json"}}}, request: "GET /v1/a", contentType: "application/problem+json", want: `"a"`},
		{name: "form", src: `{a: "b c"}`, respond: reply.Respond{Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}, request: "GET /v1/a", contentType: "application/x-www-form-urlencoded", want: `a=b+c`},
		{name: "body", src: `.body.a`, request: "POST /v1/a" + jsonType + `{"a":[1.0,{"b":null}],"c":1}`, want: `[1.0,{"b":null}]`},
		{name: "all of the body", src: `.body`, request: "POST /v1/a\nContent-Type: text/plain\n\nhello", contentType: "text/plain; charset=utf-8", want: "hello"},
		{name: "body of a form", src: `.body.a`, request: "POST /v1/a\nContent-Type: application/x-www-form-urlencoded\n\na=%C3%B6", contentType: "text/plain; charset=utf-8", want: "ö"},
		{name: "everything", src: `. | .body.a`, request: "POST /v1/a" + jsonType + `{"a":true}`, want: `true`},
		{name: "no body", src: `.body`, request: "POST /v1/a"},
		{name: "what a program would change", src: `.headers["x-a"] = "1" | .respond = {status: 500} | {status: 500, a: .headers["x-a"]}`, request: "GET /v1/a", want: `{"a":"1","status":500}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.contentType == "" && test.want != "" {
				test.contentType = "application/json"
			}
			test.respond.Status = 201
			g := serve(t, "/v1/{id=**}", computed(t, test.src, test.respond))
			g.versions(t, func(t *testing.T, do func(string) *answer) {
				for range 2 { // memory is used again
					a := do(test.request)
					require.Equal(t, 201, a.StatusCode, a.body)
					require.Equal(t, test.want, a.body)
					require.Equal(t, test.contentType, a.Header.Get("Content-Type"))
					require.Equal(t, int64(len(test.want)), a.ContentLength)
				}
				a := do(strings.Replace(strings.Split(test.request, "\n\n")[0], "POST", "HEAD", 1))
				require.Equal(t, 201, a.StatusCode, a.body)
			})
		})
	}
}

func TestRespondToHEADWithAProgram(t *testing.T) {
	g := serve(t, "/**", computed(t, `.path`, reply.Respond{}))
	g.versions(t, func(t *testing.T, do func(string) *answer) {
		a := do("HEAD /abc")
		require.Equal(t, 200, a.StatusCode)
		require.Equal(t, "4", a.Header.Get("Content-Length"))
		require.Empty(t, a.body)
	})
}

// What would be written counts for the access log.
func TestNothingIsWrittenToHEAD(t *testing.T) {
	w := httptest.NewRecorder()
	respond(t, reply.Respond{Body: []byte("hello")}).Serve(w, httptest.NewRequest("HEAD", "/", nil), new(route.Exchange))
	require.Zero(t, w.Body.Len())
}

func TestRespondFailures(t *testing.T) {
	for _, test := range []struct {
		name    string
		src     string
		request string
		status  int
		reason  rpc.Reason
		want    string
	}{
		{name: "failed", src: `error("secret")`, request: "GET /", status: 500, reason: rpc.ProgramFailed, want: `respond.body_jq of route "r" failed`},
		{name: "no value", src: `empty`, request: "GET /", status: 500, reason: rpc.ProgramFailed, want: "failed"},
		{name: "memory", src: `[range(1e6)] | length`, request: "GET /", status: 500, reason: rpc.ProgramLimit, want: "limit of memory"},
		{name: "large answer", src: `"x" * 2000`, request: "GET /", status: 500, reason: rpc.ProgramLimit, want: "gives a body over the limit"},
		{name: "malformed body", src: `.body.a`, request: "POST /" + jsonType + `{"a"`, status: 400, reason: rpc.InvalidBody, want: ""},
		{name: "large body", src: `.body.a`, request: "POST /" + jsonType + `"` + strings.Repeat("x", requestLimit) + `"`, status: 413, reason: rpc.RequestTooLarge, want: "8192"},
		{name: "another body", src: `.body.a`, request: "POST /\nContent-Type: image/png\n\nx", status: 415, reason: rpc.UnsupportedMediaType, want: "image/png"},
		{name: "another coding", src: `.body.a`, request: "POST /\nContent-Encoding: x-y" + jsonType + "x", status: 415, reason: rpc.UnsupportedMediaType, want: "x-y"},
		{name: "query", src: `.query.a`, request: "GET /?a=%zz", status: 400, reason: rpc.InvalidQuery, want: "query"},
	} {
		t.Run(test.name, func(t *testing.T) {
			g := serve(t, "/**", computed(t, test.src, reply.Respond{Header: http.Header{"X-A": {"1"}}}))
			g.versions(t, func(t *testing.T, do func(string) *answer) {
				a := do(test.request)
				require.Equal(t, string(test.reason), a.Header.Get(rpc.ErrorHeader), a.body)
				require.Equal(t, test.status, a.StatusCode)
				require.Contains(t, a.body, test.want)
				require.NotContains(t, a.body, "secret")
				require.NotContains(t, a.Header, "X-A", "an error is not the answer")
				require.Equal(t, test.name == "another coding", len(a.Header["Accept-Encoding"]) > 0)
				require.Equal(t, string(test.reason), a.x.Reason)
			})
		})
	}
}

// A program that does not look at the body does not have it read.
func TestRespondLeavesBody(t *testing.T) {
	g := serve(t, "/**", computed(t, `.path`, reply.Respond{}))
	a := g.raw(t, "POST /x HTTP/1.1\nHost: h\nContent-Length: 5\n\n")
	require.Equal(t, 200, a.StatusCode)
	require.Equal(t, "/x", a.body)
	require.Zero(t, a.x.RequestBytes)
}

func TestRespondCountsBody(t *testing.T) {
	g := serve(t, "/**", computed(t, `.body`, reply.Respond{}))
	a := g.raw(t, "POST /x HTTP/1.1\nHost: h\nContent-Length: 2\nContent-Type: application/json\n\n[]")
	require.Equal(t, "[]", a.body)
	require.False(t, a.Close)
	require.Equal(t, int64(2), a.x.RequestBytes)
}

// Programs around the answer see it, and it sees what they have made of the request.
func TestRespondWithinAChain(t *testing.T) {
	o := transform.Options{MaxRequestBytes: requestLimit, MaxResponseBytes: answerLimit, Refuse: refuse}
	chain, err := transform.New([]transform.Spec{{
		Name: "transform[0]", Request: program(t, `.body.a += 1 | .headers["x-a"] = "1"`), Response: program(t, `.body.b = .headers["x-b"]`, "request"),
	}}, o)
	require.NoError(t, err)
	inner := computed(t, `{a: .body.a, x: .headers["x-a"]}`, reply.Respond{Header: http.Header{"X-B": {"2"}}})
	g := serve(t, "/**", chain.Wrap(&route.Entry{Template: template(t, "/**")}, inner))
	g.versions(t, func(t *testing.T, do func(string) *answer) {
		a := do("POST /" + jsonType + `{"a":1}`)
		require.Equal(t, `{"a":2,"b":"2","x":"1"}`, a.body)
		require.Equal(t, int64(len(a.body)), a.ContentLength)
		require.Equal(t, int64(len(`{"a":1}`)), a.x.RequestBytes)
	})
}

func TestNewRespondErrors(t *testing.T) {
	for _, test := range []struct {
		in   reply.Respond
		want string
	}{
		{reply.Respond{Status: 199}, "status 199"},
		{reply.Respond{Status: 600}, "status 600"},
		{reply.Respond{Status: 204, Body: []byte("x")}, "status 204 has no body"},
		{reply.Respond{Status: 304, Program: program(t, ".path")}, "status 304 has no body"},
		{reply.Respond{Body: []byte("x"), Program: program(t, ".path")}, "two bodies"},
		{reply.Respond{Header: http.Header{"X A": {"1"}}}, `"X A" is no name`},
		{reply.Respond{Header: http.Header{"X": {"1\r\nY: 2"}}}, `is no value of a header`},
		{reply.Respond{Header: http.Header{"content-length": {"1"}}}, `up to the gateway`},
		{reply.Respond{Header: http.Header{"Transfer-Encoding": {"chunked"}}}, `up to the gateway`},
	} {
		_, err := reply.NewRespond(test.in)
		require.ErrorContains(t, err, test.want)
	}
}
