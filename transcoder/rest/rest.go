// Package rest is the protocol HTTP/JSON: it serves the google.api.http rules
// of a method, and POST /package.Service/Method with JSON for every method.
//
// It is a driver of package plan over net/http: it reads the request, has the
// plan bind it to the request message, runs the call, has the plan render the
// answer, and writes it. A method with client streaming reads its messages from
// the body as they come: package split finds where each ends.
package rest

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/rest/plan"
)

// New returns the protocol. It has no configuration of its own.
func New() transcoder.Protocol { return protocol{} }

type protocol struct{}

var _ transcoder.Protocol = protocol{}

// Name implements [transcoder.Protocol].
func (protocol) Name() string { return "rest" }

// Speaks implements [transcoder.Protocol]: HTTP/JSON is the protocol of every
// request that does not say that it is gRPC in one of its forms.
func (protocol) Speaks(contentType string) bool {
	const grpc = "application/grpc"
	return len(contentType) < len(grpc) || !strings.EqualFold(contentType[:len(grpc)], grpc)
}

// Routes implements [transcoder.Protocol]. It gives a route for each rule, and
// the default mapping unless a rule has the same method and path. Where a stream
// can be reached, there is a route for upgrades as well. With an error, which joins
// the problems of all rules, come the routes of those that are right.
func (protocol) Routes(ep *transcoder.Endpoint) ([]transcoder.Route, error) {
	if ep.Codec == nil {
		return nil, nil
	}
	var routes []transcoder.Route
	response, problems := newResponse(ep)
	passes := response.passes(&ep.Settings.ResponseMetadata)
	forms, wrong := newForms(ep)
	problems = append(problems, wrong...)
	options, err := planOptions(ep)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", ep.Method.FullName(), err)
	}
	add := func(b *httprule.Binding, origin string) {
		h, err := newHandler(ep, b, options, response, passes, forms)
		if err == nil && b.Method == transcoder.MethodWebSocket && ep.Method.Unary() {
			err = fmt.Errorf("method %q stands for an upgrade, which only a method with streaming takes", b.Method)
		}
		if err != nil {
			problems = append(problems, &transcoder.RuleError{RPC: ep.Method.FullName(), Origin: origin, Method: b.Method, Path: b.Template.String(), Err: err})
			return
		}
		if b.Method != transcoder.MethodWebSocket {
			r := transcoder.Route{Method: b.Method, Template: b.Template, Handler: h, Origin: origin}
			shape(&r, h)
			routes = append(routes, r)
		}
		if ep.Method.Unary() || !ep.Settings.Stream.WebSocket || !upgradesTo(ep.Bindings, b) {
			return
		}
		// What is wrong with the rule has been told.
		if h, err := newWebSocket(ep, b, options, response, passes); err == nil {
			r := transcoder.Route{Method: transcoder.MethodWebSocket, Template: b.Template, Handler: h, Origin: origin}
			shape(&r, h)
			routes = append(routes, r)
		}
	}
	standard, err := httprule.Parse(ep.Prefix + ep.Method.Path)
	if err != nil {
		return nil, fmt.Errorf("%s: default mapping: %w", ep.Method.FullName(), err)
	}
	covered := !ep.AutoMapping
	for i := range ep.Bindings {
		b := &ep.Bindings[i]
		add(b, b.From())
		covered = covered || b.Method == http.MethodPost && b.Template.String() == standard.String()
	}
	if !covered {
		add(&httprule.Binding{Method: http.MethodPost, Template: standard, Body: "*"}, "default mapping")
	}
	return routes, errors.Join(problems...)
}

// Refuse implements [transcoder.Protocol].
func (protocol) Refuse(w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error, s *transcoder.Settings) {
	lookOf(s).refuse(w, r, x, err)
}

func newHandler(ep *transcoder.Endpoint, b *httprule.Binding, o plan.Options, response *response, passes *rpc.HeaderPolicy, forms *forms) (route.Handler, error) {
	s := ep.Settings
	p, err := plan.Compile(ep.Codec, ep.Method.Descriptor.Input(), ep.Method.Descriptor.Output(), b, o)
	if err != nil {
		return nil, err
	}
	if forms != nil && p.GivesHTTPBody() {
		forms = fileForms
	}
	rule := rule{method: ep.Method, upstream: ep.Upstream, settings: s, plan: p, rules: ep.Validate, response: response, passes: passes, forms: forms}
	switch {
	case ep.Method.ClientStreaming && ep.Method.ServerStreaming:
		return &duplex{rule}, nil
	case ep.Method.ClientStreaming:
		return &collect{unary{rule}}, nil
	case ep.Method.ServerStreaming:
		return &stream{rule}, nil
	}
	return &unary{rule}, nil
}

// planOptions are the settings in the words of the plan, which knows nothing of
// protocols; what is unknown has the same order in both.
func planOptions(ep *transcoder.Endpoint) (plan.Options, error) {
	s := ep.Settings
	o := plan.Options{
		MaxDepth:           s.MaxDepth,
		MaxJSONBytes:       s.MaxJSONBytes,
		MaxQueryParameters: s.MaxQueryParameters,
		IgnoredQuery:       s.IgnoredQuery,
		UnknownQuery:       plan.Unknown(s.UnknownQuery),
		UnknownFields:      plan.Unknown(s.UnknownFields),
		Alt:                s.Alt,
		ErrorFormat:        s.ErrorFormat,
		Key:                s.Key,
		Partial:            s.Partial,
		FoldEnums:          s.FoldEnums,
		QueryMaps:          s.QueryMaps,
		QueryStructs:       s.QueryStructs,
		PathWins:           s.PathWins,
		PatchMask:          s.PatchMask,
	}
	if ep.Print == nil {
		return o, nil
	}
	var err error
	if s.Print != (codec.Print{}) {
		if o.Output, err = ep.Print(s.Print); err != nil {
			return o, err
		}
	}
	if s.Alt {
		numbers := s.Print
		numbers.EnumsAsNumbers = true
		o.Numbers, err = ep.Print(numbers)
	}
	return o, err
}
