package rest_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/dragoman-gateway/dragoman/transcoder"
)

// E22: over both versions of HTTP, answers small and large.
func TestTrailers(t *testing.T) {
	large := strings.Repeat("x", 10<<10)
	answer := func(request []byte, stream grpc.ServerStream) error {
		stream.SetTrailer(metadata.Pairs("x-trailer", "t", "x-data-bin", "\xff", "secret", "s"))
		return echo(request, stream)
	}
	deny := func(s *transcoder.Settings) { s.ResponseMetadata.Deny = []string{"secret"} }
	for name, options := range map[string][]any{"HTTP/1.1": {answer, deny}, "HTTP/2": {answer, deny, http2{}}} {
		t.Run(name, func(t *testing.T) {
			g := newGateway(t, options...)
			for _, path := range []string{"/v1/things/a", "/v1/things/" + large, "/v1/stream/a", "/v1/stream/" + large} {
				a := g.do(t, "GET "+path, "", "TE: trailers")
				require.NoError(t, a.err)
				require.Equal(t, 200, a.StatusCode)
				require.Equal(t, name, strings.TrimSuffix(a.Proto, ".0"))
				require.Equal(t, []string{"t"}, a.Trailer["X-Trailer"], path[:12])
				require.Equal(t, []string{"/w"}, a.Trailer["X-Data-Bin"], path[:12])
				require.Empty(t, a.Trailer["Secret"])
				require.Empty(t, a.Header["X-Trailer"])
				require.Contains(t, a.body, `{"name":"`+path[strings.LastIndexByte(path, '/')+1:]+`"}`)

				a = g.do(t, "GET "+path, "")
				require.Empty(t, a.Trailer)
				if strings.HasPrefix(path, "/v1/things") {
					require.Equal(t, "t", a.Header.Get("X-Trailer"))
					require.Empty(t, a.Header["Secret"])
				}
			}
		})
	}
}

// Trailers of an error are headers: what they say belongs to the status.
func TestTrailersOfErrors(t *testing.T) {
	g := newGateway(t, func(_ []byte, stream grpc.ServerStream) error {
		stream.SetTrailer(metadata.Pairs("x-trailer", "t"))
		return status.Error(codes.NotFound, "m")
	})
	for _, line := range []string{"GET /v1/things/a", "GET /v1/stream/a"} {
		a := g.do(t, line, "", "TE: trailers")
		require.Equal(t, 404, a.StatusCode)
		require.Equal(t, "t", a.Header.Get("X-Trailer"))
		require.Empty(t, a.Trailer)
	}
}

// An array that ends in band ends in order, trailers and all.
func TestTrailersInBand(t *testing.T) {
	g := newGateway(t, func(s *transcoder.Settings) { s.InBand, s.Pretty = true, true },
		func(request []byte, stream grpc.ServerStream) error {
			stream.SetTrailer(metadata.Pairs("x-trailer", "t"))
			if err := echo(request, stream); err != nil {
				return err
			}
			return status.Error(codes.DataLoss, "lost")
		})
	a := g.do(t, "GET /v1/stream/a", "", "TE: trailers")
	require.NoError(t, a.err)
	require.Equal(t, "t", a.Trailer.Get("X-Trailer"))
	require.Equal(t, `[
  {
    "name": "a"
  },
  {
    "error": {
      "code": 15,
      "message": "lost",
      "details": []
    }
  }
]`, a.body)
	x := <-g.exchanges
	require.Equal(t, int(codes.DataLoss), x.Code)
}
