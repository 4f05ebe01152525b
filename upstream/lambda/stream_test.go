package lambda_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream"
	"github.com/aws/aws-sdk-go-v2/aws/protocol/eventstream/eventstreamapi"
	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/lambda"
)

// gate holds a function up until the test lets it go on.
func gate(t *testing.T) (url string, open func()) {
	t.Helper()
	opened := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-opened:
		case <-r.Context().Done():
		}
	}))
	var once sync.Once
	open = func() { once.Do(func() { close(opened) }) }
	t.Cleanup(func() {
		open() // or a failed test waits for ever
		server.Close()
	})
	return server.URL, open
}

func TestStream(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	cfg := config(s, "stream")
	cfg.Invocation = "stream"
	up := start(t, cfg)

	t.Run("as it comes", func(t *testing.T) {
		url, open := gate(t)
		script := `{"status":203,"headers":{"X-A":"b"},"cookies":["c=1","d=2"],"steps":[{"write":"first"},{"wait":"` + url + `"},{"write":"second"}]}`
		r := request(t, "POST", "/", script, about(nil))
		r.Header.Set("Content-Type", "application/json")
		resp, err := up.Send(r, nil)
		require.NoError(t, err)
		require.Equal(t, http.StatusNonAuthoritativeInfo, resp.StatusCode)
		require.Equal(t, "b", resp.Header.Get("X-A"))
		require.Equal(t, []string{"c=1", "d=2"}, resp.Header["Set-Cookie"])
		require.EqualValues(t, -1, resp.ContentLength)
		first := make([]byte, 100)
		n, err := io.ReadAtLeast(resp.Body, first, 5)
		require.NoError(t, err)
		require.Equal(t, "first", string(first[:n]), "the function has not gone on")
		open()
		rest, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, "second", string(rest))
		_, err = resp.Body.Read(first)
		require.ErrorIs(t, err, io.EOF)
		require.NoError(t, resp.Body.Close())
	})
	t.Run("no prelude", func(t *testing.T) {
		resp, text := answer(t, up, request(t, "POST", "/", "", to("bytes", "")))
		require.Equal(t, http.StatusOK, resp.StatusCode)
		require.Equal(t, "application/octet-stream", resp.Header.Get("Content-Type"))
		require.Equal(t, "one\ntwo\nthree\n", text)
	})
	t.Run("no body is allowed", func(t *testing.T) {
		const script = `{"status":204,"steps":[{"write":"for nobody"}`
		_, text := answer(t, up, request(t, "POST", "/", script+`,{"write":"and more"}]}`, to("stream", "")))
		require.Empty(t, text)
		resp, err := up.Send(request(t, "POST", "/", script+`,{"error":"too late"}]}`, to("stream", "")), nil)
		require.NoError(t, err)
		_, err = io.ReadAll(resp.Body)
		require.ErrorContains(t, err, "too late", "its end is that of the function")
		require.NoError(t, resp.Body.Close())
		r := request(t, "HEAD", "/", `{"steps":[{"write":"for nobody"}]}`, to("stream", ""))
		_, text = answer(t, up, r)
		require.Empty(t, text)
	})
	t.Run("large", func(t *testing.T) {
		_, text := answer(t, up, request(t, "POST", "/", `{"steps":[{"write":"0123456789abcdef","times":100000}]}`, to("stream", "")))
		require.Len(t, text, 1600000)
	})
	t.Run("a buffered function", func(t *testing.T) {
		_, text := answer(t, up, request(t, "POST", "/", `{"a":1}`, to("echo", "")))
		require.JSONEq(t, `{"a":1}`, text)
	})
}

// TestStreamBreaks has streams that end before they are complete: never cleanly.
func TestStreamBreaks(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	cfg := config(s, "bytes")
	cfg.Invocation, cfg.Event = "stream", "raw"
	up := start(t, cfg)
	const before = `{"steps":[{"write":"begun"},`
	read := func(t *testing.T, script string) (string, *upstream.Error) {
		t.Helper()
		resp, err := up.Send(request(t, "POST", "/", script, about(nil)), nil)
		require.NoError(t, err)
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		var failed *upstream.Error
		require.ErrorAs(t, err, &failed)
		require.Equal(t, "bytes", failed.Endpoint)
		_, again := resp.Body.Read(make([]byte, 1))
		require.Equal(t, err, again)
		return string(text), failed
	}
	t.Run("error", func(t *testing.T) {
		text, failed := read(t, before+`{"error":"out of paper"}]}`)
		require.Equal(t, "begun", text)
		require.Equal(t, rpc.FunctionFailed, failed.Reason)
		require.ErrorContains(t, failed, "out of paper")
	})
	t.Run("exit", func(t *testing.T) {
		// What it has written may be lost with it.
		resp, err := up.Send(request(t, "POST", "/", before+`{"exit":1}]}`, about(nil)), nil)
		if err == nil {
			defer resp.Body.Close()
			_, err = io.ReadAll(resp.Body)
		}
		var failed *upstream.Error
		require.ErrorAs(t, err, &failed)
		require.Equal(t, rpc.FunctionFailed, failed.Reason, "%v", failed)
	})
	t.Run("cut", func(t *testing.T) {
		url, open := gate(t)
		defer open()
		s.Inject(lambdatest.Fault{Reset: true, ResetAfter: 1})
		_, failed := read(t, before+`{"wait":"`+url+`"}]}`)
		require.Equal(t, rpc.UpstreamUnreachable, failed.Reason, "%v", failed)
		require.False(t, failed.NotSent)
	})
	t.Run("deadline", func(t *testing.T) {
		url, open := gate(t)
		defer open()
		r := request(t, "POST", "/", before+`{"wait":"`+url+`"}]}`, about(nil))
		ctx, cancel := context.WithCancelCause(r.Context())
		defer cancel(nil)
		resp, err := up.Send(r.WithContext(ctx), nil)
		require.NoError(t, err)
		defer resp.Body.Close()
		_, err = io.ReadFull(resp.Body, make([]byte, 5))
		require.NoError(t, err)
		cancel(context.DeadlineExceeded)
		_, err = resp.Body.Read(make([]byte, 1))
		var failed *upstream.Error
		require.ErrorAs(t, err, &failed)
		require.Equal(t, rpc.DeadlineExceeded, failed.Reason)
	})
	t.Run("closed", func(t *testing.T) {
		url, open := gate(t)
		defer open()
		resp, err := up.Send(request(t, "POST", "/", before+`{"wait":"`+url+`"}]}`, about(nil)), nil)
		require.NoError(t, err)
		_, err = io.ReadFull(resp.Body, make([]byte, 5))
		require.NoError(t, err)
		waits := make(chan error, 1)
		go func() {
			_, err := resp.Body.Read(make([]byte, 1))
			waits <- err
		}()
		require.NoError(t, resp.Body.Close())
		err = <-waits
		require.Error(t, err)
		require.NotErrorIs(t, err, io.EOF)
	})
}

// exception is an error as a stream carries it.
func exception(t *testing.T, kind string) []byte {
	t.Helper()
	m := eventstream.Message{Payload: []byte(`{}`)}
	m.Headers.Set(eventstreamapi.MessageTypeHeader, eventstream.StringValue(eventstreamapi.ExceptionMessageType))
	m.Headers.Set(eventstreamapi.ExceptionTypeHeader, eventstream.StringValue(kind))
	var out bytes.Buffer
	require.NoError(t, eventstream.NewEncoder().Encode(&out, m))
	return out.Bytes()
}

// TestStreamProtocol has answers of a service that breaks the rules.
func TestStreamProtocol(t *testing.T) {
	emulator := lambdatest.Start(t, lambdatest.Options{})
	for _, tc := range []struct {
		name, contentType, body string
		reason                  rpc.Reason
	}{
		{"nothing", "application/vnd.amazon.eventstream", "", rpc.UpstreamUnreachable},
		{"an exception", "application/vnd.amazon.eventstream", string(exception(t, "TooManyRequestsException")), rpc.FunctionThrottled},
		{"no events", "application/vnd.amazon.eventstream", "<html>this is no stream of events</html>", rpc.UpstreamProtocol},
	} {
		t.Run(tc.name, func(t *testing.T) {
			broken := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", tc.contentType)
				_, _ = io.WriteString(w, tc.body)
			}))
			defer broken.Close()
			cfg := config(emulator, "echo")
			cfg.Endpoint = broken.URL
			failed := failure(t, start(t, cfg), request(t, "POST", "/", "{}", about(&configpb.LambdaCall{Invocation: "stream"})))
			require.Equal(t, tc.reason, failed.Reason, "%v", failed)
			require.False(t, failed.NotSent, "the stream has begun")
			require.False(t, errors.Is(failed, io.EOF))
		})
	}
}

// TestCloseWaits for streams, which come to their end.
func TestCloseWaits(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{})
	cfg := config(s, "bytes")
	cfg.Invocation, cfg.Event = "stream", "raw"
	up, err := lambda.New(cfg, upstream.Env{Name: "function"})
	require.NoError(t, err)
	url, open := gate(t)
	resp, err := up.(upstream.HTTP).Send(request(t, "POST", "/", `{"steps":[{"write":"begun"},{"wait":"`+url+`"},{"write":", done"}]}`, nil), nil)
	require.NoError(t, err)
	closed := make(chan error)
	go func() { closed <- up.Close() }()
	_, err = io.ReadFull(resp.Body, make([]byte, 5))
	require.NoError(t, err)
	open()
	rest, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, ", done", string(rest))
	select {
	case <-closed:
		t.Fatal("it has not waited")
	default:
	}
	require.NoError(t, resp.Body.Close())
	require.NoError(t, <-closed)
}
