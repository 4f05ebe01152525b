package lambda_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awslambda "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/upstream"
)

// BenchmarkSend compares a call by this package with one by the bare SDK whose event and
// answer are made with the types of aws-lambda-go, as a gateway without this package
// would. The service is a stand-in that answers at once: what remains is HTTP, the
// signature and what is measured.
func BenchmarkSend(b *testing.B) {
	body := `{"items":[` + strings.Repeat(`{"id":1,"name":"A name"},`, 80) + `{}]}`
	returned, err := json.Marshal(events.APIGatewayV2HTTPResponse{StatusCode: http.StatusOK, Headers: map[string]string{"content-type": "application/json"}, Body: body})
	require.NoError(b, err)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = w.Write(returned)
	}))
	b.Cleanup(service.Close)
	header := http.Header{
		"Accept": {"application/json"}, "Authorization": {"Bearer " + strings.Repeat("x", 600)}, "Content-Type": {"application/json"},
		"User-Agent": {"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"},
	}

	b.Run("kind", func(b *testing.B) {
		up := start(b, &configpb.AWSLambdaUpstream{
			Function: "thumbnails", Region: "eu-west-1", Endpoint: service.URL,
			Credentials: &configpb.AWSCredentials{Static: &configpb.AWSStaticCredentials{AccessKeyId: "AKIDEXAMPLE", SecretAccessKey: "secret"}},
		})
		ctx := upstream.WithAbout(b.Context(), about(nil).About)
		b.ReportAllocs()
		for b.Loop() {
			r, _ := http.NewRequestWithContext(ctx, http.MethodPost, "https://api.example.com/v1/books/7?page=2", strings.NewReader(body))
			r.Header = header
			resp, err := up.Send(r, nil)
			require.NoError(b, err)
			n, _ := io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			require.EqualValues(b, len(body), n)
		}
	})
	b.Run("sdk", func(b *testing.B) {
		client := awslambda.New(awslambda.Options{
			Region: "eu-west-1", BaseEndpoint: &service.URL,
			Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
		})
		b.ReportAllocs()
		for b.Loop() {
			e := events.APIGatewayV2HTTPRequest{
				Version: "2.0", RouteKey: "POST /v1/books/{id}", RawPath: "/v1/books/7", RawQueryString: "page=2", Headers: map[string]string{},
				QueryStringParameters: map[string]string{"page": "2"}, PathParameters: map[string]string{"id": "7"}, Body: body,
			}
			for name, values := range header {
				e.Headers[strings.ToLower(name)] = strings.Join(values, ",")
			}
			payload, _ := json.Marshal(&e)
			out, err := client.Invoke(b.Context(), &awslambda.InvokeInput{FunctionName: aws.String("thumbnails"), Payload: payload})
			require.NoError(b, err)
			var answer events.APIGatewayV2HTTPResponse
			require.NoError(b, json.Unmarshal(out.Payload, &answer))
			require.Len(b, answer.Body, len(body))
		}
	})
}
