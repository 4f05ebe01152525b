package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
	"github.com/dragoman-gateway/dragoman/internal/googletest"
	"github.com/dragoman-gateway/dragoman/internal/lambdatest"
)

// behind is a gateway in front of oracle, three times: as a REST service, a function of
// AWS Lambda and one of Google Cloud, each on a host of its own.
type behind struct {
	*gatewaytest.Process
	address string
	// next lets one waiting stream go on.
	next chan struct{}
}

const behindConfig = `
listeners:
- { name: public, address: "127.0.0.1:0" }
admin: { address: "127.0.0.1:0" }
upstreams:
- name: rest
  http: { url: %q }
  descriptors: &descriptors { proto: { roots: [.] } }
- name: lambda
  aws_lambda:
    function: oracle
    invocation: stream
    region: %s
    endpoint: %q
    credentials: { static: { access_key_id: %s, secret_access_key: %s } }
  descriptors: *descriptors
- name: google
  google_function: { url: %q, credentials: { file: %q } }
  descriptors: *descriptors
routes:
- { name: rest, hosts: [rest.test], transcode: { upstream: rest } }
- { name: lambda, hosts: [lambda.test], transcode: { upstream: lambda } }
- { name: google, hosts: [google.test], transcode: { upstream: google } }
`

func startBehind(t *testing.T) *behind {
	t.Helper()
	b := &behind{next: make(chan struct{})}
	control := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-b.next:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(control.Close)

	rest := httptest.NewServer(oracle(control.URL))
	t.Cleanup(rest.Close)
	environment := []string{nextVariable + "=" + control.URL, roleVariable + "="}
	lambda := lambdatest.Start(t, lambdatest.Options{Functions: []lambdatest.Function{{
		Name: "oracle", Program: os.Args[0], Environment: []string{environment[0], environment[1] + "lambda"},
	}}})
	cloud := googletest.Start(t)
	door := googletest.StartDoor(t, cloud, "", googletest.StartFunction(t, os.Args[0], "", environment[0], environment[1]+"google"))

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "oracle.proto"), []byte(oracleSource), 0o600))
	config := fmt.Sprintf(behindConfig, rest.URL, lambda.Region, lambda.URL, lambda.Credentials.AccessKeyID, lambda.Credentials.SecretAccessKey,
		door.URL, cloud.KeyFile(t))
	path := filepath.Join(dir, "dragoman.yaml")
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	dragoman, err := binary()
	require.NoError(t, err)
	b.Process = gatewaytest.Run(t, dir, true, dragoman, "serve", "-c", path, "--log-format", "json")
	b.address = b.WaitFor(`"msg":"listening","listener":"public","address":"([^"]+)"`)[1]
	return b
}

// grpcurl is a call, of which it knows no more than the gateway's reflection tells.
func (b *behind) grpcurl(t *testing.T, host, arguments string) *exec.Cmd {
	t.Helper()
	return gatewaytest.Shell(t, ".", "exec grpcurl -plaintext -format-error -authority "+host+" "+arguments)
}

type oracleResult struct {
	Text    string
	Seconds float64
}

// oracleStatus is google.rpc.Status as grpcurl and the gateway write it.
type oracleStatus struct {
	Code    int
	Message string
	Details []map[string]any
}

func (s *oracleStatus) require(t *testing.T, text []byte) {
	t.Helper()
	require.NoError(t, json.Unmarshal(text, s), "%s", text)
	require.Equal(t, oracleStatus{Code: 5, Message: "no such topic", Details: []map[string]any{
		{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "LOST", "domain": "oracle.test"},
	}}, *s)
}

// TestBehindMethods calls methods that a REST service and functions of two clouds answer,
// by grpcurl and by HTTP.
func TestBehindMethods(t *testing.T) {
	b := startBehind(t)
	for _, kind := range []string{"rest", "lambda", "google"} {
		t.Run(kind, func(t *testing.T) {
			host := kind + ".test"
			t.Run("reflection", func(t *testing.T) {
				out, err := b.grpcurl(t, host, b.address+" describe e2e.oracle.v1.Oracle").CombinedOutput()
				require.NoError(t, err, "%s", out)
				require.Contains(t, string(out), "returns ( stream .e2e.oracle.v1.Answer )")
			})
			t.Run("unary", func(t *testing.T) { b.unary(t, kind, host) })
			t.Run("error", func(t *testing.T) { b.failure(t, host) })
			for form := range oracleForms {
				t.Run(form, func(t *testing.T) { b.stream(t, kind, host, form) })
				t.Run(form+" with an error", func(t *testing.T) { b.streamFailure(t, host, form) })
			}
			t.Run("HTTP", func(t *testing.T) { b.http(t, host) })
		})
	}
}

func (b *behind) unary(t *testing.T, kind, host string) {
	out, err := b.grpcurl(t, host, `-max-time 50 -d '{"topic":"topics/weather"}' `+b.address+" e2e.oracle.v1.Oracle/Ask").CombinedOutput()
	require.NoError(t, err, "%s", out)
	var got oracleResult
	require.NoError(t, json.Unmarshal(out, &got), "%s", out)
	require.Equal(t, "weather 1", got.Text)
	// The route allows less than the client.
	require.Greater(t, got.Seconds, 0.0, "the deadline is passed on")
	require.LessOrEqual(t, got.Seconds, 15.0)
	b.WaitFor(`"route":"` + kind + `".*"rpc":"e2e.oracle.v1.Oracle.Ask".*"unknown_fields":1`)
}

func (b *behind) failure(t *testing.T, host string) {
	cmd := b.grpcurl(t, host, `-d '{"topic":"topics/lost"}' `+b.address+" e2e.oracle.v1.Oracle/Ask")
	var failure bytes.Buffer
	cmd.Stderr = &failure
	require.Error(t, cmd.Run())
	new(oracleStatus).require(t, failure.Bytes())

	// What no rule takes is not asked at all.
	out, err := b.grpcurl(t, host, `-d '{"topic":"weather"}' `+b.address+" e2e.oracle.v1.Oracle/Ask").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), `does not fit the pattern`)
}

// stream has the upstream send each message when the client has read the one before it.
func (b *behind) stream(t *testing.T, kind, host, form string) {
	cmd := b.grpcurl(t, host, `-max-time 50 -d '{"topic":"topics/weather","form":"`+form+`"}' `+b.address+" e2e.oracle.v1.Oracle/Watch")
	cmd.Stderr = t.Output()
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	messages := json.NewDecoder(stdout)
	for n := range 3 {
		if n > 0 {
			b.next <- struct{}{}
		}
		var got oracleResult
		require.NoError(t, messages.Decode(&got))
		require.Equal(t, fmt.Sprintf("weather %d", n+1), got.Text)
		require.Greater(t, got.Seconds, 15.0, "a stream has the time that its client gives it")
		require.LessOrEqual(t, got.Seconds, 50.0)
	}
	require.ErrorIs(t, messages.Decode(new(oracleResult)), io.EOF)
	require.NoError(t, cmd.Wait())
	b.WaitFor(`"route":"` + kind + `".*"rpc":"e2e.oracle.v1.Oracle.Watch".*"unknown_fields":3`)
}

func (b *behind) streamFailure(t *testing.T, host, form string) {
	cmd := b.grpcurl(t, host, `-d '{"topic":"topics/lost","form":"`+form+`"}' `+b.address+" e2e.oracle.v1.Oracle/Watch")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var failure bytes.Buffer
	cmd.Stderr = &failure
	require.NoError(t, cmd.Start())
	messages := json.NewDecoder(stdout)
	var got oracleResult
	require.NoError(t, messages.Decode(&got))
	require.Equal(t, "lost 1", got.Text)
	b.next <- struct{}{}
	require.ErrorIs(t, messages.Decode(&got), io.EOF)
	require.Error(t, cmd.Wait())
	new(oracleStatus).require(t, failure.Bytes())
}

// http calls the same methods by HTTP: JSON becomes a message, and that JSON again.
func (b *behind) http(t *testing.T, host string) {
	get := func(path, accept string) *http.Response {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+b.address+path, nil)
		require.NoError(t, err)
		r.Host = host
		r.Header.Set("Accept", accept)
		r.Header.Set("X-Server-Timeout", "9")
		res, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		t.Cleanup(func() { _ = res.Body.Close() })
		return res
	}
	res := get("/v1/topics/weather/answer", "application/json")
	require.Equal(t, http.StatusOK, res.StatusCode)
	var fields map[string]any
	require.NoError(t, json.NewDecoder(res.Body).Decode(&fields))
	require.Equal(t, "weather 1", fields["text"])
	require.LessOrEqual(t, fields["seconds"], 9.0)
	require.NotContains(t, fields, "mood", "it is no field of the message")
	b.WaitFor(`"protocol":"rest","rpc":"e2e.oracle.v1.Oracle.Ask".*"unknown_fields":1`)

	res = get("/v1/topics/lost/answer", "application/json")
	require.Equal(t, http.StatusNotFound, res.StatusCode)
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	new(oracleStatus).require(t, body)

	// The client's form has nothing to do with the upstream's.
	res = get("/v1/topics/weather/answers?form=events", "application/x-ndjson")
	require.Equal(t, http.StatusOK, res.StatusCode)
	lines := bufio.NewReader(res.Body)
	for n := range 3 {
		if n > 0 {
			b.next <- struct{}{}
		}
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, fmt.Sprintf(`"text":"weather %d"`, n+1))
	}
	_, err = lines.ReadByte()
	require.ErrorIs(t, err, io.EOF)
	b.WaitFor(`"protocol":"rest","rpc":"e2e.oracle.v1.Oracle.Watch".*"unknown_fields":3`)
}
