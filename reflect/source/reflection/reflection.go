// Package reflection loads descriptors from a running server, by the gRPC server
// reflection service, v1 or else v1alpha.
package reflection

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/reflect/source"
	"github.com/dragoman-gateway/dragoman/rpc"
)

const missingAdvice = "the server's reflection does not know it; register its generated code there, " +
	"or give the descriptors as an image or as .proto files"

// Source asks one server. What it serves is what [schema.Schema.Services] shows:
// a service that its files define and it does not list is left out, and so is,
// with a warning in the log, one that it lists and has no file of.
//
// The server's own copies of the well-known and Google files win over those
// built into this program.
type Source struct {
	up        rpc.Upstream
	name      string // of the upstream in the configuration
	authority string
	metadata  metadata.MD
	log       *slog.Logger
}

var _ source.Source = (*Source)(nil)

// New makes the source that cfg describes. It asks env.Upstream, or what
// env.Dial makes if cfg has a target of its own.
func New(cfg *configpb.ReflectionSource, env source.Env) (source.Source, error) {
	s := &Source{up: env.Upstream, name: env.Name, authority: cfg.GetAuthority(), metadata: metadata.New(cfg.GetMetadata()), log: env.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if cfg.GetTarget() != "" {
		if env.Dial == nil {
			return nil, errors.New("reflection: no upstream can be made for target")
		}
		up, err := env.Dial(&configpb.GRPCUpstream{Target: cfg.GetTarget(), Tls: cfg.GetTls()})
		if err != nil {
			return nil, fmt.Errorf("reflection target %q: %w", cfg.GetTarget(), err)
		}
		s.up = up
	}
	if s.up == nil {
		return nil, errors.New("reflection: there is no upstream to ask")
	}
	return s, nil
}

// Offline implements [source.Source]: the server must be there.
func (s *Source) Offline() bool { return false }

// Load implements [source.Source]. How long it takes is for ctx to bound: a call
// that runs out of time is [source.ErrUnavailable], as is a server that cannot
// be reached. A server that has no reflection is not: waiting does not help, and
// the user should be told.
func (s *Source) Load(ctx context.Context) (*schema.Schema, error) {
	var err error
	for _, path := range versions {
		var sch *schema.Schema
		if sch, err = s.load(ctx, path); status.Code(err) != codes.Unimplemented {
			return sch, s.explain(err)
		}
	}
	return nil, s.explain(err)
}

func (s *Source) load(ctx context.Context, path string) (*schema.Schema, error) {
	c, err := s.dial(ctx, path)
	if err != nil {
		return nil, err
	}
	defer c.close()
	services, err := c.services()
	if err != nil {
		return nil, err
	}
	if len(services) > maxFiles {
		return nil, fmt.Errorf("the server lists more than %d services", maxFiles)
	}
	f := newFetch(c)
	names := []protoreflect.FullName{}
	var lacking []string
	for _, name := range services {
		if schema.IsInfrastructure(protoreflect.FullName(name)) {
			continue
		}
		found, err := f.service(name)
		if err != nil {
			return nil, err
		}
		if !found {
			lacking = append(lacking, name)
			continue
		}
		names = append(names, protoreflect.FullName(name))
	}
	if len(lacking) > 0 {
		if len(names) == 0 {
			return nil, fmt.Errorf("the server lists services but has the descriptors of none, %q first: "+
				"it was built without them; give the descriptors as an image or as .proto files", lacking[0])
		}
		slices.Sort(lacking)
		s.log.Warn("server lists services without having their descriptors: they are left out", "upstream", s.name, "services", lacking)
	}
	if len(names) == 0 {
		s.log.Warn("server lists no services but its own reflection and health", "upstream", s.name)
	}
	if err := f.imports(); err != nil {
		return nil, err
	}
	sure := len(f.order)
	if err := f.extensions(); err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		// Everything that calls need is here. Some servers break off at
		// questions about extensions.
		s.log.Info("server does not tell its extensions: they are left out", "upstream", s.name, "error", err)
		f.forget(sure)
	}
	return schema.Options{Name: s.name, Services: names, MissingAdvice: missingAdvice}.New(f.set())
}

// explain says what the user can do, and which errors pass by themselves.
func (s *Source) explain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := status.FromError(err); !ok {
		return fmt.Errorf("reflection: %w", err)
	}
	switch st := status.Convert(err); st.Code() {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled:
		if cause := errors.Unwrap(err); cause != nil {
			return fmt.Errorf("reflection: %w: %s: %s", source.ErrUnavailable, st.Message(), status.Convert(cause).Message())
		}
		return fmt.Errorf("reflection: %w: %s", source.ErrUnavailable, st.Message())
	case codes.Unimplemented:
		return fmt.Errorf("the server has no reflection service (tried v1 and v1alpha: %s): "+
			"register it there, or give the descriptors as an image or as .proto files", st.Message())
	case codes.Unauthenticated, codes.PermissionDenied:
		return fmt.Errorf("reflection: the server refuses the call: %s: %s: give its credentials in the metadata of the reflection source",
			st.Code(), st.Message())
	case codes.ResourceExhausted:
		return fmt.Errorf("reflection: %s: give the descriptors as an image", st.Message())
	default:
		return fmt.Errorf("reflection: %s: %s", st.Code(), st.Message())
	}
}
