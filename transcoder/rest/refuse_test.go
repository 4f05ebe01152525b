package rest_test

import (
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"
	_ "google.golang.org/genproto/googleapis/rpc/errdetails" // for protojson, the referee
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
)

// Refuse writes the details itself; they must be those of the error's status.
func TestRefuse(t *testing.T) {
	for name, e := range map[string]*rpc.Error{
		"plain":    rpc.Errorf(rpc.NoRoute, "no route for %q", "/x"),
		"metadata": {Reason: rpc.UpstreamProtocol, Message: "m", Metadata: map[string]string{"field": "a.b", "b": "\"é\n"}},
		"violations": {Reason: rpc.InvalidBody, Message: "m", Violations: []rpc.Violation{
			{Field: `m["k"]`, Description: "wrong"}, {Field: "rs[1]", Description: "wrong too"},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			w, x := httptest.NewRecorder(), &route.Exchange{Code: -1}
			settings := transcoder.DefaultSettings()
			rest.New().Refuse(w, httptest.NewRequest("GET", "/x", nil), x, e, &settings)
			require.Equal(t, e.Reason.HTTPStatus(), w.Code)
			require.Equal(t, string(e.Reason), w.Header().Get(rpc.ErrorHeader))
			require.Equal(t, int(e.Reason.Code()), x.Code)
			require.Equal(t, string(e.Reason), x.Reason)
			st := new(spb.Status)
			require.NoError(t, proto.Unmarshal(e.Status().Details, st))
			want, err := protojson.Marshal(st)
			require.NoError(t, err)
			require.JSONEq(t, string(want), w.Body.String())
		})
	}
}
