// Package examples_test runs the examples: the servers and the command as they
// are built, and every line of their try.sh and README.
package examples_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/internal/gatewaytest"
)

var update = flag.Bool("update", false, "rewrite what the commands print, and fail")

// listening finds the address in the gateway's log.
const listening = `"msg":"listening","listener":"(?:default|public)","address":"([^"]+)"`

// try runs try.sh against address and compares what it prints with try.out.
func try(t *testing.T, dir, address string) {
	t.Helper()
	out, err := gatewaytest.Shell(t, dir, "./try.sh "+address).CombinedOutput()
	require.NoError(t, err, "%s", out)
	got := strings.ReplaceAll(string(out), address, "localhost:8080")
	golden := filepath.Join(dir, "try.out")
	if *update {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o644))
		t.Errorf("%s was rewritten: read the difference", golden)
		return
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

func TestExamples(t *testing.T) {
	gatewaytest.NeedsCurl(t)
	dragoman := gatewaytest.Build(t, "./cmd/dragoman")
	t.Run("hello", func(t *testing.T) { hello(t, dragoman) })
	t.Run("library", func(t *testing.T) { library(t, dragoman) })
}

func hello(t *testing.T, dragoman string) {
	service := gatewaytest.Run(t, "hello", false, gatewaytest.Build(t, "./examples/hello"), "-listen", "127.0.0.1:0")
	target := service.WaitFor(`serving gRPC on (.*)`)[1]
	gateway := gatewaytest.Run(t, "hello", true, dragoman, "serve", target,
		"--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-format", "json")
	address := gateway.WaitFor(listening)[1]
	try(t, "hello", address)
	gatewaytest.Console(t, "hello/README.md", "hello", "localhost:8080", address, *update)
}

// library runs try.sh once with each of the two configurations: the answers are
// the same wherever the descriptors come from.
func library(t *testing.T, dragoman string) {
	server := gatewaytest.Build(t, "./examples/library")
	for _, name := range []string{"dragoman.yaml", "dragoman-proto.yaml"} {
		t.Run(name, func(t *testing.T) {
			service := gatewaytest.Run(t, "library", false, server, "-listen", "127.0.0.1:0")
			target := service.WaitFor(`serving gRPC on (.*)`)[1]
			// A copy with addresses that are free here.
			dir := t.TempDir()
			require.NoError(t, os.CopyFS(dir, os.DirFS("library")))
			path := filepath.Join(dir, name)
			text, err := os.ReadFile(path)
			require.NoError(t, err)
			local := strings.NewReplacer(`":8080"`, `"127.0.0.1:0"`, `"localhost:9090"`, `"`+target+`"`).Replace(string(text))
			local += "\nadmin: { address: \"127.0.0.1:0\" }\n"
			require.NoError(t, os.WriteFile(path, []byte(local), 0o600))
			gateway := gatewaytest.Run(t, dir, true, dragoman, "serve", "-c", path, "--log-format", "json")
			address := gateway.WaitFor(listening)[1]
			try(t, "library", address)
			if name == "dragoman.yaml" {
				gatewaytest.Console(t, "library/README.md", "library", "localhost:8080", address, *update)
			}
		})
	}
}
