package lambda

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/upstream/lambda/event"
)

func TestWhole(t *testing.T) {
	for _, tc := range []struct {
		method         string
		status         int
		returned, body string
		length         int64
		field          []string
	}{
		{"GET", 200, "abc", "abc", 3, []string{"3"}},
		{"GET", 200, "", "", 0, []string{"0"}},
		{"GET", 204, "", "", 0, nil},
		{"GET", 204, "abc", "", 0, nil},
		{"HEAD", 204, "abc", "", 0, nil},
		{"GET", 304, "", "", 0, nil},
		{"GET", 304, "abc", "", 3, []string{"3"}},
		{"HEAD", 200, "abc", "", 3, []string{"3"}},
		{"HEAD", 200, "", "", 0, nil},
	} {
		resp := whole(httptest.NewRequest(tc.method, "/", nil), &event.Response{Status: tc.status, Header: http.Header{}, Body: []byte(tc.returned)})
		body, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.Equal(t, tc.body, string(body), "%v", tc)
		require.Equal(t, tc.length, resp.ContentLength, "%v", tc)
		require.Equal(t, tc.field, resp.Header["Content-Length"], "%v", tc)
	}
}

// TestTimedOut has the two ways in which the service says that a function took too long.
func TestTimedOut(t *testing.T) {
	for _, tc := range []struct {
		details string
		reason  rpc.Reason
	}{
		{`{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: 1 Error: Task timed out after 3.00 seconds"}`, rpc.DeadlineExceeded},
		{`{"errorMessage":"2026-01-01T00:00:00.000Z 1 Task timed out after 3.00 seconds"}`, rpc.DeadlineExceeded},
		{`{"errorType":"Error","errorMessage":"the other one says: Task timed out after 3.00 seconds"}`, rpc.FunctionFailed},
	} {
		require.Equal(t, tc.reason, new(Upstream).functionFailed("Unhandled", []byte(tc.details)).Reason, tc.details)
	}
}
