package rest_test

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// TestAnswerBeforeTheEnd has an HTTP/1.1 client wait for the answer before it ends,
// or even begins, its half: whatever the answer is, no time passes.
func TestAnswerBeforeTheEnd(t *testing.T) {
	api := newAPI(t)
	enough := func(_ context.Context, _ *rpc.Call, sink rpc.Sink) {
		sink.End(rpc.Status{Code: codes.FailedPrecondition, Message: "enough"}, nil)
	}
	one := func(_ context.Context, _ *rpc.Call, sink rpc.Sink) {
		_ = sink.Message(rpc.NewBuffer())
		sink.End(rpc.Status{}, nil)
	}
	const json = "Content-Type: application/json\n"
	for _, tt := range []struct {
		name               string
		method             protoreflect.Name
		path, header, body string
		up                 local
		status             int
		want               string
	}{
		{"an error of the upstream, one answer", "Upload", "/v1/upload", json, "[{},", enough, 400, "enough"},
		{"an error of the upstream, many answers", "Chat", "/v1/chat", json, "[{},", enough, 400, "enough"},
		{"one answer", "Upload", "/v1/upload", json, "[{},", one, 200, "{}"},
		{"an element that is none", "Chat", "/v1/chat", json, `[{"nope":1},`, hung, 400, "element 0"},
		{"an element that is none, one answer", "Upload", "/v1/upload", json, `[{"nope":1},`, hung, 400, "element 0"},
		{"a type that is none", "Chat", "/v1/chat", "Content-Type: text/plain\n", "", one, 415, "text/plain"},
		{"a type that is none, one answer", "Upload", "/v1/upload", "Content-Type: text/plain\n", "", one, 415, "text/plain"},
		{"a query that is none", "Chat", "/v1/chat?nope=1", json, "[{},", one, 400, "nope"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client := api.newMemory(t, tt.method, http.MethodPost, tt.up, nil).dial(t)
				started := time.Now()
				go func() {
					write := strings.NewReplacer("\n", "\r\n")
					_, _ = write.WriteString(client, "POST "+tt.path+" HTTP/1.1\nHost: x\n"+tt.header+"Transfer-Encoding: chunked\n\n")
					if tt.body != "" {
						_, _ = client.Write(append([]byte{"0123456789abcdef"[len(tt.body)], '\r', '\n'}, tt.body+"\r\n"...))
					}
				}()
				a := read(t, bufio.NewReader(client))
				require.NoError(t, a.err)
				require.Zero(t, time.Since(started), "the answer waited")
				require.Equal(t, tt.status, a.StatusCode, a.body)
				require.Contains(t, a.body, tt.want)
				require.True(t, a.Close)
			})
		})
	}
}

// TestEndBeforeTheEnd has an HTTP/1.1 client send on and on while the answer ends:
// it learns of the end as soon as more of it has come.
func TestEndBeforeTheEnd(t *testing.T) {
	api := newAPI(t)
	synctest.Test(t, func(t *testing.T) {
		const every = 100 * time.Millisecond
		client := api.newMemory(t, "Chat", http.MethodPost, local(func(_ context.Context, _ *rpc.Call, sink rpc.Sink) {
			_ = sink.Message(rpc.NewBuffer())
			sink.End(rpc.Status{}, nil)
		}), nil).dial(t)
		started, wrote := time.Now(), make(chan struct{})
		go func() {
			defer close(wrote)
			_, err := client.Write([]byte("POST /v1/chat HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n[\r\n"))
			for err == nil {
				time.Sleep(every)
				_, err = client.Write([]byte("3\r\n{},\r\n"))
			}
		}()
		a := read(t, bufio.NewReader(client))
		require.NoError(t, a.err)
		require.Equal(t, "[{}]", a.body)
		require.LessOrEqual(t, time.Since(started), every)
		_ = client.Close()
		<-wrote
	})
}

// hung is an upstream that says nothing until it is cancelled.
func hung(ctx context.Context, _ *rpc.Call, sink rpc.Sink) {
	<-ctx.Done()
	sink.End(rpc.Status{Code: codes.Canceled, Reason: rpc.ClientClosed}, nil)
}
