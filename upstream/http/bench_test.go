package http_test

import (
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/stretchr/testify/require"

	configpb "github.com/dragoman-gateway/dragoman/gen/dragoman/config/v1"
)

// A request costs what it costs with the transport alone, and what remembers its place:
// see TestAllocations.
func BenchmarkSend(b *testing.B) {
	server := serve(b, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "text") })
	b.Run("upstream", func(b *testing.B) {
		up := newUpstream(b, &configpb.HTTPUpstream{Url: server.URL})
		benchmark(b, func(r *http.Request) (*http.Response, error) { return up.Send(r, nil) })
	})
	b.Run("transport", func(b *testing.B) {
		address, err := url.Parse(server.URL)
		require.NoError(b, err)
		transport := &http.Transport{DisableCompression: true}
		defer transport.CloseIdleConnections()
		benchmark(b, func(r *http.Request) (*http.Response, error) {
			r.URL.Scheme, r.URL.Host = address.Scheme, address.Host
			return transport.RoundTrip(r)
		})
	})
}

func benchmark(b *testing.B, send func(*http.Request) (*http.Response, error)) {
	b.ReportAllocs()
	r := request(b, http.MethodGet, "/books/1?page=2", nil)
	r.Header.Set("User-Agent", "curl/8")
	for b.Loop() {
		exchange(b, r, send)
	}
}

func exchange(t testing.TB, r *http.Request, send func(*http.Request) (*http.Response, error)) {
	resp, err := send(r)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

func TestAllocations(t *testing.T) {
	address := requestLines(t)
	up := newUpstream(t, &configpb.HTTPUpstream{Url: "http://" + address})
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	measure := func(send func(*http.Request) (*http.Response, error)) float64 {
		r := request(t, http.MethodGet, "/a%2Fb?c=d", nil)
		r.Header.Set("User-Agent", "curl/8")
		return testing.AllocsPerRun(500, func() { exchange(t, r, send) })
	}
	bare := measure(func(r *http.Request) (*http.Response, error) {
		r.URL.Scheme, r.URL.Host = "http", address
		return transport.RoundTrip(r)
	})
	got := measure(func(r *http.Request) (*http.Response, error) { return up.Send(r, nil) })
	require.LessOrEqual(t, got, bare+1, "one more than the transport's own: the exchange")
}
