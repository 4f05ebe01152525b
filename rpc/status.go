package rpc

import (
	"net/http"
	"time"

	"github.com/grpc-ecosystem/grpc-gateway/v2/runtime"
	"google.golang.org/grpc/codes"
)

// Status is how a call ended. The zero value is OK.
type Status struct {
	Code    codes.Code
	Message string
	// Details is the serialized google.rpc.Status of grpc-status-details-bin,
	// or nil. Its own code and message win over Code and Message only for
	// display; see [Status.HTTPStatus].
	Details []byte
	// Reason is set if the gateway made this status, and empty if the upstream
	// did. It becomes x-dragoman-error.
	Reason Reason
	// Cause is what lies behind a Reason, for the operator. It may name
	// addresses and is never sent to a client.
	Cause error
	// NotSent says that nothing of the call can have been worked on: no connection
	// had it, or the upstream refused it unseen. It may be sent again whatever it
	// asks for. It is false where that is not known.
	NotSent bool
	// RetryAfter is how long the upstream asks to be left alone before the call is
	// sent again, and negative if it must not be. Zero: it said nothing.
	RetryAfter time.Duration
	// UnknownFields counts the fields in the upstream's messages that its descriptors
	// lack, and that were left out: more than zero if descriptors are older than the
	// service. Only an upstream whose messages are translated can tell.
	UnknownFields int
}

// HTTPStatus is the HTTP status for the code, by the table of google.rpc.Code,
// or the one of the reason if the gateway made the status. Codes outside 0–16
// are 500.
func (s *Status) HTTPStatus() int {
	if s.Reason != "" {
		return s.Reason.HTTPStatus()
	}
	if s.Code > codes.Unauthenticated {
		return http.StatusInternalServerError
	}
	return runtime.HTTPStatusFromCode(s.Code)
}
