package schema_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
)

// BenchmarkNew links a small upstream and a large one of 500 files, each file
// with 20 messages of 10 fields.
func BenchmarkNew(b *testing.B) {
	large := new(descriptorpb.FileDescriptorSet)
	for i := range 500 {
		fd := &descriptorpb.FileDescriptorProto{
			Name: proto.String(fmt.Sprintf("f%d.proto", i)), Package: proto.String(fmt.Sprintf("p%d", i)),
			Syntax: proto.String("proto3"), Dependency: []string{"google/api/annotations.proto"},
		}
		for j := range 20 {
			md := &descriptorpb.DescriptorProto{Name: proto.String(fmt.Sprintf("M%d", j))}
			for k := range 10 {
				md.Field = append(md.Field, &descriptorpb.FieldDescriptorProto{
					Name: proto.String(fmt.Sprintf("field_%d", k)), Number: proto.Int32(int32(k + 1)),
					Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(), Type: descriptorpb.FieldDescriptorProto_TYPE_STRING.Enum(),
				})
			}
			fd.MessageType = append(fd.MessageType, md)
		}
		large.File = append(large.File, fd)
	}
	for name, set := range map[string]*descriptorpb.FileDescriptorSet{
		"small": compile(b, sources{"library.proto": library}), "large": large,
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(proto.Size(set)))
			for b.Loop() {
				_, err := schema.New(set)
				require.NoError(b, err)
			}
		})
	}
}
