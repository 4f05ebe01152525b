package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

// breaking is a body that panics.
type breaking struct{}

func (breaking) Read([]byte) (int, error) { panic("out of order") }

// What goes wrong where the messages of a client are read ends its own call, not
// the gateway.
func TestMistakeInRequest(t *testing.T) {
	up := local(func(ctx context.Context, _ *rpc.Call, sink rpc.Sink) {
		<-ctx.Done()
		sink.End(rpc.Status{Code: codes.Canceled}, nil)
	})
	api := newAPI(t)
	for method, path := range map[protoreflect.Name]string{"Upload": "/v1/upload", "Chat": "/v1/chat"} {
		r := httptest.NewRequest(http.MethodPost, path, breaking{})
		w, x := httptest.NewRecorder(), &route.Exchange{Path: path}
		r.ProtoMajor = 2
		api.handler(t, method, up).Serve(w, r, x)
		require.Equal(t, http.StatusInternalServerError, w.Code)
		require.Equal(t, string(rpc.Internal), x.Reason)
		require.NotContains(t, w.Body.String(), "out of order")
	}
}

// heldMessages holds up a client's message, once it has come, until it is let go.
type heldMessages struct{ came, letGo chan struct{} }

func (heldMessages) Wants() (requests, responses bool) { return true, false }

func (m heldMessages) Request(dst, json []byte, _ *http.Request) ([]byte, *rpc.Error) {
	close(m.came)
	<-m.letGo
	return append(dst, json...), nil
}

func (heldMessages) Response(dst, json []byte) ([]byte, *rpc.Error) { return append(dst, json...), nil }

// panicking is an upstream that panics as soon as something has happened.
type panicking struct{ after chan struct{} }

func (p panicking) Start(context.Context, *rpc.Call, rpc.Sink) rpc.Stream {
	<-p.after
	panic("out of order")
}

// The handler of a WebSocket that panics is not left before the goroutine that binds
// the client's messages has ended: what that uses is given back then.
func TestMistakeInWebSocket(t *testing.T) {
	api, settings := newAPI(t), transcoder.DefaultSettings()
	synctest.Test(t, func(t *testing.T) {
		held := heldMessages{make(chan struct{}), make(chan struct{})}
		routes, err := rest.New().Routes(api.endpoint(t, api.method(t, "Chat"), panicking{held.came}, &settings))
		require.NoError(t, err)
		i := slices.IndexFunc(routes, func(r transcoder.Route) bool { return r.Method == transcoder.MethodWebSocket })
		left := make(chan any, 1)
		m := serveInMemory(t, func(w http.ResponseWriter, r *http.Request) {
			defer func() { left <- recover() }()
			routes[i].Handler.Serve(w, r, &route.Exchange{Path: r.URL.Path, Messages: held})
		})
		conn, _, err := websocket.Dial(t.Context(), "ws://memory/v1/chat", &websocket.DialOptions{HTTPClient: m.client(t, 1)})
		require.NoError(t, err)
		defer func() { _ = conn.CloseNow() }()
		require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte(`{}`)))
		<-held.came
		synctest.Wait()
		early := len(left)
		close(held.letGo)
		require.Zero(t, early, "left, while somebody still binds a message")
		require.Equal(t, "out of order", <-left)
	})
}
