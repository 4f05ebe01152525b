package rpc_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"

	"github.com/dragoman-gateway/dragoman/rpc"
)

// TestCodeFromHTTP is row E11: 400→3, 401→16, 403→7, 404→5, 409→10, 416→11,
// 429→8, 499→1, 501→12, 503→14, 504→4, other 4xx→9, other 5xx→13.
func TestCodeFromHTTP(t *testing.T) {
	for status, want := range map[int]codes.Code{
		200: 0, 204: 0,
		400: 3, 401: 16, 403: 7, 404: 5, 409: 10, 416: 11, 429: 8, 499: 1,
		402: 9, 405: 9, 410: 9, 412: 9, 422: 9, 451: 9,
		501: 12, 503: 14, 504: 4,
		500: 13, 502: 13, 505: 13, 599: 13,
		100: 2, 302: 2, 304: 2, 0: 2, 600: 2, -1: 2,
	} {
		require.Equal(t, want, rpc.CodeFromHTTP(status), status)
	}
}

// TestCodeFromHTTPAndBack: a code that becomes a status which no other code has
// comes back as itself.
func TestCodeFromHTTPAndBack(t *testing.T) {
	shared := make(map[int]int)
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		st := rpc.Status{Code: code}
		shared[st.HTTPStatus()]++
	}
	for code := codes.OK; code <= codes.Unauthenticated; code++ {
		st := rpc.Status{Code: code}
		if shared[st.HTTPStatus()] == 1 {
			require.Equal(t, code, rpc.CodeFromHTTP(st.HTTPStatus()))
		}
	}
}
