package gateway_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestTrustedProxies has a proxy in front of the gateway tell of a client: it is believed
// on the listener that trusts it, by redirects, programs and upstreams, and on no other.
func TestTrustedProxies(t *testing.T) {
	const routes = `
routes:
- {name: secure, match: [{prefix: /secure}], redirect: {scheme: https}}
- {name: same, match: [{prefix: /same}], redirect: {prefix: /other}}
- {name: who, match: [{prefix: /who}], respond: {body_jq: '.client.address + " " + .scheme + " " + (.headers["x-forwarded-for"] // "none")'}}
`
	for _, tt := range []struct{ name, listener, secure, same, who string }{
		{"trusted", `["127.0.0.0/8"]`, "https://shop.example/secure", "https://shop.example/other", "203.0.113.7 https 203.0.113.7"},
		{"not trusted", `["10.0.0.0/8"]`, "https://gateway.example/secure", "http://gateway.example/other", "127.0.0.1 http none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := newGateway(t, `listeners: [{name: default, address: "127.0.0.1:0", trusted_proxies: `+tt.listener+"}]\n"+routes, nil, io.Discard)
			require.NoError(t, g.Start(t.Context()))
			web, transport := serveBoth(t, g)
			for name, via := range map[string]http.RoundTripper{"h1": http.DefaultTransport, "h2c": transport} {
				ask := func(path string) (string, string) {
					r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+path, nil)
					require.NoError(t, err)
					r.Host = "gateway.example"
					r.Header.Set("X-Forwarded-For", "203.0.113.7")
					r.Header.Set("X-Forwarded-Proto", "https")
					r.Header.Set("X-Forwarded-Host", "shop.example")
					res, err := via.RoundTrip(r)
					require.NoError(t, err)
					defer res.Body.Close()
					body, err := io.ReadAll(res.Body)
					require.NoError(t, err)
					return res.Header.Get("Location"), string(body)
				}
				location, _ := ask("/secure")
				require.Equal(t, tt.secure, location, name)
				location, _ = ask("/same")
				require.Equal(t, tt.same, location, name)
				_, body := ask("/who")
				require.Equal(t, tt.who, body, name)
			}
		})
	}
}
