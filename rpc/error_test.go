package rpc_test

import (
	"errors"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// TestReasons is the table of the documentation: the HTTP status and the code
// that every client may rely on.
func TestReasons(t *testing.T) {
	for _, test := range []struct {
		reason rpc.Reason
		http   int
		code   codes.Code
	}{
		{rpc.NoRoute, 404, codes.NotFound},
		{rpc.MethodNotAllowed, 405, codes.Unimplemented},
		{rpc.InvalidRequest, 400, codes.InvalidArgument},
		{rpc.InvalidPath, 400, codes.InvalidArgument},
		{rpc.InvalidQuery, 400, codes.InvalidArgument},
		{rpc.InvalidBody, 400, codes.InvalidArgument},
		{rpc.MissingRequired, 400, codes.InvalidArgument},
		{rpc.UnsupportedMediaType, 415, codes.InvalidArgument},
		{rpc.UnsupportedEncoding, 501, codes.Unimplemented},
		{rpc.RequestTooLarge, 413, codes.ResourceExhausted},
		{rpc.StreamOverHTTP10, 505, codes.Unimplemented},
		{rpc.MethodUnimplemented, 501, codes.Unimplemented},
		{rpc.ProgramFailed, 500, codes.Internal},
		{rpc.ProgramLimit, 500, codes.ResourceExhausted},
		{rpc.UpstreamProtocol, 502, codes.Internal},
		{rpc.UpstreamTooLarge, 502, codes.ResourceExhausted},
		{rpc.UpstreamUnreachable, 503, codes.Unavailable},
		{rpc.NotReady, 503, codes.Unavailable},
		{rpc.DeadlineExceeded, 504, codes.DeadlineExceeded},
		{rpc.ClientClosed, 499, codes.Canceled},
		{rpc.Internal, 500, codes.Internal},
		{"NEVER_HEARD_OF", 500, codes.Internal},
	} {
		require.Equal(t, test.http, test.reason.HTTPStatus(), test.reason)
		require.Equal(t, test.code, test.reason.Code(), test.reason)
	}
}

// TestE10: all codes of the upstream.
func TestE10(t *testing.T) {
	for code, want := range []int{200, 499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401, 500, 500} {
		st := rpc.Status{Code: codes.Code(code)}
		require.Equal(t, want, st.HTTPStatus(), st.Code)
	}
	st := rpc.Status{Code: 1024}
	require.Equal(t, http.StatusInternalServerError, st.HTTPStatus(), "E07")
	st = rpc.Status{Code: codes.Internal, Reason: rpc.UpstreamProtocol}
	require.Equal(t, http.StatusBadGateway, st.HTTPStatus(), "the reason decides")
}

func TestErrorStatus(t *testing.T) {
	cause := errors.New("secret")
	e := &rpc.Error{
		Reason:     rpc.InvalidBody,
		Message:    "bad \xff body",
		Violations: []rpc.Violation{{Field: "book.tags[2]", Description: "want a string, not \xff"}},
		Metadata:   map[string]string{"limit": "4"},
		Cause:      cause,
	}
	require.ErrorIs(t, e, cause)
	require.EqualError(t, e, "INVALID_BODY: bad \xff body: secret")
	require.EqualError(t, rpc.Errorf(rpc.NoRoute, "no %s", "way"), "NO_ROUTE: no way")

	st := e.Status()
	require.Equal(t, codes.InvalidArgument, st.Code)
	require.Equal(t, rpc.InvalidBody, st.Reason)
	require.Equal(t, "bad \uFFFD body", st.Message)
	got := &spb.Status{}
	require.NoError(t, proto.Unmarshal(st.Details, got))
	require.EqualValues(t, 3, got.Code)
	require.Equal(t, st.Message, got.Message)
	require.Len(t, got.Details, 2)
	var details []proto.Message
	for _, a := range got.Details {
		m, err := a.UnmarshalNew()
		require.NoError(t, err)
		details = append(details, m)
	}
	require.Empty(t, cmp.Diff([]proto.Message{
		&errdetails.ErrorInfo{Reason: "INVALID_BODY", Domain: "dragoman", Metadata: map[string]string{"limit": "4"}},
		&errdetails.BadRequest{FieldViolations: []*errdetails.BadRequest_FieldViolation{
			{Field: "book.tags[2]", Description: "want a string, not \uFFFD"},
		}},
	}, details, protocmp.Transform()))
	require.NotContains(t, string(st.Details), "secret")
}

func TestHeaderPolicy(t *testing.T) {
	for _, test := range []struct {
		name   string
		policy rpc.HeaderPolicy
		passes []string
		stays  []string
	}{
		{"zero", rpc.HeaderPolicy{}, []string{"a", "authorization"}, nil},
		{"allow", rpc.HeaderPolicy{Allow: []string{"a", "x-*"}}, []string{"a", "x-", "x-y"}, []string{"ab", "x", "b"}},
		{"deny", rpc.HeaderPolicy{Deny: []string{"cookie", "x-internal-*"}}, []string{"x-a"}, []string{"cookie", "x-internal-a"}},
		{"deny wins", rpc.HeaderPolicy{Allow: []string{"x-*"}, Deny: []string{"x-a"}}, []string{"x-b"}, []string{"x-a", "b"}},
		{"deny all", rpc.HeaderPolicy{Deny: []string{"*"}}, nil, []string{"a"}},
	} {
		for _, name := range test.passes {
			require.True(t, test.policy.Passes(name), "%s: %s", test.name, name)
		}
		for _, name := range test.stays {
			require.False(t, test.policy.Passes(name), "%s: %s", test.name, name)
		}
	}
	require.Equal(t, "2", rpc.Header{{Name: "a", Value: "1"}, {Name: "b", Value: "2"}, {Name: "b", Value: "3"}}.Get("b"))
	require.Empty(t, rpc.Header(nil).Get("b"))
}

// TestChosenCode is an answer that a program chose: its code is no reason's, and
// without a reason nothing claims that the gateway made it.
func TestChosenCode(t *testing.T) {
	chosen := &rpc.Error{Code: codes.PermissionDenied, Message: "not for you"}
	require.Equal(t, rpc.Status{Code: codes.PermissionDenied, Message: "not for you"}, chosen.Status())
	require.Equal(t, 403, chosen.HTTPStatus())
	chosen.Reason = rpc.ProgramFailed
	st := chosen.Status()
	require.Equal(t, codes.PermissionDenied, st.Code)
	require.Equal(t, rpc.ProgramFailed, st.Reason)
	require.NotEmpty(t, st.Details)
	require.Equal(t, 500, st.HTTPStatus())
	require.Equal(t, 500, chosen.HTTPStatus())
}
