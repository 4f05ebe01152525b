// Command lambda is a function of AWS Lambda, or rather three of them in one binary:
// which one it is says _HANDLER, as in a custom runtime of AWS. Nothing here knows of
// a gateway.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	switch handler := os.Getenv("_HANDLER"); handler {
	case "greet":
		lambda.Start(greet)
	case "upper":
		lambda.Start(upper)
	case "count":
		lambda.Start(count)
	default:
		log.Fatalf("no handler %q", handler)
	}
}

// greet was written for an HTTP API of API Gateway, or for a function URL.
func greet(_ context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	if event.PathParameters["name"] == "nobody" {
		return events.APIGatewayV2HTTPResponse{StatusCode: http.StatusNotFound, Body: "nobody is here\n"}, nil
	}
	body, err := json.Marshal(map[string]any{
		"hello": event.PathParameters["name"],
		"route": event.RouteKey,
		"query": event.QueryStringParameters,
		"known": event.Cookies,
		"from":  event.RequestContext.HTTP.SourceIP,
	})
	return events.APIGatewayV2HTTPResponse{
		StatusCode: http.StatusOK,
		Headers:    map[string]string{"Content-Type": "application/json"},
		Cookies:    []string{"seen=yes; Path=/", "theme=dark"},
		Body:       string(body) + "\n",
	}, err
}

// wordError is an error with a type of its own, which clients get to see.
type wordError struct{ word string }

func (e wordError) Error() string { return fmt.Sprintf("%q is no word", e.word) }

// upper takes and returns JSON, and knows nothing of HTTP.
func upper(_ context.Context, word string) (string, error) {
	if strings.ContainsAny(word, "0123456789") {
		return "", wordError{word}
	}
	log.Printf("in capitals: %s", strings.ToUpper(word))
	return strings.ToUpper(word), nil
}

// count streams: what it writes is with the client before the next line is made.
func count(context.Context, events.LambdaFunctionURLRequest) (*events.LambdaFunctionURLStreamingResponse, error) {
	r, w := io.Pipe()
	go func() {
		for _, line := range []string{"one", "two", "three"} {
			if _, err := fmt.Fprintln(w, line); err != nil {
				return
			}
		}
		_ = w.Close() // that of a pipe cannot fail
	}()
	return &events.LambdaFunctionURLStreamingResponse{
		StatusCode: http.StatusOK,
		Headers:    map[string]string{"Content-Type": "text/plain", "X-Lines": "3"},
		Body:       r,
	}, nil
}
