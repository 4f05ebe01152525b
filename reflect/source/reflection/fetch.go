package reflection

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// What one server may make the gateway hold.
const (
	maxBytes = 64 << 20
	maxFiles = 10_000
	// maxQuestions bounds what is asked about extensions.
	maxQuestions = 2_000
)

// fetch collects the files of one server.
type fetch struct {
	c     *client
	files map[string]*descriptorpb.FileDescriptorProto
	order []string // of files
	// asked are the imports that the server has been asked for: what it lacks
	// is not asked for again.
	asked  map[string]bool
	walked int // how many of order have had their imports fetched
	bytes  int
	// services and extended are what the files define.
	services map[string]bool
	extended map[extension]bool
}

// extension is a field that is added to a message from outside.
type extension struct {
	message string
	number  int32
}

func newFetch(c *client) *fetch {
	return &fetch{
		c:        c,
		files:    make(map[string]*descriptorpb.FileDescriptorProto),
		asked:    make(map[string]bool),
		services: make(map[string]bool),
		extended: make(map[extension]bool),
	}
}

// service fetches the file that defines a service, and reports whether there is
// one.
func (f *fetch) service(name string) (bool, error) {
	if f.services[name] {
		return true, nil
	}
	raw, err := f.c.fileContaining(name)
	if err != nil {
		return false, err
	}
	if err := f.add(raw); err != nil {
		return false, fmt.Errorf("file of service %q: %w", name, err)
	}
	return f.services[name], nil
}

// imports fetches what the files import, and what that imports in turn, as far
// as the server has it. What it lacks may be built into this program.
func (f *fetch) imports() error {
	for ; f.walked < len(f.order); f.walked++ {
		fd := f.files[f.order[f.walked]]
		for _, dep := range slices.Concat(fd.GetDependency(), fd.GetOptionDependency()) {
			if f.files[dep] != nil || f.asked[dep] {
				continue
			}
			f.asked[dep] = true
			if len(f.asked) > maxFiles {
				return fmt.Errorf("the server's files import more than %d others", maxFiles)
			}
			raw, err := f.c.fileNamed(dep)
			if err != nil {
				return err
			}
			if err := f.add(raw); err != nil {
				return fmt.Errorf("file %q: %w", dep, err)
			}
		}
	}
	return nil
}

// extensions fetches what extends the messages of the files, where the server
// knows. A server may have thousands of them, and may do without this part of
// the service, so it is bounded and no refusal is an error.
func (f *fetch) extensions() error {
	questions := 0
	for i := 0; i < len(f.order); i++ {
		for _, message := range extendable(f.files[f.order[i]]) {
			if questions++; questions > maxQuestions {
				return nil
			}
			numbers, err := f.c.extensionNumbers(message)
			if err != nil {
				return err
			}
			for _, number := range numbers {
				if f.extended[extension{message, number}] {
					continue
				}
				f.extended[extension{message, number}] = true
				if questions++; questions > maxQuestions {
					return nil
				}
				raw, err := f.c.fileExtending(message, number)
				if err != nil {
					return err
				}
				if err := f.add(raw); err != nil {
					return fmt.Errorf("file of extension %d of %q: %w", number, message, err)
				}
				if err := f.imports(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// extendable lists the messages of fd that may be extended. Options are left
// out: a server knows hundreds of them, and no message travels with one.
func extendable(fd *descriptorpb.FileDescriptorProto) []string {
	if fd.GetName() == "google/protobuf/descriptor.proto" {
		return nil
	}
	var names []string
	var walk func(scope string, mds []*descriptorpb.DescriptorProto)
	walk = func(scope string, mds []*descriptorpb.DescriptorProto) {
		for _, md := range mds {
			name := qualified(scope, md.GetName())
			if len(md.GetExtensionRange()) > 0 {
				names = append(names, name)
			}
			walk(name, md.GetNestedType())
		}
	}
	walk(fd.GetPackage(), fd.GetMessageType())
	return names
}

// add keeps the files that are new.
func (f *fetch) add(files [][]byte) error {
	for _, raw := range files {
		if f.bytes += len(raw); f.bytes > maxBytes {
			return fmt.Errorf("the server's files are larger than %d MiB in all", maxBytes>>20)
		}
		fd := new(descriptorpb.FileDescriptorProto)
		// Options stay as they are: package schema reads them.
		if err := (proto.UnmarshalOptions{AllowPartial: true, Resolver: new(protoregistry.Types)}).Unmarshal(raw, fd); err != nil {
			return fmt.Errorf("the server's answer is not a file descriptor")
		}
		path := fd.GetName()
		if f.files[path] != nil {
			continue
		}
		if len(f.order) == maxFiles {
			return fmt.Errorf("the server has more than %d files", maxFiles)
		}
		f.files[path] = fd
		f.order = append(f.order, path)
		f.index(fd)
	}
	return nil
}

// index notes what fd defines.
func (f *fetch) index(fd *descriptorpb.FileDescriptorProto) {
	for _, sd := range fd.GetService() {
		f.services[qualified(fd.GetPackage(), sd.GetName())] = true
	}
	note := func(xs []*descriptorpb.FieldDescriptorProto) {
		for _, x := range xs {
			f.extended[extension{strings.TrimPrefix(x.GetExtendee(), "."), x.GetNumber()}] = true
		}
	}
	var inside func(mds []*descriptorpb.DescriptorProto)
	inside = func(mds []*descriptorpb.DescriptorProto) {
		for _, md := range mds {
			note(md.GetExtension())
			inside(md.GetNestedType())
		}
	}
	note(fd.GetExtension())
	inside(fd.GetMessageType())
}

// forget drops all but the first n files.
func (f *fetch) forget(n int) {
	for _, path := range f.order[n:] {
		delete(f.files, path)
	}
	f.order = f.order[:n]
}

func (f *fetch) set() *descriptorpb.FileDescriptorSet {
	set := new(descriptorpb.FileDescriptorSet)
	for _, path := range f.order {
		set.File = append(set.File, f.files[path])
	}
	return set
}

func qualified(scope, name string) string {
	if scope == "" {
		return name
	}
	return scope + "." + name
}
