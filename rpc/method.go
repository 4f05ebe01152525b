package rpc

import (
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Method is one RPC method, resolved once when the snapshot is compiled. It is
// immutable and safe for any goroutine.
type Method struct {
	// Service is the full name of the service: library.v1.Library.
	Service string
	// Name is the method's own name: GetBook.
	Name string
	// Path is the HTTP/2 path of native gRPC: /library.v1.Library/GetBook.
	Path string
	// Descriptor gives the input and output types and the options.
	Descriptor protoreflect.MethodDescriptor
	// ClientStreaming and ServerStreaming say how many messages travel each way.
	ClientStreaming, ServerStreaming bool
	// Idempotent says that a call may be sent twice and does what it does once: the
	// descriptor's idempotency_level is NO_SIDE_EFFECTS or IDEMPOTENT, or it becomes a
	// request of HTTP of which that is true.
	Idempotent bool
}

// NewMethod resolves a method descriptor.
func NewMethod(md protoreflect.MethodDescriptor) *Method {
	service := string(md.Parent().FullName())
	name := string(md.Name())
	return &Method{
		Service:         service,
		Name:            name,
		Path:            "/" + service + "/" + name,
		Descriptor:      md,
		ClientStreaming: md.IsStreamingClient(),
		ServerStreaming: md.IsStreamingServer(),
		Idempotent:      idempotent(md),
	}
}

func idempotent(md protoreflect.MethodDescriptor) bool {
	options, _ := md.Options().(*descriptorpb.MethodOptions)
	return options.GetIdempotencyLevel() != descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN
}

// FullName is the name that rules and logs use: library.v1.Library.GetBook.
func (m *Method) FullName() string { return m.Service + "." + m.Name }

// Unary reports whether one message travels each way.
func (m *Method) Unary() bool { return !m.ClientStreaming && !m.ServerStreaming }
