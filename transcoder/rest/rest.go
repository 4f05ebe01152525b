// Package rest is the protocol HTTP/JSON: it serves the google.api.http rules
// of a method, and POST /package.Service/Method with JSON for every method.
//
// It is a driver of package plan over net/http: it reads the request, has the
// plan bind it to the request message, runs the call, has the plan render the
// answer, and writes it. Unary calls and server streams are complete; methods
// with client streaming answer 501.
package rest

import (
	"net/http"
	"strings"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

// New returns the protocol.
func New() transcoder.Protocol { return protocol{} }

type protocol struct{}

var _ transcoder.Protocol = protocol{}

// Name implements [transcoder.Protocol].
func (protocol) Name() string { return "rest" }

// Speaks implements [transcoder.Protocol]: HTTP/JSON is the protocol of
// whoever does not say that he speaks gRPC in one of its forms.
func (protocol) Speaks(contentType string) bool {
	const grpc = "application/grpc"
	return len(contentType) < len(grpc) || !strings.EqualFold(contentType[:len(grpc)], grpc)
}

// Routes implements [transcoder.Protocol].
func (protocol) Routes(*transcoder.Endpoint) ([]transcoder.Route, error) { return nil, nil }

// Refuse implements [transcoder.Protocol].
func (protocol) Refuse(w http.ResponseWriter, _ *http.Request, _ *route.Exchange, err *rpc.Error) {
	w.WriteHeader(err.Reason.HTTPStatus())
}
