package validate_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	pv "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"buf.build/go/protovalidate"
	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/dragoman-gateway/dragoman/transcoder/validate"
	"github.com/dragoman-gateway/dragoman/transcoder/validate/cel"
)

// The oracle is protovalidate over dynamic messages, with its rules run as
// validate.proto has them, in CEL.

// noon is when all tests run.
var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

// compileProto compiles files, by name, and gives the first of them as the gateway
// would have it: options of packages that were not linked are unknown fields.
func compileProto(t testing.TB, name string, files map[string]string) protoreflect.FileDescriptor {
	t.Helper()
	c := protocompile.Compiler{Resolver: protocompile.CompositeResolver{
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(files)},
		protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			fd, err := protoregistry.GlobalFiles.FindFileByPath(path)
			return protocompile.SearchResult{Desc: fd}, err
		}),
	}}
	linked, err := c.Compile(context.Background(), name)
	require.NoError(t, err)
	return relink(t, linked[0])
}

// relink makes a file, and those that it imports, of its serialized descriptor.
func relink(t testing.TB, file protoreflect.FileDescriptor) protoreflect.FileDescriptor {
	t.Helper()
	known := new(protoregistry.Files)
	var link func(protoreflect.FileDescriptor) protoreflect.FileDescriptor
	link = func(fd protoreflect.FileDescriptor) protoreflect.FileDescriptor {
		if got, err := known.FindFileByPath(fd.Path()); err == nil {
			return got
		}
		for i := range fd.Imports().Len() {
			link(fd.Imports().Get(i).FileDescriptor)
		}
		if global, err := protoregistry.GlobalFiles.FindFileByPath(fd.Path()); err == nil {
			require.NoError(t, known.RegisterFile(global))
			return global
		}
		raw, err := proto.Marshal(protodesc.ToFileDescriptorProto(fd))
		require.NoError(t, err)
		read := new(descriptorpb.FileDescriptorProto)
		// Without a resolver options are unknown fields.
		require.NoError(t, proto.UnmarshalOptions{Resolver: new(protoregistry.Types)}.Unmarshal(raw, read))
		made, err := protodesc.NewFile(read, known)
		require.NoError(t, err)
		require.NoError(t, known.RegisterFile(made))
		return made
	}
	return link(file)
}

// oracle is a validator for the messages of one file.
type oracle struct {
	validator protovalidate.Validator
	mu        sync.Mutex
	rules     map[protoreflect.FullName]*validate.Rules
	cel       func(protoreflect.MessageDescriptor) (validate.Program, error)
}

func newOracle(t testing.TB, file protoreflect.FileDescriptor, options ...protovalidate.ValidatorOption) *oracle {
	t.Helper()
	types := new(protoregistry.Types)
	for i := range file.Extensions().Len() {
		require.NoError(t, types.RegisterExtension(dynamicpb.NewExtensionType(file.Extensions().Get(i))))
	}
	v, err := protovalidate.New(append(options,
		protovalidate.WithExtensionTypeResolver(types),
		protovalidate.WithNowFunc(func() *timestamppb.Timestamp { return timestamppb.New(noon) }),
	)...)
	require.NoError(t, err)
	return &oracle{validator: v, rules: make(map[protoreflect.FullName]*validate.Rules), cel: cel.New()}
}

func (o *oracle) compile(t testing.TB, md protoreflect.MessageDescriptor) *validate.Rules {
	o.mu.Lock()
	defer o.mu.Unlock()
	r, ok := o.rules[md.FullName()]
	if !ok {
		var err error
		r, err = validate.Compile(md, validate.Options{CEL: o.cel, Now: func() time.Time { return noon }})
		require.NoError(t, err)
		o.rules[md.FullName()] = r
	}
	return r
}

// want is what the oracle finds in a message. ok is false if it gives up on it.
func (o *oracle) want(t testing.TB, m proto.Message) (found []string, ok bool) {
	t.Helper()
	err := o.validator.Validate(m)
	var broken *protovalidate.ValidationError
	var gaveUp *protovalidate.RuntimeError
	switch {
	case err == nil:
		return nil, true
	case errors.As(err, &gaveUp):
		return nil, false
	}
	require.ErrorAs(t, err, &broken)
	for _, v := range broken.Violations {
		found = append(found, line(jsonPath(m.ProtoReflect().Descriptor(), v.Proto.GetField()), v.Proto.GetRuleId(), v.Proto.GetMessage()))
	}
	return set(found), true
}

// got is what the tables find in serialized messages, put together.
func (o *oracle) got(t testing.TB, md protoreflect.MessageDescriptor, wire []byte) []string {
	t.Helper()
	rules := o.compile(t, md)
	if rules == nil {
		return nil
	}
	violations, err := rules.Check(nil, wire, new(validate.Scratch))
	require.NoError(t, err)
	var found []string
	for _, v := range violations {
		found = append(found, line(v.Field, v.Rule, v.Message))
	}
	require.Len(t, set(found), len(found), "a violation is told twice: %q", found)
	return set(found)
}

func line(field, rule, message string) string {
	return fmt.Sprintf("%s [%s] %s", field, rule, strings.ToValidUTF8(message, "?"))
}

func set(lines []string) []string {
	slices.Sort(lines)
	return slices.Compact(lines)
}

// jsonPath writes a path with JSON names.
func jsonPath(md protoreflect.MessageDescriptor, path *pv.FieldPath) string {
	named := proto.CloneOf(path)
	for _, e := range named.GetElements() {
		if md == nil {
			break
		}
		fd := md.Fields().ByNumber(protoreflect.FieldNumber(e.GetFieldNumber()))
		if fd == nil {
			break
		}
		e.SetFieldName(fd.JSONName())
		if fd.IsMap() {
			fd = fd.MapValue()
		}
		md = fd.Message()
	}
	return protovalidate.FieldPathString(named)
}
