package readme

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

// fence is a block of a page, with its language and its text.
var fence = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")

// TestRoutingPage serves every configuration of docs/routing.md, sends the requests
// that stand below it, and runs the commands, which are about the first.
func TestRoutingPage(t *testing.T) {
	root := gatewaytest.Root()
	path := filepath.Join(root, "docs", "routing.md")
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	upstreams := echoes(t)
	first := ""
	var g *gatewaytest.Gateway
	requests := 0
	for _, block := range fence.FindAllStringSubmatch(string(page), -1) {
		switch block[1] {
		case "yaml":
			if first == "" {
				first = block[2]
			}
			g = serve(t, block[2], upstreams)
		case "text":
			for line := range strings.Lines(block[2]) {
				exchange(t, g.Address, strings.TrimSpace(line))
				requests++
			}
		}
	}
	require.NotZero(t, requests)

	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "dragoman.yaml"), []byte(first), 0o600))
	copyImage(t, dir)
	dragoman := gatewaytest.Build(t, "./cmd/dragoman")
	t.Setenv("PATH", filepath.Dir(dragoman)+string(os.PathListSeparator)+os.Getenv("PATH"))
	gatewaytest.Console(t, path, dir, "localhost:8080", "localhost:8080", *update)
}

// echoes are upstreams that answer with their name and with what they were asked for,
// as the configuration of all examples that have none of their own.
func echoes(t *testing.T) string {
	var out strings.Builder
	out.WriteString("upstreams:\n")
	for _, name := range []string{"api", "stable", "canary", "grpc-over-h2c"} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprintf(w, "%s %s", name, r.RequestURI)
		}))
		t.Cleanup(server.Close)
		fmt.Fprintf(&out, "- { name: %s, http: { url: %q } }\n", name, server.URL)
	}
	return out.String()
}

// serve starts a gateway with an example, completed by what it leaves out.
func serve(t *testing.T, example, upstreams string) *gatewaytest.Gateway {
	t.Helper()
	config := example
	if strings.HasPrefix(config, "- ") {
		config = "routes:\n" + config
	}
	if !strings.Contains(config, "upstreams:\n- name") || strings.HasPrefix(config, "upstream_groups:") {
		config += upstreams
	}
	if !strings.Contains(config, "routes:\n") {
		config += "routes: [{ name: all, match: [{ prefix: / }], respond: {} }]\n"
	}
	if !strings.Contains(config, "listeners:\n") {
		config += "listeners: [{ name: public, address: \":8080\" }]\n"
	}
	dir := t.TempDir()
	copyImage(t, dir)
	path := filepath.Join(dir, "dragoman.yaml")
	config = strings.ReplaceAll(config, `":8080"`, `"127.0.0.1:0"`)
	require.NoError(t, os.WriteFile(path, []byte(config), 0o600))
	g, err := gatewaytest.TryStart(t, path, nil)
	require.NoError(t, err, "%s", config)
	return g
}

func copyImage(t *testing.T, dir string) {
	t.Helper()
	image, err := os.ReadFile(filepath.Join(gatewaytest.Root(), "examples", "library", "image.binpb"))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "image.binpb"), image, 0o600))
}

var (
	exchangeLine = regexp.MustCompile(`^([A-Z]+) (\S+)((?: +\([^)]+\))*) +→ (.+)$`)
	headerOfLine = regexp.MustCompile(`\(([^:)]+): ([^)]+)\)`)
)

// exchange sends the request of a line as it stands, and compares what became of it:
// what an upstream was asked for, or the status with the place of a redirect or with
// the body of an answer that the gateway made.
func exchange(t *testing.T, address, line string) {
	t.Helper()
	m := exchangeLine.FindStringSubmatch(line)
	require.NotNil(t, m, line)
	conn, err := net.Dial("tcp", address)
	require.NoError(t, err)
	defer conn.Close()
	head := m[1] + " " + m[2] + " HTTP/1.1\r\nConnection: close\r\n"
	if !strings.Contains(m[3], "(Host: ") {
		head += "Host: gateway.example.com\r\n"
	}
	for _, h := range headerOfLine.FindAllStringSubmatch(m[3], -1) {
		head += h[1] + ": " + h[2] + "\r\n"
	}
	if m[1] == http.MethodPost {
		head += "Content-Length: 0\r\n"
	}
	_, err = io.WriteString(conn, head+"\r\n")
	require.NoError(t, err)
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: m[1]})
	require.NoError(t, err, line)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err, line)
	got := string(body)
	switch status := fmt.Sprint(res.StatusCode); {
	case res.Header.Get("Location") != "":
		got = status + " " + res.Header.Get("Location")
	case res.Header.Get("X-Dragoman-Error") != "" || got == "":
		got = status
	case res.StatusCode != http.StatusOK || !regexp.MustCompile(`^[a-z]+ /`).MatchString(got):
		got = status + " " + strings.TrimSpace(got)
	}
	require.Equal(t, m[4], got, line)
}
