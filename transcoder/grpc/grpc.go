// Package grpc is native gRPC over HTTP/2 as an inbound protocol: every method of
// an endpoint answers POST /package.Service/Method.
package grpc

import (
	"net/http"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

type protocol struct{}

// New makes the protocol. It has no configuration.
func New() transcoder.Protocol { return protocol{} }

var _ transcoder.Protocol = protocol{}

func (protocol) Name() string { return "grpc" }

func (protocol) Routes(ep *transcoder.Endpoint) ([]transcoder.Route, error) { return nil, nil }

func (protocol) Speaks(contentType string) bool { return false }

func (protocol) Refuse(w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error) {}
