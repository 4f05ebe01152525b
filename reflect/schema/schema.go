// Package schema holds the linked descriptors of one upstream.
//
// A [Schema] is immutable and never touches the global registry with the
// upstream's own files, so two upstreams may hold different versions of one
// package. When and how files are linked is hidden here.
//
// The package is complete for proto2, proto3 and editions up to 2024.
package schema

import (
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Schema is one upstream's set of linked descriptors. It holds, in this order of
// precedence:
//
//   - the files that it was made of;
//   - what those import and did not bring along, from the files built into this
//     program (see [New]);
//   - the well-known types and google.rpc, which messages packed in an Any and
//     error details may be of even if nothing imports them.
//
// Every name occurs once. A Schema is immutable and safe for any goroutine.
type Schema struct {
	name        string
	registry    *protoregistry.Files
	own         []protoreflect.FileDescriptor // given to New, by path
	files       []protoreflect.FileDescriptor // own, then built in, each by path
	services    []protoreflect.ServiceDescriptor
	byExtendee  map[protoreflect.FullName]map[protoreflect.FieldNumber]protoreflect.ExtensionDescriptor
	fingerprint string
}

// New links the files of set and keeps nothing of set itself. Imports that the
// set lacks are taken from the files built into this program: google/protobuf,
// google/api, google/rpc, google/type, protoc-gen-openapiv2/options and
// buf/validate. A set that brings its own copy of such a file uses its copy.
//
// An import found in neither is a [*MissingFileError]; there may be several,
// joined. Any other error says which file is broken, and how.
func New(set *descriptorpb.FileDescriptorSet) (*Schema, error) {
	return Options{}.New(set)
}

// Options changes what a [Schema] shows. The zero value shows everything.
type Options struct {
	// Name is what messages call the schema: that of its upstream.
	Name string
	// Services, if not nil, lists the only services that [Schema.Services]
	// gives: a descriptor source that knows what the upstream serves leaves
	// out those which its files merely define. A name that no file defines is
	// an error.
	Services []protoreflect.FullName
	// MissingAdvice tells the user of this source how to add a file that it
	// lacks: [MissingFileError.Advice].
	MissingAdvice string
}

// Name is the upstream's name, for messages, or "".
func (s *Schema) Name() string { return s.name }

// Services lists the services of the given files, but for the infrastructure
// that a gateway answers itself (grpc.reflection, grpc.health, grpc.channelz),
// sorted by full name. The caller must not change the slice.
func (s *Schema) Services() []protoreflect.ServiceDescriptor { return s.services }

// Files lists all files, dependencies and built-ins included: the given ones
// first, each part sorted by path. The caller must not change the slice.
func (s *Schema) Files() []protoreflect.FileDescriptor { return s.files }

// Own lists the given files alone, sorted by path. The caller must not change the
// slice.
func (s *Schema) Own() []protoreflect.FileDescriptor { return s.own }

// Fingerprint identifies the content: two schemas made of equal files, in
// whatever order, have the same. It is a SHA-256 in hexadecimal.
func (s *Schema) Fingerprint() string { return s.fingerprint }

// HTTPRule returns the google.api.http option of md, or nil if it has none. It
// is read with this program's own google.api annotations, whatever version of
// them the schema brings along. The caller may keep and change it.
func (s *Schema) HTTPRule(md protoreflect.MethodDescriptor) *annotations.HttpRule {
	return httpRule(md)
}
