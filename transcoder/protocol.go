// Package transcoder is the contract of the inbound protocols: each turns an
// HTTP exchange of its kind into a call on the RPC plane. One protocol lives in
// one package below this one; the gateway knows only this contract.
package transcoder

import (
	"net/http"
	"time"

	"github.com/dragoman-gateway/dragoman/route"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder/codec"
	"github.com/dragoman-gateway/dragoman/transcoder/httprule"
	"github.com/dragoman-gateway/dragoman/transcoder/validate"
)

// Protocol is one inbound protocol. It is immutable and safe for any goroutine.
type Protocol interface {
	// Name is the short name that logs and `dragoman routes` show: rest, grpc.
	Name() string
	// Routes compiles the ways in which an endpoint can be called by this
	// protocol. It runs when a snapshot is compiled; an error names the rule
	// and the field that is wrong, and how many routes it hinders is up to the
	// caller. The handlers it returns must not look anything up by name.
	Routes(ep *Endpoint) ([]Route, error)
	// Speaks reports whether a request with this Content-Type is of this
	// protocol, so that an error before any route matched is answered in the
	// client's own protocol.
	Speaks(contentType string) bool
	// Refuse answers with an error that the gateway made before any route was
	// found, or in place of one; s are the listener's settings. Nothing has been
	// written to w before.
	Refuse(w http.ResponseWriter, r *http.Request, x *route.Exchange, err *rpc.Error, s *Settings)
}

// Endpoint is one method of one upstream as one transcode route exposes it. It
// is immutable.
type Endpoint struct {
	Method   *rpc.Method
	Upstream rpc.Upstream
	// Codec has the tables of the upstream's schema. It is nil for the services
	// that the gateway answers itself: their messages travel as they are, and a
	// protocol that translates messages has no routes for them.
	Codec *codec.Codec
	// Print gives the tables of the same schema for another form of JSON. It is
	// for compiling, and nil if Codec is.
	Print func(codec.Print) (*codec.Codec, error)
	// Bindings are the method's HTTP rules in order, the primary one first;
	// empty if it has none. Their templates have the route's prefix already.
	Bindings []httprule.Binding
	// AutoMapping asks for POST /package.Service/Method behind Prefix, which is
	// empty or /api.
	AutoMapping bool
	Prefix      string
	// Response chooses the HTTP status of answers; nil for the usual ones.
	Response *Response
	// Validate has the rules that requests must follow; nil if there are none, or
	// they are not to be checked.
	Validate *validate.Rules
	Settings *Settings
}

// Response chooses HTTP status and headers of one method's answers. It is
// immutable.
type Response struct {
	// Origin says where it came from, for people: responses[2].
	Origin string
	// Status is that of success, from 200 to 299.
	Status int
	// Location is a template of the Location header, /v1/{name}, with fields of
	// the response message by their proto names; empty for none.
	Location string
	// NoContent answers 204 for a google.protobuf.Empty.
	NoContent bool
	// StatusField is the path of an integer or enum field of the response
	// message, StatusMetadata the name of metadata, lower case, with the HTTP
	// status; empty for none.
	StatusField, StatusMetadata string
	// Headers are further headers of success.
	Headers []ResponseHeader
}

// ResponseHeader is a header of an answer. Name is in canonical form; Value is a
// template like Location, in which {[package.Message].field} is a field of an
// extension of a google.api.HttpBody.
type ResponseHeader struct{ Name, Value string }

// Settings are the options of one transcode route, shared by its endpoints.
// Every field is set (see [DefaultSettings]); a zero limit means zero.
type Settings struct {
	// UnaryTimeout and StreamTimeout bound a call for which the client sent no
	// deadline, and cap one for which it did; zero is none.
	UnaryTimeout, StreamTimeout time.Duration
	// MaxRequestBytes bounds a request body and each gRPC request message,
	// MaxMessageBytes each upstream message, after decompression both.
	MaxRequestBytes, MaxMessageBytes int
	// MaxJSONBytes bounds the JSON made from one upstream message.
	MaxJSONBytes int
	// MaxDepth bounds the nesting of messages and of JSON, both ways.
	MaxDepth int
	// MaxQueryParameters bounds the parameters of one query string.
	MaxQueryParameters int
	// IgnoredQuery lists query parameters that are neither bound, forwarded
	// nor logged.
	IgnoredQuery []string

	// Print is the form of messages as JSON, Pretty indents it, Partial lets
	// clients ask for some fields only.
	Print           codec.Print
	Pretty, Partial bool

	// UnknownFields and UnknownQuery are what becomes of JSON fields and query
	// parameters that the message does not have. Only a query can be captured.
	UnknownFields, UnknownQuery Unknown
	// FoldEnums accepts names of enum values in any letter case.
	FoldEnums bool
	// Alt, ErrorFormat and Key are the system parameters $alt, $.xgafv and key.
	Alt, ErrorFormat, Key bool
	// QueryMaps and QueryStructs accept m[k]=v and JSON for a Struct in a query.
	QueryMaps, QueryStructs bool
	// PathWins ignores what query and body say of a field that the path binds.
	PathWins bool
	// PatchMask is the proto name of the FieldMask that is filled for a PATCH, "*"
	// for the only one, "" for none.
	PatchMask string
	// FormBodies reads form bodies as parameters.
	FormBodies bool

	// ErrorShape is the JSON form of errors. WWWAuthenticate is the header of an
	// answer 401. Localized takes messages from LocalizedMessage. InBand ends a
	// broken array with an element.
	ErrorShape        ErrorShape
	WWWAuthenticate   string
	Localized, InBand bool

	// TimeoutHeader is the header, in canonical form, with a client's timeout in
	// seconds.
	TimeoutHeader string
	// Stream are the options of streams.
	Stream Stream
	// ContentTypes are the patterns of media types that a google.api.HttpBody may
	// have, in lower case; empty for any. Multipart reads multipart forms.
	ContentTypes []string
	Multipart    bool
	// ETag is "*" for an entity tag of the answer's bytes, the path of a field of
	// the response message, or "" for none.
	ETag string
	// RequestMetadata and ResponseMetadata narrow which headers travel.
	RequestMetadata, ResponseMetadata rpc.HeaderPolicy
}

// Unknown is what becomes of what a message does not have.
type Unknown uint8

const (
	// Reject answers 400.
	Reject Unknown = iota
	// Ignore takes it out.
	Ignore
	// Report takes it out and names it in the header x-dragoman-ignored.
	Report
	// Capture passes it on as metadata x-unknown-query.
	Capture
)

// Stream says how streams travel over HTTP.
type Stream struct {
	// Form is that of answers with many messages.
	Form StreamForm
	// Heartbeat is how long server-sent events may be silent; zero for ever.
	Heartbeat time.Duration
	// EventField and IDField are paths of fields of the response message, by their
	// proto names, with the type and the id of its event; empty for none.
	EventField, IDField string
	// BindAll puts what path and query bind into every message of the client, not
	// only into the first.
	BindAll bool
	// IdleTimeout ends a stream on which no message has travelled for so long;
	// zero is never.
	IdleTimeout time.Duration
	// WebSocket takes upgrades, from pages of the gateway's own host and of
	// Origins, patterns in which a star stands for any text. Ping is how long a
	// connection may be silent before it is pinged; zero is for ever.
	WebSocket bool
	Origins   []string
	Ping      time.Duration
}

// StreamForm is the form of an answer with many messages.
type StreamForm uint8

const (
	// FormByAccept is the one that the client prefers, else an array.
	FormByAccept StreamForm = iota
	// FormArray is one JSON array.
	FormArray
	// FormLines is NDJSON, a JSON value in each line.
	FormLines
	// FormEvents are server-sent events.
	FormEvents
)

// MethodWebSocket stands for an upgrade to a WebSocket where a [Route] or a
// request has an HTTP method.
const MethodWebSocket = route.MethodWebSocket

// ErrorShape is the JSON form of errors.
type ErrorShape uint8

const (
	// ShapeStatus is google.rpc.Status.
	ShapeStatus ErrorShape = iota
	// ShapeGoogle is {"error": {…}} of AIP-193.
	ShapeGoogle
	// ShapeProblem is application/problem+json of RFC 9457.
	ShapeProblem
)

// DefaultSettings are the documented defaults.
func DefaultSettings() Settings {
	return Settings{
		UnaryTimeout:       15 * time.Second,
		MaxRequestBytes:    4 << 20,
		MaxMessageBytes:    4 << 20,
		MaxJSONBytes:       64 << 20,
		MaxDepth:           100,
		MaxQueryParameters: 1000,
		WWWAuthenticate:    "Bearer",
		Localized:          true,
		TimeoutHeader:      "X-Server-Timeout",
		Stream:             Stream{Heartbeat: 15 * time.Second, WebSocket: true, Ping: 30 * time.Second},
	}
}

// Route is one entry that a protocol wants in the route table.
type Route struct {
	// Method is the HTTP method in upper case, or "*" for any.
	Method   string
	Template *httprule.Template
	// ContentType restricts the route; see [route.Entry].
	ContentType string
	Handler     route.Handler
	// Origin says where the rule came from, for people: annotation,
	// annotation additional_bindings[0], default mapping, native.
	Origin string
	// In and Out are, for people, the forms in which the messages of a stream come
	// from the client and go to it: array, ndjson, sse, bytes, websocket, grpc.
	// Empty for what is one message.
	In, Out []string
}

// Explainer is a [route.Handler] that can say what it would do with a request.
type Explainer interface {
	// Explain does with r what Serve would do before it calls the upstream, and
	// tells what it found. It writes nothing and calls nobody.
	Explain(r *http.Request, x *route.Exchange) *Explanation
}

// Explanation is what would happen to one request.
type Explanation struct {
	// Method is the RPC, nil if there is none.
	Method *rpc.Method
	// Bindings are the fields that the request sets, in the order in which they
	// are bound.
	Bindings []Bound
	// Message is the serialized request message.
	Message []byte
	// JSON is the same as protobuf's own JSON.
	JSON []byte
	// Metadata is what the upstream would get.
	Metadata rpc.Header
	// Timeout bounds the call, zero is none. TimeoutFrom says what set it.
	Timeout     time.Duration
	TimeoutFrom string
	// Stages are what the request and its answer go through, in order.
	Stages []string
	// Ignored is what of the request would be left out.
	Ignored []string
	// Refused is the error that the client would get in place of a call.
	Refused *rpc.Error
}

// Onward adds what an upstream makes of the call, if it says that, or the error that
// there would be.
func (e *Explanation) Onward(up rpc.Upstream) {
	d, ok := up.(rpc.Describer)
	if !ok {
		return
	}
	lines, refused := d.Describe(e.Message)
	if e.Stages = append(e.Stages, lines...); refused != nil {
		e.Stages, e.Refused = nil, refused
	}
}

// Bound is one field with what set it.
type Bound struct {
	// Field is the path of the field by its JSON name: book.title.
	Field string
	// Source is path, query, body, form or mask; From is the name there, as the
	// client or the rule wrote it; Value is the text that it has, at most 200
	// bytes of it.
	Source, From, Value string
}
