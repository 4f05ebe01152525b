package adapt

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// ClientConn lets generated gRPC clients call up. It is safe for any goroutine
// and needs no closing.
//
// Outgoing metadata and the deadline are those of the call's context. Of the
// call options, grpc.Header, grpc.Trailer and grpc.CallAuthority have an effect;
// all others are for up to decide. The [rpc.Method] of the calls has no
// descriptor.
func ClientConn(up rpc.Upstream) grpc.ClientConnInterface { return &clientConn{up} }

type clientConn struct{ up rpc.Upstream }

// callOptions are the options that the adapter honours.
type callOptions struct {
	authority string
	headers   []*metadata.MD
	trailers  []*metadata.MD
}

func readOptions(opts []grpc.CallOption) (o callOptions) {
	for _, opt := range opts {
		switch opt := opt.(type) {
		case grpc.HeaderCallOption:
			o.headers = append(o.headers, opt.HeaderAddr)
		case grpc.TrailerCallOption:
			o.trailers = append(o.trailers, opt.TrailerAddr)
		case grpc.AuthorityOverrideCallOption:
			o.authority = opt.Authority
		}
	}
	return o
}

func (o *callOptions) tell(head, trailer rpc.Header) {
	for _, md := range o.headers {
		*md = toMetadata(head)
	}
	for _, md := range o.trailers {
		*md = toMetadata(trailer)
	}
}

// newCall reads path and ctx. The request is still to be set.
func newCall(ctx context.Context, path string, clientStreaming, serverStreaming bool, o callOptions) (*rpc.Call, error) {
	service, name, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	if !ok {
		return nil, status.Errorf(codes.Unimplemented, "malformed method name %q", path)
	}
	md, _ := metadata.FromOutgoingContext(ctx)
	deadline, _ := ctx.Deadline()
	return &rpc.Call{
		Method: &rpc.Method{
			Service: service, Name: name, Path: "/" + service + "/" + name,
			ClientStreaming: clientStreaming, ServerStreaming: serverStreaming,
		},
		Header:    toHeader(md),
		Deadline:  deadline,
		Authority: o.authority,
	}, nil
}

// withoutMetadata is ctx for the RPC plane, where metadata is in the call: an
// upstream on grpc-go would send what ctx has a second time.
func withoutMetadata(ctx context.Context) context.Context {
	return metadata.NewOutgoingContext(ctx, nil)
}

func (c *clientConn) Invoke(ctx context.Context, path string, args, reply any, opts ...grpc.CallOption) error {
	o := readOptions(opts)
	call, err := newCall(ctx, path, false, false, o)
	if err != nil {
		return err
	}
	if call.Request, err = marshal(args); err != nil {
		return err
	}
	sink := new(unarySink)
	rpc.Run(withoutMetadata(ctx), c.up, call, sink)
	o.tell(sink.head, sink.trailer)
	if err := toError(sink.status); err != nil {
		sink.message.Release()
		return err
	}
	if sink.message == nil {
		return status.Error(codes.Internal, "unary call ended without a message")
	}
	return unmarshal(sink.message, reply)
}

// unarySink keeps what one unary call answers. It is used by one goroutine until
// rpc.Run returns.
type unarySink struct {
	head, trailer rpc.Header
	message       *rpc.Buffer
	status        rpc.Status
}

func (s *unarySink) Head(h rpc.Header) { s.head = h }

func (s *unarySink) Message(msg *rpc.Buffer) error {
	if s.message != nil {
		msg.Release()
		s.status = rpc.Status{Code: codes.Internal, Message: "unary call answered with more than one message"}
		return status.Error(s.status.Code, s.status.Message)
	}
	s.message = msg
	return nil
}

func (s *unarySink) End(st rpc.Status, trailer rpc.Header) {
	if s.status.Code == codes.OK {
		s.status = st
	}
	s.trailer = trailer
}
