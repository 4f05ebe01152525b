package lambdatest

import (
	"encoding/json"
	"net/http"
	"strconv"
)

// Types of errors, as X-Amzn-ErrorType names them.
const (
	typeValidation       = "ValidationException"
	typeInvalidParameter = "InvalidParameterValueException"
	typeInvalidContent   = "InvalidRequestContentException"
	typeNotFound         = "ResourceNotFoundException"
	typeTooLarge         = "RequestTooLargeException"
	typeTooMany          = "TooManyRequestsException"
	typeService          = "ServiceException"
	typeUnknownOperation = "UnknownOperationException"

	typeMissingToken     = "MissingAuthenticationTokenException"
	typeIncomplete       = "IncompleteSignatureException"
	typeUnknownKey       = "UnrecognizedClientException"
	typeInvalidSignature = "InvalidSignatureException"
	typeExpiredToken     = "ExpiredTokenException"
	typeAccessDenied     = "AccessDeniedException"
)

// apiError is an error of the service itself, not of a function.
type apiError struct {
	status        int
	kind, message string
	// reason and retryAfter, in seconds, are of throttled calls.
	reason     string
	retryAfter int
	// capital errors call their message Message: those of some shapes do.
	capital bool
}

func invalid(kind, message string) *apiError {
	return &apiError{status: http.StatusBadRequest, kind: kind, message: message}
}

func forbidden(kind, message string) *apiError {
	return &apiError{status: http.StatusForbidden, kind: kind, message: message}
}

func tooMany(retryAfter int) *apiError {
	return &apiError{status: http.StatusTooManyRequests, kind: typeTooMany, message: "Rate Exceeded.", reason: "ReservedFunctionConcurrentInvocationLimitExceeded", retryAfter: retryAfter}
}

// write answers with the error.
func (e *apiError) write(w http.ResponseWriter) {
	body := map[string]string{"Type": "User"}
	if e.status >= http.StatusInternalServerError {
		body["Type"] = "Service"
	}
	if e.reason != "" {
		body["Reason"] = e.reason
	}
	key := "message"
	if e.capital {
		key = "Message"
	}
	body[key] = e.message
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // strings
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Amzn-ErrorType", e.kind)
	if e.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(e.retryAfter))
	}
	w.WriteHeader(e.status)
	w.Write(text)
}
