package reflection

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/rpc/adapt"
)

// versions are the methods to try, in this order. The messages of v1 are those
// of v1alpha under another package name, so one set of them does for both.
var versions = []string{
	reflectionpb.ServerReflection_ServerReflectionInfo_FullMethodName,
	"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
}

// client asks one question at a time on one stream.
type client struct {
	stream grpc.ClientStream
	cancel context.CancelFunc
}

func (s *Source) dial(ctx context.Context, path string) (*client, error) {
	ctx, cancel := context.WithCancel(metadata.NewOutgoingContext(ctx, s.metadata.Copy()))
	var opts []grpc.CallOption
	if s.authority != "" {
		opts = append(opts, grpc.CallAuthority(s.authority))
	}
	stream, err := adapt.ClientConn(s.up).NewStream(ctx, &reflectionpb.ServerReflection_ServiceDesc.Streams[0], path, opts...)
	if err != nil {
		cancel()
		return nil, err
	}
	return &client{stream: stream, cancel: cancel}, nil
}

func (c *client) close() {
	_ = c.stream.CloseSend()
	c.cancel()
}

// refusal is an answer that says no: the stream goes on.
type refusal struct {
	code    codes.Code
	message string
}

func (r *refusal) Error() string { return fmt.Sprintf("%s: %s", r.code, r.message) }

func (c *client) ask(q *reflectionpb.ServerReflectionRequest) (*reflectionpb.ServerReflectionResponse, error) {
	// Sending fails if the stream has ended, and receiving then says why.
	if err := c.stream.SendMsg(q); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	a := new(reflectionpb.ServerReflectionResponse)
	if err := c.stream.RecvMsg(a); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, status.Error(codes.Internal, "the server ended the reflection stream early")
		}
		return nil, err
	}
	if e := a.GetErrorResponse(); e != nil {
		return nil, &refusal{codes.Code(e.GetErrorCode()), e.GetErrorMessage()}
	}
	return a, nil
}

func (c *client) services() ([]string, error) {
	a, err := c.ask(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{ListServices: "*"},
	})
	if err != nil {
		return nil, err
	}
	var names []string
	for _, s := range a.GetListServicesResponse().GetService() {
		names = append(names, s.GetName())
	}
	return names, nil
}

// files asks for serialized files. It returns none if the server knows none.
func (c *client) files(q *reflectionpb.ServerReflectionRequest) ([][]byte, error) {
	a, err := c.ask(q)
	var no *refusal
	if errors.As(err, &no) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return a.GetFileDescriptorResponse().GetFileDescriptorProto(), nil
}

func (c *client) fileContaining(symbol string) ([][]byte, error) {
	return c.files(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol},
	})
}

func (c *client) fileNamed(path string) ([][]byte, error) {
	return c.files(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileByFilename{FileByFilename: path},
	})
}

func (c *client) extensionNumbers(message string) ([]int32, error) {
	a, err := c.ask(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_AllExtensionNumbersOfType{AllExtensionNumbersOfType: message},
	})
	var no *refusal
	if errors.As(err, &no) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return a.GetAllExtensionNumbersResponse().GetExtensionNumber(), nil
}

func (c *client) fileExtending(message string, number int32) ([][]byte, error) {
	return c.files(&reflectionpb.ServerReflectionRequest{
		MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingExtension{
			FileContainingExtension: &reflectionpb.ExtensionRequest{ContainingType: message, ExtensionNumber: number},
		},
	})
}
