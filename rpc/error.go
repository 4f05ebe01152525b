package rpc

import (
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// ErrorHeader is the header, or trailer, that carries the [Reason] of an error
// made by the gateway.
const ErrorHeader = "x-dragoman-error"

// IgnoredHeader is the header that names what of a request was left out.
const IgnoredHeader = "x-dragoman-ignored"

// ErrorDomain is the ErrorInfo.domain of errors made by the gateway.
const ErrorDomain = "dragoman"

// Violation is one wrong field of a request.
type Violation struct {
	// Field is the path of the field as the client wrote it: book.tags[2].
	Field string
	// Description says what is wrong and what was expected.
	Description string
	// Rule is the identifier of the rule that the field breaks, string.min_len;
	// empty if it is none of a schema.
	Rule string
}

// Error is an error made by the gateway. Message and Violations are safe to
// show to the client; Cause is for the log only.
type Error struct {
	// Reason is empty for an answer that a program of the configuration chose: then
	// nothing says that the gateway made it.
	Reason Reason
	// Code, if it is not OK, is the gRPC code in place of the reason's; see
	// [Error.GRPCCode] and [Error.HTTPStatus].
	Code       codes.Code
	Message    string
	Violations []Violation
	// Metadata becomes ErrorInfo.metadata.
	Metadata map[string]string
	// Allow lists the HTTP methods of a [MethodNotAllowed].
	Allow []string
	Cause error
}

// Errorf makes an error without violations.
func Errorf(reason Reason, format string, args ...any) *Error {
	return &Error{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Reason, e.Message, e.Cause)
	}
	return string(e.Reason) + ": " + e.Message
}

func (e *Error) Unwrap() error { return e.Cause }

// Status is the error as a status whose details hold an ErrorInfo and, if a
// field is wrong, a BadRequest.
func (e *Error) Status() Status { return e.StatusWith(e.GRPCCode()) }

// GRPCCode is the error's own code, or that of its reason.
func (e *Error) GRPCCode() codes.Code {
	if e.Code != codes.OK {
		return e.Code
	}
	return e.Reason.Code()
}

// HTTPStatus is that of the reason; without one, that of the code.
func (e *Error) HTTPStatus() int {
	if e.Reason != "" {
		return e.Reason.HTTPStatus()
	}
	return (&Status{Code: e.GRPCCode()}).HTTPStatus()
}

// StatusWith is [Error.Status] with another code than the reason's, for a protocol
// that has one of its own for the reason.
func (e *Error) StatusWith(code codes.Code) Status {
	var details []proto.Message
	if e.Reason != "" {
		details = append(details, &errdetails.ErrorInfo{
			Reason: string(e.Reason), Domain: ErrorDomain, Metadata: e.Metadata,
		})
	}
	if len(e.Violations) > 0 {
		bad := &errdetails.BadRequest{}
		for _, v := range e.Violations {
			bad.FieldViolations = append(bad.FieldViolations, &errdetails.BadRequest_FieldViolation{
				Field: text(v.Field), Description: text(v.Description), Reason: text(v.Rule),
			})
		}
		details = append(details, bad)
	}
	st := &spb.Status{Code: int32(code), Message: text(e.Message)}
	for _, d := range details {
		// Marshalling fails for invalid UTF-8 only, here in Metadata: the detail
		// is then left out rather than the whole error.
		if a, err := anypb.New(d); err == nil {
			st.Details = append(st.Details, a)
		}
	}
	if len(st.Details) == 0 {
		return Status{Code: code, Message: st.Message, Reason: e.Reason, Cause: e.Cause}
	}
	raw, _ := proto.MarshalOptions{Deterministic: true}.Marshal(st)
	return Status{Code: code, Message: st.Message, Details: raw, Reason: e.Reason, Cause: e.Cause}
}

// text makes s a string that protobuf takes: what is quoted from a request need
// not be UTF-8.
func text(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
