package schema

import (
	"sort"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
)

// FindFileByPath returns the file of that import path, or
// [protoregistry.NotFound].
func (s *Schema) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	return s.registry.FindFileByPath(path)
}

// FindDescriptorByName returns what has that full name: message, enum, enum
// value, field, oneof, extension, service or method; or
// [protoregistry.NotFound].
func (s *Schema) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	return s.registry.FindDescriptorByName(name)
}

// FindExtensionByName returns the extension of that full name, or
// [protoregistry.NotFound].
func (s *Schema) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionDescriptor, error) {
	d, err := s.registry.FindDescriptorByName(name)
	if err != nil {
		return nil, err
	}
	if x, ok := d.(protoreflect.ExtensionDescriptor); ok && x.IsExtension() {
		return x, nil
	}
	return nil, protoregistry.NotFound
}

// FindExtensionByNumber returns the extension of message with that field
// number, or [protoregistry.NotFound].
func (s *Schema) FindExtensionByNumber(message protoreflect.FullName, number protoreflect.FieldNumber) (protoreflect.ExtensionDescriptor, error) {
	if x, ok := s.byExtendee[message][number]; ok {
		return x, nil
	}
	return nil, protoregistry.NotFound
}

// RangeExtensionsByMessage calls f for every extension of message, by number,
// until f returns false.
func (s *Schema) RangeExtensionsByMessage(message protoreflect.FullName, f func(protoreflect.ExtensionDescriptor) bool) {
	byNumber := s.byExtendee[message]
	numbers := make([]protoreflect.FieldNumber, 0, len(byNumber))
	for n := range byNumber {
		numbers = append(numbers, n)
	}
	sort.Slice(numbers, func(i, j int) bool { return numbers[i] < numbers[j] })
	for _, n := range numbers {
		if !f(byNumber[n]) {
			return
		}
	}
}

// RangeMessages calls f for every message until f returns false: nested ones,
// map entries, and those of built-in files too. Outer messages come before the
// ones inside them; the order is always the same.
func (s *Schema) RangeMessages(f func(protoreflect.MessageDescriptor) bool) {
	for _, fd := range s.files {
		if !rangeMessages(fd.Messages(), f) {
			return
		}
	}
}

func rangeMessages(mds protoreflect.MessageDescriptors, f func(protoreflect.MessageDescriptor) bool) bool {
	for i := range mds.Len() {
		md := mds.Get(i)
		if !f(md) || !rangeMessages(md.Messages(), f) {
			return false
		}
	}
	return true
}

// RangeExtensions calls f for every extension, wherever it is declared, until f
// returns false. The order is always the same. Should two files give one number
// of a message to different extensions, only the first is told.
func (s *Schema) RangeExtensions(f func(protoreflect.ExtensionDescriptor) bool) {
	for _, fd := range s.files {
		if !rangeExtensions(fd, func(x protoreflect.ExtensionDescriptor) bool {
			if s.byExtendee[x.ContainingMessage().FullName()][x.Number()] != x {
				return true
			}
			return f(x)
		}) {
			return
		}
	}
}

// declarer is a file or a message.
type declarer interface {
	Messages() protoreflect.MessageDescriptors
	Extensions() protoreflect.ExtensionDescriptors
}

func rangeExtensions(in declarer, f func(protoreflect.ExtensionDescriptor) bool) bool {
	for i := range in.Extensions().Len() {
		if !f(in.Extensions().Get(i)) {
			return false
		}
	}
	for i := range in.Messages().Len() {
		if !rangeExtensions(in.Messages().Get(i), f) {
			return false
		}
	}
	return true
}
