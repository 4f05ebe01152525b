package adapt

import (
	"context"
	"errors"
	"slices"

	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// toHeader lists md by name, so that equal metadata is an equal header.
func toHeader(md metadata.MD) rpc.Header {
	names := make([]string, 0, len(md))
	for name := range md {
		names = append(names, name)
	}
	slices.Sort(names)
	var h rpc.Header
	for _, name := range names {
		for _, value := range md[name] {
			h = append(h, rpc.HeaderField{Name: name, Value: value})
		}
	}
	return h
}

func toMetadata(h rpc.Header) metadata.MD {
	md := make(metadata.MD, len(h))
	for _, f := range h {
		md[f.Name] = append(md[f.Name], f.Value)
	}
	return md
}

// toError is nil for OK.
func toError(st rpc.Status) error {
	if st.Code == codes.OK {
		return nil
	}
	p := new(spb.Status)
	if err := proto.Unmarshal(st.Details, p); err != nil {
		p = new(spb.Status)
	}
	p.Code, p.Message = int32(st.Code), st.Message
	if st.Cause == nil {
		return status.ErrorProto(p)
	}
	return &failure{status: status.FromProto(p), cause: st.Cause}
}

// failure is an error of the gateway as generated clients see it: a status, and
// behind it the cause for the operator.
type failure struct {
	status *status.Status
	cause  error
}

func (f *failure) Error() string              { return f.status.Message() + ": " + f.cause.Error() }
func (f *failure) Unwrap() error              { return f.cause }
func (f *failure) GRPCStatus() *status.Status { return f.status }

// toStatus is the status that a gRPC server gives for what a handler returned.
func toStatus(err error) rpc.Status {
	if err == nil {
		return rpc.Status{}
	}
	st, ok := status.FromError(err)
	if !ok {
		st = status.FromContextError(err)
	}
	out := rpc.Status{Code: st.Code(), Message: st.Message()}
	if p := st.Proto(); len(p.GetDetails()) > 0 {
		out.Details, _ = proto.MarshalOptions{Deterministic: true}.Marshal(p)
	}
	return out
}

// contextStatus says why ctx, which is done, ended a call.
func contextStatus(ctx context.Context) rpc.Status {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return rpc.Status{Code: codes.DeadlineExceeded, Message: "deadline exceeded"}
	}
	return rpc.Status{Code: codes.Canceled, Message: "call cancelled"}
}

func marshal(m any) (*rpc.Buffer, error) {
	pm, ok := m.(proto.Message)
	if !ok {
		return nil, status.Errorf(codes.Internal, "message is a %T, not a protobuf message", m)
	}
	buf := rpc.NewBuffer()
	var err error
	if buf.B, err = (proto.MarshalOptions{}).MarshalAppend(buf.B, pm); err != nil {
		buf.Release()
		return nil, status.Errorf(codes.Internal, "message cannot be written: %v", err)
	}
	return buf, nil
}

// unmarshal releases buf.
func unmarshal(buf *rpc.Buffer, m any) error {
	defer buf.Release()
	pm, ok := m.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "message is a %T, not a protobuf message", m)
	}
	if err := proto.Unmarshal(buf.B, pm); err != nil {
		return status.Errorf(codes.Internal, "message cannot be read: %v", err)
	}
	return nil
}
