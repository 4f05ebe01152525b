package lambda

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream"
	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
	"github.com/dragoman-gateway/dragoman/upstream/token"
)

const (
	// functionError is the header with the type of a function's error.
	functionError = "X-Amz-Function-Error"
	// maxType and maxMessage are how much is told of an error.
	maxType    = 128
	maxMessage = 4 << 10
	// throttledFor is what clients are told to wait for if the service does not say.
	throttledFor = time.Second
)

// asError is err, which is an [*upstream.Error].
func asError(err error) *upstream.Error {
	var known *upstream.Error
	if errors.As(err, &known) {
		return known
	}
	return &upstream.Error{Reason: rpc.Internal, Err: err}
}

// named is failure with where it happened.
func (x *exchange) named(failure *upstream.Error) *upstream.Error {
	failure.Endpoint = x.call.function
	return failure
}

// failed says what an error of the SDK means.
func (x *exchange) failed(err error) *upstream.Error {
	if x.ctx.Err() != nil {
		return interrupted(x.ctx, !x.attempt.sent)
	}
	var (
		denied *token.Error
		api    smithy.APIError
		send   *smithyhttp.RequestSendError
	)
	switch {
	case errors.As(err, &denied):
		return &upstream.Error{Reason: rpc.UpstreamDenied, NotSent: true, Err: err}
	case errors.Is(err, errTooLarge):
		return &upstream.Error{Reason: rpc.UpstreamTooLarge, Err: err}
	case errors.As(err, &api):
		return x.refused(api, err)
	case errors.As(err, &send), lost(err):
		return &upstream.Error{Reason: rpc.UpstreamUnreachable, NotSent: !x.attempt.sent, Err: err}
	case !x.attempt.sent:
		// The request itself, before it was sent: a region that is none.
		return &upstream.Error{Reason: rpc.Internal, NotSent: true, Err: err}
	default:
		return &upstream.Error{Reason: rpc.UpstreamProtocol, Err: err}
	}
}

// lost says whether err is the end of a connection.
func lost(err error) bool {
	var op net.Error
	return errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) || errors.As(err, &op)
}

// throttles are the codes that AWS's own clients take for throttling.
var throttles = retry.ThrottleErrorCode{Codes: retry.DefaultThrottleErrorCodes}

// refused says what an error of the service means (API reference of Lambda, errors of
// Invoke, and the common ones). What it answers with a 4xx, no function has seen.
func (x *exchange) refused(api smithy.APIError, err error) *upstream.Error {
	status, code := statusOf(err), api.ErrorCode()
	failure := &upstream.Error{NotSent: status >= 400 && status < 500, Err: err}
	switch {
	case status == http.StatusTooManyRequests, throttles.IsErrorThrottle(err).Bool():
		failure.Reason, failure.NotSent, failure.RetryAfter = rpc.FunctionThrottled, true, retryAfter(err)
	case status == http.StatusRequestEntityTooLarge:
		failure.Reason, failure.Message = rpc.RequestTooLarge, "the request is larger than a function takes"
	case code == "InvalidRequestContentException" && x.call.format == event.Raw:
		// What the service knows about JSON and the gateway does not.
		failure.Reason, failure.Message = rpc.InvalidBody, "the request body is no JSON that a function takes"
	case code == "EFSIOException":
		// It reads or writes its files, and so may have begun, though the status is 410.
		failure.Reason, failure.NotSent = rpc.UpstreamUnreachable, false
	case isStart(code):
		failure.Reason, failure.NotSent = rpc.UpstreamUnreachable, true
		failure.Err = fmt.Errorf("the function cannot be started: %w", err)
	case status == http.StatusUnauthorized, status == http.StatusForbidden, isCredentials(code):
		failure.Reason = rpc.UpstreamDenied
		if strings.HasPrefix(code, "ExpiredToken") {
			x.up.keys[len(x.up.keys)-1].Reject()
		}
	case status == http.StatusNotFound:
		failure.Reason = rpc.UpstreamProtocol
		failure.Err = fmt.Errorf("there is no such function, or no such version or alias of it: %w", err)
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status >= 500:
		failure.Reason = rpc.UpstreamUnreachable
	default:
		failure.Reason = rpc.UpstreamProtocol
	}
	return failure
}

// isStart says whether an error of the service is about what a function needs before it
// can run: its code, keys, network, files and snapshot. Their statuses are 400, 403, 408,
// 409 and 502, and say nothing of who asks or of the service.
func isStart(code string) bool {
	switch strings.TrimSuffix(code, "Exception") {
	case "CodeArtifactUserDeleted", "CodeArtifactUserFailed", "CodeArtifactUserPending", "InvalidRuntime", "InvalidZipFile",
		"KMSAccessDenied", "KMSDisabled", "KMSInvalidState", "KMSNotFound",
		"EC2AccessDenied", "EC2Unexpected", "ENILimitReached", "ENINotReady", "InvalidSecurityGroupID", "InvalidSubnetID",
		"SubnetIPAddressLimitReached", "ResourceConflict", "ResourceNotReady",
		"EFSMountConnectivity", "EFSMountFailure", "EFSMountTimeout",
		"S3FilesMountConnectivity", "S3FilesMountFailure", "S3FilesMountTimeout",
		"SnapStart", "SnapStartNotReady", "SnapStartRegenerationFailure", "SnapStartTimeout":
		return true
	}
	return false
}

// isCredentials says whether an error of the service is about who asks. Most of them have
// status 403, some 400.
func isCredentials(code string) bool {
	switch strings.TrimSuffix(code, "Exception") {
	case "AccessDenied", "ExpiredToken", "UnrecognizedClient", "InvalidClientTokenId", "InvalidSignature",
		"SignatureDoesNotMatch", "MissingAuthenticationToken", "IncompleteSignature", "NotAuthorized", "OptInRequired":
		return true
	}
	return false
}

// statusOf is the status of the answer that err was made of; zero if there was none.
func statusOf(err error) int {
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) {
		return resp.HTTPStatusCode()
	}
	return 0
}

// retryAfter is how long the service asks to wait.
func retryAfter(err error) time.Duration {
	var (
		many *types.TooManyRequestsException
		resp *smithyhttp.ResponseError
		text string
	)
	if errors.As(err, &many) {
		text = aws.ToString(many.RetryAfterSeconds)
	}
	if text == "" && errors.As(err, &resp) && resp.Response != nil {
		text = resp.Response.Header.Get("Retry-After")
	}
	seconds, err := strconv.ParseUint(strings.TrimSpace(text), 10, 16)
	if err != nil || seconds == 0 {
		return throttledFor
	}
	return time.Duration(seconds) * time.Second
}

// functionFailed is the error of a function that has failed. kind is what the service
// calls it, details what the function says, JSON as a rule.
func (u *Upstream) functionFailed(kind string, details []byte) *upstream.Error {
	var said struct{ ErrorType, ErrorMessage string }
	if json.Unmarshal(details, &said) != nil {
		said.ErrorType, said.ErrorMessage = "", string(details)
	}
	kind = cmp.Or(typeOf(said.ErrorType), typeOf(kind), "Unhandled")
	message := said.ErrorMessage
	if len(message) > maxMessage {
		message = message[:maxMessage]
	}
	message = strings.ToValidUTF8(message, "\uFFFD")
	failure := &upstream.Error{
		Reason: rpc.FunctionFailed, Header: http.Header{functionError: {kind}},
		Err: fmt.Errorf("the function failed: %s: %s", kind, message),
	}
	// Where the service gives no type of its own, its words are all there is.
	if kind == "Sandbox.Timedout" || said.ErrorType == "" && strings.Contains(message, "Task timed out after ") {
		failure.Reason = rpc.DeadlineExceeded
	}
	if u.exposeErrors {
		failure.Message = message
	}
	return failure
}

// typeOf is the type of an error as a header can carry it; empty if there is nothing of
// it.
func typeOf(text string) string {
	text = strings.Map(func(c rune) rune {
		if c <= ' ' || c >= 0x7f {
			return -1
		}
		return c
	}, text)
	return text[:min(len(text), maxType)]
}
