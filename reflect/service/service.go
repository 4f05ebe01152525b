// Package service answers reflection and health for what one host of the gateway
// exposes, whatever upstreams that comes from.
package service

import (
	"slices"

	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/rpc/adapt"
)

// Service answers grpc.reflection.v1, grpc.reflection.v1alpha and
// grpc.health.v1, in this process. It is safe for any goroutine.
//
// Health says SERVING for every exposed service and for the host as a whole
// (the name ""), NOT_FOUND for others.
type Service struct {
	index    *index
	exposed  []string
	upstream adapt.Services
	health   *health.Server
}

// New makes the services over the descriptors of schemas. Only services are
// listed and healthy; a name that comes twice counts once. What describes them
// comes by file, and files may describe more. Where two schemas have different
// files of one path, or one name in files of different paths, the first schema's
// is shown: see [Service.Conflicts].
func New(schemas []*schema.Schema, services []protoreflect.FullName) *Service {
	s := &Service{index: newIndex(schemas), health: health.NewServer()}
	for _, name := range services {
		s.exposed = append(s.exposed, string(name))
	}
	s.exposed = append(s.exposed, healthpb.Health_ServiceDesc.ServiceName)
	for _, desc := range reflectionServices {
		s.exposed = append(s.exposed, desc.ServiceName)
		s.upstream.RegisterService(desc, s)
	}
	slices.Sort(s.exposed)
	s.exposed = slices.Compact(s.exposed)
	for _, name := range s.exposed {
		s.health.SetServingStatus(name, healthpb.HealthCheckResponse_SERVING)
	}
	healthpb.RegisterHealthServer(&s.upstream, s.health)
	return s
}

// Conflicts says, one sentence each, what differs between two schemas and so is
// shown in one of its versions only. Files that this program has built in are
// not compared: every language brings its own version of those.
func (s *Service) Conflicts() []string { return s.index.conflicts }

// Methods lists the methods of the services, by path.
func (s *Service) Methods() []*rpc.Method { return s.upstream.Methods() }

// Upstream answers the calls of those methods.
func (s *Service) Upstream() rpc.Upstream { return &s.upstream }
