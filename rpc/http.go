package rpc

import (
	"net/http"

	"google.golang.org/grpc/codes"
)

// CodeFromHTTP is the code of an HTTP status that came without one: the way back
// of [Status.HTTPStatus], as far as there is one. It is the table that Google's
// APIs use, not that of gRPC over HTTP, for which a 400 is INTERNAL.
func CodeFromHTTP(status int) codes.Code {
	const closed = 499
	switch status {
	case http.StatusBadRequest:
		return codes.InvalidArgument
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusConflict:
		return codes.Aborted
	case http.StatusRequestedRangeNotSatisfiable:
		return codes.OutOfRange
	case http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case closed:
		return codes.Canceled
	case http.StatusNotImplemented:
		return codes.Unimplemented
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	case http.StatusGatewayTimeout:
		return codes.DeadlineExceeded
	}
	switch status / 100 {
	case 2:
		return codes.OK
	case 4:
		return codes.FailedPrecondition
	case 5:
		return codes.Internal
	}
	return codes.Unknown
}
