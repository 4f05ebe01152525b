package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
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
