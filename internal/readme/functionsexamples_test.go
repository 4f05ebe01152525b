package readme

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
)

const (
	protocol = "UPSTREAM_PROTOCOL"
	asJSON   = "application/json"
	asText   = "text/plain; charset=utf-8"
	asBytes  = "application/octet-stream"
	ok       = `{"statusCode":200}`
)

// wrapped are the forms of events in which an answer is an object.
var wrapped = []string{"http", "api_gateway_v1", "api_gateway_v2", "alb", "alb_multi"}

// in has one example for each form of events.
func in(forms []string, e example) []example {
	var out []example
	for _, form := range forms {
		e.event = form
		out = append(out, e)
	}
	return out
}

func typed(name string) http.Header { return http.Header{"Content-Type": {name}} }

// broken is an answer that cannot be understood.
func broken(returns string) example {
	return example{returns: returns, status: 502, reason: protocol, code: 13}
}

func events() map[string][]example {
	const binary = "a\xffb"
	// text and bytes have both kinds of bodies.
	both := func(form string, check func(t *testing.T, e map[string]any)) []example {
		var out []example
		for _, body := range []string{"", "text", binary} {
			out = append(out, example{event: form, returns: ok, body: body, status: 200, has: "", want: map[string]string{"api_gateway_v1": "{}"}[form], sent: func(t *testing.T, e map[string]any) {
				require.Equal(t, body == binary, e["isBase64Encoded"])
				switch body {
				case "":
					require.Contains(t, []any{nil, ""}, e["body"])
				case binary:
					require.Equal(t, base64.StdEncoding.EncodeToString([]byte(binary)), e["body"])
				default:
					require.Equal(t, body, e["body"])
				}
				check(t, e)
			}})
		}
		return out
	}
	path := func(t *testing.T, e map[string]any, name string) {
		require.Regexp(t, `^/f\d+/a%20b$`, e[name], "as it was sent")
	}
	tags := func(t *testing.T, e map[string]any, field, name string, want any) {
		require.Equal(t, want, e[field].(map[string]any)[name], "%v", e[field])
	}
	list := func(values ...any) []any { return values }
	return map[string][]example{
		"`api_gateway_v2` | HTTP APIs, function URLs | `rawPath`, `pathParameters`, `routeKey` | `rawQueryString`; `queryStringParameters`, those of one name joined with commas | lower case, joined with commas; `cookies` apart | text or base64": both("api_gateway_v2", func(t *testing.T, e map[string]any) {
			path(t, e, "rawPath")
			tags(t, e, "pathParameters", "id", "a b")
			require.Regexp(t, `^(GET|POST) /f\d+/\{id\}$`, e["routeKey"])
			require.Equal(t, "x=1&x=%20", e["rawQueryString"])
			tags(t, e, "queryStringParameters", "x", "1, ")
			tags(t, e, "headers", "x-tag", "blue,green")
			require.Equal(t, list("a=1", "b=2"), e["cookies"])
		}),
		"`api_gateway_v1` | REST APIs | `path`, `pathParameters`, `resource` | last value, and all in `multiValueQueryStringParameters` | as `X-Tag`, last value, and all in `multiValueHeaders` | text or base64": both("api_gateway_v1", func(t *testing.T, e map[string]any) {
			path(t, e, "path")
			tags(t, e, "pathParameters", "id", "a b")
			require.Regexp(t, `^/f\d+/\{id\}$`, e["resource"])
			tags(t, e, "queryStringParameters", "x", " ")
			tags(t, e, "multiValueQueryStringParameters", "x", list("1", " "))
			tags(t, e, "headers", "X-Tag", "green")
			tags(t, e, "multiValueHeaders", "X-Tag", list("blue", "green"))
		}),
		"`alb` | load balancers | `path` | last value, not decoded | lower case, last value | text or base64": both("alb", func(t *testing.T, e map[string]any) {
			path(t, e, "path")
			tags(t, e, "queryStringParameters", "x", "%20")
			tags(t, e, "headers", "x-tag", "green")
		}),
		"`alb_multi` | load balancers with multi-value headers | `path` | all values, not decoded | lower case, all values | text or base64": both("alb_multi", func(t *testing.T, e map[string]any) {
			path(t, e, "path")
			tags(t, e, "multiValueQueryStringParameters", "x", list("1", "%20"))
			tags(t, e, "multiValueHeaders", "x-tag", list("blue", "green"))
		}),
		"`http` | nobody else: a plain object | `path` | `queryString`, last value and all values | lower case, last value and all values | text or base64": both("http", func(t *testing.T, e map[string]any) {
			path(t, e, "path")
			require.Equal(t, "x=1&x=%20", e["queryString"])
			tags(t, e, "queryStringParameters", "x", " ")
			tags(t, e, "multiValueQueryStringParameters", "x", list("1", " "))
			tags(t, e, "headers", "x-tag", "green")
			tags(t, e, "multiValueHeaders", "x-tag", list("blue", "green"))
		}),
		"`raw` | whoever calls the API itself | | | | the event is the body, `{}` without one; it must be JSON": {
			{event: "raw", handler: "echo", body: `{"a":1}`, want: `{"a":1}`},
			{event: "raw", handler: "echo", want: `{}`},
			{event: "raw", handler: "echo", body: `no`, status: 400, reason: "INVALID_BODY", code: 3},
		},
	}
}

func answers() map[string][]example {
	exceptV1 := []string{"http", "api_gateway_v2", "alb", "alb_multi"}
	v1 := wrapped[1:2]
	strict, lenient := []string{"api_gateway_v1", "alb", "alb_multi"}, []string{"http", "api_gateway_v2"}
	cookies := http.Header{"Set-Cookie": {"a=1", "b=2"}}
	return map[string][]example{
		"no `statusCode`, or null | 200; without one the whole value is the body in `http` and `api_gateway_v2`": append(append(
			in(strict, example{returns: `{"body":"x"}`, want: "x"}),
			in(wrapped, example{returns: `{"statusCode":null,"body":"x"}`, want: "x"})...),
			in(lenient, example{returns: `{"body":"x"}`, want: `{"body":"x"}`, header: typed(asJSON)})...),
		"`\"statusCode\": \"404\"` | 404": in(wrapped, example{returns: `{"statusCode":"404","body":""}`, status: 404}),
		"a status that is none, or not from 200 to 599 | 502 `UPSTREAM_PROTOCOL`": append(append(
			in(wrapped, broken(`{"statusCode":"fine"}`)), in(wrapped, broken(`{"statusCode":199}`))...), in(wrapped, broken(`{"statusCode":600}`))...),
		"a header that is a number or a boolean | it, printed": in(wrapped, example{
			returns: `{"statusCode":200,"body":"","headers":{"X-N":12.50,"X-B":true}}`, header: http.Header{"X-N": {"12.50"}, "X-B": {"true"}},
		}),
		"a header that is null | no such header": in(wrapped, example{returns: `{"statusCode":200,"body":"","headers":{"X-A":null}}`, absent: []string{"X-A"}}),
		"a header that is an array | a header for each element": in(wrapped, example{
			returns: `{"statusCode":200,"body":"","headers":{"X-A":["1",2]}}`, header: http.Header{"X-A": {"1", "2"}},
		}),
		"a header that is an object | it, as JSON": in(wrapped, example{
			returns: `{"statusCode":200,"body":"","headers":{"X-A":{"b": [1]}}}`, header: http.Header{"X-A": {`{"b":[1]}`}},
		}),
		"`multiValueHeaders` with several `Set-Cookie`, or `cookies`, or names that differ in case | several `Set-Cookie`": append(append(
			in(wrapped, example{returns: `{"statusCode":200,"body":"","multiValueHeaders":{"Set-Cookie":["a=1","b=2"]}}`, header: cookies}),
			in(wrapped, example{returns: `{"statusCode":200,"body":"","cookies":["a=1","b=2"]}`, header: cookies})...),
			in(wrapped, example{returns: `{"statusCode":200,"body":"","headers":{"set-cookie":"a=1","Set-Cookie":"b=2"}}`, header: cookies})...),
		"a name in `headers` and in `multiValueHeaders` | that of `multiValueHeaders`; in `api_gateway_v1` both": append(
			in(exceptV1, example{returns: `{"statusCode":200,"body":"","headers":{"X-A":"1"},"multiValueHeaders":{"X-A":["2"]}}`, header: http.Header{"X-A": {"2"}}}),
			in(v1, example{returns: `{"statusCode":200,"body":"","headers":{"X-A":"1"},"multiValueHeaders":{"X-A":["2"]}}`, header: http.Header{"X-A": {"2", "1"}}})...),
		"`Connection`, `Content-Length` and the like | not these: the gateway has its own": in(wrapped, example{
			returns: `{"statusCode":200,"body":"four","headers":{"Connection":"close","Content-Length":"99","Transfer-Encoding":"chunked"}}`,
			want:    "four", header: http.Header{"Content-Length": {"4"}}, absent: []string{"Connection", "Transfer-Encoding"},
		}),
		"a header with a line break, or more than 64 KiB of headers | 502 `UPSTREAM_PROTOCOL`": append(
			in(wrapped, broken(`{"statusCode":200,"headers":{"X-A":"b\r\nc: d"}}`)),
			in(wrapped, broken(`{"statusCode":200,"headers":{"X-A":"`+strings.Repeat("b", 64<<10)+`"}}`))...),
		"no `body` | an empty one; in `api_gateway_v1` `{}`, unless it is null": append(append(
			in(exceptV1, example{returns: ok}), in(v1, example{returns: ok, want: `{}`})...),
			in(wrapped, example{returns: `{"statusCode":200,"body":null}`})...),
		"a `body` that is not text | it, as JSON": in(wrapped, example{returns: `{"statusCode":200,"body":{"a":[1]}}`, want: `{"a":[1]}`, header: typed(asJSON)}),
		"`isBase64Encoded` true, or `\"true\"` | the decoded bytes; 502 `UPSTREAM_PROTOCOL` if they are not base64": append(append(
			in(wrapped, example{returns: `{"statusCode":200,"body":"AP8=","isBase64Encoded":true}`, want: "\x00\xff"}),
			in(wrapped, example{returns: `{"statusCode":200,"body":"AP8=","isBase64Encoded":"true"}`, want: "\x00\xff"})...),
			in(wrapped, broken(`{"statusCode":200,"body":"?","isBase64Encoded":true}`))...),
		"no `Content-Type` | JSON if the body was no text, and in `api_gateway_v1`; bytes if it was base64; else plain text": append(append(append(
			in(wrapped, example{returns: `{"statusCode":200,"body":1}`, want: "1", header: typed(asJSON)}),
			in(v1, example{returns: `{"statusCode":200,"body":"x"}`, want: "x", header: typed(asJSON)})...),
			in(wrapped, example{returns: `{"statusCode":200,"body":"eA==","isBase64Encoded":true}`, want: "x", header: typed(asBytes)})...),
			in(exceptV1, example{returns: `{"statusCode":200,"body":"x"}`, want: "x", header: typed(asText)})...),
		"an array, text, a number | in `http` and `api_gateway_v2` it is the body; else 502 `UPSTREAM_PROTOCOL`": append(
			in(lenient, example{returns: `[1]`, want: `[1]`, header: typed(asJSON)}), append(in(strict, broken(`"a"`)), in(strict, broken(`1`))...)...),
		"what is not JSON | 502 `UPSTREAM_PROTOCOL`": in(append(wrapped, "raw"), broken(`<html>`)),
	}
}

func invocations() map[string][]example {
	const prelude = `{"status":201,"headers":{"X-A":"b"},"cookies":["a=1"],"steps":[{"write":"one"},{"write":"two"}]}`
	return map[string][]example{
		"`wait` | what the function returns": {{event: "raw", invocation: "wait", handler: "upper", body: `"abc"`, want: `"ABC"`}},
		"`async` | 202, as soon as AWS has the event; what becomes of it is AWS's affair, its repetitions too": {
			{event: "raw", invocation: "async", handler: "fail", body: `{}`, status: 202},
			{invocation: "async", handler: "echo", body: "text", status: 202, sent: func(t *testing.T, e map[string]any) { require.Equal(t, "text", e["body"]) }},
		},
		"`stream` | status and headers as soon as the function has written them, then what it writes as it comes": {
			{event: "raw", invocation: "stream", handler: "stream", body: prelude, status: 201, want: "onetwo", header: http.Header{"X-A": {"b"}, "Set-Cookie": {"a=1"}}},
			{invocation: "stream", handler: "stream", body: prelude, status: 201, want: "onetwo"},
			{event: "raw", invocation: "stream", handler: "bytes", body: `{"steps":[{"write":"one"}]}`, want: "one", header: typed(asBytes)},
		},
		"`dry_run` | 204 if the function could be called": {
			{invocation: "dry_run", handler: "fail", status: 204},
			{invocation: "dry_run", handler: "missing", status: 502, reason: protocol, code: 13},
		},
	}
}

func failures() map[string][]example {
	const kind, function = "error of a kind", "X-Amz-Function-Error"
	return map[string][]example{
		"a function of Lambda fails | 502 `FUNCTION_FAILED`, its type in `x-amz-function-error`; its message only with `expose_errors` | `UNKNOWN`": {
			{event: "raw", handler: "fail", body: `{"Type":"Odd","Message":"` + kind + `"}`, status: 502, reason: "FUNCTION_FAILED", code: 2, header: http.Header{function: {"Odd"}}, hides: kind},
			{event: "raw", handler: "fail", settings: ", expose_errors: true", body: `{"Type":"Odd","Message":"` + kind + `"}`, status: 502, reason: "FUNCTION_FAILED", code: 2, header: http.Header{function: {"Odd"}}, has: kind},
			{event: "raw", handler: "panic", body: `{}`, status: 502, reason: "FUNCTION_FAILED", code: 2},
			{event: "raw", handler: "exit", body: `{"Code":1}`, status: 502, reason: "FUNCTION_FAILED", code: 2},
		},
		"it runs as often as it may, or AWS throttles what it needs to start | 429 `FUNCTION_THROTTLED`, `Retry-After` | `RESOURCE_EXHAUSTED`": {
			{returns: ok, fault: &lambdatest.Fault{Status: 502, Type: "EC2ThrottledException"}, status: 429, reason: "FUNCTION_THROTTLED", code: 8, header: http.Header{"Retry-After": {"1"}}},
			{handler: "echo", concurrency: -1, status: 429, reason: "FUNCTION_THROTTLED", code: 8, header: http.Header{"Retry-After": {"1"}}},
		},
		"it takes longer than it may, or than the route allows | 504 `DEADLINE_EXCEEDED` | `DEADLINE_EXCEEDED`": {
			{event: "raw", handler: "sleep", timeout: 200 * time.Millisecond, body: `{"Milliseconds":60000}`, status: 504, reason: "DEADLINE_EXCEEDED", code: 4},
			{event: "raw", handler: "sleep", route: ", timeout: 200ms", body: `{"Milliseconds":60000}`, status: 504, reason: "DEADLINE_EXCEEDED", code: 4},
		},
		"no credentials, or AWS does not accept them | 502 `UPSTREAM_DENIED` | `INTERNAL`": {
			{credentials: "{ static: { access_key_id: AKIDLAMBDATEST, secret_access_key: wrong } }", status: 502, reason: "UPSTREAM_DENIED", code: 13, hides: "ignature"},
			{credentials: "{ static: { access_key_id: AKIDLAMBDATEST, secret_access_key: not-a-secret }, sts_endpoint: \"http://127.0.0.1:1\", assume_roles: [{ role_arn: \"arn:aws:iam::123456789012:role/r\" }] }",
				status: 502, reason: "UPSTREAM_DENIED", code: 13, hides: "STS"},
		},
		"no token of Google or Azure can be had | 502 `UPSTREAM_DENIED` | `INTERNAL`": {
			{kind: `google_function: { url: "http://127.0.0.1:1" }`, status: 502, reason: "UPSTREAM_DENIED", code: 13},
			{kind: `azure_function: { url: "http://127.0.0.1:1", entra: { scope: "api://orders/.default", client_id: gateway } }`, status: 502, reason: "UPSTREAM_DENIED", code: 13},
		},
		"an event over 6 MiB, over 1 MiB with `async` | 413 `REQUEST_TOO_LARGE`, before the call | `RESOURCE_EXHAUSTED`": {
			{event: "raw", returns: ok, length: 6 << 20, want: ok},
			{event: "raw", returns: ok, length: 6<<20 + 1, status: 413, reason: "REQUEST_TOO_LARGE", code: 8},
			{event: "raw", returns: ok, invocation: "async", length: 1 << 20, status: 202},
			{event: "raw", returns: ok, invocation: "async", length: 1<<20 + 1, status: 413, reason: "REQUEST_TOO_LARGE", code: 8},
		},
		"a body that is not JSON, with `event: raw` | 400 `INVALID_BODY` | `INVALID_ARGUMENT`": {
			{event: "raw", handler: "echo", body: "no", status: 400, reason: "INVALID_BODY", code: 3},
		},
		"an answer over `response_bytes` | 502 `UPSTREAM_MESSAGE_TOO_LARGE` | `RESOURCE_EXHAUSTED`": {
			{event: "raw", handler: "big", settings: ", response_bytes: 2Ki", body: `{"Bytes":2049}`, status: 502, reason: "UPSTREAM_MESSAGE_TOO_LARGE", code: 8},
			{event: "raw", handler: "big", settings: ", response_bytes: 2Ki", body: `{"Bytes":2048}`, want: `"` + strings.Repeat("x", 2046) + `"`},
		},
		"no such function, or an answer of another form | 502 `UPSTREAM_PROTOCOL` | `INTERNAL`": {
			{handler: "missing", status: 502, reason: protocol, code: 13},
			{event: "alb", returns: `[]`, status: 502, reason: protocol, code: 13},
		},
		"no connection, an error of the service, or a function that AWS cannot start: its code, keys, network, files, snapshot | 503 `UPSTREAM_UNREACHABLE` | `UNAVAILABLE`": {
			{endpoint: "http://127.0.0.1:1", status: 503, reason: "UPSTREAM_UNREACHABLE", code: 14},
			{returns: ok, fault: fault(lambdatest.Broken()), status: 503, reason: "UPSTREAM_UNREACHABLE", code: 14},
			{returns: ok, fault: &lambdatest.Fault{Status: 403, Type: "EFSMountFailureException"}, status: 503, reason: "UPSTREAM_UNREACHABLE", code: 14},
			{returns: ok, fault: &lambdatest.Fault{Reset: true}, status: 503, reason: "UPSTREAM_UNREACHABLE", code: 14},
		},
		"more requests than `limits` allow | 503 `UPSTREAM_OVERLOADED`, `Retry-After` | `UNAVAILABLE`": {
			{event: "raw", handler: "wait", settings: ", limits: { requests: 1, waiting: 0 }", body: `{}`, before: occupy, status: 503, reason: "UPSTREAM_OVERLOADED", code: 14, header: http.Header{"Retry-After": {"1"}}},
		},
	}
}

func fault(f lambdatest.Fault) *lambdatest.Fault { return &f }

// occupy has a request for the same function wait until the test ends.
func occupy(t *testing.T, url string) {
	called, release := make(chan struct{}), make(chan struct{})
	address := server(t, func(http.ResponseWriter, *http.Request) { close(called); <-release })
	ended := make(chan error, 1)
	go func() {
		resp, err := http.Post(url, asJSON, strings.NewReader(`{"URL":"http://`+address+`"}`))
		if err == nil {
			err = resp.Body.Close()
		}
		ended <- err
	}()
	t.Cleanup(func() { require.NoError(t, <-ended) })
	t.Cleanup(func() { close(release) })
	<-called
}
