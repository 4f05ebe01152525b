package schema_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/dragoman-gateway/dragoman/reflect/schema"
)

// files reads descriptors written as text, which no compiler has seen.
func files(t testing.TB, text string) *descriptorpb.FileDescriptorSet {
	t.Helper()
	set := new(descriptorpb.FileDescriptorSet)
	require.NoError(t, prototext.UnmarshalOptions{AllowPartial: true}.Unmarshal([]byte(text), set))
	return set
}

func TestBrokenSets(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"no name":        {`file { package: "p" }`, `file 1 of the descriptors has no name`},
		"unknown syntax": {`file { name: "a.proto" syntax: "proto9" }`, `file "a.proto": syntax "proto9" is not known: want proto2, proto3 or editions`},
		"edition to come": {`file { name: "a.proto" syntax: "editions" edition: EDITION_99999_TEST_ONLY }`,
			`file "a.proto": edition "99999_TEST_ONLY" is not supported: want 2023 or 2024`},
		// The linker ends the process for this path and edition.
		"no edition": {`file { name: "cmd/protoc-gen-go/testdata/a.proto" syntax: "editions" }`,
			`file "cmd/protoc-gen-go/testdata/a.proto": edition "UNKNOWN" is not supported: want 2023 or 2024`},
		"same file twice": {`file { name: "a.proto" package: "p" } file { name: "a.proto" package: "q" }`,
			`file "a.proto" occurs twice in the descriptors, with different content`},
		"cycle": {`file { name: "a.proto" dependency: "b.proto" } file { name: "b.proto" dependency: "c.proto" } file { name: "c.proto" dependency: "b.proto" }`,
			`file "b.proto" imports itself: b.proto → c.proto → b.proto`},
		"imports itself": {`file { name: "a.proto" dependency: "a.proto" }`, `file "a.proto" imports itself: a.proto → a.proto`},
		"name in two files": {`file { name: "a.proto" package: "p" message_type { name: "M" } } file { name: "b.proto" package: "p" enum_type { name: "M" value { name: "Z" number: 0 } } }`,
			`"p.M" is declared in both "a.proto" and "b.proto"`},
		"enum value in two files": {`file { name: "a.proto" message_type { name: "Z" } } file { name: "b.proto" enum_type { name: "E" value { name: "Z" number: 0 } } }`,
			`"Z" is declared in both "a.proto" and "b.proto"`},
		"type from nowhere": {`file { name: "a.proto" message_type { name: "M" field { name: "f" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".p.Gone" } } }`,
			`file "a.proto": message field "M.f" cannot resolve type: resolved "p.Gone", but "a.proto" does not import it`},
		"bad name": {`file { name: "a.proto" message_type { name: "1" } }`, `file "a.proto": descriptor ""`},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := schema.New(files(t, c.in))
			require.Nil(t, s)
			if name == "type from nowhere" || name == "bad name" {
				// The text is the library's; that it names file and place is ours.
				require.ErrorContains(t, err, `file "a.proto": `)
				require.NotContains(t, err.Error(), "proto: ")
				return
			}
			require.EqualError(t, err, c.want)
		})
	}
}

func TestMissingFiles(t *testing.T) {
	_, err := schema.Options{MissingAdvice: "add it"}.New(files(t, `
		file { name: "b.proto" dependency: "gone/one.proto" dependency: "gone/two.proto" }
		file { name: "a.proto" dependency: "gone/one.proto" dependency: "google/api/http.proto" }`))
	var missing *schema.MissingFileError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, "gone/one.proto", missing.File)
	require.Equal(t, []string{"a.proto", "b.proto"}, missing.ImportedBy)
	require.EqualError(t, err, ""+
		`file "gone/one.proto" is missing, imported by "a.proto", "b.proto": add it`+"\n"+
		`file "gone/two.proto" is missing, imported by "b.proto": add it`)

	_, err = schema.New(files(t, `file { name: "a.proto" dependency: "gone.proto" }`))
	require.EqualError(t, err, `file "gone.proto" is missing, imported by "a.proto"`)
}

func TestManyMissingFilesAreCounted(t *testing.T) {
	fd := &descriptorpb.FileDescriptorProto{Name: proto.String("a.proto")}
	for i := range 1000 {
		fd.Dependency = append(fd.Dependency, strings.Repeat("x", i+1)+".proto")
	}
	_, err := schema.New(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{fd}})
	require.ErrorContains(t, err, "980 more files are missing")
	require.Equal(t, 20, strings.Count(err.Error(), "\n"))
}

// TestPublicImportLadder has two public ways from each step to the next.
func TestPublicImportLadder(t *testing.T) {
	ladder := func(steps int) *descriptorpb.FileDescriptorSet {
		set := new(descriptorpb.FileDescriptorSet)
		for i := range steps {
			for _, side := range []string{"l", "r"} {
				fd := &descriptorpb.FileDescriptorProto{Name: proto.String(fmt.Sprintf("%s%d.proto", side, i))}
				if i > 0 {
					fd.Dependency = []string{fmt.Sprintf("l%d.proto", i-1), fmt.Sprintf("r%d.proto", i-1)}
					fd.PublicDependency = []int32{0, 1}
				}
				set.File = append(set.File, fd)
			}
		}
		return set
	}
	_, err := schema.New(ladder(8))
	require.NoError(t, err)
	_, err = schema.New(ladder(200))
	require.ErrorContains(t, err, "public imports lead along more than 16384 ways to other files")
}

// TestEdition2024 links what the compiler in this program cannot compile yet: an
// option import that nobody has is allowed there.
func TestEdition2024(t *testing.T) {
	s, err := schema.New(files(t, `file {
		name: "a.proto" package: "p" syntax: "editions" edition: EDITION_2024
		option_dependency: "gone/options.proto" option_dependency: "google/api/annotations.proto"
		message_type {
			name: "M"
			field { name: "inner" number: 1 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".p.M" options { features { message_encoding: DELIMITED } } }
			field { name: "closed" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING options { features { field_presence: LEGACY_REQUIRED } } }
		}
		service { name: "S" method { name: "Do" input_type: ".p.M" output_type: ".p.M" } }
	}`))
	require.NoError(t, err)
	d, err := s.FindDescriptorByName("p.M")
	require.NoError(t, err)
	fields := d.(protoreflect.MessageDescriptor).Fields()
	require.Equal(t, protoreflect.GroupKind, fields.ByName("inner").Kind())
	require.Equal(t, protoreflect.Required, fields.ByName("closed").Cardinality())
	_, err = s.FindFileByPath("google/api/annotations.proto")
	require.NoError(t, err)
}

// TestUnknownOptionsAreCarried keeps an option that nobody here knows.
func TestUnknownOptionsAreCarried(t *testing.T) {
	set := files(t, `file { name: "a.proto" service { name: "S" options {} } }`)
	want := []byte{0xc2, 0xbb, 0x3e, 0x02, 'h', 'i'}
	set.File[0].Service[0].Options.ProtoReflect().SetUnknown(want)
	s, err := schema.New(set)
	require.NoError(t, err)
	require.EqualValues(t, want, s.Services()[0].Options().ProtoReflect().GetUnknown())
}

// maxFuzzBytes keeps one input from taking the whole time.
const maxFuzzBytes = 64 << 10

func FuzzNew(f *testing.F) {
	add := func(set *descriptorpb.FileDescriptorSet) {
		raw, err := proto.MarshalOptions{AllowPartial: true}.Marshal(set)
		require.NoError(f, err)
		f.Add(raw)
	}
	add(compile(f, sources{"library.proto": library}))
	add(compile(f, sources{"library.proto": library, "google/api/annotations.proto": ownAnnotations}))
	add(files(f, `file { name: "a.proto" dependency: "b.proto" } file { name: "b.proto" dependency: "a.proto" }`))
	add(files(f, `file { name: "cmd/protoc-gen-go/testdata/a.proto" syntax: "editions" }`))
	add(files(f, `file { name: "a.proto" syntax: "editions" edition: EDITION_2024 message_type { name: "M" field { name: "f" number: 1 label: LABEL_REPEATED type: TYPE_MESSAGE type_name: "M.E" } nested_type { name: "E" options { map_entry: true } } } }`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > maxFuzzBytes {
			return
		}
		set := new(descriptorpb.FileDescriptorSet)
		if err := (proto.UnmarshalOptions{AllowPartial: true}).Unmarshal(raw, set); err != nil {
			return
		}
		s, err := schema.New(set)
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		// What was linked can be walked.
		s.RangeMessages(func(md protoreflect.MessageDescriptor) bool {
			found, err := s.FindDescriptorByName(md.FullName())
			require.NoError(t, err)
			require.Equal(t, md.FullName(), found.FullName())
			for i := range md.Fields().Len() {
				fd := md.Fields().Get(i)
				_, _, _ = fd.Default(), fd.JSONName(), fd.IsPacked()
			}
			return true
		})
		for _, fd := range s.Own() {
			protodesc.ToFileDescriptorProto(fd)
		}
		for _, sd := range s.Services() {
			for i := range sd.Methods().Len() {
				s.HTTPRule(sd.Methods().Get(i))
			}
		}
	})
}
