// Command functions holds the handlers that the emulator of AWS Lambda runs:
// real aws-lambda-go programs in one binary, because linking is what building
// them costs. As in a custom runtime of AWS, _HANDLER says which of them it is.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// handlers are by name what lambda.Start takes.
var handlers = map[string]any{
	// echo returns the event: what it is sent may be an answer in any format.
	"echo": func(event json.RawMessage) (json.RawMessage, error) { return event, nil },
	// upper makes a word loud.
	"upper":   func(word string) (string, error) { return strings.ToUpper(word), nil },
	"context": describe,
	"http":    answerHTTP,
	"stream":  streamHTTP,
	// bytes streams without a prelude.
	"bytes": streamBytes,
	// text answers with the event's text as it is, JSON or not.
	"text": func(event struct{ Text string }) (text, error) { return text{bytes.NewBufferString(event.Text)}, nil },
	// body answers with the body of an HTTP event as it is, JSON or not: who sends the
	// request says what the answer is.
	"body": func(event struct{ Body string }) (text, error) { return text{bytes.NewBufferString(event.Body)}, nil },
	// returns answers with what its environment says, JSON or not.
	"returns": func() (text, error) { return text{bytes.NewBufferString(os.Getenv("RETURNS"))}, nil },
	"fail":    fail,
	"panic":   func(event json.RawMessage) error { panic(fmt.Sprintf("cannot go on after %s", event)) },
	// exit ends the process in the middle of a call, without a word.
	"exit": func(event struct{ Code int }) error { os.Exit(event.Code); return nil },
	"sleep": func(event struct{ Milliseconds int64 }) (string, error) {
		time.Sleep(time.Duration(event.Milliseconds) * time.Millisecond)
		return "slept", nil
	},
	// wait answers once the URL of the event has.
	"wait": func(event struct{ URL string }) (string, error) { return "waited", wait(event.URL) },
	// big answers with a JSON text that has so many bytes, quotes included.
	"big": func(event struct{ Bytes int }) (string, error) {
		return strings.Repeat("x", max(0, event.Bytes-2)), nil
	},
}

func main() {
	handler, ok := handlers[os.Getenv("_HANDLER")]
	if !ok {
		log.Fatalf("no handler %q", os.Getenv("_HANDLER"))
	}
	lambda.Start(handler)
}

// text is an answer that is no JSON: the library posts readers as they are.
type text struct{ in *bytes.Buffer }

func (t text) Read(p []byte) (int, error) { return t.in.Read(p) }

// fail answers with an error, of a type if the event says one.
func fail(event struct{ Type, Message string }) error {
	if event.Type != "" {
		return messages.InvokeResponse_Error{Type: event.Type, Message: event.Message}
	}
	if event.Message == "" {
		event.Message = "it did not work"
	}
	return errors.New(event.Message)
}

// describe answers with what the runtime was told of the call.
func describe(ctx context.Context, event json.RawMessage) (map[string]any, error) {
	lc, ok := lambdacontext.FromContext(ctx)
	if !ok {
		return nil, errors.New("no Lambda context")
	}
	deadline, _ := ctx.Deadline()
	log.Printf("describing %s", lc.AwsRequestID)
	return map[string]any{
		"event":       event,
		"requestId":   lc.AwsRequestID,
		"arn":         lc.InvokedFunctionArn,
		"client":      lc.ClientContext.Client,
		"custom":      lc.ClientContext.Custom,
		"environment": lc.ClientContext.Env,
		"trace":       os.Getenv("_X_AMZN_TRACE_ID"),
		"name":        lambdacontext.FunctionName,
		"version":     lambdacontext.FunctionVersion,
		"region":      os.Getenv("AWS_REGION"),
		"setting":     os.Getenv("SETTING"),
		"process":     os.Getpid(),
		"remaining":   time.Until(deadline).Milliseconds(),
	}, nil
}

// wait is a step that a test holds up: it ends with the answer of url.
func wait(url string) error {
	resp, err := http.Get(url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}
