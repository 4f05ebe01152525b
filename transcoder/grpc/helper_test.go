package grpc_test

import (
	"context"
	"net/http"
	"sort"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	transcodergrpc "github.com/dragoman-gateway/dragoman/transcoder/grpc"
)

func newProtocol() transcoder.Protocol { return transcodergrpc.New() }

// refuser refuses every request.
type refuser struct{ err *rpc.Error }

func (f refuser) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	settings := transcoder.DefaultSettings()
	transcodergrpc.New().Refuse(w, r, &route.Exchange{}, f.err, &settings)
}

// sendHeader sends a head, and then fails.
func sendHeader(ctx context.Context) error {
	if err := grpc.SendHeader(ctx, metadata.Pairs("x-early", "1")); err != nil {
		return err
	}
	return status.Error(codes.FailedPrecondition, "late")
}

func sortStrings(s []string) { sort.Strings(s) }
