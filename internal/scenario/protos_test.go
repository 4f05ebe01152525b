package scenario

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bufbuild/protocompile"
	_ "google.golang.org/genproto/googleapis/api/annotations" // imported by the fixtures
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"  // resolved in details
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// schema is the test's own view of the protos: protobuf's Go library, which
// shares nothing with the gateway's codec.
type schema struct {
	files *protoregistry.Files
	types *dynamicpb.Types
}

// sharedProtos are the files below scenarios/protos.
func sharedProtos() (map[string]string, error) {
	const root = "../../scenarios/protos"
	out := make(map[string]string)
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(root, name))
		out[name] = string(data)
		return err
	})
	return out, err
}

func compile(sources map[string]string) (*schema, error) {
	var names []string
	for name := range sources {
		names = append(names, name)
	}
	slices.Sort(names)
	compiler := protocompile.Compiler{Resolver: protocompile.WithStandardImports(protocompile.CompositeResolver{
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(sources)},
		protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			fd, err := protoregistry.GlobalFiles.FindFileByPath(path)
			if err != nil {
				return protocompile.SearchResult{}, err
			}
			return protocompile.SearchResult{Proto: protodesc.ToFileDescriptorProto(fd)}, nil
		}),
	})}
	linked, err := compiler.Compile(ctx(), names...)
	if err != nil {
		return nil, err
	}
	s := &schema{files: new(protoregistry.Files)}
	for _, f := range linked {
		// A copy without the compiler's own types, as a server would have it.
		if err := s.add(f); err != nil {
			return nil, err
		}
	}
	s.types = dynamicpb.NewTypes(s.files)
	return s, nil
}

func (s *schema) add(fd protoreflect.FileDescriptor) error {
	if _, err := s.files.FindFileByPath(fd.Path()); err == nil {
		return nil
	}
	for i := range fd.Imports().Len() {
		if err := s.add(fd.Imports().Get(i).FileDescriptor); err != nil {
			return err
		}
	}
	file, err := protodesc.NewFile(protodesc.ToFileDescriptorProto(fd), s.files)
	if err != nil {
		return err
	}
	return s.files.RegisterFile(file)
}

// method finds one by "pkg.Service/Method".
func (s *schema) method(name string) (protoreflect.MethodDescriptor, error) {
	service, method, _ := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	d, err := s.files.FindDescriptorByName(protoreflect.FullName(service))
	if err != nil {
		return nil, err
	}
	sd, ok := d.(protoreflect.ServiceDescriptor)
	if !ok {
		return nil, fmt.Errorf("%s is not a service", service)
	}
	md := sd.Methods().ByName(protoreflect.Name(method))
	if md == nil {
		return nil, fmt.Errorf("%s has no method %q", service, method)
	}
	return md, nil
}

// message reads JSON as protobuf's Go library does.
func (s *schema) message(desc protoreflect.MessageDescriptor, json string) (proto.Message, error) {
	m := dynamicpb.NewMessage(desc)
	err := protojson.UnmarshalOptions{Resolver: resolver{s.types}, AllowPartial: true}.Unmarshal([]byte(json), m)
	return m, err
}

func (s *schema) decode(desc protoreflect.MessageDescriptor, wire []byte) (proto.Message, error) {
	m := dynamicpb.NewMessage(desc)
	err := proto.UnmarshalOptions{Resolver: resolver{s.types}, AllowPartial: true}.Unmarshal(wire, m)
	return m, err
}

func (s *schema) format(m proto.Message) string {
	return protojson.MarshalOptions{Resolver: resolver{s.types}, AllowPartial: true}.Format(m)
}

// resolver looks in the schema first, then in what is linked into the test.
type resolver struct{ *dynamicpb.Types }

func (r resolver) FindMessageByName(name protoreflect.FullName) (protoreflect.MessageType, error) {
	if t, err := r.Types.FindMessageByName(name); err == nil {
		return t, nil
	}
	return protoregistry.GlobalTypes.FindMessageByName(name)
}

func (r resolver) FindMessageByURL(url string) (protoreflect.MessageType, error) {
	return r.FindMessageByName(protoreflect.FullName(url[strings.LastIndexByte(url, '/')+1:]))
}
