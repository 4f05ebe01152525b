package view_test

import (
	"encoding/json"
	"math"
	"math/big"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http/httpguts"

	"github.com/dragoman-gateway/dragoman/transform/jq"
	"github.com/dragoman-gateway/dragoman/transform/view"
)

var everything = jq.Paths{All: true}

func keys(names ...string) jq.Paths {
	p := jq.Paths{Keys: make(map[string]jq.Paths)}
	for _, name := range names {
		p.Keys[name] = everything
	}
	return p
}

func head() *view.Head {
	return &view.Head{
		Method: "GET", Scheme: "https", Host: "api.example.com:8443", Path: "/v1/a%2Fb", RawQuery: "a=1&b=x+y&a=2&c",
		Header: http.Header{
			"X-A": {"1"}, "X-B": {"1", "2"}, "Accept": {"*/*"}, "Connection": {"close, X-Hop"}, "X-Hop": {"h"},
			"Content-Length": {"3"}, "Content-Type": {"text/plain"}, "X-Empty": {""},
		},
		Vars:    []view.Var{{Name: "name", Text: "a/b"}},
		Address: "192.0.2.1", Names: []string{"client.example.com"}, Route: "books",
	}
}

func compile(t testing.TB, phase view.Phase, needs *jq.Needs) *view.View {
	v, err := view.Compile(needs, phase)
	require.NoError(t, err)
	return v
}

func TestInput(t *testing.T) {
	all := compile(t, view.Request, &jq.Needs{Input: everything})
	in, err := all.Input(head(), map[string]any{"k": 1})
	require.NoError(t, err)
	require.Equal(t, map[string]any{
		"method": "GET", "scheme": "https", "host": "api.example.com:8443", "path": "/v1/a%2Fb",
		"query": map[string]any{"a": []any{"1", "2"}, "b": "x y", "c": ""},
		"headers": map[string]any{
			"x-a": "1", "x-b": []any{"1", "2"}, "accept": "*/*", "content-type": "text/plain", "x-empty": "",
		},
		"body": map[string]any{"k": 1}, "vars": map[string]any{"name": "a/b"},
		"client": map[string]any{"address": "192.0.2.1", "names": []any{"client.example.com"}},
		"route":  "books",
	}, in)

	some := compile(t, view.Request, &jq.Needs{Input: jq.Paths{Keys: map[string]jq.Paths{"headers": keys("x-b", "X-A", "x-hop", "x-none"), "path": everything}}})
	in, err = some.Input(head(), nil)
	require.NoError(t, err)
	require.Equal(t, map[string]any{"path": "/v1/a%2Fb", "headers": map[string]any{"x-b": []any{"1", "2"}}}, in)
	require.Equal(t, []string{"headers.X-A is always null: names of headers are in lower case, x-a"}, some.Warnings())
	require.Equal(t, []string{
		`reads "boddy", which is no key of what the program sees: the keys are body, client, headers, host, method, path, query, route, scheme, vars`,
		`reads "status", which is no key of what the program sees: the keys are body, client, headers, host, method, path, query, route, scheme, vars`,
	}, compile(t, view.Request, &jq.Needs{Input: keys("body", "boddy", "respond", "status")}).Warnings())
	require.Empty(t, compile(t, view.Response, &jq.Needs{Input: keys("body", "log", "status")}).Warnings())
	require.Len(t, compile(t, view.Response, &jq.Needs{Input: keys("error")}).Warnings(), 1)
	require.Empty(t, compile(t, view.Error, &jq.Needs{Input: keys("error")}).Warnings())

	h := head()
	h.RPC, h.Route = true, ""
	h.Header["Grpc-Timeout"] = []string{"1S"}
	in, err = all.Input(h, nil)
	require.NoError(t, err)
	require.NotContains(t, in["headers"], "content-type")
	require.NotContains(t, in["headers"], "grpc-timeout")
	require.Nil(t, in["route"])

	h.Status, h.Error = 404, &view.Failure{Code: 5, Status: "NOT_FOUND", Reason: "NO_ROUTE", Message: "none"}
	in, err = compile(t, view.Error, &jq.Needs{Input: everything}).Input(h, nil)
	require.NoError(t, err)
	require.Equal(t, 404, in["status"])
	require.Equal(t, map[string]any{"code": 5, "status": "NOT_FOUND", "reason": "NO_ROUTE", "message": "none"}, in["error"])

	h.RawQuery = "a=%zz"
	_, err = all.Input(h, nil)
	require.ErrorIs(t, err, view.ErrQuery)
}

func TestCompileRefusesUnknownKeys(t *testing.T) {
	for key, want := range map[string]string{
		"header":  `"header" is no key of a view: the keys are body, client, headers, host, log, method, path, query, respond, route, scheme, vars`,
		"status":  `"status" is nothing that a program for a request may give`,
		"respond": "",
		"log":     "",
	} {
		_, err := view.Compile(&jq.Needs{Writes: keys(key)}, view.Request)
		if want == "" {
			require.NoError(t, err)
			continue
		}
		require.EqualError(t, err, want)
	}
	_, err := view.Compile(&jq.Needs{Writes: jq.Paths{Keys: map[string]jq.Paths{"headers": keys("x-a", "Host")}}}, view.Request)
	require.EqualError(t, err, "headers.host is not for programs: set .host")
	_, err = view.Compile(&jq.Needs{Writes: keys("respond")}, view.Response)
	require.EqualError(t, err, `"respond" is nothing that a program for a response may give`)
}

func TestRead(t *testing.T) {
	set := func(name string, values ...string) view.HeaderChange {
		return view.HeaderChange{Name: name, Values: values}
	}
	for _, row := range []struct {
		name   string
		phase  view.Phase
		writes jq.Paths
		result any
		want   view.Change
		err    string
	}{
		{name: "nothing", writes: everything, result: map[string]any{}},
		{name: "no object", writes: everything, result: "x", err: `gives "x", not an object`},
		{name: "null", writes: everything, result: nil, err: `gives null, not an object`},
		{name: "unknown key", writes: everything, result: map[string]any{"bdy": 1}, err: `"bdy" is no key of a view: the keys are body, client, headers, host, log, method, path, query, respond, route, scheme, vars`},
		{name: "not written", writes: keys("method"), result: map[string]any{"path": 1, "method": "POST"}, want: view.Change{Method: "POST"}},
		{name: "method", writes: everything, result: map[string]any{"method": "P OST"}, err: `method: "P OST" is no HTTP method`},
		{name: "connect", writes: everything, result: map[string]any{"method": "CONNECT"}, err: `method: CONNECT is for proxies`},
		{name: "same method", writes: everything, result: map[string]any{"method": "GET"}},
		{name: "path", writes: everything, result: map[string]any{"path": "/x%20y"}, want: view.Change{Path: "/x%20y"}},
		{name: "relative path", writes: everything, result: map[string]any{"path": "x"}, err: `path: "x" does not begin with a slash`},
		{name: "path with query", writes: everything, result: map[string]any{"path": "/x?a"}, err: `path: "/x?a" has a '?': a query goes into .query, and anything else is written as %3F`},
		{name: "path with space", writes: everything, result: map[string]any{"path": "/x y"}, err: `path: "/x y" has a character that must be escaped: use urlencode`},
		{name: "path with line end", writes: everything, result: map[string]any{"path": "/x\r\nA: b"}, err: `path: "/x\r\nA: b" has a character that must be escaped: use urlencode`},
		{name: "path with percent", writes: everything, result: map[string]any{"path": "/%x1"}, err: `path: "/%x1" has a percent sign without two hexadecimal digits behind it`},
		{name: "path null", writes: everything, result: map[string]any{"path": nil}, err: `path: null is no text`},
		{name: "host", writes: everything, result: map[string]any{"host": "b.example.com"}, want: view.Change{Host: "b.example.com"}},
		{name: "bad host", writes: everything, result: map[string]any{"host": "a b"}, err: `host: "a b" is no host`},
		{name: "host with path", writes: everything, result: map[string]any{"host": "a/b"}, err: `host: "a/b" is no host`},
		{name: "unchanged vars", writes: everything, result: map[string]any{"vars": map[string]any{"name": "a/b"}, "route": "books"}},
		{name: "changed vars", writes: everything, result: map[string]any{"vars": map[string]any{}}, err: `vars: cannot be changed`},
		{name: "route", writes: keys("route"), result: map[string]any{"route": "x"}, err: `route: cannot be changed`},
		{name: "status of a request", writes: everything, result: map[string]any{"status": 1}, err: `"status" is nothing that a program for a request may give`},

		{name: "headers replaced", writes: everything, result: map[string]any{"headers": map[string]any{"x-a": "1", "x-new": []any{"a", 1, true, 1.5, json.Number("1.0"), big.NewInt(7)}}}, want: view.Change{Headers: []view.HeaderChange{
			set("Accept"), set("Content-Type"), set("X-B"), set("X-Empty"), set("X-New", "a", "1", "true", "1.5", "1.0", "7"),
		}}},
		{name: "headers null", writes: keys("headers"), result: map[string]any{"headers": nil}, want: view.Change{Headers: []view.HeaderChange{
			set("Accept"), set("Content-Type"), set("X-A"), set("X-B"), set("X-Empty"),
		}}},
		{name: "one header", writes: jq.Paths{Keys: map[string]jq.Paths{"headers": keys("x-a", "x-b", "x-c")}}, result: map[string]any{"headers": map[string]any{"x-a": "1", "x-c": ""}}, want: view.Change{Headers: []view.HeaderChange{
			set("X-B"), set("X-C", ""),
		}}},
		{name: "large number", writes: jq.Paths{Keys: map[string]jq.Paths{"headers": keys("x-c")}}, result: map[string]any{"headers": map[string]any{"x-c": 1e6}}, want: view.Change{Headers: []view.HeaderChange{set("X-C", "1000000")}}},
		{name: "not a number", writes: jq.Paths{Keys: map[string]jq.Paths{"headers": keys("x-c")}}, result: map[string]any{"headers": map[string]any{"x-c": math.NaN()}}, err: `headers.x-c: a number is neither text, number, boolean nor an array of these`},
		{name: "object as header", writes: everything, result: map[string]any{"headers": map[string]any{"x-a": map[string]any{}}}, err: `headers.x-a: an object is neither text, number, boolean nor an array of these`},
		{name: "array in array", writes: everything, result: map[string]any{"headers": map[string]any{"x-a": []any{"a", nil}}}, err: `headers.x-a[1]: null is neither text, number nor boolean`},
		{name: "injection by value", writes: everything, result: map[string]any{"headers": map[string]any{"x-a": "a\r\nx-b: c"}}, err: `headers.x-a: "a\r\nx-b: c" has a character that no header may have`},
		{name: "NUL", writes: everything, result: map[string]any{"headers": map[string]any{"x-a": "\x00"}}, err: `headers.x-a: "\x00" has a character that no header may have`},
		{name: "injection by name", writes: everything, result: map[string]any{"headers": map[string]any{"x-a: b\r\nc": "a"}}, err: `headers: "x-a: b\r\nc" is no name of a header`},
		{name: "twice", writes: everything, result: map[string]any{"headers": map[string]any{"x-a": "a", "X-A": "b"}}, err: `headers: "X-A" is there twice, in other letters`},
		{name: "twice, patched", writes: jq.Paths{Keys: map[string]jq.Paths{"headers": keys("x-a", "X-A")}}, result: map[string]any{"headers": map[string]any{"x-a": "a", "X-A": "b"}}, err: `headers: "X-A" is there twice, in other letters`},
		{name: "host header", writes: everything, result: map[string]any{"headers": map[string]any{"host": "a"}}, err: `headers.host: is not for programs: set .host`},
		{name: "length", writes: everything, result: map[string]any{"headers": map[string]any{"content-length": 1}}, err: `headers.content-length: is not for programs: it follows from the body`},
		{name: "connection", writes: everything, result: map[string]any{"headers": map[string]any{"Transfer-Encoding": "x"}}, err: `headers.transfer-encoding: is not for programs: it belongs to one connection`},
		{name: "headers as array", writes: everything, result: map[string]any{"headers": []any{}}, err: `headers: an array is not an object`},

		{name: "same query", writes: everything, result: map[string]any{"query": map[string]any{"a": []any{"1", "2"}, "b": "x y", "c": ""}}},
		{name: "query", writes: everything, result: map[string]any{"query": map[string]any{"a": []any{1, "2&"}, "b": "x y", "d": "é", "e": nil, "f": []any{}}}, want: view.Change{HasQuery: true, RawQuery: "a=1&a=2%26&b=x+y&d=%C3%A9"}},
		{name: "query null", writes: everything, result: map[string]any{"query": nil}, want: view.Change{HasQuery: true}},
		{name: "query patched", writes: jq.Paths{Keys: map[string]jq.Paths{"query": keys("c", "z")}}, result: map[string]any{"query": map[string]any{"z": 1, "other": 2}}, want: view.Change{HasQuery: true, RawQuery: "a=1&b=x+y&a=2&z=1"}},
		{name: "bad query", writes: everything, result: map[string]any{"query": map[string]any{"a": map[string]any{}}}, err: `query.a: an object is neither text, number, boolean nor an array of these`},

		{name: "body", writes: everything, result: map[string]any{"body": []any{1}}, want: view.Change{HasBody: true, Body: []any{1}}},
		{name: "no body", writes: everything, result: map[string]any{"body": nil}, want: view.Change{HasBody: true}},
		{name: "respond", writes: everything, result: map[string]any{"respond": map[string]any{"status": 204.0, "headers": map[string]any{"x-a": "1"}, "body": nil}}, want: view.Change{Respond: &view.Answer{Status: 204, Headers: []view.HeaderChange{set("X-A", "1")}}}},
		{name: "respond by default", writes: everything, result: map[string]any{"respond": map[string]any{"body": "x"}}, want: view.Change{Respond: &view.Answer{Status: 200, Body: "x", HasBody: true}}},
		{name: "respond null", writes: everything, result: map[string]any{"respond": nil}},
		{name: "respond with more", writes: everything, result: map[string]any{"respond": map[string]any{"code": 1}}, err: `respond: "code" is no key of an answer: the keys are body, headers, status`},
		{name: "respond status", writes: everything, result: map[string]any{"respond": map[string]any{"status": 700}}, err: `respond.status: 700 is not from 200 to 599`},
		{name: "log", writes: everything, result: map[string]any{"log": map[string]any{"a": 1}}, want: view.Change{Log: map[string]any{"a": 1}}},
		{name: "bad log", writes: everything, result: map[string]any{"log": 1}, err: `log: 1 is not an object`},

		{name: "status", phase: view.Response, writes: everything, result: map[string]any{"status": json.Number("404")}, want: view.Change{Status: 404}},
		{name: "status as text", phase: view.Response, writes: everything, result: map[string]any{"status": "404"}, err: `status: "404" is no whole number`},
		{name: "broken status", phase: view.Response, writes: everything, result: map[string]any{"status": 404.5}, err: `status: 404.5 is no whole number`},
		{name: "large status", phase: view.Response, writes: everything, result: map[string]any{"status": 1e30}, err: `status: 1e+30 is no whole number`},
		{name: "low status", phase: view.Response, writes: everything, result: map[string]any{"status": 199}, err: `status: 199 is not from 200 to 599`},
		{name: "path of an answer", phase: view.Response, writes: everything, result: map[string]any{"path": "/x"}, err: `path: cannot be changed`},
		{name: "same path of an answer", phase: view.Response, writes: everything, result: map[string]any{"path": "/v1/a%2Fb", "method": "GET"}},
		{name: "respond to an answer", phase: view.Response, writes: everything, result: map[string]any{"respond": map[string]any{}}, err: `respond: only a program for a request may answer it`},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := head()
			got, err := compile(t, row.phase, &jq.Needs{Input: everything, Writes: row.writes}).Read(row.result, h)
			if row.err != "" {
				require.EqualError(t, err, row.err)
				require.Equal(t, view.Change{}, got)
				return
			}
			require.NoError(t, err)
			for i := range got.Headers {
				if len(got.Headers[i].Values) == 0 {
					got.Headers[i].Values = nil
				}
			}
			require.Equal(t, row.want, got)
		})
	}
}

func TestReadRPC(t *testing.T) {
	h := head()
	h.RPC, h.Method = true, "POST"
	for _, row := range []struct{ key, value, err string }{
		{"path", "/x", "path: is the method for gRPC, and cannot be changed"},
		{"method", "GET", "method: is POST for gRPC"},
		{"host", "x", "host: cannot be changed for gRPC"},
	} {
		_, err := compile(t, view.Request, &jq.Needs{Writes: everything}).Read(map[string]any{row.key: row.value}, h)
		require.EqualError(t, err, row.err)
	}
	_, err := compile(t, view.Request, &jq.Needs{Writes: everything}).Read(map[string]any{"headers": map[string]any{"grpc-timeout": "1S"}}, h)
	require.EqualError(t, err, "headers.grpc-timeout: is not for programs: it belongs to the call")
}

func TestApply(t *testing.T) {
	h := http.Header{"A": {"1"}, "B": {"1"}}
	view.Apply(h, []view.HeaderChange{{Name: "A"}, {Name: "C", Values: []string{"1", "2"}}})
	require.Equal(t, http.Header{"B": {"1"}, "C": {"1", "2"}}, h)
}

// What a program returns as it was shown changes nothing, and whatever it returns,
// no change breaks a header or a request line.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		`{"headers": {"x": ["a", 1]}, "path": "/a", "query": {"a": "b"}}`, `{"respond": {"status": 204, "headers": {"a\n": 1}}}`,
		`{"method": "\r", "host": "a b", "status": 1e3}`, `[]`, `{"headers": {"A": 1, "a": 2}}`, `{"log": {"a": [1]}}`,
	} {
		f.Add(seed, "a=1&b", "x-a", "value")
	}
	f.Fuzz(func(t *testing.T, result, query, name, value string) {
		h := head()
		if strings.ContainsAny(query, " \r\n\x00\t#") {
			return // no request line has it
		}
		h.RawQuery = query
		if httpguts.ValidHeaderFieldName(name) && httpguts.ValidHeaderFieldValue(value) {
			h.Header[http.CanonicalHeaderKey(name)] = []string{value}
		}
		for _, phase := range []view.Phase{view.Request, view.Response, view.Error} {
			v := compile(t, phase, &jq.Needs{Input: everything, Writes: everything})
			if in, err := v.Input(h, nil); err == nil {
				if phase != view.Request {
					in["status"] = 200
				}
				delete(in, "body")
				c, err := v.Read(in, h)
				require.NoError(t, err)
				c.Status = 0
				require.Equal(t, view.Change{}, c)
			}
			var any any
			dec := json.NewDecoder(strings.NewReader(result))
			dec.UseNumber()
			if dec.Decode(&any) != nil {
				return
			}
			c, err := v.Read(any, h)
			if err != nil {
				require.Equal(t, view.Change{}, c)
				continue
			}
			changes := c.Headers
			if c.Respond != nil {
				changes = append(changes, c.Respond.Headers...)
			}
			for _, change := range changes {
				require.True(t, httpguts.ValidHeaderFieldName(change.Name))
				for _, v := range change.Values {
					require.True(t, httpguts.ValidHeaderFieldValue(v))
				}
			}
			for _, line := range []string{c.Method, c.Host, c.Path, c.RawQuery} {
				require.False(t, strings.ContainsAny(line, " \r\n\x00\t#"), line)
			}
		}
	})
}
