package schema

// The features that editions define for C++ and Java have no Go package. They
// mean nothing to the gateway; the files are here because others import them,
// and servers often leave them out of their reflection.

const cppFeatures = `
name: "google/protobuf/cpp_features.proto"
package: "pb"
syntax: "proto2"
dependency: "google/protobuf/descriptor.proto"
message_type {
  name: "CppFeatures"
  field { name: "legacy_closed_enum" number: 1 label: LABEL_OPTIONAL type: TYPE_BOOL json_name: "legacyClosedEnum" }
  field { name: "string_type" number: 2 label: LABEL_OPTIONAL type: TYPE_ENUM type_name: ".pb.CppFeatures.StringType" json_name: "stringType" }
  field { name: "enum_name_uses_string_view" number: 3 label: LABEL_OPTIONAL type: TYPE_BOOL json_name: "enumNameUsesStringView" }
  enum_type {
    name: "StringType"
    value { name: "STRING_TYPE_UNKNOWN" number: 0 }
    value { name: "VIEW" number: 1 }
    value { name: "CORD" number: 2 }
    value { name: "STRING" number: 3 }
  }
}
extension { name: "cpp" number: 1000 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".pb.CppFeatures" extendee: ".google.protobuf.FeatureSet" json_name: "cpp" }
`

const javaFeatures = `
name: "google/protobuf/java_features.proto"
package: "pb"
syntax: "proto2"
dependency: "google/protobuf/descriptor.proto"
message_type {
  name: "JavaFeatures"
  field { name: "legacy_closed_enum" number: 1 label: LABEL_OPTIONAL type: TYPE_BOOL json_name: "legacyClosedEnum" }
  field { name: "utf8_validation" number: 2 label: LABEL_OPTIONAL type: TYPE_ENUM type_name: ".pb.JavaFeatures.Utf8Validation" json_name: "utf8Validation" }
  enum_type {
    name: "Utf8Validation"
    value { name: "UTF8_VALIDATION_UNKNOWN" number: 0 }
    value { name: "DEFAULT" number: 1 }
    value { name: "VERIFY" number: 2 }
  }
}
extension { name: "java" number: 1001 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".pb.JavaFeatures" extendee: ".google.protobuf.FeatureSet" json_name: "java" }
options { java_package: "com.google.protobuf" java_outer_classname: "JavaFeaturesProto" }
`
