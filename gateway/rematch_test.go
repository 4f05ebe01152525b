package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestMovedByClients: programs that take method, path and headers from whoever asks
// lead to the rules of the route and nowhere else, and nobody gets back much of what
// he sent.
func TestMovedByClients(t *testing.T) {
	g := newGateway(t, fmt.Sprintf(`
jq: {time: 30s} # it is not about time, and bodies are large
upstreams:
- {name: library, grpc: {target: %q}}
routes:
- name: library
  hosts: [open.test]
  transcode: {upstream: library}
  transform:
  - request: |
      .headers["x-method"] as $method | .body.path as $path | .body.host as $host | .body.big as $big | .body.name as $name
      | if $method then .method = $method end
      | if $path then .path = $path end
      | if $host then .host = $host end
      | if $name then .headers[$name] = "a b\n" end
      | if $big then .headers["x-big"] = $big end
      | .body = {}
- name: secret
  hosts: [secret.test]
  transcode: {upstream: library}
`, startLibrary(t, "127.0.0.1:0")), nil, new(syncBuffer))
	require.NoError(t, g.Start(t.Context()))
	srv := serve(t, g)
	for _, tt := range []struct {
		name, method, body string
		status             int
		reason             string
	}{
		{"another rule", "", `{"path": "/library.v1.Library/ListShelves"}`, 200, ""},
		{"an upgrade without one", "WEBSOCKET", `{"path": "/library.v1.Library/Ask"}`, 404, "NO_ROUTE"},
		{"another host", "", `{"path": "/v1/shelves:none", "host": "secret.test"}`, 404, "NO_ROUTE"},
		{"another host for the upstream", "GET", `{"path": "/v1/shelves", "host": "secret.test"}`, 200, ""},
		{"dots", "", `{"path": "/v1/shelves/../../library.v1.Library/ListShelves"}`, 404, "NO_ROUTE"},
		{"escaped dots", "GET", `{"path": "/v1/shelves/%2e%2e%2f%2e%2e"}`, 404, "google.rpc.ResourceInfo"},
		{"a long path", "", `{"path": "/` + strings.Repeat("x", 60_000) + `"}`, 404, "NO_ROUTE"},
		{"a longer path", "", `{"path": "/` + strings.Repeat("x", 3_000_000) + `"}`, 500, "PROGRAM_FAILED"},
		{"a long header", "", `{"path": "/library.v1.Library/ListShelves", "big": "` + strings.Repeat("x", 3_000_000) + `"}`, 500, "PROGRAM_FAILED"},
		{"many values", "", `{"path": "/library.v1.Library/ListShelves", "big": ["` + strings.Repeat(`","`, 300_000) + `"]}`, 500, "PROGRAM_FAILED"},
		{"a long name", "", `{"path": "/library.v1.Library/ListShelves", "name": "` + strings.Repeat("x", 3_000_000) + `"}`, 500, "PROGRAM_FAILED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+"/library.v1.Library/ListShelves", strings.NewReader(tt.body))
			require.NoError(t, err)
			r.Host = "open.test"
			r.Header.Set("Content-Type", "application/json")
			if tt.method != "" {
				r.Header.Set("X-Method", tt.method)
			}
			res, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			if tt.status != http.StatusOK {
				require.Less(t, len(text), 2000)
			}
			require.Equal(t, tt.status, res.StatusCode, "%s", text)
			require.Contains(t, string(text), tt.reason)
		})
	}
}
