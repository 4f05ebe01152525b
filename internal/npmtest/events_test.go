//go:build unix

package npmtest

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

const functionsYAML = `listeners:
- name: main
  address: 127.0.0.1:0
upstreams:
- name: functions
  aws_lambda:
    function: seen
    region: us-east-1
    endpoint: "${LAMBDA}"
    event: %s
    expose_errors: true
    credentials: { static: { access_key_id: AKIDEXAMPLE, secret_access_key: example-secret } }
routes:
- name: rest
  match: [{ path: "/v1/books/{id}" }]
  forward: { upstream: functions }
- name: http
  match: [{ path: "/v2/books/{id}" }]
  forward: { upstream: functions }
- name: balancer
  match: [{ prefix: /alb/ }]
  forward: { upstream: functions }
- name: answers
  match: [{ path: /v1/answers }, { path: /v2/answers }]
  forward: { upstream: functions, lambda: { function: answers } }
- name: later
  match: [{ path: /later }]
  forward: { upstream: functions, lambda: { function: tell, invocation: async } }
- name: fails
  match: [{ path: /fails }]
  forward: { upstream: functions, lambda: { function: fails } }
`

// lambdaGateway is the URL of a gateway in front of the functions of o.
func lambdaGateway(t *testing.T, o *offline, event string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "dragoman.yaml")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, functionsYAML, event), 0o600))
	return "http://" + gatewaytest.Start(t, file, map[string]string{"LAMBDA": o.api}).Address
}

// send sends a request with a host and headers of its own, and returns the answer
// as it comes.
func send(t *testing.T, method, url, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	if header != nil {
		r.Header = header.Clone()
	}
	r.Host = "books.example.com"
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp, string(text)
}

func testLambdaGateway(t *testing.T, o *offline) {
	t.Run("events", func(t *testing.T) { testEvents(t, o) })
	t.Run("answers", func(t *testing.T) { testAnswers(t, o) })
	gateway := lambdaGateway(t, o, "api_gateway_v2")
	t.Run("async", func(t *testing.T) {
		resp, text := send(t, "POST", gateway+"/later", "x", nil)
		require.Equal(t, http.StatusAccepted, resp.StatusCode)
		require.Empty(t, text)
		require.Contains(t, hear(t, o.heard), `"rawPath":"/later"`)
	})
	t.Run("fails", func(t *testing.T) {
		resp, text := send(t, "POST", gateway+"/fails", "x", nil)
		require.Equal(t, http.StatusBadGateway, resp.StatusCode)
		require.Equal(t, "Error", resp.Header.Get("X-Amz-Function-Error"))
		require.Contains(t, text, "short and stout")
		require.Contains(t, text, "FUNCTION_FAILED")
	})
}

// differences are the members of events in which the gateway and the fronts of
// serverless-offline differ, and why: patterns of [path.Match] by the format.
var differences = map[string]map[string]string{
	"api_gateway_v1": {
		"/headers/x-forwarded-*":             "API Gateway says who the client is, as the gateway does; the emulator does not",
		"/multiValueHeaders/x-forwarded-*":   "the same",
		"/requestContext/accountId":          "made up",
		"/requestContext/apiId":              "made up",
		"/requestContext/domain*":            "made up; the gateway knows the host",
		"/requestContext/identity/accountId": "made up",
		"/requestContext/identity/apiKey*":   "made up",
		"/requestContext/identity/caller":    "made up",
		"/requestContext/identity/cognito*":  "made up",
		"/requestContext/identity/user":      "made up",
		"/requestContext/identity/userArn":   "made up",
		"/requestContext/resourceId":         "made up",
		"/requestContext/stage":              "the gateway has none but the default",
		"/version":                           "that of HTTP APIs says its version, that of REST APIs does not",
	},
	"api_gateway_v2": {
		"/headers/x-forwarded-*":    "API Gateway says who the client is, as the gateway does; the emulator does not",
		"/headers/x-tag":            "the values of one name are combined with commas; the emulator has the last one",
		"/requestContext/accountId": "made up",
		"/requestContext/apiId":     "made up",
		"/requestContext/domain*":   "made up; the gateway knows the host",
		"/requestContext/requestId": "made up",
		"/requestContext/routeKey":  "the emulator's route is for any method; the gateway names that of the request",
		"/routeKey":                 "the same",
		"/body":                     "left out if there is none, not null",
		"/cookies":                  "left out if there are none, not empty",
		"/queryStringParameters":    "left out if there are none, not null",
		"/stageVariables":           "left out if there are none, not null",
	},
	"alb": {
		"/headers/x-forwarded-*":             "a load balancer says who the client is, as the gateway does; the emulator does not",
		"/headers/x-tag":                     "the last value of one name; the emulator joins all",
		"/multiValueHeaders/*":               "not without multi-value headers; the emulator has both",
		"/multiValueQueryStringParameters":   "the same",
		"/multiValueQueryStringParameters/*": "the same",
		"/queryStringParameters":             "an empty object if there are none, not null",
		"/queryStringParameters/[qy]":        "a load balancer does not decode the query; the emulator does",
		"/body":                              "empty if there is none, not left out",
		"/requestContext/elb/targetGroupArn": "made up",
	},
	"alb_multi": {
		"/multiValueHeaders/x-forwarded-*":      "a load balancer says who the client is, as the gateway does; the emulator does not",
		"/headers/*":                            "not with multi-value headers; the emulator has both",
		"/queryStringParameters":                "the same",
		"/queryStringParameters/*":              "the same",
		"/multiValueQueryStringParameters":      "an empty object if there are none, not null",
		"/multiValueQueryStringParameters/[qy]": "a load balancer does not decode the query; the emulator does",
		"/body":                                 "empty if there is none, not left out",
		"/requestContext/elb/targetGroupArn":    "made up",
	},
}

// testEvents compares the events that the gateway makes with those that the
// fronts of serverless-offline make of the same requests.
func testEvents(t *testing.T, o *offline) {
	requests := []struct {
		method, target, body string
		header               http.Header
	}{
		{method: "GET", target: "7"},
		{method: "DELETE", target: "%C3%A4?q=%C3%A4"},
		{method: "PUT", target: "a%20b?x=1&x=2&y=%2F+z&empty=", body: `{"title":"Bücher"}`, header: http.Header{
			"Content-Type": {"application/json"}, "X-Tag": {"blue", "green"}, "Cookie": {"a=1; b=2"},
		}},
	}
	for _, tc := range []struct{ event, front, path string }{
		{event: "api_gateway_v1", front: o.http, path: "/v1/books/"},
		{event: "api_gateway_v2", front: o.http, path: "/v2/books/"},
		{event: "alb", front: o.alb, path: "/alb/books/"},
		{event: "alb_multi", front: o.alb, path: "/alb/books/"},
	} {
		t.Run(tc.event, func(t *testing.T) {
			gateway := lambdaGateway(t, o, tc.event)
			used := make(map[string]bool)
			for _, r := range requests {
				header := http.Header{"User-Agent": {"test"}}
				maps.Copy(header, r.header)
				ours := eventOf(t, r.method, gateway+tc.path+r.target, r.body, header)
				theirs := eventOf(t, r.method, tc.front+tc.path+r.target, r.body, header)
				same := 0
				for name := range maps.Keys(union(ours, theirs)) {
					if ours[name] == theirs[name] {
						same++
						continue
					}
					pattern := known(differences[tc.event], name)
					if pattern == "" {
						t.Errorf("%s %s: %s is %q, and %q by serverless-offline", r.method, r.target, name, ours[name], theirs[name])
					}
					used[pattern] = true
				}
				require.GreaterOrEqual(t, same, 5, "the events have little in common")
			}
			for pattern := range differences[tc.event] {
				require.True(t, used[pattern], "there is no difference at %s any more", pattern)
			}
		})
	}
}

// known is the pattern that name fits, or empty.
func known(patterns map[string]string, name string) string {
	for pattern := range patterns {
		if ok, _ := path.Match(pattern, name); ok {
			return pattern
		}
	}
	return ""
}

func union(a, b map[string]string) map[string]string {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// eventOf is the event that a request becomes: the leaves, in JSON, by their paths.
func eventOf(t *testing.T, method, url, body string, header http.Header) map[string]string {
	t.Helper()
	resp, text := send(t, method, url, body, header)
	require.Equal(t, http.StatusMultiStatus, resp.StatusCode, "%s", text)
	var event map[string]any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&event), "%s", text)
	out := make(map[string]string)
	flatten(t, out, "", event)
	return out
}

// changing are the ids and times of events: of these only the form can be compared.
var (
	changing = regexp.MustCompile(`^/requestContext/(requestId|extendedRequestId|requestTime|requestTimeEpoch|time|timeEpoch)$`)
	digits   = regexp.MustCompile(`[0-9a-f]`)
)

func flatten(t *testing.T, out map[string]string, name string, v any) {
	t.Helper()
	if object, ok := v.(map[string]any); ok && len(object) > 0 {
		for key, member := range object {
			// Header names of REST APIs are in whatever case they came in.
			if name == "/headers" || name == "/multiValueHeaders" {
				key = strings.ToLower(key)
			}
			flatten(t, out, name+"/"+key, member)
		}
		return
	}
	data, err := json.Marshal(v)
	require.NoError(t, err)
	out[name] = string(data)
	if changing.MatchString(name) {
		out[name] = digits.ReplaceAllString(out[name], "0")
	}
}

// testAnswers compares what clients get of answers of functions from the gateway
// and from the fronts of serverless-offline.
func testAnswers(t *testing.T, o *offline) {
	for event, where := range map[string]string{"api_gateway_v1": "/v1/answers", "api_gateway_v2": "/v2/answers"} {
		gateway := lambdaGateway(t, o, event)
		for _, tc := range []struct {
			name, answer string
			// only is the format that it is about; empty is both.
			only string
			// differs is why the clients do not get the same.
			differs string
		}{
			{name: "plain", answer: `{"statusCode":201,"headers":{"content-type":"text/plain","x-one":"1"},"body":"text"}`},
			{name: "redirect", answer: `{"statusCode":302,"headers":{"location":"/elsewhere"},"body":""}`},
			{name: "failure", answer: `{"statusCode":503,"body":"busy"}`},
			{name: "numbers", answer: `{"statusCode":200,"headers":{"x-number":7,"x-boolean":true},"body":"text"}`},
			{name: "base64", answer: `{"statusCode":200,"headers":{"content-type":"image/png"},"body":"AAEC/w==","isBase64Encoded":true}`},
			{name: "no status", answer: `{"body":"text"}`},
			{name: "multi-value", answer: `{"statusCode":200,"multiValueHeaders":{"Set-Cookie":["a=1","b=2"]},"body":"text"}`},
			{name: "cookies", only: "api_gateway_v2", answer: `{"statusCode":200,"cookies":["a=1","b=2"],"body":"text"}`},
			{name: "object", only: "api_gateway_v2", answer: `{"title":"Bücher"}`},
			{name: "array", only: "api_gateway_v2", answer: `[1,{"a":null}]`},
			{name: "only a status", only: "api_gateway_v2", answer: `{"statusCode":204}`},
			{name: "no body", only: "api_gateway_v1", answer: `{"statusCode":200}`, differs: "the gateway's clients get an empty object"},
			{name: "null header", answer: `{"statusCode":200,"headers":{"x-null":null},"body":"text"}`, differs: "the gateway leaves it out, the emulator prints it"},
			{name: "body that is no text", answer: `{"statusCode":200,"body":{"a":1}}`, differs: "the gateway prints it"},
			{name: "not an answer", only: "api_gateway_v1", answer: `[1]`, differs: "API Gateway answers 502, as the gateway does; the emulator 200"},
			{name: "both kinds of headers", answer: `{"statusCode":200,"headers":{"x-a":"1"},"multiValueHeaders":{"x-a":["2","3"]},"body":""}`, differs: "the emulator joins them with commas"},
		} {
			if tc.only != "" && tc.only != event {
				continue
			}
			t.Run(event+"/"+tc.name, func(t *testing.T) {
				ours := seenBy(t, gateway+where, tc.answer)
				theirs := seenBy(t, o.http+where, tc.answer)
				if tc.differs != "" {
					require.NotEqual(t, theirs, ours, "it is said that %s", tc.differs)
					return
				}
				require.Equal(t, theirs, ours)
			})
		}
	}
}

// seenBy is what a client of url sees of an answer that a function may have a say
// in. For types that the function does not say, the emulator knows only one.
func seenBy(t *testing.T, url, answer string) string {
	t.Helper()
	resp, body := send(t, "POST", url, answer, http.Header{"Content-Type": {"application/json"}})
	lines := []string{resp.Status, body}
	for name, values := range resp.Header {
		switch {
		case name == "Set-Cookie", name == "Location", strings.HasPrefix(name, "X-"):
			lines = append(lines, name+": "+strings.Join(values, " | "))
		case name == "Content-Type" && strings.Contains(answer, `"content-type"`):
			kind, _, _ := strings.Cut(values[0], ";")
			lines = append(lines, name+": "+kind)
		}
	}
	slices.Sort(lines[2:])
	return strings.Join(lines, "\n")
}
