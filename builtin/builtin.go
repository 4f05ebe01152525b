// Package builtin is the one list of the kinds and protocols in the standard
// binary.
package builtin

import (
	"github.com/dragoman-gateway/dragoman/filter"
	"github.com/dragoman-gateway/dragoman/filter/compress"
	"github.com/dragoman-gateway/dragoman/filter/cors"
	"github.com/dragoman-gateway/dragoman/kind"
	"github.com/dragoman-gateway/dragoman/reflect/source"
	"github.com/dragoman-gateway/dragoman/reflect/source/image"
	"github.com/dragoman-gateway/dragoman/reflect/source/proto"
	"github.com/dragoman-gateway/dragoman/reflect/source/reflection"
	"github.com/dragoman-gateway/dragoman/transcoder"
	transcodergrpc "github.com/dragoman-gateway/dragoman/transcoder/grpc"
	"github.com/dragoman-gateway/dragoman/transcoder/rest"
	"github.com/dragoman-gateway/dragoman/upstream"
	upstreamgrpc "github.com/dragoman-gateway/dragoman/upstream/grpc"
	upstreamhttp "github.com/dragoman-gateway/dragoman/upstream/http"
)

// Upstreams lists the kinds of upstream.
func Upstreams() *upstream.Kinds {
	kinds := new(upstream.Kinds)
	kind.Add(kinds, upstreamgrpc.New)
	kind.Add(kinds, upstreamhttp.New)
	// Those that need the SDK of a cloud: a build tag leaves each out.
	addLambda(kinds)
	addGoogle(kinds)
	addAzure(kinds)
	return kinds
}

// Sources lists the kinds of descriptor source.
func Sources() *source.Kinds {
	kinds := new(source.Kinds)
	kind.Add(kinds, reflection.New)
	kind.Add(kinds, proto.New)
	kind.Add(kinds, image.New)
	return kinds
}

// Filters lists the kinds of filter.
func Filters() *filter.Kinds {
	kinds := new(filter.Kinds)
	kind.Add(kinds, cors.New)
	kind.Add(kinds, compress.New)
	return kinds
}

// Protocols lists the inbound protocols. REST comes last: it answers for
// requests that are of no other protocol.
func Protocols() []transcoder.Protocol {
	return []transcoder.Protocol{transcodergrpc.New(), rest.New()}
}
