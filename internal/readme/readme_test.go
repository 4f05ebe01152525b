package readme

import (
	"flag"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

var update = flag.Bool("update", false, "rewrite the output in README.md, and fail")

func TestREADME(t *testing.T) {
	gatewaytest.NeedsCurl(t)
	demo := gatewaytest.Run(t, t.TempDir(), true, gatewaytest.Build(t, "./cmd/dragoman"),
		"demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json")
	address := demo.WaitFor(`"msg":"listening","listener":"default","address":"([^"]+)"`)[1]
	root := gatewaytest.Root()
	gatewaytest.Console(t, filepath.Join(root, "README.md"), root, "localhost:8080", address, *update)
}

// TestStartUpScreen runs what the demo says to try.
func TestStartUpScreen(t *testing.T) {
	gatewaytest.NeedsCurl(t)
	demo := gatewaytest.Run(t, t.TempDir(), true, gatewaytest.Build(t, "./cmd/dragoman"),
		"demo", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json")
	tried := 0
	for {
		line := strings.TrimSpace(demo.WaitFor(`^ +(?:curl|grpcurl|Ctrl-C) .*`)[0])
		if strings.HasPrefix(line, "Ctrl-C") {
			break
		}
		// Without this curl exits with 0 whatever the answer is.
		line = regexp.MustCompile(`^curl `).ReplaceAllString(line, "curl --fail-with-body -sS ")
		out, err := gatewaytest.Shell(t, t.TempDir(), line).CombinedOutput()
		require.NoError(t, err, "%s: %s", line, out)
		tried++
	}
	require.NotZero(t, tried)
}
