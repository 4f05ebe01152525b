package service

import (
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// grpc-go's own reflection server is not used: it walks the imports of a file
// once for every path that leads to them, which an upstream's descriptors can
// make last for ever, and its extensions are types, which at run time only
// dynamicpb could make.

// maxAnswerBytes is up to where an answer brings along what a file imports.
// Readers ask for what is not there, and many take no message above 4 MiB.
const maxAnswerBytes = 1 << 20

// reflectionServices are both versions, over one handler: the messages of v1 are
// those of v1alpha under another package name.
var reflectionServices = []*grpc.ServiceDesc{
	versioned(reflectionpb.ServerReflection_ServiceDesc),
	versioned(grpc_reflection_v1alpha.ServerReflection_ServiceDesc),
}

func versioned(desc grpc.ServiceDesc) *grpc.ServiceDesc {
	desc.HandlerType = (*any)(nil)
	desc.Streams = []grpc.StreamDesc{{
		StreamName: desc.Streams[0].StreamName, ServerStreams: true, ClientStreams: true,
		Handler: func(srv any, stream grpc.ServerStream) error { return srv.(*Service).reflect(stream) },
	}}
	return &desc
}

// reflect answers the questions of one stream.
func (s *Service) reflect(stream grpc.ServerStream) error {
	sent := make(map[string]bool) // paths
	for {
		q := new(reflectionpb.ServerReflectionRequest)
		if err := stream.RecvMsg(q); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		a := &reflectionpb.ServerReflectionResponse{ValidHost: q.GetHost(), OriginalRequest: q}
		if !s.answer(q, a, sent) {
			return status.Error(codes.InvalidArgument, "the request asks nothing that is known here")
		}
		if err := stream.SendMsg(a); err != nil {
			return err
		}
	}
}

// answer reports whether q is a question at all.
func (s *Service) answer(q *reflectionpb.ServerReflectionRequest, a *reflectionpb.ServerReflectionResponse, sent map[string]bool) bool {
	var found *file
	switch ask := q.GetMessageRequest().(type) {
	case *reflectionpb.ServerReflectionRequest_ListServices:
		list := new(reflectionpb.ListServiceResponse)
		for _, name := range s.exposed {
			list.Service = append(list.Service, &reflectionpb.ServiceResponse{Name: name})
		}
		a.MessageResponse = &reflectionpb.ServerReflectionResponse_ListServicesResponse{ListServicesResponse: list}
		return true
	case *reflectionpb.ServerReflectionRequest_AllExtensionNumbersOfType:
		message := protoreflect.FullName(ask.AllExtensionNumbersOfType)
		numbers := s.index.extensionNumbers(message)
		if len(numbers) == 0 && s.index.symbol(message) == nil {
			break
		}
		a.MessageResponse = &reflectionpb.ServerReflectionResponse_AllExtensionNumbersResponse{
			AllExtensionNumbersResponse: &reflectionpb.ExtensionNumberResponse{BaseTypeName: string(message), ExtensionNumber: numbers},
		}
		return true
	case *reflectionpb.ServerReflectionRequest_FileByFilename:
		found = s.index.path(ask.FileByFilename)
	case *reflectionpb.ServerReflectionRequest_FileContainingSymbol:
		found = s.index.symbol(protoreflect.FullName(ask.FileContainingSymbol))
	case *reflectionpb.ServerReflectionRequest_FileContainingExtension:
		x := ask.FileContainingExtension
		found = s.index.extension(protoreflect.FullName(x.GetContainingType()), protoreflect.FieldNumber(x.GetExtensionNumber()))
	default:
		return false
	}
	if found == nil {
		a.MessageResponse = &reflectionpb.ServerReflectionResponse_ErrorResponse{
			ErrorResponse: &reflectionpb.ErrorResponse{ErrorCode: int32(codes.NotFound), ErrorMessage: "not found"},
		}
		return true
	}
	a.MessageResponse = &reflectionpb.ServerReflectionResponse_FileDescriptorResponse{
		FileDescriptorResponse: &reflectionpb.FileDescriptorResponse{FileDescriptorProto: s.index.withImports(found, sent)},
	}
	return true
}

// withImports gives f itself, and what it imports in turn of what the stream has
// not had yet, as far as one answer should hold.
func (x *index) withImports(f *file, sent map[string]bool) [][]byte {
	answer := [][]byte{f.raw()}
	total := len(answer[0])
	sent[f.fd.Path()] = true
	seen := map[string]bool{f.fd.Path(): true}
	for todo := []*file{f}; len(todo) > 0; todo = todo[1:] {
		imports := todo[0].fd.Imports()
		for i := range imports.Len() {
			path := imports.Get(i).Path()
			dep := x.files[path]
			if dep == nil || seen[path] {
				continue
			}
			seen[path] = true
			todo = append(todo, dep)
			if sent[path] {
				continue
			}
			raw := dep.raw()
			if total += len(raw); total > maxAnswerBytes {
				return answer
			}
			sent[path] = true
			answer = append(answer, raw)
		}
	}
	return answer
}
