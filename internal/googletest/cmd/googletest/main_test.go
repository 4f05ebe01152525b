package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/googletest"
)

// TestMain is also the program of the functions, when it is started as such.
func TestMain(m *testing.M) {
	if target := os.Getenv("FUNCTION_TARGET"); target != "" {
		err := http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprint(w, target, r.URL.Path, " ", r.Header.Get("X-Test-Caller"))
		}))
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	r, w := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, []string{
			"-metadata-address", "127.0.0.1:0", "-program", os.Args[0], "-function", "one=127.0.0.1:0", "-function", "two=127.0.0.1:0/two,https://custom",
		}, w, t.Output())
		w.Close()
	}()
	env := make(map[string]string)
	for lines := bufio.NewScanner(r); len(env) < 3 && lines.Scan(); {
		name, value, ok := strings.Cut(lines.Text(), "=")
		require.True(t, ok, lines.Text())
		env[name] = value
	}
	require.Len(t, env, 3)
	for _, tt := range []struct {
		url, audience string
		status        int
		want          string
	}{
		{env["one"] + "/a", env["one"], 200, "one/a " + googletest.Default},
		{env["two"] + "/a", env["two"], 200, "two/a " + googletest.Default},
		{env["two"] + "/a", "https://custom", 200, "two/a " + googletest.Default},
		{env["two"] + "more", env["two"], 404, ""},
		{env["one"], "https://custom", 401, ""},
	} {
		_, token := get(t, "http://"+env["GCE_METADATA_HOST"]+"/computeMetadata/v1/instance/service-accounts/default/identity?format=full&audience="+tt.audience, "Metadata-Flavor", "Google")
		status, body := get(t, tt.url, "Authorization", "Bearer "+token)
		require.Equal(t, tt.status, status, "%s for %s: %s", tt.url, tt.audience, body)
		if tt.want != "" {
			require.Equal(t, tt.want, body)
		}
	}
	stop()
	require.NoError(t, <-done)
}

func get(t *testing.T, url, name, value string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	req.Header.Set(name, value)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func TestRunRefuses(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"more"}, `unexpected argument "more"`},
		{[]string{"-function", "one"}, "not of the form NAME=HOST:PORT"},
		{[]string{"-function", "one=127.0.0.1:0"}, "-function needs -program"},
		{[]string{"-metadata-address", "nowhere"}, "listening for a stand-in of Google Cloud"},
		{[]string{"-metadata-address", "127.0.0.1:0", "-program", "./absent", "-function", "one=127.0.0.1:0"}, `function "one"`},
		{[]string{"-metadata-address", "127.0.0.1:0", "-program", "/bin/false", "-function", "one=127.0.0.1:0"}, "the program ended before it listened"},
		{[]string{"-no"}, "not defined"},
	} {
		var out bytes.Buffer
		require.ErrorContains(t, run(t.Context(), tc.args, &out, io.Discard), tc.want)
		require.Empty(t, out.String())
	}
}
