package lambdatest_test

import (
	"context"
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
)

const nuls = "\x00\x00\x00\x00\x00\x00\x00\x00"

// open begins a stream, which ends with the test at the latest.
func open(t *testing.T, ctx context.Context, c *lambda.Client, in *lambda.InvokeWithResponseStreamInput) (*lambda.InvokeWithResponseStreamOutput, *lambda.InvokeWithResponseStreamEventStream) {
	t.Helper()
	out, err := c.InvokeWithResponseStream(ctx, in)
	require.NoError(t, err)
	stream := out.GetStream()
	t.Cleanup(func() { stream.Close() })
	return out, stream
}

// drain reads a stream to its end: what it carried, in how many chunks, and its
// last event, nil if there is none.
func drain(stream *lambda.InvokeWithResponseStreamEventStream) (text string, chunks int, last *types.InvokeWithResponseStreamCompleteEvent) {
	var b strings.Builder
	for e := range stream.Events() {
		switch e := e.(type) {
		case *types.InvokeWithResponseStreamResponseEventMemberPayloadChunk:
			b.Write(e.Value.Payload)
			chunks++
		case *types.InvokeWithResponseStreamResponseEventMemberInvokeComplete:
			last = &e.Value
		}
	}
	return b.String(), chunks, last
}

func TestStream(t *testing.T) {
	c := client(t, lambdatest.Start(t, lambdatest.Options{MaxStreamBytes: 100_000, Functions: []lambdatest.Function{
		{Name: "stream"}, {Name: "bytes"}, {Name: "echo"}, {Name: "fail"}, {Name: "panic"}, {Name: "none", Handler: "no-such"},
		{Name: "short", Handler: "bytes", Timeout: 200 * time.Millisecond},
	}}))
	g := newGate(t)
	for _, tc := range []struct{ name, function, payload, want, code, details string }{
		{"prelude", "stream", `{"status":201,"headers":{"X-A":"b"},"cookies":["c=1"],"steps":[{"write":"x"}]}`, `{"statusCode":201,"headers":{"X-A":"b"},"cookies":["c=1"]}` + nuls + "x", "", ""},
		{"enclosed", "stream", `{"version":"2.0","body":"{\"steps\":[{\"write\":\"y\"}]}"}`, `{"statusCode":200}` + nuls + "y", "", ""},
		{"no prelude", "bytes", `{}`, "one\ntwo\nthree\n", "", ""},
		{"no stream", "echo", `{"a":1}`, `{"a":1}`, "", ""},
		{"as large as can be", "bytes", `{"steps":[{"write":"0123456789","times":10000}]}`, strings.Repeat("0123456789", 10000), "", ""},
		{"fails first", "fail", `{"type":"Acme.Gone","message":"sorry"}`, "", "Unhandled", `"errorType":"Acme.Gone"`},
		{"panics", "panic", `1`, "", "Unhandled", "cannot go on after 1"},
		{"does not start", "none", `{}`, "", "Unhandled", "Runtime.ExitError"},
		{"fails later", "bytes", `{"steps":[{"write":"a"},{"error":"half way"}]}`, "a", "Unhandled", "half way"},
		{"crashes later", "bytes", `{"steps":[{"write":"a"},{"exit":5}]}`, "", "Unhandled", "exit status 5"},
		{"takes too long", "short", `{"steps":[{"write":"a"},{"wait":"` + g.URL + `"}]}`, "a", "Unhandled", "Task timed out after 0.20 seconds"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, stream := open(t, t.Context(), c, &lambda.InvokeWithResponseStreamInput{FunctionName: &tc.function, Payload: []byte(tc.payload)})
			require.Equal(t, "$LATEST", *out.ExecutedVersion)
			require.Equal(t, "application/vnd.amazon.eventstream", *out.ResponseStreamContentType)
			text, _, last := drain(stream)
			require.NoError(t, stream.Err())
			require.NotNil(t, last, "no InvokeComplete")
			if tc.name != "crashes later" { // it may have taken its last words along
				require.Equal(t, tc.want, text)
			}
			require.Equal(t, tc.code, aws.ToString(last.ErrorCode))
			require.Contains(t, aws.ToString(last.ErrorDetails), tc.details)
			require.Equal(t, tc.code == "", last.ErrorDetails == nil)
		})
	}

	_, stream := open(t, t.Context(), c, &lambda.InvokeWithResponseStreamInput{
		FunctionName: aws.String("bytes"), Payload: []byte(`{"steps":[{"write":"0123456789","times":10001}]}`), LogType: types.LogTypeTail,
	})
	_, _, last := drain(stream)
	require.Contains(t, aws.ToString(last.ErrorDetails), "Function.ResponseSizeTooLarge")
	log, err := base64.StdEncoding.DecodeString(aws.ToString(last.LogResult))
	require.NoError(t, err)
	require.Contains(t, string(log), "START RequestId: ")
}

func TestStreamArrivesAsItIsWritten(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{Functions: []lambdatest.Function{{Name: "bytes", Concurrency: 1}}})
	c := client(t, s)
	g := newGate(t)
	in := &lambda.InvokeWithResponseStreamInput{
		FunctionName: aws.String("bytes"), Payload: []byte(`{"steps":[{"write":"a"},{"wait":"` + g.URL + `"},{"write":"b"}]}`),
	}
	first := func(stream *lambda.InvokeWithResponseStreamEventStream) {
		t.Helper()
		select {
		case e := <-stream.Events():
			require.Equal(t, "a", string(e.(*types.InvokeWithResponseStreamResponseEventMemberPayloadChunk).Value.Payload))
		case <-time.After(time.Minute):
			require.FailNow(t, "the first chunk waits for the second")
		}
	}
	_, stream := open(t, t.Context(), c, in)
	first(stream)
	g.passOne(t)
	text, _, last := drain(stream)
	require.Equal(t, "b", text)
	require.NotNil(t, last)

	// Who has had enough goes; the function does not notice, and another call
	// waits for it.
	ctx, cancel := context.WithCancel(t.Context())
	_, stream = open(t, ctx, c, in)
	first(stream)
	cancel()
	_, err := c.InvokeWithResponseStream(t.Context(), in)
	wantError(t, err, 429, "TooManyRequestsException", "Rate")
	g.passOne(t)
	require.Eventually(t, func() bool {
		out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("bytes")})
		return err == nil && string(out.Payload) == "one\ntwo\nthree\n"
	}, time.Minute, 10*time.Millisecond)
	require.Equal(t, 2, g.passed(), "the function went on to the gate")
}

func TestStreamIsReset(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	c := client(t, s)
	g := newGate(t)
	s.Inject(lambdatest.Fault{Reset: true, ResetAfter: 1})
	in := &lambda.InvokeWithResponseStreamInput{
		FunctionName: aws.String("bytes"), Payload: []byte(`{"steps":[{"write":"a"},{"wait":"` + g.URL + `"},{"write":"b"}]}`),
	}
	_, stream := open(t, t.Context(), c, in)
	text, _, last := drain(stream)
	require.Error(t, stream.Err())
	require.Nil(t, last)
	require.NotContains(t, text, "b")
	g.passOne(t)
	_, stream = open(t, t.Context(), c, &lambda.InvokeWithResponseStreamInput{FunctionName: aws.String("bytes")})
	text, _, last = drain(stream)
	require.NoError(t, stream.Err())
	require.Equal(t, "one\ntwo\nthree\n", text)
	require.NotNil(t, last)
}

func TestStreamIsRefused(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{MaxRequestBytes: 10})
	c := client(t, s)
	for _, tc := range []struct {
		in         lambda.InvokeWithResponseStreamInput
		status     int
		kind, text string
	}{
		{lambda.InvokeWithResponseStreamInput{FunctionName: aws.String("no")}, 404, "ResourceNotFoundException", "not found"},
		{lambda.InvokeWithResponseStreamInput{FunctionName: aws.String("echo"), Payload: []byte(`"123456789"`)}, 413, "RequestTooLargeException", "10 bytes"},
		{lambda.InvokeWithResponseStreamInput{FunctionName: aws.String("echo"), Payload: []byte(`{`)}, 400, "InvalidRequestContentException", "json"},
		{lambda.InvokeWithResponseStreamInput{FunctionName: aws.String("echo"), InvocationType: "Event"}, 400, "InvalidParameterValueException", "Event"},
	} {
		_, err := c.InvokeWithResponseStream(t.Context(), &tc.in)
		wantError(t, err, tc.status, tc.kind, tc.text)
	}
	s.Inject(lambdatest.Throttled(2))
	_, err := c.InvokeWithResponseStream(t.Context(), &lambda.InvokeWithResponseStreamInput{FunctionName: aws.String("echo")})
	wantError(t, err, 429, "TooManyRequestsException", "Rate")

	out, err := c.InvokeWithResponseStream(t.Context(), &lambda.InvokeWithResponseStreamInput{FunctionName: aws.String("echo"), InvocationType: types.ResponseStreamingInvocationTypeDryRun})
	require.NoError(t, err)
	defer out.GetStream().Close()
	require.EqualValues(t, http.StatusNoContent, out.StatusCode)
}
