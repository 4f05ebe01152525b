package rpc_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dragoman-gateway/dragoman/rpc"
)

func TestIdempotent(t *testing.T) {
	method := func(name string, options *descriptorpb.MethodOptions) *descriptorpb.MethodDescriptorProto {
		return &descriptorpb.MethodDescriptorProto{
			Name: &name, InputType: proto.String(".acme.M"), OutputType: proto.String(".acme.M"), Options: options,
		}
	}
	file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
		Name: proto.String("acme.proto"), Package: proto.String("acme"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("M")}},
		Service: []*descriptorpb.ServiceDescriptorProto{{Name: proto.String("S"), Method: []*descriptorpb.MethodDescriptorProto{
			method("Plain", nil),
			method("Deprecated", &descriptorpb.MethodOptions{Deprecated: proto.Bool(true)}),
			method("Unknown", &descriptorpb.MethodOptions{IdempotencyLevel: descriptorpb.MethodOptions_IDEMPOTENCY_UNKNOWN.Enum()}),
			method("Get", &descriptorpb.MethodOptions{IdempotencyLevel: descriptorpb.MethodOptions_NO_SIDE_EFFECTS.Enum()}),
			method("Put", &descriptorpb.MethodOptions{IdempotencyLevel: descriptorpb.MethodOptions_IDEMPOTENT.Enum()}),
		}}},
	}, nil)
	require.NoError(t, err)
	methods := file.Services().Get(0).Methods()
	for i, want := range []bool{false, false, false, true, true} {
		md := methods.Get(i)
		require.Equal(t, want, rpc.NewMethod(md).Idempotent, "%s", md.Name())
	}
}
