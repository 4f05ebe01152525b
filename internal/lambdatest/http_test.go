package lambdatest_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
)

// The handler http answers in the format of the event.
func TestHTTPFormats(t *testing.T) {
	c := client(t, lambdatest.Start(t, lambdatest.Options{Functions: []lambdatest.Function{{Name: "http"}}}))
	for _, tc := range []struct{ format, event, cookies string }{
		{"1.0", `{"httpMethod":"PUT","path":"/p","multiValueQueryStringParameters":{"status":["203"]},"body":"b"}`, `{"Set-Cookie":["a=1; Path=/","b=2"]}`},
		{"2.0", `{"version":"2.0","rawPath":"/p","queryStringParameters":{"status":"203"},"requestContext":{"http":{"method":"PUT"}},"body":"b"}`, `["a=1; Path=/","b=2"]`},
		{"alb", `{"httpMethod":"PUT","path":"/p","queryStringParameters":{"status":"203"},"requestContext":{"elb":{}},"body":"b"}`, ``},
		{"alb-multi", `{"httpMethod":"PUT","path":"/p","multiValueQueryStringParameters":{"status":["203"]},"multiValueHeaders":{},"requestContext":{"elb":{}},"body":"b"}`, ``},
	} {
		t.Run(tc.format, func(t *testing.T) {
			var got struct {
				StatusCode        int
				Body              string
				Cookies           json.RawMessage
				MultiValueHeaders json.RawMessage
			}
			out := invoke(t, c, "http", tc.event)
			require.Nil(t, out.FunctionError, "%s", out.Payload)
			require.NoError(t, json.Unmarshal(out.Payload, &got))
			require.Equal(t, 203, got.StatusCode)
			var saw struct{ Format, Method, Path, Body string }
			require.NoError(t, json.Unmarshal([]byte(got.Body), &saw), got.Body)
			require.Equal(t, [4]string{tc.format, "PUT", "/p", "b"}, [4]string{saw.Format, saw.Method, saw.Path, saw.Body})
			switch tc.format {
			case "1.0":
				require.JSONEq(t, tc.cookies, string(got.MultiValueHeaders))
			case "2.0":
				require.JSONEq(t, tc.cookies, string(got.Cookies))
			}
		})
	}
	require.JSONEq(t, `{"method":"GET"}`, string(invoke(t, c, "http", `{"method":"GET"}`).Payload), "anything else comes back")
}
