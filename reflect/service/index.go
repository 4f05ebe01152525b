package service

import (
	"fmt"
	"maps"
	"slices"
	"sync"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
)

// index is several schemas seen as one: each path is one file. It is immutable.
type index struct {
	schemas   []*schema.Schema
	files     map[string]*file
	hidden    map[protoreflect.FileDescriptor]*file // what conflicts with files
	conflicts []string
}

// file is one file of one schema, or of the gateway's own services.
type file struct {
	fd    protoreflect.FileDescriptor
	owner *schema.Schema
	// raw is the serialized descriptor: made when somebody asks, because most
	// snapshots are never asked.
	raw func() []byte
}

// ownFiles define the services that the gateway answers itself.
var ownFiles = []protoreflect.FileDescriptor{
	reflectionpb.File_grpc_reflection_v1_reflection_proto,
	grpc_reflection_v1alpha.File_grpc_reflection_v1alpha_reflection_proto,
	healthpb.File_grpc_health_v1_health_proto,
}

func newIndex(schemas []*schema.Schema) *index {
	x := &index{schemas: schemas, files: make(map[string]*file), hidden: make(map[protoreflect.FileDescriptor]*file)}
	for _, fd := range ownFiles {
		x.add(fd, nil)
	}
	// The upstreams' own copies win over those built into this program, whoever
	// has them.
	for _, s := range schemas {
		for _, fd := range s.Own() {
			x.add(fd, s)
		}
	}
	for _, s := range schemas {
		for _, fd := range s.Files() {
			if x.files[fd.Path()] == nil {
				x.add(fd, s)
			}
		}
	}
	x.conflicts = append(x.conflicts, x.nameConflicts()...)
	return x
}

func (x *index) add(fd protoreflect.FileDescriptor, owner *schema.Schema) {
	f := &file{fd: fd, owner: owner, raw: sync.OnceValue(func() []byte {
		raw, _ := proto.MarshalOptions{AllowPartial: true}.Marshal(protodesc.ToFileDescriptorProto(fd))
		return raw
	})}
	path := fd.Path()
	before := x.files[path]
	if before == nil {
		x.files[path] = f
		return
	}
	if before.owner == nil || before.owner == owner || schema.Builtin(path) != nil || same(before.fd, fd) {
		return
	}
	x.hidden[fd] = f
	x.conflicts = append(x.conflicts, fmt.Sprintf("file %q differs between %s and %s: that of %s is shown",
		path, name(before.owner), name(owner), name(before.owner)))
}

// nameConflicts finds names that two schemas declare in files of different
// paths. A reader of both files could not link them. It reports one name for
// each pair of files.
func (x *index) nameConflicts() []string {
	type pair struct{ a, b string }
	reported := make(map[pair]bool)
	first := make(map[protoreflect.FullName]*file)
	var conflicts []string
	for _, path := range slices.Sorted(maps.Keys(x.files)) {
		f := x.files[path]
		if f.owner == nil || schema.Builtin(path) != nil {
			continue
		}
		for _, d := range topLevel(f.fd) {
			before := first[d]
			if before == nil {
				first[d] = f
				continue
			}
			if p := (pair{before.fd.Path(), path}); before.owner != f.owner && !reported[p] {
				reported[p] = true
				conflicts = append(conflicts, fmt.Sprintf("%q is declared in %q of %s and in %q of %s",
					d, p.a, name(before.owner), p.b, name(f.owner)))
			}
		}
	}
	return conflicts
}

// topLevel lists the names that fd adds to its package, except enum values:
// where these clash, their enums mostly do.
func topLevel(fd protoreflect.FileDescriptor) []protoreflect.FullName {
	var names []protoreflect.FullName
	for i := range fd.Messages().Len() {
		names = append(names, fd.Messages().Get(i).FullName())
	}
	for i := range fd.Enums().Len() {
		names = append(names, fd.Enums().Get(i).FullName())
	}
	for i := range fd.Extensions().Len() {
		names = append(names, fd.Extensions().Get(i).FullName())
	}
	for i := range fd.Services().Len() {
		names = append(names, fd.Services().Get(i).FullName())
	}
	return names
}

func name(s *schema.Schema) string {
	if s.Name() == "" {
		return "an unnamed upstream"
	}
	return fmt.Sprintf("upstream %q", s.Name())
}

// same compares what files define. Comments and the spelling out of a default
// JSON name depend on who compiled them.
func same(a, b protoreflect.FileDescriptor) bool {
	return proto.Equal(plain(a), plain(b))
}

func plain(fd protoreflect.FileDescriptor) *descriptorpb.FileDescriptorProto {
	p := protodesc.ToFileDescriptorProto(fd)
	p.SourceCodeInfo = nil
	fields := func(fds []*descriptorpb.FieldDescriptorProto) {
		for _, f := range fds {
			f.JsonName = nil
		}
	}
	var walk func(mds []*descriptorpb.DescriptorProto, from protoreflect.MessageDescriptors)
	walk = func(mds []*descriptorpb.DescriptorProto, from protoreflect.MessageDescriptors) {
		for i, md := range mds {
			for j, f := range md.Field {
				// JSONName is the default one if none was given.
				f.JsonName = proto.String(from.Get(i).Fields().Get(j).JSONName())
			}
			fields(md.Extension)
			walk(md.NestedType, from.Get(i).Messages())
		}
	}
	fields(p.Extension)
	walk(p.MessageType, fd.Messages())
	return p
}

func (x *index) path(path string) *file { return x.files[path] }

// symbol finds the file that declares name, of the first schema that has it.
func (x *index) symbol(name protoreflect.FullName) *file {
	if d, err := protoregistry.GlobalFiles.FindDescriptorByName(name); err == nil && slices.Contains(ownFiles, d.ParentFile()) {
		return x.files[d.ParentFile().Path()]
	}
	for _, s := range x.schemas {
		if d, err := s.FindDescriptorByName(name); err == nil {
			return x.of(d)
		}
	}
	return nil
}

// of is the file that declares d. If another version of it is shown by its path,
// that one lacks d, or an earlier schema would have had it: so d's own it is.
func (x *index) of(d protoreflect.Descriptor) *file {
	if f := x.hidden[d.ParentFile()]; f != nil {
		return f
	}
	return x.files[d.ParentFile().Path()]
}

// extension finds the file that gives message that field.
func (x *index) extension(message protoreflect.FullName, number protoreflect.FieldNumber) *file {
	for _, s := range x.schemas {
		if d, err := s.FindExtensionByNumber(message, number); err == nil {
			return x.of(d)
		}
	}
	return nil
}

// extensionNumbers lists the extensions of message, sorted.
func (x *index) extensionNumbers(message protoreflect.FullName) []int32 {
	var numbers []int32
	for _, s := range x.schemas {
		s.RangeExtensionsByMessage(message, func(d protoreflect.ExtensionDescriptor) bool {
			numbers = append(numbers, int32(d.Number()))
			return true
		})
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}
