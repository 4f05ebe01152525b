package event_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

// busy is a request with something of everything.
func busy() *event.Request {
	return &event.Request{
		Method: "POST", Path: "/v1/books/a%2Fb%20c", RawQuery: "x=1&y&x=&x=2,3&a%2Fb=c%2Bd+e&&bad=%zz",
		Scheme: "https", Host: "api.example.com:8443",
		Header: http.Header{
			"Content-Type": {"application/json; charset=utf-8"}, "Content-Length": {"99"}, "User-Agent": {"curl/8"},
			"X-Multi": {"1", "2,3"}, "Cookie": {"a=1;; b=2;", " c=3"},
		},
		Body: []byte("{\"a\":\"é\"}\n"), Resource: "/v1/books/{id}", Vars: []event.Var{{Name: "id", Text: "a/b c"}},
		Client: "203.0.113.7", RequestID: "req-1", Time: time.Date(2026, 3, 1, 13, 30, 0, 250e6, time.FixedZone("", 3600)),
	}
}

// TestAppendWhole has every byte of each format.
func TestAppendWhole(t *testing.T) {
	const (
		headers = `{"content-length":"11","content-type":"application/json; charset=utf-8","cookie":" c=3","host":"api.example.com:8443","user-agent":"curl/8",` +
			`"x-forwarded-for":"203.0.113.7","x-forwarded-port":"8443","x-forwarded-proto":"https","x-multi":"2,3"}`
		multiHeaders = `{"content-length":["11"],"content-type":["application/json; charset=utf-8"],"cookie":["a=1;; b=2;"," c=3"],"host":["api.example.com:8443"],"user-agent":["curl/8"],` +
			`"x-forwarded-for":["203.0.113.7"],"x-forwarded-port":["8443"],"x-forwarded-proto":["https"],"x-multi":["1","2,3"]}`
		forwarded      = `"x-forwarded-for":"203.0.113.7","x-forwarded-port":"8443","x-forwarded-proto":"https",`
		multiForwarded = `"x-forwarded-for":["203.0.113.7"],"x-forwarded-port":["8443"],"x-forwarded-proto":["https"],`
		query          = `{"a/b":"c+d e","bad":"%zz","x":"2,3","y":""}`
		multiQuery     = `{"a/b":["c+d e"],"bad":["%zz"],"x":["1","","2,3"],"y":[""]}`
		body           = `,"body":"{\"a\":\"é\"}\n","isBase64Encoded":false}`
	)
	canonical := strings.NewReplacer(`"content-length":`, `"Content-Length":`, `"content-type":`, `"Content-Type":`, `"cookie":`, `"Cookie":`, `"host":`, `"Host":`,
		`"user-agent":`, `"User-Agent":`, `"x-forwarded-for":`, `"X-Forwarded-For":`, `"x-forwarded-port":`, `"X-Forwarded-Port":`, `"x-forwarded-proto":`, `"X-Forwarded-Proto":`, `"x-multi":`, `"X-Multi":`)
	for format, want := range map[event.Format]string{
		event.Raw: `{"a":"é"}` + "\n",
		event.HTTP: `{"httpMethod":"POST","path":"/v1/books/a%2Fb%20c","queryString":"x=1&y&x=&x=2,3&a%2Fb=c%2Bd+e&&bad=%zz",` +
			`"queryStringParameters":` + query + `,"multiValueQueryStringParameters":` + multiQuery +
			`,"headers":` + strings.Replace(headers, forwarded, "", 1) + `,"multiValueHeaders":` + strings.Replace(multiHeaders, multiForwarded, "", 1) + body,
		event.APIGatewayV1: `{"version":"1.0","resource":"/v1/books/{id}","path":"/v1/books/a%2Fb%20c","httpMethod":"POST",` +
			`"headers":` + canonical.Replace(headers) + `,"multiValueHeaders":` + canonical.Replace(multiHeaders) +
			`,"queryStringParameters":` + query + `,"multiValueQueryStringParameters":` + multiQuery +
			`,"pathParameters":{"id":"a/b c"},"stageVariables":null,"requestContext":{"accountId":"","apiId":"","domainName":"api.example.com","domainPrefix":"api",` +
			`"extendedRequestId":"req-1","httpMethod":"POST","identity":{"accessKey":null,"accountId":null,"apiKey":null,"apiKeyId":null,"caller":null,` +
			`"cognitoAuthenticationProvider":null,"cognitoAuthenticationType":null,"cognitoIdentityId":null,"cognitoIdentityPoolId":null,"principalOrgId":null,` +
			`"sourceIp":"203.0.113.7","user":null,"userAgent":"curl/8","userArn":null},"path":"/v1/books/a%2Fb%20c","protocol":"HTTP/1.1","requestId":"req-1",` +
			`"requestTime":"01/Mar/2026:12:30:00 +0000","requestTimeEpoch":1772368200250,"resourceId":"","resourcePath":"/v1/books/{id}","stage":"$default"}` + body,
		event.APIGatewayV2: `{"version":"2.0","routeKey":"POST /v1/books/{id}","rawPath":"/v1/books/a%2Fb%20c","rawQueryString":"x=1&y&x=&x=2,3&a%2Fb=c%2Bd+e&&bad=%zz",` +
			`"cookies":["a=1","b=2","c=3"],"headers":` + strings.NewReplacer(`" c=3"`, `"a=1;; b=2;;  c=3"`, `"2,3"`, `"1,2,3"`).Replace(headers) +
			`,"queryStringParameters":` + strings.Replace(query, `"2,3"`, `"1,,2,3"`, 1) + `,"pathParameters":{"id":"a/b c"},` +
			`"requestContext":{"accountId":"","apiId":"","domainName":"api.example.com","domainPrefix":"api",` +
			`"http":{"method":"POST","path":"/v1/books/a%2Fb%20c","protocol":"HTTP/1.1","sourceIp":"203.0.113.7","userAgent":"curl/8"},` +
			`"requestId":"req-1","routeKey":"POST /v1/books/{id}","stage":"$default","time":"01/Mar/2026:12:30:00 +0000","timeEpoch":1772368200250}` + body,
		event.ALB: `{"requestContext":{"elb":{"targetGroupArn":""}},"httpMethod":"POST","path":"/v1/books/a%2Fb%20c",` +
			`"queryStringParameters":{"a%2Fb":"c%2Bd+e","bad":"%zz","x":"2,3","y":""},"headers":` + headers + body,
		event.ALBMulti: `{"requestContext":{"elb":{"targetGroupArn":""}},"httpMethod":"POST","path":"/v1/books/a%2Fb%20c",` +
			`"multiValueQueryStringParameters":{"a%2Fb":["c%2Bd+e"],"bad":["%zz"],"x":["1","","2,3"],"y":[""]},"multiValueHeaders":` + multiHeaders + body,
	} {
		t.Run(format.String(), func(t *testing.T) {
			got, err := event.Append([]byte("before"), format, busy())
			require.NoError(t, err)
			require.Equal(t, "before"+want, string(got))
		})
	}
}

// TestAppendLittle is about what a request has not.
func TestAppendLittle(t *testing.T) {
	at := time.UnixMilli(0)
	for format, want := range map[event.Format]string{
		event.Raw:  `{}`,
		event.HTTP: `{"httpMethod":"GET","path":"/","queryString":"","queryStringParameters":{},"multiValueQueryStringParameters":{},"headers":{},"multiValueHeaders":{},"body":"","isBase64Encoded":false}`,
		event.APIGatewayV1: `{"version":"1.0","resource":"/{proxy+}","path":"/","httpMethod":"GET","headers":null,"multiValueHeaders":null,"queryStringParameters":null,` +
			`"multiValueQueryStringParameters":null,"pathParameters":null,"stageVariables":null,"requestContext":{"accountId":"","apiId":"","domainName":"","domainPrefix":"",` +
			`"extendedRequestId":"","httpMethod":"GET","identity":{"accessKey":null,"accountId":null,"apiKey":null,"apiKeyId":null,"caller":null,` +
			`"cognitoAuthenticationProvider":null,"cognitoAuthenticationType":null,"cognitoIdentityId":null,"cognitoIdentityPoolId":null,"principalOrgId":null,` +
			`"sourceIp":"","user":null,"userAgent":"","userArn":null},"path":"/","protocol":"HTTP/2.0","requestId":"",` +
			`"requestTime":"01/Jan/1970:00:00:00 +0000","requestTimeEpoch":0,"resourceId":"","resourcePath":"/{proxy+}","stage":"live"},"body":null,"isBase64Encoded":false}`,
		event.APIGatewayV2: `{"version":"2.0","routeKey":"$default","rawPath":"/","rawQueryString":"","headers":{},"requestContext":{"accountId":"","apiId":"","domainName":"","domainPrefix":"",` +
			`"http":{"method":"GET","path":"/","protocol":"HTTP/2.0","sourceIp":"","userAgent":""},"requestId":"","routeKey":"$default","stage":"live",` +
			`"time":"01/Jan/1970:00:00:00 +0000","timeEpoch":0},"isBase64Encoded":false}`,
		event.ALB:      `{"requestContext":{"elb":{"targetGroupArn":""}},"httpMethod":"GET","path":"/","queryStringParameters":{},"headers":{},"body":"","isBase64Encoded":false}`,
		event.ALBMulti: `{"requestContext":{"elb":{"targetGroupArn":""}},"httpMethod":"GET","path":"/","multiValueQueryStringParameters":{},"multiValueHeaders":{},"body":"","isBase64Encoded":false}`,
	} {
		t.Run(format.String(), func(t *testing.T) {
			got, err := event.Append(nil, format, &event.Request{Method: "GET", Path: "/", Protocol: "HTTP/2.0", Time: at, Stage: "live"})
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		})
	}
}

// TestRaw is A-30, and what the Invoke API says of payloads.
func TestRaw(t *testing.T) {
	for _, row := range []struct {
		body string
		ok   bool
	}{
		{`{"key1":"value1","key2":"value2"}`, true},
		{`"abc"`, true},
		{` [1] `, true},
		{`null`, true},
		{`abc`, false},
		{`{"a":1}{`, false},
		{" ", false},
		{"\"\xff\"", false},
		{"\xef\xbb\xbf{}", false},
		{strings.Repeat("[", 1e6), false},
	} {
		got, err := event.Append(nil, event.Raw, &event.Request{Body: []byte(row.body)})
		if !row.ok {
			require.ErrorIs(t, err, event.ErrNotJSON, "%.40q", row.body)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, row.body, string(got))
	}
}

// TestEcho sends requests to a function that returns what it is called with, and reads
// its answer.
func TestEcho(t *testing.T) {
	echo := func(format event.Format, in *event.Request) (out event.Response) {
		payload, err := event.Append(nil, format, in)
		require.NoError(t, err)
		require.NoError(t, event.Unwrap(format, payload, &out))
		return out
	}
	in := &event.Request{Method: "POST", Path: "/", Body: []byte(`{"key1":"value1","key2":"value2"}`)}
	require.Equal(t, event.Response{Status: 200, Header: of(asJSON), Body: in.Body}, echo(event.Raw, in), "A-30")

	in = &event.Request{Method: "PUT", Path: "/a", RawQuery: "q=1&q=2", Header: http.Header{"X-A": {"b", "c"}, "Content-Type": {"text/plain"}}, Body: []byte("hello")}
	var plain struct {
		HTTPMethod, Path, QueryString, Body                string
		IsBase64Encoded                                    *bool
		Headers, QueryStringParameters                     map[string]string
		MultiValueHeaders, MultiValueQueryStringParameters map[string][]string
	}
	out := echo(event.HTTP, in)
	require.NoError(t, json.Unmarshal(out.Body, &plain))
	require.Equal(t, "PUT /a?q=1&q=2 hello", plain.HTTPMethod+" "+plain.Path+"?"+plain.QueryString+" "+plain.Body, "A-31")
	require.False(t, *plain.IsBase64Encoded)
	require.Equal(t, map[string]string{"q": "2"}, plain.QueryStringParameters)
	require.Equal(t, map[string][]string{"q": {"1", "2"}}, plain.MultiValueQueryStringParameters)
	require.Equal(t, map[string]string{"x-a": "c", "content-type": "text/plain", "content-length": "5"}, plain.Headers)
	require.Equal(t, map[string][]string{"x-a": {"b", "c"}, "content-type": {"text/plain"}, "content-length": {"5"}}, plain.MultiValueHeaders)

	in = &event.Request{Method: "POST", Path: "/", Header: http.Header{"Test-Header-Key": {"test-header-value"}, "Content-Type": {"application/x-www-form-urlencoded"}}, Body: []byte("hello")}
	payload, err := event.Append(nil, event.APIGatewayV1, in)
	require.NoError(t, err)
	var fields map[string]any
	require.NoError(t, json.Unmarshal(payload, &fields))
	for _, name := range []string{"body", "headers", "httpMethod", "isBase64Encoded", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters", "path", "pathParameters", "requestContext", "resource", "stageVariables", "version"} {
		require.Contains(t, fields, name, "A-33")
	}
	require.Equal(t, []any{"hello", "POST", false, "1.0"}, []any{fields["body"], fields["httpMethod"], fields["isBase64Encoded"], fields["version"]})
	require.Subset(t, fields["headers"], map[string]any{"Test-Header-Key": "test-header-value"})
	for name := range fields["headers"].(map[string]any) {
		require.NotContains(t, name, ":", "a pseudo-header is no header")
	}

	// the body is an answer.
	in = &event.Request{Method: "POST", Path: "/", Body: []byte(`{"body":"gloo edge is inserting this body","headers":{"test-header-key":"test-header-value"},"statusCode":201}`)}
	payload, err = event.Append(nil, event.Raw, in)
	require.NoError(t, err)
	for _, format := range []event.Format{event.ALB, event.APIGatewayV1} {
		require.NoError(t, event.Unwrap(format, payload, &out))
		require.Equal(t, "201 test-header-value gloo edge is inserting this body", fmt.Sprint(out.Status, " ", out.Header.Get("test-header-key"), " ", string(out.Body)))
		require.Len(t, out.Body, 32)
	}
}

func TestPathParameters(t *testing.T) {
	for _, row := range []struct {
		in   event.Request
		want map[string]string
	}{
		{event.Request{Path: "/a/b%20c"}, map[string]string{"proxy": "a/b c"}},
		{event.Request{Path: "/a%2"}, map[string]string{"proxy": "a%2"}},
		{event.Request{Path: "/a", Resource: "/a"}, nil},
		{event.Request{Path: "/a/1", Resource: "/a/{n}", Vars: []event.Var{{Name: "n", Text: "1"}}}, map[string]string{"n": "1"}},
		{event.Request{Path: "/a/1", Vars: []event.Var{{Name: "n", Text: "1"}}}, map[string]string{"n": "1", "proxy": "a/1"}},
		{event.Request{Path: "/a/1", Vars: []event.Var{{Name: "proxy", Text: "1"}, {Name: "m", Text: "2"}}}, map[string]string{"proxy": "1", "m": "2"}},
	} {
		var got events.APIGatewayProxyRequest
		encode(t, event.APIGatewayV1, &row.in, &got)
		require.Equal(t, row.want, got.PathParameters, "%+v", row.in)
	}
}

func TestDomainAndPort(t *testing.T) {
	for _, row := range []struct{ scheme, host, name, prefix, port string }{
		{"https", "api.example.com", "api.example.com", "api", "443"},
		{"http", "api.example.com", "api.example.com", "api", "80"},
		{"", "api.example.com", "api.example.com", "api", ""},
		{"https", "localhost:8080", "localhost", "localhost", "8080"},
		{"https", "[::1]:8080", "::1", "::1", "8080"},
		{"http", "[::1]", "[::1]", "[::1]", "80"},
	} {
		var got events.APIGatewayV2HTTPRequest
		encode(t, event.APIGatewayV2, &event.Request{Method: "GET", Path: "/", Scheme: row.scheme, Host: row.host}, &got)
		require.Equal(t, []string{row.name, row.prefix, row.port}, []string{got.RequestContext.DomainName, got.RequestContext.DomainPrefix, got.Headers["x-forwarded-port"]}, row.host)
	}
}

// TestHeaders is about headers that are there already, twice, or not as they should be.
func TestHeaders(t *testing.T) {
	in := &event.Request{
		Method: "GET", Path: "/", Scheme: "https", Host: "example.com", Client: "203.0.113.7",
		Header: http.Header{"Host": {"other"}, "X-Forwarded-For": {"198.51.100.1"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Port": {"81"}, "content-length": {"7"}, "X-Latin": {"caf\xe9 \"\\\x01"}},
	}
	var got events.ALBTargetGroupRequest
	encode(t, event.ALB, in, &got)
	require.Equal(t, map[string]string{"host": "example.com", "x-forwarded-for": "198.51.100.1", "x-forwarded-proto": "http", "x-forwarded-port": "81", "x-latin": "caf\uFFFD \"\\\x01"}, got.Headers)

	in = &event.Request{Method: "GET", Path: "/", Header: http.Header{"X-A": {"1"}, "X-Ab": {"2"}, "x-a": {"3"}, "Host": {"here"}}}
	encode(t, event.ALBMulti, in, &got)
	require.Len(t, got.MultiValueHeaders, 3)
	require.ElementsMatch(t, []string{"1", "3"}, got.MultiValueHeaders["x-a"])
	require.Equal(t, []string{"here"}, got.MultiValueHeaders["host"])

	in = &event.Request{Method: "GET", Path: "/", RawQuery: "A=1&a=2"}
	encode(t, event.ALBMulti, in, &got)
	require.Equal(t, map[string][]string{"A": {"1"}, "a": {"2"}}, got.MultiValueQueryStringParameters)
}

func TestMany(t *testing.T) {
	in := &event.Request{Method: "GET", Path: "/", Header: http.Header{}}
	query := make(url.Values)
	for i := range 500 {
		in.Header.Set(fmt.Sprintf("X-%d", i), fmt.Sprint(i))
		in.Header.Add("X-All", fmt.Sprint(i))
		query[fmt.Sprint(i%50)] = append(query[fmt.Sprint(i%50)], fmt.Sprint(i))
	}
	in.RawQuery = query.Encode()
	var got events.APIGatewayProxyRequest
	encode(t, event.APIGatewayV1, in, &got)
	require.Equal(t, in.Header, http.Header(got.MultiValueHeaders))
	require.Equal(t, query, url.Values(got.MultiValueQueryStringParameters))
}

func TestIsBase64Encoded(t *testing.T) {
	aws := []event.Format{event.APIGatewayV2, event.ALB, event.ALBMulti}
	wide := []event.Format{event.HTTP, event.APIGatewayV1}
	for _, row := range []struct {
		contentType, coding, body string
		text                      []event.Format
	}{
		{"text/plain", "", "a", wrapped},
		{"Text/HTML; charset=utf-8", "", "é", wrapped},
		{"application/json", "", "{}", wrapped},
		{"application/javascript;x=y", "", "a", wrapped},
		{" APPLICATION/XML ", "", "a", wrapped},
		{"application/json", "identity", "{}", wrapped},
		{"application/json", "gzip", "{}", nil},
		{"application/json", "", "\xff", nil},
		{"text/plain; charset=iso-8859-1", "", "caf\xe9", nil},
		{"application/octet-stream", "", "a", nil},
		{"image/svg", "", "a", nil},
		{"multipart/form-data; boundary=x", "", "a", nil},
		{"", "", "a", wide},
		{"application/x-www-form-urlencoded", "", "a=b", wide},
		{"application/problem+json", "", "{}", wide},
		{"image/svg+xml", "", "<svg/>", wide},
		{"application/x-ndjson", "", "{}\n", wide},
	} {
		for _, format := range append(append([]event.Format{}, wide...), aws...) {
			in := &event.Request{Header: http.Header{}, Body: []byte(row.body)}
			if row.contentType != "" {
				in.Header.Set("Content-Type", row.contentType)
			}
			if row.coding != "" {
				in.Header.Set("Content-Encoding", row.coding)
			}
			var got struct {
				Body            string
				IsBase64Encoded bool
			}
			encode(t, format, in, &got)
			isText := false
			for _, f := range row.text {
				isText = isText || f == format
			}
			require.Equal(t, !isText, got.IsBase64Encoded, "%q in %s", row.contentType, format)
			require.Equal(t, row.body, string(bodyOf(t, got.Body, got.IsBase64Encoded)))
		}
	}
}

// FuzzAppend wants JSON whatever comes, and the request again.
func FuzzAppend(f *testing.F) {
	f.Add(byte(2), "GET", "/v1/a%2Fb", "a=1&a=2&b", "X-A", "b", "application/json", []byte(`{}`))
	f.Add(byte(3), "PO\"ST", "/\\\x00\xff", "%zz=%41&&=&\xff", "Cookie", "a=1;;b=\"2\"", "text/plain", []byte("\x1f\u2028\xff"))
	f.Add(byte(0), "", "", "", "", "", "", []byte(` [1, 2] `))
	f.Add(byte(5), "GET", "/", "x=1,2", "host", "é", "", []byte("\x00"))
	f.Fuzz(func(t *testing.T, b byte, method, path, query, name, value, contentType string, body []byte) {
		format := formats[int(b)%len(formats)]
		in := &event.Request{
			Method: method, Path: path, RawQuery: query, Host: value, Header: http.Header{"Content-Type": {contentType}, name: {value, method}}, Body: body,
			Resource: name, Vars: []event.Var{{Name: name, Text: value}}, Client: value, RequestID: method, Stage: path,
		}
		got, err := event.Append(nil, format, in)
		if err != nil {
			require.ErrorIs(t, err, event.ErrNotJSON)
			require.Equal(t, event.Raw, format)
			return
		}
		require.True(t, json.Valid(got), "%q", got)
		require.True(t, utf8.Valid(got), "%q", got)
		if format == event.Raw {
			return
		}
		var read struct {
			HTTPMethod, Path, RawPath, Body string
			IsBase64Encoded                 bool
			RequestContext                  struct{ HTTP struct{ Method string } }
			MultiValueQueryStringParameters map[string][]string
		}
		require.NoError(t, json.Unmarshal(got, &read), "%s", got)
		require.Equal(t, utf8Only(method), read.HTTPMethod+read.RequestContext.HTTP.Method)
		require.Equal(t, utf8Only(path), read.Path+read.RawPath)
		if read.IsBase64Encoded {
			decoded, err := base64.StdEncoding.DecodeString(read.Body)
			require.NoError(t, err)
			read.Body = string(decoded)
		}
		require.Equal(t, string(body), read.Body)
		if want, err := url.ParseQuery(query); err == nil && format == event.APIGatewayV1 && utf8.ValidString(query) && !strings.Contains(query, "%") {
			require.Equal(t, len(want), len(read.MultiValueQueryStringParameters))
			for name, values := range want {
				require.Equal(t, values, read.MultiValueQueryStringParameters[name])
			}
		}
	})
}

// utf8Only is s with U+FFFD for each byte that is not UTF-8.
func utf8Only(s string) string {
	var b strings.Builder
	for _, r := range s {
		b.WriteRune(r)
	}
	return b.String()
}

func TestFormatString(t *testing.T) {
	var names []string
	for format := range event.Format(7) {
		names = append(names, format.String())
	}
	require.Equal(t, []string{"raw", "http", "api_gateway_v1", "api_gateway_v2", "alb", "alb_multi", "unknown"}, names)
}
