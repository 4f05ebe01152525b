package transcoder_test

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/forwarded"
	"github.com/dragoman-gateway/dragoman/rpc"
	"github.com/dragoman-gateway/dragoman/transcoder"
)

func request(pairs ...string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://api.example.com/", nil)
	r.RemoteAddr = "192.0.2.1:1234"
	for i := 0; i < len(pairs); i += 2 {
		r.Header.Add(pairs[i], pairs[i+1])
	}
	return r
}

func TestAppendMetadata(t *testing.T) {
	// forwarded is what every call gets.
	forwarded := rpc.Header{
		{Name: "x-forwarded-for", Value: "192.0.2.1"},
		{Name: "x-forwarded-host", Value: "api.example.com"},
		{Name: "x-forwarded-proto", Value: "http"},
	}
	for _, test := range []struct {
		name string
		r    *http.Request
		want rpc.Header
	}{
		{"nothing", request(), nil},
		{"in order", request("B", "2", "A", "1", "B", "1", "Authorization", "Bearer x", "Cookie", "a=b"), rpc.Header{
			{Name: "a", Value: "1"}, {Name: "authorization", Value: "Bearer x"}, {Name: "b", Value: "2"}, {Name: "b", Value: "1"}, {Name: "cookie", Value: "a=b"},
		}},
		{"E21 hop by hop", request("Connection", "keep-alive, X-Secret", "X-Secret", "1", "Keep-Alive", "5", "Proxy-Connection", "x",
			"Proxy-Authorization", "x", "Te", "trailers", "Trailer", "x", "Transfer-Encoding", "chunked", "Upgrade", "x", "Host", "x",
			"Http2-Settings", "x", "Expect", "100-continue"), nil},
		{"E21 the body's form", request("Content-Length", "3", "Content-Type", "application/json", "Content-Encoding", "gzip", "Accept-Encoding", "gzip", "Content-Disposition", "x"), nil},
		{"reserved for gRPC", request("Grpc-Timeout", "1S", "Grpc-Status", "0", "Grpc-Message", "x", "Grpc-Anything-Bin", "x"), nil},
		{"forwarded by the client", request("X-Forwarded-For", "10.0.0.1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "evil"), nil},
		{"error by the client", request("X-Dragoman-Error", "INTERNAL", "X-Dragoman-Ignored", "query.a"), nil},
		{"E19 not ASCII", request("X-Name", "Jörg", "X-Control", "a\x01b", "X-Ok", "~ !"), rpc.Header{{Name: "x-ok", Value: "~ !"}}},
		{"E19 not a key", request("Foo+Bar", "1", "X_y.z", "2"), rpc.Header{{Name: "x_y.z", Value: "2"}}},
		{"E20 base64", request("X-Data-Bin", "AAE=", "X-Data-Bin", "/w"), rpc.Header{{Name: "x-data-bin", Value: "\x00\x01"}, {Name: "x-data-bin", Value: "\xff"}}},
		{"C13 lists", request("X-Data-Bin", "AAE= , /w,"), rpc.Header{{Name: "x-data-bin", Value: "\x00\x01"}, {Name: "x-data-bin", Value: "\xff"}, {Name: "x-data-bin", Value: ""}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := transcoder.AppendMetadata(nil, test.r, nil, &rpc.HeaderPolicy{})
			require.NoError(t, err)
			var rest rpc.Header
			for _, f := range got {
				if len(f.Name) < 11 || f.Name[:11] != "x-forwarded" {
					rest = append(rest, f)
				} else {
					require.Contains(t, forwarded, f)
				}
			}
			require.Equal(t, test.want, rest)
			require.Len(t, got, len(rest)+3)
			require.IsNonDecreasing(t, names(got))
		})
	}
}

func names(h rpc.Header) []string {
	var s []string
	for _, f := range h {
		s = append(s, f.Name)
	}
	return s
}

func TestAppendMetadataAppends(t *testing.T) {
	dst := append(make(rpc.Header, 0, 16), rpc.HeaderField{Name: "zz", Value: "first"})
	got, err := transcoder.AppendMetadata(dst, request("A", "1"), nil, &rpc.HeaderPolicy{Allow: []string{"a"}})
	require.NoError(t, err)
	require.Equal(t, rpc.Header{{Name: "zz", Value: "first"}, {Name: "a", Value: "1"}}, got)
}

func TestAppendMetadataForwarded(t *testing.T) {
	r := request()
	r.TLS = &tls.ConnectionState{}
	r.RemoteAddr = "[2001:db8::1]:443"
	got, err := transcoder.AppendMetadata(nil, r, nil, &rpc.HeaderPolicy{Deny: []string{"x-forwarded-host"}})
	require.NoError(t, err)
	require.Equal(t, rpc.Header{{Name: "x-forwarded-for", Value: "2001:db8::1"}, {Name: "x-forwarded-proto", Value: "https"}}, got)
}

// TestAppendMetadataTrusted tells the service of the client that a trusted proxy tells of.
func TestAppendMetadataTrusted(t *testing.T) {
	r := request("X-Forwarded-For", "6.6.6.6, 203.0.113.1", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "outside")
	r.RemoteAddr = "10.0.0.1:443"
	trusted := forwarded.Networks{netip.MustParsePrefix("10.0.0.0/8")}
	client, told := trusted.ClientOf(forwarded.Peer{Address: r.RemoteAddr, Scheme: "http", Host: r.Host}, r.Header)
	require.True(t, told)
	got, err := transcoder.AppendMetadata(nil, r, &client, &rpc.HeaderPolicy{})
	require.NoError(t, err)
	require.Equal(t, rpc.Header{
		{Name: "x-forwarded-for", Value: "6.6.6.6, 203.0.113.1, 10.0.0.1"}, {Name: "x-forwarded-host", Value: "outside"}, {Name: "x-forwarded-proto", Value: "https"},
	}, got)
}

// TestC13BadBase64 is refused: what the service would get is not what was meant.
func TestC13BadBase64(t *testing.T) {
	for _, value := range []string{"%", "AAE=x", "A", "a b"} {
		_, err := transcoder.AppendMetadata(nil, request("X-Data-Bin", value), nil, &rpc.HeaderPolicy{})
		var e *rpc.Error
		require.ErrorAs(t, err, &e, value)
		require.Equal(t, rpc.InvalidRequest, e.Reason)
		require.Equal(t, `header "x-data-bin": the value is not base64`, e.Message)
	}
	_, err := transcoder.AppendMetadata(nil, request("X-Data-Bin", "%"), nil, &rpc.HeaderPolicy{Deny: []string{"x-data-bin"}})
	require.NoError(t, err, "what does not travel need not be right")
}

// TestAppendMetadataAllocations: usual headers cost nothing but the caller's slice.
func TestAppendMetadataAllocations(t *testing.T) {
	r := request("Accept", "*/*", "User-Agent", "curl", "Authorization", "x", "Content-Type", "application/json", "Connection", "keep-alive", "X-Request-Id", "1")
	dst := make(rpc.Header, 0, 16)
	policy := &rpc.HeaderPolicy{}
	require.Zero(t, testing.AllocsPerRun(100, func() {
		dst, _ = transcoder.AppendMetadata(dst[:0], r, nil, policy)
	}))
	require.Len(t, dst, 7)
}

func TestWriteMetadata(t *testing.T) {
	md := rpc.Header{
		{Name: "x-a", Value: "1"}, {Name: "x-a", Value: "2"}, {Name: "set-cookie", Value: "a=b"},
		{Name: "x-raw-bin", Value: "\x00\xff"},
		{Name: "x-bad", Value: "a\r\nset-cookie: evil"}, {Name: "x-umlaut", Value: "ö"},
		{Name: "x bad", Value: "1"}, {Name: "X-Upper", Value: "1"}, {Name: ":status", Value: "500"}, {Name: "", Value: "1"}, {Name: "trailer:x", Value: "1"},
		{Name: "content-type", Value: "text/html"}, {Name: "content-length", Value: "7"}, {Name: "connection", Value: "close"},
		{Name: "transfer-encoding", Value: "x"}, {Name: "trailer", Value: "x"}, {Name: "grpc-status", Value: "0"},
		{Name: "x-dragoman-error", Value: "INTERNAL"}, {Name: "x-dragoman-ignored", Value: "query.a"}, {Name: "x-secret", Value: "1"},
	}
	policy := &rpc.HeaderPolicy{Deny: []string{"x-secret"}}
	h := http.Header{}
	transcoder.WriteMetadata(h, md, policy)
	require.Equal(t, http.Header{"X-A": {"1", "2"}, "Set-Cookie": {"a=b"}, "X-Raw-Bin": {"AP8"}}, h)

	h = http.Header{}
	transcoder.WriteMetadataPrefix(h, md[:1], policy, http.TrailerPrefix)
	require.Equal(t, http.Header{"Trailer:X-A": {"1"}}, h)
}
