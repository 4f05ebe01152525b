package outbound

import (
	"errors"
	"fmt"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/outbound/plan"
	"github.com/dragoman-gateway/dragoman/upstream"
)

var _ rpc.Describer = (*method)(nil)

// Describe implements [rpc.Describer]: the request that a message becomes.
func (m *method) Describe(message []byte) ([]string, *rpc.Error) {
	if err := m.unfit(); err != nil {
		return nil, err
	}
	var built plan.Request
	if err := m.build(&built, message); err != nil {
		return nil, err
	}
	target := m.origin.BasePath + string(built.Path)
	if len(built.RawQuery) > 0 {
		target += "?" + string(built.RawQuery)
	}
	line := fmt.Sprintf("send upstream %s: %s %s", m.Name, built.Method, target)
	if built.ContentType != "" {
		line += fmt.Sprintf(", %d bytes of %s", len(built.Body), built.ContentType)
	}
	lines := []string{line}
	if up, ok := m.Upstream.(upstream.Describer); ok {
		lines = append(lines, up.Describe()...)
	}
	return append(lines, "make "+string(m.Method.Descriptor.Output().FullName())+" of the answer"), nil
}

// unfit is why no call of the method can be sent.
func (m *method) unfit() *rpc.Error {
	if !m.Method.ClientStreaming {
		return nil
	}
	return rpc.Errorf(rpc.MethodUnimplemented, "%s has a stream of requests, which upstream %q cannot be sent over HTTP", m.Method.FullName(), m.Name)
}

// build makes the request of a message.
func (m *method) build(r *plan.Request, message []byte) *rpc.Error {
	err := m.plan.Build(r, message)
	if err == nil {
		return nil
	}
	if fault := new(rpc.Error); errors.As(err, &fault) {
		return fault
	}
	return &rpc.Error{Reason: rpc.InvalidRequest, Message: err.Error()}
}
