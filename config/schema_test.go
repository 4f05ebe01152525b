package config

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"buf.build/go/protovalidate"
	"buf.build/go/protoyaml"
	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

var fieldExample = regexp.MustCompile("Example: `([^`]+)`$")

// The comments of the schema are the users' reference: every field says what its
// default is and gives an example, and the example is right.
func TestSchemaComments(t *testing.T) {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{"../proto", "../third_party/protovalidate", "../third_party/googleapis"}}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(t.Context(), "dragoman/config/v1/config.proto")
	require.NoError(t, err)
	seen := make(map[protoreflect.FullName]bool)
	var message func(md protoreflect.MessageDescriptor)
	message = func(md protoreflect.MessageDescriptor) {
		if seen[md.FullName()] || md.ParentFile().Package() != "dragoman.config.v1" {
			return
		}
		seen[md.FullName()] = true
		for i := range md.Fields().Len() {
			fd := md.Fields().Get(i)
			t.Run(string(fd.FullName()), func(t *testing.T) { checkComment(t, fd) })
			if fd.Message() != nil && !fd.IsMap() {
				message(fd.Message())
			}
		}
	}
	message(files[0].Messages().ByName("Config"))
	require.Greater(t, len(seen), 15)
}

func checkComment(t *testing.T, fd protoreflect.FieldDescriptor) {
	comment := strings.Join(strings.Fields(fd.ParentFile().SourceLocations().ByDescriptor(fd).LeadingComments), " ")
	require.Contains(t, comment, "Default: ")
	m := fieldExample.FindStringSubmatch(comment)
	require.NotNil(t, m, "no example at the end of %q", comment)

	mt, err := protoregistry.GlobalTypes.FindMessageByName(fd.ContainingMessage().FullName())
	require.NoError(t, err)
	msg := mt.New().Interface()
	example := m[1]
	if fd.Kind() == protoreflect.StringKind && !fd.IsList() && !fd.IsMap() {
		// In a list or a map, and in the file, an example shows its own quotes.
		example = "'" + strings.ReplaceAll(example, "'", "''") + "'"
	}
	require.NoError(t, protoyaml.Unmarshal([]byte(string(fd.Name())+": "+example), msg), example)
	field := mt.Descriptor().Fields().ByName(fd.Name())
	require.True(t, msg.ProtoReflect().Has(field), "the example sets nothing")

	v, err := validator()
	require.NoError(t, err)
	var invalid *protovalidate.ValidationError
	if errors.As(v.Validate(msg), &invalid) {
		for _, violation := range invalid.Violations {
			path := protovalidate.FieldPathString(violation.Proto.GetField())
			// Its neighbours are missing here, and may be.
			if path == string(fd.Name()) || isWithin(path, string(fd.Name())) {
				t.Errorf("the example %s is invalid: %s: %s", example, path, violation.Proto.GetMessage())
			}
		}
	}
}
