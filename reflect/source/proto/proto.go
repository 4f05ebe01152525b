// Package proto loads descriptors by compiling .proto files.
package proto

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
	"github.com/dragoman-gateway/dragoman/reflect/schema"
	"github.com/dragoman-gateway/dragoman/reflect/source"
)

// Source compiles the files below its roots anew with each Load. An import is
// looked up in the roots, in their order, and then among the files built into
// this program. Neither an import nor a symbolic link leads out of a root.
//
// The schema shows the services of the files that are named, and not of what
// those merely import. Comments are kept. It compiles proto2, proto3 and edition
// 2023.
type Source struct {
	name  string // of the upstream
	roots []root
	files []string // patterns
}

// root is a folder that imports are looked up in.
type root struct {
	shown string // as the user wrote it, for messages
	path  string
}

var _ source.Source = (*Source)(nil)

// New makes the source that cfg describes. It reads nothing yet.
func New(cfg *configpb.ProtoSource, env source.Env) (source.Source, error) {
	s := &Source{name: env.Name}
	for _, shown := range cfg.GetRoots() {
		path := shown
		if !filepath.IsAbs(path) {
			path = filepath.Join(env.Dir, path)
		}
		s.roots = append(s.roots, root{shown: filepath.Clean(shown), path: filepath.Clean(path)})
	}
	if len(s.roots) == 0 {
		return nil, fmt.Errorf("proto: there are no roots: name the folders that imports are relative to")
	}
	for _, pattern := range cfg.GetFiles() {
		clean, err := cleanPattern(pattern)
		if err != nil {
			return nil, fmt.Errorf("proto: %w", err)
		}
		s.files = append(s.files, clean)
	}
	return s, nil
}

// Offline implements [source.Source]: nothing but files is read.
func (s *Source) Offline() bool { return true }

// Load implements [source.Source]. What is wrong in the files is a [Problems].
func (s *Source) Load(ctx context.Context) (*schema.Schema, error) {
	t, err := openTree(s.roots)
	if err != nil {
		return nil, fmt.Errorf("proto: %w", err)
	}
	defer t.close()
	named, err := t.find(s.files)
	if err != nil {
		return nil, fmt.Errorf("proto: %w", err)
	}
	c := &collector{shown: make(map[string]string)}
	p, err := parse(t, c, named)
	if err != nil {
		return nil, fmt.Errorf("proto: %w", err)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	compiler := protocompile.Compiler{Resolver: p, Reporter: c, SourceInfoMode: protocompile.SourceInfoStandard}
	linked, err := compiler.Compile(ctx, named...)
	if err := c.err(); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("proto: %w", err)
	}
	set := new(descriptorpb.FileDescriptorSet)
	services := []protoreflect.FullName{}
	seen := make(map[string]bool)
	for _, f := range linked {
		for i := range f.Services().Len() {
			services = append(services, f.Services().Get(i).FullName())
		}
		p.collect(f, seen, set)
	}
	return schema.Options{Name: s.name, Services: services}.New(set)
}

// collect adds f and what it imports, if it was compiled from source. Built-in
// files are left for package schema to add.
func (p *parsed) collect(f linker.File, seen map[string]bool, set *descriptorpb.FileDescriptorSet) {
	if f == nil || seen[f.Path()] || p.files[f.Path()] == nil {
		return
	}
	seen[f.Path()] = true
	for i := range f.Imports().Len() {
		p.collect(f.FindImportByPath(f.Imports().Get(i).Path()), seen, set)
	}
	if compiled, ok := f.(linker.Result); ok {
		set.File = append(set.File, compiled.FileDescriptorProto())
	}
}

func isFolder(path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return fmt.Errorf("is not a folder")
	}
	return nil
}
