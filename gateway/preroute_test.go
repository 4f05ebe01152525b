package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestProgramBeforeTheRouteCannotBeLeftOut: what a client says of its request does
// not keep a program from the body of the answer.
func TestProgramBeforeTheRouteCannotBeLeftOut(t *testing.T) {
	g := newGateway(t, fmt.Sprintf(`
listeners:
- name: default
  address: ":1"
  transform:
  - {pre_route: true, request: '.log.body = .body', response: '.body |= {n: (.shelves | length)}'}
upstreams:
- {name: library, grpc: {target: %q}}
routes:
- {name: library, transcode: {upstream: library}}
`, startLibrary(t, "127.0.0.1:0")), nil, new(syncBuffer))
	require.NoError(t, g.Start(t.Context()))
	srv := serve(t, g)
	for _, row := range []struct {
		name   string
		header http.Header
		status int
	}{
		{"plain", nil, 200},
		{"upgrade", http.Header{"Upgrade": {"websocket"}, "Connection": {"Upgrade"}}, 400},
		{"upgrade in a list", http.Header{"Upgrade": {"other, websocket"}, "Connection": {"Upgrade"}}, 400},
		{"half an upgrade", http.Header{"Upgrade": {"websocket"}}, 200},
		{"gRPC", http.Header{"Content-Type": {"application/grpc"}}, 400},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/v1/shelves", nil)
			require.NoError(t, err)
			for name, values := range row.header {
				r.Header[name] = values
			}
			res, err := http.DefaultClient.Do(r)
			require.NoError(t, err)
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			require.NoError(t, err)
			require.Equal(t, row.status, res.StatusCode, "%s", text)
			require.NotContains(t, string(text), "theme")
		})
	}
}
