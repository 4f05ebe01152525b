package schema

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// maxPublicPaths bounds the ways along which public imports lead from one file to
// others. The library walks every single one, and a ladder of 60 files has more
// of them than there is time.
const maxPublicPaths = 1 << 14

// maxMissing bounds how many missing files one error lists.
const maxMissing = 20

// New is [New] with options.
func (o Options) New(set *descriptorpb.FileDescriptorSet) (*Schema, error) {
	own, err := readFiles(set)
	if err != nil {
		return nil, err
	}
	l := linker{own: own, all: make(map[string]*descriptorpb.FileDescriptorProto), registry: new(protoregistry.Files), publicPaths: make(map[string]int)}
	if err := l.close(o.MissingAdvice); err != nil {
		return nil, err
	}
	paths := sortedPaths(l.all)
	for _, p := range paths {
		if err := l.link(p); err != nil {
			return nil, err
		}
	}
	for _, p := range always {
		l.linkBuiltin(p)
	}
	s := &Schema{name: o.Name, registry: l.registry, fingerprint: fingerprint(own, o.Services)}
	s.own, s.files = l.files()
	s.indexExtensions()
	if s.services, err = exposed(s.own, o.Services); err != nil {
		return nil, err
	}
	return s, nil
}

// readFiles copies the files of set, by path. The copy is made through the wire
// format, so that options look the same however set was made: those of the
// built-in files are read, all others are unknown fields.
func readFiles(set *descriptorpb.FileDescriptorSet) (map[string]*descriptorpb.FileDescriptorProto, error) {
	files := make(map[string]*descriptorpb.FileDescriptorProto, len(set.GetFile()))
	for i, given := range set.GetFile() {
		path := given.GetName()
		if path == "" {
			return nil, fmt.Errorf("file %d of the descriptors has no name", i+1)
		}
		raw, err := proto.MarshalOptions{AllowPartial: true}.Marshal(given)
		if err != nil {
			return nil, fmt.Errorf("file %q: %w", path, clean(err))
		}
		fd := new(descriptorpb.FileDescriptorProto)
		if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: optionTypes{}}).Unmarshal(raw, fd); err != nil {
			// An option does not fit this program's copy of its definition;
			// the descriptors themselves may be sound.
			if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: new(protoregistry.Types)}).Unmarshal(raw, fd); err != nil {
				return nil, fmt.Errorf("file %q: %w", path, clean(err))
			}
		}
		if err := checkEdition(fd); err != nil {
			return nil, fmt.Errorf("file %q: %w", path, err)
		}
		if before, ok := files[path]; ok {
			if !proto.Equal(before, fd) {
				return nil, fmt.Errorf("file %q occurs twice in the descriptors, with different content", path)
			}
			continue
		}
		files[path] = fd
	}
	return files, nil
}

// checkEdition refuses what the linker does not know. It must see every file
// before the linker does, which ends the process for some of these.
func checkEdition(fd *descriptorpb.FileDescriptorProto) error {
	switch syntax := fd.GetSyntax(); syntax {
	case "", "proto2", "proto3":
		return nil
	case "editions":
		if e := fd.GetEdition(); e < descriptorpb.Edition_EDITION_2023 || e > descriptorpb.Edition_EDITION_2024 {
			return fmt.Errorf("edition %q is not supported: want 2023 or 2024", strings.TrimPrefix(e.String(), "EDITION_"))
		}
		return nil
	default:
		return fmt.Errorf("syntax %q is not known: want proto2, proto3 or editions", syntax)
	}
}

// linker links files in the order of their imports.
type linker struct {
	own      map[string]*descriptorpb.FileDescriptorProto
	all      map[string]*descriptorpb.FileDescriptorProto // own and the built-in files that those import
	registry *protoregistry.Files
	linking  []string // the files being linked, each imported by the one before
	// publicPaths counts, for a linked file, the ways along which public
	// imports lead away from it.
	publicPaths map[string]int
}

// close collects everything that the own files import, and reports what nobody
// has.
func (l *linker) close(advice string) error {
	missing := make(map[string]*MissingFileError)
	todo := sortedPaths(l.own)
	for len(todo) > 0 {
		path := todo[0]
		todo = todo[1:]
		if l.all[path] != nil {
			continue
		}
		fd := l.own[path]
		if fd == nil {
			fd = Builtin(path)
		}
		l.all[path] = fd
		for _, dep := range fd.GetDependency() {
			if l.own[dep] != nil || Builtin(dep) != nil {
				todo = append(todo, dep)
				continue
			}
			if missing[dep] == nil {
				missing[dep] = &MissingFileError{File: dep, Advice: advice}
			}
			missing[dep].ImportedBy = append(missing[dep].ImportedBy, path)
		}
		// What is imported for options alone may be absent: nothing but the
		// options refers to it.
		for _, dep := range fd.GetOptionDependency() {
			if l.own[dep] != nil || Builtin(dep) != nil {
				todo = append(todo, dep)
			}
		}
	}
	var errs []error
	for _, path := range sortedPaths(missing) {
		if len(errs) == maxMissing {
			errs = append(errs, fmt.Errorf("%d more files are missing", len(missing)-maxMissing))
			break
		}
		slices.Sort(missing[path].ImportedBy)
		errs = append(errs, missing[path])
	}
	return errors.Join(errs...)
}

// link links the file of that path after what it imports.
func (l *linker) link(path string) error {
	if _, err := l.registry.FindFileByPath(path); err == nil {
		return nil
	}
	fd := l.all[path]
	if i := slices.Index(l.linking, path); i >= 0 {
		return fmt.Errorf("file %q imports itself: %s", path, strings.Join(append(l.linking[i:], path), " → "))
	}
	l.linking = append(l.linking, path)
	for _, deps := range [][]string{fd.GetDependency(), fd.GetOptionDependency()} {
		for _, dep := range deps {
			if l.all[dep] == nil {
				continue
			}
			if err := l.link(dep); err != nil {
				return err
			}
		}
	}
	l.linking = l.linking[:len(l.linking)-1]
	return l.register(fd)
}

// linkBuiltin adds a built-in file that nothing imports, unless the upstream has
// the same names elsewhere: its own win.
func (l *linker) linkBuiltin(path string) {
	if _, err := l.registry.FindFileByPath(path); err == nil {
		return
	}
	fd := Builtin(path)
	for _, dep := range fd.GetDependency() {
		l.linkBuiltin(dep)
	}
	_ = l.register(fd)
}

func (l *linker) register(fd *descriptorpb.FileDescriptorProto) (err error) {
	// The linker trusts descriptors to have passed a compiler; what it does
	// with others is not worth the process.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("file %q is broken: %v", fd.GetName(), r)
		}
	}()
	if err := l.countPublic(fd); err != nil {
		return err
	}
	linked, err := protodesc.NewFile(fd, l.registry)
	if err != nil {
		return fmt.Errorf("file %q: %w", fd.GetName(), clean(err))
	}
	if err := l.registry.RegisterFile(linked); err != nil {
		if name, other := l.conflict(linked); other != "" {
			return fmt.Errorf("%q is declared in both %q and %q", name, other, fd.GetName())
		}
		return fmt.Errorf("file %q: %w", fd.GetName(), clean(err))
	}
	return nil
}

// countPublic refuses what could not be linked in reasonable time.
func (l *linker) countPublic(fd *descriptorpb.FileDescriptorProto) error {
	walked := 0
	for _, dep := range fd.GetDependency() {
		walked += l.publicPaths[dep]
	}
	paths := 0
	for _, i := range fd.GetPublicDependency() {
		if i >= 0 && int(i) < len(fd.GetDependency()) {
			paths += 1 + l.publicPaths[fd.GetDependency()[i]]
		}
	}
	if max(walked, paths) > maxPublicPaths {
		return fmt.Errorf("file %q: public imports lead along more than %d ways to other files", fd.GetName(), maxPublicPaths)
	}
	l.publicPaths[fd.GetName()] = paths
	return nil
}

// conflict finds a name of fd that another file declares.
func (l *linker) conflict(fd protoreflect.FileDescriptor) (protoreflect.FullName, string) {
	var name protoreflect.FullName
	var other string
	declared(fd, func(d protoreflect.Descriptor) bool {
		if before, err := l.registry.FindDescriptorByName(d.FullName()); err == nil {
			name, other = d.FullName(), before.ParentFile().Path()
		}
		return other == ""
	})
	return name, other
}

// declared calls f for what fd declares at its top level, enum values included:
// they are in the scope of the package.
func declared(fd protoreflect.FileDescriptor, f func(protoreflect.Descriptor) bool) {
	for i := range fd.Messages().Len() {
		if !f(fd.Messages().Get(i)) {
			return
		}
	}
	for i := range fd.Enums().Len() {
		ed := fd.Enums().Get(i)
		if !f(ed) {
			return
		}
		for j := range ed.Values().Len() {
			if !f(ed.Values().Get(j)) {
				return
			}
		}
	}
	for i := range fd.Extensions().Len() {
		if !f(fd.Extensions().Get(i)) {
			return
		}
	}
	for i := range fd.Services().Len() {
		if !f(fd.Services().Get(i)) {
			return
		}
	}
}

// files lists what was linked, by path: the own files, and those followed by the
// built-in ones.
func (l *linker) files() (own, all []protoreflect.FileDescriptor) {
	var builtin []protoreflect.FileDescriptor
	l.registry.RangeFiles(func(fd protoreflect.FileDescriptor) bool {
		if l.own[fd.Path()] != nil {
			own = append(own, fd)
		} else {
			builtin = append(builtin, fd)
		}
		return true
	})
	byPath := func(a, b protoreflect.FileDescriptor) int { return strings.Compare(a.Path(), b.Path()) }
	slices.SortFunc(own, byPath)
	slices.SortFunc(builtin, byPath)
	return own, slices.Concat(own, builtin)
}

func (s *Schema) indexExtensions() {
	s.byExtendee = make(map[protoreflect.FullName]map[protoreflect.FieldNumber]protoreflect.ExtensionDescriptor)
	for _, fd := range s.files {
		rangeExtensions(fd, func(x protoreflect.ExtensionDescriptor) bool {
			message := x.ContainingMessage().FullName()
			if s.byExtendee[message] == nil {
				s.byExtendee[message] = make(map[protoreflect.FieldNumber]protoreflect.ExtensionDescriptor)
			}
			// Servers are known to hold several files that give one number of
			// the options to different extensions, so this is no error.
			if s.byExtendee[message][x.Number()] == nil {
				s.byExtendee[message][x.Number()] = x
			}
			return true
		})
	}
}

// infrastructure are the packages of the services that a gateway answers itself.
var infrastructure = []string{"grpc.reflection.", "grpc.health.", "grpc.channelz."}

// IsInfrastructure reports whether the service is one that a gateway answers
// itself, or not at all, and never sends to an upstream.
func IsInfrastructure(service protoreflect.FullName) bool {
	return slices.ContainsFunc(infrastructure, func(pkg string) bool { return strings.HasPrefix(string(service), pkg) })
}

// exposed lists the services of files, or those that only names, in order.
func exposed(files []protoreflect.FileDescriptor, only []protoreflect.FullName) ([]protoreflect.ServiceDescriptor, error) {
	byName := make(map[protoreflect.FullName]protoreflect.ServiceDescriptor)
	for _, fd := range files {
		for i := range fd.Services().Len() {
			sd := fd.Services().Get(i)
			byName[sd.FullName()] = sd
		}
	}
	names := only
	if only == nil {
		for name := range byName {
			names = append(names, name)
		}
	}
	names = slices.Clone(names)
	slices.Sort(names)
	var services []protoreflect.ServiceDescriptor
	var errs []error
	for _, name := range slices.Compact(names) {
		switch {
		case IsInfrastructure(name):
		case byName[name] == nil:
			errs = append(errs, fmt.Errorf("service %q is not in the descriptors", name))
		default:
			services = append(services, byName[name])
		}
	}
	return services, errors.Join(errs...)
}

func sortedPaths[V any](files map[string]V) []string {
	paths := make([]string, 0, len(files))
	for p := range files {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	return paths
}

// clean takes the library's prefix off an error's text. (It varies its spaces on
// purpose, so that nobody depends on them.)
func clean(err error) error {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	return errors.New(strings.ReplaceAll(text, "proto: ", ""))
}
