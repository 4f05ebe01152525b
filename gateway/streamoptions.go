package gateway

import (
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/config"
)

// streamOption is an option of streams, and the methods that it says something of.
type streamOption struct {
	name, stream string
	about        func(protoreflect.MethodDescriptor) bool
}

// streamOptions are all but those that name fields, which no method has without a
// stream of answers: that is an error.
var streamOptions = []streamOption{
	{"form", "a stream of responses", protoreflect.MethodDescriptor.IsStreamingServer},
	{"heartbeat", "a stream of responses", protoreflect.MethodDescriptor.IsStreamingServer},
	{"bind_all", "a stream of requests", protoreflect.MethodDescriptor.IsStreamingClient},
	{"idle_timeout", "a stream", streams},
	{"websocket", "a stream", streams},
}

func streams(md protoreflect.MethodDescriptor) bool {
	return md.IsStreamingClient() || md.IsStreamingServer()
}

// checkStreams warns of options of streams that the route itself sets, and that are
// about none of its methods. What a listener says is for other routes, too.
func (c *compiler) checkStreams(rt *config.Route, exposure *exposure) {
	file := c.gateway.plan.File
	for _, o := range streamOptions {
		path := rt.Path + ".transcode.stream." + o.name
		if file.Has(path) && !slices.ContainsFunc(exposure.methods, func(m exposed) bool { return o.about(m.method) }) {
			c.warnings = append(c.warnings, file.Problem(path, "changes nothing: no method of route %q has %s", rt.Name, o.stream))
		}
	}
}
