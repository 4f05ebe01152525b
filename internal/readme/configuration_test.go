package readme

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/bufbuild/protocompile"
	"github.com/stretchr/testify/require"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

const configurationHead = `# Configuration

` + "`dragoman serve -c FILE`" + ` reads one file. It is checked as a whole before anything is served: unknown names, wrong values and
dangling references are reported with file, line and column, all at once. ` + "`dragoman check -c FILE`" + ` does only that; with
` + "`--resolve`" + ` it loads the descriptors and compiles the routes as well.

A complete file: [examples/library/dragoman.yaml](../examples/library/dragoman.yaml).

This page is made of the comments in [proto/dragoman/config/v1](../proto/dragoman/config/v1), the only place where
settings are defined; a test keeps it so. Names are written there in capitals, in the file as in the headings here.
`

// TestConfigurationPage compares docs/configuration.md with the comments of the
// configuration schema.
func TestConfigurationPage(t *testing.T) {
	root := gatewaytest.Root()
	compiler := protocompile.Compiler{
		Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
			ImportPaths: []string{
				filepath.Join(root, "proto"), filepath.Join(root, "third_party", "protovalidate"),
				filepath.Join(root, "third_party", "googleapis"),
			},
		}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(t.Context(), "dragoman/config/v1/config.proto")
	require.NoError(t, err)
	page := &page{seen: make(map[protoreflect.FullName]bool)}
	page.WriteString(configurationHead)
	page.message(files[0].Messages().ByName("Config"))

	path := filepath.Join(root, "docs", "configuration.md")
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(page.String()), 0o644))
		t.Errorf("%s was rewritten: read the difference", path)
		return
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), page.String(), "run: go test ./internal/readme -update")
}

// page is the text so far. Messages come in the order in which a reader meets
// them, each once.
type page struct {
	strings.Builder
	seen map[protoreflect.FullName]bool
}

func (p *page) message(md protoreflect.MessageDescriptor) {
	if p.seen[md.FullName()] {
		return
	}
	p.seen[md.FullName()] = true
	fmt.Fprintf(p, "\n## %s\n\n%s\n", md.Name(), comment(md))
	var below []protoreflect.MessageDescriptor
	for i := range md.Fields().Len() {
		fd := md.Fields().Get(i)
		fmt.Fprintf(p, "\n### `%s`\n\n%s.\n\n%s\n", fd.Name(), kind(fd), comment(fd))
		if m := fd.Message(); own(m) {
			below = append(below, m)
		}
	}
	for _, m := range below {
		p.message(m)
	}
}

// own reports whether md is one of the configuration's messages.
func own(md protoreflect.MessageDescriptor) bool {
	return md != nil && !md.IsMapEntry() && strings.HasPrefix(string(md.FullName()), "dragoman.")
}

// kind says in a few words what a field takes.
func kind(fd protoreflect.FieldDescriptor) string {
	var name string
	switch {
	case fd.IsMap():
		return "Map of strings"
	case own(fd.Message()):
		name = fmt.Sprintf("[%s](#%s)", fd.Message().Name(), strings.ToLower(string(fd.Message().Name())))
	case fd.Message() != nil && fd.Message().ParentFile().Package() == "google.api":
		name = "google.api." + string(fd.Message().Name())
	case fd.Message() != nil:
		name = "duration"
	case fd.Kind() == protoreflect.BoolKind:
		name = "true or false"
	case fd.Kind() == protoreflect.StringKind:
		name = "text"
	default:
		name = "number"
	}
	if fd.IsList() {
		return "List of " + name
	}
	if od := fd.ContainingOneof(); od != nil && !od.IsSynthetic() && od.Fields().Len() > 1 {
		name += ", instead of the others here"
	}
	return strings.ToUpper(name[:1]) + name[1:]
}

// comment is the leading comment of d, as Markdown.
func comment(d protoreflect.Descriptor) string {
	text := d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		lines = append(lines, strings.TrimPrefix(line, " "))
	}
	return strings.Join(lines, "\n")
}
