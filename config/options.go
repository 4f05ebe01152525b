package config

import (
	"slices"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// The options that the schema documents as defaults.
func defaultOptions() *Options {
	return &Options{
		Print: &configpb.PrintOptions{},
		Parse: &configpb.ParseOptions{
			UnknownFields: "reject",
			UnknownQuery:  "reject",
			PathEscapes:   "standard",
			BoundFields:   "reject",
		},
		Errors: &configpb.ErrorOptions{
			Shape:           "status",
			WwwAuthenticate: "Bearer",
			Localized:       proto.Bool(true),
		},
		HTTP: &configpb.HTTPOptions{
			Head:             proto.Bool(true),
			Options:          proto.Bool(true),
			MethodNotAllowed: proto.Bool(true),
			TimeoutHeader:    "X-Server-Timeout",
		},
		Stream: &configpb.StreamOptions{
			Form:        "accept",
			Heartbeat:   durationpb.New(15 * time.Second),
			IdleTimeout: durationpb.New(0),
			Websocket:   &configpb.WebSocketOptions{},
		},
		Files: &configpb.FileOptions{},
	}
}

// DefaultPing is how long a WebSocket may be silent where nothing is said of it.
const DefaultPing = 30 * time.Second

// optionsSource is a message that options can be set in: a listener's defaults,
// or a route.
type optionsSource interface {
	proto.Message
	GetPrint() *configpb.PrintOptions
	GetParse() *configpb.ParseOptions
	GetErrors() *configpb.ErrorOptions
	GetHttp() *configpb.HTTPOptions
	GetStream() *configpb.StreamOptions
	GetFiles() *configpb.FileOptions
}

// with is o with what src sets itself; o is not changed.
func (o *Options) with(src optionsSource) *Options {
	return &Options{
		Print:    override(o.Print, src.GetPrint()),
		Parse:    override(o.Parse, src.GetParse()),
		Errors:   override(o.Errors, src.GetErrors()),
		HTTP:     override(o.HTTP, src.GetHttp()),
		Stream:   override(o.Stream, src.GetStream()),
		Files:    override(o.Files, src.GetFiles()),
		Validate: setOr(src, "validate", o.Validate),

		Transform: o.Transform,
		Headers:   o.Headers,
	}
}

func (o *Options) equal(p *Options) bool {
	return o.Validate == p.Validate && proto.Equal(o.Print, p.Print) && proto.Equal(o.Parse, p.Parse) &&
		proto.Equal(o.Errors, p.Errors) && proto.Equal(o.HTTP, p.HTTP) &&
		proto.Equal(o.Stream, p.Stream) && proto.Equal(o.Files, p.Files) && slices.Equal(o.Transform, p.Transform) && o.Headers == p.Headers
}

// override is base with the fields that are set in own; lists and messages are
// replaced as a whole.
func override[M proto.Message](base, own M) M {
	out := proto.CloneOf(base)
	to := out.ProtoReflect()
	own.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		to.Set(fd, v)
		return true
	})
	return out
}

// setOr is the bool field of m with this name, or fallback if it is not set. m
// may be a nil message.
func setOr(m proto.Message, name protoreflect.Name, fallback bool) bool {
	r := m.ProtoReflect()
	if fd := r.Descriptor().Fields().ByName(name); r.Has(fd) {
		return r.Get(fd).Bool()
	}
	return fallback
}
