package image

import (
	"bytes"
	"compress/gzip"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/reflect/source"
)

// library is a set without what it imports.
func library(t testing.TB) *descriptorpb.FileDescriptorSet {
	t.Helper()
	c := protocompile.Compiler{Resolver: protocompile.CompositeResolver{
		&protocompile.SourceResolver{Accessor: protocompile.SourceAccessorFromMap(map[string]string{"library.proto": `
			syntax = "proto3";
			package library.v1;
			import "google/api/annotations.proto";
			message Book { string name = 1; }
			service Library { rpc GetBook(Book) returns (Book) { option (google.api.http) = { get: "/v1/{name=books/*}" }; } }
		`})},
		protocompile.ResolverFunc(func(path string) (protocompile.SearchResult, error) {
			if fd := schema.Builtin(path); fd != nil {
				return protocompile.SearchResult{Proto: fd}, nil
			}
			return protocompile.SearchResult{}, protoregistry.NotFound
		}),
	}}
	files, err := c.Compile(context.Background(), "library.proto")
	require.NoError(t, err)
	raw, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{protodesc.ToFileDescriptorProto(files[0])}})
	require.NoError(t, err)
	set := new(descriptorpb.FileDescriptorSet) // with the option as this program's own type
	require.NoError(t, proto.Unmarshal(raw, set))
	return set
}

func binary(t testing.TB, set *descriptorpb.FileDescriptorSet) []byte {
	t.Helper()
	raw, err := proto.Marshal(set)
	require.NoError(t, err)
	return raw
}

func compressed(t testing.TB, raw []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, err := w.Write(raw)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return b.Bytes()
}

func load(t testing.TB, content []byte) (*schema.Schema, error) {
	t.Helper()
	dir := t.TempDir()
	// The name says nothing.
	require.NoError(t, os.WriteFile(filepath.Join(dir, "image.bin"), content, 0o644))
	src, err := New(&configpb.ImageSource{Path: "image.bin"}, source.Env{Name: "library", Dir: dir})
	require.NoError(t, err)
	require.True(t, src.Offline())
	return src.Load(t.Context())
}

func TestForms(t *testing.T) {
	set := library(t)
	raw := binary(t, set)
	text, err := protojson.Marshal(set)
	require.NoError(t, err)
	// What buf writes: an extension of its own, and options that nobody here
	// knows.
	withExtras := bytes.Replace(text, []byte(`"name":"library.proto"`),
		[]byte(`"name":"library.proto","bufExtension":{"isImport":false},"options":{"[acme.strange]":{"a":[1]},"goPackage":"x"}`), 1)
	require.NotEqual(t, text, withExtras)
	bufBinary := library(t)
	m := bufBinary.File[0].ProtoReflect()
	m.SetUnknown(append(m.GetUnknown(), 0xd2, 0xf6, 0x03, 0x02, 0x08, 0x00)) // 8042 {1: false}

	for name, content := range map[string][]byte{
		"binary":                 raw,
		"buf binary":             binary(t, bufBinary),
		"gzip of binary":         compressed(t, raw),
		"json":                   text,
		"json, spaces and BOM":   append([]byte("\ufeff\n \t"), text...),
		"json, line feed before": append([]byte("\n"), text...),
		"gzip of json":           compressed(t, text),
		"buf json":               withExtras,
		"first file is 123 long": binary(t, &descriptorpb.FileDescriptorSet{File: append([]*descriptorpb.FileDescriptorProto{ofLength(t, '{')}, set.File...)}),
	} {
		t.Run(name, func(t *testing.T) {
			s, err := load(t, content)
			require.NoError(t, err)
			require.Len(t, s.Services(), 1)
			require.Equal(t, "/v1/{name=books/*}", s.HTTPRule(s.Services()[0].Methods().Get(0)).GetGet())
		})
	}
}

// ofLength is a file of n bytes, so that a set which begins with it looks like
// JSON after a line feed.
func ofLength(t testing.TB, n int) *descriptorpb.FileDescriptorProto {
	t.Helper()
	fd := &descriptorpb.FileDescriptorProto{Name: proto.String(string(bytes.Repeat([]byte("a"), n-2)))}
	require.Equal(t, n, proto.Size(fd))
	return fd
}

func TestBroken(t *testing.T) {
	raw := binary(t, library(t))
	for name, c := range map[string]struct {
		content []byte
		want    string
	}{
		"empty":            {nil, `image "image.bin": the file is empty`},
		"gzip of nothing":  {compressed(t, nil), `image "image.bin": the file is empty`},
		"cut binary":       {raw[:len(raw)-1], `image "image.bin": taken for a binary FileDescriptorSet: cannot parse invalid wire-format data: is the file complete?`},
		"cut gzip":         {compressed(t, raw)[:20], `image "image.bin": taken for gzip: unexpected EOF`},
		"gzip header only": {[]byte{0x1f, 0x8b}, `image "image.bin": taken for gzip: unexpected EOF`},
		"zstd":             {[]byte{0x28, 0xb5, 0x2f, 0xfd, 0}, `image "image.bin": it is compressed with zstd: use gzip or none, as with buf build -o image.binpb`},
		"no files":         {[]byte(`{}`), `image "image.bin": taken for JSON: it holds no files`},
		"cut json":         {[]byte(`{"file":[`), `image "image.bin": taken for JSON: unexpected EOF`},
		"json of a type":   {[]byte(`{"file":[{"name":7}]}`), `image "image.bin": taken for JSON: (line 1:18): invalid value for string field name: 7`},
		"other json":       {compressed(t, []byte(`{"name":"package"}`)), `image "image.bin": taken for gzip of JSON: it holds no files`},
		"source": {[]byte("// Books.\nsyntax = \"proto3\";\n"),
			`image "image.bin": neither a binary FileDescriptorSet nor JSON (it begins with "// Books.\nsyntax"): this is .proto source, which belongs to descriptors of the kind proto`},
		"text form": {[]byte(`file { name: "a.proto" }`),
			`image "image.bin": neither a binary FileDescriptorSet nor JSON (it begins with "file { name: \"a."): write it in another form, as with buf build -o image.binpb`},
		"no name": {[]byte{0x0a, 0x00}, `image "image.bin": taken for a binary FileDescriptorSet: it holds a file without a name: is it a FileDescriptorSet?`},
		"missing import": {binary(t, &descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{{
			Name: proto.String("a.proto"), Dependency: []string{"gone.proto"},
		}}}), `image "image.bin": file "gone.proto" is missing, imported by "a.proto": build the image with everything that it imports: buf build does, protoc needs --include_imports`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, c.content)
			require.EqualError(t, err, c.want)
			require.NotErrorIs(t, err, source.ErrUnavailable)
		})
	}
}

func TestNoFile(t *testing.T) {
	src, err := New(&configpb.ImageSource{Path: "gone.binpb"}, source.Env{Dir: t.TempDir()})
	require.NoError(t, err)
	_, err = src.Load(t.Context())
	require.EqualError(t, err, `image "gone.binpb": no such file or directory`)

	_, err = New(new(configpb.ImageSource), source.Env{})
	require.EqualError(t, err, "image: path is empty: name the file")
}

// TestDecompressionIsBounded reads a small file that holds much.
func TestDecompressionIsBounded(t *testing.T) {
	bomb := compressed(t, make([]byte, 3<<20))
	require.Less(t, len(bomb), 10_000)
	_, err := decode(bomb, 2<<20)
	require.EqualError(t, err, "too large: an image may have 2 MiB, decompressed")
}

func FuzzParse(f *testing.F) {
	set := library(f)
	raw := binary(f, set)
	text, err := protojson.Marshal(set)
	require.NoError(f, err)
	f.Add(raw)
	f.Add(text)
	f.Add(compressed(f, raw))
	f.Add([]byte("\n{"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		if len(raw) > 64<<10 {
			return
		}
		set, err := decode(raw, 1<<20)
		if err == nil {
			_, err = schema.New(set)
		}
		if err != nil {
			require.NotEmpty(t, err.Error())
		}
	})
}
