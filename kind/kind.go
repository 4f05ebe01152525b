// Package kind registers one factory per configuration message, so that the
// gateway can build whatever a configuration names without knowing any kind.
package kind

import (
	"fmt"
	"sort"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// Registry maps configuration messages to factories of T, which are given an
// environment E. It is filled once, before use, and then safe for any goroutine.
type Registry[E, T any] struct {
	factories map[protoreflect.FullName]func(proto.Message, E) (T, error)
}

// Add registers the factory for configuration messages of type M. It panics if
// M is registered already: that is a mistake in the program.
func Add[M proto.Message, E, T any](r *Registry[E, T], build func(cfg M, env E) (T, error)) {
	var m M
	name := m.ProtoReflect().Descriptor().FullName()
	if _, ok := r.factories[name]; ok {
		panic(fmt.Sprintf("kind: %s registered twice", name))
	}
	if r.factories == nil {
		r.factories = make(map[protoreflect.FullName]func(proto.Message, E) (T, error))
	}
	r.factories[name] = func(cfg proto.Message, env E) (T, error) { return build(cfg.(M), env) }
}

// New builds what cfg describes. The error names the message if no kind is
// registered for it.
func (r *Registry[E, T]) New(cfg proto.Message, env E) (T, error) {
	build, ok := r.factories[cfg.ProtoReflect().Descriptor().FullName()]
	if !ok {
		var zero T
		return zero, fmt.Errorf("this build has no kind for %s", cfg.ProtoReflect().Descriptor().FullName())
	}
	return build(cfg, env)
}

// Names lists the registered configuration messages in order.
func (r *Registry[E, T]) Names() []string {
	names := make([]string, 0, len(r.factories))
	for n := range r.factories {
		names = append(names, string(n))
	}
	sort.Strings(names)
	return names
}
