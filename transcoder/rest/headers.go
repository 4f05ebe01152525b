package rest

import (
	"fmt"
	"net/http"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// headers are the further headers of a method's answers, made of the response
// message: of a stream, of its first one. They are immutable.
type headers []namedHeader

// namedHeader is one of them. Name is in canonical form.
type namedHeader struct {
	name  string
	value *plan.Header
}

// newHeaders compiles them, nil if there are none, and tells problem of each that
// cannot be meant.
func newHeaders(ep *transcoder.Endpoint, output protoreflect.MessageDescriptor, problem func(format string, args ...any)) *headers {
	if len(ep.Response.Headers) == 0 {
		return nil
	}
	var out headers
	for _, h := range ep.Response.Headers {
		value, err := plan.NewHeader(ep.Codec, output, h.Value)
		if err == nil && value.Extensions() && !givesHTTPBody(ep, output) {
			err = fmt.Errorf("extensions are those of a google.api.HttpBody, which the body of no answer of the method is")
		}
		if err != nil {
			problem("header %s %q: %w", h.Name, h.Value, err)
			continue
		}
		out = append(out, namedHeader{h.Name, value})
	}
	return &out
}

// givesHTTPBody reports whether one of a method's rules answers with a
// google.api.HttpBody.
func givesHTTPBody(ep *transcoder.Endpoint, output protoreflect.MessageDescriptor) bool {
	if plan.IsHTTPBody(output) {
		return true
	}
	for i := range ep.Bindings {
		fd := output.Fields().ByName(protoreflect.Name(ep.Bindings[i].ResponseBody))
		if fd != nil && !fd.IsList() && fd.Message() != nil && plan.IsHTTPBody(fd.Message()) {
			return true
		}
	}
	return false
}

// texts are the values for a response message, in the order of the headers; that
// of a header which the message lacks a field for is empty. It leaves the message's
// google.api.HttpBody in k.file.
func (p *headers) texts(l *rule, k *work, wire []byte) ([]string, *rpc.Error) {
	if l.plan.GivesHTTPBody() {
		if err := l.plan.ReadHTTPBody(&k.file, wire); err != nil {
			return nil, l.unrenderable(err)
		}
	}
	texts := make([]string, len(*p))
	for i, n := range *p {
		text, _, err := n.value.Append(nil, wire, k.file.Extensions, &k.scratch)
		if err != nil {
			return nil, l.unrenderable(err)
		}
		texts[i] = string(text)
	}
	return texts, nil
}

// set gives an answer its headers. Without texts, because there was no message,
// these are the ones that are the same for every message.
func (p *headers) set(h http.Header, texts []string) {
	for i, n := range *p {
		text := ""
		switch {
		case texts != nil:
			text = texts[i]
		case n.value.Fixed():
			text = n.value.Text()
		}
		if text != "" {
			h[n.name] = []string{text}
		}
	}
}
