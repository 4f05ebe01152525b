package outbound

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
)

// NewService makes an upstream for calls of all methods of a service in s, with the rules
// of their google.api.http annotations: for Go programs, where one connection is for one
// service. Of o it looks at neither Method nor Bindings, and makes the Codec if there is
// none. The error tells all that is wrong, with the names of the methods.
func NewService(s *schema.Schema, name protoreflect.FullName, o Options) (rpc.Upstream, error) {
	d, _ := s.FindDescriptorByName(name)
	sd, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("no service %q in the schema", name)
	}
	if o.Codec == nil {
		var err error
		if o.Codec, err = codec.New(s); err != nil {
			return nil, err
		}
	}
	out := make(service, sd.Methods().Len())
	var problems []error
	for i := range sd.Methods().Len() {
		md := sd.Methods().Get(i)
		o.Method, o.Bindings = rpc.NewMethod(md), nil
		m, err := (*method)(nil), error(nil)
		if rule := s.HTTPRule(md); rule != nil {
			o.Bindings, err = httprule.Bindings(rule)
		}
		if err == nil {
			m, err = newMethod(o)
		}
		if err != nil {
			problems = append(problems, fmt.Errorf("method %q: %w", md.Name(), err))
			continue
		}
		out[o.Method.Path] = m
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return out, nil
}

// service has the methods of a service by their paths.
type service map[string]*method

var (
	_ rpc.Upstream = service(nil)
	_ rpc.Doer     = service(nil)
)

// Start implements [rpc.Upstream]. It starts one goroutine, which ends with the call.
func (s service) Start(ctx context.Context, call *rpc.Call, sink rpc.Sink) rpc.Stream {
	return start(ctx, s, call, sink)
}

// Do implements [rpc.Doer].
func (s service) Do(ctx context.Context, call *rpc.Call, sink rpc.Sink) {
	m := s[call.Method.Path]
	if m == nil {
		call.Request.Release()
		sink.End(rpc.Errorf(rpc.MethodUnimplemented, "no method %s", call.Method.Path).Status(), nil)
		return
	}
	m.Do(ctx, call, sink)
}
