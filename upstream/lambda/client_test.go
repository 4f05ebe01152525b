package lambda_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"
	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
	"github.com/dragoman-gateway/dragoman/rpc"
)

// streamEvent is an event of a stream as the service sends it.
func streamEvent(t *testing.T, kind, payload string) []byte {
	t.Helper()
	m := eventstream.Message{Payload: []byte(payload)}
	m.Headers.Set(eventstreamapi.MessageTypeHeader, eventstream.StringValue(eventstreamapi.EventMessageType))
	m.Headers.Set(eventstreamapi.EventTypeHeader, eventstream.StringValue(kind))
	var out bytes.Buffer
	require.NoError(t, eventstream.NewEncoder().Encode(&out, m))
	return out.Bytes()
}

// TestEarlyAnswer has an answer that begins before the request is all sent. The SDK closes
// the request's body then, and the connection must outlive that: it has the answer.
func TestEarlyAnswer(t *testing.T) {
	emulator := lambdatest.Start(t, lambdatest.Options{})
	// More than the buffers of a connection hold.
	payload := `"` + strings.Repeat("x", 6<<20-2) + `"`
	for _, tc := range []struct{ invocation, first, rest string }{
		{"stream", string(streamEvent(t, "PayloadChunk", `"one`)), string(streamEvent(t, "PayloadChunk", ` two"`)) + string(streamEvent(t, "InvokeComplete", "{}"))},
		{"wait", `"one`, ` two"`},
	} {
		t.Run(tc.invocation, func(t *testing.T) {
			sent := make(chan int64, 1)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c := http.NewResponseController(w)
				if c.EnableFullDuplex() != nil {
					return
				}
				_, _ = io.WriteString(w, tc.first)
				_ = c.Flush()
				n, _ := io.Copy(io.Discard, r.Body)
				sent <- n
				_, _ = io.WriteString(w, tc.rest)
			}))
			defer server.Close()
			cfg := config(emulator, "echo")
			cfg.Endpoint, cfg.Event = server.URL, "raw"
			_, text := answer(t, start(t, cfg), request(t, "POST", "/", payload, about(&configpb.LambdaCall{Invocation: tc.invocation})))
			require.Equal(t, `"one two"`, text)
			require.EqualValues(t, len(payload), <-sent)
		})
	}
}

// TestRedirect has a service that sends its callers elsewhere: events do not go there.
func TestRedirect(t *testing.T) {
	emulator := lambdatest.Start(t, lambdatest.Options{})
	server := httptest.NewServer(http.RedirectHandler(emulator.URL+"/2015-03-31/functions/echo/invocations", http.StatusTemporaryRedirect))
	defer server.Close()
	cfg := config(emulator, "echo")
	cfg.Endpoint = server.URL
	for _, invocation := range []string{"wait", "stream", "async"} {
		failed := failure(t, start(t, cfg), request(t, "POST", "/", "{}", about(&configpb.LambdaCall{Invocation: invocation})))
		require.Equal(t, rpc.UpstreamProtocol, failed.Reason, "%v", failed)
	}
	require.Empty(t, emulator.Calls())
}

// body says whether it has been closed.
type body struct {
	io.Reader
	closed bool
}

func (b *body) Close() error {
	b.closed = true
	return nil
}

// TestBodyIsClosed, whatever becomes of the request.
func TestBodyIsClosed(t *testing.T) {
	up := start(t, config(lambdatest.Start(t, lambdatest.Options{}), "echo"))
	for text, fails := range map[string]bool{"{}": false, "no JSON": true} {
		b := &body{Reader: strings.NewReader(text)}
		r := request(t, "POST", "/", "", raw())
		r.Body = b
		resp, err := up.Send(r, nil)
		require.Equal(t, fails, err != nil, "%v", err)
		if err == nil {
			require.NoError(t, resp.Body.Close())
		}
		require.True(t, b.closed, text)
	}
}
