package demo

import (
	"fmt"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
)

// Errors of the service, each with the detail that the code is meant to have.

func withDetails(code codes.Code, message string, details ...protoadapt.MessageV1) error {
	st, err := status.New(code, message).WithDetails(details...)
	if err != nil {
		return status.Error(code, message)
	}
	return st.Err()
}

func notFound(kind, name string) error {
	return withDetails(codes.NotFound, fmt.Sprintf("no %q here", name), &errdetails.ResourceInfo{
		ResourceType: kind, ResourceName: name, Description: "it never existed, or it was removed",
	})
}

func precondition(kind, subject, description string) error {
	return withDetails(codes.FailedPrecondition, description, &errdetails.PreconditionFailure{
		Violations: []*errdetails.PreconditionFailure_Violation{
			{Type: kind, Subject: subject, Description: description},
		},
	})
}

func badField(field, description string) error {
	return withDetails(codes.InvalidArgument, field+": "+description, &errdetails.BadRequest{
		FieldViolations: []*errdetails.BadRequest_FieldViolation{{Field: field, Description: description}},
	})
}

func full(what string, limit int) error {
	return withDetails(codes.ResourceExhausted, fmt.Sprintf("the library holds at most %d %s", limit, what),
		&errdetails.QuotaFailure{Violations: []*errdetails.QuotaFailure_Violation{
			{Subject: what, Description: fmt.Sprintf("%d at most", limit)},
		}})
}
