package event_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

// The samples are those of aws-lambda-go. What each says of its request is the request
// here; the event made of it, decoded by the same types, must be the sample again, but
// for what only AWS can know.

// sample reads a file of aws-lambda-go.
func sample(t *testing.T, name string, into any) {
	t.Helper()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aws/aws-lambda-go").Output()
	require.NoError(t, err)
	data, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), filepath.FromSlash(name)))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, into))
}

// encode makes an event and decodes it.
func encode(t *testing.T, format event.Format, in *event.Request, into any) {
	t.Helper()
	data, err := event.Append(nil, format, in)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(data, into), "%s", data)
}

func bodyOf(t *testing.T, text string, isBase64 bool) []byte {
	t.Helper()
	if !isBase64 {
		return []byte(text)
	}
	body, err := base64.StdEncoding.DecodeString(text)
	require.NoError(t, err)
	return body
}

func headerOf(single map[string]string, multi map[string][]string) http.Header {
	h := make(http.Header)
	for name, value := range single {
		h.Set(name, value)
	}
	for name, values := range multi {
		h[http.CanonicalHeaderKey(name)] = values
	}
	return h
}

func varsOf(params map[string]string) (vars []event.Var) {
	for name, text := range params {
		vars = append(vars, event.Var{Name: name, Text: text})
	}
	return vars
}

// renamed is a map with other names.
func renamed[V any](m map[string]V, name func(string) string) map[string]V {
	if m == nil {
		return nil
	}
	out := make(map[string]V)
	for k, v := range m {
		out[name(k)] = v
	}
	return out
}

// added are headers that an event has though a sample may leave them out.
func dropAdded[V any](got, want map[string]V) {
	for name := range got {
		_, sent := want[name]
		added := []string{"content-length", "cookie", "host", "user-agent", "x-forwarded-for", "x-forwarded-port", "x-forwarded-proto"}
		if !sent && slices.Contains(added, strings.ToLower(name)) {
			delete(got, name)
		}
	}
}

func TestSamplesAPIGatewayV1(t *testing.T) {
	for _, name := range []string{"events/testdata/apigw-request.json", "events/testdata/apigw-restapi-openapi-request.json"} {
		t.Run(name, func(t *testing.T) {
			var want, got events.APIGatewayProxyRequest
			sample(t, name, &want)
			encode(t, event.APIGatewayV1, &event.Request{
				Method: want.HTTPMethod, Path: want.Path, RawQuery: url.Values(want.MultiValueQueryStringParameters).Encode(),
				Scheme: "https", Host: want.Headers["Host"], Protocol: want.RequestContext.Protocol,
				Header: headerOf(want.Headers, want.MultiValueHeaders), Body: bodyOf(t, want.Body, want.IsBase64Encoded),
				Resource: want.Resource, Vars: varsOf(want.PathParameters),
				Client: want.RequestContext.Identity.SourceIP, RequestID: want.RequestContext.RequestID,
				Time: time.UnixMilli(want.RequestContext.RequestTimeEpoch), Stage: want.RequestContext.Stage,
			}, &got)

			// The sample's has another region than its Host, and another prefix than both.
			want.RequestContext.DomainName, want.RequestContext.DomainPrefix = want.Headers["Host"], "gy415nuibc"
			require.Equal(t, want.RequestContext.RequestID, got.RequestContext.ExtendedRequestID)
			want.RequestContext.ExtendedRequestID = got.RequestContext.ExtendedRequestID
			want.Headers = renamed(want.Headers, http.CanonicalHeaderKey)
			want.MultiValueHeaders = renamed(want.MultiValueHeaders, http.CanonicalHeaderKey)
			dropAdded(got.Headers, want.Headers)
			dropAdded(got.MultiValueHeaders, want.MultiValueHeaders)
			want.StageVariables = nil
			want.RequestContext.AccountID, want.RequestContext.APIID, want.RequestContext.ResourceID = "", "", ""
			want.RequestContext.OperationName, want.RequestContext.Authorizer = "", nil
			want.RequestContext.Identity = events.APIGatewayRequestIdentity{
				SourceIP: want.RequestContext.Identity.SourceIP, UserAgent: want.RequestContext.Identity.UserAgent,
			}
			require.Empty(t, cmp.Diff(want, got))
		})
	}
}

func TestSamplesAPIGatewayV2(t *testing.T) {
	for _, name := range []string{
		"events/testdata/apigw-v2-request-no-authorizer.json", "events/testdata/apigw-v2-request-jwt-authorizer.json",
		"events/testdata/apigw-v2-request-iam.json", "events/testdata/apigw-v2-request-lambda-authorizer.json",
	} {
		t.Run(name, func(t *testing.T) {
			var want, got events.APIGatewayV2HTTPRequest
			sample(t, name, &want)
			header := headerOf(want.Headers, nil)
			header.Set("User-Agent", want.RequestContext.HTTP.UserAgent)
			if len(want.Cookies) > 0 {
				header.Set("Cookie", strings.Join(want.Cookies, "; "))
			}
			in := &event.Request{
				Method: want.RequestContext.HTTP.Method, Path: want.RawPath, RawQuery: want.RawQueryString,
				Scheme: "https", Host: want.RequestContext.DomainName, Protocol: want.RequestContext.HTTP.Protocol,
				Header: header, Body: bodyOf(t, want.Body, want.IsBase64Encoded), Vars: varsOf(want.PathParameters),
				Client: want.RequestContext.HTTP.SourceIP, RequestID: want.RequestContext.RequestID,
				Time: time.UnixMilli(want.RequestContext.TimeEpoch), Stage: want.RequestContext.Stage,
			}
			if header.Get("Content-Type") == "" {
				header.Set("Content-Type", "application/json") // the sample's body is text, and does not say why
			}
			if key := want.RouteKey; key != "$default" {
				_, in.Resource, _ = strings.Cut(key, " ")
			}
			encode(t, event.APIGatewayV2, in, &got)

			want.Headers = renamed(want.Headers, strings.ToLower)
			dropAdded(got.Headers, want.Headers)
			if _, sent := want.Headers["content-type"]; !sent {
				delete(got.Headers, "content-type")
			}
			if want.Headers["content-length"] == "0" {
				delete(want.Headers, "content-length")
			}
			if got.RequestContext.Time != want.RequestContext.Time {
				require.NotContains(t, want.RequestContext.Time, " ", "samples from the documentation have another time than timeEpoch")
				want.RequestContext.Time = got.RequestContext.Time
			}
			want.StageVariables = nil
			want.RequestContext.AccountID, want.RequestContext.APIID = "", ""
			want.RequestContext.Authorizer = nil
			want.RequestContext.Authentication = events.APIGatewayV2HTTPRequestContextAuthentication{}
			require.Empty(t, cmp.Diff(want, got))
		})
	}
}

func TestSamplesFunctionURL(t *testing.T) {
	for _, name := range []string{
		"events/testdata/lambda-urls-request.json",
		"lambdaurl/testdata/function-url-domain-only-get-request.json",
		"lambdaurl/testdata/function-url-domain-only-get-request-trailing-slash.json",
		"lambdaurl/testdata/function-url-domain-only-request-with-base64-encoded-body.json",
		"lambdaurl/testdata/function-url-request-with-headers-and-cookies-and-text-body.json",
	} {
		t.Run(name, func(t *testing.T) {
			var want, got events.LambdaFunctionURLRequest
			sample(t, name, &want)
			header := headerOf(want.Headers, nil)
			header.Set("User-Agent", want.RequestContext.HTTP.UserAgent)
			documented := len(want.Cookies) > 0 && header.Get("Cookie") == "" // and not recorded
			if documented {
				header.Set("Cookie", strings.Join(want.Cookies, "; "))
				header.Set("Content-Type", "text/plain")
			}
			encode(t, event.APIGatewayV2, &event.Request{
				Method: want.RequestContext.HTTP.Method, Path: want.RawPath, RawQuery: want.RawQueryString,
				Scheme: "https", Host: want.RequestContext.DomainName, Protocol: want.RequestContext.HTTP.Protocol,
				Header: header, Body: bodyOf(t, want.Body, want.IsBase64Encoded),
				Client: want.RequestContext.HTTP.SourceIP, RequestID: want.RequestContext.RequestID,
				Time: time.UnixMilli(want.RequestContext.TimeEpoch),
			}, &got)

			if documented {
				dropAdded(got.Headers, want.Headers)
				delete(got.Headers, "content-type")
				want.RequestContext.Time = got.RequestContext.Time // the sample's is another than timeEpoch
			}
			if want.Headers["content-length"] == "0" {
				delete(want.Headers, "content-length")
			}
			want.RequestContext.AccountID, want.RequestContext.APIID, want.RequestContext.Authorizer = "", "", nil
			require.Empty(t, cmp.Diff(want, got))
		})
	}
}

func TestSamplesALB(t *testing.T) {
	for name, format := range map[string]event.Format{
		"events/testdata/alb-lambda-target-request-headers-only.json":       event.ALB,
		"events/testdata/alb-lambda-target-request-multivalue-headers.json": event.ALBMulti,
	} {
		t.Run(name, func(t *testing.T) {
			var want, got events.ALBTargetGroupRequest
			sample(t, name, &want)
			query := url.Values(want.MultiValueQueryStringParameters)
			for key, value := range want.QueryStringParameters {
				query = url.Values{key: {value}}
			}
			header := headerOf(want.Headers, want.MultiValueHeaders)
			encode(t, format, &event.Request{
				Method: want.HTTPMethod, Path: want.Path, RawQuery: query.Encode(), Scheme: "http", Host: header.Get("Host"),
				Header: header, Body: bodyOf(t, want.Body, want.IsBase64Encoded), Client: header.Get("X-Forwarded-For"),
			}, &got)

			want.RequestContext.ELB.TargetGroupArn = ""
			require.Empty(t, cmp.Diff(want, got))
		})
	}
}
