package rest_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

// A tag in the upstream's trailer is that of the answer, once.
func TestTagInTrailer(t *testing.T) {
	a := newAPI(t)
	up := local(func(_ context.Context, call *rpc.Call, sink rpc.Sink) {
		call.Request.Release()
		sink.Head(nil)
		_ = sink.Message(rpc.NewBuffer())
		sink.End(rpc.Status{}, rpc.Header{{Name: "etag", Value: `"mine"`}})
	})
	settings := transcoder.DefaultSettings()
	settings.ETag = "*"
	routes, err := rest.New().Routes(a.endpoint(t, a.method(t, "R1"), up, &settings))
	require.NoError(t, err)
	for _, known := range []string{"", `"mine"`} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest("GET", "/v1/things/a", nil)
		r.Header.Set("If-None-Match", known)
		routes[0].Handler.Serve(w, r, &route.Exchange{Path: "/v1/things/a", Captures: []route.Span{{Start: 11, End: 12}}})
		require.Equal(t, []string{`"mine"`}, w.Header()["Etag"])
		if known != "" {
			require.Equal(t, http.StatusNotModified, w.Code)
		}
	}
}
