package event_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

var (
	formats = []event.Format{event.Raw, event.HTTP, event.APIGatewayV1, event.APIGatewayV2, event.ALB, event.ALBMulti}
	// wrapped read statusCode, headers and body of an answer.
	wrapped = formats[1:]
)

func of(contentType string) http.Header { return http.Header{"Content-Type": {contentType}} }

const (
	asJSON  = "application/json"
	asText  = "text/plain; charset=utf-8"
	asBytes = "application/octet-stream"
)

func TestUnwrap(t *testing.T) {
	v1, v2, alb := []event.Format{event.APIGatewayV1}, []event.Format{event.APIGatewayV2}, []event.Format{event.ALB, event.ALBMulti}
	exceptV1 := []event.Format{event.HTTP, event.APIGatewayV2, event.ALB, event.ALBMulti}
	inferring := []event.Format{event.HTTP, event.APIGatewayV2}
	strict := []event.Format{event.APIGatewayV1, event.ALB, event.ALBMulti}
	for _, row := range []struct {
		name    string
		formats []event.Format
		in      string
		status  int // 0: 200
		header  http.Header
		body    string
	}{
		{name: "A-32", formats: exceptV1, in: `{"body":"gloo edge is inserting this body","headers":{"test-header-key":"test-header-value"},"statusCode":201}`,
			status: 201, header: http.Header{"Test-Header-Key": {"test-header-value"}, "Content-Type": {asText}}, body: "gloo edge is inserting this body"},
		{name: "A-32", formats: v1, in: `{"body":"gloo edge is inserting this body","headers":{"test-header-key":"test-header-value"},"statusCode":201}`,
			status: 201, header: http.Header{"Test-Header-Key": {"test-header-value"}, "Content-Type": {asJSON}}, body: "gloo edge is inserting this body"},

		{name: "A-34: no status", formats: v1, in: `{"body":"x"}`, header: of(asJSON), body: "x"},
		{name: "A-34: no status", formats: alb, in: `{"body":"x"}`, header: of(asText), body: "x"},
		{name: "A-34: no status, so it is the body", formats: inferring, in: `{"body":"x"}`, header: of(asJSON), body: `{"body":"x"}`},
		{name: "A-34: null status", formats: wrapped, in: `{"statusCode":null,"body":1}`, header: of(asJSON), body: "1"},
		{name: "A-34: no body", formats: v1, in: `{"statusCode":200}`, header: of(asJSON), body: "{}"},
		{name: "A-34: no body", formats: exceptV1, in: `{"statusCode":200}`},
		{name: "A-34: nothing", formats: v1, in: `{}`, header: of(asJSON), body: "{}"},
		{name: "A-34: nothing", formats: alb, in: `{}`},
		{name: "A-34: base64", formats: wrapped, in: `{"statusCode":200,"body":"AP8=","isBase64Encoded":true}`, header: of(asBytes), body: "\x00\xff"},
		{name: "A-34: several cookies", formats: wrapped, in: `{"statusCode":204,"multiValueHeaders":{"Set-Cookie":["a=1; Path=/","b=2"]}}`,
			status: 204, header: http.Header{"Set-Cookie": {"a=1; Path=/", "b=2"}}},
		{name: "A-34: number as header", formats: wrapped, in: `{"statusCode":204,"headers":{"X-N":12.50,"X-B":true}}`,
			status: 204, header: http.Header{"X-N": {"12.50"}, "X-B": {"true"}}},
		{name: "A-34: null header", formats: wrapped, in: `{"statusCode":204,"headers":{"X-A":null,"x-b":"c"},"multiValueHeaders":{"X-C":null,"X-D":[null]}}`,
			status: 204, header: http.Header{"X-B": {"c"}}},
		{name: "redirect with a null header, issue 8867 of Gloo", formats: exceptV1, in: `{"statusCode":302,"headers":{"Location":"https://example.com/","Content-Type":null},"body":null}`,
			status: 302, header: http.Header{"Location": {"https://example.com/"}}},
		{name: "null instead of objects", formats: wrapped, in: `{"statusCode":200,"headers":null,"multiValueHeaders":null,"cookies":null,"body":null,"isBase64Encoded":null}`},

		{name: "status as text", formats: wrapped, in: `{"statusCode":" 404 ","body":null}`, status: 404},
		{name: "status as float", formats: wrapped, in: `{"statusCode":4.03e2,"body":null}`, status: 403},
		{name: "status twice", formats: wrapped, in: `{"statusCode":200,"statusCode":299,"body":null}`, status: 299},
		{name: "name with escapes", formats: wrapped, in: `{"status\u0043ode":299,"body":null}`, status: 299},
		{name: "space", formats: wrapped, in: " {\n \"statusCode\" :\t299 , \"body\" : \"a\" , \"headers\" :\t{ \"Content-Type\" : \"a/b\" } }\r\n", status: 299, header: of("a/b"), body: "a"},

		{name: "body with escapes", formats: wrapped, in: `{"statusCode":200,"headers":{"content-type":"a/b"},"body":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800x\udc00\ud800\u0041é"}`,
			header: of("a/b"), body: "\"\\/\b\f\n\r\té😀\uFFFDx\uFFFD\uFFFDAé"},
		{name: "body ends with half a pair", formats: wrapped, in: `{"statusCode":200,"headers":{"content-type":"a/b"},"body":"\ud800"}`, header: of("a/b"), body: "\uFFFD"},
		{name: "body ends with half a pair", formats: wrapped, in: `{"statusCode":200,"headers":{"content-type":"a/b"},"body":"\ud83d\""}`, header: of("a/b"), body: "\uFFFD\""},
		{name: "body is an object", formats: wrapped, in: `{"statusCode":200,"body": {"a": [1, "b"]} }`, header: of(asJSON), body: `{"a": [1, "b"]}`},
		{name: "body is a boolean", formats: wrapped, in: `{"statusCode":200,"body":false}`, header: of(asJSON), body: `false`},
		{name: "body is empty", formats: wrapped, in: `{"statusCode":200,"body":""}`},
		{name: "base64 without padding", formats: wrapped, in: `{"statusCode":200,"body":"AP8","isBase64Encoded":"true"}`, header: of(asBytes), body: "\x00\xff"},
		{name: "base64 with escapes and lines", formats: wrapped, in: `{"statusCode":200,"body":"\/\/\/\/\r\n\/w==\r\n","isBase64Encoded":true}`, header: of(asBytes), body: "\xff\xff\xff\xff"},
		{name: "not base64", formats: wrapped, in: `{"statusCode":200,"headers":{"Content-Type":"a/b"},"body":"AP8=","isBase64Encoded":false}`, header: of("a/b"), body: "AP8="},

		{name: "headers in objects and arrays", formats: wrapped, in: `{"statusCode":200,"body":null,"headers":{"x-a":["1",2,null],"x-o":{"a":  [1, 2]},"x-s":" \tb "},"multiValueHeaders":{"x-t":"one"}}`,
			header: http.Header{"X-A": {"1", "2"}, "X-O": {`{"a":[1,2]}`}, "X-S": {"b"}, "X-T": {"one"}}},
		{name: "names that differ in case", formats: wrapped, in: `{"statusCode":200,"body":null,"headers":{"set-cookie":"a=1","Set-cookie":"b=2","SET-COOKIE":"c=3"}}`,
			header: http.Header{"Set-Cookie": {"a=1", "b=2", "c=3"}}},
		{name: "two content types", formats: wrapped, in: `{"statusCode":200,"body":null,"headers":{"content-type":"a/b","Content-Type":"c/d"}}`, header: of("c/d")},
		{name: "both kinds of headers", formats: exceptV1, in: `{"statusCode":200,"body":null,"headers":{"a":"1","b":"2","content-type":"x/y"},"multiValueHeaders":{"B":["3","4"],"Content-Type":["a/b"]}}`,
			header: http.Header{"A": {"1"}, "B": {"3", "4"}, "Content-Type": {"a/b"}}},
		{name: "both kinds of headers", formats: v1, in: `{"statusCode":200,"body":null,"headers":{"a":"1","b":"2","c":"5","content-type":"x/y"},"multiValueHeaders":{"B":["3","4"],"C":["5","6"],"Content-Type":["a/b"]}}`,
			header: http.Header{"A": {"1"}, "B": {"3", "4", "2"}, "C": {"5", "6"}, "Content-Type": {"a/b"}}},
		{name: "cookies", formats: wrapped, in: `{"statusCode":200,"body":null,"cookies":["a=1; HttpOnly","b=2"],"headers":{"Set-Cookie":"c=3"}}`,
			header: http.Header{"Set-Cookie": {"c=3", "a=1; HttpOnly", "b=2"}}},
		{name: "fields of the connection", formats: wrapped, in: `{"statusCode":200,"body":null,"headers":{"connection":"close","Content-Length":"99","transfer-encoding":"chunked","te":"trailers","upgrade":"h2c","keep-alive":"5","trailer":"x","proxy-connection":"close"}}`},

		{name: "the body itself", formats: append([]event.Format{event.Raw}, inferring...), in: ` ["a"] `, header: of(asJSON), body: ` ["a"] `},
		{name: "the body itself, a string", formats: append([]event.Format{event.Raw}, inferring...), in: `"ABC"`, header: of(asJSON), body: `"ABC"`},
		{name: "the body itself, null", formats: append([]event.Format{event.Raw}, inferring...), in: `null`, header: of(asJSON), body: `null`},
		{name: "no answer", formats: append([]event.Format{event.Raw}, inferring...), in: ``},
		{name: "A-30: an answer like any other", formats: []event.Format{event.Raw}, in: `{"statusCode":500,"key1":"value1"}`, header: of(asJSON), body: `{"statusCode":500,"key1":"value1"}`},
		{name: "deep", formats: v2, in: strings.Repeat("[", 1000) + strings.Repeat("]", 1000), header: of(asJSON), body: strings.Repeat("[", 1000) + strings.Repeat("]", 1000)},
		{name: "304 of a function without a body", formats: strict, in: `{"statusCode":304,"headers":{"ETag":"\"x\""}}`, status: 304, header: http.Header{"Etag": {`"x"`}}},
	} {
		for _, format := range row.formats {
			t.Run(fmt.Sprintf("%s/%s", row.name, format), func(t *testing.T) {
				want := event.Response{Status: row.status, Header: row.header, Body: []byte(row.body)}
				if want.Status == 0 {
					want.Status = 200
				}
				got := event.Response{Status: 599, Header: http.Header{"Stale": {""}}, Body: []byte("stale")}
				payload := []byte(row.in)
				require.NoError(t, event.Unwrap(format, payload, &got))
				if len(want.Header) == 0 {
					want.Header = http.Header{}
				}
				if len(got.Body) == 0 {
					got.Body = []byte{}
				}
				require.Empty(t, cmp.Diff(want, got))
				require.Equal(t, row.in, string(payload), "the payload must stay as it was")
			})
		}
	}
}

func TestUnwrapErrors(t *testing.T) {
	strict := []event.Format{event.APIGatewayV1, event.ALB, event.ALBMulti}
	for _, row := range []struct {
		formats []event.Format
		in      string
		want    string
	}{
		{formats, `<html>`, `the function's answer: not JSON, at byte 0`},
		{formats, `{"statusCode":200`, `the function's answer: not JSON, at byte 17`},
		{formats, `{} {}`, `the function's answer: not JSON, at byte 3`},
		{formats, `{"statusCode":200,"body":"` + "\n" + `"}`, `the function's answer: not JSON, at byte 26`},
		{formats, `{"body":"` + "\xff" + `"}`, `the function's answer: not UTF-8`},
		{formats, strings.Repeat("[", 1002), `the function's answer: more than 1000 arrays and objects in each other, at byte 1000`},
		{strict, ``, `the function's answer: not JSON, at byte 0`},
		{strict, `[1]`, `the function's answer is an array, and must be an object with statusCode, headers and body`},
		{strict, `null`, `the function's answer is null, and must be an object with statusCode, headers and body`},
		{strict, ` "ok"`, `the function's answer is a string, and must be an object with statusCode, headers and body`},
		{strict, `1`, `the function's answer is a number, and must be an object with statusCode, headers and body`},
		{strict, `true`, `the function's answer is a boolean, and must be an object with statusCode, headers and body`},
		{wrapped, `{"statusCode":"ok"}`, `statusCode "ok" is no number`},
		{wrapped, `{"statusCode":""}`, `statusCode "" is no number`},
		{wrapped, `{"statusCode":true}`, `statusCode true is no number`},
		{wrapped, `{"statusCode":[200]}`, `statusCode [200] is no number`},
		{wrapped, `{"statusCode":200.5}`, `statusCode 200.5 is no whole number from 200 to 599`},
		{wrapped, `{"statusCode":199}`, `statusCode 199 is no whole number from 200 to 599`},
		{wrapped, `{"statusCode":600}`, `statusCode 600 is no whole number from 200 to 599`},
		{wrapped, `{"statusCode":"NaN"}`, `statusCode "NaN" is no whole number from 200 to 599`},
		{wrapped, `{"statusCode":1` + strings.Repeat("0", 99) + `}`, `statusCode 1` + strings.Repeat("0", 63) + `... is no whole number from 200 to 599`},
		{wrapped, `{"statusCode":200,"headers":["a"]}`, `headers is an array, and must be an object`},
		{wrapped, `{"statusCode":200,"multiValueHeaders":"a"}`, `multiValueHeaders is a string, and must be an object`},
		{wrapped, `{"statusCode":200,"headers":{"a b":"c"}}`, `headers: "a b" is no name of a header`},
		{wrapped, `{"statusCode":200,"headers":{"":"c"}}`, `headers: "" is no name of a header`},
		{wrapped, `{"statusCode":200,"headers":{"A":"b\r\nX: y"}}`, `headers: the value of A has a control character`},
		{wrapped, `{"statusCode":200,"headers":{"A":"b\u0000"}}`, `headers: the value of A has a control character`},
		{wrapped, `{"statusCode":200,"multiValueHeaders":{"A":["b",["c"]]}}`, `multiValueHeaders: A has an array in an array`},
		{wrapped, `{"statusCode":200,"cookies":["a=b\nc"]}`, `cookies: the value of Set-Cookie has a control character`},
		{wrapped, `{"statusCode":200,"headers":{"A":"` + strings.Repeat("b", 64<<10) + `"}}`, `the header of the function's answer has more than 65536 bytes`},
		{wrapped, `{"statusCode":200,"headers":{"A":["b"` + strings.Repeat(`,"b"`, 2000) + `]}}`, `the header of the function's answer has more than 65536 bytes`},
		{wrapped, `{"statusCode":200,"body":"a b","isBase64Encoded":true}`, `isBase64Encoded is true, and body is not base64: illegal base64 data at input byte 1`},
		{wrapped, `{"statusCode":200,"body":"A","isBase64Encoded":true}`, `isBase64Encoded is true, and body is not base64: illegal base64 data at input byte 0`},
	} {
		for _, format := range row.formats {
			t.Run(fmt.Sprintf("%.40q/%s", row.in, format), func(t *testing.T) {
				var out event.Response
				payload := []byte(row.in)
				require.EqualError(t, event.Unwrap(format, payload, &out), row.want)
				require.Equal(t, row.in, string(payload), "the payload must stay as it was")
			})
		}
	}
}

// TestUnwrapSamples reads the answers of aws-lambda-go.
func TestUnwrapSamples(t *testing.T) {
	var out event.Response
	unwrap := func(format event.Format, answer any) {
		payload, err := json.Marshal(answer)
		require.NoError(t, err)
		require.NoError(t, event.Unwrap(format, payload, &out))
	}
	var v1 events.APIGatewayProxyResponse
	sample(t, "events/testdata/apigw-response.json", &v1)
	unwrap(event.APIGatewayV1, v1)
	want := headerOf(nil, v1.MultiValueHeaders)
	want.Set("Content-Type", asJSON)
	require.Equal(t, event.Response{Status: 200, Header: want, Body: []byte("Hello World")}, out)

	var url events.LambdaFunctionURLResponse
	sample(t, "events/testdata/lambda-urls-response.json", &url)
	unwrap(event.APIGatewayV2, url)
	want = headerOf(url.Headers, nil)
	want["Set-Cookie"] = url.Cookies
	require.Equal(t, event.Response{Status: 201, Header: want, Body: []byte(`{ "message": "Hello, world!" }`)}, out)

	var alb events.ALBTargetGroupResponse
	sample(t, "events/testdata/alb-lambda-target-response.json", &alb)
	unwrap(event.ALBMulti, alb)
	require.Equal(t, event.Response{Status: 200, Header: headerOf(nil, alb.MultiValueHeaders), Body: []byte("Hello from Lambda")}, out)
}

// FuzzUnwrap compares with encoding/json, as far as that goes.
func FuzzUnwrap(f *testing.F) {
	f.Add(byte(2), []byte(`{"statusCode":"201","headers":{"a":1,"b":null},"multiValueHeaders":{"c":["d"]},"cookies":["e=f"],"body":"aGk=","isBase64Encoded":true}`))
	f.Add(byte(3), []byte(`{"statusCode":2e2,"body":"\ud83d\ude00\ud800\n"}`))
	f.Add(byte(3), []byte(`[-0.5e+1,{"a":[]},true,false,null,""]`))
	f.Add(byte(5), []byte(`{"statusCode":299,"body":[1, 2]}`))
	f.Add(byte(1), []byte(`{"body":"é","statusCode":404}`))
	f.Add(byte(4), []byte(` {"statusCode":200,"headers":{"A":{"b":[]}}}`))
	f.Add(byte(0), []byte(`{`))
	f.Fuzz(func(t *testing.T, b byte, payload []byte) {
		format := formats[int(b)%len(formats)]
		before := bytes.Clone(payload)
		var out event.Response
		err := event.Unwrap(format, payload, &out)
		require.Equal(t, before, payload)
		isJSON := json.Valid(payload) && utf8.Valid(payload)
		if err != nil {
			if isJSON && format == event.Raw {
				require.ErrorContains(t, err, "more than 1000")
			}
			return
		}
		require.True(t, isJSON || len(payload) == 0, "%q is not JSON", payload)
		require.GreaterOrEqual(t, out.Status, 200)
		require.LessOrEqual(t, out.Status, 599)
		for name, values := range out.Header {
			require.Equal(t, http.CanonicalHeaderKey(name), name)
			require.NotEmpty(t, values)
			for _, value := range values {
				require.False(t, strings.ContainsAny(value, "\r\n\x00"))
			}
		}
		// The same by encoding/json, which takes names that differ in case for one.
		var same struct {
			Status int             `json:"statusCode"`
			Body   json.RawMessage `json:"body"`
		}
		folded := bytes.ToLower(payload)
		once := bytes.Count(folded, []byte("body")) == 1 && bytes.Count(folded, []byte("statuscode")) == 1 &&
			bytes.Contains(payload, []byte(`"body"`)) && bytes.Contains(payload, []byte(`"statusCode"`)) && !bytes.ContainsAny(payload, `\`)
		if !once || format == event.Raw || bytes.Contains(folded, []byte("base64")) || json.Unmarshal(payload, &same) != nil || same.Status == 0 || same.Body == nil {
			return
		}
		require.Equal(t, same.Status, out.Status)
		want := string(same.Body)
		if want == "null" {
			want = ""
		} else if want[0] == '"' {
			want = want[1 : len(want)-1]
		}
		require.Equal(t, want, string(out.Body))
	})
}
