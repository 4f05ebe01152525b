package gateway_test

import (
	"encoding/json"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
)

// logLines are the lines of a log, as they are written.
type logLines chan map[string]any

func (l logLines) Write(p []byte) (int, error) {
	line := make(map[string]any)
	err := json.Unmarshal(p, &line)
	l <- line
	return len(p), err
}

// TestFunctionsAreCheckedAtTheStart: each function that a route calls once, and what
// stands in the way is one line with whom it concerns. Others, and those of upstreams
// without routes, are no matter.
func TestFunctionsAreCheckedAtTheStart(t *testing.T) {
	s := lambdatest.Start(t, lambdatest.Options{
		Functions: []lambdatest.Function{{Name: "upper", Versions: []string{"1"}}, {Name: "echo"}},
		Credentials: []lambdatest.Credentials{
			{AccessKeyID: "AKIDECHO", SecretAccessKey: "secret", Principal: "arn:aws:iam::123456789012:user/gateway", Functions: []string{"upper", "gone"}},
		},
	})
	log := make(logLines, 100)
	g := newLogging(t, "upstreams:"+functionUpstream(s, "fn", "unused")+functionUpstream(s, "without-routes", "echo")+`
routes:
- {name: a, match: [{path: /a}], forward: {upstream: fn, lambda: {function: upper}}, retry: {}}
- {name: b, match: [{path: /b}], forward: {upstream: fn, lambda: {function: upper, event: raw}}}
- {name: c, match: [{path: /c}], forward: {upstream: fn, lambda: {function: upper, qualifier: "1"}}}
- {name: d, match: [{path: /d}], forward: {upstream: fn, lambda: {function: gone}}}
- {name: e, transcode: {upstream: fn, lambda: {function: gone, event: raw}}}
- {name: f, match: [{path: /f}], forward: {upstream: fn, lambda: {function: echo}}}
`, map[string]string{"functions.proto": functions}, slog.NewJSONHandler(log, nil), slog.DiscardHandler)
	require.NoError(t, g.Start(t.Context()))
	warned := map[string]string{}
	for len(warned) < 2 {
		var line map[string]any
		select {
		case line = <-log:
		case <-time.After(time.Minute):
			require.Len(t, warned, 2, "no more lines come")
		}
		if line["level"] == "WARN" && line["msg"] == "calls to the upstream will fail" {
			require.Equal(t, "fn", line["upstream"])
			warned[line["routes"].(string)] = line["error"].(string)
		}
	}
	require.NoError(t, g.Close())
	close(log)
	for line := range log {
		require.NotEqual(t, "WARN", line["level"], line)
	}
	require.Equal(t, []string{"d, e", "f"}, slices.Sorted(maps.Keys(warned)))
	require.Contains(t, warned["d, e"], `function "gone" in us-east-1: AWS says ResourceNotFoundException "Function not found: arn:`)
	require.Contains(t, warned["f"], `function "echo" in us-east-1: AWS says AccessDeniedException "User: arn:aws:iam::123456789012:user/gateway is not authorized to perform: lambda:InvokeFunction`)

	var asked []string
	for _, c := range s.Checks() {
		asked = append(asked, c.Function+":"+c.Qualifier)
	}
	require.Equal(t, []string{"upper:", "upper:1", "gone:", "echo:"}, asked)
	require.Empty(t, s.Calls(), "nothing has run")
}

// TestCheckHoldsNothingUp: a service that does not answer keeps the gateway neither from
// serving nor from its end.
func TestCheckHoldsNothingUp(t *testing.T) {
	arrived := make(chan struct{})
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-r.Context().Done()
	}))
	defer service.Close()
	log := make(logLines, 100)
	g := newLogging(t, `
upstreams: [{name: fn, aws_lambda: {function: f, region: eu-west-1, endpoint: "`+service.URL+`", credentials: {static: {access_key_id: a, secret_access_key: b}}}}]
routes:
- {name: here, match: [{path: /here}], respond: {body: here}}
- {name: there, match: [{path: /there}], forward: {upstream: fn}}
`, nil, slog.NewJSONHandler(log, nil), slog.DiscardHandler)
	require.NoError(t, g.Start(t.Context()))
	<-arrived
	code, _, body := get(t, serve(t, g).URL+"/here", "")
	require.Equal(t, http.StatusOK, code)
	require.Equal(t, "here", body)
	require.NoError(t, g.Close())
	close(log)
	for line := range log {
		require.NotEqual(t, "WARN", line["level"], line)
	}
}
