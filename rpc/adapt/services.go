package adapt

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// Services is an upstream whose calls are answered in this process. Generated
// code registers services with it as with a grpc.Server. The zero value has
// none; register before the first call, after that it is safe for any goroutine.
//
// Handlers see metadata, deadline and cancellation in their context, and may use
// grpc.SetHeader, grpc.SendHeader and grpc.SetTrailer. A cancelled call ends at
// once for its sink; its goroutine ends when the handler returns.
type Services struct {
	handlers map[string]*handler // by path
	methods  []*rpc.Method
}

var (
	_ grpc.ServiceRegistrar = (*Services)(nil)
	_ rpc.Upstream          = (*Services)(nil)
	_ rpc.Doer              = (*Services)(nil)
)

// handler is one method: one of unary and stream is set.
type handler struct {
	impl   any
	unary  *grpc.MethodDesc
	stream *grpc.StreamDesc
}

// RegisterService adds the methods of desc, answered by impl. It panics if impl
// does not implement the service, or if the service is registered already:
// these are mistakes in the program.
func (s *Services) RegisterService(desc *grpc.ServiceDesc, impl any) {
	if want := reflect.TypeOf(desc.HandlerType).Elem(); !reflect.TypeOf(impl).Implements(want) {
		panic(fmt.Sprintf("adapt: %T does not implement %v", impl, want))
	}
	if s.handlers == nil {
		s.handlers = make(map[string]*handler)
	}
	add := func(name string, clientStreaming, serverStreaming bool, h *handler) {
		m := &rpc.Method{
			Service: desc.ServiceName, Name: name, Path: "/" + desc.ServiceName + "/" + name,
			ClientStreaming: clientStreaming, ServerStreaming: serverStreaming,
		}
		if _, ok := s.handlers[m.Path]; ok {
			panic(fmt.Sprintf("adapt: %s registered twice", m.Path))
		}
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(desc.ServiceName).Append(protoreflect.Name(name)))
		if md, ok := d.(protoreflect.MethodDescriptor); ok && err == nil {
			m.Descriptor = md
		}
		s.handlers[m.Path] = h
		s.methods = append(s.methods, m)
	}
	for i := range desc.Methods {
		d := &desc.Methods[i]
		add(d.MethodName, false, false, &handler{impl: impl, unary: d})
	}
	for i := range desc.Streams {
		d := &desc.Streams[i]
		add(d.StreamName, d.ClientStreams, d.ServerStreams, &handler{impl: impl, stream: d})
	}
	slices.SortFunc(s.methods, func(a, b *rpc.Method) int { return strings.Compare(a.Path, b.Path) })
}

// Methods lists what is served, by path. A method has its descriptor if the
// generated messages of its file are linked. The caller must not change the
// slice.
func (s *Services) Methods() []*rpc.Method { return s.methods }

// Start implements [rpc.Upstream]. An unknown method ends with UNIMPLEMENTED.
func (s *Services) Start(ctx context.Context, call *rpc.Call, sink rpc.Sink) rpc.Stream {
	st := newServerStream(ctx, call, sink)
	go s.serve(st, call)
	return (*sendingHalf)(st)
}

// Do implements [rpc.Doer].
func (s *Services) Do(ctx context.Context, call *rpc.Call, sink rpc.Sink) {
	s.serve(newServerStream(ctx, call, sink), call)
}

func (s *Services) serve(st *serverStream, call *rpc.Call) {
	defer st.cancel()
	stop := context.AfterFunc(st.ctx, func() { st.end(contextStatus(st.ctx)) })
	defer stop()
	h := s.handlers[call.Method.Path]
	switch {
	case h == nil:
		st.end(rpc.Status{Code: codes.Unimplemented, Message: "unknown method " + call.Method.Path})
	case h.unary != nil:
		reply, err := h.unary.Handler(h.impl, st.ctx, st.RecvMsg, nil)
		if err == nil {
			err = st.SendMsg(reply)
		}
		st.end(toStatus(err))
	default:
		st.end(toStatus(h.stream.Handler(h.impl, st)))
	}
	st.drop()
}
