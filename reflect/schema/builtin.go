package schema

import (
	"slices"
	"strings"
	"sync"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	// The files built into this program, beside those that package schema uses
	// itself: each package registers its own when it is linked.
	_ "buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	_ "github.com/grpc-ecosystem/grpc-gateway/v2/protoc-gen-openapiv2/options"
	_ "google.golang.org/genproto/googleapis/api"
	_ "google.golang.org/genproto/googleapis/api/annotations"
	_ "google.golang.org/genproto/googleapis/api/configchange"
	_ "google.golang.org/genproto/googleapis/api/distribution"
	_ "google.golang.org/genproto/googleapis/api/error_reason"
	_ "google.golang.org/genproto/googleapis/api/httpbody"
	_ "google.golang.org/genproto/googleapis/api/label"
	_ "google.golang.org/genproto/googleapis/api/metric"
	_ "google.golang.org/genproto/googleapis/api/monitoredres"
	_ "google.golang.org/genproto/googleapis/api/serviceconfig"
	_ "google.golang.org/genproto/googleapis/api/visibility"
	_ "google.golang.org/genproto/googleapis/rpc/code"
	_ "google.golang.org/genproto/googleapis/rpc/context/attribute_context"
	_ "google.golang.org/genproto/googleapis/rpc/errdetails"
	_ "google.golang.org/genproto/googleapis/rpc/http"
	_ "google.golang.org/genproto/googleapis/rpc/status"
	_ "google.golang.org/genproto/googleapis/type/calendarperiod"
	_ "google.golang.org/genproto/googleapis/type/color"
	_ "google.golang.org/genproto/googleapis/type/date"
	_ "google.golang.org/genproto/googleapis/type/date_range"
	_ "google.golang.org/genproto/googleapis/type/date_time_range"
	_ "google.golang.org/genproto/googleapis/type/datetime"
	_ "google.golang.org/genproto/googleapis/type/dayofweek"
	_ "google.golang.org/genproto/googleapis/type/decimal"
	_ "google.golang.org/genproto/googleapis/type/expr"
	_ "google.golang.org/genproto/googleapis/type/fraction"
	_ "google.golang.org/genproto/googleapis/type/interval"
	_ "google.golang.org/genproto/googleapis/type/latlng"
	_ "google.golang.org/genproto/googleapis/type/localized_text"
	_ "google.golang.org/genproto/googleapis/type/money"
	_ "google.golang.org/genproto/googleapis/type/month"
	_ "google.golang.org/genproto/googleapis/type/phone_number"
	_ "google.golang.org/genproto/googleapis/type/postaladdress"
	_ "google.golang.org/genproto/googleapis/type/quaternion"
	_ "google.golang.org/genproto/googleapis/type/timeofday"
	_ "google.golang.org/protobuf/types/gofeaturespb"
	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/apipb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/emptypb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"
	_ "google.golang.org/protobuf/types/known/sourcecontextpb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/typepb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"
	_ "google.golang.org/protobuf/types/pluginpb"
)

// always are the built-in files that every schema holds, because a message
// packed in an Any, or an error detail, may be of their types.
var always = []string{
	"google/protobuf/any.proto",
	"google/protobuf/duration.proto",
	"google/protobuf/empty.proto",
	"google/protobuf/field_mask.proto",
	"google/protobuf/struct.proto",
	"google/protobuf/timestamp.proto",
	"google/protobuf/wrappers.proto",
	"google/rpc/code.proto",
	"google/rpc/error_details.proto",
	"google/rpc/http.proto",
	"google/rpc/status.proto",
}

// builtinFolders are the import paths below which this program's own copies
// stand in. Whatever else happens to be linked is no business of an upstream.
var builtinFolders = []string{
	"buf/validate/",
	"google/api/",
	"google/protobuf/",
	"google/rpc/",
	"google/type/",
	"protoc-gen-openapiv2/options/",
}

func isBuiltinPath(path string) bool {
	return slices.ContainsFunc(builtinFolders, func(dir string) bool { return strings.HasPrefix(path, dir) })
}

// builtins is made once, by the first schema. Its values are shared and never
// changed.
var builtins = sync.OnceValue(func() map[string]*descriptorpb.FileDescriptorProto {
	files := make(map[string]*descriptorpb.FileDescriptorProto)
	protoregistry.GlobalFiles.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if isBuiltinPath(fd.Path()) {
			files[fd.Path()] = protodesc.ToFileDescriptorProto(fd)
		}
		return true
	})
	for _, text := range []string{cppFeatures, javaFeatures} {
		var fd descriptorpb.FileDescriptorProto
		if err := prototext.Unmarshal([]byte(text), &fd); err != nil {
			panic("schema: built-in features: " + err.Error())
		}
		files[fd.GetName()] = &fd
	}
	return files
})

// Builtin returns the file of that import path that is built into this program,
// or nil. The caller must not change it.
func Builtin(path string) *descriptorpb.FileDescriptorProto { return builtins()[path] }

// Builtins lists the import paths of the files built into this program, sorted.
func Builtins() []string {
	paths := make([]string, 0, len(builtins()))
	for p := range builtins() {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// optionTypes finds the extensions that the built-in files declare, for the
// options of files. All others stay unknown fields: they are carried along, but
// nothing of an upstream is read with types that merely happen to be linked.
type optionTypes struct{}

func (optionTypes) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return builtinExtension(protoregistry.GlobalTypes.FindExtensionByName(name))
}

func (optionTypes) FindExtensionByNumber(message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	return builtinExtension(protoregistry.GlobalTypes.FindExtensionByNumber(message, number))
}

func builtinExtension(xt protoreflect.ExtensionType, err error) (protoreflect.ExtensionType, error) {
	if err != nil {
		return nil, protoregistry.NotFound
	}
	// An extension registered by code of the old generators has no file.
	file := xt.TypeDescriptor().ParentFile()
	if file == nil || !isBuiltinPath(file.Path()) {
		return nil, protoregistry.NotFound
	}
	return xt, nil
}
