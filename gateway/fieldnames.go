package gateway

import (
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/internal/near"
)

// checkFields reports names of fields in the options that the route has of its
// own which are those of no field at all. One that only some methods have is
// meant for these. What a listener says is for other routes, too.
func (e *exposer) checkFields() {
	for i, l := range e.route.Listeners {
		o, inherited := e.route.Options[i], l.Options
		before := len(e.report)
		if name := o.Parse.GetPatchMask(); name != inherited.Parse.GetPatchMask() {
			e.checkPatchMask(name)
		}
		if path := o.HTTP.GetEtag(); path != inherited.HTTP.GetEtag() {
			e.checkOutput("http.etag", "response has a field", path, func(protoreflect.MethodDescriptor) bool { return true })
		}
		for _, option := range []struct{ name, path, inherited string }{
			{"stream.event_field", o.Stream.GetEventField(), inherited.Stream.GetEventField()},
			{"stream.id_field", o.Stream.GetIdField(), inherited.Stream.GetIdField()},
		} {
			if option.path != option.inherited {
				e.checkOutput(option.name, "stream of responses has a field", option.path, protoreflect.MethodDescriptor.IsStreamingServer)
			}
		}
		if len(e.report) > before {
			return
		}
	}
}

func (e *exposer) checkPatchMask(name string) {
	var masks []string
	for _, m := range e.out.methods {
		fields := m.method.Input().Fields()
		for i := range fields.Len() {
			if fd := fields.Get(i); fd.Message() != nil && fd.Message().FullName() == "google.protobuf.FieldMask" {
				masks = append(masks, string(fd.Name()))
			}
		}
	}
	if name == "" || name == "*" || slices.Contains(masks, name) {
		return
	}
	e.noField("parse.patch_mask", "request has a google.protobuf.FieldMask", name, masks)
}

// checkOutput looks for a field in the responses of the methods that an option is
// about.
func (e *exposer) checkOutput(option, what, path string, about func(protoreflect.MethodDescriptor) bool) {
	if path == "" || path == "*" {
		return
	}
	var known []string
	for _, m := range e.out.methods {
		if !about(m.method) {
			continue
		}
		rest, md := path, m.method.Output()
		for md != nil {
			for i := range md.Fields().Len() {
				known = append(known, strings.TrimSuffix(path, rest)+string(md.Fields().Get(i).Name()))
			}
			name, below, more := strings.Cut(rest, ".")
			fd := md.Fields().ByName(protoreflect.Name(name))
			if fd == nil {
				break
			}
			if !more {
				return
			}
			rest, md = below, fd.Message()
		}
	}
	e.noField(option, what, path, known)
}

// noField says that no method has what an option names.
func (e *exposer) noField(option, what, name string, known []string) {
	advice := ""
	if meant := near.Name(name, known, max(2, len(name)/8)); meant != "" {
		advice = didYouMean(meant)
	}
	e.wrong(e.in(option), advice, "there is no method in the route whose %s %q", what, name)
}
