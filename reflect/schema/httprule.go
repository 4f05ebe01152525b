package schema

import (
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// httpTypes knows one extension: other options of a method, however broken,
// cannot stand in the way of its rule.
var httpTypes = func() *protoregistry.Types {
	t := new(protoregistry.Types)
	if err := t.RegisterExtension(annotations.E_Http); err != nil {
		panic(err)
	}
	return t
}()

// httpRule writes the options and reads them back. The option may be an unknown
// field (the file was read without annotations), a value of another Go type
// (the file was compiled with a copy of annotations.proto of its own) or what
// this program links: on the wire they are all the same.
func httpRule(md protoreflect.MethodDescriptor) *annotations.HttpRule {
	opts := md.Options()
	if opts == nil || !opts.ProtoReflect().IsValid() {
		return nil
	}
	raw, err := proto.MarshalOptions{AllowPartial: true}.Marshal(opts)
	if err != nil || len(raw) == 0 {
		return nil
	}
	var read descriptorpb.MethodOptions
	if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: httpTypes}).Unmarshal(raw, &read); err != nil {
		return nil
	}
	if !proto.HasExtension(&read, annotations.E_Http) {
		return nil
	}
	rule, _ := proto.GetExtension(&read, annotations.E_Http).(*annotations.HttpRule)
	return rule
}
