package proto_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protoreflect"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/reflect/source"
	"github.com/dragoman-gateway/dragoman/reflect/source/proto"
)

var update = flag.Bool("update", false, "rewrite the wanted text of testdata, and fail")

// folder writes the files of a txtar text into a new folder.
func folder(t testing.TB, files []txtar.File) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		name := filepath.Join(dir, filepath.FromSlash(f.Name))
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, f.Data, 0o644))
	}
	return dir
}

func load(t testing.TB, dir string, cfg *configpb.ProtoSource) (*schema.Schema, error) {
	t.Helper()
	src, err := proto.New(cfg, source.Env{Name: "library", Dir: dir})
	if err != nil {
		return nil, err
	}
	require.True(t, src.Offline())
	return src.Load(t.Context())
}

func TestProblems(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			ar, err := txtar.ParseFile(file)
			require.NoError(t, err)
			cfg := new(configpb.ProtoSource)
			require.NoError(t, prototext.Unmarshal(ar.Files[0].Data, cfg))
			last := len(ar.Files) - 1
			require.Equal(t, "want", ar.Files[last].Name)

			_, err = load(t, folder(t, ar.Files[1:last]), cfg)
			require.Error(t, err)
			require.NotErrorIs(t, err, source.ErrUnavailable)
			got := err.Error() + "\n"
			if *update && got != string(ar.Files[last].Data) {
				ar.Files[last].Data = []byte(got)
				require.NoError(t, os.WriteFile(file, txtar.Format(ar), 0o644))
				t.Fatalf("%s rewritten: read the change", file)
			}
			require.Equal(t, string(ar.Files[last].Data), got)
		})
	}
}

const tree = `
-- proto/library/v1/library.proto --
syntax = "proto3";
package library.v1;
import "google/api/annotations.proto";
import "google/type/money.proto";
import "acme/types.proto";
import "shared/page.proto";
// Library keeps books.
service Library {
  rpc GetBook(Book) returns (Book) { option (google.api.http) = { get: "/v1/{name=books/*}" }; }
}
message Book { string name = 1; acme.Kind kind = 2; google.type.Money price = 3; shared.Page first = 4; }
-- proto/admin/v1/admin.proto --
edition = "2023";
package admin.v1;
message Req { string a = 1 [features.field_presence = LEGACY_REQUIRED]; }
service Admin { rpc Do(Req) returns (Req); }
-- proto/shared/page.proto --
syntax = "proto2";
package shared;
message Page { optional group Inner = 1 {} }
service Pages {}
-- proto/third_party/acme/types.proto --
syntax = "proto3";
package acme;
enum Kind { NONE = 0; }
-- proto/.git/old.proto --
syntax = "proto3";
package library.v1;
message Book {}
-- proto/third_party/acme/README.md --
`

func names(s *schema.Schema) string {
	var out []string
	for _, sd := range s.Services() {
		out = append(out, string(sd.FullName()))
	}
	return strings.Join(out, " ")
}

func TestLoad(t *testing.T) {
	dir := folder(t, txtar.Parse([]byte(tree)).Files)
	roots := []string{"proto", "proto/third_party"}
	for _, c := range []struct {
		files []string
		want  string
	}{
		{nil, "admin.v1.Admin library.v1.Library shared.Pages"},
		{[]string{"library/v1/library.proto"}, "library.v1.Library"},
		{[]string{"**/*.proto"}, "admin.v1.Admin library.v1.Library shared.Pages"},
		{[]string{"*/v1/*.proto"}, "admin.v1.Admin library.v1.Library"},
		{[]string{"./admin/**", "library/**/library.proto"}, "admin.v1.Admin library.v1.Library"},
	} {
		t.Run(fmt.Sprint(c.files), func(t *testing.T) {
			s, err := load(t, dir, &configpb.ProtoSource{Roots: roots, Files: c.files})
			require.NoError(t, err)
			require.Equal(t, c.want, names(s))
		})
	}

	s, err := load(t, dir, &configpb.ProtoSource{Roots: roots})
	require.NoError(t, err)
	d, err := s.FindDescriptorByName("library.v1.Library.GetBook")
	require.NoError(t, err)
	require.Equal(t, "/v1/{name=books/*}", s.HTTPRule(d.(protoreflect.MethodDescriptor)).GetGet())
	comment := d.ParentFile().SourceLocations().ByDescriptor(d.Parent()).LeadingComments
	require.Equal(t, " Library keeps books.\n", comment)
	req, err := s.FindDescriptorByName("admin.v1.Req")
	require.NoError(t, err)
	require.Equal(t, protoreflect.Required, req.(protoreflect.MessageDescriptor).Fields().Get(0).Cardinality())
}

// TestRootsWinOverBuiltins has an annotations.proto of its own below a root.
func TestRootsWinOverBuiltins(t *testing.T) {
	dir := folder(t, txtar.Parse([]byte(`
-- google/api/annotations.proto --
syntax = "proto3";
package google.api;
import "google/protobuf/descriptor.proto";
extend google.protobuf.MethodOptions { HttpRule http = 72295728; }
message HttpRule { string get = 2; }
-- a.proto --
syntax = "proto3";
import "google/api/annotations.proto";
message A {}
service S { rpc Get(A) returns (A) { option (google.api.http).get = "/v1/a"; } }
`)).Files)
	s, err := load(t, "/", &configpb.ProtoSource{Roots: []string{dir}})
	require.NoError(t, err)
	require.Equal(t, "/v1/a", s.HTTPRule(s.Services()[0].Methods().Get(0)).GetGet())
	d, err := s.FindDescriptorByName("google.api.HttpRule")
	require.NoError(t, err)
	require.Equal(t, 1, d.(protoreflect.MessageDescriptor).Fields().Len())
}

// TestLinksStayInside follows a link within a root, as mounted volumes have, and
// none out of it.
func TestLinksStayInside(t *testing.T) {
	dir := folder(t, txtar.Parse([]byte(`
-- proto/..data/a.proto --
syntax = "proto3";
service A {}
-- outside.proto --
syntax = "proto3";
service Outside {}
`)).Files)
	require.NoError(t, os.Symlink("..data/a.proto", filepath.Join(dir, "proto", "a.proto")))
	s, err := load(t, dir, &configpb.ProtoSource{Roots: []string{"proto"}})
	require.NoError(t, err)
	require.Equal(t, "A", names(s))

	require.NoError(t, os.Symlink("../outside.proto", filepath.Join(dir, "proto", "b.proto")))
	_, err = load(t, dir, &configpb.ProtoSource{Roots: []string{"proto"}})
	require.EqualError(t, err, "proto/b.proto: path escapes from parent")
}

func TestProblemsAreBounded(t *testing.T) {
	text := "syntax = \"proto3\";\nmessage M {\n"
	for i := range 500 {
		text += fmt.Sprintf("  Gone%d f%d = %d;\n", i, i, i+1)
	}
	dir := folder(t, []txtar.File{{Name: "a.proto", Data: []byte(text + "}\n")}})
	_, err := load(t, dir, &configpb.ProtoSource{Roots: []string{"."}})
	require.ErrorContains(t, err, "a.proto:3:3: ")
	require.Equal(t, 50, strings.Count(err.Error(), "\n"))
	require.ErrorContains(t, err, "\nthere are more")
}

func TestReadsAnew(t *testing.T) {
	dir := folder(t, []txtar.File{{Name: "a.proto", Data: []byte(`syntax = "proto3"; service A {}`)}})
	src, err := proto.New(&configpb.ProtoSource{Roots: []string{"."}}, source.Env{Dir: dir})
	require.NoError(t, err)
	first, err := src.Load(t.Context())
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "a.proto"), []byte(`syntax = "proto3"; service B {}`), 0o644))
	second, err := src.Load(t.Context())
	require.NoError(t, err)
	require.Equal(t, "B", names(second))
	require.NotEqual(t, first.Fingerprint(), second.Fingerprint())
}
