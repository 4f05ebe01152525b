package lambda_test

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"
	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/lambda"
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

// traced is r, of which conns is told whether its connection had been used before.
func traced(r *http.Request, conns chan<- bool) *http.Request {
	return r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{GotConn: func(c httptrace.GotConnInfo) { conns <- c.Reused }}))
}

// TestConnectionsAreKept from one call to the next, from one stream as well.
func TestConnectionsAreKept(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	up := start(t, config(s, "echo"))
	for _, invocation := range []string{"wait", "stream"} {
		const calls = 5
		conns := make(chan bool, calls)
		for range calls {
			answer(t, up, traced(request(t, "POST", "/", "{}", to("", invocation)), conns))
		}
		close(conns)
		reused := 0
		for r := range conns {
			if r {
				reused++
			}
		}
		// A machine may be so busy that a stream's is given up.
		require.GreaterOrEqual(t, reused, calls/2, invocation)
	}
}

func TestLimitOfConnections(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	cfg := config(s, "echo")
	one := uint32(1)
	cfg.Limits = &configpb.UpstreamLimits{Connections: &one}
	up := start(t, cfg)
	release := make(chan struct{})
	s.Inject(lambdatest.Fault{Function: "echo", Until: release})
	conns := make(chan bool, 2)
	first, second := traced(request(t, "POST", "/", "{}", raw()), conns), traced(request(t, "POST", "/", "{}", raw()), conns)
	done := make(chan error, 2)
	send := func(r *http.Request) {
		resp, err := up.Send(r, nil)
		if err == nil {
			err = resp.Body.Close()
		}
		done <- err
	}
	go send(first)
	require.False(t, <-conns)
	waits := make(chan struct{})
	go send(second.WithContext(httptrace.WithClientTrace(second.Context(), &httptrace.ClientTrace{GetConn: func(string) { close(waits) }})))
	<-waits
	close(release)
	require.True(t, <-conns, "the second waits for the connection of the first")
	require.NoError(t, <-done)
	require.NoError(t, <-done)
}

// TestCloseEndsConnections that no call uses, and leaves none to time.
func TestCloseEndsConnections(t *testing.T) {
	emulator := lambdatest.Start(t, lambdatest.Options{})
	ended := make(chan struct{}, 1)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, "{}")
	}))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateClosed {
			ended <- struct{}{}
		}
	}
	server.Start()
	defer server.Close()
	cfg := config(emulator, "echo")
	cfg.Endpoint = server.URL
	up, err := lambda.New(cfg, upstream.Env{Name: "function"})
	require.NoError(t, err)
	answer(t, up.(upstream.HTTP), request(t, "POST", "/", "{}", nil))
	require.NoError(t, up.Close())
	select {
	case <-ended:
	case <-time.After(20 * time.Second):
		t.Fatal("the connection is still there")
	}
}
