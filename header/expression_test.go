package header_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/header"
	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// asked is a request with a route, and what is known of it.
func asked(t testing.TB) (*http.Request, *route.Exchange) {
	t.Helper()
	template, err := httprule.Parse("/v1/{name=**}")
	require.NoError(t, err)
	table, err := route.Compile([]*route.Entry{{Method: "*", Template: template, Route: "books"}})
	require.NoError(t, err)
	r := httptest.NewRequest(http.MethodPost, "/v1/a%20b/c?q=1&q=2&r=x", strings.NewReader("a body"))
	r.Header = http.Header{"X-A": {"1"}, "X-B": {"1", "2"}, "Content-Length": {"6"}}
	x := new(route.Exchange)
	require.Equal(t, route.Found, table.Match(&route.Request{Method: r.Method, Path: "/v1/a%20b/c"}, x))
	return r, x
}

// expressions are edits of requests, and of answers, with an expression.
func expressions(t testing.TB, name, src string) *header.Edits {
	t.Helper()
	spec := &header.Spec{Response: header.List{Append: []header.Value{{Name: name, Program: program(t, src, "request")}}}}
	if !strings.Contains(src, "$request") {
		spec.Request = header.List{Set: []header.Value{{Name: name, Program: program(t, src)}}}
	}
	e, err := header.Merge(spec)
	require.NoError(t, err)
	return e
}

// TestValues: what a header is for what an expression yields.
func TestValues(t *testing.T) {
	for src, want := range map[string][]string{
		`"text"`: {"text"}, `""`: {""}, `" a\tb "`: {"a\tb"}, `"Grüße"`: {"Grüße"},
		`1`: {"1"}, `1.50`: {"1.5"}, `-0.25`: {"-0.25"}, `3 * 0.5`: {"1.5"}, `10000000000 * 1000`: {"10000000000000"}, `100000000000000000000`: {"100000000000000000000"},
		`true`: {"true"}, `["a", 1, false, "a"]`: {"a", "1", "false", "a"},
		`null`: {"came"}, `false`: {"came"}, `[]`: nil,
		`.headers["x-a"]`: {"1"}, `.headers["x-b"]`: {"1", "2"}, `.headers["X-A"]`: {"came"}, `.headers["content-length"]`: {"came"},
		`.headers["x-out"]`: {"came"},
		`.method`:           {"POST"}, `.path`: {"/v1/a%20b/c"}, `.host`: {"example.com"}, `.scheme`: {"http"}, `.query.q`: {"1", "2"}, `.query | keys`: {"q", "r"},
		`.vars.name`: {"a b/c"}, `.vars | keys`: {"name"}, `.client.address`: {"192.0.2.1"}, `.route`: {"books"}, `.status`: {"came"},
		`.headers | keys`: {"x-a", "x-b", "x-out"}, `.headers | length`: {"3"}, `.nothing`: {"came"},
	} {
		t.Run(src, func(t *testing.T) {
			r, x := asked(t)
			r.Header.Set("X-Out", "came")
			sent, err := expressions(t, "x-out", src).Request(r, x)
			require.Nil(t, err)
			require.Equal(t, want, sent.Header["X-Out"])
			require.Equal(t, []string{"came"}, r.Header["X-Out"])
		})
	}
}

// TestValuesOfAnswers: an expression sees the answer, and the request beside it.
func TestValuesOfAnswers(t *testing.T) {
	for src, want := range map[string][]string{
		`.status`: {"came", "418"}, `.headers["x-r"]`: {"came", "r"}, `.headers["x-a"]`: {"came"}, `$request.headers["x-a"]`: {"came", "1"},
		`$request.vars.name`: {"came", "a b/c"}, `.vars.name`: {"came", "a b/c"}, `$request.client.address`: {"came", "192.0.2.1"}, `$request.path + $request.query.r`: {"came", "/v1/a%20b/cx"},
		`$request.status`: {"came"}, `.route`: {"came", "books"}, `["a", "b"]`: {"came", "a", "b"}, `[]`: {"came"}, `null`: {"came"}, `false`: {"came"},
	} {
		t.Run(src, func(t *testing.T) {
			r, x := asked(t)
			h := http.Header{"X-Out": {"came"}, "X-R": {"r"}}
			require.NoError(t, expressions(t, "x-out", src).EditHead(h, http.StatusTeapot, r, x))
			require.Equal(t, want, h["X-Out"])
		})
	}
}

// TestExpressionsSeeNoEdits: all see the header as it came.
func TestExpressionsSeeNoEdits(t *testing.T) {
	l := header.List{Set: []header.Value{{Name: "x-a", Program: program(t, `.headers["x-b"][0]`, "request")}, {Name: "x-b", Program: program(t, `.headers["x-a"]`, "request")}}}
	e, err := header.Merge(&header.Spec{Response: l})
	require.NoError(t, err)
	r, x := asked(t)
	h := http.Header{"X-A": {"a"}, "X-B": {"b", "c"}}
	require.NoError(t, e.EditHead(h, 200, r, x))
	require.Equal(t, http.Header{"X-A": {"b"}, "X-B": {"a"}}, h)
}

// TestPatternsAndExpressions: a header that an expression leaves as it is, is not taken
// away by a pattern that does not decide about it.
func TestPatternsAndExpressions(t *testing.T) {
	l := header.List{Set: []header.Value{{Name: "x-a", Program: program(t, "null", "request")}}, Remove: []string{"x-*"}}
	e, err := header.Merge(&header.Spec{Response: l})
	require.NoError(t, err)
	r, x := asked(t)
	h := http.Header{"X-A": {"a"}, "X-B": {"b"}}
	require.NoError(t, e.EditHead(h, 200, r, x))
	require.Equal(t, http.Header{"X-A": {"a"}}, h)
}

// TestWrongValues: a request ends, and an answer keeps its header.
func TestWrongValues(t *testing.T) {
	for _, test := range []struct {
		name, src string
		reason    rpc.Reason
		message   string
		log       string
	}{
		{"x-out", `{}`, rpc.ProgramFailed, "the program gives what is no value of a header", "an object is neither text, number, boolean nor an array of these"},
		{"x-out", `["a", []]`, rpc.ProgramFailed, "the program gives what is no value of a header", "[1]: an array is neither text, number nor boolean"},
		{"x-out", `["a", null]`, rpc.ProgramFailed, "the program gives what is no value of a header", "[1]: null is neither text, number nor boolean"},
		{"x-out", `"a\r\nb: c"`, rpc.ProgramFailed, "the program gives what is no value of a header", "has a character that no header may have"},
		{"x-out", `"\u0000"`, rpc.ProgramFailed, "the program gives what is no value of a header", "has a character that no header may have"},
		{"x-out-bin", `"!"`, rpc.ProgramFailed, "the program gives what is no value of a header", "is not base64, as values are whose names end in -bin"},
		{"x-out", `"a" * 70000`, rpc.ProgramFailed, "the program gives what is no value of a header", "has more than 65536 bytes"},
		{"x-out", `error("secret")`, rpc.ProgramFailed, "the program failed", "secret"},
		{"x-out", `empty`, rpc.ProgramFailed, "the program failed", ""},
		{"x-out", `"a" * 100000000`, rpc.ProgramLimit, "the program met its limit of memory", ""},
	} {
		t.Run(test.src, func(t *testing.T) {
			r, x := asked(t)
			e := expressions(t, test.name, test.src)
			sent, err := e.Request(r, x)
			require.Nil(t, sent)
			require.Equal(t, test.reason, err.Reason)
			require.Equal(t, test.message, err.Message)
			require.Equal(t, http.StatusInternalServerError, err.HTTPStatus())
			require.ErrorContains(t, err.Cause, test.log)
			require.ErrorContains(t, err.Cause, "the program")
			h := http.Header{http.CanonicalHeaderKey(test.name): {"AAAA"}}
			require.ErrorContains(t, e.EditHead(h, 200, r, x), test.log)
			require.Equal(t, http.Header{http.CanonicalHeaderKey(test.name): {"AAAA"}}, h)
		})
	}
}

// TestPartsOfRequests: who cannot be answered because of the client is told so.
func TestPartsOfRequests(t *testing.T) {
	r, x := asked(t)
	r.URL.RawQuery = "q=%zz"
	_, err := expressions(t, "x-out", ".query.q").Request(r, x)
	require.Equal(t, rpc.InvalidQuery, err.Reason)

	r, x = asked(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	slow, compileErr := jq.Compile(`[range(1e9)] | length`, jq.Config{Name: "slow", Variables: []string{"request"}, Limits: jq.Limits{Time: time.Hour}})
	require.NoError(t, compileErr)
	e, mergeErr := header.Merge(both(header.List{Set: []header.Value{{Name: "x-out", Program: slow}}}))
	require.NoError(t, mergeErr)
	h := http.Header{}
	require.NoError(t, e.EditHead(h, 200, r.WithContext(ctx), x), "nobody is there to be told")
	require.Empty(t, h)
}

// TestBinaryValues: what is base64 passes.
func TestBinaryValues(t *testing.T) {
	r, x := asked(t)
	sent, err := expressions(t, "x-out-bin", `"text" | @base64`).Request(r, x)
	require.Nil(t, err)
	require.Equal(t, []string{"dGV4dA=="}, sent.Header["X-Out-Bin"])
}

// FuzzValues: whatever a request makes of an expression's result, what is set are
// values of headers.
func FuzzValues(f *testing.F) {
	for _, seed := range []string{`"a"`, `["a\r\nb", 1]`, `{}`, `-0.5e300`, `[[]]`, `null`, `"\u0000ä"`} {
		f.Add(seed)
	}
	e := expressions(f, "x-out", `.headers["x-json"] | fromjson? // "none"`)
	f.Fuzz(func(t *testing.T, text string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header = http.Header{"X-Json": {text}}
		sent, err := e.Request(r, &route.Exchange{})
		if err != nil {
			require.NotEmpty(t, err.Message)
			return
		}
		for _, v := range sent.Header["X-Out"] {
			require.NotContains(t, v, "\n")
			require.NotContains(t, v, "\r")
			require.NotContains(t, v, "\x00")
			require.LessOrEqual(t, len(v), 64<<10)
		}
		if json.Valid([]byte(text)) && strings.HasPrefix(text, "{") {
			t.Fatal("an object is no value")
		}
	})
}

// TestHeadersOfCalls: those of the protocol are not for expressions.
func TestHeadersOfCalls(t *testing.T) {
	for _, entry := range []*route.Entry{nil, {Protocol: "grpc"}} {
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		r.Header = http.Header{"Content-Type": {"application/grpc"}, "Grpc-Timeout": {"1S"}, "X-A": {"1"}}
		sent, err := expressions(t, "x-out", `.headers | keys`).Request(r, &route.Exchange{Entry: entry})
		require.Nil(t, err)
		require.Equal(t, []string{"x-a"}, sent.Header["X-Out"])
	}
}
