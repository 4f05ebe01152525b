package rpc

import (
	"net/http"

	"google.golang.org/grpc/codes"
)

// Reason names why the gateway, not the upstream, ended a call. It is stable:
// clients see it as ErrorInfo.reason (domain "dragoman") and in the header or
// trailer x-dragoman-error.
type Reason string

// The reasons. Each has one HTTP status and one gRPC code, in [reasons].
const (
	// NoRoute: nothing in the route table fits the host and path.
	NoRoute Reason = "NO_ROUTE"
	// MethodNotAllowed: the path exists, but not for this HTTP method.
	MethodNotAllowed Reason = "METHOD_NOT_ALLOWED"
	// InvalidRequest: a malformed request line, header, timeout or frame.
	InvalidRequest Reason = "INVALID_REQUEST"
	// InvalidPath: a path variable cannot be converted to its field.
	InvalidPath Reason = "INVALID_PATH"
	// InvalidQuery: a query parameter is unknown, malformed or in conflict.
	InvalidQuery Reason = "INVALID_QUERY"
	// InvalidBody: the body is not JSON, or not JSON of the request message.
	InvalidBody Reason = "INVALID_BODY"
	// MissingRequired: a proto2 required field is set by neither path, query nor body.
	MissingRequired Reason = "MISSING_REQUIRED"
	// ValidationFailed: the request breaks a buf.validate rule of its message.
	ValidationFailed Reason = "VALIDATION_FAILED"
	// UnsupportedMediaType: the content type is not one this path takes.
	UnsupportedMediaType Reason = "UNSUPPORTED_MEDIA_TYPE"
	// UnsupportedEncoding: a grpc-encoding that the gateway does not know.
	UnsupportedEncoding Reason = "UNSUPPORTED_ENCODING"
	// RequestTooLarge: the body or one gRPC message is over its limit.
	RequestTooLarge Reason = "REQUEST_TOO_LARGE"
	// OriginNotAllowed: a page of this origin may not open a WebSocket.
	OriginNotAllowed Reason = "ORIGIN_NOT_ALLOWED"
	// StreamOverHTTP10: HTTP/1.0 cannot show that a stream was cut.
	StreamOverHTTP10 Reason = "STREAM_OVER_HTTP_1_0"
	// MethodUnimplemented: the method's kind cannot be called this way.
	MethodUnimplemented Reason = "UNIMPLEMENTED"
	// UpstreamProtocol: the upstream's message, frame or answer is broken.
	UpstreamProtocol Reason = "UPSTREAM_PROTOCOL"
	// UpstreamTooLarge: an upstream message, or the JSON made of one, is over its limit.
	UpstreamTooLarge Reason = "UPSTREAM_MESSAGE_TOO_LARGE"
	// UpstreamUnreachable: no connection, or it was lost before an answer.
	UpstreamUnreachable Reason = "UPSTREAM_UNREACHABLE"
	// UpstreamOverloaded: the upstream has as many requests as it may have, and as
	// many wait as may.
	UpstreamOverloaded Reason = "UPSTREAM_OVERLOADED"
	// FunctionFailed: a function that was called has failed, and answered with nothing
	// else.
	FunctionFailed Reason = "FUNCTION_FAILED"
	// FunctionThrottled: a function runs as often as it may at once.
	FunctionThrottled Reason = "FUNCTION_THROTTLED"
	// UpstreamDenied: the gateway may not call the upstream, or has no credentials.
	UpstreamDenied Reason = "UPSTREAM_DENIED"
	// NotReady: the upstream's descriptors are not loaded yet.
	NotReady Reason = "NOT_READY"
	// ProgramFailed: a program of the configuration failed, or what it gave cannot
	// be meant.
	ProgramFailed Reason = "PROGRAM_FAILED"
	// ProgramLimit: a program of the configuration went over one of its limits.
	ProgramLimit Reason = "PROGRAM_LIMIT"
	// DeadlineExceeded: the deadline passed in the gateway.
	DeadlineExceeded Reason = "DEADLINE_EXCEEDED"
	// ClientClosed: the client went away; seen in logs only.
	ClientClosed Reason = "CLIENT_CLOSED"
	// Internal: a mistake of the gateway.
	Internal Reason = "INTERNAL"
)

// reasons is the one table of reason → HTTP status, gRPC code.
var reasons = map[Reason]struct {
	http int
	code codes.Code
}{
	NoRoute:              {http.StatusNotFound, codes.NotFound},
	MethodNotAllowed:     {http.StatusMethodNotAllowed, codes.Unimplemented},
	InvalidRequest:       {http.StatusBadRequest, codes.InvalidArgument},
	InvalidPath:          {http.StatusBadRequest, codes.InvalidArgument},
	InvalidQuery:         {http.StatusBadRequest, codes.InvalidArgument},
	InvalidBody:          {http.StatusBadRequest, codes.InvalidArgument},
	MissingRequired:      {http.StatusBadRequest, codes.InvalidArgument},
	ValidationFailed:     {http.StatusBadRequest, codes.InvalidArgument},
	UnsupportedMediaType: {http.StatusUnsupportedMediaType, codes.InvalidArgument},
	UnsupportedEncoding:  {http.StatusNotImplemented, codes.Unimplemented},
	RequestTooLarge:      {http.StatusRequestEntityTooLarge, codes.ResourceExhausted},
	OriginNotAllowed:     {http.StatusForbidden, codes.PermissionDenied},
	StreamOverHTTP10:     {http.StatusHTTPVersionNotSupported, codes.Unimplemented},
	MethodUnimplemented:  {http.StatusNotImplemented, codes.Unimplemented},
	UpstreamProtocol:     {http.StatusBadGateway, codes.Internal},
	UpstreamTooLarge:     {http.StatusBadGateway, codes.ResourceExhausted},
	UpstreamUnreachable:  {http.StatusServiceUnavailable, codes.Unavailable},
	UpstreamOverloaded:   {http.StatusServiceUnavailable, codes.Unavailable},
	FunctionFailed:       {http.StatusBadGateway, codes.Unknown},
	FunctionThrottled:    {http.StatusTooManyRequests, codes.ResourceExhausted},
	UpstreamDenied:       {http.StatusBadGateway, codes.Internal},
	NotReady:             {http.StatusServiceUnavailable, codes.Unavailable},
	ProgramFailed:        {http.StatusInternalServerError, codes.Internal},
	ProgramLimit:         {http.StatusInternalServerError, codes.ResourceExhausted},
	DeadlineExceeded:     {http.StatusGatewayTimeout, codes.DeadlineExceeded},
	ClientClosed:         {499, codes.Canceled},
	Internal:             {http.StatusInternalServerError, codes.Internal},
}

// HTTPStatus is the reason's HTTP status; 500 for an unknown reason.
func (r Reason) HTTPStatus() int {
	if row, ok := reasons[r]; ok {
		return row.http
	}
	return http.StatusInternalServerError
}

// Code is the reason's gRPC code; INTERNAL for an unknown reason.
func (r Reason) Code() codes.Code {
	if row, ok := reasons[r]; ok {
		return row.code
	}
	return codes.Internal
}
