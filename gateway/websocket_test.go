package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/stretchr/testify/require"
)

// TestUpgrade: a stream is reached by an upgrade through everything that a route
// has around its handlers, and nothing else is.
func TestUpgrade(t *testing.T) {
	var log syncBuffer
	g := newGateway(t, fmt.Sprintf(`
upstreams:
- {name: library, grpc: {target: %q}}
routes:
- name: library
  transcode:
    upstream: library
    http: {cors: {origins: ["https://app.test"]}, compression: {min_bytes: 1}}
`, startLibrary(t, "127.0.0.1:0")), nil, &log)
	require.NoError(t, g.Start(t.Context()))
	srv := serve(t, g)

	conn, _, err := websocket.Dial(t.Context(), srv.URL+"/library.v1.Library/Ask", nil)
	require.NoError(t, err)
	defer conn.CloseNow()
	require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte(`{"title":"no such book"}`)))
	_, frame, err := conn.Read(t.Context())
	require.NoError(t, err)
	require.JSONEq(t, `{"nothing":{}}`, string(frame))
	require.NoError(t, conn.Write(t.Context(), websocket.MessageText, nil))
	_, _, err = conn.Read(t.Context())
	require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
	require.Eventually(t, func() bool { return strings.Contains(log.String(), "\n") }, 20*time.Second, 10*time.Millisecond)
	var line struct {
		Status   int
		Code     string `json:"grpc_status"`
		RPC      string
		BytesIn  int `json:"bytes_in"`
		BytesOut int `json:"bytes_out"`
	}
	require.NoError(t, json.Unmarshal([]byte(log.String()), &line))
	require.Equal(t, http.StatusSwitchingProtocols, line.Status)
	require.Equal(t, "OK", line.Code)
	require.Equal(t, "library.v1.Library.Ask", line.RPC)
	require.Equal(t, len(`{"title":"no such book"}`), line.BytesIn)
	require.Equal(t, len(frame), line.BytesOut)

	// To other requests it is as if there were no such routes.
	upgrade := func(method, path string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
		require.NoError(t, err)
		r.Header.Set("Connection", "Upgrade")
		r.Header.Set("Upgrade", "websocket")
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res
	}
	require.Equal(t, http.StatusOK, upgrade(http.MethodGet, "/v1/shelves").StatusCode, "a unary method")
	res := upgrade(http.MethodGet, "/library.v1.Library/GetBook")
	require.Equal(t, http.StatusMethodNotAllowed, res.StatusCode)
	require.NotContains(t, res.Header.Get("Allow"), "WEBSOCKET")
	require.Equal(t, http.StatusBadRequest, upgrade(http.MethodGet, "/library.v1.Library/Ask").StatusCode, "half a handshake")
	status, header, _ := get(t, srv.URL+"/library.v1.Library/Ask", "")
	require.Equal(t, http.StatusMethodNotAllowed, status)
	require.NotContains(t, header.Get("Allow"), "WEBSOCKET")
}

// TestMethodOfThatName: a client may call its method as upgrades are called here, and
// it is a method that no route has.
func TestMethodOfThatName(t *testing.T) {
	g := newGateway(t, fmt.Sprintf(`
upstreams:
- {name: library, grpc: {target: %q}}
routes:
- {name: library, transcode: {upstream: library}}
`, startLibrary(t, "127.0.0.1:0")), nil, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	srv := serve(t, g)
	ask := func(method, path string, upgrade bool) (status int, allow, body string) {
		r, err := http.NewRequestWithContext(t.Context(), method, srv.URL+path, nil)
		require.NoError(t, err)
		if upgrade {
			r.Header.Set("Connection", "Upgrade")
			r.Header.Set("Upgrade", "websocket")
			r.Header.Set("Sec-WebSocket-Version", "13")
			r.Header.Set("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
		}
		res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(r)
		require.NoError(t, err)
		text, err := io.ReadAll(res.Body)
		require.NoError(t, err)
		require.NoError(t, res.Body.Close())
		return res.StatusCode, res.Header.Get("Allow"), strings.ReplaceAll(string(text), method, "X")
	}
	for _, path := range []string{"/library.v1.Library/Ask", "/library.v1.Library/GetBook", "/v1/shelves", "/v1/nothing"} {
		for _, upgrade := range []bool{false, true} {
			status, allow, body := ask("WEBSOCKET", path, upgrade)
			wantStatus, wantAllow, wantBody := ask("UNHEARDOF", path, upgrade)
			require.Equal(t, wantStatus, status, path)
			require.Equal(t, wantAllow, allow, path)
			require.Equal(t, wantBody, body, path)
			require.Contains(t, []int{http.StatusMethodNotAllowed, http.StatusNotFound}, status, path)
		}
	}
}

// TestUpgradeIsOff: no route is left of what is turned off.
func TestUpgradeIsOff(t *testing.T) {
	g := newGateway(t, fmt.Sprintf(`
upstreams:
- {name: library, grpc: {target: %q}}
routes:
- {name: library, transcode: {upstream: library, stream: {websocket: {disabled: true}}}}
`, startLibrary(t, "127.0.0.1:0")), nil, io.Discard)
	require.NoError(t, g.Start(t.Context()))
	for _, e := range g.Entries("default") {
		require.NotEqual(t, "WEBSOCKET", e.Method)
	}
}
